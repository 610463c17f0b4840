#!/usr/bin/env python3
"""Every bound that docs/ARGUMENTS.md quotes, for stated volumes, and for the lengths and costs that src has.
Standard library alone.

    scripts/bounds.py                  prints the tables as they stand in the document
    scripts/bounds.py --check          fails if the document says something else
    scripts/bounds.py --documents 1e6 --bytes 2^44 --forgeries 2^50 --work 2^90
                                       the same for other volumes

Probabilities are upper bounds, as powers of two, rounded up in the first decimal.
"""

import argparse
import math
import re
import sys
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "ARGUMENTS.md"


def constant(file, name):
    """What a constant of src says: a number, or those of a struct in their order."""
    found = re.search(rf"\bconst {name}: \w+ = (?:\w+ {{)?([^;}}]+)", (ROOT / "src" / file).read_text())
    if not found:
        sys.exit(f"src/{file} has no constant {name}")
    fields = [product(field.split(":")[-1]) for field in found[1].split(",")]
    return fields if ":" in found[1] else fields[0]


def product(text):
    value, *rest = text.split()
    value = int(value.replace("_", ""))
    for operator, factor in zip(rest[::2], rest[1::2], strict=True):
        factor = int(factor.replace("_", ""))
        value = {"*": value * factor, "<<": value << factor}[operator]
    return value


CHUNK, PART = constant("crypto/chunked/mod.rs", "CHUNK_LEN"), constant("document.rs", "PART_LEN")
BLOCK = 16
SLOT_COST, LINK_COST = constant("keys/passphrase.rs", "DEFAULT_COST"), constant("deposit/link.rs", "PASSPHRASE_COST")


def number(text):
    base, power = (text.split("^") + ["1"])[:2]
    return int(float(base)) ** int(power)


def log2(value):
    value = Fraction(value)
    return math.log2(value.numerator) - math.log2(value.denominator) if value else -math.inf


def power(value):
    """A probability or a count as a power of two."""
    exponent = math.ceil(log2(value) * 10) / 10
    return f"2^{exponent:.1f}".removesuffix(".0")


def padme(length):
    """PURBs, algorithm 1."""
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    zeros = exponent - exponent.bit_length()
    mask = (1 << max(zeros, 0)) - 1
    return (length + mask) & ~mask


def birthday(count, bits):
    """That two of `count` values of `bits` bits meet: count^2 / 2^(bits + 1)."""
    return Fraction(count * count, 1 << (bits + 1))


def multi_user(chunks, blocks, forgeries, work, longest):
    """ChaCha20-Poly1305 with randomized nonces (Degabriele et al., eprint 2023/085, Theorem 7.2), each term."""
    n, k, t, r, delta = 512, 256, 128, 96, 2
    d = r * (delta + 1) - 1
    assert chunks <= r << (r - 1) and work <= 1 << 261 and blocks <= 1 << 261, "outside the theorem"
    yield "v (2^25 (L' + 1) + 3) / 2^128: a tag is guessed", Fraction(forgeries * ((longest + 1 << 25) + 3), 1 << t)
    yield "d (o + q) / 2^256: a key is met offline", Fraction(d * (work + chunks), 1 << k)
    yield "2 o (n - k) / 2^256: the same, by an output", Fraction(2 * work * (n - k), 1 << k)
    yield "2 v (n - k + 4 t) / 2^256: a key is met in a forgery", Fraction(2 * forgeries * (n - k + 4 * t), 1 << k)
    yield "(B + q)^2 / 2^513: blocks that do not meet tell the permutation", Fraction((blocks + chunks) ** 2, 1 << (n + 1))
    yield "2^-254 + 2^-254 + 2^-192: constants", Fraction(1, 1 << 253) + Fraction(1, 1 << (delta * r))


