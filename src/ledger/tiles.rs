//! Hash tiles: written by folds, read for proofs (FORMAT §6.4).

use core::ops::Range;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, try_join, try_join_all};

use super::{objects, state::State};
use crate::{
    env::Sleeper,
    error::{Error, ErrorKind, Result},
    log::{
        Hash,
        commit::Hashed,
        leaf::{Leaf, leaf_hash},
        merkle::{Frontier, fold, tree},
        proof::{self, ProofError},
        tile::{self, BUNDLE_LEN, FULL, TILE_LEN, TILE_WIDTH, Tile, TileId, complete},
    },
    storage::{ObjectKey, Storage, layout},
    wire::Malformed,
};

/// Hashes of the log's tree: of the tail from memory, of what is folded from tiles.
///
/// Tiles are not named by their hash, so what is computed here is authentic only once it leads to a
/// root that the log signed: every public function sees to that, or leaves it to its caller, and
/// says so.
pub(crate) struct Tree<'a> {
    state: &'a State,
    storage: &'a dyn Storage,
    read: Mutex<HashMap<TileId, Tile>>,
}

impl<'a> Tree<'a> {
    pub(crate) fn new(state: &'a State, storage: &'a dyn Storage) -> Self {
        Self { state, storage, read: Mutex::default() }
    }

