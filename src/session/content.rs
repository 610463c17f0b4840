//! Reading content: on record first, released after.

use core::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, join, try_join};

use super::{Session, recent::Recent};
use crate::{
    error::{Error, ErrorKind, Result},
    ids::{DocumentId, VersionId},
    log::row::{Row, RowKey},
    observe,
    plan::{self, Browsed},
    secret::Holder,
    transfer::{ContentSource, Reader},
    vault::Extent,
};

impl Session {
    /// The newest version's content, whole; its digest is checked before a byte is released.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] above [`VaultOptions::whole_limit`](crate::VaultOptions::whole_limit): use
    /// [`Session::reader`]. Not found; corrupt; the storage's. If the read cannot be put on record,
    /// nothing is released.
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn retrieve(&self, document: DocumentId) -> Result<Bytes> {
        observe::operation("Session::retrieve", (self.vault.id(), document), async {
            let reader = self.newest(document, None, move |source| {
                Box::pin(async move {
                    let len = source.len();
                    self.checked(document, self.check_len(len, "content")).await?;
                    let mut reader = Reader::new(Arc::clone(&source));
                    reader.beside(self.read(&source, true, 0..len)).await?;
                    Ok(reader)
                })
            });
            reader.await?.whole().await
        })
        .await
    }

    /// Bytes of the newest version's content.
    ///
    /// The session keeps the four versions of which this read ranges last, as opened, some 6 MiB each at most: a next
    /// range of the same part takes the record, and one read beside it.
    ///
    /// # Errors
    ///
    /// As [`Session::retrieve`], by the range's length; invalid for a range that is not within the content.
    ///
    /// # Security
    ///
    /// What is kept has the keys of these versions, until the session ends or this process meets the erasure of their
    /// case. Each call is decided on the log as it is then.
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn retrieve_range(&self, document: DocumentId, range: Range<u64>) -> Result<Bytes> {
        observe::operation("Session::retrieve_range", (self.vault.id(), document), async {
            self.check_len(range.end.saturating_sub(range.start), "range")?;
            let released = self.newest(document, Some(&self.recent), |source| {
                let range = range.clone();
                Box::pin(async move {
                    let content = self.range_of(&source, range).await;
                    if content.is_err() {
                        self.recent.forget(document.case());
                    }
                    content
                })
            });
            released.await
        })
        .await
    }

    /// Refuses what is too long to be given by one call.
    fn check_len(&self, len: u64, what: &str) -> Result<()> {
        let limit = self.vault.options().whole_limit;
        if len <= limit {
            return Ok(());
        }
        Err(Error::invalid(format!("the {what} has {len} bytes, above {limit}: use a reader")))
    }

    /// A refusal that tells how long the content is: that is metadata, so the look is on record first.
    async fn checked(&self, document: DocumentId, checked: Result<()>) -> Result<()> {
        if checked.is_err() {
            self.browse(Browsed::Document(document), 1).await?;
        }
        checked
    }

    /// Puts the read of a range on record; what holds the start of it is fetched meanwhile, sealed.
    async fn range_of(&self, source: &Arc<ContentSource>, range: Range<u64>) -> Result<Bytes> {
        self.checked(source.document(), source.check_range(&range)).await?;
        let fetch = async { Ok(source.first_range(&range).await) };
        let reader = Reader::new(Arc::clone(source));
        let ((), first) = try_join(self.read(source, true, range.clone()), fetch).await?;
        // Before it is asked whether the case stands: whoever erases it later finds what is kept.
        self.recent.keep(&self.vault, Arc::clone(source));
        source.stands().await?;
        reader.first_slice(&range, first).await
    }

    /// A reader of the newest version: one read on record, for any number of ranges or a stream.
    ///
    /// # Errors
    ///
    /// As [`Session::retrieve`], whatever the size.
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn reader(&self, document: DocumentId) -> Result<Reader> {
        observe::operation("Session::reader", (self.vault.id(), document), async {
            let reader = self.newest(document, None, |source| {
                Box::pin(async move {
                    self.read(&source, true, 0..source.len()).await?;
                    Ok(Reader::new(source))
                })
            });
            reader.await
        })
        .await
    }

