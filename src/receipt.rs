//! Receipts: proof for outsiders of what one record says (FORMAT §10.1).

mod verified;

use core::{fmt, str::FromStr};

use crate::{
    FORMAT, SUITE,
    error::{Error, ErrorKind, Result},
    head,
    ids::VaultId,
    log::{
        Hash, body, commit,
        leaf::{LEAF_LEN, Leaf, leaf_hash},
        proof::{self, ProofError},
        request::parse_hashes,
        trust::{CheckpointError, TrustPolicy},
    },
    secret::Secret,
    text::{base64, parse_base64, parse_decimal},
    wire::{Malformed, Reader, Writer},
};

pub use verified::{DisclosedActor, VerifiedReceipt};

/// A record of a vault's log, with the proof that it stands there.
///
/// Its text is a c2sp.org/tlog-proof: whoever has it and a [`TrustPolicy`] verifies it with no
/// vault, no network and no key, now or in years. `Display` gives the text, [`Receipt::parse`] takes
/// it back; it is at most 512 KiB.
///
/// # Security
///
/// A receipt may disclose who acted and why, and the digest of a document's content: who has it
/// knows that much. Nothing in it is to be believed before [`Receipt::verify`].
pub struct Receipt {
    leaf: Leaf,
    opening: Option<Opening>,
    disclosure: Option<Disclosure>,
    proof: Vec<Hash>,
    note: String,
}

/// What a record's effect commitment was made of (FORMAT §7.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) blind: [u8; 32],
    pub(crate) head_digest: Hash,
    pub(crate) content_digest: [u8; 32],
}

/// A record's body, and the key of its outer layer (FORMAT §5.4).
#[derive(Debug)]
pub(crate) struct Disclosure {
    pub(crate) vault: VaultId,
    pub(crate) key: Secret<32>,
    pub(crate) body: Vec<u8>,
}

/// Which check a receipt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The body is not the record's, or the key in the receipt does not open it.
    #[error("the receipt discloses a body that is not this record's")]
    Body,
    /// The policy does not believe the receipt's checkpoint.
    #[error("the receipt's checkpoint is not believed: {0}")]
    Checkpoint(CheckpointError),
    /// The record is not in the log under the checkpoint.
    #[error("the record is not in the log: {0}")]
    Inclusion(ProofError),
    /// It is no receipt, or one of a newer format.
    #[error("this is no receipt of this format, or it was altered")]
    Malformed,
    /// The digests do not belong to the record.
    #[error("the receipt states digests that are not this record's")]
    Opening,
}

impl Receipt {
    pub(crate) const fn new(
        leaf: Leaf,
        opening: Option<Opening>,
        disclosure: Option<Disclosure>,
        proof: Vec<Hash>,
        note: String,
    ) -> Self {
        Self { leaf, opening, disclosure, proof, note }
    }

    /// Takes a receipt's text apart; nothing is verified yet.
    ///
    /// # Errors
    ///
    /// [`ReceiptError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        parse(text).map_err(|Malformed| ReceiptError::Malformed)
    }

    /// The signed note under which the record is proven.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    // tlog-proof, Verifying a tlog proof: the leaf hash; origin, log signature and cosignatures; the
    // inclusion proof. Then what the record commits to.
    /// Verifies all the receipt says.
    ///
    /// Cosignatures are added to an older receipt by [`Receipt::with_note`].
    ///
    /// # Errors
    ///
    /// [`ReceiptError`], the first check that failed.
    ///
    /// # Security
    ///
    /// `policy` must be the verifier's own. The receipt's time is what the vault said; that the record
    /// existed no later than a witness's first time is what that witness says.
    pub fn verify(&self, policy: &TrustPolicy) -> Result<VerifiedReceipt, ReceiptError> {
        let checked = policy.check(&self.note).map_err(ReceiptError::Checkpoint)?;
        let head = &checked.checkpoint;
        let hash = leaf_hash(&self.leaf.encode());
        proof::verify_inclusion(&hash, self.leaf.seq, head.size(), &self.proof, head.root())
            .map_err(ReceiptError::Inclusion)?;
        if self.opening.as_ref().is_some_and(|opening| !opening.is_of(&self.leaf)) {
            return Err(ReceiptError::Opening);
        }
        let disclosed = self.disclosure.as_ref().map(|disclosure| disclosure.open(&self.leaf)).transpose()?;
        Ok(VerifiedReceipt::new(&self.leaf, self.opening.as_ref(), disclosed, checked))
    }

    /// The same receipt under another note of the same checkpoint, such as one with more cosignatures.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the notes' texts differ.
    pub fn with_note(mut self, note: &str) -> Result<Self> {
        let text = |note: &str| note.rsplit_once("\n\n").map(|(text, _)| text.to_owned());
        if text(note).is_none() || text(note) != text(&self.note) {
            let message =
                "the note is of another checkpoint; a receipt's proof leads to one checkpoint alone";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        note.clone_into(&mut self.note);
        Ok(self)
    }

    /// FORMAT §10.1.
    fn extra(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(1024);
        w.fixed(b"dvrc").u8(FORMAT).u8(SUITE).u16(0).fixed(&self.leaf.encode());
        w.optional(self.opening.as_ref(), |w, opening| {
            w.fixed(&opening.blind).fixed(&opening.head_digest).fixed(&opening.content_digest);
        });
        w.optional(self.disclosure.as_ref(), |w, disclosure| {
            w.fixed(disclosure.vault.as_bytes()).fixed(disclosure.key.expose()).bytes(&disclosure.body);
        });
        w.into_vec()
    }
}

