#!/usr/bin/env bash
# bad_disk.sh [EVERY]: a process stores documents in a folder and in one file (redb) while the disk fails it, and what
# it acknowledged must be there. In turn:
# - fsync answers EIO from call N on, for N = 1, 1 + EVERY (1), … of a short run: a clear error ends it;
# - fsync answers EIO once, at call N, and succeeds from then on. The kernel drops what it could not write and says
#   so once (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020), so nothing that could
#   not be synced may be synced again and taken for durable;
# - the same for real, on an ext4 whose disk refuses new blocks for a while; afterwards the process, or the next one,
#   goes on, and then the power is cut;
# - the disk fills up.
# Needs strace, root and loop devices.
set -euo pipefail
cd "$(dirname "$0")/.."
every=${1:-1}
cargo build --quiet --release --all-features --example writer
writer=$PWD/${CARGO_TARGET_DIR:-target}/release/examples/writer
work=$(mktemp -d)
running=
stop() {
    [ -z "$running" ] || kill -KILL "$running" 2>/dev/null || true
    for point in snapshot disk images; do umount "$work/$point" 2>/dev/null || true; done
    rm -rf "$work"
}
trap stop EXIT
mkdir "$work/disk" "$work/images" "$work/snapshot"

# A writer waits for a storage that may come back; here it must say at once that it does not. strace counts the calls
# of each thread, so there is one for the file system.
export WRITER_PATIENCE=0 BLOCKING_MAX_THREADS=1

# clear_error STEM: the error is the storage's and tells what to do.
clear_error() {
    grep -q 'kind: \(Storage\|OutcomeUnknown\)\|StorageError' "$1.errors" ||
        { echo "no clear error:" && cat "$1.errors" && exit 1; }
}

# kept STEM PLACE: what was acknowledged is there.
kept() { "$writer" "$2" "$1" check "$1.acknowledged" >/dev/null; }

# synced_again CALLS: prints what strace saw synced successfully after a sync of it had failed.
synced_again() {
    python3 - "$1" <<'PY'
import re, sys
failed, waiting = set(), {}
for line in open(sys.argv[1]):
    process = line.split()[0]
    called = re.search(r"f(?:data)?sync\(\d+<([^>]*)>", line)
    path = called.group(1) if called else waiting.pop(process, None)
    if "<unfinished" in line:
        waiting[process] = path
    elif "EIO" in line:
        failed.add(path)
    elif path in failed and "= 0" in line:
        print(path)
PY
}

# fail_from BACKEND PREFIX: fsync fails from a call on.
fail_from() {
    local failed=0 call stem place
    for ((call = 1; ; call += every)); do
        stem=$work/$1.$call place=$2$work/$1.$call.vault
        "$writer" "$place" "$stem" create
        if strace -f -qq -o "$stem.calls" -e trace=fsync,fdatasync -e inject=fsync,fdatasync:error=EIO:when="$call+" \
            "$writer" "$place" "$stem" case 4 >"$stem.acknowledged" 2>"$stem.errors"; then
            # Past the run's last call; or nobody asked what became of one.
            grep -q INJECTED "$stem.calls" || break
            echo "$1, call $call: fsync failed and nobody was told" && exit 1
        fi
        clear_error "$stem"
        kept "$stem" "$place"
        failed=$((failed + 1))
    done
    [ "$failed" -gt 0 ]
    printf '%s: fsync failed from each of %s calls on; a clear error each time, nothing lost\n' "$1" "$failed"
}

# fail_once BACKEND PREFIX: one fsync fails.
fail_once() {
    local once=0 ended=0 call stem place again
    for ((call = 1; ; call += every)); do
        stem=$work/$1.once.$call place=$2$work/$1.once.$call.vault
        "$writer" "$place" "$stem" create
        if ! strace -f -qq -y -o "$stem.calls" -e trace=fsync,fdatasync \
            -e inject=fsync,fdatasync:error=EIO:when="$call" \
            "$writer" "$place" "$stem" case 4 >"$stem.acknowledged" 2>"$stem.errors"; then
            clear_error "$stem"
            ended=$((ended + 1))
        fi
        grep -q INJECTED "$stem.calls" || break
        again=$(synced_again "$stem.calls")
        [ -z "$again" ] || { echo "$1, call $call: synced again after a failure: $again" && exit 1; }
        kept "$stem" "$place"
        once=$((once + 1))
    done
    [ "$once" -gt 0 ]
    printf '%s: fsync failed once, at each of %s calls; nothing was synced again, nothing lost; %s runs ended with a clear error\n' \
        "$1" "$once" "$ended"
}

