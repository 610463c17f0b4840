"""FORMAT §10.1: a receipt, verified with nothing but a policy. §9.3: a disclosure."""

from dataclasses import dataclass

from . import wire
from .bodies import Outer, open_disclosed
from .log import LEAF, Leaf, node, parse_leaf
from .note import Checkpoint, decimal, decoded, parse_checkpoint, unbase64
from .policy import Policy
from .seal import context
from .wire import Reader, failing, parse, refuse, require

CAP_RECEIPT, CAP_PROOF = 512 * wire.KIB, 64
FIRST_LINE = "c2sp.org/tlog-proof@v1"
CAP_DISCLOSURE = 82_376
# §5.2: the effect is that of a head, or of a claim, and so has an opening.
OPENED = {"CaseOpened", "CaseClosed", "CaseReopened", "CaseErased", "Stored", "Granted", "Revoked", "Stated"}


@dataclass(frozen=True)
class Opening:
    blind: bytes
    hashed: bytes
    content: bytes


@dataclass(frozen=True)
class Disclosure:
    vault: bytes
    key: bytes
    body: bytes

    def open(self, leaf: Leaf) -> Outer:
        require(context("body", self.body) == leaf.body_commitment, f"record {leaf.seq}: not the body committed to")
        return open_disclosed(self.key, self.vault, leaf, self.body)


@dataclass(frozen=True)
class Receipt:
    leaf: Leaf
    opening: Opening | None
    disclosure: Disclosure | None
    proof: list[bytes]
    note: bytes


@dataclass(frozen=True)
class Proven:
    """What a receipt proves. `content` is None where it names no content."""

    leaf: Leaf
    checkpoint: Checkpoint
    witnesses: list[str]
    opening: Opening | None
    content: bytes | None
    disclosed: Outer | None


def verify_receipt(data: bytes, policy: Policy) -> Proven:
    """In FORMAT's order; who verifies learns at which step a receipt failed."""
    with failing("malformed"):
        receipt = parse_receipt(data)
    with failing("checkpoint"):
        checkpoint = parse_checkpoint(receipt.note)
        witnesses = policy.believe(checkpoint)
    leaf, opening = receipt.leaf, receipt.opening
    with failing("inclusion"):
        check_inclusion(leaf, receipt.proof, checkpoint)
    with failing("opening"):
        check_opening(leaf, opening)
    with failing("body"):
        disclosed = receipt.disclosure and receipt.disclosure.open(leaf)
    content = opening.content if opening and any(opening.content) else None
    return Proven(leaf, checkpoint, witnesses, opening, content, disclosed)


def proven_json(proven: Proven) -> dict[str, object]:
    """What is not known is null."""
    leaf, said, opening = proven.leaf, proven.disclosed, proven.opening
    case = leaf.case.hex() if any(leaf.case) else None
    document = leaf.case.hex() + leaf.object.hex() if case and any(leaf.object) else None
    version = {"Stored": leaf.operation, "Read": leaf.aux.get("version")}.get(leaf.kind.name)
    return {"record": leaf.seq, "time": leaf.time, "kind": leaf.kind.name, "operation": leaf.operation.hex(), "case": case,
            "document": document, "version": version and version.hex(), "content": proven.content and proven.content.hex(),
            "claim": opening.hashed.hex() if opening and leaf.kind.name == "Stated" else None, "actor": said and said.actor,
            "purpose": said and said.purpose, "request": said and said.request, "origin": proven.checkpoint.origin,
            "size": proven.checkpoint.size, "root": proven.checkpoint.root.hex(), "witnesses": proven.witnesses}


def parse_receipt(data: bytes) -> Receipt:
    """Lines up to the first empty one; behind it the checkpoint, which is looked at only then."""
    require(len(data) <= CAP_RECEIPT, "receipt: too large")
    head, blank, note = decoded(data, "receipt").partition("\n\n")
    lines = head.split("\n")
    require(bool(blank) and len(lines) >= 3 and lines[0] == FIRST_LINE, f"receipt: not a {FIRST_LINE}")
    leaf, opening, disclosure = parse(unbase64(after(lines[1], "extra "), "extra data"), "extra data", parse_extra)
    require(decimal(after(lines[2], "index "), "index") == leaf.seq, "receipt: another index than its leaf's")
    require(len(lines) - 3 <= CAP_PROOF, f"receipt: {len(lines) - 3} hashes")
    return Receipt(leaf, opening, disclosure, [parse_hash(line) for line in lines[3:]], note.encode())


def after(line: str, word: str) -> str:
    require(line.startswith(word), f"receipt: not a line of '{word}'")
    return line[len(word) :]


def parse_hash(line: str) -> bytes:
    value = unbase64(line, "proof")
    require(len(value) == 32, f"proof: a hash of {len(value)} bytes")
    return value


def parse_extra(r: Reader) -> tuple[Leaf, Opening | None, Disclosure | None]:
    r.magic(b"dvrc")
    r.zeros(2)
    leaf = parse_leaf(r.take(LEAF))
    opening = r.optional(lambda: Opening(r.take(32), r.take(32), r.take(32)))
    disclosure = r.optional(lambda: Disclosure(r.take(16), r.take(32), r.blob(wire.CAP_BODY)))
    return leaf, opening, disclosure


def check_inclusion(leaf: Leaf, proof: list[bytes], checkpoint: Checkpoint) -> None:
    """RFC 9162 §2.1.3.2."""
    fn, sn, value = leaf.seq, checkpoint.size - 1, leaf.hash
    require(fn <= sn, "inclusion: the checkpoint is from before the record")
    for sibling in proof:
        require(sn != 0, "inclusion: a hash too many")
        if fn & 1 or fn == sn:
            value = node(sibling, value)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            value = node(value, sibling)
        fn, sn = fn >> 1, sn >> 1
    require(sn == 0 and value == checkpoint.root, "inclusion: another root")


def check_opening(leaf: Leaf, opening: Opening | None) -> None:
    if opening:
        require(leaf.kind.name in OPENED, f"record {leaf.seq}: a {leaf.kind.name} has nothing to open")
        effect = context("effect", opening.blind, opening.hashed, opening.content)
        require(effect == leaf.effect, f"record {leaf.seq}: not the effect of its opening")


def open_disclosure(data: bytes) -> tuple[Leaf, Outer]:
    """§9.3: one line; a reader opens the outer layer of its leaf."""
    with failing("invalid"):
        line = decoded(data, "disclosure")
        require(len(line) <= CAP_DISCLOSURE, "disclosure: too long")
        encoded = after(line, "docvault-disclosure-1 ")
        leaf, disclosure = parse(unbase64(encoded, "disclosure"), "disclosure", parse_disclosure)
        if not leaf.kind.sealed:
            refuse("disclosure: Genesis is not sealed")
    return leaf, disclosure.open(leaf)


def parse_disclosure(r: Reader) -> tuple[Leaf, Disclosure]:
    r.magic(b"dvds")
    r.zeros(2)
    vault = r.take(16)
    leaf = parse_leaf(r.take(LEAF))
    return leaf, Disclosure(vault, r.take(32), r.blob(wire.CAP_BODY))