impl Opening {
    fn is_of(&self, leaf: &Leaf) -> bool {
        head::effect(&self.blind, &self.head_digest, &self.content_digest) == leaf.effect
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { blind: r.array()?, head_digest: r.array()?, content_digest: r.array()? })
    }
}

impl Disclosure {
    fn open(&self, leaf: &Leaf) -> Result<DisclosedActor, ReceiptError> {
        if commit::body_commitment(&self.body) != leaf.body {
            return Err(ReceiptError::Body);
        }
        let opened = body::open_with(self.vault, leaf, &self.key, &self.body);
        let (outer, _) = opened.map_err(|_| ReceiptError::Body)?;
        Ok(DisclosedActor { actor: outer.actor, purpose: outer.purpose, request: outer.request })
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let vault = VaultId::read(r)?;
        let key = r.secret()?;
        Ok(Self { vault, key, body: r.bytes(commit::BODY_CAP)?.to_vec() })
    }
}

// tlog-proof, Format: a fixed line, `extra` and base64, `index` and a decimal, the hashes of the
// inclusion proof, an empty line, the checkpoint.
fn parse(text: &str) -> Result<Receipt, Malformed> {
    if text.len() > MAX_TEXT {
        return Err(Malformed);
    }
    let (lines, note) = text.split_once("\n\n").ok_or(Malformed)?;
    let mut lines = lines.split('\n');
    let mut line = |prefix: &str| lines.next().and_then(|line| line.strip_prefix(prefix)).ok_or(Malformed);
    if !line(HEADER)?.is_empty() {
        return Err(Malformed);
    }
    let extra = parse_base64(line("extra ")?).ok_or(Malformed)?;
    let index = parse_decimal(line("index ")?).ok_or(Malformed)?;
    let proof = parse_hashes(lines, MAX_HASHES)?;
    let receipt = parse_extra(&extra, proof, note)?;
    if receipt.leaf.seq == index { Ok(receipt) } else { Err(Malformed) }
}

fn parse_extra(extra: &[u8], proof: Vec<Hash>, note: &str) -> Result<Receipt, Malformed> {
    let mut r = Reader::new(extra);
    r.expect(b"dvrc")?;
    r.expect(&[FORMAT, SUITE])?;
    r.zeros(2)?;
    let leaf = Leaf::parse(r.take(LEAF_LEN)?)?;
    let opening = r.optional(Opening::read)?;
    let disclosure = r.optional(Disclosure::read)?;
    r.finish()?;
    Ok(Receipt { leaf, opening, disclosure, proof, note: note.to_owned() })
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nextra {}\nindex {}", base64(&self.extra()), self.leaf.seq)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", base64(hash)))?;
        write!(f, "\n{}", self.note)
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { leaf, opening, disclosure, .. } = self;
        f.debug_struct("Receipt")
            .field("record", &leaf.seq)
            .field("kind", &leaf.kind)
            .field("opening", &opening.is_some())
            .field("disclosure", &disclosure.is_some())
            .finish_non_exhaustive()
    }
}

impl FromStr for Receipt {
    type Err = ReceiptError;

    /// As [`Receipt::parse`].
    fn from_str(text: &str) -> Result<Self, ReceiptError> {
        Self::parse(text)
    }
}

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// The inclusion proof of a tree of 2⁶³ leaves or more has 64 at most.
const MAX_HASHES: usize = 64;
/// A note, and twice what the rest can need.
const MAX_TEXT: usize = 512 << 10;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;

#[cfg(test)]
pub(crate) mod tests;

#[cfg(test)]
mod go;
