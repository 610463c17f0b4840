//! Names and metadata: of cases, documents, versions.

use futures_util::{StreamExt, TryStreamExt, future::try_join, stream};

use super::Session;
use crate::{
    document::{Attributes, ContentDigest, SealedPage},
    env::Timestamp,
    error::{Error, ErrorKind, Result},
    ids::{CaseId, DocumentId, VersionId},
    log::{
        leaf::Kind,
        row::{Row, RowKey},
    },
    observe,
    plan::{self, Browse, Browsed, Items},
    vault::{Extent, Looked},
};

/// A case's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CaseDescription {
    /// The case.
    pub id: CaseId,
    /// Its title; empty if it was erased.
    pub title: String,
    /// Its attributes; none if it was erased.
    pub attributes: Attributes,
    /// Whether it is closed, as every erased case is.
    pub closed: bool,
    /// Whether it was erased: then nothing else is kept of it.
    pub erased: bool,
    /// When it was last opened, closed, reopened or erased.
    pub changed: Timestamp,
}

/// A version's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Described {
    /// The document.
    pub document: DocumentId,
    /// The version.
    pub version: VersionId,
    /// Which version of the document it is, from 1.
    pub ordinal: u32,
    /// The document's name.
    pub name: String,
    /// The media type.
    pub media_type: String,
    /// The attributes.
    pub attributes: Attributes,
    /// Bytes of content, over all pages.
    pub len: u64,
    /// The pages, in order.
    pub pages: Vec<SealedPage>,
    /// The content's digest.
    pub digest: ContentDigest,
    /// When it was stored.
    pub stored: Timestamp,
    /// The record that stored it.
    pub seq: u64,
}

/// A version in a document's history.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct VersionInfo {
    /// What it is.
    pub described: Described,
    /// The version before it.
    pub previous: Option<VersionId>,
    /// Why it replaced that one; empty for the first.
    pub reason: String,
}

/// A page of a listing of cases.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CasePage {
    /// Up to 1,000 cases, by id.
    pub cases: Vec<CaseDescription>,
    /// Where the next page begins; none after the last.
    pub next: Option<CaseId>,
}

/// A page of a listing of documents.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DocumentPage {
    /// Up to 1,000 documents, by id, each in its newest version.
    pub documents: Vec<Described>,
    /// Where the next page begins; none after the last.
    pub next: Option<DocumentId>,
}

impl Session {
    /// A page of the vault's cases, from the one at `start` on.
    ///
    /// A page shows one state of the log; cases opened between pages may be on a later page or not.
    /// Nothing can be left out of a page: an index that hides something is an error.
    ///
    /// # Errors
    ///
    /// Corrupt; the storage's. If the look cannot be put on record, nothing is released.
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn cases(&self, start: Option<CaseId>) -> Result<CasePage> {
        observe::operation("Session::cases", self.vault.id(), async {
            let from = start.map_or(RowKey::cases(), RowKey::case);
            let describe = |row: Row| async move { self.describe_case_row(&row).await };
            let (cases, next) = self.page(&from, Browsed::Cases, plan::case_of, describe).await?;
            Ok(CasePage { cases, next: next.as_ref().map(plan::case_of) })
        })
        .await
    }

    /// A case's metadata.
    ///
    /// # Errors
    ///
    /// Not found; erased; as [`Session::cases`].
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn describe_case(&self, case: CaseId) -> Result<CaseDescription> {
        observe::operation("Session::describe_case", (self.vault.id(), case), async {
            let missing = || Error::not_found(format!("case {case}"));
            self.vault.fresh_row(&RowKey::case(case)).await?.ok_or_else(missing)?;
            self.browse(Browsed::Case(case), 1).await?;
            let row = self.vault.row(&self.vault.ledger().state(), &RowKey::case(case)).await?;
            self.describe_case_row(&row.ok_or_else(missing)?).await
        })
        .await
    }

    /// A page of a case's documents, from the one at `start` on. See [`Session::cases`].
    ///
    /// # Errors
    ///
    /// Not found or erased for the case; as [`Session::cases`].
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn documents(&self, case: CaseId, start: Option<DocumentId>) -> Result<DocumentPage> {
        observe::operation("Session::documents", (self.vault.id(), case), async {
            self.known_case_key(case).await?;
            let from =
                start.filter(|start| start.case() == case).map_or(RowKey::documents(case), RowKey::document);
            let id = move |row: &Row| DocumentId::new(case, row.key.child_id());
            let describe = |row: Row| async move { self.describe_row(id(&row), &row).await };
            let (documents, next) = self.page(&from, Browsed::Documents(case), |_| case, describe).await?;
            Ok(DocumentPage { documents, next: next.as_ref().map(id) })
        })
        .await
    }

    /// The newest version's metadata.
    ///
    /// # Errors
    ///
    /// Not found; as [`Session::cases`].
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn describe(&self, document: DocumentId) -> Result<Described> {
        observe::operation("Session::describe", (self.vault.id(), document), async {
            self.document_row(document).await?;
            self.browse(Browsed::Document(document), 1).await?;
            self.describe_row(document, &self.document_row(document).await?).await
        })
        .await
    }

