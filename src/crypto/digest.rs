//! SHA-256, and the BLAKE3 digest of content, computed part by part.

use blake3::{
    Hasher,
    hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root},
};
use sha2::{Digest, Sha256};

use super::pieces;

/// SHA-256 (FIPS 180-4) of the concatenation of `parts`.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// SHA-256 (FIPS 180-4) of what comes in pieces.
#[derive(Clone, Default)]
pub(crate) struct Sha256Hasher(Sha256);

impl Sha256Hasher {
    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// Hashes a content that comes in pieces, from its beginning.
#[cfg(feature = "intake")]
pub(crate) struct ContentHasher {
    len: u64,
    blake3: Hasher,
    sha256: Option<Sha256>,
}

/// What a content comes to.
#[cfg(feature = "intake")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HashedContent {
    pub(crate) len: u64,
    pub(crate) blake3: [u8; 32],
    /// If it was asked for.
    pub(crate) sha256: Option<[u8; 32]>,
}

#[cfg(feature = "intake")]
impl ContentHasher {
    pub(crate) fn new() -> Self {
        Self { len: 0, blake3: Hasher::new(), sha256: None }
    }

    /// Its SHA-256, too.
    pub(crate) fn with_sha256() -> Self {
        Self { sha256: Some(Sha256::new()), ..Self::new() }
    }

    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.len = self.len.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        self.blake3.update(piece);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(piece);
        }
    }

    /// Bytes so far.
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn finish(self) -> HashedContent {
        let sha256 = self.sha256.map(|sha256| sha256.finalize().into());
        HashedContent { len: self.len, blake3: *self.blake3.finalize().as_bytes(), sha256 }
    }
}

/// What one part of a page, or a chunk of it, contributes to the page's BLAKE3 hash.
///
/// A part starts at a multiple of the part size, a power of two of at least 1,024 bytes, so it is a
/// subtree of BLAKE3's tree (BLAKE3 §2.1) and parts can be hashed in any order. The first part also
/// keeps its hash as a root, in case it stays the only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartDigest {
    chaining: Chaining,
    root: Option<[u8; 32]>,
}

/// A non-root chaining value (BLAKE3 §2.4).
pub(crate) type Chaining = [u8; 32];

/// What a part or a chunk of it contributes where it is not alone; zeros if it is padding alone.
pub(crate) const fn contribution(part: Option<PartDigest>) -> Chaining {
    match part {
        Some(part) => part.chaining,
        None => PADDING,
    }
}

/// What padding contributes.
pub(crate) const PADDING: Chaining = [0; 32];

/// Digests the part of a page that starts at byte `offset`.
pub(crate) fn part_digest(offset: u64, part: &[u8]) -> PartDigest {
    let mut hasher = Hasher::new();
    if offset == 0 {
        hasher.update(part);
        let chaining = if part.is_empty() { [0; 32] } else { hasher.finalize_non_root() };
        return PartDigest { chaining, root: Some(*hasher.finalize().as_bytes()) };
    }
    hasher.set_input_offset(offset);
    PartDigest { chaining: hasher.update(part).finalize_non_root(), root: None }
}

/// What a part contributes, from digests of its pieces in order, each of [`PIECE`] bytes but the last.
pub(crate) fn of_pieces(offset: u64, pieces: &[PartDigest]) -> PartDigest {
    PartDigest { chaining: joined(&chaining_of(pieces)), root: (offset == 0).then(|| page_digest(pieces)) }
}

/// The BLAKE3 hash of a page in memory.
pub(crate) fn of_page(content: &[u8]) -> [u8; 32] {
    let offset = |index| u64::try_from(index).unwrap_or(u64::MAX).saturating_mul(PIECE_U64);
    page_digest(&pieces::map(content, PIECE, |index, piece| part_digest(offset(index), piece)))
}

/// The BLAKE3 hash of a page, from its parts in order; at least one.
pub(crate) fn page_digest(parts: &[PartDigest]) -> [u8; 32] {
    match parts {
        [] => *blake3::hash(&[]).as_bytes(),
        [only] => only.root.unwrap_or(only.chaining),
        _ => root(&chaining_of(parts)),
    }
}

fn chaining_of(parts: &[PartDigest]) -> Vec<Chaining> {
    parts.iter().map(|part| part.chaining).collect()
}

