//! Content on its way out: whole, streamed or by range, every byte authentic.

use core::ops::Range;

use bytes::Bytes;

use super::upload::part_context;
use crate::{
    crypto::{
        chunked::{self, OpenError, PREFIX_LEN, RangeOpener},
        digest,
    },
    document::{ContentDigest, PART_LEN, Page, Place},
    error::{Error, ErrorKind, Result},
    ids::{DocumentId, VersionId},
    secret::SecretBytes,
    storage::layout,
    vault::{Vault, VersionHead},
};

/// One version's sealed content, and what opens it.
pub(crate) struct ContentSource {
    vault: Vault,
    head: VersionHead,
    context: [u8; 32],
}

impl ContentSource {
    pub(crate) fn new(vault: Vault, head: VersionHead) -> Self {
        let context = head.key.content_context(&head.id);
        Self { vault, head, context }
    }

    pub(crate) fn head(&self) -> &VersionHead {
        &self.head
    }

    pub(crate) fn len(&self) -> u64 {
        self.head.meta.len()
    }

    /// A part as stored, with the attempt that sealed it.
    ///
    /// # Errors
    ///
    /// Corrupt if it is missing or has another length than the head says.
    pub(crate) async fn sealed_part(&self, page: usize, part: u32) -> Result<([u8; 16], Bytes)> {
        let described = self.page(page)?;
        if described.place == Place::Inline {
            let (attempt, sealed) =
                self.head.inline.split_first_chunk::<16>().ok_or_else(|| self.corrupt())?;
            return Ok((*attempt, self.head.inline.slice_ref(sealed)));
        }
        let (attempt, name) = self.part_name(page, part)?;
        let expected = chunked::sealed_len(described.part_len(part));
        let sealed = self.vault.ledger().storage().read(&name, None).await?;
        let sealed = sealed.filter(|sealed| u64::try_from(sealed.len()).ok() == expected);
        Ok((attempt, sealed.ok_or_else(|| Error::corrupt(format!("object {name}")))?))
    }

    /// The content of a part, without padding, which is checked.
    ///
    /// # Errors
    ///
    /// Corrupt.
    pub(crate) async fn part(&self, page: usize, part: u32) -> Result<SecretBytes> {
        let (attempt, sealed) = self.sealed_part(page, part).await?;
        let opened =
            open_part(&self.head.key.key, &self.context, self.page(page)?, (page, part), &attempt, &sealed);
        opened.map_err(|OpenError| self.corrupt())
    }

    /// Part of a part's content, fetching and opening no more than the chunks that hold it.
    async fn part_range(&self, page: usize, part: u32, range: Range<u64>) -> Result<SecretBytes> {
        let described = self.page(page)?;
        if described.place == Place::Inline {
            let whole = self.part(page, part).await?;
            let bounds = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
            let slice =
                bounds.and_then(|(start, end)| whole.get(start..end)).ok_or_else(|| self.corrupt())?;
            return Ok(SecretBytes::new(slice.to_vec()));
        }
        let (attempt, name) = self.part_name(page, part)?;
        let corrupt = || Error::corrupt(format!("object {name}"));
        let sealed_len = chunked::sealed_len(described.part_len(part)).ok_or_else(corrupt)?;
        let storage = self.vault.ledger().storage();
        let prefix_range = 0..u64::try_from(PREFIX_LEN).unwrap_or(u64::MAX);
        let prefix = storage.read(&name, Some(prefix_range)).await?.ok_or_else(corrupt)?;
        let prefix = prefix.first_chunk::<PREFIX_LEN>().ok_or_else(corrupt)?;
        let page = u32::try_from(page).unwrap_or(u32::MAX);
        let context = part_context(&self.context, &attempt, page, part);
        let key = self.head.key.key.expose();
        let opener: RangeOpener =
            RangeOpener::new(key, &context, prefix, sealed_len).map_err(|OpenError| corrupt())?;
        let sealed = storage.read(&name, Some(opener.sealed_range(&range))).await?.ok_or_else(corrupt)?;
        opener.open(&range, &sealed).map_err(|OpenError| corrupt())
    }

