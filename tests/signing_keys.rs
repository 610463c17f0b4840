//! Signing epochs: fresh keys for the log, whoever writes and whoever opens.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{block_on, vault_on};
use docvault::{
    ErrorKind, Freshness, LogReader, NewDocument, Pin, Vault, keys::LocalKey, storage::MemoryStorage,
};

fn epoch(pin: &Pin) -> String {
    pin.to_string().split(' ').nth(2).unwrap().to_owned()
}

#[test]
fn a_vault_goes_on_under_fresh_keys_and_opens_from_every_pin() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let key = || LocalKey::load(folder.path().join("key")).unwrap();
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let mut pins = vec![vault.pin()];
        for round in 0..3 {
            desk.rotate_signing_keys().await.unwrap();
            pins.push(vault.pin());
            // Right after the change, the newest commit is still signed by the key before it.
            let again = Vault::open(storage.clone(), key(), &vault.pin()).await.unwrap();
            assert_eq!(again.pin(), vault.pin());
            for _ in 0..150 * u16::from(round) {
                desk.describe_case(case).await.unwrap();
            }
            desk.store(case, NewDocument::named("x"), vec![round; 10]).await.unwrap();
            pins.push(vault.pin());
        }
        assert_eq!(epoch(&pins[0]), "1");
        assert_eq!(epoch(&vault.pin()), "4");
        for pin in &pins {
            let again = Vault::open(storage.clone(), key(), pin).await.unwrap();
            assert_eq!((again.pin(), again.freshness()), (vault.pin(), Freshness::FreshByPin));
            again.audit().verify_from_genesis().await.unwrap();
            let log = LogReader::open(storage.clone(), pin).await.unwrap();
            let verified = log.verify(pin).await.unwrap();
            assert_eq!(verified.checked, vault.pin().size() - pin.size());
        }
        assert_eq!(
            vault.audit().checkpoint().await.unwrap().lines().nth(1).unwrap(),
            vault.pin().size().to_string()
        );
    });
}

#[test]
fn another_process_takes_up_the_fresh_keys() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let key = LocalKey::load(folder.path().join("key")).unwrap();
        let other = Vault::open(storage.clone(), key, &vault.pin()).await.unwrap();
        let (ours, theirs) = (
            vault.session("a").purpose("p").begin().unwrap(),
            other.session("b").purpose("p").begin().unwrap(),
        );
        for _ in 0..3 {
            ours.rotate_signing_keys().await.unwrap();
            let case = theirs.create_case("c").await.unwrap();
            theirs.rotate_signing_keys().await.unwrap();
            ours.store(case, NewDocument::named("x"), b"x".to_vec()).await.unwrap();
        }
        vault.sync().await.unwrap();
        assert_eq!(epoch(&vault.pin()), "7");
        let verified = vault.audit().verify_from_genesis().await.unwrap();
        assert_eq!(verified.checked, vault.pin().size());
    });
}

#[test]
fn a_log_that_ends_before_the_change_is_rolled_back() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let old = Arc::new(storage.snapshot());
        let desk = vault.session("a").purpose("p").begin().unwrap();
        desk.rotate_signing_keys().await.unwrap();
        let key = LocalKey::load(folder.path().join("key")).unwrap();
        let error = Vault::open(old, key, &vault.pin()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RolledBack);
    });
}

#[test]
fn superseded_keyrings_are_gone() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, _folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        for _ in 0..3 {
            desk.rotate_signing_keys().await.unwrap();
        }
        use docvault::storage::Storage;
        assert_eq!(storage.list("keyring/", None, 10).await.unwrap().len(), 1);
    });
}
