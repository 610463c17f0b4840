"""FORMAT §7: heads, metadata, effects, parts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from blake3 import blake3

from . import wire
from .hpke import PUBLIC_KEY, SEALED_KEY
from .log import ZERO16, ZERO32, Leaf
from .names import Folder, head_name, part_name
from .outline import PIECE, check_outline, check_parts
from .seal import SEAL_HEADER, TAG, WRAP, context, open_sealed, sha256, unwrap
from .wire import FORMAT, SUITE, Reader, ascending, padme, parse, require, u8, u32, unpad

CASE, VERSION, GRANT = 1, 2, 3
INLINE, PARTS = 0, 1
PADME = 1
CAP_SEALED_PART = 2 * SEAL_HEADER + wire.PART + 513 * TAG + 512 * 32 + 2 * TAG
CAP_SEALED_INLINE = 16 + SEAL_HEADER + wire.CAP_INLINE + 17 * TAG

Attributes = list[tuple[str, str]]


@dataclass(frozen=True)
class Ids:
    """What every context of a head binds."""

    vault: bytes
    case: bytes
    object: bytes
    operation: bytes
    type: int
    key_id: bytes

    def fields(self) -> tuple[bytes, ...]:
        return self.vault, self.case, self.object, self.operation, u8(self.type), self.key_id

    def content_context(self) -> bytes:
        """§7.4."""
        return context("content", u8(FORMAT), u8(SUITE), self.vault, self.case, self.object, self.operation, self.key_id,
                       u8(PADME))


@dataclass(frozen=True)
class Head:
    type: int
    key_id: bytes
    wrapped_key: bytes
    meta: bytes
    inline: bytes
    digest: bytes


def parse_head(r: Reader) -> Head:
    """§7.1; `digest` is that of the head up to the end of meta."""
    r.magic(b"dvhd")
    type_ = r.choice(CASE, VERSION, GRANT)
    r.zeros(1)
    key_id, wrapped, meta = r.take(16), r.take(WRAP), r.blob(wire.CAP_HEAD)
    require(r.at <= wire.CAP_HEAD, f"{r.what}: too large")
    digest = sha256(r.data[: r.at])
    return Head(type_, key_id, wrapped, meta, r.rest(), digest)


@dataclass(frozen=True)
class Run:
    attempt: bytes
    first: int
    parts: int


@dataclass(frozen=True)
class Page:
    length: int
    digest: bytes
    sha256: bytes | None
    storage: int
    runs: list[Run]
    chaining: list[bytes]


@dataclass(frozen=True)
class CaseMeta:
    blind: bytes
    title: str
    attributes: Attributes


@dataclass(frozen=True)
class VersionMeta:
    blind: bytes
    name: str
    media_type: str
    attributes: Attributes
    digest: bytes
    pages: list[Page]


@dataclass(frozen=True)
class Terms:
    rights: int
    mode: int
    purpose: str
    not_before: int
    until: int
    floor: int
    encoded: bytes


@dataclass(frozen=True)
class GrantMeta:
    blind: bytes
    recipient: bytes
    terms: Terms
    key: bytes
    sealed_key: bytes


def parse_case(r: Reader) -> CaseMeta:
    return CaseMeta(r.take(32), r.text(wire.CAP_NAME), parse_attributes(r))


def parse_version(r: Reader) -> VersionMeta:
    meta = VersionMeta(r.take(32), r.text(wire.CAP_NAME), r.text(wire.CAP_MEDIA_TYPE), parse_attributes(r), r.take(32),
                       parse_pages(r))
    require(len(meta.pages) == 1 or all(page.storage == PARTS for page in meta.pages), f"{r.what}: several pages, inline")
    require(meta.digest == content_digest([page.digest for page in meta.pages]), f"{r.what}: digest is not that of its pages")
    return meta


def parse_grant(r: Reader) -> GrantMeta:
    return GrantMeta(r.take(32), r.take(PUBLIC_KEY), parse_terms(r), r.take(32), r.take(SEALED_KEY))


def parse_attributes(r: Reader) -> Attributes:
    pairs = r.items(wire.CAP_ATTRIBUTES, lambda: (r.text(wire.CAP_ATTRIBUTE_NAME), r.text(wire.CAP_ATTRIBUTE_VALUE)))
    ascending([name.encode() for name, _ in pairs], f"{r.what}, attributes")
    return pairs


def parse_terms(r: Reader) -> Terms:
    start = r.at
    fields = r.choice(1), r.choice(1, 2), r.text(wire.CAP_PURPOSE), r.u64(), r.u64(), r.u64()
    return Terms(*fields, r.data[start : r.at])


def parse_pages(r: Reader) -> list[Page]:
    pages = r.items(wire.CAP_PAGES, lambda: parse_page(r))
    require(sum(page.length for page in pages) <= wire.CAP_CONTENT, f"{r.what}: too long")
    return pages


def parse_page(r: Reader) -> Page:
    length, digest = r.u64(), r.take(32)
    require(length <= wire.CAP_CONTENT, f"{r.what}: too long")
    page = Page(length, digest, r.optional(lambda: r.take(32)), r.choice(INLINE, PARTS),
                r.items(wire.CAP_RUNS, lambda: parse_run(r)), [])
    check_runs(page, r.what)
    if page.storage == PARTS and parts_of(length) > 1:
        page.chaining.extend(r.take(32) for _ in range(parts_of(length)))
        check_parts(page.chaining, length, digest, r.what)
    return page


def parse_run(r: Reader) -> Run:
    return Run(r.take(16), r.u32(), r.u32())


def check_runs(page: Page, what: str) -> None:
    """Runs are contiguous from 0 and name every part."""
    at = 0
    for run in page.runs:
        require(run.first == at and run.parts > 0, f"{what}: runs are not contiguous")
        at += run.parts
    require(at == (parts_of(page.length) if page.storage == PARTS else 0), f"{what}: not the parts of its length")


def parts_of(length: int) -> int:
    return max(1, -(-padme(length) // wire.PART))


def content_digest(pages: list[bytes]) -> bytes:
    require(bool(pages), "a version without pages")
    return pages[0] if len(pages) == 1 else context("pages", *pages)


TYPES = {"CaseOpened": CASE, "Stored": VERSION, "Granted": GRANT}
M = TypeVar("M", CaseMeta, VersionMeta, GrantMeta)


@dataclass(frozen=True)
class OpenHead(Generic[M]):
    ids: Ids
    key: bytes
    meta: M
    inline: bytes


def open_head(folder: Folder, vault: bytes, case_key: bytes, leaf: Leaf, read: Callable[[Reader], M]) -> OpenHead[M]:
    """The head a record commits to, its key, its metadata; §7.3 against the log."""
    name = head_name(leaf.case, leaf.operation)
    head = parse(folder.read(name, wire.CAP_HEAD + CAP_SEALED_INLINE), name, parse_head)
    require(head.type == TYPES[leaf.kind.name], f"{name}: of another type")
    ids = Ids(vault, leaf.case, leaf.object, leaf.operation, head.type, head.key_id)
    key = unwrap(case_key, context("head key", *ids.fields()), head.wrapped_key, name)
    meta = open_meta(key, ids, head.meta, read, name)
    digest = meta.digest if isinstance(meta, VersionMeta) else ZERO32
    require(context("effect", meta.blind, head.digest, digest) == leaf.effect, f"{name}: not the head the log commits to")
    inline = isinstance(meta, VersionMeta) and meta.pages[0].storage == INLINE
    require(inline or not head.inline, f"{name}: content that the metadata does not name")
    return OpenHead(ids, key, meta, head.inline)


def open_meta(key: bytes, ids: Ids, sealed: bytes, read: Callable[[Reader], M], what: str) -> M:
    return parse(unpad(open_sealed(key, context("head meta", *ids.fields()), sealed, what), what), what, read)


# Where the sealed parts of a page come from: (page, part, attempt) to stored bytes. Inline content is asked for with
# no attempt, and brings its own.
Fetch = Callable[[int, int, bytes | None], bytes]


def open_version(ids: Ids, key: bytes, meta: VersionMeta, fetch: Fetch) -> list[bytes]:
    return [open_page(ids, key, page, number, fetch) for number, page in enumerate(meta.pages)]


def open_page(ids: Ids, key: bytes, page: Page, number: int, fetch: Fetch) -> bytes:
    """The content of a page: its parts in order, padding checked, compared with its digest."""
    what = f"version {ids.operation.hex()}, page {number}"
    padded = b"".join(open_part(ids, key, page, number, part, attempt, fetch(number, part, attempt), what)
                      for part, attempt in attempts(page))
    require(len(padded) == padme(page.length), f"{what}: not its padding class")
    require(not any(padded[page.length :]), f"{what}: padding is not zero")
    content = padded[: page.length]
    require(blake3(content).digest() == page.digest, f"{what}: not what its digest says")
    require(page.sha256 in (None, sha256(content)), f"{what}: not what its SHA-256 says")
    return content


def attempts(page: Page) -> list[tuple[int, bytes | None]]:
    if page.storage == INLINE:
        return [(0, None)]
    return [(part, run.attempt) for run in page.runs for part in range(run.first, run.first + run.parts)]


def open_part(ids: Ids, key: bytes, page: Page, number: int, part: int, attempt: bytes | None, stored: bytes, what: str) -> bytes:
    inline = attempt is None
    if inline:
        attempt, stored = stored[:16], stored[16:]
    what, place = f"{what}, part {part}", ids.content_context() + attempt + u32(number) + u32(part)
    length = min(padme(page.length) - part * wire.PART, wire.PART)
    pieces = 0 if inline else -(-length // PIECE)
    end = SEAL_HEADER + length + (length // PIECE + 1) * TAG
    padded = open_sealed(key, place, stored[:end], what)
    if pieces < 2:
        require(len(stored) == end, f"{what}: something follows")
        return padded
    outline = open_sealed(key, context("outline", place), stored[end:], f"{what}, outline")
    require(len(outline) == 32 * pieces, f"{what}: an outline of another length")
    content = padded[: max(0, page.length - part * wire.PART)]
    check_outline(outline, part, content, page.chaining[part] if page.chaining else None, page.digest, what)
    return padded



def from_folder(folder: Folder, ids: Ids, inline: bytes) -> Fetch:
    def fetch(page: int, part: int, attempt: bytes | None) -> bytes:
        if attempt is None:
            require(len(inline) <= CAP_SEALED_INLINE, "inline content: too large")
            return inline
        return folder.read(part_name(ids.case, ids.operation, page, part, attempt), CAP_SEALED_PART)

    return fetch


def grant_info(vault: bytes, case: bytes, object_: bytes, grant: bytes, recipient: bytes, terms: Terms) -> bytes:
    """§7.5."""
    return context("grant to recipient", vault, case, object_, grant, ZERO16, recipient, terms.encoded)
