//! A request in the hands of its client.

use core::fmt;

use super::{
    depositor::Depositor,
    descriptor::Descriptor,
    details::{Details, Slot},
    link::{Link, LinkKeys},
    manifest::File,
    receipt::{DepositReceipt, DepositReceiptError, VerifiedDeposit},
};
use crate::{
    crypto::sign::SigningKey,
    document::{Attributes, check_attributes, within},
    env::{Entropy, Timestamp},
    error::{Error, ErrorKind, Result},
    ids::CaseId,
    log::trust::TrustPolicy,
    secret::Secret,
};

/// A request, opened by who has its link: what is asked, and the keys to answer it. Pure: it stores nothing,
/// sends nothing and has no clock.
///
/// # Examples
///
/// ```
/// # futures_lite::future::block_on(async {
/// # use std::time::Duration;
/// # use docvault::{SystemClock, SystemEntropy, Clock, Vault, keys::LocalKey, storage::MemoryStorage};
/// use docvault::deposit::{Carrier, CarrierKey, File, Link, OpenedRequest, Promise, RequestTerms, Slot};
///
/// # let folder = tempfile::tempdir()?;
/// # let key = LocalKey::create(folder.path().join("vault.key"))?;
/// # let vault = Vault::create(MemoryStorage::default(), key).await?;
/// # let desk = vault.session("user:1").purpose("intake").begin()?;
/// # let case = desk.create_case("c").await?;
/// # let (now, entropy) = (SystemClock::default().now(), SystemEntropy::default());
/// # let carrier_key = CarrierKey::create(folder.path().join("carrier.key"))?;
/// // The office asks,
/// let terms = RequestTerms::new(case, carrier_key.public(), now.saturating_add(Duration::from_secs(3600)))
///     .slot(Slot::new("official-id", 20 << 20).files(1, 2).media_type("image/jpeg"));
/// let signed = desk.sign_request(terms).await?;
/// let url = signed.link.expose_url("https://intake.example/r/1")?; // for the client alone
///
/// // the carrier publishes,
/// let carrier = Carrier::new(MemoryStorage::default(), carrier_key, vault.sender());
/// let request = carrier.publish(signed.descriptor.to_bytes()).await?;
///
/// // and the client, with the link and what the carrier shows:
/// let shown = carrier.descriptor(request).await?;
/// let opened = OpenedRequest::open(&shown, &Link::parse(&url)?, None, now)?;
/// let mut deposit = opened.begin(0, vec![File::new("front.jpg", "image/jpeg", 3)], &entropy)?;
/// for (page, part) in deposit.places() {
///     let _range = deposit.range(page, part); // of the file to be read
///     carrier.receive(deposit.seal_part(page, part, b"jpg")?).await?;
/// }
/// let promise = carrier.finish(deposit.finish(Default::default(), "")?).await?;
/// assert_eq!(Promise::verify(&promise, opened.descriptor())?.deposit(), deposit.id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct OpenedRequest {
    descriptor: Descriptor,
    details: Details,
    keys: LinkKeys,
    expired: bool,
}

impl OpenedRequest {
    /// Opens the descriptor that a link is for.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) if it is not the one of the link, [`Locked`](ErrorKind::Locked) if the
    /// passphrase is missing or wrong, [`Invalid`](ErrorKind::Invalid) if none is asked, and
    /// [`Denied`](ErrorKind::Denied) if there are no 19 MiB of memory to try the passphrase in.
    ///
    /// One that has expired at `now` opens, too: what was handed in before goes on and is answered, and only
    /// [`OpenedRequest::begin`] refuses.
    ///
    /// # Security
    ///
    /// The descriptor is what the carrier shows, and only the one whose hash is in the link opens: the carrier can
    /// exchange no key. That the link itself came from the office is for the client to know.
    pub fn open(descriptor: &[u8], link: &Link, passphrase: Option<&str>, now: Timestamp) -> Result<Self> {
        let descriptor = Descriptor::parse(descriptor)?;
        if descriptor.digest() != link.descriptor_digest() {
            return Err(Error::corrupt("the request that the link is for"));
        }
        let expired = now >= descriptor.expires();
        Ok(Self { expired, ..Self::unlock(descriptor, link.secret(), passphrase)? })
    }

    fn unlock(descriptor: Descriptor, secret: &Secret<32>, passphrase: Option<&str>) -> Result<Self> {
        let header = &descriptor.header;
        let asked = match (passphrase, &header.salt) {
            (Some(text), Some(salt)) => Some((text, salt)),
            (None, None) => None,
            (None, Some(_)) => return Err(locked("the request asks for the passphrase")),
            (Some(_), None) => return Err(Error::invalid("the request asks for no passphrase")),
        };
        let keys = LinkKeys::derive(secret, header.request, asked)?;
        if keys.signing_key().verifying_key() != header.link_key {
            return Err(locked("link or passphrase do not open this request"));
        }
        let details = Details::open(&keys.root, &header.encode(), &header.slots, &descriptor.details);
        let details = details.map_err(|_| Error::corrupt("the request"))?;
        Ok(Self { descriptor, details, keys, expired: false })
    }

    /// The request as signed.
    #[must_use]
    pub const fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Whether it had expired when it was opened: nothing can be begun.
    #[must_use]
    pub const fn has_expired(&self) -> bool {
        self.expired
    }

    /// The case it belongs to.
    #[must_use]
    pub const fn case(&self) -> CaseId {
        self.details.case
    }

