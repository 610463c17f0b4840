//! What follows from the log: index, bundles, tiles; and what of it is superseded.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;

use super::{CopyReport, destination::Destination};
use crate::{
    crypto::digest::sha256,
    error::{Error, Result},
    ledger::State,
    log::{
        Hash,
        leaf::leaf_hash,
        merkle::tree,
        page::Page,
        proof,
        tile::{FULL, TILE_WIDTH, Tile, TileId, complete, parse_bundle},
    },
    storage::{Listing, ObjectKey, layout},
};

/// Copies the newest index: pages by their hash, those of a table before the manifest.
pub(super) async fn index(
    destination: &Destination<'_>,
    state: &State,
    report: &mut CopyReport,
) -> Result<()> {
    let (reached, listed) = (reached(destination, state).await?, listed(destination).await?);
    for (key, hash) in reached.iter().filter(|(key, _)| !listed.contains(*key)) {
        destination.put(key, authentic(destination, key, hash).await?).await?;
        report.named += 1;
    }
    Ok(())
}

/// Every index object that the state's manifest reaches.
async fn reached(destination: &Destination<'_>, state: &State) -> Result<HashMap<ObjectKey, Hash>> {
    let manifest = &state.manifest;
    let mut reached = HashMap::new();
    if manifest.covered() == 0 {
        return Ok(reached);
    }
    reached.insert(layout::index(manifest.covered(), &manifest.digest()), manifest.digest());
    for table in manifest.tables.iter().filter(|table| table.rows > 0) {
        let mut open = vec![(table.root, table.height)];
        while let Some((hash, height)) = open.pop() {
            let key = layout::index(table.written, &hash);
            if let Some(below) = height.checked_sub(1) {
                let bytes = authentic(destination, &key, &hash).await?;
                let page = Page::parse(&bytes).map_err(|_| Error::corrupt(format!("object {key}")))?;
                if let Page::Inner { children, .. } = page {
                    open.extend(children.iter().map(|(_, child)| (*child, below)));
                }
            }
            reached.insert(key, hash);
        }
    }
    Ok(reached)
}

async fn authentic(destination: &Destination<'_>, key: &ObjectKey, hash: &Hash) -> Result<Bytes> {
    let found = destination.vault.ledger().storage().read(key, None).await?;
    found.filter(|bytes| sha256(&[bytes]) == *hash).ok_or_else(|| Error::corrupt(format!("object {key}")))
}

async fn listed(destination: &Destination<'_>) -> Result<BTreeSet<ObjectKey>> {
    let (mut all, mut listing) = (BTreeSet::new(), Listing::new(destination.storage, layout::INDEX));
    while let Some(keys) = listing.next().await? {
        all.extend(keys);
    }
    Ok(all)
}

/// Copies the bundles and tiles of the records from `from` on, each once it is shown to be under the frontier
/// that the log commits to. What is missing or false is left out: a log is whole without.
pub(super) async fn tiles(
    destination: &Destination<'_>,
    state: &State,
    from: u64,
    report: &mut CopyReport,
) -> Result<()> {
    let covered = state.manifest.covered();
    // The fold before may have been this much behind.
    let from = from.saturating_sub(LAG);
    let mut tiles = Tiles { destination, state, known: HashMap::new() };
    for level in (0u8..).take_while(|level| complete(covered, *level) > 0) {
        let numbers = complete(from, level) / TILE_WIDTH..complete(covered, level).div_ceil(TILE_WIDTH);
        for number in numbers {
            let Some(hashes) = tiles.hashes(level, number).await? else {
                report.tiles_left_out += 1;
                continue;
            };
            let width = u16::try_from(hashes.len()).unwrap_or(FULL);
            let key = layout::tile(level, number, width);
            put_tile(destination, key, Tile::new(hashes.clone()).encode(), report).await?;
            if level == 0 {
                match tiles.bundle(number, &hashes).await? {
                    Some(bytes) => put_tile(destination, layout::bundle(number), bytes, report).await?,
                    None => report.tiles_left_out += 1,
                }
            }
        }
    }
    Ok(())
}

