//! Histories cut off or written anew, by the storage and by who holds every key.

use std::sync::Arc;

use docvault::{
    ErrorKind, Freshness, LogReader, MemoryWitnessStore, NewDocument, Receipt, TrustPolicy, Vault, Witness,
    WitnessKey, WitnessRefusal,
    storage::{MemoryStorage, Storage},
};

use super::toolkit::*;
use crate::common::block_on;

/// A policy that asks for one witness, and that witness.
async fn witnessed(world: &World) -> (TrustPolicy, Witness) {
    let log = world.vault.audit().log().await.unwrap().verifier_keys().await.unwrap();
    let known = TrustPolicy::parse(&format!("log {}\nquorum none\n", log[0])).unwrap();
    let key = WitnessKey::create(world.folder.path().join("witness"), "ana.example").unwrap();
    let policy = format!("log {}\nwitness ana {}\nquorum ana\n", log[0], key.verifier_key());
    let witness = Witness::new(key, known, MemoryWitnessStore::default());
    (TrustPolicy::parse(&policy).unwrap(), witness)
}

/// A checkpoint of the vault as it is, cosigned by a witness that has seen `old` records.
async fn cosigned(vault: &Vault, policy: &TrustPolicy, witness: &Witness, old: u64) -> String {
    let note = vault.audit().checkpoint().await.unwrap();
    let request = vault.audit().log().await.unwrap().witness_request(old, &note).await.unwrap();
    let answer = witness.add_checkpoint(&request.to_string()).unwrap();
    policy.add_cosignatures(&note, &answer).unwrap()
}

/// The storage as it was, in the hands of somebody with the vault's key, who goes on otherwise.
async fn rewritten(
    world: &World,
    from: MemoryStorage,
    pin: &docvault::Pin,
    records: u64,
) -> Arc<MemoryStorage> {
    let other = Arc::new(from);
    let vault = world.open_at(other.clone(), pin).await.unwrap();
    let desk = session(&vault);
    while vault.pin().size() < records {
        desk.describe_case(world.case).await.unwrap();
    }
    other
}

#[test]
fn tail_deletion_detected() {
    block_on(async {
        let world = World::new().await;
        world.store("x", b"x".to_vec()).await;
        let (policy, witness) = witnessed(&world).await;
        let early = world.vault.pin();
        world.grow_to(300).await;
        let note = cosigned(&world.vault, &policy, &witness, 0).await;
        let (pin, size) = (world.vault.pin(), world.vault.pin().size());
        let names = objects(&*world.storage, "log/").await;
        let mut opened = 0;
        for deleted in [1, 2, names.len() / 2, names.len() - 2, names.len()] {
            let evil = world.evil();
            for name in names.keys().take(deleted) {
                evil.delete(name).await.unwrap();
            }
            let kind = world.open_at(evil.clone(), &pin).await.unwrap_err().kind();
            let expected = if deleted == names.len() { ErrorKind::NotFound } else { ErrorKind::RolledBack };
            assert_eq!(kind, expected, "{deleted} deleted");
            // Without a pin as new as that, what a witness has cosigned tells.
            if let Ok(log) = LogReader::open(evil.clone(), &early).await {
                let got = log.head().size();
                let freshness = log.freshness(&note, &policy).await.unwrap();
                assert_eq!(freshness, Freshness::RolledBack { seen: size, got });
                opened += 1;
            }
        }
        assert_eq!(opened, 3, "until what the early pin saw is cut off, too");
        let honest = LogReader::open(world.storage.clone(), &early).await.unwrap();
        let freshness = honest.freshness(&note, &policy).await.unwrap();
        assert!(matches!(freshness, Freshness::FreshByWitnesses { .. }), "the check passes what is whole");
    });
}

#[test]
fn truncate_and_continue() {
    block_on(async {
        let world = World::new().await;
        world.store("x", b"x".to_vec()).await;
        let (cut, cut_pin) = (world.storage.snapshot(), world.vault.pin());
        world.grow_to(300).await;
        let pin = world.vault.pin();
        for records in [pin.size() - 1, pin.size(), pin.size() + 1, pin.size() + 300] {
            let other = rewritten(&world, cut.snapshot(), &cut_pin, records).await;
            let kind = world.open_at(other.clone(), &pin).await.unwrap_err().kind();
            let forked = records >= pin.size();
            assert_eq!(kind, if forked { ErrorKind::Forked } else { ErrorKind::RolledBack });
            // To who has the older pin alone it verifies, and the newer one names it for what it is.
            let log = LogReader::open(other, &cut_pin).await.unwrap();
            let (seen, got) = (pin.size(), log.head().size());
            let named = log.verify(&pin).await.unwrap().freshness;
            let expected =
                if forked { Freshness::Forked { seen } } else { Freshness::RolledBack { seen, got } };
            assert_eq!(named, expected);
        }
    });
}

#[test]
fn recompute_contradicts_receipt() {
    block_on(async {
        let world = World::new().await;
        let (policy, witness) = witnessed(&world).await;
        let (cut, cut_pin) = (world.storage.snapshot(), world.vault.pin());
        let stored = world.store("deposit", b"handed in".to_vec()).await;
        world.grow_to(300).await;
        let note = cosigned(&world.vault, &policy, &witness, 0).await;
        let receipt = world.desk.receipt(stored.seq, &note).await.unwrap().to_string();

        // Who holds every key writes the log anew without the deposit, longer than it was.
        let other = rewritten(&world, cut, &cut_pin, 400).await;
        let forger = world.open_at(other.clone(), &cut_pin).await.unwrap();
        session(&forger).store(world.case, NewDocument::named("other"), b"other".to_vec()).await.unwrap();
        forger.audit().verify_from_genesis().await.unwrap();

        // The receipt stands by itself, and its checkpoint contradicts the new log.
        let proven = Receipt::parse(&receipt).unwrap().verify(&policy).unwrap();
        assert_eq!(proven.content, Some(stored.digest));
        let log = forger.audit().log().await.unwrap();
        let seen = proven.checkpoint.size();
        assert_eq!(log.freshness(&note, &policy).await.unwrap(), Freshness::Forked { seen });
        assert_eq!(log.receipt(stored.seq, &note).await.unwrap_err().kind(), ErrorKind::Forked);
        // The witness cosigns no second history, whatever is proven to it.
        let note = forger.audit().checkpoint().await.unwrap();
        let mut answers = Vec::new();
        for old in [0, seen] {
            let request = log.witness_request(old, &note).await.unwrap();
            answers.push(witness.add_checkpoint(&request.to_string()).unwrap_err());
        }
        let [from_nothing, from_seen] = &answers[..] else { panic!("two") };
        assert!(matches!(from_nothing, WitnessRefusal::Conflict { size } if *size == seen), "{from_nothing}");
        assert!(matches!(from_seen, WitnessRefusal::BadProof(_)), "{from_seen}");
    });
}
