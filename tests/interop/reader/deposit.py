"""FORMAT §11.2 to §11.4: what a client seals, a carrier promises and the office answers."""

import re
from dataclasses import dataclass
from typing import Protocol

from blake3 import blake3

from . import hpke, wire
from .heads import Attributes, parse_attributes
from .policy import Policy
from .receipt import Proven, parse_receipt, verify_receipt
from .request import CAP_FILES, CAP_REQUIREMENT, Request
from .seal import CHUNK, SEAL_HEADER, TAG, context, open_sealed, sha256, subkey, verify
from .wire import Reader, failing, padme, parse, refuse, require, u8, u16, u32, unpad

PART, CAP_PARTS = 512 * wire.KIB, 16_384
CAP_CONTENTS, CAP_MANIFEST = 384 * wire.KIB, 960 * wire.KIB
CAP_COMMENT = 4096
CAP_CLAIM, CAP_RECEIPT, CAP_ANSWER = 4 * wire.KIB, 640 * wire.KIB, 704 * wire.KIB
ACCEPTED, REFUSED, QUARANTINED = 1, 2, 3
REASON = re.compile("[a-z0-9.-]{0,64}")


def slot_of(deposit: bytes) -> int:
    return int.from_bytes(deposit[:2], "big")


@dataclass(frozen=True)
class Part:
    request: bytes
    deposit: bytes
    page: int
    number: int
    last: int
    signed: bytes
    signature: bytes
    sealed: bytes

    @property
    def digest(self) -> bytes:
        return sha256(self.sealed)

    def verify(self, request: Request) -> None:
        verify(request.link_key, "sign deposit part", request.digest + self.signed, self.signature, "part")

    def open(self, key: bytes, request: Request) -> bytes:
        place = context("deposit part", request.digest, self.deposit, u16(self.page), u32(self.number), u8(self.last))
        return open_sealed(key, place, self.sealed, "part")


def parse_part(data: bytes) -> Part:
    r = Reader(data, "part")
    r.magic(b"dvdp")
    r.zeros(2)
    request, deposit, page, number, last = r.take(16), r.take(16), r.u16(), r.u32(), r.choice(0, 1)
    r.zeros(5)
    size, digest = r.u32(), r.take(32)
    part = Part(request, deposit, page, number, last, data[: r.at], r.take(64), r.rest())
    require(len(part.sealed) == size and part.digest == digest, "part: not what its header says")
    length = plain_length(size)
    require(length == PART or (last == 1 and length < PART), "part: not full, and not the last")
    return part


def plain_length(sealed: int) -> int:
    chunks, rest = divmod(sealed - SEAL_HEADER, CHUNK + TAG)
    require(sealed >= SEAL_HEADER and rest >= TAG, "part: of no seal's length")
    return chunks * CHUNK + rest - TAG


@dataclass(frozen=True)
class Manifest:
    """`bound` is what the contents are sealed with, `pages` the hashes of the parts."""

    request: bytes
    deposit: bytes
    sealed_key: bytes
    pages: list[list[bytes]]
    contents: bytes
    bound: bytes
    signed: bytes
    signature: bytes

    def verify(self, request: Request) -> None:
        verify(request.link_key, "sign deposit manifest", request.digest + self.signed, self.signature, "deposit's manifest")


def parse_manifest(data: bytes) -> Manifest:
    require(len(data) <= CAP_MANIFEST, "deposit's manifest: too large")
    r = Reader(data, "deposit's manifest")
    r.magic(b"dvdm")
    r.zeros(2)
    request, deposit, sealed_key = r.take(16), r.take(16), r.take(hpke.SEALED_KEY)
    pages = r.items(CAP_FILES, lambda: r.items(CAP_PARTS, lambda: r.take(32)))
    require(all(pages), "deposit's manifest: a page without parts")
    bound = data[: r.at]
    contents = r.blob(CAP_MANIFEST)
    signed = data[: r.at]
    manifest = Manifest(request, deposit, sealed_key, pages, contents, bound, signed, r.take(64))
    r.end()
    return manifest


@dataclass(frozen=True)
class File:
    name: str
    media_type: str
    length: int
    digest: bytes


@dataclass(frozen=True)
class Contents:
    files: list[File]
    form: Attributes
    comment: str


def parse_contents(r: Reader) -> Contents:
    files = r.items(CAP_FILES, lambda: File(r.text(wire.CAP_NAME), r.text(wire.CAP_MEDIA_TYPE), r.u64(), r.take(32)))
    return Contents(files, parse_attributes(r), r.text(CAP_COMMENT))


@dataclass(frozen=True)
class Promise:
    vault: bytes
    request: bytes
    deposit: bytes
    descriptor: bytes
    manifest: bytes
    sealed_bytes: int
    time: int
    answer_by: int
    signed: bytes
    signature: bytes


