//! What the fuzz target `receipt` calls.

use std::sync::LazyLock;

use super::{Disclosure, Opening, Receipt, ReceiptError, VerifiedReceipt, parse_extra};
use crate::{
    crypto::sign::SigningKey,
    env::{Entropy, Timestamp, Zeros},
    head,
    ids::{CaseId, OperationId, VaultId},
    log::{
        Hash,
        body::{self, Outer, Personal},
        checkpoint::Checkpoint,
        commit,
        leaf::{BodyForm, Kind, Leaf, leaf_hash, padded},
        merkle::node,
        note::Note,
        trust::TrustPolicy,
        verifier_key::VerifierKey,
    },
    secret::Secret,
};

/// A receipt as it is, under a head that its proof leads to; and what was done to an honest one.
pub(crate) fn receipt(data: &[u8]) {
    HONEST.altered(data);
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(receipt) = Receipt::parse(text) {
        assert_eq!(receipt.to_string(), text);
        proven(receipt);
    }
}

/// Under a head of a log that the policy believes, a receipt holds exactly if its proof leads to that head, and what it
/// opens and discloses is its record's.
fn proven(mut receipt: Receipt) {
    let leaf = receipt.leaf.clone();
    let size = size(&receipt);
    let root = root(leaf_hash(&leaf.encode()), leaf.seq, size, &receipt.proof);
    let sound = root.is_some() && opens(receipt.opening.as_ref(), &leaf) && discloses(&receipt);
    let mut verified = |root: Hash, seed| {
        receipt.note = note(size, root, seed);
        Receipt::parse(&receipt.to_string()).and_then(|receipt| receipt.verify(&POLICY))
    };
    let mut other = root.unwrap_or_default();
    let own = verified(other, OWN);
    assert_eq!(own.is_ok(), sound, "{own:?}");
    assert!(own.is_err() || own.is_ok_and(|own| (own.record, own.time) == (leaf.seq, leaf.time)));
    assert!(matches!(verified(other, OWN + 1), Err(ReceiptError::Checkpoint(_))));
    other[0] ^= 1;
    assert!(matches!(verified(other, OWN), Err(ReceiptError::Inclusion(_))));
}

/// What the receipt's own note says, or else the least that a proof as long can be of.
fn size(receipt: &Receipt) -> u64 {
    let note = Note::parse(&receipt.note).ok();
    let said = note.and_then(|note| Checkpoint::parse_text(note.text()).ok()).map(|said| said.size());
    let least = u32::try_from(receipt.proof.len()).ok().and_then(|height| 1u64.checked_shl(height));
    said.or(least).unwrap_or(u64::MAX)
}

// RFC 6962 §2.1.1: the last hash of PATH(m, D[n]) is that of the half without leaf m, the halves parted at the largest
// power of two below n.
/// The root of the tree of `size` leaves to which this proof of leaf `index` leads.
fn root(leaf: Hash, index: u64, size: u64, proof: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let Some(below) = size.checked_sub(1).and_then(u64::checked_ilog2) else {
        return proof.is_empty().then_some(leaf);
    };
    let (other, path) = proof.split_last()?;
    let half = 1 << below;
    match index.checked_sub(half) {
        None => Some(node(&root(leaf, index, half, path)?, other)),
        Some(index) => Some(node(other, &root(leaf, index, size - half, path)?)),
    }
}

fn opens(opening: Option<&Opening>, leaf: &Leaf) -> bool {
    opening.is_none_or(|opening| {
        head::effect(&opening.blind, &opening.head_digest, &opening.content_digest) == leaf.effect
    })
}

fn discloses(receipt: &Receipt) -> bool {
    let leaf = &receipt.leaf;
    receipt.disclosure.as_ref().is_none_or(|Disclosure { vault, key, body }| {
        commit::body_commitment(body) == leaf.body && body::open_with(*vault, leaf, key, body).is_ok()
    })
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(Secret::take([seed; 32]))
}

fn note(size: u64, root: Hash, seed: u8) -> String {
    Checkpoint::new(ORIGIN, size, root).expect("an origin").sign(&key(seed))
}

static POLICY: LazyLock<TrustPolicy> = LazyLock::new(|| {
    let log = VerifierKey::ed25519(ORIGIN, key(OWN).verifying_key()).expect("a name");
    TrustPolicy::parse(&format!("log {log}\nquorum none\n")).expect("a policy")
});

/// A receipt that opens and discloses, as bytes that can be altered: what it says of its record, its proof, its note. And
/// each that leaves some of that out, as anybody may: what it says of its record, and what then is proven.
struct Honest {
    parts: [Vec<u8>; 3],
    told: Vec<(Vec<u8>, VerifiedReceipt)>,
}

