"""FORMAT §7.2, §7.4: chaining values, which tie parts and their pieces to a page's digest.

BLAKE3's compression and tree (BLAKE3 §2.2, §2.4), since the package gives roots only. Python is slow: of each outline
the tree is computed, and of the leaves the first and the last.
"""

from .wire import PART, require

PIECE = 16 * 1024
ZERO = bytes(32)
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
COLUMNS_THEN_DIAGONALS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                          (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
MASK = 0xFFFFFFFF


def check_parts(values: list[bytes], length: int, digest: bytes, what: str) -> None:
    """The chaining values of a page's parts come to its digest; those of padding are zeros."""
    content = -(-length // PART)
    require(not any(map(any, values[content:])), f"{what}: a chaining value of padding")
    require(tree(values[:content], ROOT) == digest, f"{what}: its parts do not come to its digest")


def check_outline(outline: bytes, part: int, content: bytes, chaining: bytes | None, digest: bytes, what: str) -> None:
    """An outline comes to the part's chaining value, or to the digest of a page of one part."""
    values = [outline[at : at + 32] for at in range(0, len(outline), 32)]
    count = -(-len(content) // PIECE)
    require(not any(map(any, values[count:])), f"{what}: an outline of padding")
    expected = digest if chaining is None else chaining
    require(tree(values[:count], ROOT if chaining is None else 0) == expected, f"{what}: another outline")
    for piece in {0, count - 1} if count else set():
        start = piece * PIECE
        require(subtree(content[start : start + PIECE], part * PART + start) == values[piece], f"{what}: piece {piece}")


def tree(values: list[bytes], root: int) -> bytes:
    """The left subtree holds the largest power of two that leaves something for the right."""
    if not values:
        return ZERO
    if len(values) == 1:
        return values[0]
    left = 1 << ((len(values) - 1).bit_length() - 1)
    return compress(IV, tree(values[:left], 0) + tree(values[left:], 0), 0, 64, PARENT | root)


def subtree(content: bytes, offset: int) -> bytes:
    chunks = [content[at : at + 1024] for at in range(0, len(content), 1024)]
    return tree([chunk_value(chunk, offset // 1024 + index) for index, chunk in enumerate(chunks)], 0)


def chunk_value(chunk: bytes, counter: int) -> bytes:
    value = b"".join(word.to_bytes(4, "little") for word in IV)
    for at in range(0, len(chunk), 64):
        block = chunk[at : at + 64]
        flags = (CHUNK_START if at == 0 else 0) | (CHUNK_END if at + 64 >= len(chunk) else 0)
        value = compress(words(value), block.ljust(64, b"\0"), counter, len(block), flags)
    return value


def compress(chaining: tuple[int, ...], block: bytes, counter: int, length: int, flags: int) -> bytes:
    state = [*chaining, *IV[:4], counter & MASK, counter >> 32, length, flags]
    message = words(block)
    for _ in range(7):
        for number, (a, b, c, d) in enumerate(COLUMNS_THEN_DIAGONALS):
            for x, rotations in ((message[2 * number], (16, 12)), (message[2 * number + 1], (8, 7))):
                state[a] = (state[a] + state[b] + x) & MASK
                state[d] = rotated(state[d] ^ state[a], rotations[0])
                state[c] = (state[c] + state[d]) & MASK
                state[b] = rotated(state[b] ^ state[c], rotations[1])
        message = tuple(message[index] for index in PERMUTATION)
    return b"".join((state[i] ^ state[i + 8]).to_bytes(4, "little") for i in range(8))


def rotated(word: int, by: int) -> int:
    return (word >> by | word << (32 - by)) & MASK


def words(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4))
