"""FORMAT §6: the index, walked from the newest manifest and compared with one rebuilt from the log."""

from collections.abc import Callable
from dataclasses import dataclass

from . import tiles, wire
from .kinds import KINDS
from .log import ZERO32, Leaf, Log, Tree
from .names import Folder, index_name
from .seal import sha256
from .wire import FORMAT, Reader, ascending, parse, require, u8, u16, u32, u64

ROW, KEY, PAGE_ITEMS, FOLD, RATIO = 213, 65, 256, 256, 16
CAP_PAGE = 64 * wire.KIB
CAP_INDEX_MANIFEST = wire.MIB

# §6.1: (relation, kinds of record, parent and child without the zeros that fill them up).
RELATIONS: list[tuple[int, set[str], Callable[[Leaf], tuple[bytes, bytes]]]] = [
    (1, {"CaseOpened", "CaseClosed", "CaseReopened", "CaseErased"}, lambda leaf: (b"", leaf.case)),
    (2, {"Stored"}, lambda leaf: (leaf.case, leaf.object)),
    (3, {"Stored"}, lambda leaf: (leaf.case + leaf.object, leaf.operation)),
    (4, {"Granted", "Revoked"}, lambda leaf: (leaf.case + leaf.object, leaf.aux.get("grant", leaf.operation))),
    (5, {"Granted"}, lambda leaf: (leaf.aux["recipient"], leaf.operation + leaf.case)),
    (6, {"Delivered"}, lambda leaf: (leaf.case + leaf.aux["grant"], leaf.operation)),
    (7, {kind.name for kind in KINDS.values()} - {"Read", "Browsed", "LogRead", "Index"}, lambda leaf: (b"", leaf.operation)),
    (7, {"Condemned"}, lambda leaf: (b"", leaf.aux["condemned"])),
    (8, {"Genesis", "Keyring", "SigningKeys"}, lambda _: (b"", b"")),
    (9, {"SigningKeys"}, lambda leaf: (b"", u32(leaf.epoch + 1))),
    (10, {"Checkpointed"}, lambda leaf: (b"", u64(2**64 - 1 - leaf.aux["size"]) + leaf.operation)),
    (11, {"Stated"}, lambda leaf: (b"", leaf.case)),
    (12, {"Stated"}, lambda leaf: (leaf.case, u64(2**64 - 1 - leaf.seq))),
]


def rows_of(log: Log, start: int, end: int) -> list[bytes]:
    """§6.1: the rows of records start to end, ascending; of several with one key, that of the greatest seq."""
    rows: dict[bytes, bytes] = {}
    for leaf in log.leaves[start:end]:
        value = row_value(leaf, log.commit_previous[leaf.seq])
        for relation, kinds, key in RELATIONS:
            if leaf.kind.name in kinds:
                parent, child = key(leaf)
                rows[u8(relation) + parent.ljust(32, b"\0") + child.ljust(32, b"\0")] = value
    return [key + rows[key] for key in sorted(rows)]


def row_value(leaf: Leaf, commit_previous: bytes) -> bytes:
    return b"".join((u64(leaf.seq), u16(leaf.number), u64(leaf.time), leaf.operation, leaf.auxiliary, leaf.effect,
                     leaf.hash, u16(leaf.position), commit_previous))


@dataclass(frozen=True)
class Table:
    level: int
    start: int
    end: int
    written: int
    rows: int
    height: int
    root: bytes


@dataclass(frozen=True)
class Manifest:
    covered: int
    frontier: list[bytes]
    keyring: bytes
    tables: list[Table]


def parse_manifest(r: Reader) -> Manifest:
    """§6.3."""
    r.magic(b"dvix", suite=False)
    r.zeros(3)
    return Manifest(r.u64(), r.items(64, lambda: r.take(32)), r.take(32), r.items(16, lambda: parse_table(r)))


def parse_table(r: Reader) -> Table:
    return Table(r.u8(), r.u64(), r.u64(), r.u64(), r.u64(), r.u8(), r.take(32))


def page_items(folder: Folder, written: int, digest: bytes, height: int) -> list[bytes]:
    """§6.2: the items of one page."""
    name = index_name(written, digest)
    data = folder.read(name, CAP_PAGE)
    require(sha256(data) == digest, f"{name}: not the page its name says")
    r = Reader(data, name)
    r.magic(b"dvip", suite=False)
    require(r.u8() == height, f"{name}: of another height")
    r.zeros(2)
    items = r.items(PAGE_ITEMS, lambda: r.take(ROW if height == 0 else KEY + 32))
    r.end()
    require(bool(items), f"{name}: empty")
    return items


