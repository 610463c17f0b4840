"""Times whole processes in turns, and prints the table of docs/PERFORMANCE.md. Called by performance.sh."""

import os
import shutil
import subprocess
import sys
import time

PROGRAMS, PLACE, ROUNDS = sys.argv[1], sys.argv[2], int(sys.argv[3])
SIZE = 1 << 30


def at(name):
    return os.path.join(PLACE, name)


def run(name, times, command, out=None):
    """Runs a command; keeps its best wall time and its greatest resident memory."""
    with open(out or os.devnull, "wb") as stdout:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=stdout)
        _, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - start
    if status:
        sys.exit(f"{command}: exit status {status}")
    best, cpu, memory = times.get(name, (float("inf"), float("inf"), 0))
    times[name] = (min(best, took), min(cpu, usage.ru_utime + usage.ru_stime), max(memory, usage.ru_maxrss / 1024))


def forget(*names):
    for name in names:
        path = at(name)
        shutil.rmtree(path, ignore_errors=True) if os.path.isdir(path) else os.path.exists(path) and os.remove(path)


def docvault(build, times):
    program = os.path.join(PROGRAMS, build, "transfer")
    forget("vault", "vault.key", "vault.pin", "vault.case", "out")
    subprocess.run([program, "create", at("vault")], check=True)
    run(f"{build} store", times, [program, "--pin", "store", at("vault"), at("file")], at("document"))
    with open(at("document")) as document:
        document = document.read().strip()
    run(f"{build} retrieve", times, [program, "--pin", "retrieve", at("vault"), document, at("out")])
    subprocess.run(["cmp", at("file"), at("out")], check=True)
    forget("vault", "out")


def peer(name, times, recipient):
    run(f"{name} seal", times, [name, "-r", recipient, "-o", at("sealed"), at("file")])
    run(f"{name} open", times, [name, "-d", "-i", at("identity"), "-o", at("out"), at("sealed")])
    forget("sealed", "out")


def whole_processes():
    with open(at("file"), "wb") as file:
        for _ in range(SIZE >> 20):
            file.write(os.urandom(1 << 20))
    peers = [name for name in ("age", "rage") if shutil.which(name)]
    if peers:
        made = subprocess.run([f"{peers[0]}-keygen", "-o", at("identity")], check=True, capture_output=True, text=True)
        recipient = made.stderr.split()[-1]
    times = {}
    for _ in range(ROUNDS):
        run("cp", times, ["cp", at("file"), at("out")])
        forget("out")
        docvault("default", times)
        docvault("fast", times)
        for name in peers:
            peer(name, times, recipient)
    return times


def measured(build):
    """Of several runs the best: highest rates and ratios, lowest times. Ratios of times are by their run."""
    values = {}
    with open(at(f"{build}.measured")) as lines:
        for line in lines:
            name, value = line.split()
            values.setdefault(name, []).append(float(value))
    worse_is_more = lambda name: name.endswith(("_us", "_ratio")) and name != "tasks_ratio"
    return {name: min(all) if worse_is_more(name) else max(all) for name, all in values.items()}


def main():
    builds = {build: measured(build) for build in ("default", "fast")}
    times = whole_processes()
    print("| what | target | default | `fast` |\n|---|---|---|---|")

    def row(what, target, figure):
        print(f"| {what} | {target} | {figure('default')} | {figure('fast')} |")

    for way, what in (("seal", "seal"), ("open", "open, streamed"), ("open_whole", "open, whole")):
        row(f"{what}: share of 2 cores × raw", "≥ 0.85 / 0.80", lambda b: f"{builds[b][way + '_efficiency']:.2f}")
        row(f"{what}: GB/s", "", lambda b: f"{builds[b][way + '_gb_per_s']:.2f}")
        gain = builds["fast"][way + "_gb_per_s"] / builds["default"][way + "_gb_per_s"]
        row(f"{what}: `fast` ÷ default", "≥ 1.5", lambda b: "" if b == "default" else f"{gain:.2f}")
    for way, peer_way, limit in (("store", "seal", "1.35 / 1.15"), ("retrieve", "open", "1.35 / 1.15")):
        ours = lambda b: times[f"{b} {way}"]
        row(f"{way} 1 GiB ÷ `cp`", f"≤ {limit}", lambda b: f"{ours(b)[0] / times['cp'][0]:.2f}")
        for name in ("age", "rage"):
            if f"{name} {peer_way}" in times:
                row(f"{way} 1 GiB ÷ `{name}`", "≤ 0.9", lambda b: f"{ours(b)[0] / times[f'{name} {peer_way}'][0]:.2f}")
        row(f"{way}: peak memory, MiB", "≤ 96", lambda b: f"{ours(b)[2]:.0f}")
    row("64 KiB range ÷ by hand", "≤ 1.5", lambda b: f"{builds[b]['range_ratio']:.2f}")
    for way in ("store", "retrieve"):
        row(f"{way} 100 KiB ÷ (raw + append)", "≤ 1.3", lambda b: f"{builds[b][f'small_{way}_ratio']:.2f}")
    row("64 tasks ÷ one, 100 KiB, durable", "≥ 8", lambda b: f"{builds[b]['tasks_ratio']:.1f}")
    print("\nSeconds of wall time, seconds of processor time, MiB of peak memory:\n")
    for name, (best, cpu, memory) in times.items():
        print(f"    {name:20} {best:6.3f} {cpu:6.3f} {memory:7.0f}")
    for build, values in builds.items():
        print(f"\n{build}: " + ", ".join(f"{name} {value:g}" for name, value in values.items()))


main()
