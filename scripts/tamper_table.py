"""Brings tests/tamper_vault/TABLE.md up to what was met: tamper_table.py [--add] OUTPUT…

OUTPUT is what `DOCVAULT_TABLE=1 scripts/tamper.sh` printed, whole or, with DOCVAULT_ONLY, of some objects and alterations. Why an
outcome does no harm is taken over from the same case of the table; `?` stands where nothing was said, for somebody to say it: the
test does not take it. Cases that OUTPUT has not are left alone; outcomes of others that were not met are printed, and gone, but
for `--add`: of a sample.
"""

import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests/tamper_vault/TABLE.md"
QUESTIONS = re.findall(r'^    "([^"]*)", \d+, \w+, [\w:]+;$', (ROOT / "tests/tamper_vault/questions.rs").read_text(), re.M)
ALTERATIONS = ["flipped", "flipped root", "flipped signature", "cut", "extended", "zeroed", "deleted", "older", "swapped", "doubled", "returned"]


def rows(text):
    """Kind, alteration, question, outcome and reason of each case."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("| ") or len(cells) != 5 or cells[0] == "object":
            continue
        kind, alterations, asked, met, why = cells
        without = asked.removeprefix("all but ").split(", ")
        asked = [name for name in QUESTIONS if name not in without] if asked.startswith("all but ") else without
        for alteration in alterations.split(", "):
            for question in asked:
                yield kind, alteration, question, met, why


def questions(asked):
    listed = [name for name in QUESTIONS if name in asked]
    without = [name for name in QUESTIONS if name not in asked]
    return ", ".join(listed) if len(listed) <= len(without) else "all but " + ", ".join(without)


def why(said, kind, alteration, question, met):
    words = set(met.split(", "))
    if "other" in words:
        sys.exit(f"{kind}, {alteration}, {question}: something else was answered; no table allows that")
    if not {"same", "less", "told"} & words:
        return ""
    return said.get((kind, alteration, question, met)) or "?"


def main():
    text = TABLE.read_text()
    table = list(rows(text))
    said = {}
    for kind, alteration, question, met, reason in table:
        said[kind, alteration, question, met] = reason
    outcomes = collections.defaultdict(set)
    adds = sys.argv[1:2] == ["--add"]
    for output in sys.argv[1 + adds :]:
        for kind, alteration, question, met, _ in rows(pathlib.Path(output).read_text(errors="replace")):
            outcomes[kind, alteration, question] |= set(met.split(", "))
    for kind, alteration, question, met, _ in table:
        if adds or (kind, alteration, question) not in outcomes:
            outcomes[kind, alteration, question] |= set(met.split(", "))
        elif lost := set(met.split(", ")) - outcomes[kind, alteration, question]:
            print(f"no longer: {kind}, {alteration}, {question}: {', '.join(lost)}")
    asked = collections.defaultdict(set)
    for (kind, alteration, question), met in outcomes.items():
        met = ", ".join(sorted(met, key=lambda one: (one.islower(), one)))
        asked[kind, met, why(said, kind, alteration, question, met), alteration].add(question)
    alike = collections.defaultdict(list)
    for (kind, met, reason, alteration), names in asked.items():
        alike[kind, questions(names), met, reason].append(alteration)
    kinds = list(dict.fromkeys([kind for kind, *_ in rows(text)] + sorted(kind for kind, *_ in asked)))
    order = lambda row: (kinds.index(row[0][0]), min(map(ALTERATIONS.index, row[1])), row[0][1])
    head = text[: text.index("| object |")]
    lines = ["| object | altered | asked | outcome | why it does no harm |", "|---|---|---|---|---|"]
    for (kind, names, met, reason), alterations in sorted(alike.items(), key=order):
        lines.append(f"| {kind} | {', '.join(sorted(alterations, key=ALTERATIONS.index))} | {names} | {met} | {reason} |")
    TABLE.write_text(head + "\n".join(lines) + "\n")


main()
