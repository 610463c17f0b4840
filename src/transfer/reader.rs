//! Content on its way out: whole, streamed or by range, every byte authentic.

use core::{
    future::poll_fn,
    ops::Range,
    pin::pin,
    task::{Context, Poll},
};
use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use super::{
    source::{ContentSource, SealedPart, SealedRange, content_len},
    started::Started,
};
use crate::{
    crypto::{chunked::OpenError, pieces},
    document::{ContentDigest, Page},
    error::{ErrorKind, Result},
    ids::{DocumentId, VaultId, VersionId},
    observe,
    secret::SecretBytes,
    vault::Looked,
};

/// A walk over all parts of a version.
#[derive(Debug, Default)]
pub(super) struct Walk {
    page: usize,
    part: u32,
}

impl Walk {
    /// Which part is next; none at the end.
    pub(super) fn at(&self, pages: &[Page]) -> Option<(usize, u32)> {
        (self.page < pages.len()).then_some((self.page, self.part))
    }

    /// Goes on to the part after.
    pub(super) fn step(&mut self, pages: &[Page]) {
        (self.page, self.part) = following(pages, (self.page, self.part));
    }
}

/// The part after one.
pub(super) fn following(pages: &[Page], (page, part): (usize, u32)) -> (usize, u32) {
    let next = part.saturating_add(1);
    let more = pages.get(page).is_some_and(|page| next < page.parts());
    if more { (page, next) } else { (page.saturating_add(1), 0) }
}

/// An opened version: its release is on record once, for any number of ranges or one stream.
///
/// A stream reads six parts ahead, four at a time, also while a part is opened: by the threads of the current rayon
/// pool, with feature `parallel` and outside a pool's threads. What it gave serves again as memory once the caller has
/// dropped it: some eleven parts of 8 MiB are held at most, whatever the content's size.
#[derive(Debug)]
pub struct Reader {
    source: Arc<ContentSource>,
    walk: Walk,
    /// The part that is next, on its way to the caller.
    opening: Option<Started<Result<SecretBytes>>>,
    /// Parts under way, those before `unread`.
    ahead: VecDeque<Started<Result<SealedPart>>>,
    unread: (usize, u32),
    /// What was given last.
    given: VecDeque<Bytes>,
    looked: Looked,
    failed: bool,
}

impl Reader {
    pub(crate) fn new(source: Arc<ContentSource>) -> Self {
        Self {
            looked: Looked::at(source.vault().now()),
            source,
            walk: Walk::default(),
            opening: None,
            ahead: VecDeque::new(),
            unread: (0, 0),
            given: VecDeque::new(),
            failed: false,
        }
    }

    /// The document.
    #[must_use]
    pub fn document(&self) -> DocumentId {
        self.source.document()
    }

    /// The version that is read; a newer one does not change it.
    #[must_use]
    pub fn version(&self) -> VersionId {
        VersionId::of(self.source.head().id.operation)
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
        self.source.head().meta.content_digest
    }