// BLAKE3 §2.1: the left subtree of a parent holds the largest power-of-two number of chunks that
// leaves at least one byte for the right. All parts but the last are of one power-of-two size, so
// the same rule holds over parts.
/// The BLAKE3 hash of what has these chaining values, at least two, in order.
pub(crate) fn root(parts: &[Chaining]) -> [u8; 32] {
    let (left, right) = parts.split_at(left_parts(parts.len()));
    *merge_subtrees_root(&joined(left), &joined(right), Mode::Hash).as_bytes()
}

/// The chaining value of what has these, in order.
pub(crate) fn joined(parts: &[Chaining]) -> Chaining {
    match parts {
        [] => PADDING,
        [only] => *only,
        _ => {
            let (left, right) = parts.split_at(left_parts(parts.len()));
            merge_subtrees_non_root(&joined(left), &joined(right), Mode::Hash)
        }
    }
}

/// The largest power of two smaller than `parts`, which is at least 2; 0 or 1 of fewer.
const fn left_parts(parts: usize) -> usize {
    parts.next_power_of_two() / 2
}

/// Bytes hashed at once: enough for the widest vector unit, few enough to stay in the cache.
pub(crate) const PIECE: usize = 16 * 1024;
pub(crate) const PIECE_U64: u64 = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_hash_to_the_plain_blake3_of_the_whole() {
        const PART: usize = 8 * PIECE;
        let content: Vec<u8> = (0..900_000u32).map(|i| u8::try_from(i % 251).expect("small")).collect();
        for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, PART, PART + 1, 3 * PART + 5 * PIECE + 7, 900_000] {
            let content = &content[..len];
            let expected = *blake3::hash(content).as_bytes();
            assert_eq!(of_page(content), expected, "{len}");
            let part = |(index, part): (usize, &[u8])| {
                let at = |within| u64::try_from(index * PART + within).expect("small");
                let pieces: Vec<PartDigest> = part
                    .chunks(PIECE)
                    .enumerate()
                    .map(|(i, piece)| part_digest(at(i * PIECE), piece))
                    .collect();
                let joined = of_pieces(at(0), &pieces);
                assert_eq!(joined, part_digest(at(0), part));
                joined
            };
            let parts: Vec<PartDigest> = content.chunks(PART).enumerate().map(part).collect();
            assert_eq!(page_digest(&parts), expected, "{len}");
        }
    }

    #[test]
    fn parts_hash_to_the_plain_blake3_of_the_whole() {
        const PART: usize = 2048;
        let content: Vec<u8> = (0..40_000u32).map(|i| u8::try_from(i % 251).expect("small")).collect();
        for len in (0..70).chain(1020..1030).chain(2040..2060).chain((2048..40_000).step_by(997)) {
            let content = &content[..len];
            let mut parts: Vec<PartDigest> = Vec::new();
            for (i, part) in content.chunks(PART).enumerate() {
                parts.push(part_digest(u64::try_from(i * PART).expect("small"), part));
            }
            if parts.is_empty() {
                parts.push(part_digest(0, &[]));
            }
            assert_eq!(page_digest(&parts), *blake3::hash(content).as_bytes(), "{len}");
        }
    }

    // FIPS 180-4's example of one block, "abc".
    const ABC: [u8; 32] = [
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0,
        0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
    ];

    #[test]
    fn what_comes_in_pieces_hashes_as_the_whole() {
        let mut hasher = Sha256Hasher::default();
        [b"a".as_slice(), b"", b"bc"].iter().for_each(|piece| hasher.update(piece));
        assert_eq!((hasher.finish(), sha256(&[b"ab", b"c"])), (ABC, ABC));
    }

    #[cfg(feature = "intake")]
    #[test]
    fn content_that_comes_in_pieces_hashes_as_the_whole() {
        for (mut hasher, sha256) in [(ContentHasher::new(), None), (ContentHasher::with_sha256(), Some(ABC))]
        {
            [b"a".as_slice(), b"", b"bc"].iter().for_each(|piece| hasher.update(piece));
            assert_eq!(hasher.len(), 3);
            let expected = HashedContent { len: 3, blake3: *blake3::hash(b"abc").as_bytes(), sha256 };
            assert_eq!(hasher.finish(), expected);
        }
    }
}
