#!/usr/bin/env bash
# Kills intake at ROUNDS (100) random instants. After each: the log verifies, every acknowledged
# operation is there, every document that can be seen is whole.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-100}
cargo build --quiet --release --all-features --example intake
intake=${CARGO_TARGET_DIR:-target}/release/examples/intake
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir "$place/files"
for size in 1 1000 100000 9000000 20000000; do
    head -c "$size" /dev/urandom >"$place/files/$size"
done
# One whole run tells how long the instants are to be spread over.
start=$(date +%s%N)
"$intake" --vault "$place/whole" "$place/files" >"$place/output"
span=$((($(date +%s%N) - start) / 1000000))
killed=0 acknowledged=0
for ((round = 1; round <= rounds; round++)); do
    # A kill between a vault's first record and its pin leaves one without: who kills it knows whose it is.
    # A new vault every tenth round, so that its making is interrupted too.
    vault=$place/vault$((round / 10))
    touch "$vault.log"
    before=$(wc -l <"$vault.log")
    "$intake" --vault "$vault" --without-pin --crash-log "$vault.log" "$place/files" >"$place/output" 2>&1 &
    process=$!
    instant=$(((RANDOM * 32768 + RANDOM) % span))
    sleep "$((instant / 1000)).$(printf %03d $((instant % 1000)))"
    if kill -KILL "$process" 2>/dev/null; then killed=$((killed + 1)); fi
    wait "$process" 2>/dev/null || true
    acknowledged=$((acknowledged + $(wc -l <"$vault.log") - before))
    if ! checked=$("$intake" --vault "$vault" --without-pin --crash-log "$vault.log" --check 2>&1); then
        printf 'round %s: %s\n' "$round" "$checked"
        exit 1
    fi
done
printf '%s rounds, %s killed within %s ms, %s operations acknowledged, no violation; the last vault: %s\n' "$rounds" "$killed" "$span" "$acknowledged" "$(tail -n 1 <<<"$checked")"
# Kills that all come before anything was acknowledged would show nothing.
[ "$rounds" -lt 50 ] || [ "$acknowledged" -gt 0 ]
