//! docvault and other implementations of transparency logs, each checking what the other made.
//!
//! Proofs that docvault makes are given to `tlog_tiles` beside their code, in `src/log/proof.rs`.
#![cfg(feature = "fs")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod foreign_log;

use docvault::{
    Checkpoint, CheckpointError, ContentDigest, Kind, MemoryWitnessStore, Receipt, ReceiptError, TrustPolicy,
    VerifierKey, Witness, WitnessKey, WitnessRequest,
};
use foreign_log::{ForeignLog, base64};
use sha2::{Digest, Sha256};
use signed_note::{Note, StandardVerifier, Verifier, VerifierList};

const ORIGIN: &str = "example.com/foreign";

fn policy(log: &ForeignLog) -> TrustPolicy {
    TrustPolicy::parse(&format!("log {}\nquorum none\n", log.verifier_key())).unwrap()
}

#[test]
fn foreign_checkpoints_and_verifier_keys_are_read() {
    let mut log = ForeignLog::new(ORIGIN, 7);
    let key: VerifierKey = log.verifier_key().parse().unwrap();
    assert_eq!((key.name(), key.to_string().as_str()), (ORIGIN, log.verifier_key()));
    assert!(StandardVerifier::new(&key.to_string()).is_ok());
    for size in [0, 1, 2, 100] {
        log.grow_to(size);
        let checked = policy(&log).check(&log.checkpoint()).unwrap().checkpoint;
        assert_eq!((checked.origin(), checked.size(), checked.root()), (ORIGIN, size, &log.root(size)));
        let public = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes();
        assert_eq!(Checkpoint::parse(&log.checkpoint(), ORIGIN, &public).unwrap(), checked);
    }
    let other = ForeignLog::new(ORIGIN, 8);
    assert_eq!(policy(&other).check(&log.checkpoint()), Err(CheckpointError::Signature));
}

/// c2sp.org/tlog-cosignature, written anew for the crate `signed_note`.
struct CosignatureVerifier {
    name: String,
    id: u32,
    key: ed25519_dalek::VerifyingKey,
}

impl Verifier for CosignatureVerifier {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let Some((time, signature)) = signature.split_first_chunk::<8>() else { return false };
        let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else { return false };
        let head = format!("cosignature/v1\ntime {}\n", u64::from_be_bytes(*time));
        self.key.verify_strict(&[head.as_bytes(), text].concat(), &signature).is_ok()
    }
}

#[test]
fn a_foreign_log_is_cosigned_and_foreign_code_verifies_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = ForeignLog::new(ORIGIN, 7);
    let key_file = folder.path().join("key");
    let key = WitnessKey::create(&key_file, "witness.example/w1").unwrap();
    let secret = std::fs::read_to_string(&key_file).unwrap();
    let secret: Vec<u8> = secret.lines().nth(1).unwrap().as_bytes().chunks(2).map(hex).collect();
    let public = ed25519_dalek::SigningKey::from_bytes(&secret.try_into().unwrap()).verifying_key();
    let typed = [&[4][..], public.as_bytes()].concat();
    let id = signed_note::key_id("witness.example/w1", &typed);
    assert_eq!(key.verifier_key().to_string(), format!("witness.example/w1+{id:08x}+{}", base64(&typed)));

    let witness = Witness::new(key, policy(&log), MemoryWitnessStore::new());
    let (mut old, mut size) = (0, 1);
    while size < 400 {
        log.grow_to(size);
        let request = log.request(old);
        let ours = WitnessRequest::new(old, log.consistency(old), log.checkpoint()).unwrap();
        assert_eq!(ours.to_string(), request);
        let line = witness.add_checkpoint(&request).unwrap();
        let note = Note::from_bytes(format!("{}{line}", log.checkpoint()).as_bytes()).unwrap();
        let theirs = CosignatureVerifier { name: "witness.example/w1".to_owned(), id, key: public };
        let known: Vec<Box<dyn Verifier>> =
            vec![Box::new(StandardVerifier::new(log.verifier_key()).unwrap()), Box::new(theirs)];
        let (verified, _) = note.verify(&VerifierList::new(known)).unwrap();
        assert_eq!(verified.len(), 2);
        (old, size) = (size, size + 1 + size / 3);
    }
}

fn hex(digits: &[u8]) -> u8 {
    u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
}

/// FORMAT §5.1, written anew: a Stored record.
fn leaf(seq: u64, effect: [u8; 32]) -> Vec<u8> {
    let mut leaf = b"dvlr\x01\x01\x00\x06\x00\x02".to_vec();
    leaf.extend([0; 6]);
    leaf.extend(seq.to_be_bytes());
    leaf.extend((1000 * seq).to_be_bytes());
    leaf.extend([8; 32]); // previous
    leaf.extend([1; 16]); // case
    leaf.extend([2; 16]); // document
    leaf.extend([0; 16]); // no version before it
    leaf.extend(1u32.to_be_bytes()); // ordinal
    leaf.extend([0; 12]);
    leaf.extend([3; 16]); // operation
    leaf.extend(1u32.to_be_bytes());
    leaf.extend([4; 12]);
    leaf.extend([5; 32]);
    leaf.extend(effect);
    leaf.extend([0; 56]);
    assert_eq!(leaf.len(), 280);
    leaf
}

/// FORMAT §3 and §7.3, written anew.
fn effect(blind: [u8; 32], head: [u8; 32], content: [u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for field in [&b"docvault/v1/effect"[..], &blind, &head, &content] {
        hash.update(u32::try_from(field.len()).unwrap().to_be_bytes());
        hash.update(field);
    }
    hash.finalize().into()
}

/// FORMAT §10.1, written anew.
fn receipt(log: &ForeignLog, leaf: &[u8], opening: Option<[[u8; 32]; 3]>, index: u64) -> String {
    let mut extra = b"dvrc\x01\x01\x00\x00".to_vec();
    extra.extend(leaf);
    extra.push(u8::from(opening.is_some()));
    opening.iter().flatten().for_each(|field| extra.extend(field));
    extra.push(0);
    let proof: String = log.inclusion(index).iter().map(|hash| base64(hash) + "\n").collect();
    format!("c2sp.org/tlog-proof@v1\nextra {}\nindex {index}\n{proof}\n{}", base64(&extra), log.checkpoint())
}

#[test]
fn receipts_written_from_the_format_with_foreign_proofs_verify() {
    let content = ContentDigest::of(b"content");
    let opening = [[6; 32], [7; 32], *content.as_bytes()];
    let effect = effect(opening[0], opening[1], opening[2]);
    for (size, index) in [(1, 0), (2, 1), (7, 6), (100, 63), (100, 64), (257, 256)] {
        let mut log = ForeignLog::new(ORIGIN, 7);
        log.grow_to(index);
        log.push(&leaf(index, effect));
        log.grow_to(size);
        for stated in [None, Some(opening)] {
            let text = receipt(&log, &leaf(index, effect), stated, index);
            let receipt = Receipt::parse(&text).unwrap();
            assert_eq!(receipt.to_string(), text);
            let verified = receipt.verify(&policy(&log)).unwrap();
            assert_eq!((verified.record, verified.kind), (index, Kind::Stored));
            assert_eq!(verified.content, stated.map(|_| content));
            assert_eq!(verified.checkpoint.size(), size);
        }
        let other = receipt(&log, &leaf(index, [9; 32]), None, index);
        let refused = Receipt::parse(&other).unwrap().verify(&policy(&log));
        assert!(matches!(refused, Err(ReceiptError::Inclusion(_))));
    }
}
