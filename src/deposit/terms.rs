//! What an office asks for, before it is signed.

use core::{fmt, time::Duration};

use super::{
    carrier::CarrierPublicKey,
    descriptor::{Descriptor, Header, SLOTS_CAP},
    details::{Details, Slot},
    ids::RequestId,
    link::{Link, LinkKeys, RequestSecrets},
};
use crate::{
    crypto::sign::SigningKey,
    env::{Entropy, Timestamp, random},
    error::{Error, Result},
    ids::{CaseId, VaultId},
    secret::SecretBytes,
    wire::Malformed,
};

/// What a request asks for, and until when.
#[must_use = "terms are signed by `Session::sign_request`"]
pub struct RequestTerms {
    carrier: CarrierPublicKey,
    details: Details,
    expires: Timestamp,
    answer_within: Duration,
    passphrase: Option<SecretBytes>,
}

/// A request, signed, and the link for its client.
#[derive(Debug)]
#[non_exhaustive]
pub struct SignedRequest {
    /// What is published to the carrier.
    pub descriptor: Descriptor,
    /// What goes to the client, and to nobody else.
    pub link: Link,
}

impl RequestTerms {
    /// Asks for documents of `case` through `carrier`, until `expires`. Answers are promised within three
    /// days unless [`RequestTerms::answer_within`] says otherwise.
    ///
    /// # Security
    ///
    /// `carrier` must come from the carrier's operator: whoever holds that key can promise in its name. It opens
    /// nothing.
    pub fn new(case: CaseId, carrier: CarrierPublicKey, expires: Timestamp) -> Self {
        Self {
            carrier,
            details: Details { case, policy: String::new(), slots: Vec::new(), presentation: Vec::new() },
            expires,
            answer_within: Duration::from_secs(3 * 24 * 3600),
            passphrase: None,
        }
    }

    pub(crate) const fn case(&self) -> CaseId {
        self.details.case
    }

    /// Adds a slot; up to 64, numbered from 0 in this order.
    pub fn slot(mut self, slot: Slot) -> Self {
        self.details.slots.push(slot);
        self
    }

    /// Sets how soon after its promise a deposit will be answered.
    pub const fn answer_within(mut self, duration: Duration) -> Self {
        self.answer_within = duration;
        self
    }

    /// Sets the text of the [`TrustPolicy`](crate::TrustPolicy) that the client holds receipts against; 32 KiB at
    /// most.
    pub fn policy(mut self, policy: impl Into<String>) -> Self {
        self.details.policy = policy.into();
        self
    }

    /// Sets what the application shows: titles, instructions, languages; 48 KiB at most.
    pub fn presentation(mut self, presentation: impl Into<Vec<u8>>) -> Self {
        self.details.presentation = presentation.into();
        self
    }

    /// Asks for a passphrase on top of the link. It takes effect byte by byte: one typed on a telephone should be
    /// brought to one Unicode normalization form first, here as there.
    ///
    /// # Security
    ///
    /// It reaches the client by another way than the link. Whoever has the link can try passphrases, each at the
    /// cost of an Argon2id of 19 MiB; whoever has not can try none.
    pub fn passphrase(mut self, passphrase: &str) -> Self {
        self.passphrase = Some(SecretBytes::new(passphrase.as_bytes().to_vec()));
        self
    }

    /// Seals and signs.
    ///
    /// # Errors
    ///
    /// Invalid; no randomness.
    pub(crate) fn sign(
        self,
        vault: VaultId,
        request: RequestId,
        secrets: &RequestSecrets,
        key: &SigningKey,
        (entropy, now): (&dyn Entropy, Timestamp),
    ) -> Result<SignedRequest> {
        self.check(now)?;
        let salt = self.passphrase.as_ref().map(|_| random::<16>(entropy)).transpose()?;
        let text = self.passphrase.as_ref().and_then(|bytes| core::str::from_utf8(bytes).ok());
        let secret = secrets.keys().link()?;
        let keys = LinkKeys::derive(&secret, request, text.zip(salt.as_ref()))?;
        let header = Header {
            vault,
            request,
            delivery_key: key.verifying_key(),
            intake_key: secrets.intake_key()?,
            link_key: keys.signing_key().verifying_key(),
            carrier_key: self.carrier,
            issued: now,
            expires: self.expires,
            answer_within: self.answer_within,
            slots: self.details.slots.iter().map(|slot| slot.caps).collect(),
            salt,
        };
        let sealed = self.details.seal(&keys.root, &header.encode(), entropy)?;
        let descriptor = Descriptor::sign(&header, &sealed, key);
        let descriptor =
            descriptor.map_err(|Malformed| Error::invalid("the request is too large; ask for less"))?;
        let link = Link::new(*descriptor.digest(), secret);
        Ok(SignedRequest { descriptor, link })
    }

    fn check(&self, now: Timestamp) -> Result<()> {
        let slots = self.details.slots.len();
        if slots == 0 || slots > SLOTS_CAP {
            return Err(Error::invalid(format!("a request has 1 to {SLOTS_CAP} slots, not {slots}")));
        }
        if self.passphrase.as_ref().is_some_and(|passphrase| passphrase.is_empty()) {
            return Err(Error::invalid("an empty passphrase keeps nobody out: ask for one, or for none"));
        }
        if self.expires <= now {
            return Err(Error::invalid("a request expires after it is made"));
        }
        self.details.check()
    }
}

impl fmt::Debug for RequestTerms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestTerms")
            .field("case", &self.details.case)
            .field("slots", &self.details.slots.len())
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
