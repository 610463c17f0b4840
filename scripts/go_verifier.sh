#!/usr/bin/env bash
# Go's transparency-log packages (golang.org/x/mod/sumdb) and docvault verify what the other wrote: notes,
# inclusion and consistency proofs. Needs Debian's golang-go and golang-golang-x-mod-dev, or the same elsewhere.
set -euo pipefail
cd "$(dirname "$0")/.."
export DOCVAULT_GO
DOCVAULT_GO=$(mktemp -d)
trap 'rm -rf "$DOCVAULT_GO"' EXIT
mkdir "$DOCVAULT_GO/rust" "$DOCVAULT_GO/go"
(cd tests/interop_go && GO111MODULE=off GOPATH=${GOPATH:-/usr/share/gocode} GOCACHE="$DOCVAULT_GO/cache" go build -o "$DOCVAULT_GO/interop" .)
rust() { cargo test --release --all-features --lib -- --ignored --exact "receipt::go::$1" --nocapture | grep -E '^(test |Rust|test result)'; }
rust rust_writes_for_go
"$DOCVAULT_GO/interop" verify "$DOCVAULT_GO/rust"
"$DOCVAULT_GO/interop" write "$DOCVAULT_GO/go"
rust rust_verifies_what_go_wrote
