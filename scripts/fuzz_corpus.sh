#!/usr/bin/env bash
# Adds to each target's committed corpus, of what fuzz.sh has found here, as few inputs as together run what it does not:
# fuzz_corpus.sh [TARGETS…]. What is longer than 4 KiB stays out.
set -euo pipefail
cd "$(dirname "$0")/.."
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(ls fuzz/target/found)
unset CARGO_TARGET_DIR
for target in "${targets[@]}"; do
    corpus=fuzz/corpus/$target short=fuzz/target/short/$target
    rm -rf "$short"
    mkdir -p "$short"
    find "fuzz/target/found/$target" -type f -size -9 -exec cp -t "$short" {} +
    before=$(find "$corpus" -type f | wc -l)
    log=fuzz/target/$target.log
    if ! cargo +nightly fuzz run -s none "$target" "$corpus" "$short" -- -set_cover_merge=1 -use_counters=0 -use_value_profile=0 \
        -rss_limit_mb=4096 >"$log" 2>&1; then
        tail -n 60 "$log"
        exit 1
    fi
    echo "$target: $before files, now $(find "$corpus" -type f | wc -l)"
done