    pub(super) fn state(&self) -> &'a State {
        self.state
    }

    /// The proof that record `index` is in the tree of the first `size` records, checked against
    /// `root` and `leaf`.
    ///
    /// # Errors
    ///
    /// Corrupt if the tiles do not show it.
    pub(crate) async fn inclusion(
        &self,
        leaf: &Hash,
        index: u64,
        size: u64,
        root: &Hash,
    ) -> Result<Vec<Hash>> {
        let proof = self.hashes(&proof::inclusion_ranges(index, size)).await?;
        proof::verify_inclusion(leaf, index, size, &proof, root).map_err(corrupt)?;
        Ok(proof)
    }

    /// The proof that the tree of the first `old` records is a prefix of this state's. It is sound;
    /// whether it leads to a root of that size which somebody holds is for the caller to see.
    ///
    /// # Errors
    ///
    /// Corrupt if the tiles do not lead to this state's root.
    pub(crate) async fn consistency(&self, old: u64) -> Result<(Hash, Vec<Hash>)> {
        let (new, new_root) = (self.state.head.size, self.state.frontier.root());
        self.fetch(&self.prefix_ranges(old)).await?;
        let proof = self.hashes(&proof::consistency_ranges(old, new)).await?;
        let old_root = if old == new { new_root } else { self.hash(0..old)? };
        proof::verify_consistency(old, &old_root, new, &new_root, &proof).map_err(corrupt)?;
        Ok((old_root, proof))
    }

    /// The frontier of the first `size` records, as tiles and tail have it: whether its root is one that somebody holds is
    /// for the caller to see.
    ///
    /// # Errors
    ///
    /// Corrupt if a tile is missing or none; the storage's.
    pub(crate) async fn frontier(&self, size: u64) -> Result<Frontier> {
        let manifest = &self.state.manifest;
        if size >= manifest.covered() {
            let tail =
                (manifest.covered()..size).map(|seq| self.state.leaf_hash(seq).ok_or_else(|| missing(seq)));
            return Ok(manifest.frontier.followed_by(tail.collect::<Result<Vec<_>>>()?));
        }
        let range = 0..size;
        self.fetch(core::slice::from_ref(&range)).await?;
        let roots = proof::perfect(range).into_iter().map(|subtree| self.subtree(subtree));
        Frontier::from_roots(size, roots.collect::<Result<_>>()?).ok_or_else(|| missing(size))
    }

    /// Reads, all at once, what [`Tree::consistency`] needs for each of these sizes.
    ///
    /// # Errors
    ///
    /// Corrupt if a tile is missing or none; the storage's.
    pub(crate) async fn fetch_prefixes(&self, sizes: &[u64]) -> Result<()> {
        self.fetch(&sizes.iter().flat_map(|old| self.prefix_ranges(*old)).collect::<Vec<_>>()).await
    }

    /// The ranges by which a tree of `old` records is shown to be a prefix, and its own.
    fn prefix_ranges(&self, old: u64) -> Vec<Range<u64>> {
        let new = self.state.head.size;
        let mut ranges = proof::consistency_ranges(old, new);
        if old != new {
            ranges.push(0..old);
        }
        ranges
    }

    /// The proof that the tree of the first `new` records begins with that of the first `old`.
    ///
    /// # Errors
    ///
    /// Corrupt if the tiles do not show it.
    pub(crate) async fn extension(&self, old: u64, new: u64) -> Result<Vec<Hash>> {
        let ranges = proof::consistency_ranges(old, new);
        let prefixes = [old, new].into_iter().flat_map(|size| self.prefix_ranges(size));
        self.fetch(&prefixes.chain(ranges.iter().cloned()).collect::<Vec<_>>()).await?;
        let (old_root, _) = self.consistency(old).await?;
        let (new_root, _) = self.consistency(new).await?;
        let proof = self.hashes(&ranges).await?;
        proof::verify_consistency(old, &old_root, new, &new_root, &proof).map_err(corrupt)?;
        Ok(proof)
    }

    /// A record's leaf: from the tail, or from its bundle, proven to be in this state's tree.
    ///
    /// # Errors
    ///
    /// Not found beyond the head; corrupt.
    pub(crate) async fn leaf(&self, seq: u64) -> Result<Hashed> {
        if seq >= self.state.head.size {
            return Err(Error::not_found(format!("record {seq}")));
        }
        if let Some(record) = self.state.tail_record(seq) {
            return Ok(record.clone());
        }
        let ranges = proof::inclusion_ranges(seq, self.state.head.size);
        let (leaves, ()) = try_join(self.bundle(seq / TILE_WIDTH), self.fetch(&ranges)).await?;
        let missing = || Error::corrupt(format!("record {seq}"));
        let at = usize::try_from(seq % TILE_WIDTH).map_err(|_| missing())?;
        let encoded = leaves.get(at).cloned().ok_or_else(missing)?;
        let leaf = Leaf::parse(&encoded).map_err(|Malformed| missing())?;
        let record = Hashed { hash: leaf_hash(&encoded), leaf, encoded };
        let root = self.state.frontier.root();
        self.inclusion(&record.hash, seq, self.state.head.size, &root).await?;
        Ok(record)
    }

    /// A full bundle's encoded leaves, as stored.
    pub(crate) async fn bundle(&self, number: u64) -> Result<Vec<Bytes>> {
        let key = layout::bundle(number);
        let bytes = objects::get(self.storage, &key, BUNDLE_LEN).await?;
        tile::parse_bundle(&bytes).map_err(|Malformed| Error::corrupt(format!("object {key}")))
    }

    async fn hashes(&self, ranges: &[Range<u64>]) -> Result<Vec<Hash>> {
        self.fetch(ranges).await?;
        ranges.iter().map(|range| self.hash(range.clone())).collect()
    }

    /// Reads the tiles that the hashes of `ranges` are made of, those that were not read before.
    fn fetch<'b>(&'b self, ranges: &'b [Range<u64>]) -> BoxFuture<'b, Result<()>> {
        Box::pin(self.fetch_now(ranges))
    }

    async fn fetch_now(&self, ranges: &[Range<u64>]) -> Result<()> {
        let subtrees = ranges.iter().flat_map(|range| proof::perfect(range.clone()));
        let folded = subtrees.flat_map(|subtree| self.folded(subtree));
        let wanted = folded.map(|(start, height)| self.place(start, height).map(|(id, _)| id));
        let mut wanted = wanted.collect::<Result<BTreeSet<_>>>()?;
        wanted.retain(|id| self.known(*id).is_none());
        let read = wanted
            .into_iter()
            .map(|id| async move { Ok::<_, Error>((id, read_tile(self.storage, id).await?)) });
        let read = try_join_all(read).await?;
        self.read.lock().unwrap_or_else(PoisonError::into_inner).extend(read);
        Ok(())
    }

    /// The perfect subtrees, below one, that tiles have: itself, or what of it a fold has covered.
    fn folded(&self, (start, height): (u64, u32)) -> Vec<(u64, u32)> {
        let end = 1u64.checked_shl(height).map_or(u64::MAX, |len| start.saturating_add(len));
        proof::perfect(start..end.min(self.state.manifest.covered()).max(start))
    }

    /// The tile that has a subtree's root, and the hashes in it that make it.
    fn place(&self, start: u64, height: u32) -> Result<(TileId, Range<usize>)> {
        let place = TileId::of(start, height, self.state.manifest.covered());
        place.ok_or_else(|| missing(start))
    }

    /// The hash of a range of leaves: what is folded from tiles that were fetched, the rest from the tail.
    fn hash(&self, range: Range<u64>) -> Result<Hash> {
        let roots = proof::perfect(range).into_iter().map(|subtree| self.subtree(subtree));
        Ok(fold(&roots.collect::<Result<Vec<_>>>()?))
    }

    /// A subtree that reaches over the fold is made of what lies on both sides.
    fn subtree(&self, (start, height): (u64, u32)) -> Result<Hash> {
        let end = 1u64.checked_shl(height).and_then(|len| start.checked_add(len));
        let end = end.ok_or_else(|| missing(start))?;
        let mut frontier = Vec::with_capacity(64);
        for (start, height) in self.folded((start, height)) {
            let (id, span) = self.place(start, height)?;
            let tile = self.known(id).ok_or_else(|| missing(start))?;
            frontier.push((1u64 << height, tile.root_of(span).ok_or_else(|| missing(start))?));
        }
        for seq in self.state.manifest.covered().max(start)..end {
            push(&mut frontier, self.state.leaf_hash(seq).ok_or_else(|| missing(seq))?);
        }
        Ok(fold(&frontier.into_iter().map(|(_, hash)| hash).collect::<Vec<_>>()))
    }

    fn known(&self, id: TileId) -> Option<Tile> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
}

