"""FORMAT §4: root keys, the keyring, case keys."""

from collections.abc import Callable
from dataclasses import dataclass

from argon2.low_level import Type, hash_secret_raw

from . import hpke, wire
from .log import Log
from .names import Folder, key_name, keyring_name
from .seal import context, open_sealed, public_of, sha256, unwrap
from .wire import Reader, ascending, failing, refuse, require, u16, u32, unpad

LOCAL, PASSPHRASE = 1, 2


@dataclass(frozen=True)
class Slot:
    id: bytes
    kind: int
    public_key: bytes
    wrapped_seed: bytes
    sealed_key: bytes


@dataclass(frozen=True)
class Keyring:
    slots: list[Slot]
    audit_key: bytes
    epochs: dict[int, bytes]
    labels: dict[bytes, str]


# A root key opens the wrapped seed of a slot of its kind; the slot's context goes in, the seed comes out.
Unwrap = Callable[[bytes, bytes], bytes]


@dataclass(frozen=True)
class RootKey:
    kind: int
    unwrap: Unwrap


def local_file(data: bytes) -> RootKey:
    """§4.3: `docvault local key 1`, newline, 64 hexadecimal digits, newline."""
    key = two_line_key(data, "docvault local key 1")
    return RootKey(LOCAL, lambda slot, wrapped: unwrap(key, context("local slot", slot), wrapped, "slot"))


def two_line_key(data: bytes, title: str) -> bytes:
    head, digits = title.encode() + b"\n", data[len(title) + 1 : -1]
    require(data == head + digits + b"\n" and len(digits) == 64, f"not a file of '{title}'")
    require(all(c in b"0123456789abcdef" for c in digits), f"{title}: not lower-case hexadecimal")
    return bytes.fromhex(digits.decode())


def passphrase(secret: bytes) -> RootKey:
    return RootKey(PASSPHRASE, lambda slot, wrapped: open_passphrase_slot(secret, slot, wrapped))


def open_passphrase_slot(secret: bytes, slot: bytes, wrapped: bytes) -> bytes:
    r = Reader(wrapped, "passphrase slot")
    require(r.u8() == 1, "passphrase slot: unknown version")
    memory, passes, lanes, salt = r.u32(), r.u32(), r.u32(), r.take(16)
    with failing("denied"):
        require(19 << 10 <= memory <= 1 << 20 and 2 <= passes <= 16 and 1 <= lanes <= 16, "passphrase slot: parameters out of bounds")
    key = hash_secret_raw(secret, salt, passes, memory, lanes, 32, Type.ID)
    bound = context("passphrase slot", slot, u32(memory), u32(passes), u32(lanes), salt)
    return unwrap(key, bound, r.rest(), "passphrase slot")


def open_keyring(folder: Folder, log: Log, root: RootKey) -> Keyring:
    """The keyring that the newest Genesis, Keyring or SigningKeys record names, and no other."""
    digest = log.keyring_at(len(log.leaves))
    data = folder.read(keyring_name(digest), wire.CAP_KEYRING)
    require(sha256(data) == digest, "keyring: not the one the log names")
    r = Reader(data, "keyring")
    r.magic(b"dvkr")
    r.zeros(2)
    vault, id_ = r.take(16), r.take(16)
    require(vault == log.genesis.vault, "keyring: of another vault")
    slots = r.items(wire.CAP_SLOTS, lambda: parse_slot(r))
    require(bool(slots), "keyring: no slot")
    ascending([slot.id for slot in slots], "keyring slots")
    payload_context = context("keyring payload", vault, id_, sha256(data[: r.at]))
    key = keyring_key(vault, id_, slots, root)
    contents = unpad(open_sealed(key, payload_context, r.rest(), "keyring"), "keyring")
    return parse_contents(contents, slots, log)


def parse_slot(r: Reader) -> Slot:
    slot = Slot(r.take(16), r.u16(), r.take(hpke.PUBLIC_KEY), r.blob(4096), r.take(hpke.SEALED_KEY))
    require(slot.kind in (LOCAL, PASSPHRASE) or slot.kind >= 0x8000, "slot: unknown kind")
    return slot


def keyring_key(vault: bytes, id_: bytes, slots: list[Slot], root: RootKey) -> bytes:
    """The first slot of the root key's kind that it opens; HPKE hands out the keyring key."""
    failure = "locked"
    for slot in (slot for slot in slots if slot.kind == root.kind):
        try:
            seed = root.unwrap(context("slot seed", vault, slot.id, u16(slot.kind)), slot.wrapped_seed)
        except wire.Refused as why:
            failure = "denied" if why.failure == "denied" else failure
            continue
        require(hpke.public_key(seed) == slot.public_key, "slot: the seed is not that of its public key")
        return hpke.open_key(seed, context("keyring to slot", vault, id_, slot.id), slot.sealed_key, "slot")
    with failing(failure):
        refuse("no slot opens with this root key")


def parse_contents(contents: bytes, slots: list[Slot], log: Log) -> Keyring:
    r = Reader(contents, "keyring contents")
    audit, signing_epoch = r.take(32), r.u32()
    commit, delivery, checkpoint, _deposit = (r.take(32) for _ in range(4))
    epochs = r.items(wire.CAP_EPOCHS, lambda: (r.u32(), r.take(32)))
    labels = r.items(wire.CAP_SLOTS, lambda: (r.take(16), r.text(128)))
    r.end()
    ascending([epoch for epoch, _ in epochs], "keyring epochs")
    require(bool(epochs) and epochs[-1][0] <= len(log.leaves), "keyring: no epoch, or more than there are records")
    require([slot.id for slot in slots] == [id_ for id_, _ in labels], "keyring: labels are not those of the slots")
    newest = log.signing[-1]
    public = newest.commit_key, log.genesis.delivery_key, newest.checkpoint_key
    require(signing_epoch == newest.epoch, f"keyring: of signing epoch {signing_epoch}")
    require(tuple(map(public_of, (commit, delivery, checkpoint))) == public, "keyring: signing keys are not those of the log")
    return Keyring(slots, audit, dict(epochs), dict(labels))


def case_key(folder: Folder, vault: bytes, keyring: Keyring, case: bytes) -> bytes:
    """§4.4: the epochs of the keyring, newest first."""
    for epoch, vault_key in sorted(keyring.epochs.items(), reverse=True):
        name = key_name(case, epoch)
        if folder.exists(name):
            r = Reader(folder.read(name, wire.KIB), name)
            r.magic(b"dvck")
            r.zeros(2)
            require(r.u32() == epoch, f"{name}: of another epoch")
            return unwrap(vault_key, context("case key", vault, case, u32(epoch)), r.rest(), name)
    refuse(f"case {case.hex()}: no key under any epoch of the keyring")
