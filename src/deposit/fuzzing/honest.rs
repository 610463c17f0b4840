//! A request, its deposit and the answer, as honest people make them, and what was done to each.
#![allow(clippy::indexing_slicing, reason = "artefacts made here, by their numbers")]

use std::sync::LazyLock;

use super::super::{
    CarrierPublicKey, Claim, ClaimedPage, DepositId, Descriptor, File, Link, OpenedRequest, RequestId,
    RequestSecrets, RequestTerms, Slot, Verdict, answer,
    journal::Journal,
    link::LinkKeys,
    manifest::{Contents, Manifest, Outline, seal_key},
    part::{self, Part, PartStart, Place},
    promise::Promise,
    receipt::{DepositReceipt, VerifiedDeposit},
};
use crate::{
    crypto::{digest::sha256, sign::SigningKey},
    env::{Timestamp, Zeros},
    head,
    ids::{CaseId, OperationId, VaultId},
    log::{
        checkpoint::Checkpoint,
        leaf::{BodyForm, Kind, Leaf, leaf_hash},
        merkle::node,
        statement::origin,
        trust::TrustPolicy,
        verifier_key::VerifierKey,
    },
    padding::padme,
    receipt::{Opening, Receipt, fuzzing::alter},
    recipient::Sender,
    secret::Secret,
};

struct Honest {
    opened: OpenedRequest,
    link: String,
    sealed_key: Vec<u8>,
    /// Descriptor, manifest, promise, journal, answer, part, receipt.
    bytes: [Vec<u8>; 7],
    note: String,
    says: VerifiedDeposit,
}

/// A byte says what is altered, six bytes each say how.
pub(super) fn descriptor(data: &[u8]) {
    let Some((which, steps)) = data.split_first() else { return };
    match which {
        0 => {
            let altered = altered(DESCRIPTOR, steps);
            let same = altered == HONEST.bytes[DESCRIPTOR];
            assert_eq!(opens(&altered, &HONEST.link), same);
            assert_eq!(
                Descriptor::verify(&altered, &Sender::new(VAULT, key(OFFICE).verifying_key())).is_ok(),
                same
            );
        }
        1 => {
            let mut link = HONEST.link.clone().into_bytes();
            alter_all(&mut link, steps);
            let link = core::str::from_utf8(&link).unwrap_or_default();
            // What is before the fragment is the page's.
            let fragment = link.split_once('#').map_or(link, |(_, fragment)| fragment);
            assert_eq!(
                opens(&HONEST.bytes[DESCRIPTOR], link),
                HONEST.link.ends_with(&format!("#{fragment}"))
            );
        }
        _ => {}
    }
}

fn opens(descriptor: &[u8], link: &str) -> bool {
    Link::parse(link).is_ok_and(|link| OpenedRequest::open(descriptor, &link, None, NOW).is_ok())
}

/// Likewise of what is handed in and answered; or a manifest of what a client makes up.
pub(super) fn deposit(data: &[u8]) {
    let Some((which, steps)) = data.split_first() else { return };
    let which = usize::from(*which);
    match which {
        OPENED_MANIFEST => opened_manifest(steps),
        MANIFEST | PROMISE | JOURNAL | ANSWER | PART => {
            let altered = altered(which, steps);
            assert_eq!(verifies(which, &altered), altered == HONEST.bytes[which]);
        }
        RECEIPT => receipt(&altered(RECEIPT, steps)),
        MADE_UP => made_up(steps),
        _ => {}
    }
}

