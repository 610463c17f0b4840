"""FORMAT §9: what the application keeps. Pins, upload tokens, checkpoints."""

import re
from dataclasses import dataclass

from . import heads, wire
from .log import Log
from .names import Folder, checkpoint_name
from .note import CAP_NOTE, ED25519, VerifierKey, decoded, has_signed, parse_checkpoint
from .seal import WRAP, context, open_sealed, sha256, unwrap
from .wire import Reader, ascending, failing, parse, refuse, require, unpad

PIN = re.compile("docvault-pin-1 ([0-9a-f]{32}) ([1-9][0-9]{0,9}) ([0-9a-f]{64}) ([1-9][0-9]{0,19})" + 2 * " ([0-9a-f]{64})")
CAP_TOKENS, CAP_AUTHORITY, CAP_TOKEN = 16, 128, 64 * wire.KIB


def check_pin(pin: bytes, log: Log) -> int:
    """Vault, the key of what follows, and that the log still holds what it held when the pin was taken."""
    match = PIN.fullmatch(decoded(pin, "pin")) or refuse("pin: not a pin")
    vault, epoch, commit_key, size, leaf, root = match.groups()
    require(vault == log.genesis.vault.hex(), "pin: of another vault")
    follows = log.signing_at(int(size))
    require((int(epoch), commit_key) == (follows.epoch, follows.commit_key.hex()), "pin: another log key")
    return check_head("pin", log, int(size), bytes.fromhex(root), bytes.fromhex(leaf))


def check_head(what: str, log: Log, size: int, root: bytes, leaf: bytes | None = None) -> int:
    with failing("rolled-back"):
        require(1 <= size <= len(log.leaves), f"{what}: the log is rolled back, {len(log.leaves)} records of {size}")
    with failing("forked"):
        require(leaf in (None, log.leaves[size - 1].hash), f"{what}: another record {size - 1}")
        require(root == log.root_at(size), f"{what}: another root at {size}")
    return size


def check_checkpoint(data: bytes, log: Log) -> int:
    """Signed with the checkpoint key of what follows its last record, under the origin of Genesis as key name."""
    checkpoint = parse_checkpoint(data)
    require(checkpoint.origin == log.genesis.origin, "checkpoint: of another origin")
    key = VerifierKey(log.genesis.origin, ED25519, log.signing_at(checkpoint.size).checkpoint_key)
    require(has_signed(key, checkpoint.note), "checkpoint: no signature of the vault's")
    return check_head("checkpoint", log, checkpoint.size, checkpoint.root)


def check_kept(folder: Folder, log: Log) -> int:
    """§9.2: every kept checkpoint is what its record commits to, and one of this log."""
    kept = list(log.of_kind("Checkpointed"))
    for leaf in kept:
        name = checkpoint_name(leaf.aux["size"], leaf.effect)
        data = folder.read(name, 2 * wire.MIB)
        require(sha256(data) == leaf.effect, f"{name}: not the one the log names")
        note = parse(data, name, parse_kept)
        size = parse_checkpoint(note, name).size
        require(size == leaf.aux["size"] <= leaf.seq, f"{name}: of another size than record {leaf.seq} says")
        check_checkpoint(note, log)
    return len(kept)


def parse_kept(r: Reader) -> bytes:
    """Gives the note; the time tokens are for those who know their authorities."""
    r.magic(b"dvcp", suite=False)
    r.zeros(3)
    note = r.blob(CAP_NOTE)
    tokens = r.items(CAP_TOKENS, lambda: (r.text(CAP_AUTHORITY), r.blob(CAP_TOKEN)))
    ascending([authority.encode() for authority, _ in tokens], f"{r.what}, authorities")
    require(all(authority for authority, _ in tokens), f"{r.what}: a token of nobody")
    return note


@dataclass(frozen=True)
class Upload:
    ids: heads.Ids
    key: bytes
    name: str
    media_type: str
    attributes: heads.Attributes
    reason: str | None
    pages: list[heads.Page]


def token_case(token: bytes) -> bytes:
    return parse_token(token)[0].case


def parse_token(token: bytes) -> tuple[heads.Ids, bytes, bytes]:
    """The ids, the wrapped head key and the sealed draft."""
    with failing("invalid"):
        r = Reader(token, "upload token")
        r.magic(b"dvut")
        r.zeros(2)
        ids = heads.Ids(r.take(16), r.take(16), r.take(16), r.take(16), heads.VERSION, r.take(16))
        parsed = ids, r.take(WRAP), r.blob(wire.CAP_HEAD)
        r.end()
        return parsed


def open_token(token: bytes, vault: bytes, case_key: bytes) -> Upload:
    what, (ids, wrapped, draft) = "upload token", parse_token(token)
    require(ids.vault == vault, "upload token: of another vault")
    key = unwrap(case_key, context("head key", *ids.fields()), wrapped, what)
    plain = unpad(open_sealed(key, context("upload token", *ids.fields()), draft, what), what)
    return parse(plain, "draft", lambda d: parse_draft(d, ids, key))


def parse_draft(r: Reader, ids: heads.Ids, key: bytes) -> Upload:
    name, media_type, attributes = r.text(wire.CAP_NAME), r.text(wire.CAP_MEDIA_TYPE), heads.parse_attributes(r)
    reason = r.optional(lambda: r.text(wire.CAP_REASON))
    r.choice(0, 1)
    return Upload(ids, key, name, media_type, attributes, reason, heads.parse_pages(r))
