#!/usr/bin/env bash
# The web module: its own tests, against the vectors that the crate writes; and the way back, deposits that it
# seals with fresh randomness, opened by the crate.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/web"
(cd web && npm ci --silent && npm test)
sealed=$(realpath -m "$target/web/deposits.json")
node web/test/seal.mjs "$sealed"
DOCVAULT_WEB_DEPOSITS=$sealed cargo test --release --all-features --lib deposit::vectors::deposits_of -- --ignored