static HONEST: LazyLock<Honest> = LazyLock::new(|| {
    let proof = vec![[1; 32], [2; 32], [3; 32], [4; 32]];
    let receipt = |opens: bool, discloses: bool| {
        let (leaf, disclosure) = record(6, &Zeros);
        let root = root(leaf_hash(&leaf.encode()), leaf.seq, 11, &proof).expect("a proof of that length");
        let (opening, disclosure) = (opens.then(opening), discloses.then_some(disclosure));
        Receipt::new(leaf, opening, disclosure, proof.clone(), note(11, root, OWN))
    };
    let told = [(true, true), (true, false), (false, true), (false, false)].map(|(opens, discloses)| {
        let receipt = receipt(opens, discloses);
        (receipt.extra(), receipt.verify(&POLICY).expect("an honest receipt"))
    });
    let whole = receipt(true, true);
    Honest { parts: [whole.extra(), proof.concat(), whole.note.into()], told: told.into() }
});

impl Honest {
    /// Six bytes are a step. What is proven stays what it was: exactly the honest proof verifies, of the record with what it
    /// opens and discloses, or without; and under a note that differs it says the same.
    fn altered(&self, steps: &[u8]) {
        let mut parts = self.parts.clone();
        for [part, what, how, at @ .., from] in steps.as_chunks::<6>().0.iter().take(16) {
            let [extra, proof, note] = &mut parts;
            let part = [extra, proof, note].into_iter().nth(usize::from(part % 3)).expect("one of three");
            let (at, from) = (u16::from_be_bytes(*at).into(), usize::from(*from) * 11);
            alter(part, [*what, *how], at, from, usize::from(*how));
        }
        let told = self.told.iter().find(|(extra, _)| *extra == parts[0]).map(|(_, says)| says);
        let says = told.filter(|_| parts[1] == self.parts[1]);
        let verified = verified(&parts);
        assert!(verified.is_none() || verified.as_ref() == says, "{verified:?}");
        assert!(verified.is_some() || says.is_none() || parts[2] != self.parts[2]);
    }
}

fn verified([extra, proof, note]: &[Vec<u8>; 3]) -> Option<VerifiedReceipt> {
    let (hashes, rest) = proof.as_chunks();
    let note = core::str::from_utf8(note).ok().filter(|_| rest.is_empty())?;
    let receipt = parse_extra(extra, hashes.to_vec(), note).ok()?;
    assert_eq!(receipt.extra(), *extra);
    Receipt::parse(&receipt.to_string()).ok()?.verify(&POLICY).ok()
}

/// What somebody does to bytes: one changed, cut, some taken out, copied over, copied in from elsewhere.
pub fn alter(bytes: &mut Vec<u8>, [what, how]: [u8; 2], at: usize, from: usize, some: usize) {
    let len = bytes.len();
    let (at, from) = (at.checked_rem(len).unwrap_or(0), from.checked_rem(len).unwrap_or(0));
    let some = some.min(len - at.max(from));
    match what % 6 {
        0 | 1 => bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= how),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..at + some)),
        4 => bytes.copy_within(from..from + some, at),
        _ => {
            let copied: Vec<u8> = bytes.iter().skip(from).take(some).copied().collect();
            drop(bytes.splice(at..at, copied));
        }
    }
}

/// What the record that [`record`] gives commits to.
pub(super) fn opening() -> Opening {
    Opening {
        blind: [2; 32],
        head_digest: [3; 32],
        content_digest: *crate::ContentDigest::of(b"content").as_bytes(),
    }
}

/// A record, its body, and the key of its outer layer.
pub(crate) fn record(seq: u64, entropy: &dyn Entropy) -> (Leaf, Disclosure) {
    let opening = opening();
    let mut leaf = Leaf {
        kind: Kind::Stored,
        form: BodyForm::Layered,
        position: 0,
        seq,
        time: Timestamp::from_millis(1_732_406_400_000 + seq),
        previous: [8; 32],
        case: CaseId::from_bytes([4; 16]),
        object: [5; 16],
        auxiliary: padded(&[&[0; 16][..], &1u32.to_be_bytes()].concat()),
        operation: OperationId::from_bytes([6; 16]),
        key_epoch: 1,
        process: [7; 12],
        body: [0; 32],
        effect: head::effect(&opening.blind, &opening.head_digest, &opening.content_digest),
        state_root: [0; 32],
    };
    let outer = Outer {
        actor: "user:7f3a".to_owned(),
        purpose: "credit \"review\"\n".to_owned(),
        request: Some("r-1".to_owned()),
        details: vec![0; 8],
    };
    let (audit, case_key) = (Secret::take(AUDIT), Secret::take([10; 32]));
    let personal = Personal { case_key: &case_key, bytes: b"personal" };
    let body = body::seal(VAULT, &leaf, &audit, &outer, Some(personal), entropy).expect("entropy");
    leaf.body = commit::body_commitment(&body);
    let key = body::outer_key(&audit, &body).expect("a body");
    (leaf, Disclosure { vault: VAULT, key, body: body.to_vec() })
}

pub(crate) const VAULT: VaultId = VaultId::from_bytes([1; 16]);
/// The audit key of [`record`].
pub(crate) const AUDIT: [u8; 32] = [9; 32];
const ORIGIN: &str = "example.com/vault";
/// The seed of the key that the policy believes.
const OWN: u8 = 7;
