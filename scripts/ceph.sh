#!/usr/bin/env bash
# Ceph's S3 gateway over three OSDs on loopback: a document of 1 GiB against `object_store` alone, the backends' tests,
# then four processes that share a vault (COUNT documents each, 250) while one process, one OSD and then the gateway
# are killed under load.
# Needs Debian's ceph packages, and root to install them; everything else lives in a temporary folder, which grows to
# 30 GB: an OSD that finds no room aborts.
set -euo pipefail
cd "$(dirname "$0")/.."
count=${1:-250}
work=$(mktemp -d)
conf=$work/ceph.conf

stop() {
    for file in "$work"/gateway.pid "$work"/osd.*.pid "$work"/mon.pid; do
        [ ! -s "$file" ] || kill -KILL "$(cat "$file")" 2>/dev/null || true
    done
    wait
    rm -rf "$work"
}
trap stop EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# wait_for NAME COMMAND…: until it succeeds, two minutes at most.
wait_for() {
    local name=$1 deadline=$((SECONDS + 120))
    shift
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS > deadline)); then
            echo "$name did not start" >&2
            tail -n 20 "$work"/*.log >&2 || true
            exit 1
        fi
        sleep 0.5
    done
}

if ! command -v radosgw >/dev/null || ! command -v ceph-osd >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        ceph-mon ceph-osd ceph-base ceph-common radosgw >/dev/null
fi

fsid=$(python3 -c 'import uuid; print(uuid.uuid4())')
monitor="[v2:127.0.0.1:$(free_port),v1:127.0.0.1:$(free_port)]"
port=$(free_port)
cat >"$conf" <<CONF
[global]
fsid = $fsid
mon_host = $monitor
mon_initial_members = a
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
keyring = $work/\$name.keyring
mon_data = $work/mon
osd_data = $work/osd.\$id
rgw_data = $work/gateway
run_dir = $work
log_file = $work/\$name.log
admin_socket = $work/\$name.asok
crash_dir = $work/crash
osd_pool_default_size = 3
osd_pool_default_min_size = 2
osd_pool_default_pg_num = 8
osd_crush_chooseleaf_type = 0
osd_objectstore = bluestore
bluestore_block_size = 20G
mon_data_avail_crit = 1
osd_memory_target = 939524096
mon_allow_pool_delete = true
# What is deleted makes room at once.
rgw_gc_obj_min_wait = 5
rgw_gc_processor_period = 5
rgw_frontends = beast endpoint=127.0.0.1:$port
CONF

ceph_() { ceph -c "$conf" --connect-timeout 20 "$@"; }

start_monitor() {
    {
        ceph-authtool --create-keyring "$work/mon..keyring" --gen-key -n mon. --cap mon 'allow *'
        ceph-authtool --create-keyring "$work/client.admin.keyring" --gen-key -n client.admin \
            --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
        ceph-authtool "$work/mon..keyring" --import-keyring "$work/client.admin.keyring"
        monmaptool --create --addv a "$monitor" --fsid "$fsid" "$work/monmap"
    } >/dev/null
    ceph-mon -c "$conf" --mkfs -i a --monmap "$work/monmap" --keyring "$work/mon..keyring"
    ceph-mon -c "$conf" -i a -f >"$work/mon.out" 2>&1 &
    echo $! >"$work/mon.pid"
    wait_for "the monitor" ceph_ status
}

start_osd() {
    local uuid id
    uuid=$(python3 -c 'import uuid; print(uuid.uuid4())')
    id=$(ceph_ osd new "$uuid")
    mkdir "$work/osd.$id"
    ceph_ auth get-or-create "osd.$id" mon 'allow profile osd' osd 'allow *' -o "$work/osd.$id.keyring"
    ceph-osd -c "$conf" -i "$id" --mkfs --osd-uuid "$uuid" >"$work/osd.$id.out" 2>&1
    ceph-osd -c "$conf" -i "$id" -f >>"$work/osd.$id.out" 2>&1 &
    echo $! >"$work/osd.$id.pid"
}

osds_up() { ceph_ osd stat | grep -q "$1 up"; }

start_gateway() {
    radosgw -c "$conf" -n client.rgw.a -f >>"$work/gateway.out" 2>&1 &
    echo $! >"$work/gateway.pid"
    wait_for "the gateway" curl -s -o /dev/null "http://127.0.0.1:$port/"
}

# Run once, under load.
kill_an_osd_then_the_gateway() {
    kill -KILL "$(cat "$work/osd.2.pid")"
    sleep 5
    kill -KILL "$(cat "$work/gateway.pid")"
    sleep 2
    start_gateway
}

start_monitor
for _ in 1 2 3; do start_osd; done
wait_for "three OSDs" osds_up 3
mkdir "$work/gateway"
ceph_ auth get-or-create client.rgw.a mon 'allow rw' osd 'allow rwx' -o "$work/client.rgw.a.keyring"
start_gateway
radosgw-admin -c "$conf" user create --uid docvault --display-name docvault --access-key access --secret-key secret \
    >"$work/user.log" 2>&1 || { cat "$work/user.log" >&2; exit 1; }
export AWS_ENDPOINT=http://127.0.0.1:$port AWS_ALLOW_HTTP=true AWS_REGION=us-east-1
export AWS_ACCESS_KEY_ID=access AWS_SECRET_ACCESS_KEY=secret
python3 - <<'PY'
# Makes the bucket: a request signed as AWS asks (Signature Version 4).
import hashlib, hmac, os, urllib.request
from datetime import datetime, timezone
endpoint = os.environ["AWS_ENDPOINT"]
now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
digest = lambda text: hashlib.sha256(text.encode()).hexdigest()
headers = {"host": endpoint.removeprefix("http://"), "x-amz-content-sha256": digest(""), "x-amz-date": now}
names = ";".join(headers)
canonical = "PUT\n/docvault\n\n" + "".join(f"{name}:{value}\n" for name, value in headers.items()) + f"\n{names}\n{digest('')}"
scope = f"{now[:8]}/us-east-1/s3/aws4_request"
key = b"AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"].encode()
for text in scope.split("/") + [f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest(canonical)}"]:
    key = hmac.new(key, text.encode(), hashlib.sha256).digest()
headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
urllib.request.urlopen(urllib.request.Request(endpoint + "/docvault", method="PUT", headers=headers))
PY
printf '%s with three OSDs runs after %s s\n' "$(radosgw --version | cut -d' ' -f1-3)" "$SECONDS"

{
    echo '#!/usr/bin/env bash'
    echo 'set -euo pipefail'
    printf 'work=%q conf=%q port=%q\n' "$work" "$conf" "$port"
    declare -f wait_for start_gateway kill_an_osd_then_the_gateway
    echo kill_an_osd_then_the_gateway
} >"$work/disturb"
chmod +x "$work/disturb"

cargo build --quiet --release --all-features --example bucket_speed
"${CARGO_TARGET_DIR:-target}/release/examples/bucket_speed" s3://docvault/speed 1024 3
DOCVAULT_TEST_PLACES=s3://docvault/tests cargo test --release --all-features --test backends -- --ignored
scripts/four_processes.sh s3://docvault/four "$count" "$work/disturb"
