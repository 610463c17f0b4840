//! Deposits as they come in, on the office's side (FORMAT §11.2, §11.3).

use core::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::{
    answer,
    claim::{Claim, ClaimedPage, Verdict},
    depositor::digest_of,
    descriptor::Descriptor,
    ids::{DepositId, RequestId},
    link::RequestSecrets,
    manifest::{File, Manifest},
    objects::{self, settle},
    part::{self, PART_LEN, Part, PartStart, Place},
    promise::Promise,
    receipt::DepositReceipt,
};
use crate::{
    crypto::digest::{PartDigest, page_digest},
    document::Attributes,
    env::{Entropy, Timestamp},
    error::{Error, ErrorKind, Result},
    ids::CaseId,
    recipient::Sender,
    secret::{Secret, SecretBytes},
    storage::Storage,
    wire::Malformed,
};

/// What came in for one request, read from a carrier's storage and trusted no further than it verifies.
pub struct Inbox {
    storage: Arc<dyn Storage>,
    descriptor: Descriptor,
    secrets: RequestSecrets,
}

impl Inbox {
    /// The deposits for `request` in a carrier's storage.
    ///
    /// `secrets` come from [`Session::request_secrets`](crate::Session::request_secrets), `sender` is the office's
    /// own ([`Vault::sender`](crate::Vault::sender)).
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the request was not published there, [`Corrupt`](ErrorKind::Corrupt)
    /// if what is there is another; the storage's.
    pub async fn open(
        storage: Arc<dyn Storage>,
        request: RequestId,
        sender: &Sender,
        secrets: RequestSecrets,
    ) -> Result<Self> {
        let bytes = storage.read(&objects::request(request), None).await?;
        let bytes = bytes.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("the carrier has no request {request}; publish it"))
        })?;
        let descriptor = Descriptor::verify(&bytes, sender)?;
        let own = descriptor.request() == request && descriptor.header.intake_key == secrets.intake_key();
        if own { Ok(Self { storage, descriptor, secrets }) } else { Err(Error::corrupt("the request")) }
    }

    /// The request.
    #[must_use]
    pub const fn request(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The promises given for complete deposits, by slot, and in each in the order in which they were
    /// completed. Reads one object for each and for each slot; lists nothing.
    ///
    /// # Errors
    ///
    /// The storage's. A promise that is not the carrier's is left out: it is in nobody's hand.
    pub async fn promises(&self) -> Result<Vec<Promise>> {
        let mut found = Vec::new();
        for (slot, caps) in (0..).zip(self.descriptor.slots()) {
            for number in 0..caps.uses {
                let key = objects::promise(self.descriptor.request(), slot, number);
                let Some(bytes) = self.storage.read(&key, None).await? else { break };
                found.extend(
                    Promise::verify(&bytes, &self.descriptor).ok().filter(|promise| promise.slot() == slot),
                );
            }
        }
        Ok(found)
    }

    /// Opens the deposit that was promised.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) if its manifest is not the promised one, or was not made with the link; the
    /// storage's.
    pub async fn deposit(&self, promise: &Promise) -> Result<IncomingDeposit> {
        let deposit = promise.deposit();
        let corrupt = || Error::corrupt(format!("deposit {deposit}"));
        let key = objects::manifest(self.descriptor.request(), deposit);
        let bytes = self.storage.read(&key, None).await?.ok_or_else(corrupt)?;
        let manifest = Manifest::parse(&bytes).map_err(|Malformed| corrupt())?;
        let outline = &manifest.outline;
        let promised = manifest.digest() == *promise.manifest_digest()
            && (outline.request, outline.deposit, outline.slot)
                == (self.descriptor.request(), deposit, promise.slot());
        if !promised || !promise.is_of(&self.descriptor) || !manifest.is_signed(&self.descriptor) {
            return Err(corrupt());
        }
        let opened = manifest.open(&self.descriptor, &self.secrets.intake);
        let (key, contents) = opened.map_err(|Malformed| corrupt())?;
        let pages = contents.pages.into_iter().zip(manifest.outline.pages);
        let pages =
            pages.map(|((file, digest), hashes)| IncomingPage { file, digest, hashes: hashes.into() });
        Ok(IncomingDeposit {
            storage: self.storage.clone(),
            descriptor: self.descriptor.clone(),
            promise: promise.clone(),
            key: Arc::new(key),
            pages: pages.collect(),
            form: contents.form,
            comment: contents.comment,
        })
    }

    /// Leaves a receipt with the carrier, sealed for whoever made the deposit; gives the answer's number.
    ///
    /// # Errors
    ///
    /// The storage's, and no randomness.
    ///
    /// # Cancellation
    ///
    /// The answer may be there or not; leaving it twice does no harm.
    pub async fn answer(
        &self,
        deposit: &IncomingDeposit,
        receipt: &DepositReceipt,
        entropy: &dyn Entropy,
    ) -> Result<u16> {
        for number in 0..u16::MAX {
            let key = objects::answer(self.descriptor.request(), deposit.id(), number);
            if self.storage.read(&key, Some(0..0)).await?.is_some() {
                continue;
            }
            let sealed =
                answer::seal(&self.descriptor, (deposit.id(), number), &deposit.key, receipt, entropy)?;
            if settle(&*self.storage, &key, &sealed).await? == sealed {
                return Ok(number);
            }
        }
        Err(Error::invalid("the deposit has been answered too often"))
    }

    /// Deletes the sealed parts of a deposit, once it was taken in or refused. What was promised and answered
    /// stays, so the slot's uses stay counted.
    ///
    /// # Errors
    ///
    /// The storage's; what was begun is finished by the next call.
    ///
    /// # Cancellation
    ///
    /// Some parts may be gone; call it again.
    pub async fn clear(&self, deposit: DepositId) -> Result<()> {
        let prefix = objects::parts(self.descriptor.request(), deposit);
        loop {
            let keys = self.storage.list(&prefix, None, PAGE).await?;
            for key in &keys {
                self.storage.delete(key).await?;
            }
            if keys.len() < PAGE {
                return Ok(());
            }
        }
    }

    /// Has the carrier take nothing more for the request; promises stand.
    ///
    /// # Errors
    ///
    /// The storage's.
    ///
    /// # Cancellation
    ///
    /// It may be closed or not; close it again.
    pub async fn close(&self, now: Timestamp) -> Result<()> {
        close(&*self.storage, self.descriptor.request(), now).await
    }
}

