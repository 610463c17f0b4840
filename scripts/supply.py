#!/usr/bin/env python3
"""Counts what docs/SUPPLY.md states of the crates in Cargo.lock, from their sources in cargo's registry. Compiles nothing.

    scripts/supply.py            prints the tables as they stand in the document
    scripts/supply.py --check    fails if the document says something else

`unsafe` counts lines of a crate's own `src` in which the word stands outside a comment: an upper bound of the places to read, in all
its features and platforms.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "SUPPLY.md"
TARGET = "x86_64-unknown-linux-gnu"
FOREIGN = {".c": "C", ".S": "assembly", ".s": "assembly", ".asm": "assembly", ".o": "objects", ".obj": "objects", ".a": "objects"}


def cargo(*args):
    return subprocess.run(["cargo", *args], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def tree(*args):
    lines = cargo("tree", "--locked", "-e", "normal,build", "--target", TARGET, "--prefix", "none", "--format", "{p}", *args).splitlines()
    return {tuple(line.split()[:2]) for line in lines if line.strip()}


def kinds(package):
    return {kind for target in package["targets"] for kind in target["kind"]}


def count(package):
    """Lines of Rust, lines with `unsafe`, and what is there that is no Rust."""
    folder = Path(package["manifest_path"]).parent
    lines = unsafe = 0
    for path in (folder / "src").rglob("*.rs"):
        for line in path.read_text(errors="replace").splitlines():
            lines += 1
            unsafe += bool(re.search(r"\bunsafe\b", line.split("//")[0]))
    foreign = {}
    for path in folder.rglob("*"):
        if path.suffix in FOREIGN:
            foreign[FOREIGN[path.suffix]] = foreign.get(FOREIGN[path.suffix], 0) + 1
    return lines, unsafe, foreign


def row(package, default):
    lines, unsafe, foreign = count(package)
    extras = [name for name, kind in (("build script", "custom-build"), ("macro", "proc-macro")) if kind in kinds(package)]
    extras += [f"{number} files of {what}" for what, number in sorted(foreign.items())]
    mark = "" if (package["name"], f"v{package['version']}") in default else " †"
    return f"| {package['name']}{mark} | {package['version']} | {lines:,} | {unsafe:,} | {'; '.join(extras)} |"


def main():
    meta = json.loads(cargo("metadata", "--locked", "--all-features", "--format-version", "1"))
    packages = {package["id"]: package for package in meta["packages"]}
    root = next(node for node in meta["resolve"]["nodes"] if node["id"] == meta["resolve"]["root"])
    direct = [packages[dep["pkg"]] for dep in root["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
    default, everything = tree(), tree("--all-features")
    direct.sort(key=lambda package: ((package["name"], f"v{package['version']}") not in default, package["name"]))
    lines = ["| crate | version | lines | `unsafe` | beside Rust |", "|---|---|---|---|---|"]
    lines += [row(package, default) for package in direct]
    summary = ["| crates, with what they are made of | default | all features |", "|---|---|---|"]
    counts = [len(part) - 1 for part in (default, everything)]
    summary.append(f"| crates | {counts[0]} | {counts[1]} |")
    for what, kind in (("run a build script", "custom-build"), ("are macros, which run in the compiler", "proc-macro")):
        of = [sum(kind in kinds(p) for p in meta["packages"] if (p["name"], f"v{p['version']}") in part) for part in (default, everything)]
        summary.append(f"| that {what} | {of[0]} | {of[1]} |")
    tables = ["\n".join(summary), "\n".join(lines)]
    if "--check" not in sys.argv[1:]:
        print("\n\n".join(tables))
    elif not all(table in DOCUMENT.read_text() for table in tables):
        sys.exit("docs/SUPPLY.md and this command differ")


if __name__ == "__main__":
    main()
