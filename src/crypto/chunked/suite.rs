//! What chunked encryption is generic over.

use core::fmt;

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
    ///
    /// # Panics
    ///
    /// May panic if `out` is longer than 255 outputs of the hash, which is more than RFC 5869 has: with SHA-256
    /// 8,160 bytes. Nothing here asks for more than the 76.
    fn expand(key: &[u8], info: &[&[u8]], out: &mut [u8]);
}

/// ChaCha20-Poly1305 (RFC 8439), by `chacha20poly1305`, or by `ring` with feature `fast`.
pub struct ChaCha20Poly1305(implementation::Cipher);

impl fmt::Debug for ChaCha20Poly1305 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChaCha20Poly1305([REDACTED])")
    }
}

impl Aead for ChaCha20Poly1305 {
    const NAME: &'static str = "AEAD_CHACHA20_POLY1305";
    const KEY_LEN: usize = 32;

    fn new(key: &[u8]) -> Option<Self> {
        implementation::new(key).map(Self)
    }

    fn seal(&self, nonce: &[u8; 12], buffer: &mut [u8]) -> [u8; 16] {
        implementation::seal(&self.0, nonce, buffer)
            .expect("RFC 8439 seals up to 256 GiB under a nonce, and a chunk has 16 KiB")
    }

    fn open(&self, nonce: &[u8; 12], buffer: &mut [u8], tag: &[u8; 16]) -> bool {
        implementation::open(&self.0, nonce, buffer, tag)
    }
}

#[cfg(feature = "fast")]
use fast as implementation;
#[cfg(not(feature = "fast"))]
use portable as implementation;

#[cfg(any(test, not(feature = "fast")))]
mod portable {
    use chacha20poly1305::{
        ChaCha20Poly1305, KeyInit,
        aead::{AeadInOut, inout::InOutBuf},
    };

    pub(super) type Cipher = ChaCha20Poly1305;

    pub(super) fn new(key: &[u8]) -> Option<Cipher> {
        Cipher::new_from_slice(key).ok()
    }

    pub(super) fn seal(cipher: &Cipher, nonce: &[u8; 12], buffer: &mut [u8]) -> Option<[u8; 16]> {
        let tag = cipher.encrypt_inout_detached(&(*nonce).into(), &[], InOutBuf::from(buffer));
        tag.ok().map(Into::into)
    }

    pub(super) fn open(cipher: &Cipher, nonce: &[u8; 12], buffer: &mut [u8], tag: &[u8; 16]) -> bool {
        let buffer = InOutBuf::from(buffer);
        cipher.decrypt_inout_detached(&(*nonce).into(), &[], buffer, &(*tag).into()).is_ok()
    }
}

#[cfg(feature = "fast")]
mod fast {
    use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

    pub(super) type Cipher = LessSafeKey;

    pub(super) fn new(key: &[u8]) -> Option<Cipher> {
        UnboundKey::new(&CHACHA20_POLY1305, key).ok().map(LessSafeKey::new)
    }

    pub(super) fn seal(cipher: &Cipher, nonce: &[u8; 12], buffer: &mut [u8]) -> Option<[u8; 16]> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = cipher.seal_in_place_separate_tag(nonce, Aad::empty(), buffer).ok()?;
        tag.as_ref().try_into().ok()
    }

    pub(super) fn open(cipher: &Cipher, nonce: &[u8; 12], buffer: &mut [u8], tag: &[u8; 16]) -> bool {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        cipher.open_in_place_separate_tag(nonce, Aad::empty(), (*tag).into(), buffer, 0..).is_ok()
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

#[cfg(all(test, feature = "fast"))]
mod tests {
    use super::{fast, portable};
    use crate::crypto::chunked::CHUNK_LEN;

    #[test]
    fn both_implementations_agree_bit_for_bit() {
        for len in (0..600).chain((600..CHUNK_LEN).step_by(977)).chain([CHUNK_LEN]) {
            let byte = |i: usize| u8::try_from(i * 7 % 256).expect("below 256");
            let plain: Vec<u8> = (0..len).map(byte).collect();
            let (key, nonce) = ([byte(len); 32], [byte(len + 1); 12]);
            let a = portable::new(&key).expect("the key's length is right");
            let b = fast::new(&key).expect("the key's length is right");
            let (mut by_a, mut by_b) = (plain.clone(), plain.clone());
            let tag = portable::seal(&a, &nonce, &mut by_a).expect("short");
            assert_eq!(fast::seal(&b, &nonce, &mut by_b), Some(tag));
            assert!(by_a == by_b);
            assert!(fast::open(&b, &nonce, &mut by_a, &tag) && by_a == plain);
            assert!(portable::open(&a, &nonce, &mut by_b.clone(), &tag));
            for bit in (0..128).step_by(7) {
                let mut wrong = tag;
                wrong[bit / 8] ^= 1 << (bit % 8);
                assert!(!fast::open(&b, &nonce, &mut by_b.clone(), &wrong));
                assert!(!portable::open(&a, &nonce, &mut by_b.clone(), &wrong));
            }
        }
    }
}