/// Marks a request as closed; the first time stays.
pub(super) async fn close(storage: &dyn Storage, request: RequestId, now: Timestamp) -> Result<()> {
    let time = Bytes::copy_from_slice(&now.as_millis().to_be_bytes());
    settle(storage, &objects::closed(request), &time).await.map(drop)
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("request", &self.descriptor.request()).finish_non_exhaustive()
    }
}

/// One deposit, opened by the office: what its client said of it, and its pages to be read.
pub struct IncomingDeposit {
    storage: Arc<dyn Storage>,
    descriptor: Descriptor,
    promise: Promise,
    key: Arc<Secret<32>>,
    pages: Vec<IncomingPage>,
    form: Attributes,
    comment: String,
}

/// A page of a deposit, as its client described it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IncomingPage {
    /// Its file: name and media type are the client's word.
    pub file: File,
    /// The BLAKE3 hash that its content has, or it does not come out whole.
    pub digest: [u8; 32],
    hashes: Arc<[[u8; 32]]>,
}

impl IncomingDeposit {
    /// The deposit's name.
    #[must_use]
    pub const fn id(&self) -> DepositId {
        self.promise.deposit()
    }

    /// The slot that it fills.
    #[must_use]
    pub const fn slot(&self) -> u16 {
        self.promise.slot()
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
    /// [`Invalid`](ErrorKind::Invalid) if there is no such page.
    pub fn read(&self, page: u16) -> Result<PageReader> {
        let described = self.pages.get(usize::from(page)).cloned();
        let described = described.ok_or_else(|| Error::invalid("the deposit has no page of this number"))?;
        Ok(PageReader {
            storage: self.storage.clone(),
            request: self.descriptor.clone(),
            deposit: self.id(),
            key: self.key.clone(),
            place: Place { slot: self.slot(), page, part: 0, last: false },
            page: described,
            digests: Vec::new(),
            failed: false,
        })
    }

    /// What the office states of this deposit: all but the verdict follows from it.
    #[must_use]
    pub fn claim(&self, case: CaseId, requirement: &str, verdict: Verdict, time: Timestamp) -> Claim {
        Claim {
            vault: self.promise.vault(),
            case,
            request: self.promise.request(),
            deposit: self.id(),
            slot: self.slot(),
            verdict,
            requirement: requirement.to_owned(),
            manifest_digest: *self.promise.manifest_digest(),
            time,
            pages: self
                .pages
                .iter()
                .map(|page| ClaimedPage { len: page.file.len, digest: page.digest })
                .collect(),
        }
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
    key: Arc<Secret<32>>,
    place: Place,
    page: IncomingPage,
    digests: Vec<PartDigest>,
    failed: bool,
}

impl PageReader {
    /// The next bytes, 512 KiB at most; none at the end. After an error it gives that error for ever.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) if a part is missing or not the client's, its padding is not zero, or the
    /// page has not the digest that its manifest says; the storage's.
    ///
    /// # Security
    ///
    /// Nothing is given before it is authentic; take nothing in before the end.
    pub async fn next(&mut self) -> Result<Option<SecretBytes>> {
        if self.failed {
            return Err(part::corrupt(self.deposit, &self.place));
        }
        loop {
            let Some(hash) = self.hash() else { return Ok(None) };
            let content = self.advance(&hash).await;
            // A storage that is away may come back; what is not authentic stays so.
            self.failed = content.as_ref().is_err_and(|error| error.kind() == ErrorKind::Corrupt);
            let content = content?;
            if !content.is_empty() {
                return Ok(Some(content));
            }
        }
    }

    /// All of the page, in memory.
    ///
    /// # Errors
    ///
    /// As [`PageReader::next`].
    pub async fn collect(mut self) -> Result<SecretBytes> {
        let len =
            usize::try_from(self.page.file.len).map_err(|_| Error::invalid("the page exceeds the memory"))?;
        let mut all = SecretBytes::new(Vec::with_capacity(len));
        while let Some(bytes) = self.next().await? {
            all.extend_from_slice(&bytes);
        }
        Ok(all)
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
        let named = PartStart { request: self.request.request(), deposit: self.deposit, place, ..part.start };
        if part.start != named || part.start.digest != *hash {
            return Err(corrupt());
        }
        let opened = place.open(self.request.digest(), self.deposit, &self.key, part.sealed());
        let content = self.unpadded(&place, opened.map_err(|Malformed| corrupt())?);
        let content = content.map_err(|Malformed| corrupt())?;
        let digest = digest_of(place.part, &content);
        if place.last
            && page_digest(&[self.digests.as_slice(), digest.as_slice()].concat()) != self.page.digest
        {
            return Err(corrupt());
        }
        self.digests.extend(digest);
        self.place.part = place.part.saturating_add(1);
        Ok(content)
    }

    /// A part's content without its share of the page's padding, which is zero.
    fn unpadded(&self, place: &Place, mut bytes: SecretBytes) -> Result<SecretBytes, Malformed> {
        let start = u64::from(place.part).saturating_mul(PART_LEN);
        let own = self.page.file.len.saturating_sub(start).min(PART_LEN);
        let full = crate::padding::padme(self.page.file.len).saturating_sub(start).min(PART_LEN);
        let own = usize::try_from(own).map_err(|_| Malformed)?;
        let zero = bytes.get(own..).is_some_and(|padding| padding.iter().all(|byte| *byte == 0));
        if u64::try_from(bytes.len()) != Ok(full) || !zero {
            return Err(Malformed);
        }
        bytes.truncate(own);
        Ok(bytes)
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

const PAGE: usize = 1000;
