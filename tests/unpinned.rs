//! What opens without a pin, and is claimed of nobody: a vault that the storage has made, under the owner's id.
#![cfg(feature = "testing")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::unwrap_in_result,
    reason = "tests"
)]

mod common;
#[path = "kit_writer/mod.rs"]
mod writer;

use std::sync::Arc;

use common::{block_on, vault_on};
use docvault::{
    ErrorKind, FilePinStore, Freshness, NewDocument, PinStore, Secret, Vault, VaultOptions, chunked,
    keys::LocalKey,
    storage::{MemoryStorage, Storage},
};
use writer::{
    chest::{Chest, Slot},
    forge::context,
};

async fn read(storage: &MemoryStorage, prefix: &str) -> Vec<u8> {
    let names = storage.list(prefix, None, 2).await.unwrap();
    assert_eq!(names.len(), 1, "{prefix}");
    storage.read(&names[0], None).await.unwrap().unwrap().to_vec()
}

/// The slot of a keyring that has one (FORMAT §4.2): all of it is in the clear.
fn slot(keyring: &[u8]) -> Slot {
    let slot = &keyring[8 + 16 + 16 + 4..];
    let len = u32::from_be_bytes(slot[1234..1238].try_into().unwrap()) as usize;
    Slot {
        id: slot[..16].try_into().unwrap(),
        kind: u16::from_be_bytes([slot[16], slot[17]]),
        public: slot[18..1234].to_vec(),
        wrapped: slot[1238..1238 + len].to_vec(),
    }
}

/// A log of `records` under the forger's keys, in a vault that is called and opens like the owner's.
fn forged(vault: [u8; 16], slot: Slot, records: usize) -> Chest {
    let mut forger = Chest::new("forger");
    (forger.vault, forger.slots) = (vault, vec![slot]);
    forger.objects.clear();
    forger.leaves.clear();
    forger.bodies.clear();
    let keyring = forger.keyring();
    let digest = forger.put_keyring(keyring);
    let genesis = forger.genesis(digest);
    forger.commit(vec![genesis]);
    for _ in 1..records {
        let record = forger.browsed();
        forger.commit(vec![record]);
    }
    forger
}

async fn shown(forger: &Chest) -> Arc<MemoryStorage> {
    let storage = Arc::new(MemoryStorage::default());
    for (name, bytes) in &forger.objects {
        storage.create(&name.parse().unwrap(), bytes.clone().unwrap().into()).await.unwrap();
    }
    storage
}

/// Vault id, slot id, wrapped seed and the slot's public key are all that is bound, and the storage has them:
/// so whoever opens without a pin stores for the forger. A pin refuses it, and so does a pin that is kept.
#[test]
fn a_forged_vault_opens_without_a_pin_and_by_none() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let key = || Arc::new(LocalKey::load(folder.path().join("key")).unwrap());
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        desk.store(case, NewDocument::named("x"), b"x".to_vec()).await.unwrap();
        let (pin, slot) = (vault.pin(), slot(&read(&storage, "keyring/").await));
        let pins = || FilePinStore::new(folder.path().join("pin"));
        pins().save(&pin).await.unwrap();

        // One more is written into each below.
        let size = pin.size() as usize - 1;
        let logs =
            [(size - 1, ErrorKind::RolledBack), (size, ErrorKind::Forked), (size + 2, ErrorKind::Corrupt)];
        for (records, refused) in logs {
            let forger = forged(*vault.id().as_bytes(), slot.clone(), records);
            let shown = shown(&forger).await;
            let unpinned = Vault::open_unpinned(shown.clone(), key(), VaultOptions::default()).await.unwrap();
            assert_eq!((unpinned.id(), unpinned.freshness()), (vault.id(), Freshness::Unverified));
            assert_ne!(unpinned.sender().fingerprint(), vault.sender().fingerprint());

            // What is stored there is under keys that the forger made.
            let theirs = unpinned.session("a").purpose("p").begin().unwrap();
            let case = theirs.create_case("Juan Pérez").await.unwrap();
            let wrap = read(&shown, &format!("key/{case}/")).await;
            let (epoch, key_of_epoch) = forger.epochs[0];
            let bound = context("case key", &[&forger.vault, case.as_bytes(), &epoch.to_be_bytes()]);
            let opened = chunked::open(&Secret::copy_from(&key_of_epoch).unwrap(), &bound, &wrap[12..]);
            assert_eq!(opened.unwrap().len(), 32);

            let pinned = Vault::open_with(shown.clone(), key(), &pin, VaultOptions::default()).await;
            assert_eq!(pinned.unwrap_err().kind(), refused, "{records}");
            let kept = VaultOptions::default().pin_store(pins());
            let kept = Vault::open_unpinned(shown, key(), kept).await;
            assert_eq!(kept.unwrap_err().kind(), ErrorKind::Invalid);
        }
        assert_eq!(pins().load().await.unwrap(), Some(pin));
    });
}
