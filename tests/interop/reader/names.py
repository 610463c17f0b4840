"""FORMAT §2: names of objects, and where a folder keeps them."""

import re
from collections.abc import Iterator
from pathlib import Path

from .wire import Refused, refuse, require

HEX = "[0-9a-f]"
SEGMENT = "[a-z0-9][a-z0-9-]{0,95}"
NAME = re.compile(f"{SEGMENT}(?:/{SEGMENT}){{0,3}}")
KNOWN = re.compile(
    rf"log/{HEX}{{16}}-{HEX}{{32}}|head/{HEX}{{32}}/{HEX}{{32}}|part/{HEX}{{32}}/{HEX}{{32}}/{HEX}{{16}}-{HEX}{{32}}"
    rf"|key/{HEX}{{32}}/{HEX}{{8}}|keyring/{HEX}{{64}}|(?:index|checkpoint)/{HEX}{{16}}-{HEX}{{64}}"
    rf"|tile/entries/{HEX}{{16}}-0100|tile/{HEX}{{2}}/{HEX}{{16}}-(?:00(?!00){HEX}{{2}}|0100)|probe/{HEX}+"
    rf"|turn/{HEX}{{16}}-{HEX}{{24}}"
)
SEQUENCE = re.compile(rf"{HEX}{{16}}-")
IDENTITY = re.compile(rf"{HEX}{{32,}}")


def log_name(first: int, previous: bytes) -> str:
    return f"log/{2**64 - 1 - first:016x}-{previous[:16].hex()}"


def head_name(case: bytes, operation: bytes) -> str:
    return f"head/{case.hex()}/{operation.hex()}"


def part_name(case: bytes, operation: bytes, page: int, part: int, attempt: bytes) -> str:
    return f"part/{case.hex()}/{operation.hex()}/{page:08x}{part:08x}-{attempt.hex()}"


def key_name(case: bytes, epoch: int) -> str:
    return f"key/{case.hex()}/{epoch:08x}"


def keyring_name(digest: bytes) -> str:
    return f"keyring/{digest.hex()}"


def index_name(covered: int, digest: bytes) -> str:
    return f"index/{covered:016x}-{digest.hex()}"


def tile_name(of: str, number: int, width: int) -> str:
    return f"tile/{of}/{number:016x}-{width:04x}"


def checkpoint_name(size: int, digest: bytes) -> str:
    return f"checkpoint/{2**64 - 1 - size:016x}-{digest.hex()}"


def cuts(segment: str) -> list[str]:
    """The directories and the last name one segment of a key becomes."""
    places = [7, 10, 13] if SEQUENCE.match(segment) else [3] if IDENTITY.fullmatch(segment) else []
    edges = [0, *places, len(segment)]
    pieces = [segment[a:b] for a, b in zip(edges, edges[1:])]
    return [piece + "+" for piece in pieces[:-1]] + pieces[-1:]


class Folder:
    """The objects of a vault in a folder."""

    def __init__(self, root: Path):
        marker = root / "docvault-folder"
        require(marker.is_file() and marker.read_bytes() == b"docvault folder 1\n", "not a docvault folder")
        self.objects = root / "objects"

    def path(self, name: str) -> Path:
        pieces = [piece for segment in name.split("/") for piece in cuts(segment)]
        return self.objects.joinpath(*pieces[:-1], pieces[-1] + ".o")

    def read(self, name: str, cap: int) -> bytes:
        path = self.path(name)
        try:
            require(path.stat().st_size <= cap, f"{name}: larger than {cap} bytes")
            return path.read_bytes()
        except OSError:
            raise Refused(f"{name}: missing") from None

    def exists(self, name: str) -> bool:
        return self.path(name).is_file()

    def list(self, prefix: str = "") -> Iterator[str]:
        """Every name under a prefix that ends at a segment, in order."""
        return iter(sorted(self.name(path) for path in (self.objects / prefix).rglob("*") if path.is_file()))

    def name(self, path: Path) -> str:
        relative = path.relative_to(self.objects).as_posix()
        name = relative.replace("+/", "").removesuffix(".o")
        if not KNOWN.fullmatch(name) or self.path(name) != path:
            refuse(f"{relative}: not the file of an object")
        return name
