"""FORMAT §8: a delivery, as its recipient reads it. Fingerprints."""

import base64
from dataclasses import dataclass

from . import heads, hpke, wire
from .heads import Ids, Terms, VersionMeta
from .keys import two_line_key
from .seal import WRAP, context, open_sealed, sha256, subkey, unwrap, verify
from .wire import Reader, ascending, failing, require, unpad


def recipient_fingerprint(public_key: bytes) -> bytes:
    return context("recipient", public_key)


def sender_fingerprint(vault: bytes, delivery_key: bytes) -> bytes:
    return context("sender", vault, delivery_key)


def fingerprint_text(fingerprint: bytes) -> str:
    """The first 130 bits in base32, as 5-5-5-5-6."""
    letters = base64.b32encode(fingerprint).decode().lower()[:26]
    return "-".join((letters[:5], letters[5:10], letters[10:15], letters[15:20], letters[20:]))


def same_fingerprint(text: str, fingerprint: bytes) -> bool:
    plain = text.translate({ord(c): None for c in "- \n"}).lower()
    return plain == fingerprint_text(fingerprint).replace("-", "")


def read_identity(data: bytes) -> bytes:
    """§9: the X-Wing seed."""
    return two_line_key(data, "docvault identity 1")


@dataclass(frozen=True)
class Delivered:
    object: bytes
    version: bytes
    key_id: bytes
    wrapped_key: bytes
    meta_digest: bytes


# An entry of the manifest, and the metadata and pages that follow it.
Document = tuple[Delivered, VersionMeta, list[bytes]]


@dataclass(frozen=True)
class Delivery:
    vault: bytes
    operation: bytes
    grant: bytes
    case: bytes
    object: bytes
    terms: Terms
    time: int
    effect: bytes
    documents: list[Document]


def open_delivery(data: bytes, seed: bytes, sender: str) -> Delivery:
    """Sender key, signature, grant key, manifest, info, documents: in that order."""
    r = Reader(data, "delivery")
    r.magic(b"dvdl")
    r.zeros(2)
    vault, operation, grant, recipient, sender_key = r.take(16), r.take(16), r.take(16), r.take(32), r.take(32)
    with failing("denied"):
        require(same_fingerprint(sender, sender_fingerprint(vault, sender_key)), "delivery: from another sender")
        require(recipient == recipient_fingerprint(hpke.public_key(seed)), "delivery: to another recipient")
    info, sealed_key = r.take(32), r.take(hpke.SEALED_KEY)
    bound = data[: r.at]
    manifest = r.blob(wire.CAP_MANIFEST)
    signed = data[: r.at]
    verify(sender_key, "sign delivery", signed, r.take(64), "delivery")
    grant_key = hpke.open_key(seed, info, sealed_key, "delivery")
    key = subkey(grant_key, "key of delivery manifest", operation)
    contents = Reader(unpad(open_sealed(key, context("delivery manifest", bound), manifest, "delivery"), "delivery"), "manifest")
    case, object_, terms, time = contents.take(16), contents.take(16), heads.parse_terms(contents), contents.u64()
    listed = contents.items(wire.CAP_DOCUMENTS, lambda: parse_delivered(contents))
    contents.end()
    ascending([entry.object for entry in listed], "delivered documents")
    require(info == heads.grant_info(vault, case, object_, grant, recipient, terms), "delivery: not the terms of its grant")
    documents = [open_document(r, vault, case, grant_key, entry) for entry in listed]
    r.end()
    return Delivery(vault, operation, grant, case, object_, terms, time, context("delivered", manifest), documents)


def parse_delivered(r: Reader) -> Delivered:
    return Delivered(r.take(16), r.take(16), r.take(16), r.take(WRAP), r.take(32))


def open_document(r: Reader, vault: bytes, case: bytes, grant_key: bytes, entry: Delivered) -> Document:
    what = f"delivered version {entry.version.hex()}"
    wrapping = subkey(grant_key, "key of delivered document", case, entry.object, entry.version)
    bound = context("delivery wrap", vault, case, entry.object, entry.version, entry.key_id)
    head_key = unwrap(wrapping, bound, entry.wrapped_key, what)
    ids = Ids(vault, case, entry.object, entry.version, heads.VERSION, entry.key_id)
    sealed_meta = r.blob(wire.CAP_HEAD)
    require(sha256(sealed_meta) == entry.meta_digest, f"{what}: not the metadata its manifest names")
    meta = heads.open_meta(head_key, ids, sealed_meta, heads.parse_version, what)
    pages = heads.open_version(ids, head_key, meta, lambda *_: r.blob(heads.CAP_SEALED_PART))
    return entry, meta, pages
