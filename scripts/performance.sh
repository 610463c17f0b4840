#!/usr/bin/env bash
# Measures what docs/PERFORMANCE.md states, default build and feature `fast`, and prints its table.
#
# performance.sh [ROUNDS]: whole processes are compared on 1 GiB in a memory file system, the best of ROUNDS (7)
# each, taken in turns. `age` (Debian's package) and `rage` are compared if they are installed.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
for build in default fast; do
    features=()
    [[ $build == fast ]] && features=(--features fast)
    cargo build --quiet --release "${features[@]}" --example transfer --example performance
    mkdir -p "$target/performance/$build"
    cp "$target"/release/examples/{transfer,performance} "$target/performance/$build/"
done
place=$(mktemp -d -p "${MEMORY_FOLDER:-/dev/shm}")
trap 'rm -rf "$place"' EXIT
# A server's allocator keeps the memory it was given; glibc's would hand every part back to the kernel.
export MALLOC_TRIM_THRESHOLD_=4000000000 MALLOC_MMAP_THRESHOLD_=2000000000 MALLOC_TOP_PAD_=67108864
for build in default fast default fast; do
    "$target/performance/$build/performance" "$place" >>"$place/$build.measured"
done
unset MALLOC_TRIM_THRESHOLD_ MALLOC_MMAP_THRESHOLD_ MALLOC_TOP_PAD_
python3 scripts/performance.py "$target/performance" "$place" "${1:-7}"
