//! A deposit as its office reads it (FORMAT §11.2).

use core::fmt;
use std::sync::Arc;

use super::{
    claim::{Claim, ClaimedPage, Verdict},
    depositor::digest_of,
    descriptor::Descriptor,
    ids::DepositId,
    keys::DepositKey,
    manifest::File,
    objects,
    part::{self, PART_LEN, Part, Place},
    promise::Promise,
};
use crate::{
    crypto::digest::{PartDigest, page_digest},
    document::Attributes,
    env::Timestamp,
    error::{Error, ErrorKind, Result},
    ids::CaseId,
    observe,
    secret::SecretBytes,
    storage::Storage,
    wire::Malformed,
};

/// One deposit, opened by the office: what its client said of it, and its pages to be read, until the case is erased. (What
/// was said stays the holder's for as long as it is held.)
pub struct IncomingDeposit {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) descriptor: Descriptor,
    pub(super) promise: Promise,
    pub(super) key: Arc<DepositKey>,
    pub(super) pages: Vec<IncomingPage>,
    pub(super) form: Attributes,
    pub(super) comment: String,
}

/// A page of a deposit, as its client described it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IncomingPage {
    /// Its file: name and media type are the client's word.
    pub file: File,
    /// The BLAKE3 hash that its content has, or it does not come out whole.
    pub digest: [u8; 32],
    pub(super) hashes: Arc<[[u8; 32]]>,
}

impl IncomingDeposit {
    /// The deposit's name.
    #[must_use]
    pub const fn id(&self) -> DepositId {
        self.promise.deposit()
    }

    /// What the carrier has promised.
    #[must_use]
    pub const fn promise(&self) -> &Promise {
        &self.promise
    }

    /// Its pages, in order.
    #[must_use]
    pub fn pages(&self) -> &[IncomingPage] {
        &self.pages
    }

    /// What the client has filled in.
    #[must_use]
    pub const fn form(&self) -> &Attributes {
        &self.form
    }

    /// What the client has remarked; empty if nothing.
    #[must_use]
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// Reads a page, part by part.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if there is no such page; [`Erased`](ErrorKind::Erased).
    pub fn read(&self, page: u16) -> Result<PageReader> {
        self.key.stands()?;
        let described = self.pages.get(usize::from(page)).cloned();
        let described = described.ok_or_else(|| Error::invalid("the deposit has no page of this number"))?;
        Ok(PageReader {
            storage: self.storage.clone(),
            request: self.descriptor.clone(),
            deposit: self.id(),
            key: self.key.clone(),
            place: Place { page, part: 0, last: false },
            page: described,
            digests: Vec::new(),
            failed: None,
        })
    }

    /// What the office states of this deposit: all but the verdict follows from it. If it is [`Verdict::UNREADABLE`], no page is.
    #[must_use]
    pub fn claim(&self, case: CaseId, requirement: &str, verdict: Verdict, time: Timestamp) -> Claim {
        let claimed = |page: &IncomingPage| ClaimedPage { len: page.file.len, digest: page.digest };
        let pages = self.pages.iter().filter(|_| !verdict.is_unreadable()).map(claimed).collect();
        Claim { verdict, pages, ..self.promise.refusal(case, requirement, "", time) }
    }
}

impl fmt::Debug for IncomingDeposit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pages = self.pages.len();
        f.debug_struct("IncomingDeposit")
            .field("deposit", &self.id())
            .field("pages", &pages)
            .finish_non_exhaustive()
    }
}

/// A page of a deposit, read part by part. What it gives is what the client sealed in that place; that it is
/// all of the page, and has the page's digest, is sure once the end is reached.
pub struct PageReader {
    storage: Arc<dyn Storage>,
    request: Descriptor,
    deposit: DepositId,
    key: Arc<DepositKey>,
    place: Place,
    page: IncomingPage,
    digests: Vec<PartDigest>,
    failed: Option<ErrorKind>,
}

impl PageReader {
    /// The next bytes, 512 KiB at most; none at the end. After an error it gives that error for ever.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) if a part is missing or not the client's; [`Unreadable`](ErrorKind::Unreadable) if
    /// it is, and does not open, its padding is not zero, or the page has not the digest that its manifest says;
    /// [`Erased`](ErrorKind::Erased); the storage's.
    ///
    /// # Security
    ///
    /// Nothing is given before it is authentic; take nothing in before the end.
    pub async fn next(&mut self) -> Result<Option<SecretBytes>> {
        observe::operation("PageReader::next", (self.request.request(), self.deposit), self.give()).await
    }

