//! The manifest of a fold: which tables stand for the log up to it (FORMAT §6.3).

use bytes::Bytes;

use super::{Hash, merkle::Frontier};
use crate::{
    FORMAT,
    crypto::digest::sha256,
    wire::{Malformed, Reader, Writer},
};

/// A table of the index: the newest rows of a range of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) level: u8,
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The fold that wrote it, part of its pages' names.
    pub(crate) written: u64,
    pub(crate) rows: u64,
    pub(crate) height: u8,
    pub(crate) root: Hash,
}

impl Table {
    /// Whether it has a root page if it has rows, and is of height 0 with no root if it has none.
    fn is_whole(&self) -> bool {
        let empty = self.rows == 0;
        empty == (self.root == [0; 32]) && (!empty || self.height == 0)
    }
}

/// The tables and the Merkle frontier of the first `covered` records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) frontier: Frontier,
    /// SHA-256 of the keyring object that the newest Genesis, Keyring or SigningKeys record names.
    pub(crate) keyring: Hash,
    pub(crate) tables: Vec<Table>,
}

impl Manifest {
    pub(crate) fn covered(&self) -> u64 {
        self.frontier.size()
    }

    pub(crate) fn encode(&self) -> Bytes {
        let mut w = Writer::new();
        w.fixed(b"dvix").u8(FORMAT).fixed(&[0; 3]).u64(self.covered());
        w.u32(u32::try_from(self.frontier.roots().len()).unwrap_or(u32::MAX));
        self.frontier.roots().iter().for_each(|root| {
            w.fixed(root);
        });
        w.fixed(&self.keyring).u32(u32::try_from(self.tables.len()).unwrap_or(u32::MAX));
        for table in &self.tables {
            w.u8(table.level).u64(table.from).u64(table.to).u64(table.written).u64(table.rows);
            w.u8(table.height).fixed(&table.root);
        }
        w.into_vec().into()
    }

    pub(crate) fn digest(&self) -> Hash {
        sha256(&[&self.encode()])
    }

    /// Parses a manifest.
    ///
    /// # Errors
    ///
    /// [`Malformed`] unless its tables have exactly the ranges that FORMAT §6.3 gives them.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        r.expect(b"dvix")?;
        r.expect(&[FORMAT, 0, 0, 0])?;
        let covered = r.u64()?;
        let roots = (0..r.count(64)?).map(|_| r.array()).collect::<Result<_, _>>()?;
        let frontier = Frontier::from_roots(covered, roots).ok_or(Malformed)?;
        let keyring = r.array()?;
        let tables = (0..r.count(LEVELS)?).map(|_| read_table(&mut r)).collect::<Result<Vec<_>, _>>()?;
        r.finish()?;
        let manifest = Self { frontier, keyring, tables };
        let expected = ranges(covered).ok_or(Malformed)?;
        let found = manifest.tables.iter().map(|table| (table.level, table.from, table.to));
        if found.eq(expected) && manifest.tables.iter().all(Table::is_whole) {
            Ok(manifest)
        } else {
            Err(Malformed)
        }
    }
}

fn read_table(r: &mut Reader<'_>) -> Result<Table, Malformed> {
    Ok(Table {
        level: r.u8()?,
        from: r.u64()?,
        to: r.u64()?,
        written: r.u64()?,
        rows: r.u64()?,
        height: r.u8()?,
        root: r.array()?,
    })
}

/// Level, first record and end of each table that stands for `covered` records, or `None` if that
/// is no multiple of [`FOLD`].
pub(crate) fn ranges(covered: u64) -> Option<Vec<(u8, u64, u64)>> {
    if !covered.is_multiple_of(FOLD) {
        return None;
    }
    let folds = covered / FOLD;
    let mut found = Vec::new();
    let (mut level, mut unit) = (0, 1);
    // No unit overflows: there are fewer than 2⁵⁶ folds.
    while unit <= folds {
        let next = unit * RATIO;
        let (from, to) = (folds - folds % next, folds - folds % unit);
        if from < to {
            found.push((level, from * FOLD, to * FOLD));
        }
        (level, unit) = (level + 1, next);
    }
    Some(found)
}

