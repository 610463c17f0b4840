//! Content on its way in: sealed part by part, invisible until its record stands.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{
    part::Part,
    sealed::SealedUpload,
    started::Started,
    token::{Target, UploadToken},
};
use crate::{
    crypto::{
        chunked::{Draft, Rest, SealError},
        digest::{self, PartDigest, Sha256Hasher},
    },
    document::{
        CONTENT_CAP, ContentDigest, NewDocument, PAGES_CAP, PART_LEN, Page, Place, RUNS_CAP, Run,
        VersionMeta, content_len,
    },
    env::random,
    error::{Error, Result},
    head::INLINE_CAP,
    ids::{DocumentId, VaultId},
    observe,
    padding::padme,
    session::{Session, Stored},
    storage::layout,
    vault::NewHead,
};

mod placed;
mod recovery;

/// A document on its way in, in constant memory; nothing of it is visible until [`Upload::finish`].
///
/// While one part is gathered and sealed, the two before it are being stored: three parts of 8 MiB are
/// held at most.
///
/// Dropping it leaves sealed parts that nothing names, which garbage collection removes once the
/// upload's announcement has expired.
pub struct Upload {
    session: Session,
    target: Target,
    pages: Vec<Page>,
    page: OpenPage,
    content_context: [u8; 32],
    attempt: [u8; 16],
    /// The parts before, on their way into the storage.
    storing: VecDeque<Started<Result<Bytes>>>,
    /// The memory of a part that is stored.
    spare: Vec<u8>,
    /// Set while a part is neither pending nor on its way; it stays set if that is never resolved.
    broken: bool,
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
    /// If it was asked for.
    sha256: Option<Sha256Hasher>,
    draft: Draft,
}

impl OpenPage {
    fn of(document: &NewDocument) -> Self {
        Self { sha256: document.sha256.then(Sha256Hasher::default), ..Self::default() }
    }

    fn parts(&self) -> u32 {
        self.runs.last().map_or(0, |run| run.first.saturating_add(run.parts))
    }

    /// Whether the next part can be one that `attempt` has sealed, with a run left for what is sealed now.
    fn goes_on_from(&self, attempt: [u8; 16]) -> bool {
        self.runs.last().is_some_and(|run| run.attempt == attempt) || self.runs.len() < RUNS_CAP - 1
    }

    /// Notes that the next part was sealed by `attempt`.
    fn sealed_by(&mut self, attempt: [u8; 16]) {
        match self.runs.last_mut().filter(|run| run.attempt == attempt) {
            Some(run) => run.parts += 1,
            None => self.runs.push(Run { attempt, first: self.parts(), parts: 1 }),
        }
    }

    /// The page as it stands; it is inline if no part of it was stored.
    fn close(self) -> Page {
        let (parts, digest) = (self.parts(), digest::page_digest(&self.digests));
        let mut chaining = Vec::new();
        if parts > 1 {
            chaining.extend(self.digests.iter().map(|part| digest::contribution(Some(*part))));
            chaining.resize(usize::try_from(parts).unwrap_or(usize::MAX), digest::PADDING);
        }
        let place = if self.runs.is_empty() { Place::Inline } else { Place::Parts(self.runs) };
        Page { len: self.len, digest, sha256: self.sha256.map(Sha256Hasher::finish), place, chaining }
    }
}

impl Upload {
    pub(crate) fn start(session: Session, target: Target) -> Result<Self> {
        let attempt = random(session.vault().ledger().entropy())?;
        let content_context = target.key.content_context(&target.head);
        Ok(Self {
            session,
            page: OpenPage::of(&target.described),
            target,
            pages: Vec::new(),
            content_context,
            attempt,
            storing: VecDeque::new(),
            spare: Vec::new(),
            broken: false,
        })
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

    /// Takes the next bytes of the page at hand; what fills a part of 8 MiB is sealed, and stored while
    /// more is taken.
    ///
    /// Bytes that complete a part are sealed from where they are, so large slices spare a copy.
    ///
    /// # Errors
    ///
    /// The storage's, for this part or the one before; the upload can then be resumed by its token, and
    /// takes nothing more.
    ///
    /// # Cancellation
    ///
    /// Some of the bytes may be taken: drop the upload and resume it by its token.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        observe::operation("Upload::write", self.subject(), self.take(bytes)).await
    }

