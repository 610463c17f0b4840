#!/usr/bin/env bash
# Flips every bit of what a vault and a carrier store, cuts, extends, deletes, doubles and swaps every object, and compares what
# comes of it with tests/tamper_vault/TABLE.md. Each flip and each cut is put to one question, which one goes round, and to the
# others too only if it is one in eight that the first does not refuse; everything else is put to every question that looks.
# DOCVAULT_TABLE=1 prints the rows that were met, also of the sample that `cargo test --features testing,intake --test tamper`
# runs. DOCVAULT_ONLY=commit,swapped does what is named, to all objects, and everything, to those that are.
set -euo pipefail
cd "$(dirname "$0")/.."
DOCVAULT_EXHAUSTIVE=1 cargo test --release --all-features --test tamper -- --nocapture
