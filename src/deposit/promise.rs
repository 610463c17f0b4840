//! A carrier's promise: what it has, and until when it will be answered (FORMAT §11.3).

use bytes::Bytes;

use super::{
    claim::{Claim, Verdict},
    descriptor::{Descriptor, millis},
    ids::{DepositId, RequestId},
    manifest::Manifest,
    receipt::VerifiedDeposit,
};
use crate::{
    FORMAT, SUITE,
    crypto::{schedule::SIGN_DEPOSIT_PROMISE, sign::SigningKey},
    env::Timestamp,
    error::{Error, Result},
    ids::{CaseId, VaultId},
    wire::{Malformed, Reader, Writer},
};

/// A carrier's signed word that it holds a whole deposit, and by when the office will have answered.
///
/// # Examples
///
/// With a promise nobody answered, a client proves to others that their deposit was dropped:
///
/// ```
/// use docvault::{Sender, Timestamp, TrustPolicy, deposit::{DepositReceipt, Descriptor, Promise, Standing}};
///
/// /// What a court needs: the vault's checked fingerprint, what the client kept, and the time.
/// fn was_dropped(vault: &Sender, request: &[u8], promise: &[u8], now: Timestamp) -> docvault::Result<bool> {
///     let request = Descriptor::verify(request, vault)?;
///     let promise = Promise::verify(promise, &request)?;
///     // Whoever says otherwise brings a receipt, which would be verified and passed here.
///     Ok(promise.standing(now, None) == Standing::Dropped)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    body: Body,
    signature: [u8; 64],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Body {
    vault: VaultId,
    request: RequestId,
    deposit: DepositId,
    descriptor: [u8; 32],
    manifest: [u8; 32],
    sealed_bytes: u64,
    time: Timestamp,
    answer_by: Timestamp,
}

/// How a promised deposit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// The office has answered in time.
    Answered,
    /// The office has answered, later than was promised.
    AnsweredLate,
    /// The promised time has passed without an answer: with the request and the promise this is a proof.
    Dropped,
    /// There is still time to answer.
    Pending,
}

impl Body {
    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(PROMISE_LEN);
        w.fixed(b"dvpr").u8(FORMAT).u8(SUITE).u16(0);
        w.fixed(self.vault.as_bytes()).fixed(self.request.as_bytes()).fixed(self.deposit.as_bytes());
        w.fixed(&self.descriptor).fixed(&self.manifest);
        w.u64(self.sealed_bytes).u64(self.time.as_millis()).u64(self.answer_by.as_millis());
        w.into_vec()
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.expect(b"dvpr")?;
        r.expect(&[FORMAT, SUITE, 0, 0])?;
        let (vault, request, deposit) = (VaultId::read(r)?, RequestId::read(r)?, DepositId::read(r)?);
        Ok(Self {
            vault,
            request,
            deposit,
            descriptor: r.array()?,
            manifest: r.array()?,
            sealed_bytes: r.u64()?,
            time: Timestamp::from_millis(r.u64()?),
            answer_by: Timestamp::from_millis(r.u64()?),
        })
    }
}

impl Promise {
    pub(super) fn make(
        descriptor: &Descriptor,
        manifest: &Manifest,
        sealed_bytes: u64,
        time: Timestamp,
        key: &SigningKey,
    ) -> Self {
        // A carrier's clock may be behind the office's.
        let time = time.max(descriptor.issued());
        let body = Body {
            vault: descriptor.vault(),
            request: descriptor.request(),
            deposit: manifest.outline.deposit,
            descriptor: *descriptor.digest(),
            manifest: manifest.digest(),
            sealed_bytes,
            time,
            answer_by: Timestamp::from_millis(
                time.as_millis().saturating_add(millis(descriptor.answer_within())),
            ),
        };
        Self { body, signature: key.sign(SIGN_DEPOSIT_PROMISE, &body.encode()) }
    }

