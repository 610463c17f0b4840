"""FORMAT §5.2 and §5.4: what each kind of record holds. A new kind is a row here, and in `index.RELATIONS`."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .wire import CAP_PURPOSE, CAP_REASON, Reader, refuse

Fields = dict[str, Any]


class Has(Enum):
    """Whether a field of the leaf is set: an id, or zeros."""

    NO, YES, MAYBE = range(3)


def nothing(_: Reader) -> Fields:
    return {}


def operation(name: str) -> Callable[[Reader], Fields]:
    return lambda r: {name: r.take(16)}


def reason(r: Reader) -> Fields:
    return {"reason": r.text(CAP_REASON)}


def purpose(r: Reader) -> Fields:
    return {"purpose": r.text(CAP_PURPOSE)}


def stored(r: Reader) -> Fields:
    return {"previous": r.take(16), "ordinal": r.u32()}


def expiry(r: Reader) -> Fields:
    return {"expiry": r.u64()}


def fingerprint(r: Reader) -> Fields:
    return {"recipient": r.take(32)}


def covered(r: Reader) -> Fields:
    return {"covered": r.u64()}


def keyring_change(r: Reader) -> Fields:
    return {"change": r.choice(1, 2, 3, 4, 5), "slot": r.take(16), "epoch": r.u32()}


def length(r: Reader) -> Fields:
    return {"length": r.u64()}


def reason_and_digest(r: Reader) -> Fields:
    return {"reason": r.text(CAP_REASON), "digest": r.take(32)}


def span(r: Reader) -> Fields:
    return {"from": r.u64(), "to": r.u64()}


def browsed(r: Reader) -> Fields:
    return {"what": r.choice(1, 2, 3, 4, 5, 6, 7), "items": r.u32()}


def granted(r: Reader) -> Fields:
    return {"rights": r.choice(1), "mode": r.choice(1, 2), "not_before": r.u64(), "until": r.u64()}


def delivered(r: Reader) -> Fields:
    return {"documents": r.u32(), "bytes": r.u64()}


@dataclass(frozen=True)
class Kind:
    name: str
    case: Has
    object: Has
    effect: bool
    auxiliary: Callable[[Reader], Fields] = nothing
    details: Callable[[Reader], Fields] = nothing
    personal: Callable[[Reader], Fields] | None = None
    sealed: bool = True
    state_root: bool = False


NO, YES, MAYBE = Has.NO, Has.YES, Has.MAYBE
KINDS = {
    1: Kind("Genesis", NO, YES, True, sealed=False),
    2: Kind("Keyring", NO, NO, True, details=keyring_change),
    3: Kind("CaseOpened", YES, NO, True),
    4: Kind("CaseClosed", YES, NO, True, operation("opened"), personal=reason),
    5: Kind("CaseReopened", YES, NO, True, operation("opened"), personal=reason),
    6: Kind("Stored", YES, YES, True, stored, length, reason_and_digest),
    7: Kind("Read", YES, YES, False, operation("version"), span),
    8: Kind("Browsed", MAYBE, MAYBE, False, details=browsed),
    9: Kind("UploadAnnounced", YES, YES, False, expiry),
    10: Kind("Condemned", YES, NO, False, operation("condemned")),
    11: Kind("Granted", YES, MAYBE, True, fingerprint, granted, purpose),
    12: Kind("Delivered", YES, MAYBE, True, operation("grant"), delivered),
    13: Kind("Revoked", YES, MAYBE, True, operation("grant"), personal=reason),
    14: Kind("Index", NO, NO, False, covered, state_root=True),
}


def kind_of(number: int, what: str) -> Kind:
    return KINDS.get(number) or refuse(f"{what}: unknown kind {number}")