class Volumes:
    """What a vault of this size holds and does. Ten reads and one delivery a document; one key of its own each."""

    def __init__(self, documents, size, forgeries, work):
        self.documents, self.bytes, self.forgeries, self.work = documents, size, forgeries, work
        self.records = 12 * documents                 # stored, ten reads, a delivery
        parts = documents + size // PART              # at most: each document ends in a part of its own
        # Parts with their outlines; metadata and wrap; a body of two layers for the version, of one for the rest;
        # of a delivery the manifest and a wrap.
        self.messages = 2 * parts + 2 * documents + 2 * documents + 11 * documents + 2 * documents
        padded = size + size // 8
        self.chunks = padded // CHUNK + self.messages
        self.blocks = (padded + 1024 * self.messages) // 64
        self.keys = 3 * self.records                  # head keys, keys of bodies, grant keys and theirs
        self.hmacs = 3 * self.messages + self.keys    # 76 bytes a message, 32 a key


def volumes(v):
    yield "documents; content", f"{v.documents:,}; {power(v.bytes)} bytes"
    yield "records: one stored, ten read, one delivered, each", power(v.records)
    yield "messages sealed, m", power(v.messages)
    yield "chunks sealed, q", power(v.chunks)
    yield "blocks of ChaCha20, B", power(v.blocks)
    yield "attempts at forgery, each a false chunk that is tried, v", power(v.forgeries)
    yield "offline work of the attacker, o", power(v.work)


def sealing(v):
    longest = CHUNK // BLOCK
    yield "a forged chunk, one attempt: 8 (L' + 1) / 2^106, L' = 1,024", power(Fraction(8 * (longest + 1), 1 << 106))
    terms = dict(multi_user(v.chunks, v.blocks, v.forgeries, v.work, longest))
    yield from ((what, power(value)) for what, value in terms.items())
    yield "the sum of these: advantage over all messages and keys", power(sum(terms.values()))
    yield "the first of them with 2^60 attempts", power(next(multi_user(1, 1, 1 << 60, 1, longest))[1])
    yield "two salts meet, were all messages under one input key: m^2 / 2^193", power(birthday(v.messages, 192))
    yield "two messages meet in key and base nonce: m^2 / 2^315", power(birthday(v.messages, 314))
    yield "an input key is guessed: keys x o / 2^256", power(Fraction(v.keys * v.work, 1 << 256))
    yield "HKDF-Expand told from random, generic: h^2 / 2^256, in h calls of HMAC", power(Fraction(v.hmacs**2, 1 << 256))
    yield "one ciphertext for two keys or contexts: o^2 / 2^257", power(birthday(v.work, 256))
    yield "the same by an attacker of 2^100", power(birthday(1 << 100, 256))


def hashing(v):
    yield "SHA-256 or BLAKE3 collides: o^2 / 2^257", power(birthday(v.work, 256))
    yield "a blinded commitment is opened by guessing: records x o / 2^256", power(Fraction(v.records * v.work, 1 << 256))
    yield "two ids of 128 bits meet: records^2 / 2^129", power(birthday(v.records, 128))
    yield "two deposits of a slot meet in 112 bits, of 1,032 that may begin", power(birthday(1032, 112))
    yield "another key with one of 10^6 fingerprints of 130 bits: 10^6 x o / 2^130", power(Fraction(10**6 * v.work, 1 << 130))
    yield "work for two keys of one fingerprint", power(Fraction(1 << 65))
    yield "one of 10^6 links is guessed online, in v attempts", power(Fraction(10**6 * v.forgeries, 1 << 256))
    order = (1 << 252) + 27742317777372353535851937790883648493
    steps = (log2(order) + math.log2(math.pi / 4)) / 2
    yield "group operations for a discrete logarithm on edwards25519", f"2^{steps:.1f}"
    yield "an honest X-Wing encapsulation fails to open (FIPS 203: 2^-164.8 each), of 10^9", f"2^{-164.8 + math.log2(10**9):.1f}"


