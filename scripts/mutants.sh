#!/usr/bin/env bash
# Alters the crate in all the ways that cargo-mutants knows, one at a time, and sees that a test notices: mutants.sh [FILES…]
# With no files named, those in which a wrong sign or a missing check is worst. What no test notices is printed; it is an
# error unless scripts/mutants.txt says why. Each mutant meets tests for SECONDS_EACH at most, 60 unless set. Who noticed
# one is added to MUTANTS_TRIED, if that names a file, and the mutant not tried again while its source is the same. With
# MUTANTS_SINCE, which names a commit, only lines that have changed since are altered.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cargo-mutants >/dev/null || cargo install --locked cargo-mutants
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target/mutants}
mkdir -p "$CARGO_TARGET_DIR"
environment=$CARGO_TARGET_DIR/venv
if [ ! -d "$environment" ]; then
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check tree-sitter==0.26.1 tree-sitter-rust==0.24.2
fi
files=("$@")
[ $# -gt 0 ] || files=('src/crypto/**' src/padding.rs src/wire.rs 'src/log/**' src/{head,keyring,grant,document,pin,policy,receipt}.rs
    'src/receipt/**' 'src/deposit/**' 'src/plan/**' src/secret.rs src/text.rs src/storage/{key,layout}.rs)
tests=(attacks auditor bundle check checkpoints chunked chunked_vectors copy deposits erasure export housekeeping kit memory observe
    properties receipts side_by_side signing_keys statements transfer transparency unpinned uploads vault witness_http)
# The same place each time, so that little has to be built anew.
place=$CARGO_TARGET_DIR/tree
rm -rf "$place"
mkdir -p "$place"
git ls-files -z | xargs -0 cp --parents -t "$place"
chosen=("${files[@]/#/--file=}")
if [ -n "${MUTANTS_SINCE:-}" ]; then
    git diff "$MUTANTS_SINCE" -- src >"$place/changed"
    chosen+=("--in-diff=$place/changed")
fi
# What `Debug` prints is for people; that it prints no secret has tests of its own.
cargo mutants --list --json --exclude-re 'impl .*Debug for' --exclude-re '\btests::' --exclude '**/fuzzing.rs' --exclude '**/fuzzing/**' "${chosen[@]}" >"$place/listed"
cat >"$place/lenient" <<'SH'
#!/bin/sh
case " $* " in *" -vV "* | *" --print"*) exec "$@" ;; esac
exec "$@" --cap-lints warn -C debuginfo=0
SH
chmod +x "$place/lenient"
export RUSTC_WORKSPACE_WRAPPER=$place/lenient
"$environment/bin/python" scripts/mutants.py "$place" "$place/listed" scripts/mutants.txt "${SECONDS_EACH:-60}" --lib "${tests[@]/#/--test=}"