fn verifies(which: usize, bytes: &[u8]) -> bool {
    let request = HONEST.opened.descriptor();
    match which {
        MANIFEST => Manifest::parse(bytes).is_ok_and(|manifest| manifest.is_signed(request)),
        PROMISE => Promise::parse(bytes).is_ok_and(|promise| promise.is_of(request)),
        JOURNAL => Journal::open(request, &HONEST.opened.journal_key(), bytes).is_ok(),
        ANSWER => answer::open(request, (deposit_id(), 0), &Secret::take(DEPOSIT_KEY), bytes).is_ok(),
        _ => Part::parse(bytes.to_vec().into()).is_ok_and(|part| {
            let PartStart { place, deposit, .. } = part.start;
            let opens =
                place.open(request.digest(), deposit, &Secret::take(DEPOSIT_KEY), part.sealed()).is_ok();
            assert!(opens || !part.start.is_signed(request));
            part.start.is_signed(request)
        }),
    }
}

/// It opens exactly if all but its signature is the same.
fn opened_manifest(steps: &[u8]) {
    let honest = &HONEST.bytes[MANIFEST];
    let mut bytes = honest[..honest.len() - 64].to_vec();
    alter_all(&mut bytes, steps);
    let same = honest.starts_with(&bytes) && bytes.len() + 64 == honest.len();
    bytes.extend([0; 64]);
    assert_eq!(Manifest::parse(&bytes).is_ok_and(|manifest| manifest_opens(&manifest)), same);
}

fn manifest_opens(manifest: &Manifest) -> bool {
    let opened = SECRETS.keys().with_intake(|intake| manifest.open(HONEST.opened.descriptor(), intake));
    opened.expect("no case is erased").is_ok()
}

/// It verifies exactly if it is the same, but for its note, under which it says the same.
fn receipt(bytes: &[u8]) {
    let same = *bytes == *HONEST.bytes[RECEIPT];
    let receipt = DepositReceipt::parse(bytes);
    let Ok(verified) = receipt.map(|receipt| HONEST.opened.verify(&receipt, &POLICY)) else {
        return assert!(!same);
    };
    assert!(verified.is_ok() || !same, "{verified:?}");
    assert!(verified.is_err() || same || !bytes.ends_with(HONEST.note.as_bytes()));
    assert!(verified.is_err() || verified.ok().as_ref() == Some(&HONEST.says));
}

/// Whatever contents and hashes a client signs and seals, they open exactly if they belong together and to the slot.
fn made_up(data: &[u8]) {
    let Some((count, rest)) = data.split_first() else { return };
    let Some((counts, contents)) = rest.split_at_checked(usize::from(*count)) else { return };
    let Ok(contents) = Contents::parse(contents) else { return };
    let caps = HONEST.opened.descriptor().slots()[0];
    let parts = |len: u64| usize::try_from(padme(len).div_ceil(512 << 10).max(1)).unwrap_or(usize::MAX);
    let fits = |((file, _), count): (&(File, _), &u8)| {
        file.len <= caps.file_bytes && usize::from(*count) == parts(file.len)
    };
    let belong = contents.pages.len() == counts.len()
        && counts.len() <= usize::from(caps.files)
        && contents.pages.iter().zip(counts).all(fits);
    let pages = counts.iter().map(|count| vec![[4; 32]; usize::from(*count)]).collect();
    let manifest = complete(HONEST.opened.descriptor(), (&HONEST.sealed_key, pages), &contents);
    assert!(manifest.is_signed(HONEST.opened.descriptor()));
    assert_eq!(manifest_opens(&manifest), belong);
}

fn altered(which: usize, steps: &[u8]) -> Vec<u8> {
    let mut bytes = HONEST.bytes[which].clone();
    alter_all(&mut bytes, steps);
    bytes
}

fn alter_all(bytes: &mut Vec<u8>, steps: &[u8]) {
    for [what, how, at @ .., from, some] in steps.as_chunks::<6>().0.iter().take(16) {
        let (at, from) = (u16::from_be_bytes(*at).into(), usize::from(*from) * 17);
        alter(bytes, [*what, *how], at, from, usize::from(*some));
    }
}

