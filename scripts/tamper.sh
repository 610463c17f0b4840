#!/usr/bin/env bash
# Flips every bit of what a vault and a carrier store, cuts, extends, deletes, doubles and swaps every object, and compares what
# comes of it with tests/tamper_vault/TABLE.md. DOCVAULT_TABLE=1 prints the rows that were met, also of the sample that
# `cargo test --features testing,intake --test tamper` runs.
set -euo pipefail
cd "$(dirname "$0")/.."
DOCVAULT_EXHAUSTIVE=1 cargo test --release --all-features --test tamper -- --nocapture
