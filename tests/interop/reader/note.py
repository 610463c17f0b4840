"""Signed notes, checkpoints, cosignatures: c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature (FORMAT §9.2, §10)."""

import base64
import binascii
import re
from dataclasses import dataclass

from . import wire
from .seal import sha256, small_order, verify_raw
from .wire import refuse, require

ED25519, COSIGNATURE, ML_DSA_COSIGNATURE = 1, 4, 6
KEY_SIZES = {ED25519: 32, COSIGNATURE: 32, ML_DSA_COSIGNATURE: 1312}
CAP_NOTE, CAP_SIGNATURES = 256 * wire.KIB, 100
DECIMAL = re.compile("0|[1-9][0-9]{0,19}")


def decoded(text: bytes, what: str) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        refuse(f"{what}: not UTF-8")


def unbase64(text: str, what: str) -> bytes:
    """RFC 4648 §4, canonical: what encodes to other text is refused, spare bits included."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        refuse(f"{what}: not base64")
    require(base64.b64encode(data).decode() == text, f"{what}: not canonical base64")
    return data


def decimal(text: str, what: str) -> int:
    require(DECIMAL.fullmatch(text) is not None and int(text) < 2**64, f"{what}: not a number")
    return int(text)


def check_name(name: str, what: str) -> str:
    require(bool(name) and "+" not in name and not any(c.isspace() for c in name), f"{what}: not the name of a key")
    return name


@dataclass(frozen=True)
class VerifierKey:
    name: str
    type: int
    key: bytes

    @property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + wire.u8(self.type) + self.key)[:4]


def parse_verifier_key(text: str) -> VerifierKey:
    """`<name>+<id in hexadecimal>+<base64 of type ‖ key>`; base64 may have a plus, a name has none."""
    parts = text.split("+", 2)
    require(len(parts) == 3, "verifier key: not three parts")
    material = unbase64(parts[2], "verifier key")
    require(len(material) > 0 and KEY_SIZES.get(material[0]) == len(material) - 1, "verifier key: of no known type and length")
    key = VerifierKey(check_name(parts[0], "verifier key"), material[0], material[1:])
    require(parts[1] == key.id.hex(), "verifier key: another id than its own")
    require(key.type == ML_DSA_COSIGNATURE or not small_order(key.key), "verifier key: a point of small order")
    return key


@dataclass(frozen=True)
class Signature:
    name: str
    id: bytes
    data: bytes


@dataclass(frozen=True)
class Note:
    """`text` ends with a newline; it is what is signed."""

    text: str
    signatures: list[Signature]


def parse_note(data: bytes, what: str) -> Note:
    """Text, the last empty line, one or more lines of signatures."""
    require(len(data) <= CAP_NOTE, f"{what}: too large")
    note = decoded(data, what)
    require(all(c >= " " or c == "\n" for c in note), f"{what}: a control character")
    text, blank, signatures = note.rpartition("\n\n")
    require(bool(blank) and signatures.endswith("\n"), f"{what}: not text, an empty line and signatures")
    lines = signatures[:-1].split("\n")
    require(len(lines) <= CAP_SIGNATURES, f"{what}: {len(lines)} signatures")
    return Note(text + "\n", [parse_signature(line, what) for line in lines])


def parse_signature(line: str, what: str) -> Signature:
    """`— <key name> base64(key id[4] ‖ signature)`."""
    parts = line.split(" ")
    require(len(parts) == 3 and parts[0] == "—", f"{what}: not the line of a signature")
    data = unbase64(parts[2], what)
    require(len(data) > 4, f"{what}: an empty signature")
    return Signature(check_name(parts[1], what), data[:4], data[4:])


@dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes
    note: Note


def parse_checkpoint(data: bytes, what: str = "checkpoint") -> Checkpoint:
    """Origin, size, root, and extension lines, of which none is empty."""
    note = parse_note(data, what)
    lines = note.text[:-1].split("\n")
    require(len(lines) >= 3 and all(lines), f"{what}: not origin, size and root")
    root = unbase64(lines[2], what)
    require(len(root) == 32, f"{what}: a root of {len(root)} bytes")
    return Checkpoint(lines[0], decimal(lines[1], f"{what}, size"), root, note)


def has_signed(key: VerifierKey, note: Note) -> bool:
    """Whether a key signed a note. A signature that bears its name and id, and is false, spoils the note."""
    found = [signature for signature in note.signatures if (signature.name, signature.id) == (key.name, key.id)]
    if key.type == ML_DSA_COSIGNATURE:
        return False
    for signature in found:
        check = check_cosignature if key.type == COSIGNATURE else check_plain
        check(key, note.text, signature.data)
    return bool(found)


def check_plain(key: VerifierKey, text: str, signature: bytes) -> None:
    verify_raw(key.key, text.encode(), signature, f"note, {key.name}")


def check_cosignature(key: VerifierKey, text: str, signature: bytes) -> None:
    """`timestamp u64 ‖ signature[64]`, of seconds since 1970."""
    require(len(signature) == 72, f"note, {key.name}: a cosignature of {len(signature)} bytes")
    timestamp = int.from_bytes(signature[:8], "big")
    require(timestamp < 2**63, f"note, {key.name}: too late a time")
    verify_raw(key.key, f"cosignature/v1\ntime {timestamp}\n{text}".encode(), signature[8:], f"note, {key.name}")
