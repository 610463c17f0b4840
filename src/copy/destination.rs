//! The other storage: how far it is, and what is done to it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::CopyReport;
use crate::{
    crypto::sign::VerifyingKey,
    error::{Error, ErrorKind, Result},
    ids::{CaseId, VaultId},
    ledger::{self, Head, Signatures, State, Verified, Visitor, walk},
    log::{
        commit::{COMMIT_CAP, Commit, Hashed},
        leaf::Kind,
        row::RowKey,
        signing::LogKey,
        statement::Statement,
    },
    storage::{Listing, ObjectKey, Storage, delete_all, delete_where, layout},
    vault::{LoadedKeyring, Vault},
    wire::Malformed,
};

/// Where the copy goes.
pub(super) struct Destination<'a> {
    pub(super) vault: &'a Vault,
    pub(super) storage: &'a dyn Storage,
}

/// How far the destination is.
pub(super) struct Landed {
    /// It has every commit up to here.
    pub(super) reached: Verified,
    /// Its newest two commits, the newest first: beyond `reached` if a copy was interrupted.
    newest: Vec<Commit>,
}

impl Destination<'_> {
    /// Stores an object unless it is there already; whether it was written is not told.
    ///
    /// # Errors
    ///
    /// Corrupt if something else has the name; the storage's.
    pub(super) async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<()> {
        match ledger::put(self.storage, self.vault.ledger().sleeper(), key, bytes).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => Err(something_else(key)),
            done => done,
        }
    }

    /// Whether the destination shows an object of that name.
    pub(super) async fn has(&self, key: &ObjectKey) -> Result<bool> {
        Ok(self.storage.read(key, Some(0..1)).await?.is_some())
    }

    /// How far the destination is. Commits are filled in oldest first, below at most two that landed before
    /// them, so its newest four tell.
    ///
    /// # Errors
    ///
    /// Invalid for another vault; forked if a commit is not this log's; superseded if another copy, of a newer state, is on its
    /// way; corrupt.
    pub(super) async fn landed(&self, state: &State) -> Result<Landed> {
        let mut newest = Vec::new();
        for name in self.storage.list(layout::LOG, None, NEWEST).await? {
            newest.push(self.commit(&name).await?);
        }
        // Or an index is looked for that a newer one has superseded.
        ends_before(newest.first().map(Commit::first), state)?;
        let first = LogKey::first(self.vault.ledger().record(state, 0, stated_key).await?);
        let follows = |at: usize| match (newest.get(at), newest.get(at + 1)) {
            (None, _) => true,
            (Some(commit), _) if commit.first() == 0 => true,
            (Some(commit), Some(before)) => {
                before.leaves.last().is_some_and(|last| last.hash == *commit.previous())
            }
            (Some(_), None) => false,
        };
        let end = match (follows(0), follows(1)) {
            (true, true) => 0,
            (false, true) => 1,
            (_, false) => 2,
        };
        let reached = match newest.get(end) {
            None => Verified::genesis(first),
            Some(commit) => {
                let last = commit.leaves.last().ok_or_else(|| Error::corrupt(commit.name()))?;
                let key = self.log_key(state, first, commit.epoch()).await?.after(&last.leaf);
                Verified::trusted(last.leaf.seq.saturating_add(1), last.hash, key)
            }
        };
        newest.truncate(LANDING);
        Ok(Landed { reached, newest })
    }

    /// A commit of the destination, if it is this log's.
    async fn commit(&self, name: &ObjectKey) -> Result<Commit> {
        let bytes = ledger::get(self.storage, name, COMMIT_CAP).await?;
        let own = self.vault.id();
        if bytes.get(8..24).is_some_and(|vault| vault != own.as_bytes()) {
            return Err(another(own));
        }
        if self.vault.ledger().storage().read(name, None).await?.as_ref() != Some(&bytes) {
            return Err(Error::new(
                ErrorKind::Forked,
                "the destination holds records that this vault does not: it was written to, or this is an older copy",
            ));
        }
        Commit::parse(own, &bytes).map_err(|_| Error::corrupt(format!("commit {name}")))
    }

    async fn log_key(&self, state: &State, first: LogKey, epoch: u32) -> Result<LogKey> {
        if epoch <= 1 {
            return Ok(first);
        }
        let fault = || Error::corrupt(format!("the record of signing epoch {epoch}"));
        let row = self.vault.row(state, &RowKey::signing_keys(epoch)).await?.ok_or_else(fault)?;
        let key = VerifyingKey::from_bytes(&row.auxiliary).map_err(|_| fault())?;
        Ok(LogKey { epoch, key })
    }

    /// Brings what an interrupted copy has left to its end: the commits below the newest ones, and the deletions that
    /// the commits which land first ask for: nothing else looks at these if no commit is missing before them.
    pub(super) async fn complete(
        &self,
        landed: Landed,
        report: &mut CopyReport,
        progress: &mut (dyn FnMut(&CopyReport) + Send),
    ) -> Result<Verified> {
        let Landed { reached, newest } = landed;
        for commit in newest.iter().filter(|commit| commit.end() <= reached.head.size) {
            self.erase(commit, report).await?;
        }
        let Some(top) = newest.first() else { return Ok(reached) };
        let last = top.leaves.last().ok_or_else(|| Error::corrupt(top.name()))?;
        let head = Head::after(last);
        if head.size > reached.head.size {
            self.fill(reached, head, report, progress).await
        } else {
            Ok(reached)
        }
    }

    /// Writes every commit up to `to`, oldest first; what an erasure deletes goes before its commit is there.
    pub(super) async fn fill(
        &self,
        from: Verified,
        to: Head,
        report: &mut CopyReport,
        progress: &mut (dyn FnMut(&CopyReport) + Send),
    ) -> Result<Verified> {
        let source = self.vault.ledger().storage();
        let mut fill = Fill { destination: self, report, progress, held: None };
        let arrived = walk(source, self.vault.id(), from, to, Signatures::Each, &mut fill).await?;
        fill.write().await?;
        Ok(arrived)
    }

    async fn erase(&self, commit: &Commit, report: &mut CopyReport) -> Result<()> {
        for record in commit.leaves.iter().filter(|record| record.leaf.kind == Kind::CaseErased) {
            report.erased_cases += 1;
            self.delete_case(record.leaf.case, report).await?;
        }
        Ok(())
    }

    async fn delete_case(&self, case: CaseId, report: &mut CopyReport) -> Result<()> {
        for prefix in layout::OF_A_CASE {
            self.delete(&layout::of_case(prefix, case), |_| true, report).await?;
        }
        // A listing may lag, and the key must not be what it leaves out.
        let keyring = self.vault.current_keyring().await?;
        let keys = keyring.keys.epochs().map(|(epoch, _)| layout::case_key(case, epoch));
        delete_all(self.storage, keys).await?;
        Ok(())
    }

    /// Deletes the keys of erased cases that it shows: a listing may have left them out when the erasure was carried out,
    /// which is done once, and a backup of this place may have brought them back.
    pub(super) async fn sweep_keys(&self, state: &State, report: &mut CopyReport) -> Result<()> {
        let (mut listing, mut looked) = (Listing::new(self.storage, layout::CASE_KEYS), None);
        while let Some(keys) = listing.next().await? {
            let mut superfluous = Vec::new();
            for key in keys {
                let Some(case) = layout::case_of(&key) else { continue };
                let erased = match looked {
                    Some((known, erased)) if known == case => erased,
                    _ => self.is_erased(state, case).await?,
                };
                looked = Some((case, erased));
                superfluous.extend(Some(key).filter(|_| erased));
            }
            report.deleted += delete_all(self.storage, superfluous).await?;
        }
        Ok(())
    }

    /// Whether the log that is copied says that the case was erased.
    pub(super) async fn is_erased(&self, state: &State, case: CaseId) -> Result<bool> {
        let row = self.vault.row(state, &RowKey::case(case)).await?;
        // The row may be of a state that has superseded this one.
        Ok(row.is_some_and(|row| row.kind == Kind::CaseErased && row.seq < state.head.size))
    }

    /// Deletes everything under `prefix` that is superfluous.
    pub(super) async fn delete(
        &self,
        prefix: &str,
        superfluous: impl Fn(&ObjectKey) -> bool + Send + Sync,
        report: &mut CopyReport,
    ) -> Result<()> {
        report.deleted += delete_where(self.storage, prefix, superfluous).await?;
        Ok(())
    }

    /// Superseded if another copy, of a newer state, has begun to land: what it deleted may not be put back.
    pub(super) async fn not_beyond(&self, state: &State) -> Result<()> {
        let newest = self.storage.list(layout::LOG, None, 1).await?;
        ends_before(newest.first().and_then(layout::first_of_commit), state)
    }

    /// The keyring that `state` names; corrupt if the vault has another one, for it was changed since.
    pub(super) async fn keyring_of(&self, state: &State) -> Result<Arc<LoadedKeyring>> {
        let keyring = self.vault.current_keyring().await?;
        if keyring.digest == state.keyring() { Ok(keyring) } else { Err(Error::corrupt("the keyring")) }
    }

    /// The keyrings that it shows.
    pub(super) async fn keyrings(&self) -> Result<Vec<ObjectKey>> {
        Ok(self.storage.list(layout::KEYRINGS, None, LISTED).await?)
    }

    /// Deletes those of these keyrings that the log names no longer; before them, the wraps under epochs that only they
    /// hold. So a superseded keyring says that there may still be such wraps, and a copy that is begun again that it may
    /// have made some.
    ///
    /// Another copy may have gone further meanwhile: its keyring is none that was there before, and epochs only rise.
    pub(super) async fn drop_epochs(
        &self,
        state: &State,
        (keyrings, again): (Vec<ObjectKey>, bool),
        report: &mut CopyReport,
    ) -> Result<()> {
        let named = layout::keyring(&state.keyring());
        if !again && keyrings.iter().all(|keyring| *keyring == named) {
            return Ok(());
        }
        let keyring = self.keyring_of(state).await?;
        let dropped = |key: &ObjectKey| keyring.has_dropped(key);
        self.delete(layout::CASE_KEYS, dropped, report).await?;
        let superseded = keyrings.into_iter().filter(|keyring| *keyring != named);
        report.deleted += delete_all(self.storage, superseded).await?;
        Ok(())
    }
}

