"""Reads with one bit flipped, many times in one process: `python -m reader.flips COUNT ARGUMENTS OF THE READER`.

Of a delivery or a receipt COUNT bytes spread evenly, 0 for every byte; of a vault COUNT bytes of every object that reading it takes.
Prints what was tried, by the kind of object, and what was read as if it were sound. Anything but a refusal ends it.
"""

import json
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from .__main__ import arguments, read_file, read_vault
from .names import Folder
from .wire import Refused, require


class Altered(Folder):
    """A folder in which one object is another; it notes what is read."""

    def __init__(self, root: Path):
        super().__init__(root)
        self.taken: dict[str, bytes] = {}
        self.other: tuple[str, bytes] | None = None

    def read(self, name: str, cap: int) -> bytes:
        data = super().read(name, cap)
        if self.other and self.other[0] == name:
            require(len(self.other[1]) <= cap, f"{name}: larger than {cap} bytes")
            return self.other[1]
        self.taken[name] = data
        return data


def flips(data: bytes, count: int) -> Iterator[tuple[int, bytes]]:
    """The first byte and the last are among them; which bit is flipped goes round."""
    count = min(count or len(data), len(data))
    for place in range(count):
        at = place * (len(data) - 1) // max(1, count - 1)
        yield at, data[:at] + bytes([data[at] ^ 1 << place % 8]) + data[at + 1 :]


class Trial:
    def __init__(self, count: int):
        self.count = count
        self.tried: Counter[str] = Counter()
        self.accepted: list[str] = []

    def attempt(self, name: str, data: bytes, read: Callable[[bytes], object]) -> None:
        for at, other in flips(data, self.count):
            self.tried[name.split("/")[0]] += 1
            try:
                read(other)
            except Refused:
                continue
            self.accepted.append(f"{name}, byte {at} of {len(data)}")


def try_vault(trial: Trial, args: Namespace) -> None:
    folder = Altered(args.folder)
    read_vault(args, folder)

    def read_with(name: str, other: bytes) -> None:
        folder.other = name, other
        read_vault(args, folder)

    for name, data in list(folder.taken.items()):
        trial.attempt(name, data, partial(read_with, name))


def try_file(trial: Trial, args: Namespace) -> None:
    data = args.file.read_bytes()
    read_file(args, data)
    trial.attempt(args.command, data, partial(read_file, args))


def main(count: int, given: list[str]) -> None:
    trial, args = Trial(count), arguments(given)
    (try_vault if args.command == "vault" else try_file)(trial, args)
    json.dump({"tried": trial.tried, "accepted": trial.accepted}, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
