//! What `scripts/go_verifier.sh` runs: files for Go's `sumdb` packages, and files by them.
//!
//! Both take the folder from the variable `DOCVAULT_GO`.

use std::{fs, path::PathBuf};

use super::{
    tests::{ORIGIN, hashes, key, root, sample_leaf},
    *,
};
use crate::{
    MemoryWitnessStore, Witness, WitnessKey, WitnessRequest,
    log::{checkpoint::Checkpoint, verifier_key::VerifierKey},
    text::base64,
};

fn folder(of: &str) -> PathBuf {
    PathBuf::from(std::env::var("DOCVAULT_GO").expect("run by scripts/go_verifier.sh")).join(of)
}

#[test]
#[ignore = "run by scripts/go_verifier.sh"]
fn rust_writes_for_go() {
    let write = |name: &str, content: &str| fs::write(folder("rust").join(name), content).expect("written");
    let log = VerifierKey::ed25519(ORIGIN, key(100).verifying_key()).expect("a name");
    write("vkey", &format!("{log}\n"));
    fs::write(folder("go").join("leaf"), sample_leaf(0).encode()).expect("written");
    let leaves: Vec<Hash> = (0..70).map(|seq| leaf_hash(&sample_leaf(seq).encode())).collect();
    let mut old = 0;
    for size in 1..=70u64 {
        let tree = &leaves[..usize::try_from(size).expect("small")];
        let note = Checkpoint::new(ORIGIN, size, root(tree)).expect("an origin").sign(&key(100));
        let record = (size * 7) % size.div_ceil(2).max(1);
        let proof = hashes(proof::inclusion_ranges(record, size), tree);
        let receipt = Receipt::new(sample_leaf(record), None, None, proof, note.clone());
        write(&format!("receipt-{}", size - 1), &receipt.to_string());
        // Go's tlog has no proofs from the empty tree.
        if old > 0 {
            let proof = hashes(proof::consistency_ranges(old, size), tree);
            let request = WitnessRequest::new(old, proof, note).expect("a request");
            write(&format!("request-{}", size - 2), &request.to_string());
            let old_root = root(&leaves[..usize::try_from(old).expect("small")]);
            write(&format!("request-{}.old", size - 2), &base64(&old_root));
        }
        old = 1 + (size * 31 / 7) % size;
    }
}

#[test]
#[ignore = "run by scripts/go_verifier.sh"]
fn rust_verifies_what_go_wrote() {
    let read = |name: &str| fs::read_to_string(folder("go").join(name));
    let policy = format!("log {}quorum none\n", read("vkey").expect("written"));
    let policy = TrustPolicy::parse(&policy).expect("a policy");
    let files = |kind: &'static str| (0..).map_while(move |i| read(&format!("{kind}-{i}")).ok());
    let mut receipts = 0;
    for text in files("receipt") {
        let receipt = Receipt::parse(&text).expect("a receipt");
        assert_eq!(receipt.to_string(), text);
        assert!(receipt.verify(&policy).is_ok());
        receipts += 1;
    }
    let secret = tempfile::tempdir().expect("a folder");
    let key = WitnessKey::create(secret.path().join("key"), "w").expect("made");
    let witness = Witness::new(key, policy, MemoryWitnessStore::new());
    let requests =
        files("request").inspect(|text| assert!(witness.add_checkpoint(text).is_ok(), "{text}")).count();
    assert_eq!((receipts, requests), (70, 24));
    println!("Rust verified {receipts} receipts and {requests} consistency proofs of Go's");
}