static HONEST: LazyLock<Honest> = LazyLock::new(|| {
    let signed = terms().sign(VAULT, REQUEST, &SECRETS, &key(OFFICE), (&Zeros, NOW)).expect("signed");
    let request = &signed.descriptor;
    let opened = OpenedRequest::open(&request.to_bytes(), &signed.link, None, NOW).expect("opens");
    let part = sealed_part(request);
    let key_of_deposit = &Secret::take(DEPOSIT_KEY);
    let sealed_key = seal_key(request, deposit_id(), key_of_deposit, &Zeros).expect("zeros");
    let manifest = complete(request, (&sealed_key, vec![vec![part.start.digest]]), &contents());
    let size = u64::from(part.start.len);
    let promise = Promise::make(request, &manifest, size, NOW, &key(CARRIER));
    let receipt = answered(&promise);
    let answer = answer::seal(request, (deposit_id(), 0), key_of_deposit, &receipt, &Zeros).expect("zeros");
    let journal = journal(&sealed_key).seal(request, &opened.journal_key(), &Zeros).expect("zeros");
    let bytes = [
        request.to_bytes(),
        manifest.encode(),
        promise.to_bytes(),
        journal,
        answer,
        part.bytes,
        receipt.to_bytes(),
    ];
    Honest {
        link: signed.link.expose_url("https://intake.example/r/1").expect("no fragment"),
        bytes: bytes.map(Into::into),
        note: note(&stated(&claim(&promise).to_bytes().expect("a claim"))),
        says: opened.verify(&receipt, &POLICY).expect("an honest receipt"),
        opened,
        sealed_key,
    }
});

fn terms() -> RequestTerms {
    let carrier = CarrierPublicKey::from_key(key(CARRIER).verifying_key());
    let slot = Slot::new("official-id", 3 << 20).files(0, 2).uses(2).media_type("image/jpeg");
    RequestTerms::new(CASE, carrier, Timestamp::from_millis(NOW.as_millis() + 86_400_000))
        .slot(slot)
        .policy("quorum none\n")
        .presentation(b"{}".as_slice())
}

fn file() -> File {
    File::new("a.jpg", "image/jpeg", 3)
}

fn contents() -> Contents {
    let form = [("rfc".to_owned(), "x".to_owned())].into_iter().collect();
    Contents { pages: vec![(file(), [5; 32])], form, comment: "c".to_owned() }
}

fn journal(sealed_key: &[u8]) -> Journal {
    let (deposit, key) = (deposit_id(), Secret::take(DEPOSIT_KEY));
    Journal { deposit, key, sealed_key: sealed_key.to_vec(), files: vec![file()] }
}

fn sealed_part(request: &Descriptor) -> Part {
    let place = Place { page: 0, part: 0, last: true };
    let keys = (&Secret::take(DEPOSIT_KEY), &*LINK_KEY);
    part::seal_part(request, deposit_id(), place, keys, b"jpg").expect("sealed")
}

/// A manifest of the honest deposit, with these hashes and contents.
fn complete(
    request: &Descriptor,
    (sealed_key, pages): (&[u8], Vec<Vec<[u8; 32]>>),
    contents: &Contents,
) -> Manifest {
    let sealed_key = sealed_key.to_vec();
    let outline = Outline { request: REQUEST, deposit: deposit_id(), sealed_key, pages };
    outline.complete(request, (&Secret::take(DEPOSIT_KEY), &LINK_KEY), contents).expect("short")
}

fn claim(promise: &Promise) -> Claim {
    Claim {
        verdict: Verdict::Accepted,
        pages: vec![ClaimedPage { len: 3, digest: [5; 32] }],
        ..promise.refusal(CASE, "official-id", "blurred", NOW)
    }
}

