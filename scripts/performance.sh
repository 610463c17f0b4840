#!/usr/bin/env bash
# Measures what docs/PERFORMANCE.md states, default build and feature `fast`, and prints its tables.
#
# performance.sh [--build] [--peers] [ROUNDS]: whole processes are compared on 1 GiB in a memory file system, in ROUNDS
# (7) turns. --build times a build from nothing, too. --peers compares libraries in memory (benches/peers) and, of the
# Debian packages age, restic and gocryptfs and of rage, those that are installed; without it age and rage alone.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
building= peers= rounds=7
for argument; do
    case $argument in
    --build) building=1 ;;
    --peers) peers=1 ;;
    *) rounds=$argument ;;
    esac
done
programs=$target/performance
for build in default fast; do
    features=testing
    [[ $build == fast ]] && features=testing,fast
    cargo build --quiet --release --features "$features" --example transfer --example performance
    mkdir -p "$programs/$build"
    cp "$target"/release/examples/{transfer,performance} "$programs/$build/"
done
place=$(mktemp -d -p "${MEMORY_FOLDER:-/dev/shm}")
trap 'rm -rf "$place"' EXIT
if [[ $peers ]]; then
    cargo build --quiet --locked --release --manifest-path benches/peers/Cargo.toml --features fast --target-dir "$target/peers"
fi
# A server's allocator keeps the memory it was given; glibc's would hand every part back to the kernel.
keep=(env MALLOC_TRIM_THRESHOLD_=4000000000 MALLOC_MMAP_THRESHOLD_=2000000000 MALLOC_TOP_PAD_=67108864)
for build in default fast default fast; do
    "${keep[@]}" "$programs/$build/performance" "$place" rows >>"$place/$build.rows"
done
"$programs/default/performance" "$place" history 1000000 >"$place/history.tsv"
"$programs/default/performance" "$place" vault 100000 >"$place/vault.tsv"
"$programs/default/performance" "$place" case 1000 >"$place/case.tsv"
[[ $building ]] && scripts/performance/build.sh >"$place/build"
python3 scripts/performance/processes.py "$programs" "$place" "$rounds" ${peers:+--peers} >"$place/processes"
python3 scripts/performance/table.py "$place"
if [[ $peers ]]; then
    printf '\nLibraries in memory, on one core or as said:\n\n'
    "$target/peers/release/primitives" | sed 's/^/    /'
    "$target/peers/release/in_memory" | sed 's/^/    /'
fi
