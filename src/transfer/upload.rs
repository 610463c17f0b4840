//! Content on its way in: sealed part by part, invisible until its record stands.

use bytes::Bytes;

use super::{
    sealed::SealedUpload,
    token::{Target, UploadToken},
};
use crate::{
    crypto::{
        chunked,
        digest::{self, PartDigest},
    },
    document::{ContentDigest, PAGE_LEN_CAP, PAGES_CAP, PART_LEN, Page, Place, Run, VersionMeta},
    env::random,
    error::{Error, Result},
    head::INLINE_CAP,
    padding::padme,
    secret::SecretBytes,
    session::{Session, Stored},
    storage::layout,
    vault::NewHead,
};

/// A document on its way in, in constant memory; nothing of it is visible until [`Upload::finish`].
///
/// Dropping it leaves sealed parts that nothing names, which garbage collection removes once the
/// upload's announcement has expired.
pub struct Upload {
    session: Session,
    target: Target,
    pages: Vec<Page>,
    page: OpenPage,
    attempt: [u8; 16],
}

impl core::fmt::Debug for Upload {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Upload")
            .field("operation", &self.target.operation())
            .field("pages", &self.pages.len())
            .field("position", &self.page.len)
            .finish_non_exhaustive()
    }
}

/// The page being written.
#[derive(Default)]
struct OpenPage {
    len: u64,
    runs: Vec<Run>,
    digests: Vec<PartDigest>,
    pending: SecretBytes,
}

impl OpenPage {
    fn parts(&self) -> u32 {
        self.runs.last().map_or(0, |run| run.first.saturating_add(run.parts))
    }

    /// Notes that the next part was sealed by `attempt`.
    fn sealed_by(&mut self, attempt: [u8; 16]) {
        match self.runs.last_mut().filter(|run| run.attempt == attempt) {
            Some(run) => run.parts += 1,
            None => self.runs.push(Run { attempt, first: self.parts(), parts: 1 }),
        }
    }
}

impl Upload {
    pub(crate) fn start(session: Session, target: Target) -> Result<Self> {
        let attempt = random(session.vault().ledger().entropy())?;
        Ok(Self { session, target, pages: Vec::new(), page: OpenPage::default(), attempt })
    }

    /// Goes on where the stored, authentic parts of the page at hand end, as a new attempt.
    pub(crate) async fn resume(session: Session, target: Target, token: &UploadToken) -> Result<Self> {
        let mut upload = Self::start(session, target)?;
        upload.pages = token.pages(&upload.target)?;
        upload.recover().await?;
        Ok(upload)
    }

    /// Bytes of the page at hand that are taken: where to go on after [`Session::resume_upload`].
    #[must_use]
    pub fn position(&self) -> u64 {
        self.page.len
    }

