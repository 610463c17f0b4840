#!/usr/bin/env bash
# Starts an S3 server (moto), an Azure one (Azurite) and PostgreSQL on loopback, runs the backends' tests
# against them and four processes that share a vault in PostgreSQL, or COMMAND…, and stops them again. With the command
# refuse_racing_s3 another S3 server (s3s-fs), which looks whether a name is free and writes later, is refused.
# What is missing is installed: moto by pip, Azurite by npm and s3s-fs by cargo under target/servers, PostgreSQL by apt-get.
set -euo pipefail
cd "$(dirname "$0")/.."
installed=$PWD/target/servers
work=$(mktemp -d)
processes=()

stop() {
    [ -z "${cluster:-}" ] || as_owner "$postgres/pg_ctl" -D "$cluster" -m immediate stop >/dev/null 2>&1 || true
    for process in "${processes[@]}"; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap stop EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# wait_for NAME COMMAND…: until it succeeds, a minute at most.
wait_for() {
    local name=$1 deadline=$((SECONDS + 60))
    shift
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS > deadline)); then
            echo "$name did not start" >&2
            cat "$work"/*.log >&2 || true
            exit 1
        fi
        sleep 0.2
    done
}

install() {
    if [ ! -x "$installed/moto/bin/moto_server" ]; then
        python3 -m venv "$installed/moto"
        "$installed/moto/bin/pip" install --quiet 'moto[server]==5.*'
    fi
    [ -x "$installed/azurite/node_modules/.bin/azurite-blob" ] ||
        npm install --silent --no-audit --no-fund --prefix "$installed/azurite" azurite@3
    if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
    fi
    postgres=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb | tail -n 1)")
}

start_s3() {
    local port
    port=$(free_port)
    # Answers are made one at a time, for it looks whether a name is free, and now and then two would find that it is; but
    # requests are read at once: one that is begun and left alone would keep all others waiting.
    "$installed/moto/bin/python" -c 'import io, sys, threading
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
moto, turn = DomainDispatcherApplication(create_backend_app), threading.Lock()
def one_at_a_time(environ, start_response):
    length = None if environ.get("wsgi.input_terminated") else int(environ.get("CONTENT_LENGTH") or 0)
    environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))
    with turn:
        return list(moto(environ, start_response))
run_simple("127.0.0.1", int(sys.argv[1]), one_at_a_time, threaded=True)' "$port" >"$work/moto.log" 2>&1 &
    processes+=($!)
    export AWS_ENDPOINT=http://127.0.0.1:$port AWS_ALLOW_HTTP=true AWS_REGION=us-east-1
    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
    wait_for moto curl -sf "$AWS_ENDPOINT/moto-api/"
    curl -sf -o /dev/null -X PUT "$AWS_ENDPOINT/docvault"
}

start_azure() {
    local port
    port=$(free_port)
    "$installed/azurite/node_modules/.bin/azurite-blob" --silent --location "$work/azurite" --blobHost 127.0.0.1 \
        --blobPort "$port" --skipApiVersionCheck --disableTelemetry >"$work/azurite.log" 2>&1 &
    processes+=($!)
    export AZURITE_BLOB_STORAGE_URL=http://127.0.0.1:$port AZURE_STORAGE_USE_EMULATOR=true
    # A file, for standard input would be spent on the first try.
    cat >"$work/container.py" <<'PY'
import base64, hashlib, hmac, os, urllib.request
from email.utils import formatdate
# The emulator's account and key are public: learn.microsoft.com, "Use the Azurite emulator".
key = base64.b64decode("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")
date = formatdate(usegmt=True)
text = f"PUT{chr(10) * 12}x-ms-date:{date}\nx-ms-version:2021-12-02\n/devstoreaccount1/devstoreaccount1/docvault\nrestype:container"
signature = base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()
request = urllib.request.Request(os.environ["AZURITE_BLOB_STORAGE_URL"] + "/devstoreaccount1/docvault?restype=container", method="PUT",
    headers={"x-ms-date": date, "x-ms-version": "2021-12-02", "Authorization": f"SharedKey devstoreaccount1:{signature}", "Content-Length": "0"})
urllib.request.urlopen(request)
PY
    wait_for Azurite python3 "$work/container.py"
}

# The proof is a handful of races, all of which such a server may win; a vault would begin there.
refuse_racing_s3() {
    local port try refusal refused=0 writer=${CARGO_TARGET_DIR:-target}/release/examples/writer
    [ -x "$installed/bin/s3s-fs" ] ||
        cargo install --quiet --locked --root "$installed" --target-dir "$installed/s3s-fs" --features binary s3s-fs@0.14.1
    cargo build --quiet --release --all-features --example writer
    port=$(free_port)
    mkdir -p "$work/racing/docvault"
    "$installed/bin/s3s-fs" --host 127.0.0.1 --port "$port" --access-key test --secret-key test "$work/racing" \
        >"$work/s3s-fs.log" 2>&1 &
    processes+=($!)
    wait_for s3s-fs curl -s -o /dev/null "http://127.0.0.1:$port/"
    for try in $(seq 200); do
        refusal=$(AWS_ENDPOINT=http://127.0.0.1:$port "$writer" "s3://docvault/$try" "$work/racing.$try" create 2>&1) && continue
        grep -q 'checks and then writes' <<<"$refusal" || { echo "s3s-fs was refused for another reason: $refusal" >&2; exit 1; }
        refused=$((refused + 1))
    done
    printf 's3s-fs was refused by %s of %s processes\n' "$refused" "$try"
    ((refused * 100 >= try * 99))
}

# PostgreSQL does not run as root.
as_owner() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

start_postgres() {
    local port
    port=$(free_port)
    cluster=$work/postgres
    mkdir "$cluster"
    chmod 755 "$work"
    [ "$(id -u)" != 0 ] || chown postgres "$cluster"
    as_owner "$postgres/initdb" -D "$cluster" -U docvault -A trust -E UTF8 >"$work/initdb.log"
    # The default durability, with the one setting that a vault overrides set against it.
    printf '%s\n' "port = $port" "listen_addresses = '127.0.0.1'" "unix_socket_directories = ''" \
        'max_connections = 200' 'synchronous_commit = off' >>"$cluster/postgresql.conf"
    as_owner "$postgres/pg_ctl" -D "$cluster" -w -l "$cluster/log" start >/dev/null
    export DOCVAULT_TEST_POSTGRES=postgres://docvault@127.0.0.1:$port/postgres
    # To be run under load: what a crash of the server and its recovery are.
    {
        echo '#!/usr/bin/env bash'
        declare -f as_owner
        echo "as_owner '$postgres/pg_ctl' -D '$cluster' -m immediate -w -l '$cluster/log' restart >/dev/null"
    } >"$work/crash_postgres"
    chmod +x "$work/crash_postgres"
}

install
start_s3
start_azure
start_postgres
export DOCVAULT_TEST_PLACES="s3://docvault/tests az://docvault/tests $DOCVAULT_TEST_POSTGRES"
printf 'servers run after %s s\n' "$SECONDS"
if [ $# -gt 0 ]; then
    "$@"
else
    cargo test --release --all-features --test backends -- --include-ignored
    scripts/four_processes.sh "$DOCVAULT_TEST_POSTGRES" 250 "$work/crash_postgres"
fi
