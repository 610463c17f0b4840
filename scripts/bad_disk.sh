#!/usr/bin/env bash
# bad_disk.sh [EVERY]: a process stores documents while fsync answers EIO from call N on, for N = 1, 1 + EVERY (1), …
# of a short run, and then while the disk fills up; on a folder and on one file (redb). Each time the process must end
# with an error that names the storage, and what it acknowledged must be there. Needs root for the full disk.
set -euo pipefail
cd "$(dirname "$0")/.."
every=${1:-1}
cargo build --quiet --release --all-features --example writer
writer=$PWD/${CARGO_TARGET_DIR:-target}/release/examples/writer
work=$(mktemp -d)
stop() {
    umount "$work/disk" 2>/dev/null || true
    rm -rf "$work"
}
trap stop EXIT
mkdir "$work/disk"

# A writer waits for a storage that may come back; here it must say at once that it does not.
export WRITER_PATIENCE=0

# judge STEM PLACE: the error is the storage's and tells what to do, and the rest is there.
judge() {
    if ! grep -q 'kind: \(Storage\|OutcomeUnknown\)\|StorageError' "$1.errors"; then
        echo "no clear error:" && cat "$1.errors"
        exit 1
    fi
    "$writer" "$2" "$1" check "$1.acknowledged" >/dev/null
}

for backend in folder redb; do
    prefix=
    [ "$backend" = folder ] || prefix=redb:
    failed=0
    for ((call = 1; ; call += every)); do
        stem=$work/$backend.$call
        place=$prefix$work/$backend.$call.vault
        "$writer" "$place" "$stem" create
        if strace -f -qq -o /dev/null -e trace=fsync,fdatasync -e inject=fsync,fdatasync:error=EIO:when="$call+" \
            "$writer" "$place" "$stem" case 4 >"$stem.acknowledged" 2>"$stem.errors"; then
            break
        fi
        judge "$stem" "$place"
        failed=$((failed + 1))
    done
    [ "$failed" -gt 0 ]
    printf '%s: fsync failed from each of %s calls on; a clear error each time, nothing lost\n' "$backend" "$failed"

    mount -t tmpfs -o size=16M tmpfs "$work/disk"
    stem=$work/$backend.full place=$prefix$work/disk/vault
    "$writer" "$place" "$stem" create
    if "$writer" "$place" "$stem" case 1000000 >"$stem.acknowledged" 2>"$stem.errors"; then
        echo "the disk did not fill up" && exit 1
    fi
    grep -q Full "$stem.errors" || { echo "not told that the disk is full:" && cat "$stem.errors" && exit 1; }
    mount -o remount,size=64M "$work/disk"
    judge "$stem" "$place"
    printf '%s: a full disk after %s documents: %s\n' "$backend" "$(wc -l <"$stem.acknowledged")" "$(head -c 300 "$stem.errors")"
    umount "$work/disk"
done