def parse_promise(data: bytes) -> Promise:
    r = Reader(data, "promise")
    r.magic(b"dvpr")
    r.zeros(2)
    fields = r.take(16), r.take(16), r.take(16), r.take(32), r.take(32), r.u64(), r.u64(), r.u64()
    promise = Promise(*fields, data[: r.at], r.take(64))
    r.end()
    return promise


def verify_promise(data: bytes, request: Request) -> Promise:
    """By the carrier that the request names, about that request."""
    promise = parse_promise(data)
    about = promise.vault, promise.request, promise.descriptor
    require(about == (request.vault, request.id, request.digest), "promise: about another request")
    require(slot_of(promise.deposit) < len(request.slots), "promise: of a slot that the request has not")
    require(request.issued <= promise.time < request.expires, "promise: of a time that is not the request's")
    require(promise.answer_by == promise.time + request.answer_within, "promise: another time to answer by")
    verify(request.carrier_key, "sign deposit promise", promise.signed, promise.signature, "promise")
    return promise


@dataclass(frozen=True)
class Claim:
    vault: bytes
    case: bytes
    request: bytes
    deposit: bytes
    verdict: int
    reason: str
    requirement: str
    manifest: bytes
    time: int
    pages: list[tuple[int, bytes]]


def parse_claim(r: Reader) -> Claim:
    r.magic(b"dvcl")
    r.zeros(2)
    ids = r.take(16), r.take(16), r.take(16), r.take(16)
    verdict = r.choice(ACCEPTED, REFUSED, QUARANTINED)
    r.zeros(7)
    reason, requirement = r.text(64), r.text(CAP_REQUIREMENT)
    require(REASON.fullmatch(reason) is not None, "claim: not a reason")
    require((reason == "") == (verdict == ACCEPTED), "claim: a reason exactly if it is not accepted")
    require(requirement != "", "claim: no requirement")
    claim = Claim(*ids, verdict, reason, requirement, r.take(32), r.u64(), r.items(CAP_FILES, lambda: (r.u64(), r.take(32))))
    unread = (verdict, reason) == (REFUSED, "unreadable")
    require(not (unread and claim.pages), "claim: pages that nobody could read")
    return claim


@dataclass(frozen=True)
class Answered:
    claim: Claim
    promise: Promise
    record: Proven


def verify_deposit_receipt(data: bytes, request: Request, policy: Policy) -> Answered:
    """§11.4, in its order: the form of all of it, the promise, that both are about one deposit, the record, its claim."""
    with failing("malformed"):
        encoded, promised, receipt = split_receipt(data)
        claim = parse(encoded, "claim", parse_claim)
        parse_promise(promised)
        parse_receipt(receipt)
    with failing("promise"):
        promise = verify_promise(promised, request)
    with failing("mismatch"):
        said = claim.vault, claim.request, claim.deposit, claim.manifest
        require(said == (promise.vault, promise.request, promise.deposit, promise.manifest), "claim: about another deposit")
    with failing("receipt"):
        record = verify_receipt(receipt, policy)
    with failing("claim"):
        check_claimed(claim, encoded, record)
    return Answered(claim, promise, record)


def split_receipt(data: bytes) -> tuple[bytes, bytes, bytes]:
    require(len(data) <= CAP_RECEIPT, "deposit's receipt: too large")
    r = Reader(data, "deposit's receipt")
    r.magic(b"dvdr")
    r.zeros(2)
    parts = r.blob(CAP_CLAIM), r.blob(wire.KIB), r.text(CAP_RECEIPT).encode()
    r.end()
    return parts


def check_claimed(claim: Claim, encoded: bytes, record: Proven) -> None:
    leaf, opening = record.leaf, record.opening
    require(leaf.kind.name == "Stated" and leaf.case == claim.case, "claim: of a record about something else")
    require(record.checkpoint.origin == f"docvault/{claim.vault.hex()}", "claim: of a record of another vault's log")
    if opening is None:
        refuse("claim: its record is not opened")
    require(opening.hashed == sha256(encoded), "claim: not the one its record states")
    require(record.content in (None, pages_digest(claim)), "claim: of other content")


def pages_digest(claim: Claim) -> bytes:
    digests = [digest for _, digest in claim.pages]
    return digests[0] if len(digests) == 1 else context("pages", *digests)


@dataclass(frozen=True)
class Journal:
    deposit: bytes
    key: bytes
    sealed_key: bytes
    files: list[tuple[str, str, int]]


def open_journal(data: bytes, request: Request, root: bytes) -> Journal:
    """With the link's root alone."""
    r = Reader(data, "journal")
    r.magic(b"dvdj")
    r.zeros(2)
    require(r.take(16) == request.id, "journal: of another request")
    deposit = r.take(16)
    bound = context("deposit journal", request.digest, deposit)
    plain = open_sealed(subkey(root, "key of deposit journal"), bound, r.rest(), r.what)
    return parse(unpad(plain, r.what), r.what, lambda x: parse_journal(x, deposit))


