#!/usr/bin/env bash
# power_cuts.sh [ROUNDS]: a process stores documents on an ext4 image; at ROUNDS (100) random instants the image is
# copied as the power would leave it, by reflink, mounted (its journal replayed) and looked at: the log verifies and
# everything acknowledged before the copy began is there. On a folder and on one file (redb); then a control in which
# fsync does nothing must lose something, or the rounds would prove nothing. Needs root, loop devices and mkfs.xfs.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-100}
cargo build --quiet --release --all-features --example writer
writer=$PWD/${CARGO_TARGET_DIR:-target}/release/examples/writer
work=$(mktemp -d)
running=

stop() {
    [ -z "$running" ] || kill -KILL "$running" 2>/dev/null || true
    [ -z "$running" ] || wait "$running" 2>/dev/null || true
    for point in snapshot disk images; do umount "$work/$point" 2>/dev/null || true; done
    rm -rf "$work"
}
trap stop EXIT

mkdir "$work/images" "$work/disk" "$work/snapshot"
truncate -s 4G "$work/xfs"
mkfs.xfs -q -m reflink=1 "$work/xfs"
mount -o loop "$work/xfs" "$work/images"

new_disk() {
    truncate -s 256M "$work/images/disk"
    mkfs.ext4 -q -F "$work/images/disk"
    mount -o loop,commit=300 "$work/images/disk" "$work/disk"
}

# Whatever stands in the copy is what a power cut at that instant leaves.
cut_power() {
    acknowledged=$work/acknowledged
    cp "$stem.acknowledged" "$acknowledged"
    cp --reflink=always "$work/images/disk" "$work/images/snapshot"
    mount -o loop "$work/images/snapshot" "$work/snapshot"
}

restore_power() {
    umount "$work/snapshot"
    rm "$work/images/snapshot"
}

# rounds_on NAME PREFIX STORE…: STORE runs the writer. Counts in `lost` the rounds in which something was not there.
rounds_on() {
    local name=$1 prefix=$2 count=$3 round
    shift 3
    lost=0 total=0
    for ((round = 0; round < count; round++)); do
        # A new disk now and then, so that young and old vaults are both met.
        if ((round % 10 == 0)); then
            ((round == 0)) || end_writer
            new_disk
            stem=$work/$name.$round
            "$writer" "$prefix$work/disk/vault" "$stem" create
            sync -f "$work/disk"
            "$@" "$writer" "$prefix$work/disk/vault" "$stem" case 1000000 >"$stem.acknowledged" 2>"$stem.errors" &
            running=$!
        fi
        sleep "0.$(printf %03d $((RANDOM % 400 + 50)))"
        kill -0 "$running" || { cat "$stem.errors" >&2; exit 1; }
        cut_power
        total=$((total + $(wc -l <"$acknowledged")))
        if ! "$writer" "$prefix$work/snapshot/vault" "$stem" check "$acknowledged" >"$stem.checked" 2>&1; then
            lost=$((lost + 1))
            tail -n 1 "$stem.checked" >>"$work/$name.losses"
        fi
        restore_power
    done
    end_writer
    printf '%s: %s power cuts, %s documents acknowledged before them, %s cuts lost something\n' "$name" "$count" "$total" "$lost"
    [ "$total" -gt "$count" ]
}

end_writer() {
    kill -KILL "$running" 2>/dev/null || true
    wait "$running" 2>/dev/null || true
    running=
    local tries
    for tries in 1 2 3 4 5 6 7 8 9 10; do umount "$work/disk" 2>/dev/null && return; sleep 0.3; done
    umount "$work/disk"
}

failed=0
for backend in folder redb; do
    prefix=
    [ "$backend" = folder ] || prefix=redb:
    rounds_on "$backend" "$prefix" "$rounds" env
    if [ "$lost" -gt 0 ]; then cat "$work/$backend.losses"; failed=1; fi
    rounds_on "$backend-without-fsync" "$prefix" 10 \
        strace -D -f -qq -o /dev/null -e trace=fsync,fdatasync,sync_file_range -e inject=fsync,fdatasync:retval=0
    if [ "$lost" -eq 0 ]; then echo "without fsync nothing was lost: these rounds prove nothing"; failed=1; fi
done
exit "$failed"
