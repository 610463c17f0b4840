//! Receipts from a real vault, verified with no vault, no network and no key; witnesses in between.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{block_on, vault};
use docvault::{
    ErrorKind, Freshness, Kind, MemoryWitnessStore, NewDocument, Receipt, ReceiptError, Session, TrustPolicy,
    Vault, Witness, WitnessKey,
};

struct Watched {
    vault: Vault,
    desk: Session,
    witnesses: Vec<(String, Witness)>,
    policy: TrustPolicy,
    _folders: Vec<tempfile::TempDir>,
}

/// A vault whose log three witnesses know, two of which must have cosigned.
async fn watched() -> Watched {
    let (vault, folder) = vault().await;
    let log = vault.audit().log().await.unwrap().verifier_keys().await.unwrap();
    let known = TrustPolicy::parse(&format!("log {}\nquorum none\n", log[0])).unwrap();
    let (mut folders, mut witnesses) = (vec![folder], Vec::new());
    let mut policy = format!("log {}\n", log[0]);
    for name in ["ana", "beto", "carla"] {
        let folder = tempfile::tempdir().unwrap();
        let full = format!("{name}.example/witness");
        let key = WitnessKey::create(folder.path().join("key"), &full).unwrap();
        policy += &format!("witness {name} {}\n", key.verifier_key());
        witnesses.push((name.to_owned(), Witness::new(key, known.clone(), MemoryWitnessStore::default())));
        folders.push(folder);
    }
    policy += "group two 2 ana beto carla\nquorum two\n";
    let policy = TrustPolicy::parse(&policy).unwrap();
    let desk = vault.session("user:7").purpose("intake").begin().unwrap();
    Watched { vault, desk, witnesses, policy, _folders: folders }
}

impl Watched {
    /// A checkpoint cosigned by the first `count` witnesses, which have cosigned `old` records.
    async fn cosigned(&self, count: usize, old: u64) -> String {
        let mut note = self.vault.audit().checkpoint().await.unwrap();
        let log = self.vault.audit().log().await.unwrap();
        let request = log.witness_request(old, &note).await.unwrap().to_string();
        for (_, witness) in &self.witnesses[..count] {
            let answer = witness.add_checkpoint(&request).unwrap();
            note = self.policy.add_cosignatures(&note, &answer).unwrap();
        }
        note
    }
}

#[test]
fn a_receipt_proves_a_stored_document_under_a_cosigned_checkpoint() {
    block_on(async {
        let world = watched().await;
        let case = world.desk.create_case("c").await.unwrap();
        let mut stored = Vec::new();
        let mut old = 0;
        for round in 0..4u8 {
            for i in 0..90u8 {
                let content = vec![round, i];
                stored.push(world.desk.store(case, NewDocument::named("x"), content).await.unwrap());
            }
            let note = world.cosigned(2, old).await;
            old = note.lines().nth(1).unwrap().parse().unwrap();
            for stored in [&stored[0], stored.last().unwrap(), &stored[stored.len() / 2]] {
                let text = world.desk.receipt(stored.seq, &note).await.unwrap().to_string();
                let proven = Receipt::parse(&text).unwrap().verify(&world.policy).unwrap();
                assert_eq!(
                    (proven.record, proven.time, proven.kind),
                    (stored.seq, stored.time, Kind::Stored)
                );
                assert_eq!(proven.content, Some(stored.digest));
                assert_eq!((proven.document, proven.version), (Some(stored.document), Some(stored.version)));
                assert_eq!((proven.case, proven.witnesses.len()), (Some(case), 2));
                assert_eq!(proven.disclosed, None);
                assert!(proven.to_json().contains(&stored.digest.to_string()));
                assert!(proven.to_string().contains("a version of a document was stored"));
            }
        }
    });
}

#[test]
fn a_receipt_tells_who_acted_only_if_asked_to_and_on_record() {
    block_on(async {
        let world = watched().await;
        let case = world.desk.create_case("c").await.unwrap();
        let stored = world.desk.store(case, NewDocument::named("x"), b"x".to_vec()).await.unwrap();
        let note = world.cosigned(2, 0).await;
        let before = world.vault.pin().size();
        let receipt = world.desk.receipt_with_actor(stored.seq, &note).await.unwrap();
        let disclosed = receipt.verify(&world.policy).unwrap().disclosed.unwrap();
        assert_eq!((disclosed.actor.as_str(), disclosed.purpose.as_str()), ("user:7", "intake"));
        let changes = world.desk.auditor().changes_since(before).await.unwrap();
        let kinds: Vec<Kind> = changes.records.iter().map(|record| record.kind).take(2).collect();
        assert_eq!(kinds, [Kind::LogRead, Kind::Browsed]);
        let first = world.desk.receipt_with_actor(0, &note).await.unwrap_err();
        assert_eq!(first.kind(), ErrorKind::Invalid);
    });
}

#[test]
fn a_receipt_needs_a_quorum_and_a_checkpoint_that_reaches_it() {
    block_on(async {
        let world = watched().await;
        let case = world.desk.create_case("c").await.unwrap();
        let note = world.cosigned(1, 0).await;
        let receipt = world.desk.receipt(1, &note).await.unwrap();
        assert!(matches!(receipt.verify(&world.policy), Err(ReceiptError::Checkpoint(_))));
        let stored = world.desk.store(case, NewDocument::named("x"), b"x".to_vec()).await.unwrap();
        let early = world.desk.receipt(stored.seq, &note).await.unwrap_err();
        assert_eq!(early.kind(), ErrorKind::Invalid);
    });
}

#[test]
fn a_log_is_fresh_by_its_witnesses_or_said_not_to_be() {
    block_on(async {
        let world = watched().await;
        world.desk.create_case("c").await.unwrap();
        let note = world.cosigned(3, 0).await;
        let log = world.vault.audit().log().await.unwrap();
        let Freshness::FreshByWitnesses { size, witnesses } =
            log.freshness(&note, &world.policy).await.unwrap()
        else {
            panic!("three witnesses have cosigned it")
        };
        assert_eq!((size, witnesses.len()), (2, 3));
        let early = world.vault.audit().checkpoint().await.unwrap();
        assert_eq!(log.freshness(&early, &world.policy).await.unwrap_err().kind(), ErrorKind::Corrupt);
    });
}

/// A policy may believe several logs.
#[test]
fn a_log_is_not_fresh_by_another_logs_checkpoint() {
    block_on(async {
        let (world, other) = (watched().await, watched().await);
        for known in [&world, &other] {
            known.desk.create_case("c").await.unwrap();
        }
        let log = world.vault.audit().log().await.unwrap();
        let note = other.cosigned(3, 0).await;
        let refused = log.freshness(&note, &other.policy).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Corrupt);
        assert!(refused.to_string().contains("another log's"), "{refused}");
    });
}

#[test]
fn a_witness_is_not_asked_to_go_back() {
    block_on(async {
        let world = watched().await;
        let note = world.vault.audit().checkpoint().await.unwrap();
        world.desk.create_case("c").await.unwrap();
        let log = world.vault.audit().log().await.unwrap();
        assert!(log.witness_request(1, &note).await.is_ok());
        assert_eq!(log.witness_request(2, &note).await.unwrap_err().kind(), ErrorKind::Invalid);
    });
}
