#!/usr/bin/env python3
"""The tests that SECURITY.md and the papers in docs cite exist, once each; fails and names those that do not.

Cited is every name in backquotes in the last column of a table whose last heading is `tests`, where a cell without one says
`none`; and everywhere else every name in backquotes that has four words or more, as nothing but tests has.
"""

import re
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLES = ("SECURITY.md", "docs/ARGUMENTS.md")
PAPERS = (*TABLES, *(f"docs/{name}.md" for name in ("ASSURANCE", "DESIGN", "FORMAT", "INTAKE", "SUPPLY")))


def tests():
    """Functions behind `#[test]`, other attributes between them allowed, as tests/tables.rs counts them."""
    for folder in ("src", "tests"):
        for path in (ROOT / folder).rglob("*.rs"):
            for behind in path.read_text().split("#[test]\n")[1:]:
                signature = behind.split("{")[0].rsplit("fn ", 1)
                yield re.match(r"\w+", signature[-1])[0]


def cells(text):
    """The last cell of each row of the tables that cite."""
    citing = False
    for line in text.splitlines():
        if not line.startswith("|"):
            citing = False
            continue
        last = line.strip().strip("|").split("|")[-1].strip()
        if last == "tests":
            citing = True
        elif citing and not last.startswith("---"):
            yield last


def main():
    known, cited, faults = Counter(tests()), 0, []
    for name in PAPERS:
        named = re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+){3,})`", (ROOT / name).read_text())
        faults += [f"{name}: {known[test]} tests are called {test}" for test in named if known[test] != 1]
    for name in TABLES:
        for cell in cells((ROOT / name).read_text()):
            found = re.findall(r"`(\w+)`", cell)
            cited += len(found)
            faults += [f"{name}: {known[test]} tests are called {test}" for test in found if known[test] != 1]
            if not found and cell != "none":
                faults.append(f"{name}: a cell cites no test, and does not say so: {cell!r}")
    if cited < 100:
        faults.append(f"only {cited} tests are cited: the tables were not found")
    sys.exit("\n".join(faults) or None)


if __name__ == "__main__":
    main()
