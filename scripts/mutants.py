"""Mutation testing by one build. Called by mutants.sh.

cargo-mutants says what can be altered; here each alteration is made a switch that an environment variable throws (mutant
schemata: Untch, Offutt, Harrold, "Mutation Analysis Using Mutant Schemata", ISSTA 1993), for building the crate anew for each
would take days. Every test is run once to see which switches it comes by; then each mutant meets the tests that do,
the fastest first, until one fails.
"""

import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import time

import tree_sitter
import tree_sitter_rust

PLACE, LISTED, KNOWN, BUDGET = (pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), float(sys.argv[4]))
TARGETS = sys.argv[5:]
PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))
# Where a wrong sign is worst.
FIRST = ("src/crypto/", "src/log/", "src/padding.rs", "src/wire.rs")
# A test that takes longer is left out, and a mutant that makes a test take so much longer is noticed.
SLOW, PATIENCE = 200, 20
SWITCH = """
/// Which mutant is on, and which are come by.
pub(crate) mod mutants {
    use std::{io::Write, sync::{OnceLock, atomic::{AtomicBool, Ordering}}};
    static ON: OnceLock<(usize, Option<std::ffi::OsString>)> = OnceLock::new();
    static MET: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];
    pub(crate) fn on(number: usize) -> bool {
        let (on, told) = ON.get_or_init(|| {
            let on = std::env::var("DOCVAULT_MUTANT").ok().and_then(|text| text.parse().ok());
            (on.unwrap_or(usize::MAX), std::env::var_os("DOCVAULT_MUTANTS_MET"))
        });
        if let Some(path) = told {
            if !MET[number].swap(true, Ordering::Relaxed) {
                let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
                drop(file.and_then(|mut file| writeln!(file, "{number}")));
            }
        }
        *on == number
    }
}
"""


class Mutant:
    def __init__(self, number, of):
        self.number, self.file, self.genre, self.span = number, of["file"], of["genre"], of["span"]
        self.replacement = of["replacement"]
        # Without line and column, which change with every edit above.
        self.name = re.sub(r"^([^:]*):\d+:\d+:", r"\1:", of["name"])
        self.line = of["span"]["start"]["line"]
        self.text = None

    def condition(self):
        return f"crate::mutants::on({self.number})"


def named(listed):
    """All mutants; those of one name are told apart by their order."""
    mutants, seen = [Mutant(number, of) for number, of in enumerate(listed)], collections.Counter()
    for mutant in mutants:
        seen[mutant.name] += 1
        if seen[mutant.name] > 1:
            mutant.name += f" (#{seen[mutant.name]})"
    return mutants


def at(source, place):
    """The byte where a line and column, counted from 1 in characters, are."""
    lines = source.split("\n")
    before = sum(len(line) + 1 for line in lines[: place["line"] - 1]) + place["column"] - 1
    return len(source[:before].encode())


def ancestors(node):
    while node:
        yield node
        node = node.parent


def is_constant(node):
    """Whether no call of a function can stand there."""
    for above in ancestors(node):
        if above.type in ("const_item", "static_item", "const_block", "array_type", "enum_variant"):
            return True
        if above.type == "function_item":
            return is_const(above) and above.child_by_field_name("name").text.decode() in CONSTANT
    return False


def is_const(function):
    return any(child.type == "function_modifiers" and b"const" in child.text for child in function.children)


# Functions that constants are made with, and so have to stay `const`; the others need not be.
CONSTANT = set()


# Within which nodes, and in which part of them, a mutant of each genre stands.
STANDS = {
    "BinaryOperator": (("binary_expression", "compound_assignment_expr"), None),
    "FnValue": (("function_item",), "body"),
    "MatchArm": (("match_arm",), "pattern"),
    "MatchArmGuard": (("match_arm",), "pattern"),
    # A field that a struct expression takes from another instead: not switched.
    "StructField": ((), None),
    "UnaryOperator": (("unary_expression",), None),
}