# A disk that is a file in memory, whose free blocks take up none until they are written.
refusing_disk() {
    truncate -s 256M "$work/images/new"
    mkfs.ext4 -q -F -b 4096 -J size=64 "$work/images/new"
    # With its journal and its tables, which can be written throughout.
    cp --sparse=never "$work/images/new" "$work/images/disk"
    rm "$work/images/new"
    mount_disk
}

mount_disk() { mount -o loop,commit=300 "$work/images/disk" "$work/disk"; }

# No block that is not in use can be written any more.
refuse() {
    # Anew, or the blocks set aside for small files would be in use.
    umount "$work/disk"
    mount_disk
    fstrim "$work/disk"
    mount -o remount,size="$(stat -f -c '%S * (%b - %f)' "$work/images" | bc)" "$work/images"
}

# fail_really BACKEND PREFIX
fail_really() {
    local round failures=0 refused stem place=$2$work/disk/vault
    for round in 1 2 3; do
        stem=$work/$1.really.$round
        refusing_disk
        "$writer" "$place" "$stem" create
        "$writer" "$place" "$stem" case 20 >"$stem.acknowledged"
        refuse
        # Longer than the disk refuses: who can go on, does.
        WRITER_PATIENCE=5 strace -D -f -qq -o "$stem.calls" -e trace=fsync,fdatasync \
            "$writer" "$place" "$stem" case 60 >>"$stem.acknowledged" 2>"$stem.errors" &
        running=$!
        until grep -q 'EIO\|ENOSPC' "$stem.calls" 2>/dev/null; do
            kill -0 "$running" || { echo "the disk refused nothing" && exit 1; }
            sleep 0.05
        done
        mount -o remount,size=2G "$work/images"
        wait "$running" || clear_error "$stem"
        running=
        refused=$(grep -c 'EIO\|ENOSPC' "$stem.calls")
        failures=$((failures + refused))
        "$writer" "$place" "$stem" case 90 >>"$stem.acknowledged"
        # What stands on the disk, and nothing that the kernel remembers.
        sync -f "$work/images"
        cp --sparse=always "$work/images/disk" "$work/images/snapshot"
        mount -o loop "$work/images/snapshot" "$work/snapshot"
        kept "$stem" "$2$work/snapshot/vault" || { echo "$1: lost after a failed fsync" && exit 1; }
        umount "$work/snapshot" "$work/disk"
        rm "$work/images/snapshot" "$work/images/disk"
    done
    printf '%s: a disk that refused blocks for a while failed %s fsyncs in 3 runs; storing went on, and a power cut lost nothing\n' \
        "$1" "$failures"
}

# fill_up BACKEND PREFIX
fill_up() {
    local stem=$work/$1.full place=$2$work/disk/vault
    mount -t tmpfs -o size=16M tmpfs "$work/disk"
    "$writer" "$place" "$stem" create
    if "$writer" "$place" "$stem" case 1000000 >"$stem.acknowledged" 2>"$stem.errors"; then
        echo "the disk did not fill up" && exit 1
    fi
    grep -q Full "$stem.errors" || { echo "not told that the disk is full:" && cat "$stem.errors" && exit 1; }
    mount -o remount,size=64M "$work/disk"
    clear_error "$stem"
    kept "$stem" "$place"
    printf '%s: a full disk after %s documents: %s\n' "$1" "$(wc -l <"$stem.acknowledged")" "$(head -c 300 "$stem.errors")"
    umount "$work/disk"
}

mount -t tmpfs -o size=2G tmpfs "$work/images"
for backend in folder redb; do
    prefix=
    [ "$backend" = folder ] || prefix=redb:
    for way in fail_from fail_once fail_really fill_up; do "$way" "$backend" "$prefix"; done
done
