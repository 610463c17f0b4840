//! The tiles and bundles that folds wrote, recomputed from the log (FORMAT §6.4).

use async_trait::async_trait;
use bytes::Bytes;

use super::{Progress, walk_all};
use crate::{
    error::{Error, Result},
    ledger::{Pages, State, Visitor},
    log::{
        commit::Commit,
        tile::TileId,
        tiling::{Piece, Place, Tiling},
    },
    storage::{ObjectKey, Storage, layout},
};

/// What a check of tiles and bundles has compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CheckedTiles {
    /// Records under them: those of the newest fold.
    pub records: u64,
    /// Entry bundles.
    pub bundles: u64,
    /// Hash tiles, the partial ones of the newest fold included.
    pub tiles: u64,
}

/// Recomputes from the log every bundle and tile that the folds so far have to have written, and
/// compares.
///
/// # Errors
///
/// Corrupt at the first fault, in the log or in a bundle or tile, naming the object.
pub(super) async fn check(pages: &Pages, state: &State, progress: Progress<'_>) -> Result<CheckedTiles> {
    compare(pages, state, progress, &mut Refuse).await
}

/// Told of each bundle or tile that is not what the log gives.
#[async_trait]
pub(crate) trait TileFault: Send {
    /// `found` is what the storage has under that name, if anything; `expected` what it must have.
    async fn differs(&mut self, key: ObjectKey, found: Option<Bytes>, expected: Bytes) -> Result<()>;
}

struct Refuse;

#[async_trait]
impl TileFault for Refuse {
    async fn differs(&mut self, key: ObjectKey, _: Option<Bytes>, _: Bytes) -> Result<()> {
        Err(Error::corrupt(format!("object {key}")))
    }
}

/// [`check`], with the faults in bundles and tiles told to `faults`.
///
/// # Errors
///
/// Corrupt at the first fault in the log; what `faults` says.
pub(crate) async fn compare(
    pages: &Pages,
    state: &State,
    progress: Progress<'_>,
    faults: &mut dyn TileFault,
) -> Result<CheckedTiles> {
    let (records, of) = (state.manifest.covered(), state.head.size);
    let checked = CheckedTiles { records, ..CheckedTiles::default() };
    let mut visitor =
        Comparison { storage: &**pages.storage(), tiling: Tiling::default(), checked, progress, of, faults };
    walk_all(pages, state, &mut visitor).await?;
    let partial = visitor.tiling.partial();
    visitor.compare(partial).await?;
    if *visitor.tiling.frontier() == state.manifest.frontier {
        Ok(visitor.checked)
    } else {
        Err(Error::corrupt("the index's Merkle frontier"))
    }
}

struct Comparison<'a> {
    storage: &'a dyn Storage,
    tiling: Tiling,
    checked: CheckedTiles,
    progress: Progress<'a>,
    of: u64,
    faults: &'a mut dyn TileFault,
}

#[async_trait]
impl Visitor for Comparison<'_> {
    async fn visit(&mut self, commit: &Commit) -> Result<()> {
        let mut pieces = Vec::new();
        for record in commit.leaves.iter().filter(|record| record.leaf.seq < self.checked.records) {
            self.tiling.push(record, &mut pieces);
        }
        self.compare(pieces).await?;
        (self.progress)(commit.end(), self.of);
        Ok(())
    }
}

impl Comparison<'_> {
    async fn compare(&mut self, pieces: Vec<Piece>) -> Result<()> {
        for piece in pieces {
            let key = object(&piece.place);
            let found = self.storage.read(&key, None).await?;
            if found.as_ref() != Some(&piece.bytes) {
                self.faults.differs(key, found, piece.bytes).await?;
            }
            match piece.place {
                Place::Bundle { .. } => self.checked.bundles += 1,
                Place::Tile(_) => self.checked.tiles += 1,
            }
        }
        Ok(())
    }
}

/// The object that holds a piece.
fn object(place: &Place) -> ObjectKey {
    match *place {
        Place::Bundle { number, .. } => layout::bundle(number),
        Place::Tile(TileId { level, number, width }) => layout::tile(level, number, width),
    }
}
