//! Walking the log forward, every commit checked, in constant memory.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture, stream};

use super::{
    commits::{self, parsed},
    state::Head,
};
use crate::{
    env::Timestamp,
    error::{Error, ErrorKind, Result},
    ids::VaultId,
    log::{
        commit::{COMMIT_CAP, Commit},
        merkle::Frontier,
        signing::LogKey,
    },
    storage::{ObjectKey, Storage, layout},
    wire::Malformed,
};

/// How far a walk came: every record before the head is checked.
#[derive(Debug, Clone)]
pub(crate) struct Verified {
    pub(crate) head: Head,
    /// Signs what follows.
    pub(crate) log_key: LogKey,
    /// Of the whole tree, if what the walk began from had its tree.
    pub(crate) frontier: Option<Frontier>,
}

impl Verified {
    /// The start of the log.
    pub(crate) fn genesis(log_key: LogKey) -> Self {
        let head = Head { size: 0, hash: [0; 32], time: Timestamp::default() };
        Self { head, log_key, frontier: Some(Frontier::default()) }
    }

    /// Goes on to the head after `commit`, if it follows.
    fn follow(&mut self, commit: &Commit) -> Result<()> {
        let fault = || Error::corrupt(format!("commit {}", commit.name()));
        let (first, last) = commit.leaves.first().zip(commit.leaves.last()).ok_or_else(fault)?;
        let (size, hash) = (self.head.size, self.head.hash);
        if commit.first() != size || *commit.previous() != hash || first.leaf.time < self.head.time {
            return Err(fault());
        }
        if let Some(frontier) = &mut self.frontier {
            commit.leaves.iter().for_each(|record| frontier.push(record.hash));
            if frontier.root() != *commit.root() {
                return Err(fault());
            }
        }
        self.head = Head::after(last);
        self.log_key = self.log_key.after(&last.leaf);
        Ok(())
    }

    /// A head that is trusted already.
    pub(crate) fn trusted(size: u64, hash: [u8; 32], log_key: LogKey) -> Self {
        Self { head: Head { size, hash, time: Timestamp::default() }, log_key, frontier: None }
    }
}

/// Sees each commit of a walk, in order.
#[async_trait]
pub(crate) trait Visitor: Send {
    async fn visit(&mut self, commit: &Commit) -> Result<()>;
}

#[async_trait]
impl<F: FnMut(&Commit) -> Result<()> + Send> Visitor for F {
    async fn visit(&mut self, commit: &Commit) -> Result<()> {
        self(commit)
    }
}

/// Which signatures a walk checks. The chain binds every commit of a signing epoch to the epoch's last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signatures {
    /// Each commit's, before it is shown to the visitor.
    Each,
    /// The last of each epoch and of the walk. Until it ends, nothing that the visitor has seen is authentic.
    EndsOfEpochs,
}

/// Checks every commit from `from` up to the head `to`: name, contiguity, chain, times, signing epoch,
/// signatures, and, where `from` has its tree, the Merkle root that each commit claims.
///
/// # Errors
///
/// Corrupt at the first fault, naming the commit; also if the walk does not arrive at `to`.
pub(crate) fn walk<'a>(
    storage: &'a dyn Storage,
    vault: VaultId,
    from: Verified,
    to: Head,
    signatures: Signatures,
    visitor: &'a mut dyn Visitor,
) -> BoxFuture<'a, Result<Verified>> {
    Box::pin(walk_and_tell(storage, vault, from, to, signatures, visitor))
}

/// Walks, and again if it comes upon a fault, to name the commit that is the first at fault.
async fn walk_and_tell(
    storage: &dyn Storage,
    vault: VaultId,
    from: Verified,
    to: Head,
    signatures: Signatures,
    visitor: &mut dyn Visitor,
) -> Result<Verified> {
    let found = walk_once(storage, vault, from.clone(), to, signatures, visitor).await;
    match found {
        Err(fault) if fault.kind() == ErrorKind::Corrupt && signatures == Signatures::EndsOfEpochs => {
            // Where the chain broke is behind the commit that is at fault: its signature tells.
            let first = walk_once(storage, vault, from, to, Signatures::Each, &mut |_: &_| Ok(())).await;
            Err(first.err().unwrap_or(fault))
        }
        found => found,
    }
}

