"""FORMAT §5.2 and §5.4: what each kind of record holds. A new kind is a row here, and in `index.RELATIONS`."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .wire import CAP_CLAIM, CAP_PAYLOAD, CAP_PURPOSE, CAP_REASON, CAP_TOPIC, Reader, refuse

Fields = dict[str, Any]


class Has(Enum):
    """Whether a field of the leaf is set: an id, or zeros."""

    NO, YES, MAYBE = range(3)


Read = Callable[[Reader], Any]


def fields(**read: Read) -> Callable[[Reader], Fields]:
    """Fields by name, in order."""
    return lambda r: {name: one(r) for name, one in read.items()}


def one_of(*allowed: int) -> Read:
    return lambda r: r.choice(*allowed)


def named(size: int) -> Read:
    """An id, key or digest, which is not zeros."""
    return lambda r: r.named(size)


def text(cap: int) -> Read:
    return lambda r: r.text(cap)


def from_one(r: Reader) -> int:
    return r.u32() or refuse("it counts from 1")


ID, KEY, U32, U64 = named(16), named(32), Reader.u32, Reader.u64
NOTHING = fields()
REASON = fields(reason=text(CAP_REASON))
SPAN = {"from": U64, "to": U64}


def keyring_change(*allowed: int) -> Callable[[Reader], Fields]:
    return fields(change=one_of(*allowed), slot=lambda r: r.take(16), epoch=U32)


@dataclass(frozen=True)
class Kind:
    name: str
    case: Has
    object: Has
    effect: bool
    auxiliary: Callable[[Reader], Fields] = NOTHING
    details: Callable[[Reader], Fields] = NOTHING
    personal: Callable[[Reader], Fields] | None = None
    sealed: bool = True
    state_root: bool = False


def topic(r: Reader) -> str:
    stated = r.text(CAP_TOPIC)
    if not stated or set(stated) - set("abcdefghijklmnopqrstuvwxyz0123456789.-"):
        refuse("not a topic")
    return stated


NO, YES, MAYBE = Has.NO, Has.YES, Has.MAYBE
KINDS = {
    1: Kind("Genesis", NO, YES, True, sealed=False),
    2: Kind("Keyring", NO, NO, True, details=keyring_change(1, 2, 3, 4, 5)),
    3: Kind("CaseOpened", YES, NO, True),
    4: Kind("CaseClosed", YES, NO, True, fields(opened=ID), personal=REASON),
    5: Kind("CaseReopened", YES, NO, True, fields(opened=ID), personal=REASON),
    6: Kind("Stored", YES, YES, True, fields(previous=lambda r: r.take(16), ordinal=from_one), fields(length=U64),
            fields(reason=text(CAP_REASON), digest=KEY)),
    7: Kind("Read", YES, YES, False, fields(version=ID), fields(**SPAN)),
    8: Kind("Browsed", MAYBE, MAYBE, False, details=fields(what=one_of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), items=U32)),
    9: Kind("UploadAnnounced", YES, MAYBE, False, fields(expiry=U64)),
    10: Kind("Condemned", YES, NO, False, fields(condemned=ID)),
    11: Kind("Granted", YES, MAYBE, True, fields(recipient=KEY),
             fields(rights=one_of(1), mode=one_of(1, 2), not_before=U64, until=U64), fields(purpose=text(CAP_PURPOSE))),
    12: Kind("Delivered", YES, MAYBE, True, fields(grant=ID), fields(documents=U32, bytes=U64)),
    13: Kind("Revoked", YES, MAYBE, True, fields(grant=ID), personal=REASON),
    14: Kind("Index", NO, NO, False, fields(covered=U64), state_root=True),
    15: Kind("SigningKeys", NO, NO, True, fields(commit_key=KEY), keyring_change(6), state_root=True),
    16: Kind("LogRead", NO, NO, False, details=fields(what=one_of(1, 2, 3, 4, 5), **SPAN)),
    17: Kind("Checkpointed", NO, NO, True, fields(size=U64)),
    18: Kind("CaseErased", YES, NO, True, fields(opened=ID, epoch=U32)),
    19: Kind("Stated", YES, NO, True, fields(previous=lambda r: r.take(16)), fields(topic=topic),
             fields(blind=KEY, digest=lambda r: r.take(32), claim=lambda r: r.blob(CAP_CLAIM), payload=lambda r: r.blob(CAP_PAYLOAD))),
}


def kind_of(number: int, what: str) -> Kind:
    return KINDS.get(number) or refuse(f"{what}: unknown kind {number}")
