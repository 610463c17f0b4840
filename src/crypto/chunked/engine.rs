//! The derived keys of one message, and the sealing and opening of one chunk.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Aead, CHUNK_LEN, CHUNKS_MAX, COMMITMENT_LEN, Expand, OpenError, PREFIX_LEN, SALT_LEN, TAG_LEN};
use crate::secret::SecretBytes;

/// A message of this many chunks cannot grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message has at most 2^38 chunks")]
pub(super) struct TooLong;

/// One message's cipher and base nonce.
pub(super) struct Engine<A> {
    aead: A,
    base_nonce: [u8; NONCE_LEN],
}

impl<A: Aead> Engine<A> {
    // key || base nonce || commitment = HKDF-Expand(prk = input key,
    //     info = "c2sp.org/chunked-encryption@v1+" || aead || 0x00 || salt || context)
    /// Derives the keys of the message with this salt and context, and its commitment.
    pub(super) fn derive<H: Expand>(
        key: &[u8],
        context: &[u8],
        salt: &[u8; SALT_LEN],
    ) -> Option<(Self, [u8; COMMITMENT_LEN])> {
        if key.len() != A::KEY_LEN {
            return None;
        }
        let mut derived = Zeroizing::new([0; 32 + NONCE_LEN + COMMITMENT_LEN]);
        let derived = derived.get_mut(..A::KEY_LEN + NONCE_LEN + COMMITMENT_LEN)?;
        let info = [b"c2sp.org/chunked-encryption@v1+", A::NAME.as_bytes(), &[0], salt.as_slice(), context];
        H::expand(key, &info, derived);
        let (key, rest) = derived.split_at_checked(A::KEY_LEN)?;
        let (base_nonce, commitment) = rest.split_first_chunk()?;
        Some((Self { aead: A::new(key)?, base_nonce: *base_nonce }, *commitment.first_chunk()?))
    }

    /// Derives the keys of the message with this prefix and checks its commitment, before any chunk.
    pub(super) fn open<H: Expand>(
        key: &[u8],
        context: &[u8],
        prefix: &[u8; PREFIX_LEN],
    ) -> Result<Self, OpenError> {
        let (salt, committed) = prefix.split_first_chunk::<SALT_LEN>().ok_or(OpenError)?;
        let (engine, commitment) = Self::derive::<H>(key, context, salt).ok_or(OpenError)?;
        if bool::from(commitment.as_slice().ct_eq(committed)) { Ok(engine) } else { Err(OpenError) }
    }

    /// Seals one chunk in place; chunks are independent of each other.
    pub(super) fn seal_chunk(&self, counter: u64, chunk: &mut [u8]) -> Result<[u8; TAG_LEN], TooLong> {
        if counter >= CHUNKS_MAX {
            return Err(TooLong);
        }
        Ok(self.aead.seal(&self.nonce(counter), chunk))
    }

    /// Opens one chunk in place.
    ///
    /// If that fails `chunk` holds nothing of use.
    pub(super) fn open_chunk(
        &self,
        counter: u64,
        chunk: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), OpenError> {
        let opens = counter < CHUNKS_MAX
            && chunk.len() <= CHUNK_LEN
            && self.aead.open(&self.nonce(counter), chunk, tag);
        if opens { Ok(()) } else { Err(OpenError) }
    }

    /// Opens one chunk, tag included, onto the end of `plaintext`, which is left as it was if that fails.
    pub(super) fn open_chunk_onto(
        &self,
        counter: u64,
        chunk: &[u8],
        plaintext: &mut SecretBytes,
    ) -> Result<(), OpenError> {
        let (content, tag) = chunk.split_last_chunk::<TAG_LEN>().ok_or(OpenError)?;
        let start = plaintext.len();
        plaintext.extend_from_slice(content);
        let buffer = plaintext.get_mut(start..).ok_or(OpenError)?;
        let opened = self.open_chunk(counter, buffer, tag);
        if opened.is_err() {
            plaintext.truncate(start);
        }
        opened
    }

