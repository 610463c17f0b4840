//! Reading content: on record first, released after.

use core::ops::Range;

use bytes::Bytes;
use futures_util::future::join;

use super::Session;
use crate::{
    error::{Error, ErrorKind, Result},
    ids::{DocumentId, VersionId},
    log::row::{Row, RowKey},
    observe, plan,
    transfer::{ContentSource, Reader},
    vault::{Extent, VersionHead},
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
            let whole = move |len| {
                if len > limit {
                    return Err(Error::invalid(format!(
                        "the content has {len} bytes, above {limit}: use a reader"
                    )));
                }
                Ok(0..len)
            };
            self.open_newest(document, Ahead::Fetch, whole).await?.whole().await
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
            let reader = self.open_newest(document, Ahead::Nothing, |len| {
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
            self.open_newest(document, Ahead::Nothing, |len| Ok(0..len)),
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
            let head = self.vault.version_head(document, &row, Extent::Whole).await?;
            self.open(head, false, Ahead::Nothing, &|len| Ok(0..len)).await
        })
        .await
    }

    /// Opens the newest version, again if another one was stored before the read was on record.
    fn open_newest<'a>(
        &'a self,
        document: DocumentId,
        ahead: Ahead,
        range: impl Fn(u64) -> Result<Range<u64>> + Send + Sync + 'a,
    ) -> core::pin::Pin<Box<dyn Future<Output = Result<Reader>> + Send + 'a>> {
        Box::pin(async move {
            for _ in 0..RETRIES {
                // The proof that a record may be committed need not wait for what is read before.
                let found = join(self.find(document), self.vault.ledger().prove()).await.0;
                let (row, head) = found?;
                let opened = match head {
                    Ok(head) => self.open(head, true, ahead, &range).await,
                    Err(error) => Err(error),
                };
                match opened {
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

    /// The newest row about a document, and the head it names. The row of its case is looked up meanwhile; whether
    /// the case stands is asked again where it matters.
    async fn find(&self, document: DocumentId) -> Result<(Row, Result<VersionHead>)> {
        let (state, case) = (self.vault.ledger().state(), RowKey::case(document.case()));
        let row = join(self.document_row(document), self.row(&state, &case)).await.0?;
        let head = self.vault.version_head(document, &row, Extent::Whole).await;
        Ok((row, head))
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

    /// Puts the read on record, and only then gives access: what is fetched ahead is sealed.
    async fn open(
        &self,
        head: VersionHead,
        newest: bool,
        ahead: Ahead,
        range: &(dyn Fn(u64) -> Result<Range<u64>> + Send + Sync),
    ) -> Result<Reader> {
        let (document, version) =
            (DocumentId::new(head.id.case, head.id.object), VersionId::of(head.id.operation));
        let mut reader = Reader::new(ContentSource::new(self.vault.clone(), head));
        let range = range(reader.len())?;
        let operation = self.operation()?;
        let origin = self.origin.clone();
        let read = plan::Read { origin, operation, document, version, newest, range };
        let fetched = async {
            if ahead == Ahead::Fetch {
                reader.fetch_ahead().await;
            }
        };
        join(self.commit(operation, read), fetched).await.0?;
        Ok(reader)
    }
}

/// What is fetched while the read goes on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ahead {
    Nothing,
    /// The first parts.
    Fetch,
}

const RETRIES: u32 = 8;
