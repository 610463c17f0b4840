//! That a state continues what is trusted: signatures where keys change and proofs in the tree, or every commit (FORMAT §6.4,
//! §9.1).

use core::ops::RangeInclusive;

use futures_util::future::{BoxFuture, OptionFuture, join, try_join, try_join_all};

use super::{
    commits::{next, required},
    first::first_commit,
    lookup::{Pages, View},
    state::{Head, State},
    tiles::Tree,
    verify::{Signatures, Verified, Visitor, walk},
};
use crate::{
    env::Timestamp,
    error::{Error, ErrorKind, Result},
    ids::VaultId,
    log::{Hash, commit::Commit, leaf::Kind, merkle::Frontier, row::RowKey, signing::LogKey},
    pin::Pin,
    storage::Storage,
    wire::Malformed,
};

/// What is known of a log before it is read: its start, up to some record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trusted {
    pub(crate) vault: VaultId,
    /// The key that signs what follows.
    pub(crate) log_key: LogKey,
    /// Records.
    pub(crate) size: u64,
    /// Leaf hash of the last of them.
    pub(crate) head: Hash,
    /// Merkle root over them.
    pub(crate) root: Hash,
}

impl From<&Pin> for Trusted {
    fn from(pin: &Pin) -> Self {
        let (vault, log_key, size) = (pin.vault(), *pin.log_key(), pin.size());
        Self { vault, log_key, size, head: *pin.head(), root: *pin.root() }
    }
}

impl Trusted {
    /// Where a walk from it begins, with its tree.
    pub(crate) fn start(&self, tree: Frontier) -> Verified {
        Verified { frontier: Some(tree), ..Verified::trusted(self.size, self.head, self.log_key) }
    }
}

/// Checks that what is trusted leads to `state`, of which `last` is the last commit, and so does what a pin store keeps
/// beside it; gives the key that signs what follows it. An end that others have gone on from and whose tiles are gone is
/// refused as corrupt, unless it has to do (`holds`): then every commit is looked at.
pub(super) fn authentic<'a>(
    (trusted, kept): (&'a Trusted, Option<&'a Trusted>),
    pages: &'a Pages,
    (state, last): (&'a State, &'a Commit),
    holds: bool,
) -> BoxFuture<'a, Result<LogKey>> {
    Box::pin(async move {
        let held = OptionFuture::from(kept.map(|kept| checked(kept, pages, (state, last), holds)));
        let (key, held) = join(checked(trusted, pages, (state, last), holds), held).await;
        let (key, held) = (key?, held.transpose().map_err(by_the_store)?);
        if held.is_none_or(|held| held == key) {
            Ok(key)
        } else {
            Err(Error::corrupt("the log's signing keys"))
        }
    })
}

async fn checked(
    trusted: &Trusted,
    pages: &Pages,
    (state, last): (&State, &Commit),
    holds: bool,
) -> Result<LogKey> {
    let Trusted { log_key, size, head, root, .. } = *trusted;
    if state.head.size < size {
        return Err(rolled_back(size, state.head.size));
    }
    if state.head.size == size {
        if state.head.hash != head || state.frontier.root() != root {
            return Err(forked(size));
        }
        // The very head that is trusted: only the commit that states the trusted key is signed by one
        // that is not known.
        let stating = last.epoch().saturating_add(1) == log_key.epoch;
        let signed = stating || last.verify(&log_key).is_ok();
        return if signed { Ok(log_key) } else { Err(Error::corrupt(format!("commit {}", last.name()))) };
    }
    match by_tree(trusted, pages, state, last).await {
        // A tile may be missing or another's: every commit tells as well.
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            match !holds && is_left_behind(pages, state).await? {
                true => Err(error),
                false => by_every_commit(trusted, pages, state).await,
            }
        }
        proven => proven,
    }
}

/// By the chain of every commit since what is trusted, and the tree that they make of what was before: whoever has the
/// newest key alone could sign the true chain under another tree.
async fn by_every_commit(trusted: &Trusted, pages: &Pages, state: &State) -> Result<LogKey> {
    let from = with_tree(trusted, pages, state).await?;
    walk_to(state, &**pages.storage(), from, Signatures::EndsOfEpochs, &mut |_: &_| Ok(())).await
}

/// Walks to the head of a state, whose tree has to be the one that the records make with that of `from`; gives the key
/// that signs what follows it.
///
/// # Errors
///
/// As [`walk`]; corrupt if the tree is another.
pub(crate) async fn walk_to(
    state: &State,
    storage: &dyn Storage,
    from: Verified,
    signatures: Signatures,
    visitor: &mut dyn Visitor,
) -> Result<LogKey> {
    let walked = walk(storage, state.vault, from, state.head, signatures, visitor).await?;
    // Of the last commit another may have been shown before, under the same name, with another root.
    if walked.frontier.as_ref() == Some(&state.frontier) {
        Ok(walked.log_key)
    } else {
        Err(Error::corrupt("the log's Merkle root"))
    }
}

/// What is trusted, with its tree: as tiles and tail show it, or else as every commit up to it makes it.
///
/// # Errors
///
/// Corrupt; forked, if commits lead to what is trusted and their tree does not; the storage's.
pub(crate) async fn with_tree(trusted: &Trusted, pages: &Pages, state: &State) -> Result<Verified> {
    let storage = &**pages.storage();
    match Tree::new(state, storage).frontier(trusted.size).await {
        Err(error) if error.kind() != ErrorKind::Corrupt => Err(error),
        Ok(tree) if tree.root() == trusted.root => Ok(trusted.start(tree)),
        _ => from_the_first(trusted, storage).await,
    }
}

