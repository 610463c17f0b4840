#!/usr/bin/env python3
"""Counts the instructions and allocations of the hot paths, and fails where one takes a tenth more than was kept.

    instructions.py             compares with scripts/instructions.tsv
    instructions.py --renew     keeps what was counted: do so, and say why in the commit, when a path is to cost more

Valgrind's callgrind (Debian: valgrind) counts what examples/instructions.rs calls. It knows no AVX-512 and no SHA-NI:
what would use them counts as AVX2 and plain code. Another compiler makes other code, so figures are compared with
those of the same one only; the build is CI's, in which dependencies are there already.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
KEPT = "scripts/instructions.tsv"
FUNCTION = "instructions::measured"
ALLOCATING = {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"}
MORE = 1.10


def run(*command, **env):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | env).stdout


def surroundings():
    """What other figures are to be expected of."""
    with open("/proc/cpuinfo") as cpu:
        avx2 = "AVX2" if re.search(r"\bavx2\b", cpu.read()) else "no AVX2"
    return f"{run('rustc', '--version').strip()}, {run('valgrind', '--version').strip()}, {avx2}"


def allocations(text):
    """How often the allocator's functions were entered: each instruction counts once each time it runs, the first too.

    The calls that callgrind counts are also those outside what is measured.
    """
    entered, function, inclusive = {}, "", False
    for line in text.splitlines():
        if line.startswith("fn="):
            function = line[3:].split("'")[0]
        elif line.startswith("0x") and function in ALLOCATING and not inclusive:
            address, _, times = line.split()
            entered.setdefault(function, {})[int(address, 16)] = int(times)
        inclusive = line.startswith("calls=")
    return sum(at[min(at)] for at in entered.values())


def count():
    """Instructions and allocations of each path, by its name."""
    run("cargo", "build", "--quiet", "--release", "--all-features", "--example", "instructions",
        CARGO_PROFILE_RELEASE_DEBUG="false", CARGO_PROFILE_RELEASE_LTO="off")
    program = os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "release/examples/instructions")
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        names = run("valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}",
                    "--compress-strings=no", "--compress-pos=no", "--dump-instr=yes",
                    f"--toggle-collect={FUNCTION}", f"--dump-after={FUNCTION}", program).splitlines()
        counted = {}
        for number, name in enumerate(names, 1):
            with open(f"{out}.{number}") as dump:
                text = dump.read()
            counted[name] = int(re.search(r"^totals: (\d+)$", text, re.M)[1]), allocations(text)
        if len(glob.glob(f"{out}.*")) != len(names):
            sys.exit("callgrind saw other calls than the program made")
    return counted


def kept():
    with open(KEPT) as lines:
        made_by, _, *rows = (line.rstrip("\n") for line in lines)
    return made_by, {name: (int(instructions), int(calls)) for name, instructions, calls in (row.split("\t") for row in rows)}


def compare(counted, before):
    """Prints the table; gives what costs too much, or was not counted."""
    worse = sorted(before.keys() ^ counted.keys())
    print(f"{'':40}{'instructions':>14}{'kept':>14}{'':>8}{'allocations':>14}{'kept':>8}")
    for name, now in counted.items():
        was = before.get(name, (0, 0))
        change = f"{(now[0] / was[0] - 1) * 100:+.1f} %" if was[0] else "new"
        print(f"{name:40}{now[0]:14,}{was[0]:14,}{change:>8}{now[1]:14,}{was[1]:8,}")
        if was[0] and any(new > old * MORE for new, old in zip(now, was)):
            worse.append(name)
    return worse


def main():
    if not shutil.which("valgrind"):
        sys.exit("no valgrind here (Debian: valgrind)")
    counted, made_by = count(), surroundings()
    if "--renew" in sys.argv:
        with open(KEPT, "w") as file:
            file.write(f"{made_by}\npath\tinstructions\tallocations\n")
            file.writelines(f"{name}\t{instructions}\t{calls}\n" for name, (instructions, calls) in counted.items())
        return
    kept_by, before = kept()
    worse = compare(counted, before)
    if kept_by != made_by:
        print(f"not compared: counted with {made_by}; {KEPT} is of {kept_by}. After a change of tools renew it")
    elif worse:
        sys.exit(f"more than {MORE - 1:.0%} above {KEPT}, or not in both: {', '.join(worse)}.\n"
                 "If that is to be so: scripts/instructions.py --renew, and the reason in the commit")


main()