    /// The newest version of each of these documents, in their order; none for one that is not there. It reads
    /// the index alone.
    ///
    /// # Errors
    ///
    /// As [`Session::cases`].
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn newest_versions(&self, documents: &[DocumentId]) -> Result<Vec<Option<VersionId>>> {
        observe::operation("Session::newest_versions", self.vault.id(), async {
            if documents.is_empty() {
                return Ok(Vec::new());
            }
            self.browse(Browsed::Newest, documents.len()).await?;
            let state = self.vault.ledger().state();
            let newest = documents.iter().copied().map(|document| {
                let state = &state;
                async move {
                    let row = self.vault.row(state, &RowKey::document(document)).await?;
                    Ok::<_, Error>(row.as_ref().map(plan::version))
                }
            });
            stream::iter(newest).buffered(AT_ONCE).try_collect().await
        })
        .await
    }

    /// Every version of a document, oldest first.
    ///
    /// # Errors
    ///
    /// Not found; as [`Session::cases`].
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn history(&self, document: DocumentId) -> Result<Vec<VersionInfo>> {
        observe::operation("Session::history", (self.vault.id(), document), async {
            self.document_row(document).await?;
            self.browse_from(Browsed::Versions(document), RowKey::versions(document), usize::MAX).await?;
            let state = self.vault.ledger().state();
            let mut rows = self.vault.all_rows(&state, RowKey::versions(document)).await?;
            // Later pages may be of a state that has superseded that one.
            rows.retain(|row| row.seq < state.head.size);
            rows.sort_by_key(|row| row.seq);
            let versions = rows.into_iter().map(|row| async move {
                let personal = self.vault.personal(document.case(), &row);
                let (described, personal) = try_join(self.describe_row(document, &row), personal).await?;
                let reason =
                    plan::reason(&personal).map_err(|_| Error::corrupt(format!("record {}", row.seq)))?;
                Ok::<_, Error>(VersionInfo { described, previous: plan::previous_version(&row), reason })
            });
            let looked = Looked::at(self.vault.now());
            let versions = stream::iter(versions).buffered(AT_ONCE).try_collect().await?;
            self.vault.still_stands(document.case(), &looked).await?;
            Ok(versions)
        })
        .await
    }

    /// What `read` makes of the rows of one page, and the first row of the next, as of the record that puts the
    /// look in the log: its commit brings this process up to date, so the lookup after it misses nothing before
    /// it. So too for every other answer here: on record first, then looked up.
    pub(super) async fn page<T, F>(
        &self,
        from: &RowKey,
        what: Browsed,
        case_of: impl Fn(&Row) -> CaseId + Send,
        read: impl Fn(Row) -> F + Send,
    ) -> Result<(Vec<T>, Option<Row>)>
    where
        T: Send,
        F: Future<Output = Result<T>> + Send,
    {
        self.browse_from(what, *from, PAGE).await?;
        let mut rows = self.vault.rows(&self.vault.ledger().state(), from, PAGE + 1).await?;
        let next = if rows.len() > PAGE { rows.pop() } else { None };
        let looked = Looked::at(self.vault.now());
        let reads: Vec<_> = rows.iter().cloned().map(&read).collect();
        let mut items: Vec<T> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
        if looked.is_due(self.vault.now()) {
            // Some were held back, and meanwhile the cases of others may have been erased: these are read anew.
            self.vault.ledger().sync().await?;
            for (item, row) in items.iter_mut().zip(rows) {
                if self.vault.case_stands(case_of(&row)).await.is_err() {
                    *item = read(row).await?;
                }
            }
        }
        Ok((items, next))
    }

    /// Puts a look at so many items on record.
    pub(super) async fn browse(&self, what: Browsed, items: usize) -> Result<()> {
        self.browse_items(what, Items::Asked(items)).await
    }

    /// Puts a look at the items from `first` on on record. What is counted for it is read before: others wait while
    /// it is planned.
    async fn browse_from(&self, what: Browsed, first: RowKey, most: usize) -> Result<()> {
        self.vault.rows(&self.vault.ledger().state(), &first, most).await?;
        self.browse_items(what, Items::From(first, most)).await
    }

    async fn browse_items(&self, what: Browsed, items: Items) -> Result<()> {
        let operation = self.operation()?;
        let origin = self.origin.clone();
        self.commit_release(operation, Browse { origin, operation, what, items }).await.map(drop)
    }

    async fn describe_case_row(&self, row: &Row) -> Result<CaseDescription> {
        let id = plan::case_of(row);
        let (title, attributes, erased) = match self.vault.case_meta(id, row).await {
            Err(error) if error.kind() == ErrorKind::Erased => (String::new(), Attributes::new(), true),
            meta => meta.map(|meta| (meta.title, meta.attributes, false))?,
        };
        let closed = erased || row.kind == Kind::CaseClosed;
        Ok(CaseDescription { id, title, attributes, closed, erased, changed: row.time })
    }

    async fn describe_row(&self, document: DocumentId, row: &Row) -> Result<Described> {
        let meta = self.vault.version_head(document, row, Extent::Start).await?.meta;
        Ok(Described {
            document,
            version: plan::version(row),
            ordinal: plan::ordinal(row),
            len: meta.len(),
            pages: meta.pages.iter().map(SealedPage::of).collect(),
            digest: meta.content_digest,
            name: meta.document.name,
            media_type: meta.document.media_type,
            attributes: meta.document.attributes,
            stored: row.time,
            seq: row.seq,
        })
    }
}

/// Items on a page of a listing.
const PAGE: usize = 1000;
/// Heads fetched at once.
pub(super) const AT_ONCE: usize = 32;
