use proptest::prelude::*;

use super::{fuzzing::opening, *};
use crate::{
    crypto::sign::SigningKey,
    env::{SystemEntropy, Timestamp},
    ids::CaseId,
    log::{
        checkpoint::Checkpoint,
        cosignature::cosign,
        leaf::{BodyForm, Kind, padded},
        merkle::{Frontier, fold},
        verifier_key::VerifierKey,
    },
};

pub(crate) const ORIGIN: &str = "example.com/vault";
const SIZE: u64 = 11;
const RECORD: u64 = 6;

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(Secret::take([seed; 32]))
}

/// Each time with another body.
fn record(seq: u64) -> (Leaf, Disclosure) {
    fuzzing::record(seq, &SystemEntropy)
}

/// A record with a body that is not at hand.
pub(crate) fn sample_leaf(seq: u64) -> Leaf {
    crate::log::leaf::tests::sample(seq, [8; 32])
}

/// The hashes of a log's leaves, that of `leaf` among them.
pub(crate) fn leaf_hashes(size: u64, leaf: Option<&Leaf>) -> Vec<Hash> {
    let hash =
        |i: u64| leaf.filter(|leaf| leaf.seq == i).map_or_else(|| i.to_be_bytes().to_vec(), Leaf::encode);
    (0..size).map(|i| leaf_hash(&hash(i))).collect()
}

pub(crate) fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

/// The hashes of ranges of leaves.
pub(crate) fn hashes(ranges: Vec<core::ops::Range<u64>>, leaves: &[Hash]) -> Vec<Hash> {
    let at = |n: u64| usize::try_from(n).expect("small");
    let subtree = |(start, height): (u64, u32)| root(&leaves[at(start)..at(start + (1 << height))]);
    let range = |range| fold(&proof::perfect(range).into_iter().map(subtree).collect::<Vec<_>>());
    ranges.into_iter().map(range).collect()
}

fn note(root: Hash, witnesses: &[u8]) -> String {
    let mut note = Checkpoint::new(ORIGIN, SIZE, root).expect("an origin").sign(&key(100));
    let text = note.split_once("\n\n").expect("a note").0.to_owned() + "\n";
    for seed in witnesses {
        note.push_str(&cosign(&text, &format!("w{seed}.example"), &key(*seed), 1_732_406_500));
    }
    note
}

pub(crate) fn policy(quorum: &str) -> TrustPolicy {
    let log = VerifierKey::ed25519(ORIGIN, key(100).verifying_key()).expect("a name");
    let witness = |seed: u8| {
        let key = VerifierKey::cosignature(&format!("w{seed}.example"), key(seed).verifying_key());
        format!("witness w{seed} {}\n", key.expect("a name"))
    };
    let text = format!("log {log}\n{}{}group all all w1 w2\n{quorum}\n", witness(1), witness(2));
    TrustPolicy::parse(&text).expect("a policy")
}

fn receipt_of(
    leaf: Leaf,
    opening: Option<Opening>,
    disclosure: Option<Disclosure>,
    witnesses: &[u8],
) -> Receipt {
    let leaves = leaf_hashes(SIZE, Some(&leaf));
    let proof = hashes(proof::inclusion_ranges(leaf.seq, SIZE), &leaves);
    Receipt::new(leaf, opening, disclosure, proof, note(root(&leaves), witnesses))
}

pub(crate) fn receipt() -> Receipt {
    let (leaf, disclosure) = record(RECORD);
    receipt_of(leaf, Some(opening()), Some(disclosure), &[1, 2])
}

#[test]
fn a_receipt_says_what_its_record_says() {
    let receipt = Receipt::parse(&receipt().to_string()).expect("parses");
    let verified = receipt.verify(&policy("quorum all")).expect("verifies");
    assert_eq!((verified.record, verified.kind), (RECORD, Kind::Stored));
    assert_eq!(verified.time, Timestamp::from_millis(1_732_406_400_000 + RECORD));
    assert_eq!(verified.case, Some(CaseId::from_bytes([4; 16])));
    assert_eq!(verified.document.map(|document| *document.own()), Some([5; 16]));
    assert_eq!(verified.version.map(|version| *version.as_bytes()), Some([6; 16]));
    assert_eq!(verified.content, Some(crate::ContentDigest::of(b"content")));
    assert_eq!(verified.checkpoint.size(), SIZE);
    let names: Vec<_> = verified.witnesses.iter().map(|w| (w.witness.as_str(), w.time.as_millis())).collect();
    assert_eq!(names, [("w1", 1_732_406_500_000), ("w2", 1_732_406_500_000)]);
    let disclosed = verified.disclosed.as_ref().expect("disclosed");
    assert_eq!((disclosed.actor.as_str(), disclosed.purpose.as_str()), ("user:7f3a", "credit \"review\"\n"));
}

