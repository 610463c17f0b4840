//! SHA-256, and the BLAKE3 digest of content, computed part by part.

use blake3::{
    Hasher,
    hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root},
};
use sha2::{Digest, Sha256};

/// SHA-256 (FIPS 180-4) of the concatenation of `parts`.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// What one part of a page contributes to the page's BLAKE3 hash.
///
/// A part starts at a multiple of the part size, a power of two of at least 1,024 bytes, so it is a
/// subtree of BLAKE3's tree (BLAKE3 §2.1) and parts can be hashed in any order. The first part also
/// keeps its hash as a root, in case it stays the only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartDigest {
    chaining: [u8; 32],
    root: Option<[u8; 32]>,
}

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

// BLAKE3 §2.1: the left subtree of a parent holds the largest power-of-two number of chunks that
// leaves at least one byte for the right. All parts but the last are of one power-of-two size, so
// the same rule holds over parts.
/// The BLAKE3 hash of a page, from its parts in order; at least one.
pub(crate) fn page_digest(parts: &[PartDigest]) -> [u8; 32] {
    match parts {
        [] => *blake3::hash(&[]).as_bytes(),
        [only] => only.root.unwrap_or(only.chaining),
        _ => {
            let (left, right) = parts.split_at(left_parts(parts.len()));
            *merge_subtrees_root(&chaining(left), &chaining(right), Mode::Hash).as_bytes()
        }
    }
}

fn chaining(parts: &[PartDigest]) -> [u8; 32] {
    match parts {
        [] => [0; 32],
        [only] => only.chaining,
        _ => {
            let (left, right) = parts.split_at(left_parts(parts.len()));
            merge_subtrees_non_root(&chaining(left), &chaining(right), Mode::Hash)
        }
    }
}

/// The largest power of two smaller than `parts`, which is at least 2.
const fn left_parts(parts: usize) -> usize {
    parts.next_power_of_two() / 2
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