async fn put_tile(
    destination: &Destination<'_>,
    key: ObjectKey,
    bytes: Bytes,
    report: &mut CopyReport,
) -> Result<()> {
    if !destination.has(&key).await? {
        destination.put(&key, bytes).await?;
        report.tiles += 1;
    }
    Ok(())
}

/// Tiles of the source, shown from the frontier down; those above the lowest level are remembered.
struct Tiles<'a> {
    destination: &'a Destination<'a>,
    state: &'a State,
    known: HashMap<(u8, u64), Option<Vec<Hash>>>,
}

impl Tiles<'_> {
    /// The hashes of a tile, or none if it is missing or false.
    async fn hashes(&mut self, level: u8, number: u64) -> Result<Option<Vec<Hash>>> {
        if let Some(known) = self.known.get(&(level, number)) {
            return Ok(known.clone());
        }
        let covered = self.state.manifest.covered();
        let held = complete(covered, level).saturating_sub(number.saturating_mul(TILE_WIDTH)).min(TILE_WIDTH);
        let width = u16::try_from(held).unwrap_or(FULL);
        let key = layout::tile(level, number, width);
        let found = self.destination.vault.ledger().storage().read(&key, None).await?;
        let tile = found.and_then(|bytes| Tile::parse(&bytes, width).ok());
        let sound = match tile {
            Some(tile) if width == FULL => {
                let above = Box::pin(self.hashes(level.saturating_add(1), number / TILE_WIDTH)).await?;
                let at = usize::try_from(number % TILE_WIDTH).unwrap_or(usize::MAX);
                let expected = above.as_ref().and_then(|above| above.get(at));
                (expected == Some(&tree(tile.hashes()))).then_some(tile)
            }
            Some(tile) => self.under_frontier(level, number, &tile).then_some(tile),
            None => None,
        };
        let hashes = sound.map(|tile| tile.hashes().to_vec());
        if level > 0 {
            self.known.insert((level, number), hashes.clone());
        }
        Ok(hashes)
    }

    /// Whether the perfect subtrees of a partial tile are those of the frontier.
    fn under_frontier(&self, level: u8, number: u64, tile: &Tile) -> bool {
        let frontier = &self.state.manifest.frontier;
        let shift = u32::from(level) * 8;
        let width = u64::try_from(tile.hashes().len()).unwrap_or(0);
        let mut roots = proof::perfect(0..frontier.size()).into_iter().zip(frontier.roots());
        proof::perfect(0..width).into_iter().all(|(start, height)| {
            let first = (number.saturating_mul(TILE_WIDTH).saturating_add(start)) << shift;
            let expected = roots.find(|((at, of), _)| (*at, *of) == (first, height.saturating_add(shift)));
            let from = usize::try_from(start).unwrap_or(usize::MAX);
            let to = from.saturating_add(1usize << height);
            expected.map(|(_, root)| *root) == tile.root_of(from..to)
        })
    }

    /// A bundle whose leaves have these hashes.
    async fn bundle(&self, number: u64, hashes: &[Hash]) -> Result<Option<Bytes>> {
        let found = self.destination.vault.ledger().storage().read(&layout::bundle(number), None).await?;
        Ok(found.filter(|bytes| {
            parse_bundle(bytes)
                .is_ok_and(|leaves| leaves.iter().map(|leaf| leaf_hash(leaf)).eq(hashes.iter().copied()))
        }))
    }
}

/// Deletes index objects and partial tiles of the destination that the newest fold supersedes.
pub(super) async fn sweep(
    destination: &Destination<'_>,
    state: &State,
    report: &mut CopyReport,
) -> Result<()> {
    let (reached, covered) = (reached(destination, state).await?, state.manifest.covered());
    let superseded = |key: &ObjectKey| {
        !reached.contains_key(key) && layout::fold_of_index(key).is_some_and(|fold| fold <= covered)
    };
    destination.delete(layout::INDEX, superseded, report).await?;
    let partial = |key: &ObjectKey| {
        layout::tile_of(key).map(TileId::named).is_some_and(|tile| tile.is_superseded(covered))
    };
    for level in (1u8..).take_while(|level| complete(covered, *level) > 0) {
        destination.delete(&layout::tiles_of(level), partial, report).await?;
    }
    Ok(())
}

/// Records that a fold may be behind the log.
const LAG: u64 = 1024;
