#!/usr/bin/env bash
# Which lines of src the inputs of each fuzz target run, its committed corpus and what fuzz.sh has found here:
# fuzz_coverage.sh [TARGETS…]. Of the files that a target reaches, a quarter of whose lines it runs at least, each is a row.
# Lines that it never runs there are listed in target/fuzz_coverage/missed.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cov >/dev/null || cargo install --locked llvm_profparser --features cli
place=$PWD/target/fuzz_coverage
rm -rf "$place/raw"
mkdir -p "$place/raw"
cat >"$place/counting" <<'SH'
#!/bin/sh
case " $* " in *" --crate-name docvault "*) exec "$@" -C instrument-coverage ;; esac
exec "$@"
SH
chmod +x "$place/counting"
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(sed -n 's/^name = "\(.*\)"$/\1/p' fuzz/Cargo.toml | grep -v '^docvault-fuzz$')
# Stable Rust and no sanitizer: inputs are run, none are made.
CARGO_TARGET_DIR=$place RUSTC_WRAPPER=$place/counting RUSTFLAGS="--cfg fuzzing -C link-arg=-Wl,-u,__llvm_profile_runtime" \
    CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=false \
    cargo build --quiet --manifest-path fuzz/Cargo.toml "${targets[@]/#/--bin=}"
for target in "${targets[@]}"; do
    inputs=("fuzz/corpus/$target")
    [ ! -d "fuzz/target/found/$target" ] || inputs+=("fuzz/target/found/$target")
    if ! LLVM_PROFILE_FILE=$place/raw/$target.profraw "$place/debug/$target" -runs=0 "${inputs[@]}" >"$place/$target.log" 2>&1; then
        tail -n 60 "$place/$target.log"
        exit 1
    fi
done
python3 - "$place" "${targets[@]}" <<'PY'
import pathlib, sys

sys.path.insert(0, "scripts")
import lines

place, targets, missed = pathlib.Path(sys.argv[1]), sys.argv[2:], []
print(f"{'target':14} {'file of src':36} {'lines':>6} {'run':>6}")
for target in targets:
    hits = lines.run_by(place / "debug" / target, [place / "raw" / f"{target}.profraw"])
    for path, counted in lines.without_apart(hits):
        run, of = sum(times > 0 for times in counted.values()), path.relative_to(lines.SRC)
        if "fuzzing" in str(of) or 4 * run < len(counted) or not run:
            continue
        print(f"{target:14} {str(of):36} {len(counted):6} {run:6} {100 * run / len(counted):6.1f} %")
        text = path.read_text().splitlines()
        missed += [f"{target}: src/{of}:{at}: {text[at - 1].strip()}" for at in sorted(counted) if not counted[at]]
(place / "missed").write_text("\n".join(missed) + "\n")
PY
