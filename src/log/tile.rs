//! Hash tiles and entry bundles: the log's tree in pieces of 256 (c2sp.org/tlog-tiles; FORMAT §6.4).

use core::ops::Range;

use bytes::Bytes;

use super::{Hash, leaf::LEAF_LEN, merkle::tree};
use crate::wire::{Malformed, Reader};

/// Where a hash tile is in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TileId {
    /// Its hashes are of perfect subtrees of 256^level leaves.
    pub(crate) level: u8,
    /// Its first hash is that of subtree `256 * number`.
    pub(crate) number: u64,
    /// Hashes in it, 1 to 256.
    pub(crate) width: u16,
}

impl TileId {
    /// The tile that holds the root of a perfect subtree in a tree of `covered` leaves, and the hashes
    /// in it that the subtree spans.
    pub(crate) fn of(start: u64, height: u32, covered: u64) -> Option<(Self, Range<usize>)> {
        let level = height / TILE_HEIGHT;
        let first = start >> (level * TILE_HEIGHT);
        let count = 1usize << (height % TILE_HEIGHT);
        let number = first / TILE_WIDTH;
        let level = u8::try_from(level).ok()?;
        let offset = usize::try_from(first % TILE_WIDTH).ok()?;
        let id = Self { level, number, width: width(covered, level, number) };
        (offset + count <= usize::from(id.width)).then_some((id, offset..offset + count))
    }

    /// The tile of this level, number and width.
    pub(crate) const fn named((level, number, width): (u8, u64, u16)) -> Self {
        Self { level, number, width }
    }

    /// Whether it is partial, and a fold of `covered` leaves has one of its level that goes further.
    pub(crate) fn is_superseded(&self, covered: u64) -> bool {
        self.width < FULL && self.end() < Self::end_of(complete(covered, self.level), self.level)
    }

    /// One beyond the last leaf under it.
    pub(crate) fn end(&self) -> u64 {
        let subtrees = self.number.saturating_mul(TILE_WIDTH).saturating_add(u64::from(self.width));
        Self::end_of(subtrees, self.level)
    }

    /// One beyond the last leaf under the first `subtrees` of 256^level leaves.
    pub(crate) fn end_of(subtrees: u64, level: u8) -> u64 {
        subtrees.saturating_mul(1u64.checked_shl(u32::from(level) * TILE_HEIGHT).unwrap_or(u64::MAX))
    }
}

/// Perfect subtrees of 256^level leaves in a tree of `size`.
pub(crate) fn complete(size: u64, level: u8) -> u64 {
    size.checked_shr(u32::from(level) * TILE_HEIGHT).unwrap_or(0)
}

/// Hashes in the tile of this level and number in a tree of `size`; none if it has no such tile.
pub(crate) fn width(size: u64, level: u8, number: u64) -> u16 {
    let held = complete(size, level).saturating_sub(number.saturating_mul(TILE_WIDTH)).min(TILE_WIDTH);
    u16::try_from(held).unwrap_or(FULL)
}

/// The hashes of a tile, left to right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tile(Vec<Hash>);

impl Tile {
    pub(crate) fn new(hashes: Vec<Hash>) -> Self {
        Self(hashes)
    }

    pub(crate) fn hashes(&self) -> &[Hash] {
        &self.0
    }

    /// The hash over some of its hashes, a power of two of them.
    pub(crate) fn root_of(&self, span: Range<usize>) -> Option<Hash> {
        self.0.get(span).map(tree)
    }

    pub(crate) fn encode(&self) -> Bytes {
        self.0.concat().into()
    }

    /// Parses a tile of `width` hashes.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for any other length.
    pub(crate) fn parse(bytes: &[u8], width: u16) -> Result<Self, Malformed> {
        let (hashes, rest) = bytes.as_chunks();
        if hashes.len() == usize::from(width) && rest.is_empty() {
            Ok(Self(hashes.to_vec()))
        } else {
            Err(Malformed)
        }
    }
}

/// An entry bundle of encoded leaves.
pub(crate) fn bundle<'a>(leaves: impl Iterator<Item = &'a Bytes>) -> Bytes {
    let mut bundle = Vec::with_capacity(BUNDLE_LEN);
    leaves.for_each(|leaf| push_entry(&mut bundle, leaf));
    bundle.into()
}

/// Adds a leaf as an entry of a bundle.
pub(crate) fn push_entry(bundle: &mut Vec<u8>, leaf: &[u8]) {
    bundle.extend_from_slice(&ENTRY.to_be_bytes());
    bundle.extend_from_slice(leaf);
}

