#!/usr/bin/env bash
# Two processes store COUNT documents each (500) into one folder vault at once: twice as many
# documents must be there afterwards, in one chain that verifies.
set -euo pipefail
cd "$(dirname "$0")/.."
count=${1:-500}
cargo build --quiet --release --all-features --example writer
writer=${CARGO_TARGET_DIR:-target}/release/examples/writer
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$writer" "$place/vault" "$place/vault" create
start=$(date +%s.%N)
"$writer" "$place/vault" "$place/vault" first "$count" >"$place/first" & first=$!
"$writer" "$place/vault" "$place/vault" second "$count" >"$place/second" & second=$!
wait "$first"
wait "$second"
printf 'two processes, %s documents each: %.1f s\n' "$count" "$(echo "$(date +%s.%N) - $start" | bc)"
counted=$("$writer" "$place/vault" "$place/vault" check "$place/first" "$place/second")
echo "$counted"
[[ $counted == "$((2 * count)) documents,"* ]]
