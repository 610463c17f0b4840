//! Loading the log's end: a few reads, whatever its length (FORMAT §5.3, §6.3).

use core::future::ready;
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, join},
};

use super::{
    authentic::{Trusted, authentic},
    commits::{following, required},
    lookup::Pages,
    state::{State, index_of, is_anchor},
};
use crate::{
    error::{Error, ErrorKind, Result},
    ids::VaultId,
    log::{
        Hash,
        commit::{Commit, Hashed},
        leaf::Kind,
    },
    storage::{Storage, layout},
    wire::Malformed,
};

/// Loads the newest state, which begins with what is trusted; `None` if the storage shows no log.
///
/// # Errors
///
/// Corrupt if anything on the way is not what a writer of this vault signed; rolled back or forked if
/// the log does not begin with what is trusted.
pub(crate) async fn load(trusted: &Trusted, pages: &Pages) -> Result<Option<State>> {
    let loaded = load_with(trusted, None, pages, |_, _| ready(()).boxed()).await?;
    Ok(loaded.map(|(state, ())| state))
}

/// Reads, by a state that is not yet known to be authentic.
pub(crate) type Meanwhile<T> = for<'a> fn(&'a State, &'a dyn Storage) -> BoxFuture<'a, T>;

/// [`load`], of a log that holds what is kept beside it, too, and what `meanwhile` makes of the state while it is shown
/// to be authentic.
///
/// # Errors
///
/// As [`load`], for either.
pub(crate) async fn load_with<T: Send>(
    trusted: &Trusted,
    kept: Option<&Trusted>,
    pages: &Pages,
    meanwhile: Meanwhile<T>,
) -> Result<Option<(State, T)>> {
    let mut tried = BTreeSet::new();
    loop {
        let Some((commit, state)) = newest(trusted, pages).await? else { return Ok(None) };
        let name = commit.name();
        let holds = tried.len() >= PATIENCE;
        // Every commit was looked at then, and no later end tells better.
        let last = holds && state.is_ok();
        match loaded((trusted, kept), pages, ((&commit, state), holds), meanwhile).await {
            // What this commit's state rests on may have been superseded, and deleted, while it was read: if the
            // log has gone on, its new end tells.
            Err(error)
                if error.kind() == ErrorKind::Corrupt
                    && !last
                    && tried.len() < TRIES
                    && tried.insert(name) => {}
            loaded => return loaded.map(Some),
        }
    }
}

/// The last commit, the newest that is listed or one that follows it, and the state that it ends.
async fn newest(trusted: &Trusted, pages: &Pages) -> Result<Option<(Commit, Result<State>)>> {
    let (storage, vault) = (&**pages.storage(), trusted.vault);
    let Some(newest) = storage.list(layout::LOG, None, 1).await?.into_iter().next() else { return Ok(None) };
    let mut commit = required(storage, vault, &newest).await?;
    for _ in 0..UNPROVEN {
        let state = unverified(trusted, pages, commit.clone());
        let (next, state) = join(following(storage, vault, &commit), state).await;
        match next? {
            Some(next) => commit = next,
            None => return Ok(Some((commit, state))),
        }
    }
    Err(Error::corrupt("the log's end"))
}

async fn loaded<T: Send>(
    (trusted, kept): (&Trusted, Option<&Trusted>),
    pages: &Pages,
    ((last, state), holds): ((&Commit, Result<State>), bool),
    meanwhile: Meanwhile<T>,
) -> Result<(State, T)> {
    let mut state = state?;
    let (log_key, made) =
        join(authentic((trusted, kept), pages, (&state, last), holds), meanwhile(&state, &**pages.storage()))
            .await;
    state.log_key = log_key?;
    Ok((state, made))
}

/// The state that the log ends in if `commit`, its last one, is authentic.
async fn unverified(trusted: &Trusted, pages: &Pages, commit: Commit) -> Result<State> {
    let storage = &**pages.storage();
    let anchor = anchor_of(&commit);
    let root = *commit.root();
    let mut tail = Tail::of(commit);
    let manifest = loop {
        let first = tail.first_seq()?;
        match tail.newest_index() {
            Some((covered, digest)) if first <= covered => break pages.manifest(covered, &digest).await?,
            None if first == 0 => break Arc::default(),
            // Nothing is authentic yet: what was never folded is no vault's log, and would have no end.
            _ if tail.records.len() > UNPROVEN => return Err(Error::corrupt("the log's tail")),
            _ => tail.extend(storage, trusted.vault).await?,
        }
    };
    let state = State::from_parts(trusted.vault, trusted.log_key, manifest, tail.records.into(), anchor);
    let state = state.map_err(|Malformed| Error::corrupt("the log's tail"))?;
    if state.frontier.root() == root { Ok(state) } else { Err(Error::corrupt("the log's Merkle root")) }
}

/// The first record of the newest anchor, as far as the newest commit tells.
fn anchor_of(commit: &Commit) -> u64 {
    let copied = commit.recent.first().filter(|_| !is_anchor(commit.first(), commit.end()));
    copied.map_or(commit.first(), |oldest| oldest.leaf.seq)
}

/// Records known so far, back from the head, each the one that the next one's `previous` names.
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
    fn newest_index(&self) -> Option<(u64, Hash)> {
        let record = self.records.iter().rev().find(|record| record.leaf.kind == Kind::Index)?;
        Some(index_of(&record.leaf))
    }

    /// Adds what the commit of the oldest known record copied, or else the commit before it.
    async fn extend(&mut self, storage: &dyn Storage, vault: VaultId) -> Result<()> {
        let oldest = self.records.front().ok_or_else(|| Error::corrupt("the log's tail"))?;
        let (seq, previous) = (oldest.leaf.seq, oldest.leaf.previous);
        let fault = || Error::corrupt(format!("the commit before record {seq}"));
        if oldest.leaf.position == 0 {
            let commit = required(storage, vault, &layout::commit(seq, &previous)).await?;
            if let Some(last) = commit.recent.last() {
                if last.hash != previous {
                    return Err(fault());
                }
                self.push(commit.recent);
                return Ok(());
            }
        }
        let name = layout::commit(seq, &previous);
        let older = storage.list(layout::LOG, Some(&name), 1).await?;
        let mut commit = required(storage, vault, older.first().ok_or_else(fault)?).await?;
        // A listing may lag: what it leaves out follows what it tells.
        let mut steps = 0..UNPROVEN;
        while commit.end() < seq {
            steps.next().ok_or_else(fault)?;
            commit = following(storage, vault, &commit).await?.ok_or_else(fault)?;
        }
        let before: Vec<Hashed> = commit.leaves.into_iter().filter(|record| record.leaf.seq < seq).collect();
        if before.last().is_none_or(|last| last.hash != previous) {
            return Err(fault());
        }
        self.push(before);
        self.push(commit.recent);
        Ok(())
    }

    /// Adds these before the others, without what else their commit holds.
    fn push(&mut self, records: Vec<Hashed>) {
        for record in records.into_iter().rev() {
            self.records.push_front(Hashed { encoded: Bytes::copy_from_slice(&record.encoded), ..record });
        }
    }
}

/// Records, and steps from one commit to the next, that nothing authentic has shown yet: some 512 and one commit's follow
/// the last fold (FORMAT §6.3).
const UNPROVEN: usize = 16 * 1024;
/// Ends of the log after which one is held on to, though others have gone on from it and its tiles are gone.
const PATIENCE: usize = 2;
/// Commits whose state is looked for, each because the one before it was gone.
const TRIES: usize = 64;