/// The record in which the office states a claim.
fn stated(claim: &[u8]) -> Leaf {
    let content = Claim::from_bytes(claim).expect("a claim").content_digest();
    Leaf {
        kind: Kind::Stated,
        form: BodyForm::Layered,
        position: 0,
        seq: 1,
        time: NOW,
        previous: [8; 32],
        case: CASE,
        object: [0; 16],
        auxiliary: [0; 32],
        operation: OperationId::from_bytes([6; 16]),
        key_epoch: 1,
        process: [7; 12],
        body: [9; 32],
        effect: head::effect(&BLIND, &sha256(&[claim]), content.as_bytes()),
        state_root: [0; 32],
    }
}

fn answered(promise: &Promise) -> DepositReceipt {
    let claim = claim(promise);
    let bytes = claim.to_bytes().expect("a claim");
    let content_digest = *claim.content_digest().as_bytes();
    let opening = Opening { blind: BLIND, head_digest: sha256(&[&bytes]), content_digest };
    let leaf = stated(&bytes);
    let note = note(&leaf);
    let receipt = Receipt::new(leaf, Some(opening), None, vec![FIRST], note);
    DepositReceipt::new(bytes, promise.clone(), receipt).expect("of this promise")
}

/// The head of a log of two records, of which this is the second.
fn note(leaf: &Leaf) -> String {
    let root = node(&FIRST, &leaf_hash(&leaf.encode()));
    Checkpoint::new(&origin(VAULT), 2, root).expect("an origin").sign(&key(OFFICE))
}

static SECRETS: LazyLock<RequestSecrets> =
    LazyLock::new(|| RequestSecrets::derive(&Secret::take([0x55; 32]), VAULT, CASE, REQUEST));
static LINK_KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    let secret = SECRETS.keys().link().expect("no case is erased");
    LinkKeys::derive(&secret, REQUEST, None).expect("no passphrase").signing_key()
});
static POLICY: LazyLock<TrustPolicy> = LazyLock::new(|| {
    let log = VerifierKey::ed25519(&origin(VAULT), key(OFFICE).verifying_key()).expect("a name");
    TrustPolicy::parse(&format!("log {log}\nquorum none\n")).expect("a policy")
});

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(Secret::take([seed; 32]))
}

fn deposit_id() -> DepositId {
    DepositId::of_slot(0, [0x77; 14])
}

/// What is within requests, manifests and journals, as [`WITHIN`](super::WITHIN) parses it.
#[cfg(test)]
pub(crate) fn within() -> Vec<(&'static str, Vec<u8>)> {
    let slot = |caps| Slot { caps, ..Slot::new("official-id", 3).files(0, 2).media_type("image/jpeg") };
    let details = super::Details {
        case: CASE,
        policy: "quorum none\n".to_owned(),
        slots: super::CAPS.map(slot).to_vec(),
        presentation: b"{}".to_vec(),
    };
    let journal = journal(&HONEST.sealed_key).encode();
    let start = HONEST.bytes[JOURNAL][..40].to_vec();
    vec![
        ("request details", details.encode().to_vec()),
        ("deposit contents", contents().encode().to_vec()),
        ("journal contents", [start.as_slice(), &journal].concat()),
    ]
}

const DESCRIPTOR: usize = 0;
const MANIFEST: usize = 1;
const PROMISE: usize = 2;
const JOURNAL: usize = 3;
const ANSWER: usize = 4;
const PART: usize = 5;
const RECEIPT: usize = 6;
const OPENED_MANIFEST: usize = 7;
const MADE_UP: usize = 8;

const VAULT: VaultId = VaultId::from_bytes([0x11; 16]);
const CASE: CaseId = CaseId::from_bytes([0x22; 16]);
const REQUEST: RequestId = RequestId::from_bytes([0x66; 16]);
const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);
const DEPOSIT_KEY: [u8; 32] = [0x77; 32];
const BLIND: [u8; 32] = [2; 32];
/// The first record's leaf hash.
const FIRST: [u8; 32] = [1; 32];
/// Seeds.
const OFFICE: u8 = 0x33;
const CARRIER: u8 = 0x44;
