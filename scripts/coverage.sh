#!/usr/bin/env bash
# Which lines of src the tests run, a row for each folder: coverage.sh [ARGUMENTS OF cargo test, as --lib or --test NAME…]
# Lines that never run are listed in target/coverage/missed. Counters go into this crate alone. Profiles are read by
# the crate llvm_profparser, so that no tool of the compiler's own version of LLVM is needed.
# Servers are not started (see servers.sh): src/storage/postgres is hardly run. The simulation runs 300 seeds,
# unless DOCVAULT_SEEDS says which.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cov >/dev/null || cargo install --locked llvm_profparser --features cli
place=$PWD/target/coverage
rm -rf "$place/raw" "$place/told"
mkdir -p "$place/raw" "$place/told"
cat >"$place/counting" <<'SH'
#!/bin/sh
case " $* " in *" -vV "* | *" --print"*) exec "$@" ;; esac
exec "$@" -C instrument-coverage -C debuginfo=0
SH
chmod +x "$place/counting"
export CARGO_TARGET_DIR=$place RUSTC_WORKSPACE_WRAPPER=$place/counting DOCVAULT_SEEDS=${DOCVAULT_SEEDS:-0..300}
# Futures that nothing optimizes take more of the stack.
export RUST_MIN_STACK=${RUST_MIN_STACK:-16777216}
[ $# -gt 0 ] || set -- --lib --tests
export LLVM_PROFILE_FILE=$place/raw/build-%m.profraw
cargo test --all-features "$@" --no-run --message-format=json >"$place/built"
python3 - "$place" <<'PY'
import collections, json, os, pathlib, re, subprocess, sys, time

place, src = pathlib.Path(sys.argv[1]), pathlib.Path("src").resolve()
# What is there for tests, or for fuzzing, which runs apart.
APART = r"#\[cfg\((?:test\)|all\(test|any\(test, fuzzing\))"


def programs():
    """Names and paths of what cargo has built."""
    for line in (place / "built").read_text().splitlines():
        message = json.loads(line)
        if message.get("executable") and message["profile"]["test"]:
            yield message["target"]["name"], message["executable"]


def beyond_tests(path):
    """Numbers of the lines that are not apart."""
    lines, found, number = path.read_text().splitlines(), set(), 0
    while number < len(lines):
        if re.match(rf" *{APART}", lines[number]):
            indent = re.match(" *", lines[number])[0]
            while lines[number].startswith(f"{indent}#["):
                number += 1
            while not re.fullmatch(indent + r"(\}[,;]?|[^ ].*[;}])", lines[number]):
                number += 1
        else:
            found.add(number + 1)
        number += 1
    return found


def set_apart():
    """Files and folders that are apart."""
    for path in src.rglob("*.rs"):
        for name in re.findall(rf"{APART}.*(?:\n *#.*)*\n *(?:pub(?:\([a-z]+\))? )?mod (\w+);", path.read_text()):
            folder = path.parent if path.stem in ("mod", "lib") else path.with_suffix("")
            yield folder / f"{name}.rs"
            yield folder / name


hits, failed, begun = collections.defaultdict(dict), [], time.monotonic()
for name, program in programs():
    env = os.environ | {"LLVM_PROFILE_FILE": str(place / "raw" / f"{name}-%m.profraw")}
    with open(place / "told" / name, "w") as told:
        start = time.monotonic()
        if subprocess.run([program], env=env, stdout=told, stderr=told).returncode:
            failed.append(name)
    print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    profiles = [f"--instr-profile={raw}" for raw in (place / "raw").glob(f"{name}-*.profraw")]
    shown = subprocess.run(["cov", "show", f"--object={program}", *profiles], check=True, capture_output=True, text=True)
    path = None
    for line in shown.stdout.splitlines():
        if counted := re.match(r" *(\d+)\| *(\d*)\|", line):
            if counted[2] and path:
                number = int(counted[1])
                hits[path][number] = hits[path].get(number, 0) + int(counted[2])
        elif line.startswith("/"):
            path = pathlib.Path(line).resolve()
            path = path if path.is_relative_to(src) else None

apart = set(set_apart())
rows, missed = collections.defaultdict(lambda: [0, 0]), []
for path in sorted(hits):
    if apart & {path, *path.parents}:
        continue
    of = path.relative_to(src)
    counted = {number: times for number, times in hits[path].items() if number in beyond_tests(path)}
    row = rows[str(of.parent) if of.parent.name else "."]
    row[0] += len(counted)
    row[1] += sum(times > 0 for times in counted.values())
    text = path.read_text().splitlines()
    missed += [f"src/{of}:{number}: {text[number - 1].strip()}" for number in sorted(counted) if not counted[number]]
(place / "missed").write_text("\n".join(missed) + "\n")
print(f"{'folder of src':32} {'lines':>6} {'run':>6}")
total = [sum(row[at] for row in rows.values()) for at in (0, 1)]
for name, (lines, run) in [*sorted(rows.items()), ("in all", total)]:
    print(f"{name:32} {lines:6} {run:6} {100 * run / max(lines, 1):6.1f} %")
print(f"{time.monotonic() - begun:.0f} s of tests; failed: {failed or 'none'}")
sys.exit(bool(failed))
PY
