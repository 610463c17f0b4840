#!/usr/bin/env bash
# Vectors, the frozen kit and transfers under each choice of features by which the same bytes are made another way: with and
# without threads, by either cipher. With --suite the whole suite under each of the three that CI does not run, for which
# all features are on: most of an hour.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUST_MIN_STACK=16777216
if [[ ${1:-} == --suite ]]; then
    for features in "" parallel fast; do
        printf '\n== without defaults: fs,testing,intake,redb,tracing,metrics,%s\n' "$features"
        cargo test --release --no-fail-fast --no-default-features --features "fs,testing,intake,redb,tracing,metrics,$features" --lib --tests
    done
    exit
fi
for features in "" parallel fast parallel,fast; do
    printf '\n== without defaults: fs,testing,intake,%s\n' "$features"
    with=(--quiet --no-default-features --features "fs,testing,intake,$features")
    cargo test "${with[@]}" --lib -- vectors chunked
    cargo test "${with[@]}" --test chunked_vectors --test kit
    cargo test "${with[@]}" --test transfer -- --skip whatever_the_pieces
done
