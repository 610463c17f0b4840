//! Records, opened by the audit key and written one after the other in constant memory.

use std::io::{self, Write};

use async_trait::async_trait;

use super::{jsonl, text};
use crate::{
    crypto::chunked::OpenError,
    error::{Error, ErrorKind, Result},
    ids::VaultId,
    ledger::{Pages, State, Visitor},
    log::{
        commit::{Commit, Hashed},
        record::AuditRecord,
    },
    secret::Secret,
    storage::{StorageError, StorageErrorKind},
    verification::walk_all,
};

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One JSON object a line.
    JsonLines,
    /// One line of English each.
    Text,
}

impl Form {
    pub(crate) fn record(self, record: &Hashed, opened: &AuditRecord) -> String {
        match self {
            Self::JsonLines => jsonl::record(record, opened),
            Self::Text => text::record(record, opened),
        }
    }

    pub(crate) fn checkpoint(self, note: &str) -> String {
        match self {
            Self::JsonLines => jsonl::checkpoint(note),
            Self::Text => text::checkpoint(note),
        }
    }
}

/// Writes every record of the log that `state` ends, then `note`, its checkpoint. Each is verified
/// before it is written.
///
/// The record that says so must stand in the log before: see to it.
///
/// # Errors
///
/// Corrupt at the first fault; storage if `out` fails. What was written until then is not covered by
/// any checkpoint.
pub(crate) async fn records(
    pages: &Pages,
    state: &State,
    audit: &Secret<32>,
    note: &str,
    form: Form,
    out: &mut (dyn Write + Send),
) -> Result<()> {
    let mut lines = Lines { vault: state.vault, audit, form, out };
    walk_all(pages, state, &mut lines).await?;
    lines.out.write_all(form.checkpoint(note).as_bytes()).and_then(|()| lines.out.flush()).map_err(unwritten)
}

struct Lines<'a> {
    vault: VaultId,
    audit: &'a Secret<32>,
    form: Form,
    out: &'a mut (dyn Write + Send),
}

#[async_trait]
impl Visitor for Lines<'_> {
    async fn visit(&mut self, commit: &Commit) -> Result<()> {
        for (position, record) in commit.leaves.iter().enumerate() {
            let unreadable = || Error::corrupt(format!("the body of record {}", record.leaf.seq));
            let body = commit.body(position).ok_or_else(unreadable)?;
            let opened = AuditRecord::open(self.vault, self.audit, &record.leaf, body);
            let (opened, _) = opened.map_err(|OpenError| unreadable())?;
            self.out.write_all(self.form.record(record, &opened).as_bytes()).map_err(unwritten)?;
        }
        Ok(())
    }
}

/// The place that an export is written to has failed.
pub(super) fn unwritten(error: io::Error) -> Error {
    let cause = StorageError::new(StorageErrorKind::Unavailable, "the export's destination failed");
    Error::new(ErrorKind::Storage, "the export could not be written: see to its destination and export anew")
        .caused(cause.caused(error))
}
