//! Reading records back by their number, authentic by the head of the log.

use core::ops::Range;

use super::{commits, lookup::View, state::State, writer::Ledger};
use crate::{
    error::{Error, Result},
    log::{
        commit::{Commit, Hashed},
        leaf::Kind,
        row::{Row, RowKey},
    },
    storage::layout,
};

/// Sees one record and its sealed body.
pub(crate) type Visit<'a> = dyn FnMut(&Hashed, &[u8]) -> Result<()> + Send + 'a;

impl Ledger {
    /// Shows `visit` the records of `range`, oldest first. What it has seen is authentic once this
    /// returns `Ok`: the chain goes on from it to what `state` vouches for.
    ///
    /// # Errors
    ///
    /// Corrupt; the storage's; what `visit` says.
    pub(crate) async fn records(
        &self,
        state: &State,
        range: Range<u64>,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let mut commit = self.commit_holding(state, range.start).await?;
        loop {
            for (position, record) in commit.leaves.iter().enumerate() {
                if range.contains(&record.leaf.seq) {
                    visit(record, commit.body(position).ok_or_else(|| unknown(record.leaf.seq))?)?;
                }
            }
            if commit.end() >= range.end {
                return self.authenticate(state, commit).await;
            }
            commit = self.following(state, &commit).await?;
        }
    }

    /// What `open` makes of record `seq`, authentic as with [`Ledger::records`].
    ///
    /// # Errors
    ///
    /// As [`Ledger::records`].
    pub(crate) async fn record<T: Send>(
        &self,
        state: &State,
        seq: u64,
        mut open: impl FnMut(&Hashed, &[u8]) -> Result<T> + Send,
    ) -> Result<T> {
        let mut opened = None;
        let mut visit = |record: &Hashed, body: &[u8]| {
            opened = Some(open(record, body)?);
            Ok(())
        };
        self.records(state, seq..seq.saturating_add(1), &mut visit).await?;
        opened.ok_or_else(|| unknown(seq))
    }

    /// Follows the chain to a record that `state` vouches for: one of its tail, or one that a row names.
    async fn authenticate(&self, state: &State, from: Commit) -> Result<()> {
        let mut commit = from;
        loop {
            let last = commit.leaves.last().ok_or_else(|| unknown(commit.first()))?;
            let authentic = match state.leaf_hash(last.leaf.seq) {
                Some(hash) if hash == last.hash => true,
                Some(_) => return Err(Error::corrupt(format!("commit {}", commit.name()))),
                None if last.leaf.seq >= state.head.size => return Err(unknown(last.leaf.seq)),
                None => self.is_named(state, &commit).await?,
            };
            if authentic {
                return Ok(());
            }
            commit = self.following(state, &commit).await?;
        }
    }

    /// Whether a row names a record of `commit`, and so all before it by the chain.
    async fn is_named(&self, state: &State, commit: &Commit) -> Result<bool> {
        let view = View::of(state, self.pages(), self.now());
        for record in commit.leaves.iter().rev() {
            if matches!(record.leaf.kind, Kind::Read | Kind::Browsed | Kind::LogRead | Kind::Index) {
                continue;
            }
            let row: Option<Row> = view.row(&RowKey::operation(record.leaf.operation)).await?;
            // Another record may be the newest about the operation; then an earlier or a later one tells.
            if row.is_some_and(|row| row.leaf == record.hash) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The commit that holds record `seq`: the one that the listing tells, or, for a listing may lag, one that
    /// follows it.
    async fn commit_holding(&self, state: &State, seq: u64) -> Result<Commit> {
        // Numbers in names are inverted: what is listed behind this begins at `seq` or before.
        let after = layout::commit(seq.saturating_add(1), &[0xff; 32]);
        let name = self.storage().list(layout::LOG, Some(&after), 1).await?.into_iter().next();
        let (storage, name) = (self.storage(), name.unwrap_or_else(|| layout::commit(0, &[0; 32])));
        let mut commit = commits::required(storage, state.vault, &name).await?;
        while commit.end() <= seq {
            commit = self.following(state, &commit).await?;
        }
        if commit.first() <= seq { Ok(commit) } else { Err(unknown(seq)) }
    }

    async fn following(&self, state: &State, commit: &Commit) -> Result<Commit> {
        let next = commits::following(self.storage(), state.vault, commit).await?;
        next.ok_or_else(|| unknown(commit.end()))
    }
}

fn unknown(seq: u64) -> Error {
    Error::corrupt(format!("the commit of record {seq}"))
}