def padding(_):
    worst = max(range(2, 1 << 16), key=lambda length: Fraction(padme(length) - length, length))
    share = Fraction(padme(worst) - worst, worst)
    yield "most that Padmé adds", f"{float(share) * 100:.2f} %, to {worst} bytes"
    for exponent in (20, 30, 37):
        top = 1 << exponent
        least = max(Fraction(padme(length) - length, length) for length in range(top - (top >> 3), top, max(top >> 16, 1)))
        # 0, 1 and 2^exponent itself, to which the longest are padded; of each power of two between, so many steps.
        classes = 3 + sum(1 << min(e, e.bit_length()) for e in range(1, exponent))
        if exponent == 20 and classes != len({padme(length) for length in range(top)}):
            sys.exit("the classes of lengths are not as many as counted")
        yield f"classes of lengths below 2^{exponent}; bits told; added near it at most", \
            f"{classes}; {math.log2(classes):.1f}; {float(least) * 100:.1f} %"


def passphrases(_):
    # Each block of 1 KiB reads one at random and writes one; the one before it is in the cache (RFC 9106, section 3.2).
    bandwidth, price = 1e12, 0.5
    yield "assumed: memory bandwidth of the attacker's machine; its price", "1 TB/s; 0.50 $ an hour"
    for whose, (kib, passes, lanes) in (("a slot:", SLOT_COST), ("a link's:", LINK_COST)):
        if lanes != 1:
            sys.exit(f"{whose} {lanes} lanes, where docs/ARGUMENTS.md reckons with one")
        name = f"{whose} {kib // 1024} MiB, {passes} passes"
        rate = bandwidth / (2 * 1024 * kib * passes)
        yield f"guesses a second, {name}", f"{rate:,.0f}"
        for what, bits in (("six digits", math.log2(10**6)), ("40 bits", 40), ("four words of 7,776", 4 * math.log2(7776)),
                           ("seven words of 7,776", 7 * math.log2(7776))):
            seconds = 2 ** (bits - 1) / rate
            yield f"... {what} ({bits:.1f} bits), half of them tried", f"{spell(seconds)}; {short(seconds / 3600 * price)} $"


def spell(seconds):
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h"), (63072000, 86400, "days")):
        if seconds < limit:
            return f"{seconds / unit:,.0f} {name}"
    return f"{short(seconds / 31536000)} years"


def short(value):
    """Two digits of a number that is known no better."""
    if not 1 <= value < 10**9:
        return f"{value:.1g}" if value < 1 else f"{value:.1e}".replace("e+", "e")
    digits = max(0, math.floor(math.log10(value)) - 1)
    return f"{round(value / 10**digits) * 10**digits:,}"


TABLES = {"volumes": volumes, "sealing": sealing, "hashes, names and keys": hashing, "padding": padding, "passphrases": passphrases}


def table(name, rows):
    lines = [f"| {name} | |", "|---|---|"] + [f"| {raised(what)} | {value} |" for what, value in rows]
    return "\n".join(lines)


def raised(formula):
    exponents = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    formula = re.sub(r"\^(-?\d+)(?![\d.])", lambda found: found[1].translate(exponents), formula)
    return formula.replace(" x ", " × ").replace(" - ", " − ")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with docs/ARGUMENTS.md")
    for name, default in (("documents", "1e9"), ("bytes", "2^50"), ("forgeries", "2^40"), ("work", "2^80")):
        parser.add_argument(f"--{name}", type=number, default=number(default), metavar=default)
    given = parser.parse_args()
    v = Volumes(given.documents, given.bytes, given.forgeries, given.work)
    tables = [table(name, rows(v)) for name, rows in TABLES.items()]
    if not given.check:
        print("\n\n".join(tables))
        return
    text = DOCUMENT.read_text()
    stale = [lines.splitlines()[0] for lines in tables if lines not in text]
    if stale:
        sys.exit(f"docs/ARGUMENTS.md and this command differ in: {', '.join(stale)}")


if __name__ == "__main__":
    main()
