#!/usr/bin/env bash
# Builds the crate by its default features from nothing, and prints `name seconds` for both profiles, and `crates N`.
#
# A crate of nothing that depends on it, for this workspace optimizes its dependencies in the dev profile, which a
# user's does not. Downloads come before.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cargo init --quiet --lib --vcs none --name user "$scratch/user"
cp Cargo.lock "$scratch/user/"
cd "$scratch/user"
printf 'docvault = { path = "%s" }\n' "$here" >>Cargo.toml
cargo fetch --quiet
for profile in dev release; do
    start=$EPOCHREALTIME
    cargo build --quiet --profile "$profile" --target-dir "$scratch/target-$profile"
    python3 -c "print('build_$profile', $EPOCHREALTIME - $start)"
done
echo crates "$(cargo tree -e normal,build --prefix none --format '{p}' | sed 's/ (.*//' | sort -u | grep -cv '^docvault \|^user \|^$')"
