//! Storing documents.

use bytes::Bytes;
use futures_util::future::join;

use super::Session;
use crate::{
    document::{ContentDigest, NewDocument, REASON_CAP, within},
    env::{Timestamp, random},
    error::{Error, Result},
    ids::{CaseId, DocumentId, OperationId, VersionId},
    log::row::{Row, RowKey},
    observe,
    plan::Announce,
    transfer::{Target, Upload, UploadToken},
};

/// A version that stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Stored {
    /// The document.
    pub document: DocumentId,
    /// The version.
    pub version: VersionId,
    /// The record's number.
    pub seq: u64,
    /// The record's time.
    pub time: Timestamp,
    /// The content's digest.
    pub digest: ContentDigest,
    /// Bytes of content.
    pub len: u64,
}

impl Session {
    /// Stores a new document of one page, from memory.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) for the case, [`ErrorKind::Denied`](crate::ErrorKind::Denied)
    /// if it is closed, [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for too long a name; the storage's.
    ///
    /// # Cancellation
    ///
    /// The document may be stored or not, whole or not at all: [`Session::documents`] tells. Whoever must be able to try again
    /// takes [`Session::upload`] and keeps its token.
    pub async fn store(
        &self,
        case: CaseId,
        document: NewDocument,
        content: impl Into<Bytes>,
    ) -> Result<Stored> {
        observe::operation("Session::store", (self.vault.id(), case), async {
            let target = self.new_target(case, document).await?;
            self.store_target(target, &content.into()).await
        })
        .await
    }

    /// Stores a new version of a document, from memory.
    ///
    /// # Errors
    ///
    /// As [`Session::store`]; not found for the document; invalid without a reason.
    ///
    /// # Cancellation
    ///
    /// As [`Session::store`].
    pub async fn store_version(
        &self,
        document: DocumentId,
        described: NewDocument,
        reason: &str,
        content: impl Into<Bytes>,
    ) -> Result<Stored> {
        observe::operation("Session::store_version", (self.vault.id(), document), async {
            let target = self.version_target(document, described, reason).await?;
            self.store_target(target, &content.into()).await
        })
        .await
    }

    async fn store_target(&self, target: Target, content: &Bytes) -> Result<Stored> {
        let mut upload = Upload::start(self.clone(), target)?;
        upload.take(content).await?;
        upload.complete().await
    }

    /// Starts an upload of a new document, invisible until [`Upload::finish`].
    ///
    /// # Errors
    ///
    /// As [`Session::store`].
    ///
    /// # Cancellation
    ///
    /// At most an announcement stands in the log, and expires.
    pub async fn upload(&self, case: CaseId, document: NewDocument) -> Result<Upload> {
        observe::operation("Session::upload", (self.vault.id(), case), async {
            let target = self.new_target(case, document).await?;
            self.announce(&target).await?;
            Upload::start(self.clone(), target)
        })
        .await
    }

    /// Starts an upload of a new version, invisible until [`Upload::finish`].
    ///
    /// # Errors
    ///
    /// As [`Session::store_version`].
    ///
    /// # Cancellation
    ///
    /// As [`Session::upload`].
    pub async fn upload_version(
        &self,
        document: DocumentId,
        described: NewDocument,
        reason: &str,
    ) -> Result<Upload> {
        observe::operation("Session::upload_version", (self.vault.id(), document), async {
            let target = self.version_target(document, described, reason).await?;
            self.announce(&target).await?;
            Upload::start(self.clone(), target)
        })
        .await
    }

    /// Goes on with an upload that was interrupted, by the token that [`Upload::token`] gave.
    ///
    /// The caller continues at [`Upload::position`]: of the page at hand, the parts before it were read back and are
    /// authentic; of finished pages each part is there. Nothing is sealed again under a salt that was used.
    ///
    /// # Errors
    ///
    /// Corrupt for a token of another vault or an altered one, or if a finished page is not in this storage (copies have no
    /// uploads that are under way: upload anew); denied if the upload expired and was
    /// given up, or finished.
    ///
    /// # Cancellation
    ///
    /// As [`Session::upload`].
    pub async fn resume_upload(&self, token: &UploadToken) -> Result<Upload> {
        observe::operation("Session::resume_upload", (self.vault.id(), token.case()), async {
            let case_key = self.known_case_key(token.case()).await?;
            let target = token.open(self.vault.id(), case_key)?;
            self.announce(&target).await?;
            Upload::resume(self.clone(), target, token).await
        })
        .await
    }

    async fn new_target(&self, case: CaseId, document: NewDocument) -> Result<Target> {
        document.check()?;
        // The proof that a record may be committed need not wait for what is read before.
        let case_key = join(self.known_case_key(case), self.vault.ledger().prove()).await.0?;
        let own = random(self.vault.ledger().entropy())?;
        Target::new(&self.vault, DocumentId::new(case, own), document, case_key, None)
    }

    async fn version_target(
        &self,
        document: DocumentId,
        described: NewDocument,
        reason: &str,
    ) -> Result<Target> {
        described.check()?;
        within("the reason", reason, REASON_CAP)?;
        if reason.is_empty() {
            return Err(Error::invalid("a new version needs a reason"));
        }
        self.document_row(document).await?;
        let case_key = self.vault.case_key(document.case()).await?;
        Target::new(&self.vault, document, described, case_key, Some(reason.to_owned()))
    }

    async fn announce(&self, target: &Target) -> Result<()> {
        let (operation, document): (OperationId, _) = (target.operation(), target.document());
        let expiry = self.vault.ledger().now().saturating_add(self.vault.options().upload_expiry);
        let origin = self.origin.clone();
        let since = target.since;
        let command = Announce { origin, operation, document, expiry, unknown_only: false, since };
        self.commit(operation, command).await?;
        Ok(())
    }

    /// The newest row about a document.
    pub(super) async fn document_row(&self, document: DocumentId) -> Result<Row> {
        let row = self.vault.fresh_row(&RowKey::document(document)).await?;
        row.ok_or_else(|| Error::not_found(format!("document {document}")))
    }
}
