#!/usr/bin/env bash
# Alters every byte of every stored object of a small vault, and exchanges all objects pairwise.
set -euo pipefail
cd "$(dirname "$0")/.."
DOCVAULT_EXHAUSTIVE=1 cargo test --release --all-features --test tamper -- --nocapture
