#!/usr/bin/env bash
# Simulates COUNT seeds from FROM on (tests/simulation.rs), a process a core, and sums up what came up in them.
# A seed that finds a violation is printed, and its whole trace kept: DOCVAULT_SEED=n runs it again.
set -euo pipefail
cd "$(dirname "$0")/.."
count=${1:?usage: scripts/simulate.sh COUNT [FROM]}
from=${2:-0}
cores=$(nproc)
place=$(mktemp -d)
build() { cargo test --release --all-features --test simulation --no-run --message-format=json 2>/dev/null; }
program=$(build | python3 -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message["target"]["name"] == "simulation":
        print(message["executable"])')
cp "$program" "$place/simulation"
begun=$SECONDS
pids=()
for ((core = 0; core < cores; core++)); do
    range=$((from + count * core / cores))..$((from + count * (core + 1) / cores))
    DOCVAULT_SEEDS=$range nice "$place/simulation" --nocapture no_seed >"$place/$core" 2>&1 &
    pids+=($!)
done
failed=0
for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
grep -h "finds a violation" "$place"/[0-9]* || true
python3 - "$place" "$cores" "$((SECONDS - begun))" <<'PY'
import collections, pathlib, re, sys

place, cores, seconds = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
seeds, counts = 0, collections.Counter()
for core in range(cores):
    for line in (place / str(core)).read_text(errors="replace").splitlines():
        if found := re.fullmatch(r"(\d+) seeds from .*", line):
            seeds += int(found[1])
        elif found := re.fullmatch(r" {0,12}(\d+) ([a-zA-Z_][^:\[]*(: [a-z ,_]+)?)", line):
            counts[found[2]] += int(found[1])
for what in sorted(counts):
    print(f"{counts[what]:>12} {what}")
print(f"{seeds} seeds without a violation, {seconds} s on {cores} cores")
PY
if [ "$failed" = 0 ]; then rm -r "$place"; else echo "traces: $place"; fi
exit "$failed"