/// Records between folds.
pub(crate) const FOLD: u64 = 256;
const RATIO: u64 = 16;
const LEVELS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_tile_what_is_covered() {
        for folds in (0..600).chain([4095, 4096, 4097, 65_536, 1 << 40]) {
            let mut tables = ranges(folds * FOLD).expect("a multiple");
            tables.reverse();
            let mut end = 0;
            for (_, from, to) in tables {
                assert_eq!(from, end);
                assert!(from < to);
                end = to;
            }
            assert_eq!(end, folds * FOLD, "{folds}");
        }
        assert!(ranges(100).is_none());
    }

    /// As FORMAT §6.3 has it: level j from 256·16^(j+1)·⌊k/16^(j+1)⌋ up to 256·16^j·⌊k/16^j⌋, where that is not empty.
    #[test]
    fn each_level_has_the_range_of_its_formula() {
        for folds in (0..600).chain([4095, 4096, 4097, 65_536, 65_537, 1 << 40, u64::MAX / FOLD]) {
            let whole = |level: u32| match RATIO.checked_pow(level) {
                Some(unit) => FOLD * (folds - folds % unit),
                None => 0,
            };
            let of = |level: u8| (level, whole(u32::from(level) + 1), whole(level.into()));
            let expected: Vec<_> = (0..16).map(of).filter(|(_, from, to)| from < to).collect();
            assert_eq!(ranges(folds * FOLD), Some(expected), "{folds}");
        }
    }

    #[test]
    fn a_table_without_rows_has_no_root_and_no_height_and_no_other() {
        let hashes = (0..FOLD).map(|i| sha256(&[&i.to_be_bytes()]));
        let parses = |rows, height, root| {
            let table = Table { level: 0, from: 0, to: FOLD, written: FOLD, rows, height, root };
            let frontier = Frontier::default().followed_by(hashes.clone());
            let manifest = Manifest { frontier, keyring: [1; 32], tables: vec![table] };
            Manifest::parse(&manifest.encode()).is_ok_and(|parsed| parsed == manifest)
        };
        assert!(parses(0, 0, [0; 32]) && parses(7, 0, [2; 32]) && parses(257, 1, [2; 32]));
        assert!(!parses(0, 0, [2; 32]) && !parses(7, 0, [0; 32]) && !parses(0, 1, [0; 32]));
    }

    #[test]
    fn old_tables_never_straddle_new_ranges() {
        for old in 0..300u64 {
            for new in old..300 {
                let new_ranges = ranges(new * FOLD).expect("a multiple");
                for (_, from, to) in ranges(old * FOLD).expect("a multiple") {
                    assert!(new_ranges.iter().any(|(_, a, b)| *a <= from && to <= *b), "{old} {new}");
                }
            }
        }
    }

    #[test]
    fn a_manifest_comes_back_and_other_ranges_are_refused() {
        let mut frontier = Frontier::default();
        (0..FOLD * 17).for_each(|i| frontier.push(sha256(&[&i.to_be_bytes()])));
        let table =
            |(level, from, to)| Table { level, from, to, written: 4352, rows: 1, height: 0, root: [1; 32] };
        let tables = ranges(frontier.size()).expect("a multiple").into_iter().map(table).collect();
        let manifest = Manifest { frontier, keyring: [5; 32], tables };
        assert_eq!(Manifest::parse(&manifest.encode()), Ok(manifest.clone()));
        let mut fewer = manifest.clone();
        fewer.tables.pop();
        assert!(Manifest::parse(&fewer.encode()).is_err());
        let mut swapped = manifest;
        swapped.tables.swap(0, 1);
        assert!(Manifest::parse(&swapped.encode()).is_err());
    }
}
