//! What follows from the log: index, bundles, tiles; and what of it is superseded.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

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
        tile::{self, FULL, TILE_WIDTH, Tile, TileId, complete, parse_bundle},
    },
    storage::{Listing, ObjectKey, layout},
};

/// Copies the newest index: pages by their hash, those of a table before the manifest.
pub(super) async fn index(
    destination: &Destination<'_>,
    reached: &Reached,
    report: &mut CopyReport,
) -> Result<()> {
    let wanted = |key: &ObjectKey| reached.contains_key(key);
    let count = u64::try_from(reached.len()).unwrap_or(u64::MAX);
    let listed = listed(destination, (layout::INDEX, count), wanted).await?;
    let lacking = reached.iter().filter(|(key, _)| !listed.contains(*key));
    let copies: Vec<_> = lacking.map(|(key, hash)| copy_page(destination, key, hash)).collect();
    let mut copies = stream::iter(copies).buffered(AT_ONCE);
    while copies.try_next().await?.is_some() {
        report.named += 1;
    }
    Ok(())
}

async fn copy_page(destination: &Destination<'_>, key: &ObjectKey, hash: &Hash) -> Result<()> {
    destination.put(key, authentic(destination, key, hash).await?).await
}

/// Pages of the index copied at once.
const AT_ONCE: usize = 32;

/// Index objects by their names, with their hashes.
pub(super) type Reached = HashMap<ObjectKey, Hash>;

/// Every index object that the state's manifest reaches.
pub(super) async fn reached(destination: &Destination<'_>, state: &State) -> Result<Reached> {
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

/// Those of `count` wanted names that the destination shows under `prefix`. Of what else it may show there is no end, so it
/// is asked for as many pages as twice these would fill, and some: what it has and was not seen is found when it is put.
async fn listed(
    destination: &Destination<'_>,
    (prefix, count): (&str, u64),
    wanted: impl Fn(&ObjectKey) -> bool,
) -> Result<BTreeSet<ObjectKey>> {
    let (mut found, mut listing) = (BTreeSet::new(), Listing::new(destination.storage, prefix));
    for _ in 0..count / HALF_A_PAGE + PAGES {
        let Some(keys) = listing.next().await? else { break };
        found.extend(keys.into_iter().filter(&wanted));
    }
    Ok(found)
}

/// Copies the bundles and tiles that the destination does not have, each once it is shown to be under the frontier
/// that the log commits to. What is missing or false is left out: a log is whole without.
pub(super) async fn tiles(
    destination: &Destination<'_>,
    state: &State,
    report: &mut CopyReport,
) -> Result<()> {
    let covered = state.manifest.covered();
    let mut tiles = Tiles { destination, state, known: HashMap::new() };
    let bundles = bundles_of(destination, covered).await?;
    for level in (0u8..).take_while(|level| complete(covered, *level) > 0) {
        let had = tiles_of(destination, covered, level).await?;
        for number in 0..tiles_on(covered, level) {
            let width = tile::width(covered, level, number);
            let (tile, bundle) = (layout::tile(level, number, width), layout::bundle(number));
            let lacks_tile = !had.contains(&tile);
            let lacks_bundle = level == 0 && !bundles.contains(&bundle);
            if !lacks_tile && !lacks_bundle {
                continue;
            }
            let hashes = tiles.hashes(level, number).await?;
            if lacks_bundle {
                let leaves = match &hashes {
                    Some(hashes) => tiles.bundle(number, hashes).await?,
                    None => None,
                };
                put_tile(destination, bundle, leaves, report).await?;
            }
            if lacks_tile {
                put_tile(destination, tile, hashes.map(|hashes| Tile::new(hashes).encode()), report).await?;
            }
        }
    }
    Ok(())
}

/// Tiles of a level, a partial one included.
fn tiles_on(covered: u64, level: u8) -> u64 {
    complete(covered, level).div_ceil(TILE_WIDTH)
}

/// The bundles that the destination shows.
async fn bundles_of(destination: &Destination<'_>, covered: u64) -> Result<BTreeSet<ObjectKey>> {
    let count = tiles_on(covered, 0);
    let wanted = |key: &ObjectKey| {
        layout::bundle_of(key).is_some_and(|number| number < count && layout::bundle(number) == *key)
    };
    listed(destination, (layout::BUNDLES, count), wanted).await
}

/// The tiles of a level that the destination shows, each as wide as the log has it.
async fn tiles_of(destination: &Destination<'_>, covered: u64, level: u8) -> Result<BTreeSet<ObjectKey>> {
    let count = tiles_on(covered, level);
    let wanted = |key: &ObjectKey| {
        let number = layout::tile_of(key).map(|(_, number, _)| number).filter(|number| *number < count);
        number.is_some_and(|number| layout::tile(level, number, tile::width(covered, level, number)) == *key)
    };
    listed(destination, (&layout::tiles_of(level), count), wanted).await
}

async fn put_tile(
    destination: &Destination<'_>,
    key: ObjectKey,
    bytes: Option<Bytes>,
    report: &mut CopyReport,
) -> Result<()> {
    match bytes {
        Some(bytes) => {
            destination.put(&key, bytes).await?;
            report.tiles += 1;
        }
        None => report.tiles_left_out += 1,
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
        let width = tile::width(self.state.manifest.covered(), level, number);
        let sound = match self.read(level, number, width).await? {
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

    /// A tile as the source has it, or its first hashes from a wider one: a fold that came meanwhile may have superseded
    /// it, and another one that.
    async fn read(&self, level: u8, number: u64, width: u16) -> Result<Option<Tile>> {
        let ledger = self.destination.vault.ledger();
        let mut shown = width;
        loop {
            let key = layout::tile(level, number, shown);
            if let Some(bytes) = ledger.storage().read(&key, None).await? {
                let tile = Tile::parse(&bytes, shown).ok();
                let first = tile.as_ref().and_then(|tile| tile.hashes().get(..usize::from(width)));
                return Ok(first.map(|first| Tile::new(first.to_vec())));
            }
            let now = tile::width(ledger.sync().await?.manifest.covered(), level, number);
            if now <= shown {
                return Ok(None);
            }
            shown = now;
        }
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
    (state, reached): (&State, &Reached),
    report: &mut CopyReport,
) -> Result<()> {
    let covered = state.manifest.covered();
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

/// Half of the names on a page of a listing.
const HALF_A_PAGE: u64 = 500;
/// Pages for superseded names beside those that are wanted: the widths of partial tiles, an older index.
const PAGES: u64 = 16;