    /// Bytes of content, across pages and parts; `range` must lie within.
    ///
    /// # Errors
    ///
    /// Corrupt.
    pub(crate) async fn range(&self, range: &Range<u64>) -> Result<SecretBytes> {
        let capacity = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0);
        let mut content = SecretBytes::new(Vec::with_capacity(capacity));
        let mut page_start = 0;
        for (page, described) in self.head.meta.pages.iter().enumerate() {
            for part in 0..described.parts() {
                let start = page_start + u64::from(part) * PART_LEN;
                let end = page_start + described.len.min((u64::from(part) + 1) * PART_LEN);
                let wanted = range.start.max(start)..range.end.min(end);
                if !wanted.is_empty() {
                    let within = wanted.start - start..wanted.end - start;
                    content.extend_from_slice(&self.part_range(page, part, within).await?);
                }
            }
            page_start = page_start.saturating_add(described.len);
        }
        Ok(content)
    }

    fn page(&self, page: usize) -> Result<&Page> {
        self.head.meta.pages.get(page).ok_or_else(|| self.corrupt())
    }

    fn part_name(&self, page: usize, part: u32) -> Result<([u8; 16], crate::storage::ObjectKey)> {
        let attempt = self.page(page)?.attempt(part).ok_or_else(|| self.corrupt())?;
        let index = layout::part_index(u32::try_from(page).unwrap_or(u32::MAX), part);
        let head = &self.head.id;
        Ok((attempt, layout::part(head.case, head.operation, &attempt, index)))
    }

    /// Refuses a case that was erased since the version was opened, as far as this process knows.
    ///
    /// # Errors
    ///
    /// Erased.
    pub(crate) async fn stands(&self) -> Result<()> {
        self.vault.case_stands(self.head.id.case).await
    }

    /// What was read, or that the case was erased, if that is why something is missing.
    pub(crate) async fn explained<T>(&self, read: Result<T>) -> Result<T> {
        match read {
            Err(error) => Err(self.vault.unless_erased(self.head.id.case, error).await),
            read => read,
        }
    }

    pub(crate) fn corrupt(&self) -> Error {
        Error::corrupt(format!("content of version {}", VersionId::of(self.head.id.operation)))
    }
}

/// Opens a part; gives its content without padding, which is checked.
pub(super) fn open_part(
    key: &crate::secret::Secret<32>,
    content_context: &[u8; 32],
    page: &Page,
    (page_index, part): (usize, u32),
    attempt: &[u8; 16],
    sealed: &[u8],
) -> Result<SecretBytes, OpenError> {
    let index = u32::try_from(page_index).map_err(|_| OpenError)?;
    let mut plaintext = chunked::open(key, &part_context(content_context, attempt, index, part), sealed)?;
    if u64::try_from(plaintext.len()) != Ok(page.part_len(part)) {
        return Err(OpenError);
    }
    let content = page.len.saturating_sub(u64::from(part) * PART_LEN).min(PART_LEN);
    let content = usize::try_from(content).map_err(|_| OpenError)?;
    let padding = plaintext.get(content..).unwrap_or_default();
    if padding.iter().any(|byte| *byte != 0) {
        return Err(OpenError);
    }
    plaintext.truncate(content);
    Ok(plaintext)
}

/// A walk over all parts of a version that checks each page's digest at its end.
#[derive(Debug, Default)]
pub(super) struct Walk {
    page: usize,
    part: u32,
    digests: Vec<digest::PartDigest>,
}

impl Walk {
    /// Which part is next; none at the end.
    pub(super) fn at(&self, pages: &[Page]) -> Option<(usize, u32)> {
        (self.page < pages.len()).then_some((self.page, self.part))
    }

