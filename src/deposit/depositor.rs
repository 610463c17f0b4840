//! Sealing a deposit, on the client's side (FORMAT §11.2).

use core::{fmt, ops::Range};
use std::{collections::BTreeMap, sync::OnceLock};

use bytes::Bytes;

use super::{
    answer,
    descriptor::Descriptor,
    ids::DepositId,
    journal::Journal,
    manifest::{Contents, Described, File, Manifest, Outline, seal_key},
    opened::{OpenedRequest, check_form},
    part::{self, PART_LEN, Place, parts_of},
    promise::Promise,
    receipt::DepositReceipt,
};
use crate::{
    crypto::{
        digest::{PartDigest, page_digest, part_digest},
        sign::SigningKey,
    },
    document::Attributes,
    env::{Entropy, random},
    error::{Error, Result},
    keyring::random_secret,
    padding::padme,
    secret::SecretBytes,
};

/// One deposit as its client seals it. Pure: the application reads the files and sends what this gives.
///
/// Everything follows from the journal and the files' contents: sealed anew after a crash, a part has the same
/// bytes, so it may be sent as often as the connection needs, and what the carrier has already need not be sent.
pub struct Depositor {
    descriptor: Descriptor,
    link_key: SigningKey,
    journal_key: crate::Secret<32>,
    journal: Journal,
    sealed: BTreeMap<(u16, u32), Sealed>,
    /// The digest of the manifest that was made.
    finished: OnceLock<[u8; 32]>,
}

/// What is known of a part that was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sealed {
    hash: [u8; 32],
    /// None for what is padding alone.
    digest: Option<PartDigest>,
}

impl Depositor {
    pub(super) fn begin(
        request: &OpenedRequest,
        slot: u16,
        files: Vec<File>,
        entropy: &dyn Entropy,
    ) -> Result<Self> {
        let (deposit, key) = (DepositId::of_slot(slot, random(entropy)?), random_secret(entropy)?);
        let sealed_key = seal_key(request.descriptor(), deposit, &key, entropy)?;
        Ok(Self::new(request, Journal { deposit, key, sealed_key, files }))
    }

    pub(super) fn resume(request: &OpenedRequest, journal: &[u8]) -> Result<Self> {
        let journal = Journal::open(request.descriptor(), &request.journal_key(), journal)
            .map_err(|_| Error::corrupt("the journal of the deposit"))?;
        request.check_files(journal.deposit.slot(), &journal.files)?;
        Ok(Self::new(request, journal))
    }

    fn new(request: &OpenedRequest, journal: Journal) -> Self {
        Self {
            descriptor: request.descriptor().clone(),
            link_key: request.signing_key(),
            journal_key: request.journal_key(),
            journal,
            sealed: BTreeMap::new(),
            finished: OnceLock::new(),
        }
    }

    /// The deposit's name.
    #[must_use]
    pub const fn id(&self) -> DepositId {
        self.journal.deposit
    }

    /// The files, in order.
    #[must_use]
    pub fn files(&self) -> &[File] {
        &self.journal.files
    }

    /// What to keep until the promise is there, so that [`OpenedRequest::resume`] goes on after a reload or a
    /// crash. Keep it before the first part is sent; it does not change.
    ///
    /// # Errors
    ///
    /// [`Entropy`](crate::ErrorKind::Entropy).
    ///
    /// # Security
    ///
    /// It is sealed: without the link, and its passphrase, it opens nothing.
    pub fn journal(&self, entropy: &dyn Entropy) -> Result<Bytes> {
        Ok(self.journal.seal(&self.descriptor, &self.journal_key, entropy)?)
    }

    /// The parts to be sealed and sent, as page and part from 0, in order.
    #[must_use]
    pub fn places(&self) -> Vec<(u16, u32)> {
        let pages = (0..).zip(&self.journal.files);
        pages.flat_map(|(page, file)| (0..parts_of(file.len)).map(move |part| (page, part))).collect()
    }

    /// The bytes of its file that a part holds; none if the deposit has no such part, or it is padding alone.
    #[must_use]
    pub fn range(&self, page: u16, part: u32) -> Range<u64> {
        let len = self.file(page).map_or(0, |file| file.len);
        let start = u64::from(part).saturating_mul(PART_LEN).min(len);
        start..start.saturating_add(PART_LEN).min(len)
    }

    /// Seals and signs a part: the bytes to be sent to the carrier, [`PART_MAX`](super::PART_MAX) at most.
    ///
    /// `content` is what the file holds in [`Depositor::range`].
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if there is no such part, `content` has another length, or this part
    /// was sealed with other content before: the file was changed, and needs a deposit of its own.
    pub fn seal_part(&mut self, page: u16, part: u32, content: &[u8]) -> Result<Bytes> {
        let len = self.file(page).map(|file| file.len).filter(|len| part < parts_of(*len));
        let len = len.ok_or_else(|| Error::invalid("the deposit has no such part"))?;
        let range = self.range(page, part);
        let place = Place { page, part, last: part.saturating_add(1) == parts_of(len) };
        if u64::try_from(content.len()) != Ok(range.end - range.start) {
            return Err(changed(&place));
        }
        let padded = padded(len, part, content);
        let keys = (&self.journal.key, &self.link_key);
        let sealed = part::seal_part(&self.descriptor, self.id(), place, keys, &padded)?;
        let made = Sealed { hash: sealed.start.digest, digest: digest_of(part, content) };
        let known = *self.sealed.entry((page, part)).or_insert(made);
        if known == made { Ok(sealed.bytes) } else { Err(changed(&place)) }
    }