struct Fill<'a> {
    destination: &'a Destination<'a>,
    report: &'a mut CopyReport,
    progress: &'a mut (dyn FnMut(&CopyReport) + Send),
    /// The newest, until the one after it names it by its hash, or the walk has arrived: one that lost its race is signed,
    /// too, and the source may have kept it.
    held: Option<Commit>,
}

impl Fill<'_> {
    async fn write(&mut self) -> Result<()> {
        let Some(commit) = self.held.take() else { return Ok(()) };
        self.destination.erase(&commit, self.report).await?;
        self.destination.put(&commit.name(), commit.stored.clone()).await?;
        self.report.records += u64::try_from(commit.leaves.len()).unwrap_or(u64::MAX);
        (self.progress)(self.report);
        Ok(())
    }
}

#[async_trait]
impl Visitor for Fill<'_> {
    async fn visit(&mut self, commit: &Commit) -> Result<()> {
        self.write().await?;
        self.held = Some(commit.clone());
        Ok(())
    }
}

/// Superseded if the newest commit, which begins there, is behind the head of `state`.
fn ends_before(newest: Option<u64>, state: &State) -> Result<()> {
    match newest {
        Some(first) if first >= state.head.size => {
            Err(Error::new(ErrorKind::Superseded, "the destination is ahead of what is copied"))
        }
        _ => Ok(()),
    }
}

fn another(own: VaultId) -> Error {
    Error::invalid(format!("the destination holds another vault than {own}: choose an empty place"))
}

pub(super) fn something_else(key: &ObjectKey) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("the destination holds something else under {key}: delete it there, then copy again"),
    )
}

/// The first epoch's key, which the first record states.
fn stated_key(_: &Hashed, body: &[u8]) -> Result<VerifyingKey> {
    let statement = Statement::parse(body).map_err(|Malformed| Error::corrupt("the vault's first record"))?;
    Ok(statement.commit)
}

/// Commits that land before those below them.
const LANDING: usize = 2;
/// Commits that tell how far a destination is.
const NEWEST: usize = 4;
const LISTED: usize = 1000;