    /// Takes the content of the part it is at.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if it ends a page whose digest is another.
    pub(super) fn step(&mut self, pages: &[Page], content: &[u8]) -> Result<(), OpenError> {
        let page = pages.get(self.page).ok_or(OpenError)?;
        if self.part == 0 || !content.is_empty() {
            self.digests.push(digest::part_digest(u64::from(self.part) * PART_LEN, content));
        }
        self.part = self.part.saturating_add(1);
        if self.part < page.parts() {
            return Ok(());
        }
        let digest = digest::page_digest(&core::mem::take(&mut self.digests));
        (self.page, self.part) = (self.page.saturating_add(1), 0);
        if digest == page.digest { Ok(()) } else { Err(OpenError) }
    }
}

/// An opened version: its release is on record once, for any number of ranges or one stream.
#[derive(Debug)]
pub struct Reader {
    source: ContentSource,
    walk: Walk,
    failed: bool,
}

impl core::fmt::Debug for ContentSource {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ContentSource").field("operation", &self.head.id.operation).finish_non_exhaustive()
    }
}

impl Reader {
    pub(crate) fn new(source: ContentSource) -> Self {
        Self { source, walk: Walk::default(), failed: false }
    }

    /// The document.
    #[must_use]
    pub fn document(&self) -> DocumentId {
        DocumentId::new(self.source.head.id.case, self.source.head.id.object)
    }

    /// The version that is read; a newer one does not change it.
    #[must_use]
    pub fn version(&self) -> VersionId {
        VersionId::of(self.source.head.id.operation)
    }

    /// Bytes of content, over all pages.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.source.len()
    }

    /// Whether the content has no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The content's digest.
    #[must_use]
    pub fn digest(&self) -> ContentDigest {
        self.source.head.meta.content_digest
    }

    /// Where each page's content lies.
    #[must_use]
    pub fn pages(&self) -> Vec<Range<u64>> {
        let mut start = 0u64;
        let mut pages = Vec::new();
        for page in &self.source.head.meta.pages {
            pages.push(start..start.saturating_add(page.len));
            start = start.saturating_add(page.len);
        }
        pages
    }

    /// Bytes of content; no more is fetched and opened than the 16 KiB chunks that hold them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for a range that ends past the content or before it
    /// starts; erased, if the case was meanwhile; corrupt.
    ///
    /// # Security
    ///
    /// Every byte is authentic under the version's key. That it belongs to the content digest too is
    /// checked by who reads the whole.
    pub async fn range(&self, range: Range<u64>) -> Result<Bytes> {
        if range.start > range.end || range.end > self.len() {
            return Err(Error::invalid(format!(
                "the range {}..{} is not within the content's {} bytes",
                range.start,
                range.end,
                self.len()
            )));
        }
        self.source.stands().await?;
        let content = self.source.range(&range).await;
        self.source.explained(content).await.map(release)
    }

    /// The next part of the content, 8 MiB at most; none at the end. Padding alone comes as an empty part.
    ///
    /// # Errors
    ///
    /// Corrupt, from then on for ever; erased, if the case was meanwhile; the storage's, after which it can be
    /// called again. What came before is authentic. At the end of each page its digest is compared.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.failed {
            return Err(self.source.corrupt());
        }
        let Some((page, part)) = self.walk.at(&self.source.head.meta.pages) else { return Ok(None) };
        self.source.stands().await?;
        let content = self.source.part(page, part).await;
        let content = match self.source.explained(content).await {
            Ok(content) => content,
            Err(error) => {
                self.failed = error.kind() == ErrorKind::Corrupt;
                return Err(error);
            }
        };
        let step = self.walk.step(&self.source.head.meta.pages, &content);
        self.failed = step.is_err();
        step.map_err(|OpenError| self.source.corrupt())?;
        Ok(Some(release(content)))
    }
}

/// Hands plaintext to the caller, who answers for it from here on.
pub(crate) fn release(mut content: SecretBytes) -> Bytes {
    Bytes::from(core::mem::take(&mut *content))
}