fn missing(start: u64) -> Error {
    Error::corrupt(format!("the tree above record {start}"))
}

/// Adds a leaf to perfect subtrees, which begin at a multiple of the whole's size.
fn push(subtrees: &mut Vec<(u64, Hash)>, leaf: Hash) {
    let mut last = (1, leaf);
    while let Some((len, left)) = subtrees.pop_if(|(len, _)| *len == last.0) {
        last = (len * 2, crate::log::merkle::node(&left, &last.1));
    }
    subtrees.push(last);
}

fn tile_key(id: TileId) -> ObjectKey {
    layout::tile(id.level, id.number, id.width)
}

async fn read_tile(storage: &dyn Storage, id: TileId) -> Result<Tile> {
    let key = tile_key(id);
    let bytes = objects::get(storage, &key, TILE_LEN).await?;
    Tile::parse(&bytes, id.width).map_err(|Malformed| Error::corrupt(format!("object {key}")))
}

fn corrupt(cause: ProofError) -> Error {
    Error::corrupt("a hash tile").caused(cause)
}

/// Writes the bundles and tiles of what a fold up to `frontier`'s size covers and the one before it
/// did not.
///
/// # Errors
///
/// Corrupt if the partial tiles of the fold before do not lead to the frontier; the storage's.
pub(super) async fn write(
    state: &State,
    frontier: &Frontier,
    storage: &dyn Storage,
    sleeper: &dyn Sleeper,
) -> Result<()> {
    let (from, to) = (state.manifest.covered(), frontier.size());
    let fresh: Vec<&Hashed> = state.foldable().map(|kept| &kept.record).collect();
    let bundles = fresh.chunks(usize::from(FULL)).zip(from / TILE_WIDTH..);
    let bundles = bundles.map(|(records, number)| {
        (layout::bundle(number), tile::bundle(records.iter().map(|record| &record.encoded)))
    });
    let mut objects: Vec<_> = bundles.collect();
    let mut hashes: Vec<Hash> = fresh.iter().map(|record| record.hash).collect();
    let mut roots = Vec::new();
    for level in 0u8.. {
        let (before, after) = (complete(from, level), complete(to, level));
        if after == 0 {
            break;
        }
        let (tiles, above) = level_tiles(storage, level, before, hashes).await?;
        let width = usize::try_from(after % TILE_WIDTH).unwrap_or(0);
        let partial = tiles.last().filter(|_| width > 0).map(|(_, tile)| tile.hashes().to_vec());
        roots.push(partial.unwrap_or_default());
        // An unchanged tile was written by the fold before, and was read for the check alone.
        let tiles = tiles.into_iter().filter(|_| before < after);
        objects.extend(tiles.map(|(id, tile)| (tile_key(id), tile.encode())));
        hashes = above;
    }
    check(&roots, frontier)?;
    try_join_all(objects.into_iter().map(|(key, bytes)| put(storage, sleeper, key, bytes))).await.map(drop)
}

