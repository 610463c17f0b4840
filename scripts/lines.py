"""Which lines of src a program has run, from its LLVM profiles. Used by coverage.sh and fuzz_coverage.sh.

Profiles are read by the crate llvm_profparser, so that no tool of the compiler's own version of LLVM is needed.
"""

import pathlib
import re
import subprocess

SRC = pathlib.Path("src").resolve()
# What is there for tests, or for fuzzing, which runs apart.
APART = r"#\[cfg\((?:test\)|all\(test|any\(test, fuzzing\))"


def run_by(program, profiles):
    """How often each line was run, by file and number."""
    told = [f"--instr-profile={profile}" for profile in profiles]
    shown = subprocess.run(["cov", "show", f"--object={program}", *told], check=True, capture_output=True, text=True)
    hits, path = {}, None
    for line in shown.stdout.splitlines():
        if counted := re.match(r" *(\d+)\| *(\d*)\|", line):
            if counted[2] and path:
                lines, number = hits.setdefault(path, {}), int(counted[1])
                lines[number] = lines.get(number, 0) + int(counted[2])
        elif line.startswith("/"):
            path = pathlib.Path(line).resolve()
            path = path if path.is_relative_to(SRC) else None
    return hits


def added(hits, more):
    """Adds what another program has run to `hits`."""
    for path, lines in more.items():
        for number, times in lines.items():
            of = hits.setdefault(path, {})
            of[number] = of.get(number, 0) + times


def without_apart(hits):
    """The same without what is there for tests alone."""
    apart = set(set_apart())
    for path in sorted(hits):
        if not apart & {path, *path.parents}:
            beyond = beyond_tests(path)
            yield path, {number: times for number, times in hits[path].items() if number in beyond}


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
    for path in SRC.rglob("*.rs"):
        for name in re.findall(rf"{APART}.*(?:\n *#.*)*\n *(?:pub(?:\([a-z]+\))? )?mod (\w+);", path.read_text()):
            folder = path.parent if path.stem in ("mod", "lib") else path.with_suffix("")
            yield folder / f"{name}.rs"
            yield folder / name