    pub(crate) async fn take(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.check_usable()?;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at_checked(self.room()).unwrap_or((bytes, &[]));
            self.take_piece(Rest::Bytes(now)).await?;
            bytes = later;
        }
        Ok(())
    }

    /// Takes what finds room in the part at hand.
    async fn take_piece(&mut self, piece: Rest<'_>) -> Result<()> {
        let completes = piece.len() == self.room();
        self.count(piece.len())?;
        if let (Some(sha256), Rest::Bytes(bytes)) = (&mut self.page.sha256, piece) {
            sha256.update(bytes);
        }
        if completes { self.store_part(piece, PART_USIZE).await } else { self.gather(piece) }
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
        observe::operation("Upload::next_page", self.subject(), async {
            if self.pages.len() + 1 >= PAGES_CAP {
                return Err(Error::invalid(format!("a version has at most {PAGES_CAP} pages")));
            }
            self.check_usable()?;
            self.close_page().await
        })
        .await
    }

    /// Ends the upload: from here on the version is there, for everyone.
    ///
    /// # Errors
    ///
    /// Denied if the case was closed or the upload given up meanwhile, or if an earlier run of it was
    /// interrupted while it finished with other content; invalid if what it consists of, for having been
    /// resumed very often, takes more than 1 MiB to tell; the storage's;
    /// [`ErrorKind::OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
    ///
    /// # Cancellation
    ///
    /// The version may be stored or not, whole or not at all: [`Session::outcome`] tells.
    pub async fn finish(self) -> Result<Stored> {
        observe::operation("Upload::finish", self.subject(), self.complete()).await
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
    pub async fn seal(self) -> Result<SealedUpload> {
        observe::operation("Upload::seal", self.subject(), self.close()).await
    }

    pub(crate) async fn complete(self) -> Result<Stored> {
        self.close().await?.commit(None).await
    }

    async fn close(mut self) -> Result<SealedUpload> {
        self.check_usable()?;
        if let Some(sealed) = self.inline_page()? {
            let attempt = self.attempt;
            return self.seal_head(&[&attempt, &sealed]).await;
        }
        self.close_page().await?;
        self.seal_head(&[]).await
    }

    fn subject(&self) -> (VaultId, DocumentId) {
        (self.session.vault().id(), self.target.document())
    }

    fn check_usable(&self) -> Result<()> {
        if self.broken {
            return Err(Error::invalid(
                "an earlier write of this upload failed or was cut short: resume it by its token",
            ));
        }
        Ok(())
    }

    /// Bytes that the part at hand still takes.
    fn room(&self) -> usize {
        PART_USIZE.saturating_sub(self.page.draft.len())
    }

    fn count(&mut self, bytes: usize) -> Result<()> {
        let len = u64::try_from(bytes).ok().and_then(|len| self.page.len.checked_add(len));
        self.page.len = len
            .filter(|len| content_len(&self.pages).saturating_add(*len) <= CONTENT_CAP)
            .ok_or_else(|| Error::invalid("a version has at most 128 GiB"))?;
        Ok(())
    }

    /// Seals the gathered bytes, `rest` and zeros as the next part, and begins to store it.
    async fn store_part(&mut self, rest: Rest<'_>, padded: usize) -> Result<()> {
        self.broken = true;
        let (page, index) = (u32::try_from(self.pages.len()).unwrap_or(u32::MAX), self.page.parts());
        if !self.page.draft.holds(padded) {
            self.page.draft.move_to(core::mem::take(&mut self.spare), padded);
        }
        let sealed = self.seal_part((page, index), rest, padded, false)?;
        self.page.sealed_by(self.attempt);
        self.settle(STORING - 1).await?;
        let (vault, head) = (self.session.vault().clone(), &self.target.head);
        let name = layout::part(head.case, head.operation, &self.attempt, layout::part_index(page, index));
        let store = async move { vault.ledger().put(&name, sealed.clone()).await.map(|()| sealed) };
        self.storing.push_back(Started::new(store).await);
        self.broken = false;
        Ok(())
    }

    fn seal_part(
        &mut self,
        (page, index): (u32, u32),
        rest: Rest<'_>,
        padded: usize,
        inline: bool,
    ) -> Result<Bytes> {
        let (key, content_context, attempt) = (&self.target.key.key, &self.content_context, self.attempt);
        let part = Part { key, content_context, attempt, page, index, inline };
        let draft = core::mem::take(&mut self.page.draft);
        let entropy = self.session.vault().ledger().entropy();
        let (mut sealed, digest) = part.seal(draft, rest, padded, entropy).map_err(unsealed)?;
        self.page.digests.extend(digest);
        if padded < PART_USIZE {
            // A storage in memory would keep what the buffer is too long.
            sealed.shrink_to_fit();
        }
        Ok(sealed.into())
    }

    /// Waits until at most `left` parts are on their way. The memory of a stored part serves again if the
    /// storage let go of it.
    async fn settle(&mut self, left: usize) -> Result<()> {
        while self.storing.len() > left {
            let Some(first) = self.storing.front_mut() else { return Ok(()) };
            let stored = first.finish().await;
            self.storing.pop_front();
            if let Some(stored) = stored {
                let stored = stored.inspect_err(|_| self.broken = true)?;
                self.spare = stored.try_into_mut().map(Vec::from).unwrap_or_default();
            }
        }
        Ok(())
    }

    /// Stores what is left of the page, padded, and begins an empty one.
    async fn close_page(&mut self) -> Result<()> {
        let mut left = padme(self.page.len).saturating_sub(u64::from(self.page.parts()) * PART_LEN);
        let empty = self.page.len == 0;
        while left > 0 || (empty && self.page.parts() == 0) {
            let padded = usize::try_from(left.min(PART_LEN)).unwrap_or(PART_USIZE);
            self.store_part(Rest::Bytes(&[]), padded).await?;
            left = left.saturating_sub(PART_LEN);
        }
        // Cut short here, the page would be written on behind its padding.
        self.broken = true;
        self.settle(0).await?;
        self.broken = false;
        let page = core::mem::replace(&mut self.page, OpenPage::of(&self.target.described));
        self.pages.push(page.close());
        Ok(())
    }

    /// The only page, sealed for the head, if it is small enough.
    fn inline_page(&mut self) -> Result<Option<Bytes>> {
        let padded = padme(self.page.len);
        if !self.pages.is_empty() || self.page.parts() > 0 || padded > INLINE_CAP {
            return Ok(None);
        }
        let padded = usize::try_from(padded).unwrap_or(PART_USIZE);
        let sealed = self.seal_part((0, 0), Rest::Bytes(&[]), padded, true)?;
        self.pages.push(core::mem::take(&mut self.page).close());
        Ok(Some(sealed))
    }

    async fn seal_head(self, inline: &[&[u8]]) -> Result<SealedUpload> {
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
}

fn unsealed(cause: SealError) -> Error {
    match cause {
        SealError::Entropy(cause) => cause.into(),
        SealError::Read(cause) => {
            Error::invalid("the content could not be read: resume the upload by its token").caused(cause)
        }
    }
}

const PART_USIZE: usize = 8 * 1024 * 1024;
/// Parts on their way at once: with one, a storage slower than the sealing would leave a core idle.
const STORING: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_was_resumed_at_every_part_is_one_that_is_read() {
        let attempt =
            |at: u32| [0, 0, 0, 0].map(|_: u8| at.to_be_bytes()).concat().try_into().expect("16 bytes");
        let mut page = OpenPage::default();
        let mut taken = 0u32;
        while page.goes_on_from(attempt(taken)) {
            page.sealed_by(attempt(taken));
            taken += 1;
        }
        assert_eq!((page.runs.len(), page.parts()), (RUNS_CAP - 1, taken));
        let last = attempt(taken - 1);
        assert!(page.goes_on_from(last) && !page.goes_on_from(attempt(0)), "its own run goes on");
        page.sealed_by(last);
        // What is sealed now is one run more, however many parts it has.
        (0..3).for_each(|_| page.sealed_by([0xff; 16]));
        assert_eq!((page.runs.len(), page.parts()), (RUNS_CAP, taken + 4));
    }
}
