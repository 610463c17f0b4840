"""FORMAT §10.3, c2sp.org/tlog-witness: whether a witness that has seen nothing yet cosigns a checkpoint."""

from .note import Checkpoint, decimal, decoded, has_signed, parse_checkpoint
from .policy import Policy
from .receipt import after, parse_hash
from .wire import failing, require

CAP_PROOF = 63


def first_checkpoint(data: bytes, policy: Policy) -> Checkpoint:
    """The body of `add-checkpoint`: the old size, a proof, an empty line, the checkpoint. In tlog-witness's order."""
    with failing("malformed"):
        head, blank, note = decoded(data, "request").partition("\n\n")
        lines = head.split("\n")
        require(bool(blank) and len(lines) <= 1 + CAP_PROOF, "request: not an old size, a proof and a checkpoint")
        old, proof = decimal(after(lines[0], "old "), "old size"), [parse_hash(line) for line in lines[1:]]
        checkpoint = parse_checkpoint(note.encode())
        require(old <= checkpoint.size, "request: from more records than the checkpoint has")
    logs = [key for key in policy.logs if key.name == checkpoint.origin]
    with failing("unknown-log"):
        require(bool(logs), "request: of a log that is not known")
    with failing("bad-signature"):
        require(any([has_signed(key, checkpoint.note) for key in logs]), "request: signed by no key of its log")
    with failing("conflict"):
        require(old == 0, "request: from a size that was never seen")
    with failing("bad-proof"):
        require(not proof, "request: from nothing there is no proof")
    return checkpoint
