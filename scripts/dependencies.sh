#!/usr/bin/env bash
# The limits that the README states: direct dependencies, size of the tree, no C compiler, Rust version.
set -euo pipefail
cd "$(dirname "$0")/.."
python3 - <<'PY'
import json, os, subprocess, sys

def run(*args):
    return subprocess.run(args, check=True, capture_output=True, text=True).stdout

meta = json.loads(run("cargo", "metadata", "--format-version", "1"))
root = next(p for p in meta["packages"] if p["name"] == "docvault")
tree = run("cargo", "tree", "-e", "normal,build", "--prefix", "none", "--format", "{p}")
crates = {line.split(" (")[0] for line in tree.splitlines() if line.strip()}
# Build scripts that compile C name `cc`. blake3's does: on x86 it builds Rust instead where there is no C compiler,
# elsewhere its feature `pure` keeps it from calling one.
compiling = {line.split(" ")[0] for line in run(
    "cargo", "tree", "-e", "normal,build", "--target", "all", "-i", "cc", "--depth", "1", "--prefix", "none").splitlines()} - {"cc"}
direct = {line.split(" ")[0] for line in run(
    "cargo", "tree", "-e", "normal", "--depth", "1", "--prefix", "none").splitlines()} - {"docvault"}
for crate in compiling:
    subprocess.run(["cargo", "check", "--quiet", "--package", crate, "--target-dir", "target/no-c-compiler"],
                   check=True, env=os.environ | {"CC": "/nonexistent"})
ours = tuple(int(n) for n in root["rust_version"].split("."))
version = lambda text: tuple(int(n) for n in (text.split(".") + ["0"])[:2])
every = run("cargo", "tree", "--all-features", "--target", "all", "-e", "normal,build", "--prefix", "none", "--format", "{p}")
named = {tuple(line.split(" ")[:2]) for line in every.splitlines() if line.strip()}
newer = sorted({f'{p["name"]} {p["version"]} needs {p["rust_version"]}' for p in meta["packages"]
                if (p["name"], "v" + p["version"]) in named and p.get("rust_version") and version(p["rust_version"]) > ours[:2]})
print(f"direct dependencies: {len(direct)} (at most 16)")
print(f"crates in the default tree: {len(crates) - 1} (at most 90)")
print(f"crates in the default tree that may call a C compiler: {sorted(compiling)} (at most blake3; built without one)")
print(f"crates with all features: {len(named) - 1}")
print(f"crates that need a newer Rust than {root['rust_version']}: {newer or 'none'}")
sys.exit(bool(newer) or bool(compiling - {"blake3"}) or len(direct) > 16 or len(crates) - 1 > 90)
PY
