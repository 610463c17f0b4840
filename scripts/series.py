#!/usr/bin/env python3
"""Draws docs/performance/*.tsv as SVG beside them, both axes logarithmic."""

import math
import os
from xml.sax.saxutils import escape

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../docs/performance")
MICROS = "microseconds, storage in memory"
PLOTS = {
    "document": ("By the size of a document", "bytes", MICROS),
    "case": ("By the documents of a case", "documents", MICROS),
    "vault": ("By the documents of a vault, 1,000 a case", "documents", MICROS),
    "history": ("By the records of the log", "records", MICROS),
    "writers": ("By the processes that write, 16 tasks each", "processes", "as named, on an object store's latency"),
}
COLOURS = ["#3b82f6", "#e8590c", "#2f9e44", "#db2777", "#a855f7", "#0891b2"]
LEFT, TOP, WIDE, HIGH, NAMES = 66, 40, 480, 300, 190
STYLE = """text{font:12px sans-serif;fill:#57606a}.title{font-size:14px;font-weight:bold}.grid{stroke:#8888;stroke-width:.5}
polyline{fill:none;stroke-width:2}@media(prefers-color-scheme:dark){text{fill:#b1bac4}}"""


def read(name):
    """The columns that are plotted, by name; counts of calls are for the table."""
    with open(os.path.join(FOLDER, f"{name}.tsv")) as file:
        header, *rows = (line.rstrip("\n").split("\t") for line in file)
    columns = [[float(row[at]) for row in rows] for at in range(len(header))]
    return columns[0], [(title, column) for title, column in zip(header[1:], columns[1:]) if not title.startswith("calls")]


class Axis:
    """From values to places, whole decades."""

    def __init__(self, values, start, end):
        self.low = math.floor(math.log10(min(values)) + 1e-9)
        self.high = max(math.ceil(math.log10(max(values)) - 1e-9), self.low + 1)
        self.start, self.step = start, (end - start) / (self.high - self.low)

    def at(self, value):
        return self.start + (math.log10(value) - self.low) * self.step

    def decades(self):
        return [(10.0**power, power) for power in range(self.low, self.high + 1)]


def label(value, power):
    if -2 < power < 4:
        return f"{value:g}"
    return "10" + "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(power)) if power >= 0 else f"1e{power}"


def spread(places):
    """The same places, in their order, moved down where two names would lie on each other."""
    moved, last = {}, -math.inf
    for at, name in sorted((at, name) for name, at in places.items()):
        last = moved[name] = max(at, last + 15)
    return moved


def grid(x, y):
    for value, power in x.decades():
        at = f"{x.at(value):.1f}"
        yield f'<line class="grid" x1="{at}" x2="{at}" y1="{TOP}" y2="{TOP + HIGH}"/>'
        yield f'<text x="{at}" y="{TOP + HIGH + 18}" text-anchor="middle">{label(value, power)}</text>'
    for value, power in y.decades():
        at = y.at(value)
        yield f'<line class="grid" x1="{LEFT}" x2="{LEFT + WIDE}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{label(value, power)}</text>'


def draw(name, title, across, up):
    xs, columns = read(name)
    x = Axis(xs, LEFT, LEFT + WIDE)
    y = Axis([value for _, column in columns for value in column], TOP + HIGH, TOP)
    size = f"{LEFT + WIDE + NAMES} {TOP + HIGH + 44}"
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img" aria-label="{escape(title)}">'
    yield f"<style>{STYLE}</style>"
    yield f'<text class="title" x="{LEFT}" y="16">{escape(title)}</text><text x="{LEFT}" y="33">{escape(up)}</text>'
    yield from grid(x, y)
    yield f'<text x="{LEFT + WIDE / 2}" y="{TOP + HIGH + 38}" text-anchor="middle">{escape(across)}</text>'
    names = spread({title: y.at(column[-1]) for title, column in columns})
    for (title, column), colour in zip(columns, COLOURS):
        points = " ".join(f"{x.at(at):.1f},{y.at(value):.1f}" for at, value in zip(xs, column))
        yield f'<polyline stroke="{colour}" points="{points}"/>'
        yield (f'<text x="{x.at(xs[-1]) + 8:.1f}" y="{names[title] + 4:.1f}" style="fill:{colour}">'
               f"{escape(title)}</text>")
    yield "</svg>"


for plot, titles in PLOTS.items():
    with open(os.path.join(FOLDER, f"{plot}.svg"), "w") as file:
        file.write("\n".join(draw(plot, *titles)) + "\n")
