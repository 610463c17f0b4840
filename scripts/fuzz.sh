#!/usr/bin/env bash
# Runs every fuzz target, or those named, for SECONDS each: fuzz.sh SECONDS [TARGETS…]
# What a run took and reached is printed, and added to FUZZ_HOURS, if that names a file (fuzz/hours.tsv is the one kept).
# The crate has no unsafe code for a sanitizer to look into, and whole vaults run three to five times as fast without;
# SANITIZER=address is for what it depends on.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
sanitizer=${SANITIZER:-none}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    mapfile -t targets < <(sed -n 's/^name = "\(.*\)"$/\1/p' fuzz/Cargo.toml | grep -v '^docvault-fuzz$')
fi
unset CARGO_TARGET_DIR
TIMEFORMAT='%U'
mkdir -p fuzz/target

# What a run finds stays out of the committed corpus, which it starts from.
# Unless told, libFuzzer makes no input longer than 4 KiB, or than the longest of these.
fuzz() {
    local words=()
    [ ! -e "fuzz/dict/$1" ] || words=("-dict=fuzz/dict/$1")
    cargo +nightly fuzz run -s "$sanitizer" "$1" "fuzz/target/found/$1" "fuzz/corpus/$1" -- "${words[@]}" \
        -max_len=65536 -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1
}

add_up() {
    python3 - "$@" <<'PY'
import pathlib, re, sys

target, log, cpu, kept = sys.argv[1], pathlib.Path(sys.argv[2]).read_text(errors="replace"), float(sys.argv[3]), sys.argv[4]
ran = int(re.findall(r"stat::number_of_executed_units: *(\d+)", log)[-1])
edges = max(map(int, re.findall(r"cov: (\d+)", log)), default=0)
print(f"{target}: {ran} runs, {cpu:.0f} s of processor time, {edges} edges")
if kept:
    path, head = pathlib.Path(kept), "target\tprocessor seconds\truns\tedges"
    lines = path.read_text().splitlines()[1:] if path.exists() else []
    rows = {name: tuple(map(int, figures)) for name, *figures in (line.split("\t") for line in lines)}
    before = rows.get(target, (0, 0, 0))
    rows[target] = (before[0] + round(cpu), before[1] + ran, max(before[2], edges))
    path.write_text("\n".join([head, *("\t".join(map(str, (name, *rows[name]))) for name in sorted(rows))]) + "\n")
PY
}

cargo +nightly fuzz build -s "$sanitizer"
for target in "${targets[@]}"; do
    mkdir -p "fuzz/target/found/$target"
    log=fuzz/target/$target.log
    if ! { time fuzz "$target" >"$log" 2>&1; } 2>"fuzz/target/$target.seconds"; then
        tail -n 60 "$log"
        exit 1
    fi
    add_up "$target" "$log" "$(tail -n 1 "fuzz/target/$target.seconds")" "${FUZZ_HOURS:-}"
done
