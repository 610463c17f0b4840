"""FORMAT §3: sealing, contexts, subkeys, wraps, signatures. Keys and digests are bytes."""

import hashlib
import hmac

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from .wire import Reader, refuse, require, with_length

SUITE_LABEL = b"c2sp.org/chunked-encryption@v1+AEAD_CHACHA20_POLY1305"
CHUNK, TAG, SEAL_HEADER, WRAP = 16384, 16, 24 + 32, 24 + 32 + 32 + 16
# y of the points of small order on edwards25519, canonical and not (RFC 8032 §5.1; the sign bit is masked).
P = 2**255 - 19
Y8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL_ORDER_Y = {0, 1, P - 1, P, P + 1, Y8, P - Y8}


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def expand(key: bytes, info: bytes, size: int) -> bytes:
    return HKDFExpand(algorithm=SHA256(), length=size, info=info).derive(key)


def labelled(label: str) -> bytes:
    return b"docvault/v1/" + label.encode("ascii")


def context(label: str, *fields: bytes) -> bytes:
    return sha256(b"".join(with_length(field) for field in (labelled(label), *fields)))


def subkey(key: bytes, label: str, *fields: bytes) -> bytes:
    return expand(key, context(label, *fields), 32)


def open_sealed(key: bytes, context_: bytes, sealed: bytes, what: str) -> bytes:
    """C2SP chunked-encryption; the commitment is checked before any chunk."""
    reader = Reader(sealed, what)
    salt, commitment = reader.take(24), reader.take(32)
    derived = expand(key, SUITE_LABEL + b"\x00" + salt + context_, 76)
    require(hmac.compare_digest(derived[44:], commitment), f"{what}: wrong key or context")
    return open_chunks(ChaCha20Poly1305(derived[:32]), derived[32:44], reader.rest(), what)


def open_chunks(aead: ChaCha20Poly1305, base_nonce: bytes, chunks: bytes, what: str) -> bytes:
    """All chunks but the last are full; the last is shorter, possibly empty."""
    full = CHUNK + TAG
    last, rest = divmod(len(chunks), full)
    require(rest >= TAG, f"{what}: cut off")
    try:
        return b"".join(
            aead.decrypt(nonce(base_nonce, i), chunks[i * full : (i + 1) * full], b"") for i in range(last + 1)
        )
    except InvalidTag:
        refuse(f"{what}: altered")


def nonce(base: bytes, counter: int) -> bytes:
    return (int.from_bytes(base, "big") ^ counter).to_bytes(12, "big")


def unwrap(key: bytes, context_: bytes, wrapped: bytes, what: str) -> bytes:
    require(len(wrapped) == WRAP, f"{what}: a wrap has {WRAP} bytes")
    return open_sealed(key, context_, wrapped, what)


def verify(key: bytes, label: str, message: bytes, signature: bytes, what: str) -> None:
    verify_raw(key, labelled(label) + b"\x00" + message, signature, what)


def verify_raw(key: bytes, message: bytes, signature: bytes, what: str) -> None:
    """Ed25519, strictly: canonical S, no cofactor, neither key nor R of small order."""
    require(not small_order(key) and not small_order(signature[:32]), f"{what}: a point of small order")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        refuse(f"{what}: wrong signature")


def small_order(point: bytes) -> bool:
    return int.from_bytes(point, "little") & (2**255 - 1) in SMALL_ORDER_Y


def public_of(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