def schemata(source, mutants):
    """The source with switches in it; gives each mutant the place it stands at, none if it cannot be switched."""
    raw = source.encode()
    tree = PARSER.parse(raw)
    edits = collections.defaultdict(list)
    for mutant in mutants:
        start, end = at(source, mutant.span["start"]), at(source, mutant.span["end"])
        node = tree.root_node.descendant_for_byte_range(start, end)
        if node is None or is_constant(node):
            continue
        kinds, part = STANDS[mutant.genre]
        node = next((above for above in ancestors(node) if above.type in kinds), None)
        node = node.child_by_field_name(part) if node and part else node
        if node is None or (mutant.genre == "UnaryOperator" and node.start_byte != start):
            continue
        if mutant.genre == "BinaryOperator" and node.child_by_field_name("operator").start_byte != start:
            continue
        edits[(node.start_byte, node.end_byte, part or mutant.genre)].append(mutant)
    return tree.root_node, raw, edits


def rendered(node, raw, edits, start=None, end=None):
    """The text of a node, all switches within it."""
    start, end = (node.start_byte if start is None else start), (node.end_byte if end is None else end)
    pieces, position = [], start
    for child in node.children:
        pieces.append(raw[position:child.start_byte])
        pieces.append(whole(child, raw, edits))
        position = child.end_byte
    pieces.append(raw[position:end])
    return b"".join(pieces)


def whole(node, raw, edits):
    text = rendered(node, raw, edits)
    if node.type == "function_modifiers" and node.parent.child_by_field_name("name").text.decode() not in CONSTANT:
        text = re.sub(rb"\bconst\b", b"", text)
    span = (node.start_byte, node.end_byte)
    for mutant in edits.get((*span, "UnaryOperator"), ()):
        inner = raw[node.children[0].end_byte : node.end_byte]
        text = b"(if %s {%s} else {%s})" % (mutant.condition().encode(), inner, text)
        mutant.text = mutant.condition()
    for mutant in edits.get((*span, "BinaryOperator"), ()):
        operator = node.child_by_field_name("operator")
        other = raw[span[0] : operator.start_byte] + mutant.replacement.encode() + raw[operator.end_byte : span[1]]
        text = b"(if %s {%s} else {%s})" % (mutant.condition().encode(), other, text)
        mutant.text = mutant.condition()
    if node.type == "match_pattern" and (mutants := edits.get((*span, "pattern"))):
        text = guarded(node, raw, edits, mutants)
    for mutant in edits.get((*span, "body"), ()) if node.type == "block" else ():
        value = mutant.replacement
        text = b"{ if %s { return %s; } " % (mutant.condition().encode(), value.encode()) + text[1:]
        mutant.text = mutant.condition()
    return text


def guarded(pattern, raw, edits, mutants):
    """A match arm's pattern, and its guard with switches."""
    guard = pattern.child_by_field_name("condition")
    if guard is not None and guard.type in ("let_condition", "let_chain"):
        return rendered(pattern, raw, edits)
    bare = raw[pattern.start_byte : pattern.end_byte if guard is None else guard.start_byte].decode()
    bare = re.sub(r"\s+if\s*$", "", bare) if guard is not None else bare
    condition = "true" if guard is None else whole(guard, raw, edits).decode()
    for mutant in mutants:
        on = mutant.condition()
        if mutant.genre == "MatchArm" or mutant.replacement == "false":
            condition = f"(!{on} && ({condition}))"
        else:
            condition = f"({on} || ({condition}))"
        mutant.text = on
    return f"{bare} if {condition}".encode()


def put_in(mutants):
    """Writes the sources with the switches of all that are left."""
    by_file = collections.defaultdict(list)
    for mutant in mutants:
        by_file[mutant.file].append(mutant)
    for file in {m.file for m in mutants} | put_in.files:
        put_in.files.add(file)
        source = put_in.originals.setdefault(file, (PLACE / file).read_text())
        for mutant in by_file[file]:
            mutant.text = None
        root, raw, edits = schemata(source, by_file[file])
        (PLACE / file).write_bytes(rendered(root, raw, edits, 0, len(raw)))
    return [mutant for mutant in mutants if mutant.text]


put_in.files, put_in.originals = set(), {}