    /// A reader of one version.
    ///
    /// # Errors
    ///
    /// As [`Session::reader`]; not found for the version.
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn reader_of(&self, document: DocumentId, version: VersionId) -> Result<Reader> {
        observe::operation("Session::reader_of", (self.vault.id(), document), async {
            let row = self.vault.fresh_row(&RowKey::version(document, version)).await?;
            let row =
                row.ok_or_else(|| Error::not_found(format!("version {version} of document {document}")))?;
            let head = self.vault.version_head(document, &row, Extent::Whole).await?;
            let source = ContentSource::new(self.vault.clone(), head);
            self.read(&source, false, 0..source.len()).await?;
            Ok(Reader::new(Arc::new(source)))
        })
        .await
    }

    /// Releases something of the newest version, again if another one was stored before the read was on record.
    fn newest<'a, T: Send + 'a>(
        &'a self,
        document: DocumentId,
        recent: Option<&'a Recent>,
        release: impl Fn(Arc<ContentSource>) -> BoxFuture<'a, Result<T>> + Send + Sync + 'a,
    ) -> BoxFuture<'a, Result<T>> {
        Box::pin(async move {
            for _ in 0..RETRIES {
                // The proof that a record may be committed need not wait for what is read before.
                let found = join(self.find(document, recent), self.vault.ledger().prove()).await.0;
                let (row, source) = found?;
                let released = match source {
                    Ok(source) => release(source).await,
                    Err(error) => Err(error),
                };
                match released {
                    Err(error) if self.superseded(document, &row, &error).await? => {}
                    released => return released,
                }
            }
            Err(Error::new(
                ErrorKind::Contended,
                format!("document {document} kept being replaced; try again"),
            ))
        })
    }

    /// The newest row about a document, and the content of the version it names, which may be kept. The row of its case
    /// is looked up meanwhile; whether the case stands is asked again where it matters.
    async fn find(
        &self,
        document: DocumentId,
        recent: Option<&Recent>,
    ) -> Result<(Row, Result<Arc<ContentSource>>)> {
        let (state, case) = (self.vault.ledger().state(), RowKey::case(document.case()));
        let row = join(self.document_row(document), self.vault.row(&state, &case)).await.0?;
        if let Some(source) = recent.and_then(|recent| recent.find(document, &row)) {
            return Ok((row, Ok(source)));
        }
        let head = self.vault.version_head(document, &row, Extent::Whole).await;
        let source = head.map(|head| Arc::new(ContentSource::new(self.vault.clone(), head)));
        Ok((row, source))
    }

    /// Whether the error is due to a state that has passed: a newer version, maybe of another length, or
    /// a folded index.
    async fn superseded(&self, document: DocumentId, row: &Row, error: &Error) -> Result<bool> {
        if !matches!(error.kind(), ErrorKind::Denied | ErrorKind::Corrupt | ErrorKind::Invalid) {
            return Ok(false);
        }
        let state = self.vault.ledger().sync().await?;
        let newest = self.vault.row(&state, &RowKey::document(document)).await?;
        Ok(newest.is_some_and(|newest| newest.operation != row.operation))
    }

    /// Puts a read on record, after which it may be released: what is fetched meanwhile is sealed.
    async fn read(&self, source: &ContentSource, newest: bool, range: Range<u64>) -> Result<()> {
        let (document, version) = (source.document(), VersionId::of(source.head().id.operation));
        let (origin, operation) = (self.origin.clone(), self.operation()?);
        let read = plan::Read { origin, operation, document, version, newest, range };
        self.commit_release(operation, read).await.map(drop)
    }
}

/// How often what was overtaken is begun again.
pub(super) const RETRIES: u32 = 8;