def walk(folder: Folder, table: Table, digest: bytes, height: int) -> list[bytes]:
    """All rows below a page, checking that the key beside each link is the first one below."""
    items = page_items(folder, table.written, digest, height)
    if height == 0:
        return items
    rows: list[bytes] = []
    for item in items:
        below = walk(folder, table, item[KEY:], height - 1)
        require(below[0][:KEY] == item[:KEY], "index: a link's key is not the first key of its page")
        rows += below
    return rows


def built(rows: list[bytes]) -> tuple[int, bytes]:
    """§6.2: height and root of the pages over these rows, each but the last of a height full."""
    height, items = 0, rows
    while True:
        pages = [items[i : i + PAGE_ITEMS] for i in range(0, len(items), PAGE_ITEMS)]
        links = [page[0][:KEY] + sha256(page_bytes(height, page)) for page in pages]
        if len(links) == 1:
            return height, links[0][KEY:]
        height, items = height + 1, links


def page_bytes(height: int, items: list[bytes]) -> bytes:
    return b"dvip" + u8(FORMAT) + u8(height) + bytes(2) + u32(len(items)) + b"".join(items)


def ranges(covered: int) -> list[tuple[int, int, int]]:
    """(level, from, to) of every table that is not empty."""
    k, found, level = covered // FOLD, [], 0
    while FOLD * RATIO**level <= covered:
        start, end = k // RATIO ** (level + 1) * RATIO, k // RATIO**level
        if start < end:
            found.append((level, FOLD * RATIO**level * start, FOLD * RATIO**level * end))
        level += 1
    return found


def check_index(folder: Folder, log: Log) -> dict[str, object] | None:
    """Compares the newest manifest, its tables and every row with the log."""
    newest = newest_index(log)
    if newest is None:
        return None
    covered = newest.aux["covered"]
    name = index_name(covered, newest.state_root)
    data = folder.read(name, CAP_INDEX_MANIFEST)
    require(sha256(data) == newest.state_root, f"{name}: not the manifest the log names")
    manifest = parse(data, name, parse_manifest)
    require(manifest.covered == covered, f"{name}: covers something else")
    check_manifest(log, manifest, name)
    rows = [len(check_table(folder, log, table)) for table in manifest.tables]
    return {"covered": covered, "tables": len(rows), "rows": sum(rows), "tiles": tiles.check(folder, log, covered)}


def newest_index(log: Log) -> Leaf | None:
    """Index records cover ever more, in steps of a fold, and nothing behind themselves."""
    before = 0
    newest = None
    for newest in log.of_kind("Index"):
        covered = newest.aux["covered"]
        require(covered % FOLD == 0 and before < covered <= newest.seq, f"record {newest.seq}: covers {covered}")
        before = covered
    return newest


def check_manifest(log: Log, manifest: Manifest, what: str) -> None:
    covered = manifest.covered
    require(manifest.frontier == Tree([leaf.hash for leaf in log.leaves[:covered]]).frontier, f"{what}: wrong frontier")
    require(manifest.keyring == log.keyring_at(covered), f"{what}: wrong keyring")
    require([(t.level, t.start, t.end) for t in manifest.tables] == ranges(covered), f"{what}: wrong tables")
    require(all(t.end <= t.written <= covered and t.written % FOLD == 0 for t in manifest.tables), f"{what}: wrong fold")


def check_table(folder: Folder, log: Log, table: Table) -> list[bytes]:
    expected = rows_of(log, table.start, table.end)
    require(table.rows == len(expected), f"index table {table.level}: {table.rows} rows, {len(expected)} in the log")
    if not expected:
        require(table.height == 0 and table.root == ZERO32, f"index table {table.level}: not empty")
        return []
    rows = walk(folder, table, table.root, table.height)
    ascending([row[:KEY] for row in rows], f"index table {table.level}")
    require(rows == expected, f"index table {table.level}: rows are not those of the log")
    require((table.height, table.root) == built(expected), f"index table {table.level}: not the pages of its rows")
    return rows