    /// Whether the carrier, which says that it has a part with this hash, has the one sealed here.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if it has another: the file was changed since, and needs a deposit of
    /// its own.
    pub fn holds(&self, held: &super::HeldPart) -> Result<bool> {
        let Some(sealed) = self.sealed.get(&(held.page, held.part)) else { return Ok(false) };
        let place = Place { page: held.page, part: held.part, last: false };
        if sealed.hash == held.sha256 { Ok(true) } else { Err(changed(&place)) }
    }

    /// The manifest that completes the deposit: the bytes to be sent once the carrier has every part.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if a part was not sealed yet, by this value: after
    /// [`OpenedRequest::resume`] all are sealed anew, those that the carrier has too. Also if the form is not
    /// allowed as [`Attributes`], or the comment has more than 4,096 bytes, or another form or comment was given before.
    ///
    /// # Security
    ///
    /// A carrier that was given two manifests of one deposit can show the office the one, and the client that it has taken
    /// the other. So a deposit has one, which is to be kept with the journal before it is sent; for another form begin
    /// another deposit.
    pub fn finish(&self, form: Attributes, comment: &str) -> Result<Bytes> {
        check_form(&form, comment)?;
        let pages = (0..).zip(&self.journal.files).map(|(page, file)| self.page(page, file));
        let (hashes, pages) = pages.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let outline = Outline {
            request: self.descriptor.request(),
            deposit: self.id(),
            sealed_key: self.journal.sealed_key.clone(),
            pages: hashes,
        };
        let contents = Contents { pages, form, comment: comment.to_owned() };
        let manifest = outline.complete(&self.descriptor, (&self.journal.key, &self.link_key), &contents)?;
        let made = manifest.digest();
        if *self.finished.get_or_init(|| made) != made {
            return Err(Error::invalid(
                "the deposit was finished with another form or comment: begin another deposit",
            ));
        }
        Ok(manifest.encode())
    }

    /// Takes the carrier's promise for the manifest that was sent.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](crate::ErrorKind::Corrupt) unless it is this carrier's, for this very manifest.
    pub fn check_promise(&self, promise: &[u8], manifest: &[u8]) -> Result<Promise> {
        let promise = Promise::verify(promise, &self.descriptor)?;
        let sent = Manifest::parse(manifest).ok().map(|manifest| manifest.digest());
        if promise.deposit() == self.id() && sent.as_ref() == Some(promise.manifest_digest()) {
            Ok(promise)
        } else {
            Err(Error::corrupt("the promise"))
        }
    }

    /// Opens the office's answer `number` to this deposit, its place in [`Held::answers`](super::Held::answers); its
    /// receipt is to be verified yet.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if it is none, was altered, answers another deposit, or is another answer
    /// to this one.
    ///
    /// # Security
    ///
    /// The order in which a carrier shows answers proves nothing: it could tell the office that a number is taken or free.
    /// The newest is the one with the highest record in its verified receipt; and it can be withheld.
    pub fn open_answer(&self, number: usize, answer: &[u8]) -> Result<DepositReceipt> {
        answer::open(&self.descriptor, (self.id(), number), &self.journal.key, answer)
    }

    fn file(&self, page: u16) -> Option<&File> {
        self.journal.files.get(usize::from(page))
    }

    /// The hashes of a page's sealed parts, and its file with its digest.
    fn page(&self, page: u16, file: &File) -> Result<(Vec<[u8; 32]>, Described)> {
        let sealed = (0..parts_of(file.len)).map(|part| {
            let unsealed = || Error::invalid(format!("part {part} of page {page} is not sealed yet"));
            self.sealed.get(&(page, part)).copied().ok_or_else(unsealed)
        });
        let sealed = sealed.collect::<Result<Vec<_>>>()?;
        let hashes = sealed.iter().map(|part| part.hash).collect();
        let digests: Vec<PartDigest> = sealed.iter().filter_map(|part| part.digest).collect();
        Ok((hashes, (file.clone(), page_digest(&digests))))
    }
}

impl fmt::Debug for Depositor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Depositor").field("deposit", &self.id()).finish_non_exhaustive()
    }
}

/// A part's share in its page's digest.
pub(super) fn digest_of(part: u32, content: &[u8]) -> Option<PartDigest> {
    let start = u64::from(part).saturating_mul(PART_LEN);
    (part == 0 || !content.is_empty()).then(|| part_digest(start, content))
}

/// The content of a part with its share of the page's padding.
fn padded(len: u64, part: u32, content: &[u8]) -> SecretBytes {
    let start = u64::from(part).saturating_mul(PART_LEN);
    let full = usize::try_from(padme(len).saturating_sub(start).min(PART_LEN)).unwrap_or(0);
    let mut bytes = SecretBytes::new(Vec::with_capacity(full));
    bytes.extend_from_slice(content);
    bytes.resize(full, 0);
    bytes
}

fn changed(place: &Place) -> Error {
    Error::invalid(format!(
        "page {} is not the file that the deposit was begun with: begin another deposit for it",
        place.page
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_padding_alone_has_no_share_and_an_empty_file_has_one() {
        assert_eq!(digest_of(0, b""), Some(part_digest(0, b"")));
        assert_eq!(digest_of(0, b"x"), Some(part_digest(0, b"x")));
        assert_eq!(digest_of(3, b"x"), Some(part_digest(3 * PART_LEN, b"x")));
        assert_eq!(digest_of(3, b""), None);
    }
}
