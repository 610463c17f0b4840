#!/usr/bin/env bash
# Vectors, the frozen kit and transfers under each choice of features by which the same bytes are made another way: with and
# without threads, by either cipher. The suite runs them with all features, where both ciphers are compared too.
set -euo pipefail
cd "$(dirname "$0")/.."
for features in "" parallel fast parallel,fast; do
    printf '\n== without defaults: fs,testing,intake,%s\n' "$features"
    with=(--quiet --no-default-features --features "fs,testing,intake,$features")
    RUST_MIN_STACK=16777216 cargo test "${with[@]}" --lib -- vectors chunked
    RUST_MIN_STACK=16777216 cargo test "${with[@]}" --test chunked_vectors --test kit
    RUST_MIN_STACK=16777216 cargo test "${with[@]}" --test transfer -- --skip whatever_the_pieces
done
