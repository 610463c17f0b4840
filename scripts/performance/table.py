"""Makes the tables of docs/PERFORMANCE.md from what performance.sh measured. Called by performance.sh.

table.py FOLDER reads `default.rows` and `fast.rows` (`name seconds…`), `history.tsv`, `vault.tsv` and `case.tsv`, which
examples/performance printed, `processes` (processes.py), and `build` (build.sh) if it is there. Ratios are of best
times and of medians; where these disagree about a target, the table says which of them meets it.
"""

import os
import re
import statistics
import subprocess
import sys

PLACE = sys.argv[1]
CORES = len(os.sched_getaffinity(0))
BUILDS = ("default", "fast")


def lines(name):
    with open(os.path.join(PLACE, name)) as file:
        return [line.rstrip("\n") for line in file]


def samples(build):
    """Seconds of each round, by name; of the build's rows and of whole processes."""
    found = {}
    for line in lines(f"{build}.rows"):
        name, *seconds = line.split()
        found.setdefault(name, []).extend(map(float, seconds))
    for line in lines("processes"):
        name, memory, _, *seconds = line.split()
        found[name.replace(f"{build}_", "")] = list(map(float, seconds))
        found[name.replace(f"{build}_", "") + "_memory"] = [float(memory)]
    return found


def three(found, parts):
    """Best, median and worst of a sum of what has these names, each times its factor."""
    of = lambda pick: sum(pick(found[name]) * factor for name, factor in parts.items())
    return of(min), of(statistics.median), of(max)


def seconds(times):
    scale, unit = next((s, u) for s, u in ((1, "s"), (1e3, "ms"), (1e6, "µs")) if times[1] * s >= 1 or u == "µs")
    return " / ".join(f"{float(f'{time * scale:.3g}'):,g}" for time in times) + f" {unit}"


def verdict(values, target, more):
    met = [value >= target if more else value <= target for value in values]
    return "met" if all(met) else "short" if not any(met) else f"met by the {'best' if met[0] else 'medians'} only"


class Table:
    def __init__(self):
        self.found = {build: samples(build) for build in BUILDS}
        print("| what | build | target | by the best | by medians | | ours, best / median / worst | against |")
        print("|---|---|---|---|---|---|---|---|")

    def row(self, what, ours, against, targets=None, more=False, builds=BUILDS, count=None):
        """`ours` ÷ `against`; with `more`, the other way round; with `count`, so many a second."""
        for at, build in enumerate(builds):
            found = self.found[build]
            if not (ours.keys() | against.keys()) <= found.keys():
                continue
            mine, theirs = three(found, ours), three(found, against) if against else None
            values = [count / time if count else b / time if more else time / b
                      for time, b in zip(mine[:2], (theirs or mine)[:2])]
            target = targets[at] if targets else None
            text = f"{'≥' if more else '≤'} {target:,}" if targets else ""
            shown = [f"{value:,.0f}" if count else f"{value:.2f}" for value in values]
            said = verdict(values, target, more) if targets else ""
            print(f"| {what} | {build} | {text} | {' | '.join(shown)} | {said} | {seconds(mine)} |"
                  f" {seconds(theirs) if theirs else ''} |")

    def figure(self, what, value, target, more=False, build="default", shown=None):
        print(f"| {what} | {build} | {'≥' if more else '≤'} {target:,} | {shown or f'{value:,.4g}'} | |"
              f" {verdict([value], target, more)} | | |")


def rates(found):
    """What the machine gives: one core's primitives, the copy of 64 MiB, in GB/s, best and median."""
    of = {"AEAD": ("aead_8m", 8), "digest": ("digest_8m", 8), "copy": ("copy_64m", 64)}
    return ", ".join(f"{what} {(mib << 20) / min(found[name]) / 1e9:.2f} / "
                     f"{(mib << 20) / statistics.median(found[name]) / 1e9:.2f}" for what, (name, mib) in of.items())


def content(table):
    raw = {"aead_8m": 8 / CORES, "digest_8m": 8 / CORES}
    for name, what in (("seal_64m", "seal 64 MiB, memory"), ("open_64m", "open it, streamed"),
                       ("open_whole_64m", "open it, whole")):
        table.row(f"{what}: {CORES} cores × raw ÷", {name: 1}, raw, (0.85, 0.80), more=True)
        gain = [pick(table.found["default"][name]) / pick(table.found["fast"][name]) for pick in (min, statistics.median)]
        print(f"| {what}: `fast` ÷ default | fast | ≥ 1.5 | {gain[0]:.2f} | {gain[1]:.2f} | {verdict(gain, 1.5, True)} | | |")
    for way in ("store", "retrieve"):
        table.row(f"{way} 1 GiB ÷ `cp`", {way: 1}, {"cp": 1}, (1.35, 1.15))
        for peer in ("age", "rage"):
            table.row(f"{way} 1 GiB ÷ `{peer}`", {way: 1}, {f"{peer}_{way}": 1}, (0.9, 0.9))
        for peer in ("restic", "gocryptfs"):
            table.row(f"{way} 1 GiB ÷ `{peer}`", {way: 1}, {f"{peer}_{way}": 1})
        for build in BUILDS:
            table.figure(f"{way} 1 GiB: peak memory, MiB", table.found[build][f"{way}_memory"][0], 96, build=build)


