//! C2SP chunked-encryption: one key, one context, any length, streamed or read at random.
//!
//! The specification is <https://c2sp.org/chunked-encryption>. A message is `salt(24) ‖
//! commitment(32) ‖ chunks`: chunks of 16 KiB, each sealed by an AEAD under a key derived for this
//! message alone, the last one shorter and possibly empty. The module is generic over the AEAD and
//! the hash of HKDF-Expand; docvault's own suite, ChaCha20-Poly1305 with SHA-256, is the default.
//!
//! There is no way to pass a nonce: every sealing draws a fresh salt from its `Entropy`, which has to be random.
//!
//! ```
//! use docvault::{chunked, Secret, SystemEntropy};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = Secret::copy_from(&[7; 32]).ok_or("32 bytes")?;
//! let sealed = chunked::seal(&key, b"invoice 12", b"content", &SystemEntropy::default())?;
//! assert_eq!(chunked::open(&key, b"invoice 12", &sealed)?.as_slice(), b"content");
//! assert!(chunked::open(&key, b"invoice 13", &sealed).is_err());
//! # Ok(())
//! # }
//! ```

mod engine;
mod message;
mod range;
mod rest;
mod rope;
mod stream;
mod suite;

pub use range::RangeOpener;
pub use stream::{Opener, Sealer};
pub use suite::{Aead, ChaCha20Poly1305, Expand, HkdfSha256};

pub(crate) use message::{Draft, SealError, open_into};
pub(crate) use range::sealed_range;
pub(crate) use rest::{ReadAt, Rest};
pub(crate) use rope::Rope;

use crate::{
    crypto::pieces,
    env::{Entropy, EntropyError},
    secret::{Secret, SecretBytes},
};

/// The one answer to every failure to open: wrong key, wrong context, or altered, truncated,
/// extended or reordered bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed bytes do not open")]
#[expect(clippy::exhaustive_structs, reason = "it must never say more")]
pub struct OpenError;

/// Bytes of content in every chunk but the last.
pub const CHUNK_LEN: usize = 16 * 1024;
/// Bytes of a chunk's tag.
pub const TAG_LEN: usize = 16;
/// Bytes of the salt at the start.
pub const SALT_LEN: usize = 24;
/// Bytes of the key commitment after the salt.
pub const COMMITMENT_LEN: usize = 32;
/// Bytes before the first chunk.
pub const PREFIX_LEN: usize = SALT_LEN + COMMITMENT_LEN;
/// Chunks of a message, at most (2³⁸, 4 PiB).
pub const CHUNKS_MAX: u64 = 1 << 38;