def cargo(*arguments):
    """What the compiler says of a build."""
    command = ["cargo", "test", "--all-features", "--no-run", "--message-format=json", *arguments]
    run = subprocess.run(command, cwd=PLACE, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")], run.returncode


def unviable(messages, mutants):
    """The numbers of the switches that stand in the lines that do not compile, as close to the fault as can be told."""
    found = set()
    for message in messages:
        if message["reason"] != "compiler-message" or message["message"]["level"] != "error":
            continue
        if not_constant(message["message"]):
            continue
        for span in message["message"]["spans"]:
            file = PLACE / span["file_name"]
            if not file.is_file():
                continue
            if (message["message"]["code"] or {}).get("code") == "E0004":
                found |= arms(file, span) & {mutant.number for mutant in mutants if mutant.genre == "MatchArm"}
                continue
            lines = file.read_text().split("\n")[span["line_start"] - 1 : span["line_end"]]
            if not lines:
                continue
            switches = [(m.start() + 1, int(m[1])) for m in re.finditer(r"crate::mutants::on\((\d+)\)", lines[0])]
            within = [number for column, number in switches if column <= span["column_end"]]
            if within:
                found.add(within[-1])
            elif switches:
                found.add(switches[0][1])
    return found


def arms(file, span):
    """The switches in the arms of the match at a span; none of them can go if no arm takes its place."""
    tree = PARSER.parse(file.read_bytes())
    node = tree.root_node.descendant_for_byte_range(span["byte_start"], span["byte_end"])
    node = next((above for above in ancestors(node) if above.type == "match_expression"), None)
    patterns = [arm.child_by_field_name("pattern") for arm in node.child_by_field_name("body").named_children if arm.type == "match_arm"] if node else []
    return {int(number) for pattern in patterns for number in re.findall(rb"mutants::on\((\d+)\)", pattern.text)}


def constants(messages):
    """Functions that are no longer `const`, and are called where one has to be."""
    for message in messages:
        if called := message["reason"] == "compiler-message" and not_constant(message["message"]):
            yield called


def not_constant(message):
    """The function of the crate that a constant calls, if that is what is wrong."""
    if (message["code"] or {}).get("code") != "E0015":
        return None
    called = re.search(r"`([^`]*)`", message["message"])
    name = called and re.sub(r"::<.*", "", called[1]).split("::")[-1]
    return name if name != "on" else None


def build(mutants):
    """Binaries of the tests, by name, and the mutants that compile."""
    (PLACE / "src/lib.rs").write_text((PLACE / "src/lib.rs").read_text() + SWITCH.replace("COUNT", str(len(mutants) + 1)))
    left, refused = mutants, []
    while True:
        left = put_in(left)
        messages, code = cargo("--lib")
        if code == 0:
            break
        constant = {name for name in constants(messages) if name not in CONSTANT}
        CONSTANT.update(constant)
        bad = unviable(messages, left)
        if not bad and not constant:
            errors = [m["message"]["rendered"] for m in messages if m["reason"] == "compiler-message" and m["message"]["level"] == "error"]
            sys.exit("\n".join(errors[:10]))
        refused += [mutant for mutant in left if mutant.number in bad]
        left = [mutant for mutant in left if mutant.number not in bad]
        print(f"{len(bad)} more do not compile", file=sys.stderr, flush=True)
    messages, code = cargo(*TARGETS)
    if code:
        sys.exit("the tests do not build")
    programs = {m["target"]["name"]: m["executable"] for m in messages if m.get("executable") and m["profile"]["test"]}
    return programs, left, refused


UNNOTICED = ("survived", "met by no test")


class Kept:
    """Who noticed mutants in earlier runs, of files that are still the same: MUTANTS_TRIED, a line each.

    Whom nobody noticed meets the tests again, which may be others by now."""

    def __init__(self, path):
        self.path, self.ends = path and pathlib.Path(path), {}
        if self.path and self.path.exists():
            rows = [line.split("\t") for line in self.path.read_text().splitlines()]
            self.ends = {(row[0], row[1]): row[2] for row in rows if len(row) == 3}

    def of(self, mutant):
        source = put_in.originals[mutant.file].encode()
        return hashlib.sha256(source).hexdigest()[:16], mutant.name

    def end(self, mutant):
        return self.ends.get(self.of(mutant))

    def add(self, mutant, end):
        if self.path:
            with self.path.open("a") as file:
                print(*self.of(mutant), end, sep="\t", file=file)


def bounded():
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))


def passes(program, test, patience, **environment):
    """Whether a test passes within its time."""
    command = [program, "--exact", test, "--test-threads=1"]
    try:
        run = subprocess.run(
            command, cwd=PLACE, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=patience, preexec_fn=bounded)
        if run.returncode in (-signal.SIGINT, -signal.SIGTERM):
            os._exit(1)
        return run.returncode == 0
    except subprocess.TimeoutExpired:
        return False


