//! Cutting a log into bundles and hash tiles as it goes by (c2sp.org/tlog-tiles; FORMAT §6.4).

use bytes::Bytes;

use super::{
    Hash,
    commit::Hashed,
    merkle::{Frontier, tree},
    tile::{BUNDLE_LEN, FULL, Tile, TileId, push_entry},
};

/// Which piece of the log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// Entries `256 * number` up to `256 * number + width - 1`.
    Bundle {
        number: u64,
        width: u16,
    },
    Tile(TileId),
}

/// A bundle or a tile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) place: Place,
    pub(crate) bytes: Bytes,
}

/// What is cut from a log whose records come one by one, from the first on. Holds one bundle, and one
/// tile of each level.
#[derive(Debug, Default)]
pub(crate) struct Tiling {
    frontier: Frontier,
    entries: Vec<u8>,
    levels: Vec<Level>,
}

#[derive(Debug, Default)]
struct Level {
    full: u64,
    hashes: Vec<Hash>,
}

impl Tiling {
    /// Adds the next record; puts what became full into `pieces`.
    pub(crate) fn push(&mut self, record: &Hashed, pieces: &mut Vec<Piece>) {
        self.frontier.push(record.hash);
        if self.entries.capacity() == 0 {
            self.entries.reserve_exact(BUNDLE_LEN);
        }
        push_entry(&mut self.entries, &record.encoded);
        if self.width() == 0 {
            let bytes = core::mem::take(&mut self.entries).into();
            let number = self.frontier.size() / u64::from(FULL) - 1;
            pieces.push(Piece { place: Place::Bundle { number, width: FULL }, bytes });
        }
        let mut next = Some(record.hash);
        for level in 0u8.. {
            let Some(hash) = next else { break };
            next = self.add(level, hash, pieces);
        }
    }

    /// The head of the tree so far.
    pub(crate) fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// What is begun and not full.
    pub(crate) fn partial(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if self.width() > 0 {
            let place = Place::Bundle { number: self.frontier.size() / u64::from(FULL), width: self.width() };
            pieces.push(Piece { place, bytes: Bytes::copy_from_slice(&self.entries) });
        }
        for (level, open) in (0u8..).zip(&self.levels).filter(|(_, open)| !open.hashes.is_empty()) {
            pieces.push(open.piece(level));
        }
        pieces
    }

    fn width(&self) -> u16 {
        u16::try_from(self.frontier.size() % u64::from(FULL)).unwrap_or(0)
    }

    /// Adds a hash to a level; gives the one for the level above if that made a tile full.
    fn add(&mut self, level: u8, hash: Hash, pieces: &mut Vec<Piece>) -> Option<Hash> {
        let at = usize::from(level);
        if self.levels.len() <= at {
            self.levels.resize_with(at + 1, Level::default);
        }
        let open = self.levels.get_mut(at)?;
        open.hashes.push(hash);
        if open.hashes.len() < usize::from(FULL) {
            return None;
        }
        pieces.push(open.piece(level));
        let above = tree(&open.hashes);
        open.hashes.clear();
        open.full += 1;
        Some(above)
    }
}

impl Level {
    fn piece(&self, level: u8) -> Piece {
        let width = u16::try_from(self.hashes.len()).unwrap_or(FULL);
        let place = Place::Tile(TileId { level, number: self.full, width });
        Piece { place, bytes: Tile::new(self.hashes.clone()).encode() }
    }
}

impl Place {
    // tlog-tiles, Merkle Tree: tile/<L>/<N>[.p/<W>], N in zero-padded 3-digit path elements, all but the
    // last begun by x: 1234067 is x001/x234/067. Log Entries: tile/entries/<N>[.p/<W>].
    /// Where a static log has it.
    #[cfg(any(test, feature = "fs"))]
    pub(crate) fn path(&self) -> String {
        let (level, number, width) = match *self {
            Self::Bundle { number, width } => ("entries".to_owned(), number, width),
            Self::Tile(TileId { level, number, width }) => (level.to_string(), number, width),
        };
        let mut path = format!("{:03}", number % 1000);
        let mut rest = number / 1000;
        while rest > 0 {
            path = format!("x{:03}/{path}", rest % 1000);
            rest /= 1000;
        }
        let partial = if width == FULL { String::new() } else { format!(".p/{width}") };
        format!("tile/{level}/{path}{partial}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{
        leaf::tests::sample,
        tile::{bundle, complete},
    };

    #[test]
    fn paths_are_those_of_the_specification() {
        let tile = |level, number, width| Place::Tile(TileId { level, number, width }).path();
        assert_eq!(tile(0, 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile(3, 0, 255), "tile/3/000.p/255");
        assert_eq!(tile(1, 1000, 1), "tile/1/x001/000.p/1");
        assert_eq!(Place::Bundle { number: 7, width: 256 }.path(), "tile/entries/007");
        assert_eq!(Place::Bundle { number: 999, width: 9 }.path(), "tile/entries/999.p/9");
    }

    #[test]
    fn a_log_that_ends_with_a_bundle_has_no_part_of_one() {
        let (mut tiling, mut pieces) = (Tiling::default(), Vec::new());
        (0..256).for_each(|seq| tiling.push(&Hashed::new(sample(seq, [8; 32])), &mut pieces));
        let places = |pieces: Vec<Piece>| pieces.into_iter().map(|piece| piece.place).collect::<Vec<_>>();
        let tile = |level, width| Place::Tile(TileId { level, number: 0, width });
        assert_eq!(places(pieces), [Place::Bundle { number: 0, width: 256 }, tile(0, 256)]);
        assert_eq!(places(tiling.partial()), [tile(1, 1)]);
    }

    #[test]
    fn every_hash_of_every_level_is_in_one_tile() {
        const SIZE: u64 = 256 * 257 + 3;
        let records: Vec<Hashed> = (0..SIZE).map(|seq| Hashed::new(sample(seq, [8; 32]))).collect();
        let (mut tiling, mut pieces) = (Tiling::default(), Vec::new());
        records.iter().for_each(|record| tiling.push(record, &mut pieces));
        pieces.extend(tiling.partial());
        let mut hashes: Vec<Hash> = records.iter().map(|record| record.hash).collect();
        for level in 0..3u8 {
            let cut =
                pieces.iter().filter(|piece| matches!(piece.place, Place::Tile(id) if id.level == level));
            let bytes: Vec<u8> = cut.flat_map(|piece| piece.bytes.to_vec()).collect();
            assert_eq!(bytes, hashes.concat(), "level {level}");
            assert_eq!(u64::try_from(hashes.len()).unwrap_or(0), complete(SIZE, level));
            hashes = hashes.as_chunks::<256>().0.iter().map(|below| tree(below)).collect();
        }
        let bundles = pieces.iter().filter(|piece| matches!(piece.place, Place::Bundle { .. }));
        for ((number, cut), leaves) in (0..).zip(bundles).zip(records.chunks(256)) {
            let width = u16::try_from(leaves.len()).expect("256 at most");
            assert_eq!(cut.place, Place::Bundle { number, width });
            assert_eq!(cut.bytes, bundle(leaves.iter().map(|record| &record.encoded)), "bundle {number}");
        }
        assert_eq!(pieces.len(), 258 + 258 + 2 + 1, "bundles, and tiles of three levels");
        let mut frontier = Frontier::default();
        records.iter().for_each(|record| frontier.push(record.hash));
        assert_eq!(*tiling.frontier(), frontier);
    }
}