#[test]
fn a_receipt_that_discloses_nothing_says_nothing_of_it() {
    let (leaf, _) = record(RECORD);
    let text = receipt_of(leaf, None, None, &[]).to_string();
    let verified = Receipt::parse(&text).expect("parses").verify(&policy("quorum none")).expect("verifies");
    assert_eq!((verified.content, verified.disclosed), (None, None));
    assert_eq!(verified.witnesses, []);
}

#[test]
fn it_reads_as_plain_words_and_as_json() {
    let verified = receipt().verify(&policy("quorum all")).expect("verifies");
    let text = verified.to_string();
    for line in [
        "Record 6 of the log \"example.com/vault\": a version of a document was stored.",
        "It was recorded at 2024-11-24T00:00:00.006Z, by the vault's clock.",
        "The case is 04040404040404040404040404040404.",
        "It was done by \"user:7f3a\", for \"credit \\\"review\\\"\\n\".",
        "The log has signed that it held 11 records, this one among them.",
        "The witness \"w2\" has confirmed at 2024-11-24T00:01:40.000Z that it was shown the same log.",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    let json: serde_json::Value = serde_json::from_str(&verified.to_json()).expect("JSON");
    assert_eq!(json["record"], 6);
    assert_eq!(json["kind"], "Stored");
    assert_eq!(json["purpose"], "credit \"review\"\n");
    assert_eq!(json["content"], crate::ContentDigest::of(b"content").to_string());
    assert_eq!(json["witnesses"][1]["name"], "w2");
    assert_eq!(json["witnesses"][1]["time"], 1_732_406_500_000u64);
    let bare =
        receipt_of(record(RECORD).0, None, None, &[]).verify(&policy("quorum none")).expect("verifies");
    let asked_for_none = "No witness is asked for: others may have been shown another log.";
    assert_eq!(bare.to_string().lines().last(), Some(asked_for_none));
    let json: serde_json::Value = serde_json::from_str(&bare.to_json()).expect("JSON");
    assert!(json["content"].is_null() && json["actor"].is_null());
    assert_eq!(json["witnesses"], serde_json::json!([]));
}

#[test]
fn each_check_that_fails_is_named() {
    let policy = policy("quorum all");
    let (leaf, disclosure) = record(RECORD);
    let good = || receipt_of(leaf.clone(), Some(opening()), None, &[1, 2]);
    let error = |receipt: Receipt| receipt.verify(&policy).expect_err("refused");

    let few = receipt_of(leaf.clone(), None, None, &[1]);
    assert_eq!(error(few), ReceiptError::Checkpoint(CheckpointError::Quorum));
    let unsigned = Receipt { note: good().note.replace(ORIGIN, "example.com/other"), ..good() };
    assert_eq!(error(unsigned), ReceiptError::Checkpoint(CheckpointError::UnknownLog));
    let other = Receipt { note: good().note.replace("\n11\n", "\n12\n"), ..good() };
    assert_eq!(error(other), ReceiptError::Checkpoint(CheckpointError::Signature));
    let longer = Receipt { proof: [good().proof, vec![[0; 32]]].concat(), ..good() };
    assert_eq!(error(longer), ReceiptError::Inclusion(ProofError::Length));
    let renamed = Receipt { leaf: Leaf { case: CaseId::from_bytes([9; 16]), ..leaf.clone() }, ..good() };
    assert_eq!(error(renamed), ReceiptError::Inclusion(ProofError::Root));
    let beyond = Receipt { leaf: Leaf { seq: SIZE, ..leaf.clone() }, ..good() };
    assert_eq!(error(beyond), ReceiptError::Inclusion(ProofError::Range));
    let content = Opening { content_digest: [0; 32], ..opening() };
    assert_eq!(error(Receipt { opening: Some(content), ..good() }), ReceiptError::Opening);
    let wrong_key = Disclosure { key: Secret::take([9; 32]), body: disclosure.body.clone(), ..disclosure };
    assert_eq!(error(receipt_of(leaf.clone(), None, Some(wrong_key), &[1, 2])), ReceiptError::Body);
    let (_, of_another) = record(RECORD);
    assert_eq!(error(receipt_of(leaf.clone(), None, Some(of_another), &[1, 2])), ReceiptError::Body);
    let elsewhere = Disclosure { vault: VaultId::from_bytes([9; 16]), ..record(RECORD).1 };
    assert_eq!(error(receipt_of(leaf.clone(), None, Some(elsewhere), &[1, 2])), ReceiptError::Body);
}

/// A record that commits to no effect has nothing to open.
#[test]
fn zeros_are_no_opening() {
    let (leaf, _) = record(RECORD);
    let auxiliary = padded(&[3; 16]);
    let leaf = Leaf { kind: Kind::Read, form: BodyForm::Outer, auxiliary, effect: [0; 32], ..leaf };
    let zeros = Opening { blind: [0; 32], head_digest: [0; 32], content_digest: [0; 32] };
    let receipt = receipt_of(leaf, Some(zeros), None, &[1, 2]);
    assert_eq!(receipt.verify(&policy("quorum all")), Err(ReceiptError::Opening));
}

#[test]
fn every_bit_of_a_receipt_counts() {
    let text = receipt().to_string();
    let policy = policy("quorum all");
    assert!(Receipt::parse(&text).expect("parses").verify(&policy).is_ok());
    for offset in 0..text.len() {
        for bit in 0..8 {
            let mut altered = text.as_bytes().to_vec();
            altered[offset] ^= 1 << bit;
            let Ok(altered) = String::from_utf8(altered) else { continue };
            let verified = Receipt::parse(&altered).and_then(|receipt| receipt.verify(&policy));
            assert!(verified.is_err(), "byte {offset} bit {bit}");
        }
    }
}

#[test]
fn a_receipt_has_512_kib_at_most() {
    let text = receipt().to_string();
    for (len, taken) in [(MAX_TEXT - 1, true), (MAX_TEXT, true), (MAX_TEXT + 1, false)] {
        // The note at its end is looked at when it is verified.
        let longer = format!("{text}{}", "a".repeat(len - text.len()));
        assert_eq!(Receipt::parse(&longer).is_ok(), taken, "{len}");
    }
}

#[test]
fn lines_may_neither_be_missing_nor_doubled() {
    let text = receipt().to_string();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let policy = policy("quorum all");
    for i in 0..lines.len() {
        for times in [0, 2] {
            let altered: String =
                lines.iter().enumerate().map(|(j, l)| l.repeat(if i == j { times } else { 1 })).collect();
            let verified = Receipt::parse(&altered).and_then(|receipt| receipt.verify(&policy));
            // A signature that stands there twice says no more than once.
            let signature_twice = times == 2 && lines[i].starts_with('\u{2014}');
            assert_eq!(verified.is_ok(), signature_twice, "line {i} {times} times");
        }
    }
    for len in (0..text.len()).filter(|len| text.is_char_boundary(*len)) {
        assert!(Receipt::parse(&text[..len]).and_then(|receipt| receipt.verify(&policy)).is_err(), "{len}");
    }
}

#[test]
fn cosignatures_can_be_added_and_another_checkpoint_cannot_be_put_in() {
    let (leaf, _) = record(RECORD);
    let all = policy("quorum all");
    let bare = || receipt_of(leaf.clone(), None, None, &[]);
    let full = receipt_of(leaf.clone(), None, None, &[1, 2]);
    assert!(bare().verify(&all).is_err());
    assert!(bare().with_note(full.note()).expect("the same checkpoint").verify(&all).is_ok());
    let other = Checkpoint::new(ORIGIN, SIZE + 1, [0; 32]).expect("an origin").sign(&key(100));
    assert!(bare().with_note(&other).is_err() && bare().with_note("").is_err());
}

/// Two steps by which the fuzz target comes to a receipt without opening and disclosure, which it once took for a forgery.
#[test]
fn whoever_shows_a_receipt_may_leave_out_what_it_opens_and_discloses() {
    fuzzing::receipt(b"c2po.\0\0c2s\x9dp+");
}

#[test]
fn debug_shows_no_key() {
    let debug = format!("{:?} {:?}", receipt(), receipt().disclosure);
    let key = receipt().disclosure.expect("disclosed").key;
    assert!(!debug.contains(&format!("{:?}", key.expose())), "{debug}");
}

proptest! {
    #[test]
    fn any_text_is_answered(extra: Vec<u8>, index: u64, rest: String) {
        let text = format!("{HEADER}\nextra {}\nindex {index}\n{rest}", base64(&extra));
        for text in [text.as_str(), rest.as_str()] {
            if let Ok(receipt) = Receipt::parse(text) {
                prop_assert_eq!(receipt.to_string(), text);
            }
        }
    }
}
