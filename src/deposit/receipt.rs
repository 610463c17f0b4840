//! A client's receipt for a deposit, verified with no vault, no network and no key (FORMAT §11.4).

use bytes::Bytes;

use super::{
    claim::{CLAIM_CAP, Claim},
    descriptor::Descriptor,
    promise::{PROMISE_LEN, Promise},
};
use crate::{
    FORMAT, SUITE,
    crypto::digest::sha256,
    log::{leaf::Kind, statement, trust::TrustPolicy},
    receipt::{Receipt, ReceiptError, VerifiedReceipt},
    wire::{Malformed, Reader, Writer},
};

/// What a client keeps for good: what was promised, what the office has stated of the deposit, and the
/// proof that this statement stands in its log.
#[derive(Debug)]
pub struct DepositReceipt {
    claim: Vec<u8>,
    promise: Promise,
    receipt: Receipt,
}

/// What a [`DepositReceipt`] has proven.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedDeposit {
    /// What the office has stated.
    pub claim: Claim,
    /// What the carrier had promised.
    pub promise: Promise,
    /// The record of the statement.
    pub receipt: VerifiedReceipt,
}

/// Which check a deposit's receipt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DepositReceiptError {
    /// The record states something else than this claim.
    #[error("the record in the log is not about this claim")]
    Claim,
    /// It is no receipt, or one of a newer format.
    #[error("this is no receipt for a deposit of this format, or it was altered")]
    Malformed,
    /// Claim and promise are about different deposits.
    #[error("the claim and the promise are about different deposits")]
    Mismatch,
    /// The claim names another case than the request, or another requirement than the deposit's slot.
    #[error("the office has stated this of another case or requirement than it has asked for")]
    Other,
    /// The promise is not the carrier's, or for another request.
    #[error("the promise is not one of the request's carrier")]
    Promise,
    /// The record's own receipt does not verify.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
}

impl DepositReceipt {
    /// Puts together what is to be given to the client; nothing is verified yet.
    ///
    /// # Errors
    ///
    /// [`DepositReceiptError::Malformed`] if `claim` is not what [`Claim::to_bytes`] gives;
    /// [`DepositReceiptError::Mismatch`] if it is not about what was promised.
    pub fn new(claim: Vec<u8>, promise: Promise, receipt: Receipt) -> Result<Self, DepositReceiptError> {
        match Claim::parse(&claim) {
            Ok(said) if !is_kept(&said, &promise) => Err(DepositReceiptError::Mismatch),
            Ok(_) => Ok(Self { claim, promise, receipt }),
            Err(Malformed) => Err(DepositReceiptError::Malformed),
        }
    }

    /// The bytes, to be kept by the client, at most 640 KiB.
    ///
    /// # Security
    ///
    /// They name the requirement and the digests of what was deposited.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut w = Writer::with_capacity(16 << 10);
        w.fixed(b"dvdr").u8(FORMAT).u8(SUITE).u16(0);
        w.bytes(&self.claim).bytes(&self.promise.to_bytes()).text(&self.receipt.to_string());
        w.into_vec().into()
    }

    /// Takes a receipt apart; nothing is verified yet.
    ///
    /// # Errors
    ///
    /// [`DepositReceiptError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DepositReceiptError> {
        parse(bytes).map_err(|Malformed| DepositReceiptError::Malformed)
    }

    /// Verifies all the receipt says.
    ///
    /// # Errors
    ///
    /// [`DepositReceiptError`], the first check that failed.
    ///
    /// # Security
    ///
    /// `request` must come from a link or from [`Descriptor::verify`], and `policy` must be the verifier's own,
    /// or the one that the request holds. Case, requirement and pages are what the office says: who has the link looks at
    /// the first two by [`OpenedRequest::verify`](super::OpenedRequest::verify), and whoever has the files holds these
    /// against [`Claim::pages`].
    pub fn verify(
        &self,
        policy: &TrustPolicy,
        request: &Descriptor,
    ) -> Result<VerifiedDeposit, DepositReceiptError> {
        if !self.promise.is_of(request) {
            return Err(DepositReceiptError::Promise);
        }
        let claim = Claim::parse(&self.claim).map_err(|Malformed| DepositReceiptError::Malformed)?;
        if !is_kept(&claim, &self.promise) {
            return Err(DepositReceiptError::Mismatch);
        }
        let receipt = self.receipt.verify(policy)?;
        let stated = receipt.kind == Kind::Stated
            && receipt.checkpoint.origin() == statement::origin(claim.vault)
            && receipt.case == Some(claim.case)
            && receipt.claim == Some(sha256(&[&self.claim]))
            && receipt.content.is_none_or(|content| content == claim.content_digest());
        if !stated {
            return Err(DepositReceiptError::Claim);
        }
        Ok(VerifiedDeposit { claim, promise: self.promise.clone(), receipt })
    }
}

/// Whether a claim is about what was promised.
fn is_kept(claim: &Claim, promise: &Promise) -> bool {
    (claim.vault, claim.request, claim.deposit) == (promise.vault(), promise.request(), promise.deposit())
        && claim.manifest_digest == *promise.manifest_digest()
}

fn parse(bytes: &[u8]) -> Result<DepositReceipt, Malformed> {
    let mut r = Reader::new(bytes);
    r.expect(b"dvdr")?;
    r.expect(&[FORMAT, SUITE, 0, 0])?;
    let claim = r.bytes(CLAIM_CAP)?.to_vec();
    Claim::parse(&claim)?;
    let promise = Promise::parse(r.bytes(PROMISE_LEN)?)?;
    let receipt = Receipt::parse(r.text(RECEIPT_CAP)?).map_err(|_| Malformed)?;
    r.finish()?;
    Ok(DepositReceipt { claim, promise, receipt })
}

/// Bytes of a record's receipt, at most.
const RECEIPT_CAP: usize = 512 << 10;
