"""FORMAT §1: notation. A total parser of canonical bytes; each length and count is checked against its cap first."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

FORMAT, SUITE = 1, 1
KIB, MIB = 1 << 10, 1 << 20
CAP_COMMIT, CAP_RECORDS, CAP_RECENT = 4 * MIB, 4096, 8192
CAP_BODY, CAP_DETAILS, CAP_INNER = 60 * KIB, 16 * KIB, 57 * KIB
CAP_TOPIC, CAP_CLAIM, CAP_PAYLOAD = 64, 4 * KIB, 48 * KIB
CAP_HEAD, CAP_INLINE, PART, CAP_PAGES = MIB, 256 * KIB, 8 * MIB, 1024
CAP_CONTENT, CAP_RUNS = 128 << 30, 1024
CAP_ACTOR, CAP_PURPOSE, CAP_REQUEST = 256, 1024, 256
CAP_NAME, CAP_MEDIA_TYPE, CAP_REASON = 1024, 256, 4096
CAP_ATTRIBUTES, CAP_ATTRIBUTE_NAME, CAP_ATTRIBUTE_VALUE = 64, 128, 4096
CAP_KEYRING, CAP_SLOTS, CAP_EPOCHS = MIB, 64, 256
CAP_MANIFEST, CAP_DOCUMENTS = 64 * MIB, 100_000


class Refused(Exception):
    """The bytes are not what FORMAT says: what, and where. `failure` is a class of failure of the kit's."""

    def __init__(self, what: str, failure: str = "corrupt"):
        super().__init__(what)
        self.failure = failure


def refuse(what: str) -> NoReturn:
    raise Refused(what)


@contextmanager
def failing(failure: str) -> Iterator[None]:
    """What is refused within is of this class: FORMAT says in which order things are checked, and the kit compares it."""
    try:
        yield
    except Refused as why:
        raise Refused(str(why), failure) from why


def require(condition: bool, what: str) -> None:
    if not condition:
        refuse(what)


def be(value: int, width: int) -> bytes:
    return value.to_bytes(width, "big")


def u8(value: int) -> bytes:
    return be(value, 1)


def u16(value: int) -> bytes:
    return be(value, 2)


def u32(value: int) -> bytes:
    return be(value, 4)


def u64(value: int) -> bytes:
    return be(value, 8)


def with_length(data: bytes) -> bytes:
    """`bytes`: a u32 length and as many bytes."""
    return u32(len(data)) + data


class Reader:
    """A cursor over one object; `what` names it in errors."""

    def __init__(self, data: bytes, what: str):
        self.data, self.what, self.at = data, what, 0

    def take(self, size: int) -> bytes:
        require(self.at + size <= len(self.data), f"{self.what}: ends early")
        self.at += size
        return self.data[self.at - size : self.at]

    def named(self, size: int) -> bytes:
        value = self.take(size)
        require(any(value), f"{self.what}: zeros for an id, key or digest")
        return value

    def uint(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def u8(self) -> int:
        return self.uint(1)

    def u16(self) -> int:
        return self.uint(2)

    def u32(self) -> int:
        return self.uint(4)

    def u64(self) -> int:
        return self.uint(8)

    def blob(self, cap: int) -> bytes:
        """`bytes`."""
        size = self.u32()
        require(size <= cap, f"{self.what}: a field of {size} bytes, of at most {cap}")
        return self.take(size)

    def text(self, cap: int) -> str:
        try:
            return self.blob(cap).decode("utf-8")
        except UnicodeDecodeError:
            refuse(f"{self.what}: text is not UTF-8")

    def optional(self, read: Callable[[], T]) -> T | None:
        return read() if self.choice(0, 1) else None

    def items(self, cap: int, read: Callable[[], T]) -> list[T]:
        """`list`."""
        count = self.u32()
        require(count <= cap, f"{self.what}: a list of {count}, of at most {cap}")
        return [read() for _ in range(count)]

    def choice(self, *allowed: int) -> int:
        value = self.u8()
        require(value in allowed, f"{self.what}: {value} is none of {allowed}")
        return value

    def zeros(self, size: int) -> None:
        require(not any(self.take(size)), f"{self.what}: a reserved field is not zero")

    def magic(self, magic: bytes, suite: bool = True) -> None:
        """The first bytes of an object; any other format or suite is an error before a key is used."""
        require(self.take(4) == magic, f"{self.what}: not a {magic.decode()} object")
        require(self.u8() == FORMAT, f"{self.what}: unknown format")
        if suite:
            require(self.u8() == SUITE, f"{self.what}: unknown suite")

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.at)

    def end(self) -> None:
        require(self.at == len(self.data), f"{self.what}: bytes behind the last field")


def parse(data: bytes, what: str, read: Callable[[Reader], T]) -> T:
    """One value that is the whole of `data`."""
    reader = Reader(data, what)
    value = read(reader)
    reader.end()
    return value


def ascending(items: Sequence[Any], what: str) -> None:
    require(all(a < b for a, b in zip(items, items[1:])), f"{what}: not strictly ascending")


def unpad(padded: bytes, what: str) -> bytes:
    """`pad(x) = u32 length(x) ‖ x ‖ zeros`, up to the next multiple of 256."""
    reader = Reader(padded, what)
    content = reader.blob(len(padded))
    require(len(padded) == -(-reader.at // 256) * 256, f"{what}: not its padding class")
    reader.zeros(len(padded) - reader.at)
    return content


def padme(length: int) -> int:
    """The Padmé length: with e = ⌊log₂ L⌋ and s = ⌊log₂ e⌋ + 1, L rounded up to a multiple of 2^(e−s)."""
    if length < 2:
        return length
    e = length.bit_length() - 1
    unit = 1 << (e - e.bit_length())
    return -(-length // unit) * unit
