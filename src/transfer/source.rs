//! One version's sealed content in the storage, and what opens it.

use core::ops::Range;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::future::try_join3;

use super::{
    part::{Part, within},
    range::{PartRangeOpener, outline_range, stored_len},
};
use crate::{
    crypto::{
        chunked::{self, OpenError, PREFIX_U64, Rope},
        pieces,
    },
    document::{PART_LEN, Page, Place},
    error::{Error, Result},
    head,
    ids::{DocumentId, VersionId},
    secret::SecretBytes,
    storage::{ObjectKey, WHOLE, layout},
    vault::{Vault, VersionHead},
};

/// A part as stored, in pieces that follow each other, with the attempt that sealed it.
pub(crate) type SealedPart = ([u8; 16], Vec<Bytes>);

/// Sealed chunks that hold a range of a part's content.
pub(crate) struct SealedRange {
    at: (usize, u32),
    /// Within the part.
    range: Range<u64>,
    /// With what opens them; none of a part kept in the head.
    chunks: Option<(Arc<PartRangeOpener>, Bytes)>,
}

/// One version's sealed content, and what opens it.
pub(crate) struct ContentSource {
    vault: Vault,
    head: VersionHead,
    context: [u8; 32],
    /// What opens ranges of the parts that ranges were read of.
    openers: Mutex<BTreeMap<(usize, u32), Arc<PartRangeOpener>>>,
}

impl core::fmt::Debug for ContentSource {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ContentSource").field("operation", &self.head.id.operation).finish_non_exhaustive()
    }
}

impl ContentSource {
    pub(crate) fn new(vault: Vault, head: VersionHead) -> Self {
        let context = head.key.content_context(&head.id);
        Self { vault, head, context, openers: Mutex::default() }
    }

    pub(super) fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(crate) fn head(&self) -> &VersionHead {
        &self.head
    }

    pub(crate) fn document(&self) -> DocumentId {
        DocumentId::new(self.head.id.case, self.head.id.object)
    }

    pub(crate) fn len(&self) -> u64 {
        self.head.meta.len()
    }

    pub(crate) fn pages(&self) -> &[Page] {
        &self.head.meta.pages
    }

    /// A part as stored, with the attempt that sealed it.
    ///
    /// # Errors
    ///
    /// Corrupt if it is missing or has another length than the head says.
    pub(crate) async fn sealed_part(&self, page: usize, part: u32) -> Result<SealedPart> {
        let described = self.page(page)?;
        if described.place == Place::Inline {
            return self.inline_part().await.map(|(attempt, sealed)| (attempt, vec![sealed]));
        }
        let (attempt, name) = self.part_name(page, part)?;
        let expected = stored_len(described.part_len(part));
        let sealed = self.vault.ledger().storage().read_in_pieces(&name).await?;
        let sealed = sealed.filter(|sealed| u64::try_from(Rope::new(sealed).len()).ok() == expected);
        Ok((attempt, sealed.ok_or_else(|| self.corrupt())?))
    }

    /// Opens a part into `padded`, which must have its length; all of it belongs to the page's digest.
    ///
    /// # Errors
    ///
    /// Corrupt; nothing may be released then.
    pub(super) fn open_part(
        &self,
        (page, index): (usize, u32),
        (attempt, sealed): ([u8; 16], &[Bytes]),
        padded: &mut [u8],
    ) -> Result<()> {
        let described = self.page(page)?;
        let content = content_len(described, index).map_err(|OpenError| self.corrupt())?;
        let part = self.part((page, index), attempt);
        let digest = part.open(&Rope::new(sealed), content, padded).map_err(|OpenError| self.corrupt())?;
        if described.has(index, digest) { Ok(()) } else { Err(self.corrupt()) }
    }

    /// Refuses a range that is not within the content.
    ///
    /// # Errors
    ///
    /// Invalid.
    pub(crate) fn check_range(&self, range: &Range<u64>) -> Result<()> {
        let (Range { start, end }, len) = (range, self.len());
        if start > end || *end > len {
            let what = format!("the range {start}..{end} is not within the content's {len} bytes");
            return Err(Error::invalid(what));
        }
        Ok(())
    }