/// The encoded leaves of a full entry bundle.
///
/// # Errors
///
/// [`Malformed`] unless it has 256 entries of a leaf's length.
pub(crate) fn parse_bundle(bytes: &Bytes) -> Result<Vec<Bytes>, Malformed> {
    let mut r = Reader::new(bytes);
    let mut leaves = Vec::with_capacity(usize::from(FULL));
    for _ in 0..FULL {
        r.expect(&ENTRY.to_be_bytes())?;
        leaves.push(bytes.slice_ref(r.take(LEAF_LEN)?));
    }
    r.finish()?;
    Ok(leaves)
}

/// Hashes in a full tile, entries in a full bundle.
pub(crate) const TILE_WIDTH: u64 = 256;
/// The same, as a tile's width.
pub(crate) const FULL: u16 = 256;
/// Levels of the tree in a tile.
const TILE_HEIGHT: u32 = 8;
const ENTRY: u16 = 280;
const _: () = assert!(LEAF_LEN == 280, "an entry is a leaf");
/// Length of a full bundle.
pub(crate) const BUNDLE_LEN: usize = 256 * (2 + LEAF_LEN);
/// Length of a full tile.
pub(crate) const TILE_LEN: usize = 256 * 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{leaf::leaf_hash, merkle::Frontier};

    /// Every tile of a tree, computed plainly.
    fn hash_of(leaves: &[Hash], start: u64, height: u32) -> Hash {
        let (start, len) = (usize::try_from(start).expect("small"), 1usize << height);
        tree(&leaves[start..start + len])
    }

    #[test]
    fn a_perfect_subtree_is_found_in_its_tile() {
        let leaves: Vec<Hash> = (0u32..1024).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        for (start, height) in
            [(0, 0), (255, 0), (256, 0), (0, 7), (128, 7), (0, 8), (512, 8), (512, 9), (0, 9), (768, 2)]
        {
            let (id, span) = TileId::of(start, height, 1024).expect("covered");
            let hashes = (0..u64::from(id.width)).map(|i| {
                let first = (id.number * 256 + i) << (u32::from(id.level) * 8);
                hash_of(&leaves, first, u32::from(id.level) * 8)
            });
            let tile = Tile::new(hashes.collect());
            let tile = Tile::parse(&tile.encode(), id.width).expect("comes back");
            let mut frontier = Frontier::default();
            let (from, len) = (usize::try_from(start).expect("small"), 1usize << height);
            leaves[from..from + len].iter().for_each(|leaf| frontier.push(*leaf));
            assert_eq!(tile.root_of(span), Some(frontier.root()), "{start} {height}");
        }
        assert!(TileId::of(1024, 0, 1024).is_none());
        assert!(TileId::of(512, 9, 1023).is_none());
        assert_eq!(TileId::of(0, 8, 1024).map(|(id, _)| (id.level, id.width)), Some((1, 4)));
    }

    #[test]
    fn a_tile_ends_with_the_last_leaf_under_it() {
        assert_eq!(TileId { level: 0, number: 3, width: 256 }.end(), 1024);
        assert_eq!(TileId { level: 1, number: 0, width: 5 }.end(), 1280);
        assert_eq!(TileId { level: 7, number: 300, width: 1 }.end(), u64::MAX);
        assert_eq!(TileId { level: 9, number: 1, width: 1 }.end(), u64::MAX);
    }

    #[test]
    fn a_partial_tile_is_superseded_by_more_of_its_level() {
        for (level, unit) in [(0, 1), (1, 256), (2, 65_536)] {
            let partial = TileId { level, number: 2, width: 3 };
            let whole = TileId { width: 256, ..partial };
            // Two tiles before it, and hashes of its own.
            for (hashes, superseded) in
                [(2 * 256, false), (514, false), (515, false), (516, true), (9000, true)]
            {
                for covered in [hashes * unit, hashes * unit + unit - 1] {
                    assert_eq!(partial.is_superseded(covered), superseded, "{level} {covered}");
                    assert!(!whole.is_superseded(covered));
                }
            }
        }
    }

    #[test]
    fn bundles_come_back_and_other_lengths_are_refused() {
        let leaves: Vec<Bytes> = (0..=255u8).map(|i| Bytes::from(vec![i; LEAF_LEN])).collect();
        let bytes = bundle(leaves.iter());
        assert_eq!(bytes.len(), BUNDLE_LEN);
        assert_eq!(parse_bundle(&bytes), Ok(leaves));
        assert!(parse_bundle(&bytes.slice(1..)).is_err());
        assert!(Tile::parse(&[0; 64], 1).is_err());
        assert!(Tile::parse(&[0; 63], 2).is_err());
    }
}
