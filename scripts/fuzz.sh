#!/usr/bin/env bash
# Runs every fuzz target, or those named, for SECONDS each: fuzz.sh SECONDS [TARGETS…]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    mapfile -t targets < <(sed -n 's/^name = "\(.*\)"$/\1/p' fuzz/Cargo.toml | grep -v '^docvault-fuzz$')
fi
unset CARGO_TARGET_DIR
cargo +nightly fuzz build
for target in "${targets[@]}"; do
    printf '%s: ' "$target"
    # What a run finds stays out of the committed corpus, which it starts from.
    mkdir -p "fuzz/target/found/$target"
    cargo +nightly fuzz run "$target" "fuzz/target/found/$target" "fuzz/corpus/$target" -- -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 2>&1 |
        tee "fuzz/target/$target.log" | sed -n 's/^stat::number_of_executed_units: *//p'
done
