//! Storing versions of documents.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Origin, draft, with_personal};
use crate::{
    document::{ContentDigest, REASON_CAP},
    error::{Error, Result},
    ids::{DocumentId, OperationId, VersionId},
    ledger::{Command, Draft, View},
    log::{
        Hash,
        leaf::{Kind, auxiliary_operation},
        row::{Row, RowKey},
    },
    policy,
    secret::Secret,
    wire::{Malformed, Reader, Writer},
};

/// Stores a version whose head and parts exist.
pub(crate) struct Store {
    pub(crate) origin: Origin,
    pub(crate) operation: OperationId,
    pub(crate) document: DocumentId,
    pub(crate) effect: Hash,
    pub(crate) len: u64,
    pub(crate) digest: ContentDigest,
    pub(crate) case_key: Arc<Secret<32>>,
    /// None for a new document, the reason for a new version.
    pub(crate) reason: Option<String>,
    /// Records in the log when the operation was made up, and the document if it is new.
    pub(crate) since: u64,
}

#[async_trait]
impl Command for Store {
    async fn plan(&self, view: &View<'_>) -> Result<Draft> {
        let case = self.document.case();
        policy::case_is_open(case, view.row(&RowKey::case(case)).await?.as_ref())?;
        let known = view.row_since(&RowKey::operation(self.operation), self.since).await?;
        policy::may_commit(self.operation, known.as_ref())?;
        let since = if self.reason.is_some() { 0 } else { self.since };
        let previous = view.row_since(&RowKey::document(self.document), since).await?;
        if previous.is_some() != self.reason.is_some() {
            return Err(Error::not_found(format!("document {}", self.document)));
        }
        let mut details = Writer::new();
        details.u64(self.len);
        let mut personal = Writer::new();
        personal.text(self.reason.as_deref().unwrap_or_default()).fixed(self.digest.as_bytes());
        let stored = draft(&self.origin, Kind::Stored, self.operation, details.into_vec());
        let auxiliary = auxiliary(previous.as_ref())?;
        let stored = Draft { case, object: *self.document.own(), auxiliary, effect: self.effect, ..stored };
        Ok(with_personal(stored, &self.case_key, personal.as_slice()))
    }
}

/// The version a Stored row is about.
pub(crate) fn version(row: &Row) -> VersionId {
    VersionId::of(row.operation)
}

/// The version before it, if there is one.
pub(crate) fn previous_version(row: &Row) -> Option<VersionId> {
    let previous = auxiliary_operation(&row.auxiliary);
    (previous.as_bytes() != &[0; 16]).then(|| VersionId::of(previous))
}

/// Which version of its document it is, from 1.
pub(crate) fn ordinal(row: &Row) -> u32 {
    let bytes = row.auxiliary.get(16..20).and_then(|bytes| bytes.first_chunk()).copied();
    u32::from_be_bytes(bytes.unwrap_or_default())
}

/// Why a Stored record says its version was stored, from what is personal in it.
pub(crate) fn reason(personal: &[u8]) -> Result<String, Malformed> {
    let mut r = Reader::new(personal);
    let reason = r.text(REASON_CAP)?.to_owned();
    r.take(32)?;
    r.finish()?;
    Ok(reason)
}

fn auxiliary(previous: Option<&Row>) -> Result<[u8; 32]> {
    let mut w = Writer::new();
    match previous {
        None => w.fixed(&[0; 16]).u32(1),
        Some(row) => {
            let next = ordinal(row).checked_add(1);
            w.fixed(row.operation.as_bytes()).u32(next.ok_or_else(|| Error::invalid("too many versions"))?)
        }
    };
    Ok(crate::log::leaf::padded(w.as_slice()))
}