    async fn give(&mut self) -> Result<Option<SecretBytes>> {
        self.key.stands()?;
        match self.failed {
            Some(ErrorKind::Unreadable) => return Err(part::unreadable(self.deposit, &self.place)),
            Some(_) => return Err(part::corrupt(self.deposit, &self.place)),
            None => {}
        }
        loop {
            let Some(hash) = self.hash() else { return Ok(None) };
            let content = self.advance(&hash).await;
            // A storage that is away may come back; what is not authentic stays so.
            let lasts = |kind: &ErrorKind| matches!(kind, ErrorKind::Corrupt | ErrorKind::Unreadable);
            self.failed = content.as_ref().err().map(Error::kind).filter(lasts);
            let content = content?;
            if !content.is_empty() {
                return Ok(Some(content));
            }
        }
    }

    /// All of the page, in memory, twice for a moment.
    ///
    /// # Errors
    ///
    /// As [`PageReader::next`].
    pub async fn collect(mut self) -> Result<SecretBytes> {
        observe::operation("PageReader::collect", (self.request.request(), self.deposit), async {
            let mut parts = Vec::new();
            while let Some(bytes) = self.give().await? {
                parts.push(bytes);
            }
            // Only now is the length the client's word and its bytes.
            let all = parts.iter().map(|part| part.as_slice()).collect::<Vec<_>>().concat();
            Ok(SecretBytes::new(all))
        })
        .await
    }

    fn hash(&self) -> Option<[u8; 32]> {
        self.page.hashes.get(usize::try_from(self.place.part).ok()?).copied()
    }

    /// The content of the part at hand, which has this hash; the digest is checked with the last.
    async fn advance(&mut self, hash: &[u8; 32]) -> Result<SecretBytes> {
        let parts = u32::try_from(self.page.hashes.len()).unwrap_or(u32::MAX);
        let place = Place { last: self.place.part.saturating_add(1) == parts, ..self.place };
        let corrupt = || part::corrupt(self.deposit, &place);
        let key = objects::part(self.request.request(), self.deposit, place.page, place.part);
        let bytes = self.storage.read(&key, None).await?.ok_or_else(corrupt)?;
        let part = Part::parse(bytes).map_err(|Malformed| corrupt())?;
        let named = (part.start.request, part.start.deposit, part.start.place);
        let own = named == (self.request.request(), self.deposit, place) && part.start.digest == *hash;
        if !own || !part.start.is_signed(&self.request) {
            return Err(corrupt());
        }
        // From here on it is as the client signed it.
        let unreadable = || part::unreadable(self.deposit, &place);
        let open = |key: &_| place.open(self.request.digest(), self.deposit, key, part.sealed());
        let opened = self.key.with(open)?;
        let content = unpadded(self.page.file.len, place.part, opened.map_err(|Malformed| unreadable())?);
        let content = content.map_err(|Malformed| unreadable())?;
        let digest = digest_of(place.part, &content);
        if place.last
            && page_digest(&[self.digests.as_slice(), digest.as_slice()].concat()) != self.page.digest
        {
            return Err(unreadable());
        }
        self.digests.extend(digest);
        self.place.part = place.part.saturating_add(1);
        Ok(content)
    }
}

impl fmt::Debug for PageReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageReader")
            .field("deposit", &self.deposit)
            .field("page", &self.place.page)
            .finish_non_exhaustive()
    }
}

/// The content of a part of a file of `len` bytes, without its share of the page's padding, which is zero.
fn unpadded(len: u64, part: u32, mut bytes: SecretBytes) -> Result<SecretBytes, Malformed> {
    let start = u64::from(part).saturating_mul(PART_LEN);
    let own = len.saturating_sub(start).min(PART_LEN);
    let full = crate::padding::padme(len).saturating_sub(start).min(PART_LEN);
    let own = usize::try_from(own).map_err(|_| Malformed)?;
    let zero = bytes.get(own..).is_some_and(|padding| padding.iter().all(|byte| *byte == 0));
    if u64::try_from(bytes.len()) != Ok(full) || !zero {
        return Err(Malformed);
    }
    bytes.truncate(own);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_zeros_of_the_right_number() {
        let len = PART_LEN + 1001;
        let full = usize::try_from(crate::padding::padme(len) - PART_LEN).expect("small");
        assert!(full > 1001);
        let of = |content: usize, zeros: usize, last: u8| {
            let mut bytes = [vec![7; content], vec![0; zeros]].concat();
            bytes.extend([last]);
            unpadded(len, 1, SecretBytes::new(bytes)).map(|content| content.len())
        };
        assert_eq!(of(1001, full - 1002, 0), Ok(1001));
        assert_eq!(of(1001, full - 1002, 1), Err(Malformed), "padding that is not zero");
        assert_eq!(of(1001, full - 1003, 0), Err(Malformed), "too little of it");
        assert_eq!(of(1001, full - 1001, 0), Err(Malformed), "too much");
        assert_eq!(of(900, 0, 0), Err(Malformed), "less than the content");
        let whole = usize::try_from(PART_LEN).expect("small");
        assert_eq!(
            unpadded(len, 0, SecretBytes::new(vec![7; whole])).map(|content| content.len()),
            Ok(whole)
        );
    }
}
