//! Loading the log's end: a few reads, whatever its length (FORMAT §5.3, §6.3).

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use super::{
    lookup::Pages,
    state::{State, index_of, is_anchor},
};
use crate::{
    crypto::sign::VerifyingKey,
    error::{Error, Result},
    ids::VaultId,
    log::{
        commit::{COMMIT_CAP, Commit, Hashed},
        leaf::Kind,
    },
    storage::{ObjectKey, Storage, layout},
    wire::Malformed,
};

/// Loads the newest state; `None` if the storage shows no log at all.
///
/// # Errors
///
/// Corrupt if anything on the way is not what a writer of this vault signed.
pub(crate) async fn load(vault: VaultId, key: VerifyingKey, pages: &Pages) -> Result<Option<State>> {
    let storage = &**pages.storage();
    let Some(newest) = storage.list(layout::LOG, None, 1).await?.into_iter().next() else { return Ok(None) };
    let mut commit = required(storage, vault, &key, &newest).await?;
    while let Some(next) = following(storage, vault, &key, &commit).await? {
        commit = next;
    }
    let anchor = anchor_of(&commit);
    let root = *commit.root();
    let mut tail = Tail::of(commit);
    let manifest = loop {
        let first = tail.first_seq()?;
        match tail.newest_index() {
            Some((covered, digest)) if first <= covered => break pages.manifest(covered, &digest).await?,
            None if first == 0 => break Arc::default(),
            _ => tail.extend(storage, vault, &key).await?,
        }
    };
    let state = State::from_parts(vault, key, manifest, tail.records.into(), anchor);
    let state = state.map_err(|Malformed| Error::corrupt("the log's tail"))?;
    if state.frontier.root() == root { Ok(Some(state)) } else { Err(Error::corrupt("the log's Merkle root")) }
}

/// Reads the commit that follows the state `size`, `hash`, if there is one.
///
/// # Errors
///
/// Corrupt if what has that name is no commit of this vault.
pub(crate) async fn next_commit(
    storage: &dyn Storage,
    vault: VaultId,
    key: &VerifyingKey,
    size: u64,
    hash: &[u8; 32],
) -> Result<Option<Commit>> {
    let name = layout::commit(size, hash);
    match storage.read(&name, None).await? {
        Some(bytes) => verified(vault, key, &name, &bytes).map(Some),
        None => Ok(None),
    }
}

/// Parses a commit and checks its name and signature.
///
/// # Errors
///
/// Corrupt.
pub(crate) fn verified(
    vault: VaultId,
    key: &VerifyingKey,
    name: &ObjectKey,
    bytes: &Bytes,
) -> Result<Commit> {
    let commit = Commit::parse(vault, bytes).and_then(|commit| commit.verify(key).map(|()| commit));
    commit
        .ok()
        .filter(|commit| commit.name() == *name)
        .ok_or_else(|| Error::corrupt(format!("commit {name}")))
}

async fn required(
    storage: &dyn Storage,
    vault: VaultId,
    key: &VerifyingKey,
    name: &ObjectKey,
) -> Result<Commit> {
    let bytes = super::objects::get(storage, name, COMMIT_CAP).await?;
    verified(vault, key, name, &bytes)
}

async fn following(
    storage: &dyn Storage,
    vault: VaultId,
    key: &VerifyingKey,
    commit: &Commit,
) -> Result<Option<Commit>> {
    let Some(last) = commit.leaves.last() else { return Ok(None) };
    next_commit(storage, vault, key, last.leaf.seq.saturating_add(1), &last.hash).await
}

/// The first record of the newest anchor, as far as the newest commit tells.
fn anchor_of(commit: &Commit) -> u64 {
    let end = commit.leaves.last().map_or(0, |last| last.leaf.seq.saturating_add(1));
    let copied = commit.recent.first().filter(|_| !is_anchor(commit.first(), end));
    copied.map_or(commit.first(), |oldest| oldest.leaf.seq)
}

/// Records known so far, back from the head.
struct Tail {
    records: VecDeque<Hashed>,
}

impl Tail {
    fn of(commit: Commit) -> Self {
        Self { records: commit.recent.into_iter().chain(commit.leaves).collect() }
    }

    fn first_seq(&self) -> Result<u64> {
        let first = self.records.front().ok_or_else(|| Error::corrupt("the log's tail"))?;
        Ok(first.leaf.first_of_commit())
    }

    /// What the newest Index record covers, and its manifest.
    fn newest_index(&self) -> Option<(u64, [u8; 32])> {
        let record = self.records.iter().rev().find(|record| record.leaf.kind == Kind::Index)?;
        Some(index_of(&record.leaf))
    }

    /// Adds what the commit of the oldest known record copied, or else the commit before it.
    async fn extend(&mut self, storage: &dyn Storage, vault: VaultId, key: &VerifyingKey) -> Result<()> {
        let oldest = self.records.front().ok_or_else(|| Error::corrupt("the log's tail"))?;
        let (seq, previous) = (oldest.leaf.seq, oldest.leaf.previous);
        if oldest.leaf.position == 0 {
            let commit = required(storage, vault, key, &layout::commit(seq, &previous)).await?;
            if !commit.recent.is_empty() {
                commit.recent.into_iter().rev().for_each(|record| self.records.push_front(record));
                return Ok(());
            }
        }
        let name = layout::commit(seq, &previous);
        let older = storage.list(layout::LOG, Some(&name), 1).await?;
        let name = older.first().ok_or_else(|| Error::corrupt(format!("the commit before record {seq}")))?;
        let commit = required(storage, vault, key, name).await?;
        let joins = commit.leaves.iter().any(|record| record.hash == previous);
        if !joins {
            return Err(Error::corrupt(format!("the commit before record {seq}")));
        }
        let before = commit.leaves.into_iter().filter(|record| record.leaf.seq < seq);
        commit.recent.into_iter().chain(before).rev().for_each(|record| self.records.push_front(record));
        Ok(())
    }
}