    /// Where each page's content lies.
    #[must_use]
    pub fn pages(&self) -> Vec<Range<u64>> {
        let mut start = 0u64;
        let mut pages = Vec::new();
        for page in self.source.pages() {
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
    /// starts; erased, if the case was meanwhile, which is looked for every 30 seconds; corrupt; the storage's.
    ///
    /// # Security
    ///
    /// Every byte belongs to the content digest that the log commits to: whoever holds the version's key
    /// and the storage can exchange none.
    pub async fn range(&self, range: Range<u64>) -> Result<Bytes> {
        observe::operation("Reader::range", self.subject(), self.slice(range)).await
    }

    async fn slice(&self, range: Range<u64>) -> Result<Bytes> {
        self.source.check_range(&range)?;
        self.stands().await?;
        self.first_slice(&range, Ok(None)).await
    }

    /// A range of which the start was fetched beside the record, if so.
    pub(crate) async fn first_slice(
        &self,
        range: &Range<u64>,
        first: Result<Option<SealedRange>>,
    ) -> Result<Bytes> {
        let content = self.source.range(range, first).await?;
        self.stands().await?;
        Ok(content)
    }

    /// Refuses a case that was erased; what others have committed is looked at every 30 seconds. Asked before anything
    /// is read, and again before it is given: the storage may have held it back for any time.
    async fn stands(&self) -> Result<()> {
        let now = self.source.vault().now();
        if self.looked.is_due(now) {
            self.source.vault().ledger().sync().await?;
            self.looked.again(now);
        }
        self.source.stands().await
    }

    /// The next part of the content, 8 MiB at most; none at the end. Padding alone comes as an empty part.
    ///
    /// # Errors
    ///
    /// Corrupt, from then on for ever; erased, if the case was meanwhile, which is looked for every 30
    /// seconds; the storage's, after which it can be
    /// called again. What came before belongs to the content digest.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost: call it again.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        observe::operation("Reader::next", self.subject(), async {
            let Some(at) = self.at()? else { return Ok(None) };
            self.stands().await?;
            if self.opening.is_none() {
                let sealed = self.fetched().await?;
                self.opening = Some(self.open(at, sealed)?);
            }
            poll_fn(|context| self.poll_opening(context)).await;
            self.stands().await?;
            let opened = self.opening.take().and_then(|mut opening| opening.take());
            let opened = opened.unwrap_or_else(|| Err(self.source.corrupt()));
            let content = release(self.stepped(opened)?);
            self.given.push_back(content.clone());
            Ok(Some(content))
        })
        .await
    }

    /// Does work, and fetches parts meanwhile, as stored. What comes of them is seen when they are opened.
    pub(crate) async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            self.poll_ahead(context);
            work.as_mut().poll(context)
        })
        .await
    }

    /// All of the content, opened where it stays.
    ///
    /// # Errors
    ///
    /// As [`Reader::next`].
    pub(crate) async fn whole(mut self) -> Result<Bytes> {
        let padding = self.source.pages().iter().map(Page::padding).max().unwrap_or(0);
        let room = usize::try_from(self.len().saturating_add(padding)).map_err(|_| self.source.corrupt())?;
        let mut content = SecretBytes::new(pieces::memory(room));
        let mut filled = 0usize;
        while let Some((page, part)) = self.at()? {
            self.stands().await?;
            let sealed = self.fetched().await?;
            let described = self.source.page(page)?;
            let padded = usize::try_from(described.part_len(part)).unwrap_or(usize::MAX);
            let len = content_len(described, part).map_err(|OpenError| self.source.corrupt())?;
            // Padding is overwritten by the page after it.
            let place = filled..filled.saturating_add(padded);
            let source = Arc::clone(&self.source);
            let opening = pieces::aside(padded, move || {
                let place = content.get_mut(place).ok_or_else(|| source.corrupt())?;
                source.open_part((page, part), (sealed.0, &sealed.1), place).map(|()| content)
            });
            let opened = self.beside(opening).await;
            content = self.stepped(opened)?;
            filled += len;
        }
        content.truncate(filled);
        self.stands().await?;
        Ok(release(content))
    }

    fn subject(&self) -> (VaultId, DocumentId) {
        (self.source.head().id.vault, self.document())
    }

    /// The part that is next; none at the end.
    fn at(&self) -> Result<Option<(usize, u32)>> {
        if self.failed {
            return Err(self.source.corrupt());
        }
        Ok(self.walk.at(self.source.pages()))
    }

    /// The part that is next, as stored. Those after it are being read meanwhile.
    async fn fetched(&mut self) -> Result<SealedPart> {
        poll_fn(|context| {
            self.poll_ahead(context);
            let waits = self.ahead.front_mut().is_some_and(|first| !first.is_done(context));
            if waits { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        let fetched = self.ahead.pop_front().and_then(|mut first| first.take());
        let fetched = fetched.unwrap_or_else(|| Err(self.source.corrupt()));
        if fetched.is_ok() {
            return fetched;
        }
        // It can be asked for again, and so can what follows it.
        self.ahead.clear();
        self.unread = (self.walk.page, self.walk.part);
        let fetched = self.source.explained(fetched).await;
        self.failed = fetched.as_ref().is_err_and(|error| error.kind() == ErrorKind::Corrupt);
        fetched
    }

    /// Goes on with the parts that are being read, and begins with others.
    fn poll_ahead(&mut self, context: &mut Context<'_>) {
        let mut under_way = 0;
        for part in &mut self.ahead {
            under_way += usize::from(!part.is_done(context));
        }
        while under_way < UNDER_WAY && self.ahead.len() < AHEAD && self.unread.0 < self.source.pages().len() {
            let (source, (page, part)) = (Arc::clone(&self.source), self.unread);
            let mut part = Started::unpolled(async move { source.sealed_part(page, part).await });
            under_way += usize::from(!part.is_done(context));
            self.ahead.push_back(part);
            self.unread = following(self.source.pages(), self.unread);
        }
    }

    fn poll_opening(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.poll_ahead(context);
        let waits = self.opening.as_mut().is_some_and(|opening| !opening.is_done(context));
        if waits { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Begins to open a part.
    fn open(&mut self, at: (usize, u32), sealed: SealedPart) -> Result<Started<Result<SecretBytes>>> {
        let page = self.source.page(at.0)?;
        let padded = usize::try_from(page.part_len(at.1)).map_err(|_| self.source.corrupt())?;
        let len = content_len(page, at.1).map_err(|OpenError| self.source.corrupt())?;
        let (source, free) = (Arc::clone(&self.source), self.free(padded));
        Ok(Started::unpolled(pieces::aside(padded, move || {
            let mut content = free.unwrap_or_else(|| SecretBytes::new(pieces::memory(padded)));
            source.open_part(at, (sealed.0, &sealed.1), &mut content)?;
            content.truncate(len);
            Ok(content)
        })))
    }

    /// Steps over the part that is next, as which this was opened.
    fn stepped<T>(&mut self, opened: Result<T>) -> Result<T> {
        self.failed = opened.is_err();
        self.walk.step(self.source.pages());
        opened
    }

    /// `len` bytes of memory of a part that was given before and is not held any more, if there is one.
    fn free(&mut self, len: usize) -> Option<SecretBytes> {
        let free = self.given.iter().position(|given| given.is_unique() && given.len() >= len);
        let free = free.and_then(|at| self.given.remove(at)).and_then(|given| given.try_into_mut().ok());
        if self.given.len() >= GIVEN {
            self.given.pop_front();
        }
        free.map(|mut free| {
            free.truncate(len);
            SecretBytes::new(free.into())
        })
    }
}

/// Hands plaintext to the caller, who answers for it from here on.
pub(crate) fn release(mut content: SecretBytes) -> Bytes {
    Bytes::from(core::mem::take(&mut *content))
}

/// Parts read, or being read, before they are asked for: some more than are being read, so that a bucket does not wait
/// while one is opened.
const AHEAD: usize = 6;
/// Parts that are being read at a time.
const UNDER_WAY: usize = 4;
/// Parts given whose memory may come back.
const GIVEN: usize = 3;