def operations(table):
    hand = {"range_by_hand": 1}
    table.row("64 KiB of 1 GiB, open reader ÷ by hand", {"range_by_reader": 1}, hand, (1.5, 1.5))
    table.row("64 KiB of 1 GiB, one call ÷ (1.5 × by hand + one append)", {"range_logged": 1},
              {"range_by_hand": 1.5, "append_folder": 1}, (1, 1))
    raw = {"aead_100k": 1, "digest_100k": 1, "append_described": 1}
    for way in ("store", "retrieve"):
        table.row(f"{way} 100 KiB, memory ÷ (raw + one append)", {f"{way}_100k": 1}, raw, (1.3, 1.3))
    table.row("grant ÷ (HPKE seal + signature)", {"grant": 1}, {"hpke_seal": 1, "sign": 1}, (1.25,), builds=("default",))
    table.row("revoke ÷ one append", {"revoke": 1}, {"append": 1}, (1.25,), builds=("default",))
    table.row("64 tasks ÷ one, 100 KiB, each sync 1 ms longer", {"64_tasks_256": 1 / 16}, {"one_task_16": 1}, (8, 8), more=True)


def log(table):
    for batch, target in ((4096, (300_000,)), (64, None), (1, None)):
        table.row(f"records appended a second, {batch:,} at once", {f"append_{batch}": 1}, {}, target, more=True,
                  builds=("default",), count=batch)
    for batch, target in ((4096, (0.7,)), (64, (0.7,)), (1, (0.7,))):
        table.row(f"SHA-256 of the same ÷ verifying, {batch:,} a commit", {f"verify_{batch}": 1},
                  {f"sha256_{batch}": 1}, target, more=True, builds=("default",))


def growth(table):
    """The largest vault against one that has been folded and has a full tail, too."""
    for name, of in (("history", "records"), ("vault", "documents")):
        rows = [list(map(float, line.split("\t"))) for line in lines(f"{name}.tsv")[1:]]
        least, most = next(row for row in rows if row[0] >= 10_000), rows[-1]
        calls = "; ".join(f"{row[2]:.0f} and {row[4]:.0f} at {row[0]:,.0f}" for row in (rows[0], least, most))
        table.figure(f"open, {most[0]:,.0f} {of}: calls, by the head's pin and by the first", most[4], 12, shown=calls)
        times = f"{least[1] / 1000:.1f} ms at {least[0]:,.0f}, {most[1] / 1000:.1f} ms"
        table.figure(f"open, {most[0]:,.0f} {of} ÷ {least[0]:,.0f}", most[1] / least[1], 2,
                     shown=f"{most[1] / least[1]:.2f} ({times})")
    documents, *_, listed, calls = lines("case.tsv")[-1].split("\t")
    table.figure(f"list a case of {int(documents):,}, memory, ms", float(listed) / 1000, 50,
                 shown=f"{float(listed) / 1000:.1f} ({calls} calls)")


def building(table):
    if not os.path.exists(os.path.join(PLACE, "build")):
        return
    built = {name: float(value) for name, value in (line.split() for line in lines("build"))}
    for profile in ("dev", "release"):
        table.figure(f"default build from nothing, {profile}, s", built[f"build_{profile}"], 60)
    table.figure("crates in the default tree", built["crates"], 90)


def machine():
    with open("/proc/cpuinfo") as file:
        cpu = file.read()
    model = re.search(r"model name\s*: (.*)", cpu)[1]
    flags = set(re.search(r"flags\s*: (.*)", cpu)[1].split())
    kept = [flag for flag in ("avx2", "avx512f", "avx512vl", "sha_ni", "vaes", "hypervisor") if flag in flags]
    caches = subprocess.run(["lscpu"], capture_output=True, text=True).stdout
    third = re.search(r"L3 cache:\s*(.*)", caches)
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip()
    load = " ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"\n{model}, {CORES} cores, {' '.join(kept)}, L3 {third[1] if third else '?'}; "
          f"{os.uname().sysname} {os.uname().release}; {rustc}; load at the end {load}.")


def main():
    table = Table()
    for part in (content, operations, log, growth, building):
        part(table)
    for build in BUILDS:
        print(f"\n{build}, GB/s on one core, best / median: {rates(table.found[build])}")
    machine()
    print("\n| process, 1 GiB | wall s, best / median / worst | processor s | peak memory, MiB |\n|---|---|---|---|")
    for line in lines("processes"):
        name, memory, cpu, *walls = line.split()
        walls = sorted(map(float, walls))
        print(f"| {name.replace('_', ' ')} | {walls[0]:.2f} / {statistics.median(walls):.2f} / {walls[-1]:.2f} | {cpu} | {memory} |")


main()