async fn walk_once(
    storage: &dyn Storage,
    vault: VaultId,
    from: Verified,
    to: Head,
    signatures: Signatures,
    visitor: &mut dyn Visitor,
) -> Result<Verified> {
    let mut walk = Walk { storage, vault, at: from, to, signatures, visitor };
    for window in windows(storage, walk.at.head.size, to.size).await? {
        let from = walk.at.head.size;
        let wanted = |name: &ObjectKey| {
            layout::first_of_commit(name).is_some_and(|first| (from..to.size).contains(&first))
        };
        let names: Vec<_> = page_of(storage, &window).await?.into_iter().rev().filter(wanted).collect();
        let reads = names.into_iter().map(|name| read(storage, name));
        let mut reads = stream::iter(reads).buffered(AHEAD);
        while let Some(found) = reads.next().await {
            let (name, bytes) = found?;
            let commit = parsed(vault, &name, &bytes)?;
            walk.by_name(commit.first()).await?;
            walk.take(&commit).await?;
        }
    }
    walk.by_name(to.size).await?;
    let arrived = (walk.at.head.size, walk.at.head.hash) == (to.size, to.hash);
    if arrived { Ok(walk.at) } else { Err(missing(walk.at.head.size)) }
}

struct Walk<'a> {
    storage: &'a dyn Storage,
    vault: VaultId,
    at: Verified,
    to: Head,
    signatures: Signatures,
    visitor: &'a mut dyn Visitor,
}

impl Walk<'_> {
    /// Goes on to record `until` without a listing, which may lag: by the one name that can follow.
    async fn by_name(&mut self, until: u64) -> Result<()> {
        while self.at.head.size < until {
            let found = commits::next(self.storage, self.vault, &self.at.head).await?;
            let commit = found.ok_or_else(|| missing(self.at.head.size))?;
            self.take(&commit).await?;
        }
        Ok(())
    }

    async fn take(&mut self, commit: &Commit) -> Result<()> {
        let signer = self.at.log_key;
        self.at.follow(commit)?;
        let ends = self.at.head.size == self.to.size || self.at.log_key.epoch != signer.epoch;
        let checked = if ends || self.signatures == Signatures::Each {
            commit.verify(&signer)
        } else {
            commit.check_epoch(signer.epoch)
        };
        checked.map_err(|Malformed| Error::corrupt(format!("commit {}", commit.name())))?;
        self.visitor.visit(commit).await
    }
}

fn missing(after: u64) -> Error {
    Error::corrupt(format!("the commit after record {after}"))
}

async fn read(storage: &dyn Storage, name: ObjectKey) -> Result<(ObjectKey, Bytes)> {
    let bytes = super::get(storage, &name, COMMIT_CAP).await?;
    Ok((name, bytes))
}

/// A page of the log's listing: the key after which it begins.
type Window = ObjectKey;

/// The pages of the listing that reach back to `from`, oldest first. Newest commits are listed first,
/// so the walk remembers where each page began and lists it again when its turn comes.
///
/// The first page begins at `to`, so commits that arrive meanwhile move none of them.
async fn windows(storage: &dyn Storage, from: u64, to: u64) -> Result<Vec<Window>> {
    let mut start = layout::commit(to, &[0xff; 32]);
    let mut windows: Vec<Window> = vec![start.clone()];
    // A commit has a record at least: names beyond so many lead nowhere, and the walk goes on by name.
    let most = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX) / PAGE + 2;
    while windows.len() < most {
        let page = page_of(storage, &start).await?;
        let reached = page.last().and_then(layout::first_of_commit).is_none_or(|first| first <= from);
        match page.last() {
            // A listing that does not go on would do so without an end.
            Some(last) if page.len() == PAGE && !reached && *last > start => {
                start = last.clone();
                windows.push(start.clone());
            }
            _ => break,
        }
    }
    windows.reverse();
    Ok(windows)
}

async fn page_of(storage: &dyn Storage, window: &Window) -> Result<Vec<ObjectKey>> {
    Ok(storage.list(layout::LOG, Some(window), PAGE).await?)
}

/// Commits read ahead, of at most 4 MiB each.
const AHEAD: usize = 4;
/// Names listed at once.
const PAGE: usize = 1000;
