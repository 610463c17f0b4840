"""Which lines and branches of src programs have run, from their LLVM profiles. Used by coverage.sh and fuzz_coverage.sh.

Read by LLVM's own tools of the major version that the compiler is built with (Debian: llvm-22).
"""

import pathlib
import re
import shutil
import subprocess
import sys

SRC = pathlib.Path("src").resolve()
# What is there for tests, or for fuzzing, which runs apart.
APART = r"#\[cfg\((?:test\)|all\(test|any\(test, fuzzing\))"


def tool(name):
    told = subprocess.run(["rustc", "+nightly", "-vV"], check=True, capture_output=True, text=True).stdout
    major = re.search(r"LLVM version: (\d+)", told)[1]
    if not shutil.which(f"{name}-{major}"):
        sys.exit(f"no {name}-{major} here, which reads what this compiler counts (Debian: llvm-{major})")
    return f"{name}-{major}"


def merge(raw, merged):
    """Adds the profiles in the folder `raw` to the one at `merged`."""
    profiles = list(raw.glob("*.profraw"))
    earlier = [merged] if merged.exists() else []
    subprocess.run([tool("llvm-profdata"), "merge", "-sparse", *profiles, *earlier, "-o", merged], check=True)
    for profile in profiles:
        profile.unlink()


class Seen:
    """Whether each line of a file was run, and either outcome of each branch met, by where they stand."""

    def __init__(self):
        self.lines, self.branches = {}, {}

    def add(self, other):
        """What the other has seen of the same file is seen."""
        for line, run in other.lines.items():
            self.lines[line] = run or self.lines.get(line, False)
        for place, met in other.branches.items():
            self.meet(place, met)

    def meet(self, place, met):
        """Of the branch that stands there, one more instance was met so."""
        self.branches[place] = tuple(map(max, met, self.branches.get(place, met)))

    def counts(self):
        """Lines and those that ran, outcomes of conditions and those that were met."""
        sides = [side for both in self.branches.values() for side in both]
        return len(self.lines), sum(self.lines.values()), len(sides), sum(sides)


def run_by(programs, profile):
    """What was run of each file of src that the programs are made of, without what is there for tests alone.

    From the text that is for people: what is for programs also tells of each instance of a function, and LLVM 22 fails at
    those of functions that a macro has made.
    """
    first, *others = programs
    asked = [tool("llvm-cov"), "show", f"--instr-profile={profile}", first, *(f"--object={other}" for other in others)]
    asked += ["--show-instantiations=false", "--show-branches=count", SRC]
    shown = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    seen = {}
    for line in shown.splitlines():
        if counted := re.match(r" *(\d+)\| *([0-9.]+[kMGTPEZY]?)\|", line):
            of.lines[int(counted[1])] = counted[2] != "0"
        elif branch := re.match(r" *\|  Branch \((\d+):(\d+)\): \[True: ([^,]+), False: ([^\]]+)\]", line):
            of.meet((int(branch[1]), int(branch[2])), (branch[3] != "0", branch[4] != "0"))
        elif re.match(r"/.*\.rs:$", line):
            of = seen.setdefault(pathlib.Path(line[:-1]).resolve(), Seen())
    return list(without_apart(seen))


def without_apart(seen):
    apart = set(set_apart())
    for path in sorted(seen):
        if not apart & {path, *path.parents}:
            beyond, of = beyond_tests(path), seen[path]
            of.lines = {number: run for number, run in of.lines.items() if number in beyond}
            of.branches = {place: met for place, met in of.branches.items() if place[0] in beyond}
            yield path.relative_to(SRC), of


def missed(path, of):
    """What never ran, a line of text each."""
    text = (SRC / path).read_text().splitlines()
    for number in sorted(number for number, run in of.lines.items() if not run):
        yield f"src/{path}:{number}: {text[number - 1].strip()}"
    for (number, column), both in sorted(of.branches.items()):
        for outcome in [name for name, met in zip(("true", "false"), both) if not met and of.lines.get(number)]:
            yield f"src/{path}:{number}:{column}: never {outcome}: {text[number - 1].strip()}"


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
