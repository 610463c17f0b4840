#!/usr/bin/env bash
# Alters every byte of stored objects of a small vault, deletes, cuts and extends them all and exchanges them, and compares
# what comes of it with tests/tamper_vault/TABLE.md.
set -euo pipefail
cd "$(dirname "$0")/.."
DOCVAULT_EXHAUSTIVE=1 cargo test --release --all-features --test tamper -- --nocapture