def parse_journal(r: Reader, deposit: bytes) -> Journal:
    key, sealed = r.take(32), r.take(hpke.SEALED_KEY)
    return Journal(deposit, key, sealed, r.items(CAP_FILES, lambda: (r.text(wire.CAP_NAME), r.text(wire.CAP_MEDIA_TYPE), r.u64())))


def open_answer(data: bytes, request: Request, journal: Journal) -> bytes:
    """Gives the deposit's receipt, whose form is held to; what it says is verified elsewhere."""
    require(len(data) <= CAP_ANSWER, "answer: too large")
    r = Reader(data, "answer")
    r.magic(b"dvda")
    r.zeros(2)
    require((r.take(16), r.take(16)) == (request.id, journal.deposit), "answer: to another deposit")
    number = r.u16()
    r.zeros(6)
    bound = context("deposit answer", request.digest, journal.deposit, u16(number))
    receipt = unpad(open_sealed(journal.key, bound, r.rest(), r.what), r.what)
    split_receipt(receipt)
    return receipt


class Objects(Protocol):
    def read(self, name: str, cap: int) -> bytes: ...


def open_deposit(objects: Objects, request: Request, promise: Promise, seed: bytes) -> tuple[Contents, list[bytes]]:
    """As the office does, which has the intake key's seed: every object is held against the promise, or the manifest."""
    folder = f"deposit/{request.id.hex()}/{promise.deposit.hex()}"
    data = objects.read(f"{folder}/manifest", CAP_MANIFEST)
    require(sha256(data) == promise.manifest, "deposit: another manifest than was promised")
    manifest = parse_manifest(data)
    require((manifest.request, manifest.deposit) == (request.id, promise.deposit), "deposit: the manifest of another")
    manifest.verify(request)
    key = hpke.open_key(seed, context("deposit key to intake", request.digest, promise.deposit), manifest.sealed_key, "deposit key")
    place = context("deposit manifest", request.digest, manifest.bound)
    plain = open_sealed(key, place, manifest.contents, "deposit's manifest")
    contents = parse(unpad(plain, "contents"), "contents", parse_contents)
    require(len(contents.files) == len(manifest.pages), "deposit: not as many files as pages")
    pages = [open_page(objects, folder, request, manifest, key, number, file) for number, file in enumerate(contents.files)]
    return contents, pages


def open_page(objects: Objects, folder: str, request: Request, manifest: Manifest, key: bytes, page: int, file: File) -> bytes:
    padded, digests = b"", manifest.pages[page]
    for number, digest in enumerate(digests):
        part = parse_part(objects.read(f"{folder}/part-{page:04x}-{number:08x}", PART + 2048))
        place = request.id, manifest.deposit, page, number, int(number == len(digests) - 1)
        require((part.request, part.deposit, part.page, part.number, part.last) == place, "part: of another place")
        require(part.digest == digest, "part: another than its manifest lists")
        part.verify(request)
        padded += part.open(key, request)
    require(len(padded) == padme(file.length) and not any(padded[file.length :]), "deposit: a page of another length")
    require(blake3(padded[: file.length]).digest() == file.digest, "deposit: a page of other content")
    return padded[: file.length]


def take_part(data: bytes, request: Request, now: int) -> Part:
    """As a carrier that has the request and nothing else (§11.3)."""
    with failing("malformed"):
        part = parse_part(data)
    check_place(part.request, part.deposit, request, now)
    with failing("caps"):
        slot = request.slots[slot_of(part.deposit)]
        end = part.number * PART + plain_length(len(part.sealed))
        require(part.page < slot.files, "part: of a page that its slot does not take")
        require(part.number < CAP_PARTS and end <= padme(slot.file_bytes), "part: more than its file may have")
    with failing("signature"):
        part.verify(request)
    return part


def check_place(id_: bytes, deposit: bytes, request: Request, now: int) -> None:
    with failing("unknown"):
        require(id_ == request.id and now < request.expires, "deposit: of a request that is not open here")
    with failing("caps"):
        require(slot_of(deposit) < len(request.slots), "deposit: of a slot that the request has not")


def take_manifest(data: bytes, parts: dict[tuple[int, int], Part], request: Request, now: int) -> None:
    """Once each part listed is there, with that hash, the last of each page marked so and no other."""
    with failing("malformed"):
        manifest = parse_manifest(data)
    check_place(manifest.request, manifest.deposit, request, now)
    with failing("caps"):
        slot = request.slots[slot_of(manifest.deposit)]
        require(len(manifest.pages) <= slot.files, "manifest: a page more than its slot takes")
    with failing("signature"):
        manifest.verify(request)
    for page, digests in enumerate(manifest.pages):
        for number, digest in enumerate(digests):
            check_listed(parts.get((page, number)), manifest.deposit, digest, last=number == len(digests) - 1)


def check_listed(part: Part | None, deposit: bytes, digest: bytes, last: bool) -> None:
    with failing("missing"):
        part = part or refuse("manifest: a part is missing")
    with failing("conflict"):
        require(part.deposit == deposit and part.digest == digest, "manifest: another hash than its part's")
        require(part.last == int(last), "manifest: not the last of its page")