    // "the XOR of the base nonce and the chunk number as a big-endian integer as wide as the base nonce"
    fn nonce(&self, counter: u64) -> [u8; NONCE_LEN] {
        let mut nonce = self.base_nonce;
        nonce.iter_mut().rev().zip(counter.to_be_bytes().into_iter().rev()).for_each(|(n, c)| *n ^= c);
        nonce
    }
}

const NONCE_LEN: usize = 12;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::crypto::chunked::{ChaCha20Poly1305, HkdfSha256};

    fn engine() -> Engine<ChaCha20Poly1305> {
        Engine::derive::<HkdfSha256>(&[1; 32], b"", &[2; 24]).expect("the key's length is right").0
    }

    #[test]
    fn p14_the_counter_stops_before_it_wraps() {
        let engine = engine();
        let mut chunk = [0; 4];
        let tag = engine.seal_chunk(CHUNKS_MAX - 1, &mut chunk).expect("the last chunk");
        assert_eq!(engine.seal_chunk(CHUNKS_MAX, &mut [0; 4]), Err(TooLong));
        let sealed = [chunk.as_slice(), &tag].concat();
        let mut out = SecretBytes::default();
        assert_eq!(engine.open_chunk_onto(CHUNKS_MAX - 1, &sealed, &mut out), Ok(()));
        // One too many, and sound but for that.
        let mut chunk = [0; 4];
        let tag = engine.aead.seal(&engine.nonce(CHUNKS_MAX), &mut chunk);
        assert_eq!(engine.open_chunk(CHUNKS_MAX, &mut chunk.clone(), &tag), Err(OpenError));
        let sealed = [chunk.as_slice(), &tag].concat();
        assert_eq!(engine.open_chunk_onto(CHUNKS_MAX, &sealed, &mut out), Err(OpenError));
    }

    #[test]
    fn p08_every_counter_bit_reaches_the_nonce() {
        let engine = engine();
        let zero = engine.nonce(0);
        let nonces: HashSet<_> = (0..38).map(|bit| engine.nonce(1 << bit)).collect();
        assert_eq!(nonces.len(), 38);
        for bit in 0..38 {
            let differing: u32 =
                engine.nonce(1 << bit).iter().zip(zero).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert_eq!(differing, 1);
        }
    }

    #[test]
    fn p03_only_the_exact_key_length_derives() {
        for len in [0, 16, 31, 33, 64] {
            assert!(Engine::<ChaCha20Poly1305>::derive::<HkdfSha256>(&vec![1; len], b"", &[2; 24]).is_none());
        }
    }

    #[test]
    fn a_chunk_opens_at_its_own_length_and_counter_alone() {
        let engine = engine();
        for len in [0, 1, CHUNK_LEN] {
            let mut chunk = vec![7; len];
            let tag = engine.seal_chunk(5, &mut chunk).expect("below the limit");
            let mut content = chunk.clone();
            assert_eq!(engine.open_chunk(5, &mut content, &tag), Ok(()));
            assert_eq!(content, vec![7; len]);
            let longer = &mut [chunk.as_slice(), &[0]].concat();
            assert_eq!(engine.open_chunk(5, longer, &tag), Err(OpenError));
            for other in [4, 6, CHUNKS_MAX, u64::MAX] {
                assert_eq!(engine.open_chunk(other, &mut chunk.clone(), &tag), Err(OpenError), "{other}");
            }
        }
        // Longer than a chunk, and sound but for that.
        let mut long = vec![7; CHUNK_LEN + 1];
        let tag = engine.aead.seal(&engine.nonce(5), &mut long);
        assert_eq!(engine.open_chunk(5, &mut long.clone(), &tag), Err(OpenError));
        long.extend_from_slice(&tag);
        let mut onto = SecretBytes::new(vec![1, 2]);
        assert_eq!(engine.open_chunk_onto(5, &long, &mut onto), Err(OpenError));
        assert_eq!(engine.open_chunk_onto(5, &[9; TAG_LEN + 4], &mut onto), Err(OpenError));
        assert_eq!(onto.as_slice(), [1, 2], "a failure leaves what was there");
    }
}
