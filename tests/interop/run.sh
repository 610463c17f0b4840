#!/usr/bin/env bash
# Reads vaults that this crate writes with the reader in tests/interop/reader, written from docs/FORMAT.md alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
environment=$(realpath -m "$target/interop/venv")

# Made again when what it needs has changed.
if ! cmp -s tests/interop/requirements.txt "$environment/made-from"; then
    rm -rf "$environment"
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check -r tests/interop/requirements.txt
    cp tests/interop/requirements.txt "$environment/made-from"
fi

# Durability is tested elsewhere; here it would only cost time.
if [ -w /dev/shm ]; then export TMPDIR=/dev/shm; fi
export DOCVAULT_INTEROP_PYTHON=$environment/bin/python PYTHONPYCACHEPREFIX=$environment/cache
cargo test --release --all-features --test interop -- --ignored --nocapture