    /// What is asked, by slot number. Of requests by intake, the presentation says how many files, and how large, each
    /// requirement takes: the caps here are the same for all.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.details.slots
    }

    /// The text of the policy to hold receipts against; empty if the office gave none.
    #[must_use]
    pub fn policy(&self) -> &str {
        &self.details.policy
    }

    /// What the office's application has to show.
    #[must_use]
    pub fn presentation(&self) -> &[u8] {
        &self.details.presentation
    }

    /// Begins a deposit of `files`, in this order, for the slot of this number.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if there is no such slot, or it does not take these files;
    /// [`Denied`](ErrorKind::Denied) if the request had expired when it was opened.
    pub fn begin(&self, slot: u16, files: Vec<File>, entropy: &dyn Entropy) -> Result<Depositor> {
        if self.expired {
            return Err(Error::denied(format!(
                "the request has expired at {}; ask for another",
                self.descriptor.expires()
            )));
        }
        self.check_files(slot, &files)?;
        Depositor::begin(self, slot, files, entropy)
    }

    /// Goes on with the deposit of this journal.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) if it is not a journal of this request; [`Invalid`](ErrorKind::Invalid) if its files are
    /// none that the slot takes.
    pub fn resume(&self, journal: &[u8]) -> Result<Depositor> {
        Depositor::resume(self, journal)
    }

    /// Looks whether a slot takes these files, before anything is sealed.
    ///
    /// # Errors
    ///
    /// As [`OpenedRequest::begin`]; the message says what is wrong with which file, by its number.
    pub fn check_files(&self, slot: u16, files: &[File]) -> Result<()> {
        let slot = self.slots().get(usize::from(slot));
        let slot = slot.ok_or_else(|| Error::invalid("the request has no slot of this number"))?;
        let (fewest, most) = (slot.fewest_files, slot.caps.files);
        if !(usize::from(fewest)..=usize::from(most)).contains(&files.len()) {
            return Err(Error::invalid(format!(
                "{fewest} to {most} files are asked for, not {}",
                files.len()
            )));
        }
        files.iter().zip(1..).try_for_each(|(file, number)| check_file(slot, file, number))
    }

    /// Verifies a receipt as its client: as [`DepositReceipt::verify`] does, and that the office has stated of this case, and of
    /// the requirement that the deposit was made for, what it says.
    ///
    /// # Errors
    ///
    /// [`DepositReceiptError`], the first check that failed.
    ///
    /// # Security
    ///
    /// `policy` is the client's own, or the one of [`OpenedRequest::policy`].
    pub fn verify(
        &self,
        receipt: &DepositReceipt,
        policy: &TrustPolicy,
    ) -> Result<VerifiedDeposit, DepositReceiptError> {
        let proven = receipt.verify(policy, &self.descriptor)?;
        let slot = self.slots().get(usize::from(proven.claim.deposit.slot()));
        let asked = proven.claim.case == self.case()
            && slot.is_some_and(|slot| slot.requirement == proven.claim.requirement);
        if asked { Ok(proven) } else { Err(DepositReceiptError::Other) }
    }

    pub(super) fn signing_key(&self) -> SigningKey {
        self.keys.signing_key()
    }

    pub(super) fn journal_key(&self) -> Secret<32> {
        self.keys.journal_key()
    }
}

impl fmt::Debug for OpenedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedRequest").field("request", &self.descriptor.request()).finish_non_exhaustive()
    }
}

fn check_file(slot: &Slot, file: &File, number: u32) -> Result<()> {
    let most = slot.caps.file_bytes;
    if file.len > most {
        return Err(Error::invalid(format!(
            "file {number} has {} bytes; at most {most} are taken",
            file.len
        )));
    }
    let taken = |taken: &String| takes(taken, &file.media_type);
    if !slot.media_types.is_empty() && !slot.media_types.iter().any(taken) {
        let taken = slot.media_types.join(", ");
        return Err(Error::invalid(format!("file {number} is of another type than is taken: {taken}")));
    }
    within("a file's name", &file.name, crate::document::NAME_CAP)?;
    within("a media type", &file.media_type, super::manifest::MEDIA_TYPE_CAP)
}

/// Whether a media type is the one that is taken, or, of `type/*`, any of that type (FORMAT §11.1).
fn takes(taken: &str, media_type: &str) -> bool {
    let whole = || media_type.split_once('/').map(|(kind, _)| kind);
    match taken.strip_suffix("/*") {
        Some(kind) => whole().is_some_and(|found| found.eq_ignore_ascii_case(kind)),
        None => taken.eq_ignore_ascii_case(media_type),
    }
}

/// Refuses a form or a comment that a manifest cannot hold.
pub(super) fn check_form(form: &Attributes, comment: &str) -> Result<()> {
    check_attributes(form)?;
    within("the comment", comment, super::manifest::COMMENT_CAP)
}

fn locked(message: &str) -> Error {
    Error::new(ErrorKind::Locked, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_and_a_comment_are_within_their_limits() {
        const COMMENT: usize = super::super::manifest::COMMENT_CAP;
        assert!(check_form(&Attributes::new(), &"c".repeat(COMMENT)).is_ok());
        assert!(check_form(&Attributes::new(), &"c".repeat(COMMENT + 1)).is_err());
        let form = Attributes::from([("n".repeat(10_000), String::new())]);
        assert!(check_form(&form, "").is_err());
    }

    #[test]
    fn a_range_of_media_types_takes_each_of_them() {
        for (taken, media_type) in
            [("image/*", "image/jpeg"), ("IMAGE/*", "image/PNG"), ("image/jpeg", "image/JPEG")]
        {
            assert!(takes(taken, media_type), "{taken} {media_type}");
        }
        for (taken, media_type) in [
            ("image/*", "application/pdf"),
            ("image/*", "imagery/png"),
            ("image/*", "image"),
            ("image/jpeg", "image/png"),
        ] {
            assert!(!takes(taken, media_type), "{taken} {media_type}");
        }
    }
}
