#!/usr/bin/env bash
# four_processes.sh PLACE COUNT [DISTURB…]: four processes bring a case each to COUNT documents (250) in one vault
# at PLACE (see examples/writer/place.rs). One is killed on the way and started anew; DISTURB runs once, under load.
# Afterwards there are 4 × COUNT documents in one chain that verifies, all that were acknowledged among them.
set -euo pipefail
cd "$(dirname "$0")/.."
place=$1 count=${2:-250}
shift $(($# > 1 ? 2 : 1))
cargo build --quiet --release --all-features --example writer
writer=${CARGO_TARGET_DIR:-target}/release/examples/writer
kept=$(mktemp -d)
running=()
stop() {
    for process in "${running[@]}"; do kill -KILL "$process" 2>/dev/null || true; done
    rm -rf "$kept"
}
trap stop EXIT
"$writer" "$place" "$kept/vault" create
start=$(date +%s.%N)
for name in a b c d; do
    "$writer" "$place" "$kept/vault" "$name" "$count" >"$kept/$name.acknowledged" & running+=($!)
done
acknowledged() { cat "$@" | wc -l; }
# While it has most of its documents before it.
until (($(acknowledged "$kept/a.acknowledged") >= count / 10)); do
    sleep 0.05
    kill -0 "${running[0]}"
done
kill -KILL "${running[0]}"
wait "${running[0]}" 2>/dev/null || true
printf 'one process was killed after %s documents of its own\n' "$(acknowledged "$kept/a.acknowledged")"
"$writer" "$place" "$kept/vault" a "$count" >"$kept/a-again.acknowledged" & running[0]=$!
if [ $# -gt 0 ]; then
    "$@"
    printf 'disturbed by: %s, after %s documents\n' "$(basename "$1")" "$(acknowledged "$kept"/*.acknowledged)"
fi
for process in "${running[@]}"; do
    wait "$process"
done
printf 'four processes, %s documents each: %.1f s\n' "$count" "$(echo "$(date +%s.%N) - $start" | bc)"
# Who commits is not who asked first: a process may wait while others win.
for name in a b c d; do
    last=$(stat -c %.9Y "$kept/$name"*.acknowledged | sort -n | tail -n 1)
    printf '%s: %s documents, the last after %.1f s\n' "$name" "$(acknowledged "$kept/$name"*.acknowledged)" "$(echo "$last - $start" | bc)"
done
counted=$("$writer" "$place" "$kept/vault" check "$kept"/*.acknowledged)
echo "$counted"
[[ $counted == "$((4 * count)) documents,"* ]]
