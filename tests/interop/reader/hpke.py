"""FORMAT §1, suite 1: HPKE Base (RFC 9180) with X-Wing (KEM 0x647a), HKDF-SHA256, ChaCha20-Poly1305.

The library has KEM 0x647a (it calls it MLKEM768-X25519); the expansion of the 32-byte seed is ours:
draft-connolly-cfrg-xwing-kem §5.2, `expanded = SHAKE256(seed, 96)`: ML-KEM's d ‖ z, then X25519's scalar.
"""

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

from .wire import refuse, require

PUBLIC_KEY, SEALED_KEY = 1216, 1120 + 48
SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def expand_seed(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    expanded = hashlib.shake_256(seed).digest(96)
    return MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(expanded[64:])


def public_key(seed: bytes) -> bytes:
    """ML-KEM-768's encapsulation key[1184] ‖ X25519's public key[32]."""
    ml_kem, x25519 = expand_seed(seed)
    return ml_kem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()


def open_key(seed: bytes, info: bytes, sealed: bytes, what: str) -> bytes:
    """A 32-byte key sealed as enc[1120] ‖ ciphertext[48], with empty aad."""
    require(len(sealed) == SEALED_KEY, f"{what}: a sealed key has {SEALED_KEY} bytes")
    try:
        return SUITE.decrypt(sealed, MLKEM768X25519PrivateKey(*expand_seed(seed)), info)
    except (InvalidTag, ValueError):
        refuse(f"{what}: does not open")