    /// Parses a promise; its signature is not verified.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let promise = Self { body: Body::read(&mut r)?, signature: r.array()? };
        r.finish()?;
        Ok(promise)
    }

    /// Takes the promise in `bytes` if the carrier that `request` names has given it, for that request.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if it is none, was altered, or is another's or for another request.
    ///
    /// # Security
    ///
    /// `request` must come from a link or from [`Descriptor::verify`].
    pub fn verify(bytes: &[u8], request: &Descriptor) -> Result<Self> {
        let promise = Self::parse(bytes).map_err(|Malformed| Error::corrupt("the promise"))?;
        if promise.is_of(request) { Ok(promise) } else { Err(Error::corrupt("the promise")) }
    }

    pub(super) fn is_of(&self, request: &Descriptor) -> bool {
        let Body { vault, request: id, deposit, descriptor, time, answer_by, .. } = &self.body;
        let by = time.as_millis().saturating_add(millis(request.answer_within()));
        let named = (*vault, *id, descriptor) == (request.vault(), request.request(), request.digest());
        let key = request.carrier().key();
        // Or the carrier could say that the answer is due in an age, or was due long ago.
        let in_time = (request.issued()..request.expires()).contains(time);
        named
            && in_time
            && request.caps(*deposit).is_some()
            && answer_by.as_millis() == by
            && key.verify(SIGN_DEPOSIT_PROMISE, &self.body.encode(), &self.signature).is_ok()
    }

    /// Whether it promises the same deposit.
    fn is_about(&self, other: &Body) -> bool {
        let Body { descriptor, deposit, manifest, .. } = &self.body;
        (descriptor, deposit, manifest) == (&other.descriptor, &other.deposit, &other.manifest)
    }

    /// The bytes, to be kept by the client; no secret.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        [self.body.encode().as_slice(), &self.signature].concat().into()
    }

    /// The request that the deposit is for.
    #[must_use]
    pub const fn request(&self) -> RequestId {
        self.body.request
    }

    /// The vault that asked.
    #[must_use]
    pub const fn vault(&self) -> VaultId {
        self.body.vault
    }

    /// The deposit.
    #[must_use]
    pub const fn deposit(&self) -> DepositId {
        self.body.deposit
    }

    /// SHA-256 of the deposit's manifest, which lists the hash of every sealed part.
    #[must_use]
    pub const fn manifest_digest(&self) -> &[u8; 32] {
        &self.body.manifest
    }

    /// Sealed bytes that the carrier holds for the deposit, over all its parts.
    #[must_use]
    pub const fn sealed_bytes(&self) -> u64 {
        self.body.sealed_bytes
    }

    /// When the deposit was complete, by the carrier's clock.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.body.time
    }

    /// When the office will have answered.
    #[must_use]
    pub const fn answer_by(&self) -> Timestamp {
        self.body.answer_by
    }

    /// What the office states of a deposit that is [`Unreadable`](crate::ErrorKind::Unreadable): it is refused, of its
    /// pages nothing is known, and all else follows from the promise.
    #[must_use]
    pub fn refusal(&self, case: CaseId, requirement: &str, reason: &str, time: Timestamp) -> Claim {
        Claim {
            vault: self.vault(),
            case,
            request: self.request(),
            deposit: self.deposit(),
            verdict: Verdict::Refused(reason.to_owned()),
            requirement: requirement.to_owned(),
            manifest_digest: *self.manifest_digest(),
            time,
            pages: Vec::new(),
        }
    }

    /// How the deposit stands at `now`, if `answer` is all that the office has to show for it. An answer to
    /// another deposit is none.
    ///
    /// # Security
    ///
    /// That it was dropped holds until the office shows a receipt. It then says when the answer was put on
    /// record, which nobody can put earlier than a witness has seen the log.
    #[must_use]
    pub fn standing(&self, now: Timestamp, answer: Option<&VerifiedDeposit>) -> Standing {
        match answer.filter(|answer| answer.promise.is_about(&self.body)) {
            Some(answer) if answer.receipt.time <= self.answer_by() => Standing::Answered,
            Some(_) => Standing::AnsweredLate,
            None if now > self.answer_by() => Standing::Dropped,
            None => Standing::Pending,
        }
    }
}

/// Bytes of a promise.
pub(super) const PROMISE_LEN: usize = 8 + 3 * 16 + 2 * 32 + 3 * 8 + 64;