    /// Bytes of content, across pages and parts; `range` must lie within. What its [`ContentSource::first_range`] came to
    /// is `first`, or nothing if that was not fetched.
    ///
    /// # Errors
    ///
    /// Corrupt; erased, if the case was meanwhile.
    pub(crate) async fn range(
        &self,
        range: &Range<u64>,
        first: Result<Option<SealedRange>>,
    ) -> Result<Bytes> {
        let opened = async { self.opened_range(range, first?).await }.await;
        self.explained(opened).await
    }

    async fn opened_range(&self, range: &Range<u64>, mut first: Option<SealedRange>) -> Result<Bytes> {
        let mut opened = Vec::new();
        for (at, within) in self.ranges(range) {
            let sealed = match first.take() {
                Some(sealed) => sealed,
                None => self.sealed_range(at, within).await?,
            };
            opened.push(self.open_range(sealed)?);
        }
        Ok(if opened.len() == 1 { opened.swap_remove(0) } else { opened.concat().into() })
    }

    /// What holds the start of `range`, up to the end of its first part; none if the range is empty.
    ///
    /// # Errors
    ///
    /// As [`ContentSource::range`].
    pub(crate) async fn first_range(&self, range: &Range<u64>) -> Result<Option<SealedRange>> {
        match self.ranges(range).into_iter().next() {
            Some((at, within)) => self.sealed_range(at, within).await.map(Some),
            None => Ok(None),
        }
    }

    /// The parts that hold bytes of `range`, and where in each of them these are.
    fn ranges(&self, range: &Range<u64>) -> Vec<((usize, u32), Range<u64>)> {
        let (mut ranges, mut page_start) = (Vec::new(), 0);
        for (page, described) in self.pages().iter().enumerate() {
            for part in parts_of(described, page_start, range) {
                let start = page_start + u64::from(part) * PART_LEN;
                let end = page_start + described.len.min((u64::from(part) + 1) * PART_LEN);
                let wanted = range.start.max(start)..range.end.min(end);
                if !wanted.is_empty() {
                    ranges.push(((page, part), wanted.start - start..wanted.end - start));
                }
            }
            page_start = page_start.saturating_add(described.len);
        }
        ranges
    }

    /// Fetches no more than the chunks that hold a range of a part.
    async fn sealed_range(&self, at: (usize, u32), range: Range<u64>) -> Result<SealedRange> {
        let inline = self.page(at.0)?.place == Place::Inline;
        let chunks = if inline { None } else { Some(self.fetch_range(at, &range).await?) };
        Ok(SealedRange { at, range, chunks })
    }

    fn open_range(&self, SealedRange { at, range, chunks }: SealedRange) -> Result<Bytes> {
        let Some((opener, sealed)) = chunks else {
            let (mut whole, (attempt, sealed)) = (self.buffer(at.0, at.1)?, self.inline()?);
            self.open_part(at, (attempt, &[sealed]), &mut whole)?;
            let within = within(whole.len(), &range).ok_or_else(|| self.corrupt())?;
            return Ok(super::reader::release(whole).slice(within));
        };
        let opened = opener.open(self.page(at.0)?, &range, &sealed);
        let (opened, within) = opened.map_err(|OpenError| self.corrupt())?;
        Ok(super::reader::release(opened).slice(within))
    }

    /// The sealed chunks that hold `range`, and what opens them: one round trip, the first time too.
    async fn fetch_range(
        &self,
        at: (usize, u32),
        range: &Range<u64>,
    ) -> Result<(Arc<PartRangeOpener>, Bytes)> {
        let (attempt, name) = self.part_name(at.0, at.1)?;
        let (storage, name) = (self.vault.ledger().storage(), &name);
        let read =
            |range| async move { storage.read(name, Some(range)).await?.ok_or_else(|| self.corrupt()) };
        let len = self.page(at.0)?.part_len(at.1);
        let chunks = read(chunked::sealed_range(len, range));
        if let Some(opener) = self.known_opener(at) {
            return Ok((opener, chunks.await?));
        }
        let outline = outline_range(len).ok_or_else(|| self.corrupt())?;
        let outline = async { if outline.is_empty() { Ok(Bytes::new()) } else { read(outline).await } };
        let (prefix, outline, sealed) = try_join3(read(0..PREFIX_U64), outline, chunks).await?;
        let part = self.part(at, attempt);
        let opener = PartRangeOpener::new(&part, self.page(at.0)?, &prefix, &outline);
        let opener = Arc::new(opener.map_err(|OpenError| self.corrupt())?);
        self.keep_opener(at, Arc::clone(&opener));
        Ok((opener, sealed))
    }