    /// Pages that are finished.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.pages.len()
    }

    /// What resumes this upload after a crash: good until it finishes or expires. Take a new one after
    /// [`Upload::next_page`]; an older one goes back to its page.
    ///
    /// # Errors
    ///
    /// No randomness.
    pub fn token(&self) -> Result<UploadToken> {
        Ok(UploadToken::seal(&self.target, &self.pages, self.session.vault().ledger().entropy())?)
    }

    /// Takes the next bytes of the page at hand; stores what fills a part of 8 MiB.
    ///
    /// # Errors
    ///
    /// The storage's; the upload can then be resumed by its token.
    ///
    /// # Cancellation
    ///
    /// Some of the bytes may be taken: drop the upload and resume it by its token.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let room = PART_USIZE.saturating_sub(self.page.pending.len());
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.take(now)?;
            bytes = later;
            if self.page.pending.len() == PART_USIZE {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Ends the page at hand and begins the next: another side, another sheet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) beyond 1,024 pages; the storage's.
    ///
    /// # Cancellation
    ///
    /// As [`Upload::write`].
    pub async fn next_page(&mut self) -> Result<()> {
        if self.pages.len() + 1 >= PAGES_CAP {
            return Err(Error::invalid(format!("a version has at most {PAGES_CAP} pages")));
        }
        self.close_page().await
    }

    /// Ends the upload: from here on the version is there, for everyone.
    ///
    /// # Errors
    ///
    /// Denied if the case was closed or the upload given up meanwhile, or if an earlier run of it was
    /// interrupted while it finished with other content; the storage's;
    /// [`ErrorKind::OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
    ///
    /// # Cancellation
    ///
    /// The version may be stored or not, whole or not at all: [`Session::outcome`] tells.
    pub async fn finish(self) -> Result<Stored> {
        self.seal().await?.publish().await
    }

    /// Writes all that the version consists of, and leaves it invisible until [`SealedUpload::publish`]
    /// or [`SealedUpload::publish_stating`].
    ///
    /// # Errors
    ///
    /// As [`Upload::finish`].
    ///
    /// # Cancellation
    ///
    /// The version is not stored; the upload can be resumed by its token.
    pub async fn seal(mut self) -> Result<SealedUpload> {
        let inline = self.inline_page()?;
        let inline = match inline {
            Some(sealed) => sealed,
            None => {
                self.close_page().await?;
                Vec::new()
            }
        };
        self.seal_head(&inline).await
    }

    /// Gives the upload up, for whoever else goes on with it too, and deletes its parts.
    ///
    /// # Errors
    ///
    /// Denied if it was finished or given up already; the storage's: what stays is removed by garbage
    /// collection.
    ///
    /// # Cancellation
    ///
    /// As for an error.
    pub async fn abort(self) -> Result<()> {
        self.session.give_up(self.target.head.case, self.target.operation()).await
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        let len = u64::try_from(bytes.len()).ok().and_then(|len| self.page.len.checked_add(len));
        self.page.len = len
            .filter(|len| *len <= PAGE_LEN_CAP)
            .ok_or_else(|| Error::invalid("a page has at most 16 PiB"))?;
        if self.page.pending.capacity() < PART_USIZE && bytes.len() + self.page.pending.len() > SMALL {
            // One allocation of a part's size, so that growing leaves no unwiped copies behind.
            let mut whole = SecretBytes::new(Vec::with_capacity(PART_USIZE));
            whole.extend_from_slice(&self.page.pending);
            self.page.pending = whole;
        } else if self.page.pending.capacity() == 0 {
            self.page.pending.reserve_exact(SMALL);
        }
        self.page.pending.extend_from_slice(bytes);
        Ok(())
    }

    /// Seals and stores the pending bytes as the next part.
    async fn flush(&mut self) -> Result<()> {
        let (page, part) = (u32::try_from(self.pages.len()).unwrap_or(u32::MAX), self.page.parts());
        let offset = u64::from(part) * PART_LEN;
        let content = self.page.len.saturating_sub(offset).min(PART_LEN);
        let content = usize::try_from(content).unwrap_or(PART_USIZE);
        // Padding beyond the content is sealed, but not part of the digest.
        if let Some(content) = self.page.pending.get(..content).filter(|c| part == 0 || !c.is_empty()) {
            self.page.digests.push(digest::part_digest(offset, content));
        }
        let sealed = self.seal_part(page, part, &self.page.pending)?;
        let head = &self.target.head;
        let name = layout::part(head.case, head.operation, &self.attempt, layout::part_index(page, part));
        self.session.vault().ledger().put(&name, sealed.into()).await?;
        self.page.sealed_by(self.attempt);
        self.page.pending.clear();
        Ok(())
    }

    fn seal_part(&self, page: u32, part: u32, plaintext: &[u8]) -> Result<Vec<u8>> {
        let context =
            part_context(&self.target.key.content_context(&self.target.head), &self.attempt, page, part);
        Ok(chunked::seal(&self.target.key.key, &context, plaintext, self.session.vault().ledger().entropy())?)
    }

    /// Stores what is left of the page, padded, and begins an empty one.
    async fn close_page(&mut self) -> Result<()> {
        let mut left = padme(self.page.len).saturating_sub(u64::from(self.page.parts()) * PART_LEN);
        let empty = self.page.len == 0;
        while left > 0 || (empty && self.page.parts() == 0) {
            let padded = usize::try_from(left.min(PART_LEN)).unwrap_or(PART_USIZE);
            if self.page.pending.capacity() < padded {
                let mut whole = SecretBytes::new(Vec::with_capacity(padded));
                whole.extend_from_slice(&self.page.pending);
                self.page.pending = whole;
            }
            self.page.pending.resize(padded, 0);
            self.flush().await?;
            left = left.saturating_sub(PART_LEN);
        }
        let page = core::mem::take(&mut self.page);
        let digest = digest::page_digest(&page.digests);
        self.pages.push(Page { len: page.len, digest, place: Place::Parts(page.runs) });
        Ok(())
    }

    /// The only page, sealed for the head, if it is small enough.
    fn inline_page(&mut self) -> Result<Option<Vec<u8>>> {
        let padded = padme(self.page.len);
        if !self.pages.is_empty() || self.page.parts() > 0 || padded > INLINE_CAP {
            return Ok(None);
        }
        let mut plaintext = SecretBytes::new(Vec::with_capacity(usize::try_from(padded).unwrap_or(0)));
        plaintext.extend_from_slice(&self.page.pending);
        let digest = digest::page_digest(&[digest::part_digest(0, &plaintext)]);
        plaintext.resize(usize::try_from(padded).unwrap_or(0), 0);
        let mut sealed = self.attempt.to_vec();
        sealed.extend_from_slice(&self.seal_part(0, 0, &plaintext)?);
        self.pages.push(Page { len: self.page.len, digest, place: Place::Inline });
        Ok(Some(sealed))
    }

    async fn seal_head(self, inline: &[u8]) -> Result<SealedUpload> {
        let Self { session, target, pages, .. } = self;
        let meta = VersionMeta {
            blind: random(session.vault().ledger().entropy())?,
            document: target.described.clone(),
            content_digest: ContentDigest::of_pages(&pages),
            pages,
        };
        let head = NewHead {
            id: target.head,
            key: &target.key,
            case_key: &target.case_key,
            meta: &meta.encode(),
            inline,
            blind: &meta.blind,
            content_digest: meta.content_digest.as_bytes(),
        };
        let effect = session.vault().put_version_head(head, &meta).await?;
        Ok(SealedUpload::new(session, target, &meta, effect))
    }

    /// Reads back the page's full parts, in a row from the first: each is authentic, or the row ends.
    ///
    /// If the page was closed already its last parts hold padding, which nothing tells from content that
    /// ends in zeros: what may be padding is sent again.
    async fn recover(&mut self) -> Result<()> {
        let mut found = Vec::new();
        while let Some(part) = self.stored_part(u32::try_from(found.len()).unwrap_or(u32::MAX)).await? {
            found.push(part);
        }
        while found.pop_if(|part| part.ends_in_zero).is_some() {}
        for StoredPart { attempt, digest, .. } in found {
            self.page.digests.push(digest);
            self.page.sealed_by(attempt);
            self.page.len += PART_LEN;
        }
        Ok(())
    }

    /// A full part of the page at hand, by whichever attempt stored it.
    async fn stored_part(&self, part: u32) -> Result<Option<StoredPart>> {
        let (case, operation) = (self.target.head.case, self.target.operation());
        let page = u32::try_from(self.pages.len()).unwrap_or(u32::MAX);
        let prefix = layout::of_part(case, operation, layout::part_index(page, part));
        let storage = self.session.vault().ledger().storage();
        for name in storage.list(&prefix, None, LISTED).await? {
            let Some((_, attempt)) = layout::attempt_of_part(&name) else { continue };
            let Some(sealed) = storage.read(&name, None).await? else { continue };
            let context =
                part_context(&self.target.key.content_context(&self.target.head), &attempt, page, part);
            let Ok(content) = chunked::open(&self.target.key.key, &context, &sealed) else { continue };
            if content.len() == PART_USIZE {
                let digest = digest::part_digest(u64::from(part) * PART_LEN, &content);
                return Ok(Some(StoredPart { attempt, digest, ends_in_zero: content.last() == Some(&0) }));
            }
        }
        Ok(None)
    }
}

/// A part that an interrupted upload has stored.
struct StoredPart {
    attempt: [u8; 16],
    digest: PartDigest,
    ends_in_zero: bool,
}

/// What a part is bound to (FORMAT §7.4).
pub(crate) fn part_context(content: &[u8; 32], attempt: &[u8; 16], page: u32, part: u32) -> Bytes {
    [content.as_slice(), attempt, &page.to_be_bytes(), &part.to_be_bytes()].concat().into()
}

pub(super) const PART_USIZE: usize = 8 * 1024 * 1024;
/// A first allocation for content that may turn out small.
const SMALL: usize = 256 * 1024;
/// Attempts at one part looked at.
const LISTED: usize = 1000;