/// By every commit up to what is trusted. The first one, and so the key that it is walked with, may be anybody's until the
/// walk has arrived.
async fn from_the_first(trusted: &Trusted, storage: &dyn Storage) -> Result<Verified> {
    let Trusted { vault, log_key, size, head, root } = *trusted;
    let (_, statement) = first_commit(storage).await?;
    let (from, to) = (
        Verified::genesis(LogKey::first(statement.commit)),
        Head { size, hash: head, time: Timestamp::default() },
    );
    let walked = walk(storage, vault, from, to, Signatures::EndsOfEpochs, &mut |_: &_| Ok(())).await?;
    if walked.frontier.as_ref().is_none_or(|tree| tree.root() != root) {
        return Err(forked(size));
    }
    if walked.log_key == log_key { Ok(walked) } else { Err(Error::corrupt("the vault's first record")) }
}

/// Whether others have gone on from this end of the log: then tiles of it may be gone, and the new end tells.
async fn is_left_behind(pages: &Pages, state: &State) -> Result<bool> {
    Ok(next(&**pages.storage(), state.vault, &state.head).await?.is_some())
}

/// By a signature for every change of keys since what is trusted, and one for the head, and by proofs
/// that each signed tree begins with the one before.
async fn by_tree(trusted: &Trusted, pages: &Pages, state: &State, last: &Commit) -> Result<LogKey> {
    let fault = || Error::corrupt(format!("commit {}", last.name()));
    let tree = Tree::new(state, &**pages.storage());
    let (mut key, mut size) = (trusted.log_key, trusted.size);
    while key.epoch < last.epoch() {
        let until = last.epoch().min(key.epoch.saturating_add(AT_ONCE));
        let epochs = key.epoch.saturating_add(1)..=until;
        for commit in changes(pages, &tree, epochs, trusted.size).await? {
            (key, size) = next_key(&tree, key, size, &commit).await?;
        }
    }
    last.verify(&key).map_err(|Malformed| fault())?;
    let (root, _) = tree.consistency(trusted.size).await?;
    if root != trusted.root {
        return Err(forked(trusted.size));
    }
    Ok(key.after(&last.leaves.last().ok_or_else(fault)?.leaf))
}

/// The commits whose records state the keys of `epochs`, as a state says that may be a forger's, and into the tree
/// the tiles that show what they and the first `seen` records are a part of.
async fn changes(
    pages: &Pages,
    tree: &Tree<'_>,
    epochs: RangeInclusive<u32>,
    seen: u64,
) -> Result<Vec<Commit>> {
    let view = View::of(tree.state(), pages, Timestamp::default());
    let rows = epochs.map(|epoch| {
        let view = &view;
        async move { view.row(&RowKey::signing_keys(epoch)).await?.ok_or_else(|| unstated(epoch)) }
    });
    let rows = try_join_all(rows).await?;
    let sizes: Vec<u64> = rows.iter().map(|row| row.seq.saturating_add(1)).chain([seen]).collect();
    let storage = &**pages.storage();
    let commits =
        rows.iter().map(|row| async move { required(storage, tree.state().vault, &row.commit()).await });
    let (commits, ()) = try_join(try_join_all(commits), tree.fetch_prefixes(&sizes)).await?;
    Ok(commits)
}

/// The key of the signing epoch after `key`'s, and the size of the tree that states it and `commit` ends.
///
/// The commit was looked up in a state that may be a forger's. It is believed because `key` signed the
/// tree that it ends, and the state's tree begins with that one: that the record lies in the tree
/// would not do, for whoever has the new key could keep it and alter what is before it.
async fn next_key(tree: &Tree<'_>, key: LogKey, after: u64, commit: &Commit) -> Result<(LogKey, u64)> {
    let fault = || unstated(key.epoch.saturating_add(1));
    commit.verify(&key).map_err(|Malformed| fault())?;
    let last = commit.leaves.last().filter(|last| last.leaf.kind == Kind::SigningKeys).ok_or_else(fault)?;
    let size = last.leaf.seq.saturating_add(1);
    let (root, _) = tree.consistency(size).await?;
    if size <= after || root != *commit.root() {
        return Err(fault());
    }
    Ok((key.after(&last.leaf), size))
}

fn unstated(epoch: u32) -> Error {
    Error::corrupt(format!("the record of signing epoch {epoch}"))
}

/// Says that it is the pin store's pin which the storage does not hold.
fn by_the_store(error: Error) -> Error {
    match error.kind() {
        kind @ (ErrorKind::RolledBack | ErrorKind::Forked) => {
            let advice =
                "by the pin that the pin store keeps; if they are given up, give the vault another pin store";
            Error::new(kind, format!("{error}, {advice}"))
        }
        _ => error,
    }
}

fn rolled_back(seen: u64, got: u64) -> Error {
    let reason = format!("{seen} records are vouched for, and the storage shows {got}: an older copy");
    Error::new(ErrorKind::RolledBack, reason)
}

fn forked(size: u64) -> Error {
    let reason = format!("the storage shows another history than the {size} records that are vouched for");
    Error::new(ErrorKind::Forked, reason)
}

/// Changes of signing keys looked up at once.
const AT_ONCE: u32 = 8;