/// Stores a tile. Its name says what it must hold, so that another writer's is as good; one of another
/// history, which a restored backup may leave behind, is found out by whoever reads it.
async fn put(storage: &dyn Storage, sleeper: &dyn Sleeper, key: ObjectKey, bytes: Bytes) -> Result<()> {
    match objects::put(storage, sleeper, &key, bytes).await {
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(()),
        done => done,
    }
}

/// The tiles of one level that hold the subtrees from `before` on, of which `hashes` are the hashes, and
/// the hashes of the full ones for the level above.
async fn level_tiles(
    storage: &dyn Storage,
    level: u8,
    before: u64,
    hashes: Vec<Hash>,
) -> Result<(Vec<(TileId, Tile)>, Vec<Hash>)> {
    let number = before / TILE_WIDTH;
    let width = u16::try_from(before % TILE_WIDTH).unwrap_or(0);
    let mut all = match width {
        0 => Vec::new(),
        width => read_tile(storage, TileId { level, number, width }).await?.hashes().to_vec(),
    };
    all.extend(hashes);
    let mut tiles = Vec::new();
    let mut above = Vec::new();
    for (hashes, number) in all.chunks(usize::from(FULL)).zip(number..) {
        let id = TileId { level, number, width: u16::try_from(hashes.len()).unwrap_or(FULL) };
        if id.width == FULL {
            above.push(tree(hashes));
        }
        tiles.push((id, Tile::new(hashes.to_vec())));
    }
    Ok((tiles, above))
}

/// Whether the partial tiles of each level, by which the tree is closed to the right, lead to the
/// frontier: old tiles are then what the log says.
fn check(partials: &[Vec<Hash>], frontier: &Frontier) -> Result<()> {
    let mut expected = frontier.roots().iter().rev();
    for hashes in partials {
        let width = u64::try_from(hashes.len()).unwrap_or(0);
        for (start, height) in proof::perfect(0..width).into_iter().rev() {
            let start = usize::try_from(start).unwrap_or(0);
            let root = hashes.get(start..start + (1usize << height)).map(tree);
            if root.as_ref() != expected.next() {
                return Err(Error::corrupt("a hash tile"));
            }
        }
    }
    if expected.next().is_none() { Ok(()) } else { Err(Error::corrupt("a hash tile")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_tiles_lead_to_the_whole_frontier_and_no_other() {
        let hashes = [[1; 32], [2; 32], [3; 32]];
        let frontier = Frontier::default().followed_by(hashes);
        assert!(check(&[hashes.to_vec()], &frontier).is_ok());
        for partials in [vec![], vec![vec![]], vec![hashes[..1].to_vec()], vec![hashes[..2].to_vec()]] {
            let refused = check(&partials, &frontier).expect_err("too few");
            assert_eq!(refused.kind(), ErrorKind::Corrupt, "{partials:?}");
        }
        // The last tree alone: what it leaves out is to the left.
        let refused = check(&[vec![hashes[2]]], &frontier).expect_err("too few");
        assert_eq!(refused.kind(), ErrorKind::Corrupt);
    }
}
