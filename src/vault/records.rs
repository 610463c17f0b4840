//! Records as a row names them: read from their commit, checked against the row, opened.

use super::{Looked, Vault};
use crate::{
    crypto::chunked::OpenError,
    error::{Error, Result},
    ids::CaseId,
    ledger::get,
    log::{
        body::{self, Outer},
        commit::{COMMIT_CAP, Commit, Hashed},
        leaf::Leaf,
        row::Row,
    },
    secret::SecretBytes,
    wire::Malformed,
};

impl Vault {
    /// What is personal in the record that `row` is about.
    ///
    /// # Errors
    ///
    /// Corrupt unless the commit holds exactly that record and its body opens.
    pub(crate) async fn personal(&self, case: CaseId, row: &Row) -> Result<SecretBytes> {
        self.opened(case, row).await.map(|(_, personal)| personal)
    }

    /// The body of the record that `row` is about: what the audit key opens, and what is personal.
    ///
    /// # Errors
    ///
    /// As [`Vault::personal`].
    pub(crate) async fn opened(&self, case: CaseId, row: &Row) -> Result<(Outer, SecretBytes)> {
        let corrupt = || Error::corrupt(format!("record {}", row.seq));
        let looked = Looked::at(self.now());
        let commit = self.commit_of(row).await?;
        let record = record_of(&commit, row).ok_or_else(corrupt)?;
        let sealed = commit.body(usize::from(row.position)).ok_or_else(corrupt)?;
        let opened = body::open(self.id(), &record.leaf, self.ledger().audit(), sealed);
        let (outer, inner) = opened.map_err(|OpenError| corrupt())?;
        let case_key = self.case_key(case).await?;
        let personal = inner.open(self.id(), &record.leaf, &case_key).map_err(|OpenError| corrupt())?;
        self.still_stands(case, &looked).await?;
        Ok((outer, personal))
    }

    /// The record that `row` is about, without its body.
    ///
    /// # Errors
    ///
    /// Corrupt unless the commit holds exactly that record; the storage's.
    pub(crate) async fn leaf(&self, row: &Row) -> Result<Leaf> {
        let commit = self.commit_of(row).await?;
        let record = record_of(&commit, row).map(|record| record.leaf.clone());
        record.ok_or_else(|| Error::corrupt(format!("record {}", row.seq)))
    }

    async fn commit_of(&self, row: &Row) -> Result<Commit> {
        let bytes = get(self.ledger().storage(), &row.commit(), COMMIT_CAP).await?;
        Commit::parse(self.id(), &bytes).map_err(|Malformed| Error::corrupt(format!("record {}", row.seq)))
    }
}

/// The row is authentic by the log, so a leaf of that hash is, whoever stored it.
fn record_of<'a>(commit: &'a Commit, row: &Row) -> Option<&'a Hashed> {
    commit.leaves.get(usize::from(row.position)).filter(|record| record.hash == row.leaf)
}