    fn known_opener(&self, at: (usize, u32)) -> Option<Arc<PartRangeOpener>> {
        // No panic can leave the map half changed.
        self.openers.lock().unwrap_or_else(PoisonError::into_inner).get(&at).cloned()
    }

    fn keep_opener(&self, at: (usize, u32), opener: Arc<PartRangeOpener>) {
        let mut openers = self.openers.lock().unwrap_or_else(PoisonError::into_inner);
        if openers.len() >= OPENERS {
            openers.clear();
        }
        openers.insert(at, opener);
    }

    /// Room for a part and its padding.
    pub(super) fn buffer(&self, page: usize, index: u32) -> Result<SecretBytes> {
        let len = usize::try_from(self.page(page)?.part_len(index)).map_err(|_| self.corrupt())?;
        Ok(SecretBytes::new(pieces::memory(len)))
    }

    pub(super) fn storage(&self) -> &dyn crate::storage::Storage {
        self.vault.ledger().storage()
    }

    pub(super) fn page(&self, page: usize) -> Result<&Page> {
        self.pages().get(page).ok_or_else(|| self.corrupt())
    }

    pub(super) fn inline(&self) -> Result<([u8; 16], Bytes)> {
        let (attempt, sealed) = self.head.inline.split_first_chunk::<16>().ok_or_else(|| self.corrupt())?;
        Ok((*attempt, self.head.inline.slice_ref(sealed)))
    }

    /// Content kept inline, read now if it was not kept.
    async fn inline_part(&self) -> Result<([u8; 16], Bytes)> {
        if !self.head.inline.is_empty() {
            return self.inline();
        }
        let start = u64::try_from(head::inline_start(self.head.sealed_meta.len())).unwrap_or(u64::MAX);
        let name = layout::head(self.head.id.case, self.head.id.operation);
        let read = self.storage().read(&name, Some(start..WHOLE.end)).await?.ok_or_else(|| self.corrupt())?;
        let (attempt, sealed) = read.split_first_chunk::<16>().ok_or_else(|| self.corrupt())?;
        Ok((*attempt, read.slice_ref(sealed)))
    }

    fn part(&self, (page, index): (usize, u32), attempt: [u8; 16]) -> Part<'_> {
        let inline = self.pages().get(page).is_some_and(|page| page.place == Place::Inline);
        let page = u32::try_from(page).unwrap_or(u32::MAX);
        Part { key: &self.head.key.key, content_context: &self.context, attempt, page, index, inline }
    }

    pub(super) fn part_name(&self, page: usize, part: u32) -> Result<([u8; 16], ObjectKey)> {
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
    pub(super) async fn explained<T>(&self, read: Result<T>) -> Result<T> {
        match read {
            Err(error) => Err(self.vault.unless_erased(self.head.id.case, error).await),
            read => read,
        }
    }

    pub(crate) fn corrupt(&self) -> Error {
        Error::corrupt(format!("content of version {}", VersionId::of(self.head.id.operation)))
    }
}

/// Bytes of a part that are no padding.
pub(super) fn content_len(page: &Page, part: u32) -> Result<usize, OpenError> {
    usize::try_from(page.content_in(part)).map_err(|_| OpenError)
}

/// The parts of a page, which starts at `page_start`, that may hold bytes of `range`.
fn parts_of(page: &Page, page_start: u64, range: &Range<u64>) -> Range<u32> {
    let index = |at: u64| u32::try_from(at.saturating_sub(page_start) / PART_LEN).unwrap_or(u32::MAX);
    index(range.start)..page.parts().min(index(range.end).saturating_add(1))
}

/// Openers kept, some 16 KiB each.
const OPENERS: usize = 256;