def survey(programs):
    """Each test that passes in time: its program, its name, its seconds, the mutants that it comes by."""
    def one(job):
        name, program, test = job
        met = PLACE / f"met-{name}-{abs(hash(test))}"
        begun = time.monotonic()
        if not passes(program, test, SLOW, DOCVAULT_MUTANTS_MET=str(met)):
            print(f"left out: {name} {test}", file=sys.stderr, flush=True)
            return None
        numbers = {int(number) for number in met.read_text().split()} if met.exists() else set()
        met.unlink(missing_ok=True)
        return program, test, time.monotonic() - begun, numbers

    jobs = []
    for name, program in programs.items():
        told = subprocess.run([program, "--list", "--format=terse"], cwd=PLACE, capture_output=True, text=True, check=True)
        ignored = subprocess.run([program, "--list", "--format=terse", "--ignored"], cwd=PLACE, capture_output=True, text=True, check=True)
        tests = {line.removesuffix(": test") for line in told.stdout.splitlines() if line.endswith(": test")}
        tests -= {line.removesuffix(": test") for line in ignored.stdout.splitlines()}
        jobs += [(name, program, test) for test in sorted(tests)]
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as workers:
        return [found for found in workers.map(one, jobs) if found]


WORKERS = os.cpu_count() or 2


def tried(mutants, tests, kept):
    """What became of each mutant: the test that noticed, or `survived`, or `met by no test`."""
    meeting = collections.defaultdict(list)
    for program, test, seconds, numbers in sorted(tests, key=lambda found: found[2]):
        for number in numbers:
            meeting[number].append((program, test, seconds))

    def one(mutant):
        if end := kept.end(mutant):
            return end
        end = noticed(mutant)
        if end not in UNNOTICED:
            kept.add(mutant, end)
        return end

    def noticed(mutant):
        left = BUDGET
        for program, test, seconds in meeting[mutant.number]:
            # The slow ones are the exhaustive ones, which end early if they notice.
            if left < 0 and seconds < SLOW / 10:
                continue
            left -= seconds
            if not passes(program, test, PATIENCE + 5 * seconds, DOCVAULT_MUTANT=str(mutant.number)):
                return test
        return "survived" if meeting[mutant.number] else "met by no test"

    with concurrent.futures.ThreadPoolExecutor(WORKERS) as workers:
        for mutant, end in zip(mutants, workers.map(one, mutants)):
            if end in UNNOTICED:
                print(f"{end}: {mutant.name} (line {mutant.line})", flush=True)
            yield mutant, end


def main():
    listed = json.loads(LISTED.read_text())
    mutants = named(sorted(listed, key=lambda of: not of["file"].startswith(FIRST)))
    programs, left, refused = build(mutants)
    print(f"{len(mutants)} mutants, {len(left)} made switches", file=sys.stderr, flush=True)
    tests = survey(programs)
    print(f"{len(tests)} tests of {sum(found[2] for found in tests):.0f} s", file=sys.stderr, flush=True)
    rows, alive = collections.defaultdict(collections.Counter), set()
    kept = Kept(os.environ.get("MUTANTS_TRIED"))
    for mutant, end in tried(left, tests, kept):
        rows[mutant.file]["switched"] += 1
        rows[mutant.file]["noticed" if end not in UNNOTICED else "not"] += 1
        if end in UNNOTICED:
            alive.add(mutant.name)
    for mutant in mutants:
        rows[mutant.file]["all"] += 1
    for mutant in refused:
        rows[mutant.file]["unviable"] += 1
    lines = [line.split(" — ")[0] for line in KNOWN.read_text().splitlines() if " — " in line]
    print(f"{'file':36} {'mutants':>8} {'unviable':>8} {'switched':>8} {'noticed':>8} {'not':>5}")
    total = collections.Counter()
    for file, row in [*sorted(rows.items()), ("in all", total)]:
        total.update(row if row is not total else {})
        print(f"{file:36} {row['all']:8} {row['unviable']:8} {row['switched']:8} {row['noticed']:8} {row['not']:5}")
    unexplained = sorted(alive - set(lines))
    print(f"{len(alive)} not noticed, of which {len(unexplained)} are not explained in {KNOWN}")
    sys.exit(bool(unexplained))


main()
