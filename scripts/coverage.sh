#!/usr/bin/env bash
# Which lines and branches of src the tests run, a row for each folder: coverage.sh [ARGUMENTS OF cargo test, as --lib or
# --test NAME…]. What never runs is listed in target/coverage/missed. Counters go into this crate alone; a condition is a
# branch, too, wherever it stands in one (nightly Rust counts them). All tests have to run 95 % of all lines, and to meet
# every branch of what seals, signs, parses or chains.
# Without servers src/storage/postgres is hardly run: servers.sh scripts/coverage.sh has them. The simulation runs 300
# seeds, unless DOCVAULT_SEEDS says which. What is built is optimized a little, so that it ends within the hour.
set -euo pipefail
cd "$(dirname "$0")/.."
python3 -c "import sys; sys.path.insert(0, 'scripts'); import lines; lines.tool('llvm-profdata')"
place=$PWD/target/coverage
rm -rf "$place/raw" "$place/told" "$place/merged"
mkdir -p "$place/raw" "$place/told"
cat >"$place/counting" <<'SH'
#!/bin/sh
case " $* " in *" -vV "* | *" --print"*) exec "$@" ;; esac
exec "$@" -C instrument-coverage -Z coverage-options=condition -C debuginfo=0
SH
chmod +x "$place/counting"
export CARGO_TARGET_DIR=$place RUSTC_WORKSPACE_WRAPPER=$place/counting DOCVAULT_SEEDS=${DOCVAULT_SEEDS:-0..300}
export CARGO_PROFILE_DEV_OPT_LEVEL=${CARGO_PROFILE_DEV_OPT_LEVEL:-1}
# Futures that nothing optimizes take more of the stack.
export RUST_MIN_STACK=${RUST_MIN_STACK:-16777216}
chosen=("$@")
[ $# -gt 0 ] || set -- --lib --tests
export LLVM_PROFILE_FILE=$place/raw/build-%m.profraw
cargo +nightly test --all-features "$@" --no-run --message-format=json >"$place/built"
python3 - "$place" "${chosen[@]}" <<'PY'
import collections, json, os, pathlib, re, subprocess, sys, time

sys.path.insert(0, "scripts")
import lines

place = pathlib.Path(sys.argv[1])
# Formats are parsed in most of them.
WHOLE = tuple(f"src/{name}" for name in ("crypto/", "log/", "deposit/", "receipt/", "export/j", "export/v", "storage/layout"))


def programs():
    """Names and paths of what cargo has built."""
    for line in (place / "built").read_text().splitlines():
        message = json.loads(line)
        if message.get("executable") and message["profile"]["test"]:
            yield message["target"]["name"], message["executable"]


begun, built, failed = time.monotonic(), list(programs()), []
for name, program in built:
    env = os.environ | {"LLVM_PROFILE_FILE": str(place / "raw" / f"{name}-%m.profraw")}
    with open(place / "told" / name, "w") as told:
        start = time.monotonic()
        # The backends' tests against servers are ignored where there are none.
        every = ["--include-ignored"] if name == "backends" and "DOCVAULT_TEST_PLACES" in env else []
        if subprocess.run([program, *every], env=env, stdout=told, stderr=told).returncode:
            failed.append(name)
    print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    lines.merge(place / "raw", place / "merged")

rows, missed = collections.defaultdict(lambda: [0] * 4), []
for path, seen in lines.run_by([program for _, program in built], place / "merged"):
    folder = str(path.parent) if path.parent.name else "."
    rows[folder] = [*map(sum, zip(rows[folder], seen.counts()))]
    missed += lines.missed(path, seen)
(place / "missed").write_text("\n".join(missed) + "\n")
print(f"{'folder of src':32} {'lines':>6} {'run':>6} {'':8} {'branches':>9} {'run':>6}")
total = [sum(row[at] for row in rows.values()) for at in range(4)]
for name, (counted, run, branches, taken) in [*sorted(rows.items()), ("in all", total)]:
    share = [100 * of / max(whole, 1) for of, whole in ((run, counted), (taken, branches))]
    print(f"{name:32} {counted:6} {run:6} {share[0]:6.1f} % {branches:9} {taken:6} {share[1]:6.1f} %")
print(f"{time.monotonic() - begun:.0f} s of tests; failed: {failed or 'none'}")
if len(sys.argv) == 2:
    if 100 * total[1] < 95 * total[0]:
        sys.exit("fewer than 95 % of all lines")
    if left := [line for line in missed if re.match(r"[^ ]+: never ", line) and line.startswith(WHOLE)]:
        sys.exit("\n".join(["not every branch:", *left]))
sys.exit(bool(failed))
PY
