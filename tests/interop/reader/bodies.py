"""FORMAT §5.4: the two sealed layers of a record's body."""

from dataclasses import dataclass

from .kinds import Fields
from .log import Leaf
from .seal import context, open_sealed, subkey
from .wire import CAP_ACTOR, CAP_DETAILS, CAP_INNER, CAP_PURPOSE, CAP_REQUEST, Reader, parse, require, u16, unpad


@dataclass(frozen=True)
class Outer:
    id: bytes
    actor: str
    purpose: str
    request: str | None
    details: Fields
    inner: bytes


def open_outer(audit_key: bytes, vault: bytes, leaf: Leaf, body: bytes) -> Outer:
    return open_disclosed(subkey(audit_key, "key of outer body", body[:16]), vault, leaf, body)


def open_disclosed(key: bytes, vault: bytes, leaf: Leaf, body: bytes) -> Outer:
    """The outer layer under the key of this one record, as a disclosure or a receipt hands it out."""
    what = f"body of record {leaf.seq}"
    id_, sealed = body[:16], body[16:]
    outer = open_sealed(key, context("outer body", *fields(vault, leaf, id_)), sealed, what)
    return parse(unpad(outer, what), what, lambda r: parse_outer(r, id_, leaf))


def fields(vault: bytes, leaf: Leaf, id_: bytes) -> tuple[bytes, ...]:
    return vault, u16(leaf.number), leaf.case, leaf.object, leaf.operation, id_


def parse_outer(r: Reader, id_: bytes, leaf: Leaf) -> Outer:
    r.choice(1)
    actor, purpose, request = r.text(CAP_ACTOR), r.text(CAP_PURPOSE), r.optional(lambda: r.text(CAP_REQUEST))
    details = parse(r.blob(CAP_DETAILS), f"{r.what}, details", leaf.kind.details)
    inner = r.blob(CAP_INNER)
    require(bool(inner) == (leaf.kind.personal is not None), f"{r.what}: not the layers of {leaf.kind.name}")
    return Outer(id_, actor, purpose, request, details, inner)


def open_inner(case_key: bytes, vault: bytes, leaf: Leaf, outer: Outer) -> Fields:
    what = f"inner body of record {leaf.seq}"
    key = subkey(case_key, "key of inner body", outer.id)
    personal = open_sealed(key, context("inner body", *fields(vault, leaf, outer.id)), outer.inner, what)
    return parse(unpad(personal, what), what, leaf.kind.personal)
