"""FORMAT §6.4: entry bundles and hash tiles, computed again from the log and compared."""

from collections.abc import Iterator

from .log import LEAF, Log, Tree
from .names import Folder, tile_name
from .wire import require, u16

WIDTH = 256
Objects = Iterator[tuple[str, bytes]]


def check(folder: Folder, log: Log, covered: int) -> int:
    """Every full bundle and tile below `covered`, and the partial tiles of the fold that covers so much."""
    expected = [*bundles(log.encoded[:covered]), *tiles([leaf.hash for leaf in log.leaves[:covered]])]
    for name, data in expected:
        require(folder.read(name, len(data)) == data, f"{name}: not what the log says")
    return len(expected)


def bundles(leaves: list[bytes]) -> Objects:
    for at in range(0, len(leaves), WIDTH):
        yield tile_name("entries", at // WIDTH, WIDTH), b"".join(u16(LEAF) + leaf for leaf in leaves[at : at + WIDTH])


def tiles(hashes: list[bytes], level: int = 0) -> Objects:
    """`hashes` are those of all perfect subtrees of 256^level leaves."""
    pieces = [hashes[at : at + WIDTH] for at in range(0, len(hashes), WIDTH)]
    for number, piece in enumerate(pieces):
        yield tile_name(f"{level:02x}", number, len(piece)), b"".join(piece)
    if pieces:
        yield from tiles([Tree(piece).root() for piece in pieces if len(piece) == WIDTH], level + 1)
