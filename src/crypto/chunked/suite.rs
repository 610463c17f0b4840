//! What chunked encryption is generic over.

use core::fmt;

use chacha20poly1305::{
    KeyInit,
    aead::{AeadInOut, inout::InOutBuf},
};
use zeroize::Zeroizing;

use crate::crypto::schedule;

/// An AEAD with a nonce of 12 bytes and a tag of 16, used without associated data (RFC 5116).
pub trait Aead: Sized + Send + Sync {
    /// The name in IANA's registry of AEAD algorithms, part of the key derivation.
    const NAME: &'static str;
    /// Bytes of a key: at most 32.
    const KEY_LEN: usize;

    /// The cipher under `key`, or `None` if its length is not [`Aead::KEY_LEN`].
    fn new(key: &[u8]) -> Option<Self>;

    /// Encrypts in place; gives the tag.
    fn seal(&self, nonce: &[u8; 12], buffer: &mut [u8]) -> [u8; 16];

    /// Decrypts in place if the tag is right; tells whether it was.
    #[must_use]
    fn open(&self, nonce: &[u8; 12], buffer: &mut [u8], tag: &[u8; 16]) -> bool;
}

/// HKDF-Expand (RFC 5869 §2.3) of one hash.
pub trait Expand: Send + Sync {
    /// Fills `out`, 76 bytes at most, from a uniformly random `key` and the concatenation of `info`.
    fn expand(key: &[u8], info: &[&[u8]], out: &mut [u8]);
}

/// ChaCha20-Poly1305 (RFC 8439).
pub struct ChaCha20Poly1305(chacha20poly1305::ChaCha20Poly1305);

impl fmt::Debug for ChaCha20Poly1305 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChaCha20Poly1305([REDACTED])")
    }
}

impl Aead for ChaCha20Poly1305 {
    const NAME: &'static str = "AEAD_CHACHA20_POLY1305";
    const KEY_LEN: usize = 32;

    fn new(key: &[u8]) -> Option<Self> {
        chacha20poly1305::ChaCha20Poly1305::new_from_slice(key).ok().map(Self)
    }

    fn seal(&self, nonce: &[u8; 12], buffer: &mut [u8]) -> [u8; 16] {
        let tag = self.0.encrypt_inout_detached(&(*nonce).into(), &[], InOutBuf::from(buffer));
        tag.expect("RFC 8439 seals up to 256 GiB under a nonce, and a chunk has 16 KiB").into()
    }

    fn open(&self, nonce: &[u8; 12], buffer: &mut [u8], tag: &[u8; 16]) -> bool {
        self.0.decrypt_inout_detached(&(*nonce).into(), &[], InOutBuf::from(buffer), &(*tag).into()).is_ok()
    }
}

/// HKDF-Expand with SHA-256.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct HkdfSha256;

impl Expand for HkdfSha256 {
    fn expand(key: &[u8], info: &[&[u8]], out: &mut [u8]) {
        // RFC 2104 §2: HMAC pads a short key with zeros, so a padded key is the same key.
        let mut padded = Zeroizing::new([0; 32]);
        padded.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        let prk = if key.len() < padded.len() { padded.as_slice() } else { key };
        schedule::expand_sha256(prk, info, out);
    }
}
