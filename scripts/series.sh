#!/usr/bin/env bash
# Measures how cost grows, keeps it as docs/performance/*.tsv, and draws it beside them.
#
# series.sh [DOCUMENTS]: the vault grows to DOCUMENTS (100,000); a million take three minutes and 15 GB of memory.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
cargo build --quiet --release --features testing --example performance --example scaling
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
export MALLOC_TRIM_THRESHOLD_=4000000000 MALLOC_MMAP_THRESHOLD_=2000000000 MALLOC_TOP_PAD_=67108864
performance() { "$target/release/examples/performance" "$place" "$@"; }
performance document >"$place/document.tsv"
performance case 100000 >"$place/case.tsv"
performance history 1000000 >"$place/history.tsv"
performance vault "${1:-100000}" >"$place/vault.tsv"
# Processes of 16 tasks, none of them slow.
{
    printf 'processes\toperations a second\tcommits a second\trequests an operation\tmedian, ms\t99th percentile, ms\n'
    "$target/release/examples/scaling" many | sed 's/ *| */|/g' |
        awk -F '[|]' -v OFS='\t' '$3 == 16 && $4 == "-" { split($9, wait, " / "); print $2, $5, $6, $8, wait[1], wait[2] }'
} >"$place/writers.tsv"
mv "$place"/*.tsv docs/performance/
scripts/series.py
