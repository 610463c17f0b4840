"""Times whole processes in turns. Called by performance.sh.

processes.py PROGRAMS FOLDER ROUNDS [--peers] prints a line for each name: `name memory-MiB processor-seconds
wall-seconds…`, the most memory, the least processor time, the wall time of each round.
"""

import os
import shutil
import subprocess
import sys
import time

PROGRAMS, PLACE, ROUNDS = sys.argv[1], sys.argv[2], int(sys.argv[3])
SIZE = 1 << 30
times = {}


def at(name):
    return os.path.join(PLACE, name)


def quietly(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run(name, *command, out=os.devnull):
    """Runs a command and notes what it took."""
    with open(out, "wb") as stdout:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=stdout)
        _, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - start
    if status:
        sys.exit(f"{command}: exit status {status}")
    memory, cpu, walls = times.get(name, (0, float("inf"), []))
    cpu = min(cpu, usage.ru_utime + usage.ru_stime)
    times[name] = max(memory, usage.ru_maxrss / 1024), cpu, [*walls, took]


def forget(*names):
    for name in names:
        path = at(name)
        shutil.rmtree(path, ignore_errors=True) if os.path.isdir(path) else os.path.exists(path) and os.remove(path)


def check_out():
    """What came back is what was sealed."""
    quietly("cmp", at("file"), at("out"))
    forget("out")


def docvault(build):
    program = os.path.join(PROGRAMS, build, "transfer")
    forget("vault", "vault.key", "vault.pin", "vault.case")
    quietly(program, "create", at("vault"))
    run(f"{build}_store", program, "--pin", "store", at("vault"), at("file"), out=at("document"))
    with open(at("document")) as document:
        document = document.read().strip()
    run(f"{build}_retrieve", program, "--pin", "retrieve", at("vault"), document, at("out"))
    check_out()
    forget("vault")


def age(name):
    """age or rage, by whoever of them can make the key."""
    if not os.path.exists(at("identity")):
        quietly(f"{name}-keygen", "-o", at("identity"))
    with open(at("identity")) as lines:
        recipient = next(line.split()[-1] for line in lines if line.startswith("# public key:"))
    run(f"{name}_store", name, "-r", recipient, "-o", at("sealed"), at("file"))
    run(f"{name}_retrieve", name, "-d", "-i", at("identity"), "-o", at("out"), at("sealed"))
    check_out()
    forget("sealed")


def restic():
    os.environ["RESTIC_PASSWORD"] = "performance"
    here = ["restic", "--quiet", "--no-cache", "-r", at("repository")]
    quietly(*here, "init")
    run("restic_store", *here, "backup", at("file"))
    run("restic_retrieve", *here, "restore", "latest", "--target", at("restored"))
    quietly("cmp", at("file"), at("restored") + at("file"))
    forget("repository", "restored")


def gocryptfs():
    """`cp` into its mount and out of it. Memory and processor time are those of `cp`, not of the file system."""
    for folder in ("cipher", "mount"):
        os.mkdir(at(folder))
    with open(at("password"), "w") as file:
        file.write("performance\n")
    quietly("gocryptfs", "-quiet", "-init", "-passfile", at("password"), at("cipher"))
    quietly("gocryptfs", "-quiet", "-passfile", at("password"), at("cipher"), at("mount"))
    try:
        run("gocryptfs_store", "cp", at("file"), at("mount/file"))
        run("gocryptfs_retrieve", "cp", at("mount/file"), at("out"))
    finally:
        quietly("fusermount", "-u", at("mount"))
    check_out()
    forget("cipher", "mount", "password")


def peers():
    """The peers that are installed, by name."""
    ages = [(name, lambda name=name: age(name)) for name in ("age", "rage")]
    others = [("restic", restic), ("gocryptfs", gocryptfs)] if "--peers" in sys.argv else []
    found = []
    for name, measure in ages + others:
        if not shutil.which(name) or (name == "gocryptfs" and not os.access("/dev/fuse", os.W_OK)):
            print(f"{name} does not run here: left out", file=sys.stderr)
        else:
            found.append(measure)
    return found


def main():
    with open(at("file"), "wb") as file:
        for _ in range(SIZE >> 20):
            file.write(os.urandom(1 << 20))
    installed = peers()
    for _ in range(ROUNDS):
        run("cp", "cp", at("file"), at("out"))
        forget("out")
        docvault("default")
        docvault("fast")
        for measure in installed:
            measure()
    for name, (memory, cpu, walls) in times.items():
        print(name, f"{memory:.0f} {cpu:.3f}", *(f"{wall:.4f}" for wall in walls))


main()
