#!/usr/bin/env bash
# Every fault and a crash at every storage call of 200 operations; the test suite runs a sample of them.
set -euo pipefail
cd "$(dirname "$0")/.."
DOCVAULT_FAULTS=all cargo test --release --all-features --test fault_exhaustion -- --nocapture
