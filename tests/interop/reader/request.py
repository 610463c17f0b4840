"""FORMAT §11.1: links and requests, as the client that a link was sent to opens them."""

import base64
import re
from dataclasses import dataclass

from argon2.low_level import Type, hash_secret_raw

from . import wire
from .hpke import PUBLIC_KEY
from .seal import context, open_sealed, public_of, sha256, subkey, verify
from .wire import Reader, failing, parse, require, unpad

CAP_SLOTS, CAP_USES, CAP_FILES, CAP_BYTES = 64, 1024, 64, 1 << 40
CAP_DETAILS, CAP_POLICY, CAP_REQUIREMENT, CAP_MEDIA_TYPES, CAP_PRESENTATION = 128 * wire.KIB, 32 * wire.KIB, 128, 32, 48 * wire.KIB
FRAGMENT = re.compile("[A-Za-z0-9_-]{87}")


@dataclass(frozen=True)
class Link:
    descriptor: bytes
    secret: bytes


def parse_link(text: str) -> Link:
    """A URL and its fragment, or the fragment alone."""
    with failing("invalid"):
        fragment = text.partition("#")[2] if "#" in text else text
        require(FRAGMENT.fullmatch(fragment) is not None, "link: not 87 characters of base64url")
        data = base64.urlsafe_b64decode(fragment + "=")
        require(base64.urlsafe_b64encode(data).decode() == fragment + "=", "link: spare bits")
        require(data[0] == 1, "link: another version")
        require(any(data[33:]), "link: no secret")
        return Link(data[1:33], data[33:])


@dataclass(frozen=True)
class Slot:
    uses: int
    files: int
    file_bytes: int


@dataclass(frozen=True)
class Request:
    """`digest` is D; `bound` is what the details are sealed with."""

    digest: bytes
    vault: bytes
    id: bytes
    delivery_key: bytes
    intake_key: bytes
    link_key: bytes
    carrier_key: bytes
    issued: int
    expires: int
    answer_within: int
    slots: list[Slot]
    salt: bytes | None
    details: bytes
    bound: bytes


def parse_request(data: bytes) -> Request:
    """The public part, with its signature verified under the key that it names."""
    r = Reader(data, "request")
    r.magic(b"dvrq")
    r.zeros(2)
    vault, id_, delivery_key = r.take(16), r.take(16), r.take(32)
    keys = r.take(PUBLIC_KEY), r.take(32), r.take(32)
    times = r.u64(), r.u64(), r.u64()
    slots = r.items(CAP_SLOTS, lambda: parse_slot(r))
    require(bool(slots) and times[0] < times[1], "request: no slot, or no time to fill one")
    salt = r.optional(lambda: r.take(16))
    bound = data[: r.at]
    details = r.blob(CAP_DETAILS)
    verify(delivery_key, "sign request", data[: r.at], r.take(64), r.what)
    r.end()
    return Request(sha256(data), vault, id_, delivery_key, *keys, *times, slots, salt, details, bound)


def parse_slot(r: Reader) -> Slot:
    slot = Slot(r.u16(), r.u16(), r.u64())
    require(1 <= slot.uses <= CAP_USES and slot.files <= CAP_FILES and slot.file_bytes <= CAP_BYTES, f"{r.what}: a slot beyond its caps")
    return slot


def passphrase_key(request: Request, passphrase: bytes | None) -> bytes:
    with failing("invalid"):
        require(passphrase is None or request.salt is not None, "request: asks for no passphrase")
    with failing("locked"):
        require((passphrase is None) == (request.salt is None), "request: asks for a passphrase")
    if passphrase is None or request.salt is None:
        return b""
    return hash_secret_raw(passphrase, request.salt, 2, 19_456, 1, 32, Type.ID)


def link_root(request: Request, secret: bytes, passphrase: bytes | None) -> bytes:
    """From which the link key follows: whoever has another secret, or passphrase, sees it here."""
    root = subkey(secret, "root of link", request.id, passphrase_key(request, passphrase))
    with failing("locked"):
        require(public_of(subkey(root, "seed of link key")) == request.link_key, "request: of another link")
    return root


@dataclass(frozen=True)
class Details:
    case: bytes
    policy: str
    slots: list[tuple[str, int, list[str]]]
    presentation: bytes


def open_request(data: bytes, link: Link, sender: bytes, now: int, passphrase: bytes | None) -> tuple[Request, Details]:
    """Hash, signature, sender, link key, details: in that order."""
    require(sha256(data) == link.descriptor, "request: not the one of its link")
    request = parse_request(data)
    require(sender == request.vault + request.delivery_key, "request: of another sender")
    root = link_root(request, link.secret, passphrase)
    key = subkey(root, "key of request details")
    opened = open_sealed(key, context("request details", request.bound), request.details, "request details")
    details = parse(unpad(opened, "request details"), "request details", lambda r: parse_details(r, request))
    with failing("denied"):
        require(now < request.expires, "request: expired")
    return request, details


def parse_details(r: Reader, request: Request) -> Details:
    case, policy = r.take(16), r.text(CAP_POLICY)
    slots = [(r.text(CAP_REQUIREMENT), r.u16(), parse_media_types(r)) for _ in request.slots]
    return Details(case, policy, slots, r.blob(CAP_PRESENTATION))


def parse_media_types(r: Reader) -> list[str]:
    return r.items(CAP_MEDIA_TYPES, lambda: r.text(wire.CAP_MEDIA_TYPE))