/// Seals `plaintext` under `key`, bound to `context`.
///
/// # Errors
///
/// [`EntropyError`] if no salt could be drawn.
pub fn seal(
    key: &Secret<32>,
    context: &[u8],
    plaintext: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, EntropyError> {
    seal_with::<ChaCha20Poly1305, HkdfSha256>(key.expose(), context, plaintext, entropy)
}

/// Opens what [`seal`] gave for the same key and context.
///
/// # Errors
///
/// [`OpenError`]; no byte is released.
pub fn open(key: &Secret<32>, context: &[u8], sealed: &[u8]) -> Result<SecretBytes, OpenError> {
    open_with::<ChaCha20Poly1305, HkdfSha256>(key.expose(), context, sealed)
}

/// [`seal`] with another AEAD and hash.
///
/// # Errors
///
/// [`EntropyError`] if no salt could be drawn.
///
/// # Security
///
/// `key` must be uniformly random and as long as the AEAD's key.
pub fn seal_with<A: Aead, H: Expand>(
    key: &[u8],
    context: &[u8],
    plaintext: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, EntropyError> {
    let mut sealed = pieces::memory(sealed_capacity(plaintext.len()));
    message::seal_in::<A, H, ()>(key, context, &mut sealed, entropy, |index, chunk| {
        let content = plaintext.get(index * CHUNK_LEN..).unwrap_or_default();
        chunk.copy_from_slice(content.get(..chunk.len()).unwrap_or_default());
    })?;
    Ok(sealed)
}

/// [`open`] with another AEAD and hash.
///
/// # Errors
///
/// [`OpenError`]; no byte is released.
pub fn open_with<A: Aead, H: Expand>(
    key: &[u8],
    context: &[u8],
    sealed: &[u8],
) -> Result<SecretBytes, OpenError> {
    let len = plain_len(u64::try_from(sealed.len()).map_err(|_| OpenError)?)?;
    let mut plaintext = SecretBytes::new(pieces::memory(usize::try_from(len).map_err(|_| OpenError)?));
    open_into::<A, H, ()>((key, context), &sealed.into(), &mut plaintext, |_, _| ())?;
    Ok(plaintext)
}

/// Length of a sealed message of `plain` bytes, or `None` if that is too long to seal.
#[must_use]
pub const fn sealed_len(plain: u64) -> Option<u64> {
    let chunks = plain / CHUNK_U64 + 1;
    if chunks > CHUNKS_MAX {
        return None;
    }
    Some(PREFIX_U64 + plain + chunks * TAG_U64)
}

/// Length of the content of a sealed message of `sealed` bytes.
///
/// # Errors
///
/// [`OpenError`] if no message has that length.
pub const fn plain_len(sealed: u64) -> Result<u64, OpenError> {
    let Some(body) = sealed.checked_sub(PREFIX_U64) else { return Err(OpenError) };
    let (full, last) = (body / (CHUNK_U64 + TAG_U64), body % (CHUNK_U64 + TAG_U64));
    if last < TAG_U64 || full >= CHUNKS_MAX {
        return Err(OpenError);
    }
    Ok(full * CHUNK_U64 + last - TAG_U64)
}

/// Length of a sealed message of `plain` bytes in memory; saturates where no memory is that large.
pub(crate) const fn sealed_capacity(plain: usize) -> usize {
    let tags = (plain / CHUNK_LEN).saturating_add(1).saturating_mul(TAG_LEN);
    plain.saturating_add(PREFIX_LEN).saturating_add(tags)
}

const CHUNK_U64: u64 = 16 * 1024;
const TAG_U64: u64 = 16;
pub(crate) const PREFIX_U64: u64 = 56;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn lengths_to_three_chunks_and_beyond_are_one_to_one() {
        let contents: BTreeMap<u64, u64> =
            (0..3 * CHUNK_U64 + 3).map(|plain| (sealed_len(plain).expect("short"), plain)).collect();
        assert_eq!(contents.len(), usize::try_from(3 * CHUNK_U64 + 3).expect("small"));
        for sealed in 0..sealed_len(3 * CHUNK_U64 + 3).expect("short") {
            assert_eq!(plain_len(sealed).ok(), contents.get(&sealed).copied(), "{sealed}");
        }
        for (sealed, plain) in contents {
            let (sealed, plain) = (usize::try_from(sealed), usize::try_from(plain));
            assert_eq!(sealed_capacity(plain.expect("small")), sealed.expect("small"));
        }
    }

    #[test]
    fn lengths_end_at_two_to_the_38_chunks() {
        let longest = CHUNKS_MAX * CHUNK_U64 - 1;
        let sealed = sealed_len(longest).expect("the last chunk is short");
        assert_eq!(sealed, PREFIX_U64 + longest + CHUNKS_MAX * TAG_U64);
        assert_eq!((plain_len(sealed), sealed_len(longest + 1)), (Ok(longest), None));
        for sealed in (sealed + 1..sealed + 40).chain([u64::MAX]) {
            assert_eq!(plain_len(sealed), Err(OpenError));
        }
        assert_eq!((sealed_len(u64::MAX), sealed_capacity(usize::MAX)), (None, usize::MAX));
    }
}
