#!/usr/bin/env bash
# Which lines of src the inputs of each fuzz target run, its committed corpus and what fuzz.sh has found here:
# fuzz_coverage.sh [TARGETS…]. Of the files that a target reaches, a quarter of whose lines it runs at least, each is a row.
# What it never runs there is listed in target/fuzz_coverage/missed; files that parse something, and that no target reaches, come
# at the end. FUZZ_COVERAGE names a file for what all these targets run together.
set -euo pipefail
cd "$(dirname "$0")/.."
python3 -c "import sys; sys.path.insert(0, 'scripts'); import lines; lines.tool('llvm-profdata')"
place=$PWD/target/fuzz_coverage
rm -rf "$place/raw" "$place"/*.merged
mkdir -p "$place/raw"
# The targets too: what is generic or asynchronous in this crate is compiled with whoever calls it.
cat >"$place/counting" <<'SH'
#!/bin/sh
case " $* " in *" --crate-name docvault "* | *" fuzz_targets/"*) exec "$@" -C instrument-coverage -Z coverage-options=condition ;; esac
exec "$@"
SH
chmod +x "$place/counting"
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(sed -n 's/^name = "\(.*\)"$/\1/p' fuzz/Cargo.toml | grep -v '^docvault-fuzz$')
# Inputs are run, none are made.
CARGO_TARGET_DIR=$place RUSTC_WRAPPER=$place/counting RUSTFLAGS="--cfg fuzzing -C link-arg=-Wl,-u,__llvm_profile_runtime" \
    CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=false \
    cargo +nightly build --quiet --manifest-path fuzz/Cargo.toml "${targets[@]/#/--bin=}"
for target in "${targets[@]}"; do
    inputs=("fuzz/corpus/$target")
    [ ! -d "fuzz/target/found/$target" ] || inputs+=("fuzz/target/found/$target")
    if ! LLVM_PROFILE_FILE=$place/raw/$target/run.profraw "$place/debug/$target" -runs=0 "${inputs[@]}" >"$place/$target.log" 2>&1; then
        tail -n 60 "$place/$target.log"
        exit 1
    fi
done
python3 - "$place" "${targets[@]}" <<'PY'
import os, pathlib, re, sys

sys.path.insert(0, "scripts")
import lines

place, targets, missed, together = pathlib.Path(sys.argv[1]), sys.argv[2:], [], {}

print(f"{'target':14} {'file of src':36} {'lines':>6} {'run':>6} {'':8} {'branches':>9} {'run':>6}")
for target in targets:
    lines.merge(place / "raw" / target, place / f"{target}.merged")
    for path, seen in lines.run_by([place / "debug" / target], place / f"{target}.merged"):
        together.setdefault(path, lines.Seen()).add(seen)
        of, run, sides, met = seen.counts()
        if "fuzzing" in str(path) or 4 * run < of or not run:
            continue
        taken = f"{sides:9} {met:6} {100 * met / sides:6.1f} %" if sides else ""
        print(f"{target:14} {str(path):36} {of:6} {run:6} {100 * run / of:6.1f} % {taken}")
        missed += [f"{target}: {line}" for line in lines.missed(path, seen)]
(place / "missed").write_text("\n".join(missed) + "\n")
parses = re.compile(r"\bfn (?:parse|read|decode|from_str|from_bytes)\w*\b|\bReader::new\(")
rows = ["file of src\tlines\trun\toutcomes of conditions\tmet"]
for path, seen in sorted(together.items()):
    if seen.counts()[1]:
        rows += ["\t".join(map(str, (path, *seen.counts())))] if "fuzzing" not in str(path) else []
    elif parses.search((lines.SRC / path).read_text()):
        print(f"no target reaches {path}")
if written := os.environ.get("FUZZ_COVERAGE"):
    pathlib.Path(written).write_text("\n".join(rows) + "\n")
PY
