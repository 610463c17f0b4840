//! Reading content: on record first, released after.

use core::ops::Range;

use bytes::Bytes;

use super::Session;
use crate::{
    error::{Error, ErrorKind, Result},
    ids::{DocumentId, VersionId},
    log::row::{Row, RowKey},
    observe, plan,
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
    pub async fn retrieve(&self, document: DocumentId) -> Result<Bytes> {
        observe::operation("Session::retrieve", (self.vault.id(), document), async {
            let limit = self.vault.options().whole_limit;
            let reader = self.open_newest(document, move |len| {
                if len > limit {
                    return Err(Error::invalid(format!(
                        "the content has {len} bytes, above {limit}: use a reader"
                    )));
                }
                Ok(0..len)
            });
            reader.await?.whole().await
        })
        .await
    }

    /// Bytes of the newest version's content.
    ///
    /// # Errors
    ///
    /// As [`Session::retrieve`]; invalid for a range that is not within the content.
    pub async fn retrieve_range(&self, document: DocumentId, range: Range<u64>) -> Result<Bytes> {
        observe::operation("Session::retrieve_range", (self.vault.id(), document), async {
            let wanted = range.clone();
            let reader = self.open_newest(document, |len| {
                if wanted.start > wanted.end || wanted.end > len {
                    let Range { start, end } = &wanted;
                    return Err(Error::invalid(format!(
                        "the range {start}..{end} is not within {len} bytes"
                    )));
                }
                Ok(wanted.clone())
            });
            reader.await?.slice(range).await
        })
        .await
    }

    /// A reader of the newest version: one read on record, for any number of ranges or a stream.
    ///
    /// # Errors
    ///
    /// As [`Session::retrieve`], whatever the size.
    pub async fn reader(&self, document: DocumentId) -> Result<Reader> {
        observe::operation(
            "Session::reader",
            (self.vault.id(), document),
            self.open_newest(document, |len| Ok(0..len)),
        )
        .await
    }

    /// A reader of one version.
    ///
    /// # Errors
    ///
    /// As [`Session::reader`]; not found for the version.
    pub async fn reader_of(&self, document: DocumentId, version: VersionId) -> Result<Reader> {
        observe::operation("Session::reader_of", (self.vault.id(), document), async {
            let row = self.fresh_row(&RowKey::version(document, version)).await?;
            let row =
                row.ok_or_else(|| Error::not_found(format!("version {version} of document {document}")))?;
            self.open(document, &row, false, &|len| Ok(0..len)).await
        })
        .await
    }

    /// Opens the newest version, again if another one was stored before the read was on record.
    fn open_newest<'a>(
        &'a self,
        document: DocumentId,
        range: impl Fn(u64) -> Result<Range<u64>> + Send + Sync + 'a,
    ) -> core::pin::Pin<Box<dyn Future<Output = Result<Reader>> + Send + 'a>> {
        Box::pin(async move {
            for _ in 0..RETRIES {
                let row = self.document_row(document).await?;
                match self.open(document, &row, true, &range).await {
                    Err(error) if self.superseded(document, &row, &error).await? => {}
                    opened => return opened,
                }
            }
            Err(Error::new(
                ErrorKind::Contended,
                format!("document {document} kept being replaced; try again"),
            ))
        })
    }

    /// Whether the error is due to a state that has passed: a newer version, maybe of another length, or
    /// a folded index.
    async fn superseded(&self, document: DocumentId, row: &Row, error: &Error) -> Result<bool> {
        if !matches!(error.kind(), ErrorKind::Denied | ErrorKind::Corrupt | ErrorKind::Invalid) {
            return Ok(false);
        }
        let state = self.vault.ledger().sync().await?;
        let newest = self.row(&state, &RowKey::document(document)).await?;
        Ok(newest.is_some_and(|newest| newest.operation != row.operation))
    }

    /// Fetches a version's head, puts the read on record, and only then gives access.
    async fn open(
        &self,
        document: DocumentId,
        row: &Row,
        newest: bool,
        range: &(dyn Fn(u64) -> Result<Range<u64>> + Send + Sync),
    ) -> Result<Reader> {
        let head = self.vault.version_head(document, row, Extent::Whole).await?;
        let source = ContentSource::new(self.vault.clone(), head);
        let range = range(source.len())?;
        let operation = self.operation()?;
        let (origin, version) = (self.origin.clone(), VersionId::of(row.operation));
        self.commit(operation, plan::Read { origin, operation, document, version, newest, range }).await?;
        Ok(Reader::new(source))
    }
}

const RETRIES: u32 = 8;
