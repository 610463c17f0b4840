//! Content that is all there and not yet visible.

use core::fmt;
use std::sync::Arc;

use super::token::Target;
use crate::{
    document::{ContentDigest, SealedPage, VersionMeta},
    error::Result,
    ids::{CaseId, DocumentId, VaultId, VersionId},
    ledger::Command,
    log::Hash,
    observe,
    plan::Store,
    session::{MadeStatement, NewStatement, Session, Stored},
};

/// A version of which everything is stored but the record that makes it visible.
///
/// Dropping it leaves objects that nothing names, which garbage collection removes once the upload's
/// announcement has expired.
pub struct SealedUpload {
    session: Session,
    target: Target,
    effect: Hash,
    pages: Vec<SealedPage>,
    digest: ContentDigest,
    len: u64,
}

impl fmt::Debug for SealedUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedUpload").field("version", &self.version()).finish_non_exhaustive()
    }
}

impl SealedUpload {
    pub(super) fn new(session: Session, target: Target, meta: &VersionMeta, effect: Hash) -> Self {
        let pages = meta.pages.iter().map(SealedPage::of).collect();
        Self { session, target, effect, pages, digest: meta.content_digest, len: meta.len() }
    }

    /// The document.
    #[must_use]
    pub fn document(&self) -> DocumentId {
        self.target.document()
    }

    /// The version it will be.
    #[must_use]
    pub fn version(&self) -> VersionId {
        VersionId::of(self.target.operation())
    }

    /// The content's digest.
    #[must_use]
    pub const fn digest(&self) -> ContentDigest {
        self.digest
    }

    /// The pages, in order.
    #[must_use]
    pub fn pages(&self) -> &[SealedPage] {
        &self.pages
    }

    /// Makes the version visible, to everyone.
    ///
    /// # Errors
    ///
    /// Denied if the case was closed or the upload given up meanwhile; the storage's;
    /// [`ErrorKind::OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
    ///
    /// # Cancellation
    ///
    /// The version may be stored or not, whole or not at all: [`Session::outcome`] tells.
    pub async fn publish(&self) -> Result<Stored> {
        observe::operation("SealedUpload::publish", self.subject(), self.commit(None)).await
    }

    /// [`SealedUpload::publish`], with a statement about the case: both stand in the log, the statement right
    /// behind the version, or neither does.
    ///
    /// # Errors
    ///
    /// As [`SealedUpload::publish`] and [`Session::make_statement`]; after
    /// [`ErrorKind::Superseded`](crate::ErrorKind::Superseded) it can be called again with another statement.
    ///
    /// # Cancellation
    ///
    /// As [`SealedUpload::publish`].
    pub async fn publish_stating(&self, statement: NewStatement) -> Result<(Stored, MadeStatement)> {
        observe::operation("SealedUpload::publish_stating", self.subject(), async {
            let command = self.session.statement(self.case(), statement).await?;
            let id = command.operation;
            let stored = self.commit(Some(Arc::new(command))).await?;
            Ok((stored, MadeStatement { id, seq: stored.seq.saturating_add(1), time: stored.time }))
        })
        .await
    }

    fn subject(&self) -> (VaultId, DocumentId) {
        (self.session.vault().id(), self.document())
    }

    fn case(&self) -> CaseId {
        self.target.head.case
    }

    pub(super) async fn commit(&self, statement: Option<Arc<dyn Command>>) -> Result<Stored> {
        let (document, operation) = (self.target.document(), self.target.operation());
        let store: Arc<dyn Command> = Arc::new(Store {
            origin: self.session.origin().clone(),
            operation,
            document,
            effect: self.effect,
            len: self.len,
            digest: self.digest,
            case_key: self.target.case_key.clone(),
            reason: self.target.reason.clone(),
            since: self.target.since,
        });
        let commands = core::iter::once(store).chain(statement).collect();
        let committed = self.session.vault().commit_all(operation, commands).await?;
        let (seq, time) = (committed.seq, committed.time);
        Ok(Stored { document, version: self.version(), seq, time, digest: self.digest, len: self.len })
    }
}
