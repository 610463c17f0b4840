#!/usr/bin/env bash
# The example `portal` in headless Chromium: builds it and the web module, starts carrier and office on loopback,
# and has a browser go through the whole story; pictures of the pages are left in target/portal/pictures.
# `portal.sh serve [PLACE]` starts both for a person instead, on a folder that is kept.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

(cd web && npm ci --silent && npm run --silent build)
cargo build --quiet --release --all-features --example portal
portal=$target/release/examples/portal

serve() {
    local place=$1 key fingerprint carrier=127.0.0.1:8461 office=127.0.0.1:8462
    if [ ! -e "$place" ]; then
        mkdir -p "$place"
        "$portal" carrier new "$place/carrier" >"$place/carrier.public"
        "$portal" office new "$place/office" >"$place/office.fingerprint"
    fi
    key=$(cat "$place/carrier.public") fingerprint=$(cat "$place/office.fingerprint")
    "$portal" carrier serve "$place/carrier" "$carrier" "$place/office/office.sender" "$fingerprint" &
    trap "kill $!" EXIT
    "$portal" office serve "$place/office" "$office" "$place/carrier" "$key" "http://$carrier"
}

if [ "${1:-}" = serve ]; then
    serve "${2:-$target/portal/place}"
else
    node examples/portal/test/story.mjs "$portal" "$(command -v chromium)" "$target/portal/pictures"
fi
