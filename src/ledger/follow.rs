//! Following what others commit.

use std::sync::{Arc, PoisonError};

use futures_util::{
    FutureExt,
    future::BoxFuture,
    stream::{self, StreamExt, TryStreamExt},
};

use super::{
    commits::{next, signed, verified},
    state::State,
    writer::Ledger,
};
use crate::{
    error::{Error, Result},
    log::commit::Commit,
    storage::{ObjectKey, layout},
};

impl Ledger {
    /// Reads what others have committed.
    ///
    /// # Errors
    ///
    /// Corrupt, or the storage's.
    pub(crate) fn sync(self: &Arc<Self>) -> BoxFuture<'_, Result<Arc<State>>> {
        Box::pin(async {
            let catch_up = || {
                let ledger = self.clone();
                async move { ledger.catch_up().await }.boxed()
            };
            self.leading.run(catch_up).await?;
            Ok(self.state())
        })
    }

    async fn catch_up(self: &Arc<Self>) -> Result<()> {
        let mut work = self.work.lock().await;
        if work.attempt.is_some() {
            self.lead(&mut work).await;
        }
        self.follow(LEAPS).await
    }

    /// Applies the commits that follow the state, with at most so many listings: nothing is left out if others hold
    /// back. Of the manifests on the way the newest must be there: one before it may have been superseded, and
    /// deleted, while this process slept.
    pub(super) async fn follow(&self, listings: u32) -> Result<()> {
        let (mut steps, mut left) = (NEAR, listings);
        while !self.step(steps).await? && left > 0 {
            let near = self.leap().await?;
            steps = if near { NEAR } else { FAR };
            left -= u32::from(near);
        }
        // If there are more, others commit faster than this process can follow: what was there when it began, it has seen.
        Ok(())
    }

    /// Applies up to so many commits, each by the one name it can have, and tells whether there are no more.
    pub(super) async fn step(&self, steps: usize) -> Result<bool> {
        let mut loaded = self.load_manifest().await;
        for _ in 0..steps {
            let state = self.state();
            match next(self.storage(), state.vault, &state.head).await? {
                Some(commit) => self.apply(signed(&state.log_key, commit)?)?,
                None => return loaded.map(|()| true),
            }
            if self.state().unloaded() != state.unloaded() {
                loaded = self.load_manifest().await;
            }
        }
        Ok(false)
    }

    /// Applies the commits that a listing shows, read at once, and tells whether it reached back to this state. What it
    /// leaves out is followed by name.
    async fn leap(&self) -> Result<bool> {
        let (size, storage) = (self.state().head.size, self.storage());
        let names = storage.list(layout::LOG, None, LISTED).await?;
        let is_newer = |name: &ObjectKey| layout::first_of_commit(name).is_some_and(|first| first >= size);
        if names.len() == LISTED && names.iter().all(is_newer) {
            return Ok(false);
        }
        let newer = names.into_iter().rev().filter(is_newer);
        let reads = newer.map(|name| async move { storage.read(&name, None).await.map(|read| (name, read)) });
        let mut reads = stream::iter(reads).buffered(AHEAD);
        while let Some((name, read)) = reads.try_next().await? {
            let state = self.state();
            let follows = name == layout::commit(state.head.size, &state.head.hash);
            let Some(bytes) = read.filter(|_| follows) else { break };
            self.apply(verified(state.vault, &state.log_key, &name, &bytes)?)?;
        }
        Ok(true)
    }

    pub(super) fn apply(&self, commit: Commit) -> Result<()> {
        let mut next = (*self.state()).clone();
        let ordered = commit.leaves.first().is_some_and(|first| first.leaf.time >= next.head.time);
        let after = next.frontier.followed_by(commit.leaves.iter().map(|record| record.hash));
        if !ordered || after.root() != *commit.root() {
            return Err(Error::corrupt(format!("commit {}", commit.name())));
        }
        next.append(commit.leaves, after);
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(())
    }

    /// Loads the manifest that the newest Index record names, and shortens the tail.
    pub(super) async fn load_manifest(&self) -> Result<()> {
        let Some((covered, digest)) = self.state().unloaded() else { return Ok(()) };
        let manifest = self.pages().manifest(covered, &digest).await?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut state).rebase(manifest);
        Ok(())
    }
}

/// Commits followed one by one before a listing is asked for more: a commit or two, mostly, are all there is.
const NEAR: usize = 2;
/// Likewise, when a listing did not reach back to where this process is.
const FAR: usize = LISTED / 2;
/// Listings after which others' newest commits are left to the next time.
const LEAPS: u32 = 32;
/// Commits listed at once.
const LISTED: usize = 1000;
/// Commits read at once.
const AHEAD: usize = 32;
