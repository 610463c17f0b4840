//! Consistency proofs, held against RFC 6962, and a witness that is asked with them.

use std::sync::LazyLock;

use crate::{
    Checkpoint, MemoryWitnessStore, TreeHead, Witness, WitnessKey, WitnessRefusal, WitnessStore,
    crypto::{digest::sha256, sign::SigningKey},
    log::{
        Hash,
        merkle::node,
        note::Note,
        proof::{ProofError, verify_consistency},
        request::WitnessRequest,
        trust::TrustPolicy,
        verifier_key::VerifierKey,
    },
    secret::Secret,
};

/// Between the heads to which it leads, a proof shows that the log has only grown; between no others.
pub(super) fn request(text: &str) {
    let Ok(request) = WitnessRequest::parse(text) else { return };
    assert_eq!(request.to_string(), text);
    drop(Note::parse(request.note()));
    drop(witness(0, &[0; 32]).add_checkpoint(text));
    let (old, new) = (request.old, size(&request));
    let verify = |from: &Hash, to: &Hash| verify_consistency(old, from, new, to, &request.proof);
    let Some((from, to)) = leads(&request) else {
        let refused = if old > new { ProofError::Range } else { ProofError::Length };
        assert_eq!(verify(&[1; 32], &[1; 32]), Err(refused));
        return;
    };
    assert_eq!(verify(&from, &to), Ok(()));
    let other = |hash: &Hash| sha256(&[hash]);
    assert!(verify(&other(&from), &to).is_err());
    // Every tree begins with the empty one.
    assert_eq!(verify(&from, &other(&to)).is_err(), old > 0 || new == 0);
    asked(&request, (old, from), (new, to));
}

/// A witness that knows the older head cosigns the newer one, and nothing that begins elsewhere.
fn asked(request: &WitnessRequest, (old, from): (u64, Hash), (new, to): (u64, Hash)) {
    let note = |root| Checkpoint::new(ORIGIN, new, root).expect("an origin").sign(&key(100));
    let ask = |witness: &Witness, old, root| {
        let request = WitnessRequest::new(old, request.proof.clone(), note(root)).expect("as long");
        witness.add_checkpoint(&request.to_string())
    };
    let witness = witness(old, &from);
    let elsewhere = ask(&witness, old ^ 1, to);
    assert!(matches!(elsewhere, Err(WitnessRefusal::Conflict { .. } | WitnessRefusal::Malformed)));
    let line = ask(&witness, old, to).expect("shown to have grown");
    let checked = POLICY.check(&[note(to), line].concat()).expect("cosigned");
    assert_eq!((checked.checkpoint.size(), checked.witnesses.len()), (new, 1));
    let again = ask(&witness, old, to);
    assert!(
        matches!(again, Err(WitnessRefusal::Conflict { size }) if size == new) || old == new && again.is_ok()
    );
}

/// The size that its note says, or one that is not far.
fn size(request: &WitnessRequest) -> u64 {
    let note = Note::parse(request.note()).ok();
    let said = note.and_then(|note| Checkpoint::parse_text(note.text()).ok()).map(|said| said.size());
    let near = u64::try_from(request.note.len() % 64).expect("small");
    said.unwrap_or_else(|| request.old.saturating_add(near))
}

/// The roots of the older and the newer tree to which the proof leads.
pub(super) fn leads(request: &WitnessRequest) -> Option<(Hash, Hash)> {
    let (old, new, empty) = (request.old, size(request), sha256(&[]));
    let root = sha256(&[request.note.as_bytes()]);
    let none = request.proof.is_empty();
    match old {
        0 if new == 0 => none.then_some((empty, empty)),
        0 => none.then_some((empty, root)),
        _ if old > new => None,
        _ => subproof(old, new, Some(root), &request.proof),
    }
}

// RFC 6962 §2.1.2: SUBPROOF(m, D[m], true) = {}, SUBPROOF(m, D[m], false) = {MTH(D[m])}; the last hash of any other is that of
// the half that the older tree does not part, the halves parted at the largest power of two below n.
/// `whole` is the older tree's root as long as it is known already.
fn subproof(old: u64, new: u64, whole: Option<Hash>, proof: &[Hash]) -> Option<(Hash, Hash)> {
    if old == new {
        return match (whole, proof) {
            (Some(root), []) => Some((root, root)),
            (None, [root]) => Some((*root, *root)),
            _ => None,
        };
    }
    let (other, rest) = proof.split_last()?;
    let half = 1 << (new - 1).ilog2();
    if old <= half {
        let (from, to) = subproof(old, half, whole, rest)?;
        return Some((from, node(&to, other)));
    }
    let (from, to) = subproof(old - half, new - half, None, rest)?;
    Some((node(other, &from), node(other, &to)))
}

/// A witness that last cosigned this head.
fn witness(size: u64, root: &Hash) -> Witness {
    let store = MemoryWitnessStore::new();
    if size > 0 {
        let none = store.advance(ORIGIN, None, &TreeHead::new(size, *root));
        assert_eq!(none.expect("in memory"), None);
    }
    Witness::new(WitnessKey::from_seed(WITNESS, Secret::take([1; 32])), POLICY.clone(), store)
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(Secret::take([seed; 32]))
}

static POLICY: LazyLock<TrustPolicy> = LazyLock::new(|| {
    let log = VerifierKey::ed25519(ORIGIN, key(100).verifying_key()).expect("a name");
    let witness = VerifierKey::cosignature(WITNESS, key(1).verifying_key()).expect("a name");
    TrustPolicy::parse(&format!("log {log}\nwitness w {witness}\nquorum w\n")).expect("a policy")
});

const ORIGIN: &str = "example.com/vault";
const WITNESS: &str = "w.example";
