//! Walks over the whole log, from its first record on.

use async_trait::async_trait;

use crate::{
    error::{Error, Result},
    ledger::{self, Pages, Signatures, State, Verified, Visitor},
    log::{Hash, commit::Commit, signing::LogKey, statement::Statement},
};

/// Shows `visitor` every commit of the log that `state` ends, each verified before, by the keys that follow from the
/// first record that is shown; gives what that states.
///
/// # Errors
///
/// Corrupt at the first fault; what `visitor` says.
///
/// # Security
///
/// Only the end of the walk shows that what was shown is the log's: until then whoever runs the storage may have made the
/// first record, and with it every commit, or show one that lost its race.
pub(crate) async fn walk_all(pages: &Pages, state: &State, visitor: &mut dyn Visitor) -> Result<Statement> {
    walk_signed(pages, state, Signatures::Each, visitor).await
}

/// The same, with as many signatures.
///
/// # Errors
///
/// As [`walk_all`].
pub(super) async fn walk_signed(
    pages: &Pages,
    state: &State,
    signatures: Signatures,
    visitor: &mut dyn Visitor,
) -> Result<Statement> {
    let storage = &**pages.storage();
    let (claimed, statement) = ledger::first_commit(storage).await?;
    if claimed.vault != state.vault {
        return Err(Error::corrupt("the vault's first record"));
    }
    let mut walk = Shown { visitor, first: None };
    let from = Verified::genesis(LogKey::first(statement.commit));
    let log_key = ledger::walk_to(state, storage, from, signatures, &mut walk).await?;
    // It was read before the walk, which may have been shown another.
    if walk.first != Some(claimed.head) {
        return Err(Error::corrupt("the vault's first record"));
    }
    if log_key == state.log_key { Ok(statement) } else { Err(Error::corrupt("the log's signing keys")) }
}

/// Sees what its visitor is shown, and keeps the hash with which the first commit ends.
struct Shown<'a> {
    visitor: &'a mut dyn Visitor,
    first: Option<Hash>,
}

#[async_trait]
impl Visitor for Shown<'_> {
    async fn visit(&mut self, commit: &Commit) -> Result<()> {
        self.first = self.first.or_else(|| commit.leaves.last().map(|last| last.hash));
        self.visitor.visit(commit).await
    }
}
