//! Signing epochs: fresh keys for the log, whoever writes and whoever opens.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;
#[path = "common/interrupted.rs"]
mod interrupted;
#[path = "signing_keys/refused.rs"]
mod refused;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use common::{
    around::{Around, Through},
    block_on, vault_on,
};
use docvault::{
    Checkpoint, ErrorKind, FilePinStore, Freshness, LogReader, NewDocument, Pin, PinStore, Session,
    TrustPolicy, Vault, VaultOptions,
    keys::LocalKey,
    storage::{
        MemoryStorage, ObjectKey, Storage, StorageError, StorageErrorKind,
        testing::{Fault, FaultyStorage},
    },
};
use interrupted::{Call, Interrupted};
use tempfile::TempDir;

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
            for _ in 0..150 * u32::from(round) {
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

/// By a checkpoint under the fresh key, which a log that ends before the change does not state.
#[test]
fn an_older_log_and_another_are_told_apart_after_a_change_of_keys() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let (old, before) = (Arc::new(storage.snapshot()), vault.pin());
        let desk = vault.session("a").purpose("p").begin().unwrap();
        desk.rotate_signing_keys().await.unwrap();
        let log = vault.audit().log().await.unwrap();
        let keys = log.verifier_keys().await.unwrap();
        let lines: String = keys.iter().map(|key| format!("log {key}\n")).collect();
        let policy = TrustPolicy::parse(&format!("{lines}quorum none\n")).unwrap();
        let note = vault.audit().checkpoint().await.unwrap();
        let seen = vault.pin().size();
        let now = vault.audit().log().await.unwrap();
        assert_eq!(
            now.freshness(&note, &policy).await.unwrap(),
            Freshness::Unverified,
            "nobody has cosigned"
        );
        let key = LocalKey::load(folder.path().join("key")).unwrap();
        let shown = Vault::open(old, key, &before).await.unwrap();
        let told = shown.audit().log().await.unwrap().freshness(&note, &policy).await.unwrap();
        assert_eq!(told, Freshness::RolledBack { seen, got: before.size() });
        let other = shown.session("a").purpose("p").begin().unwrap();
        for title in ["b", "c"] {
            other.create_case(title).await.unwrap();
        }
        let told = shown.audit().log().await.unwrap().freshness(&note, &policy).await.unwrap();
        assert_eq!(told, Freshness::Forked { seen });
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
        assert_eq!(storage.list("keyring/", None, 10).await.unwrap().len(), 1);
    });
}

/// What is newest a listing may leave out: that keyring is deleted by its name.
#[test]
fn a_listing_that_lags_leaves_no_keyring() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let stale = (0..4000).map(|call| (call, Fault::StaleList));
        let (vault, _folder) = vault_on(Arc::new(FaultyStorage::scripted(storage.clone(), stale))).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        desk.create_case("c").await.unwrap();
        for _ in 0..3 {
            desk.rotate_epoch().await.unwrap();
            assert_eq!(storage.list("keyring/", None, 10).await.unwrap().len(), 1);
        }
    });
}

/// Deletes no keyring, until it is told to.
#[derive(Debug, Default)]
struct Keeping {
    objects: Arc<MemoryStorage>,
    deletes: AtomicBool,
}

#[async_trait]
impl Around for Keeping {
    fn objects(&self) -> &dyn Storage {
        &*self.objects
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        if key.as_str().starts_with("keyring/") && !self.deletes.load(Ordering::SeqCst) {
            return Err(StorageError::new(StorageErrorKind::Denied, "deletes nothing"));
        }
        self.objects.delete(key).await
    }
}

#[test]
fn a_superseded_keyring_that_is_still_there_is_told() {
    block_on(async {
        let storage = Arc::new(Through::<Keeping>::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let other = LocalKey::create(folder.path().join("other")).unwrap();
        let told = desk.add_slot(&other, "other").await.unwrap_err();
        assert!(matches!(told.kind(), ErrorKind::NotDeleted(_)), "{told}");
        let slots = vault.slots().await.unwrap();
        assert_eq!(slots.len(), 2, "it has happened");
        let told = desk.remove_slot(slots.iter().find(|slot| slot.label == "other").unwrap().id).await;
        assert!(matches!(told.unwrap_err().kind(), ErrorKind::NotDeleted(_)));
        assert_eq!(vault.slots().await.unwrap().len(), 1);
        let told = desk.rotate_epoch().await.unwrap_err();
        assert!(matches!(told.kind(), ErrorKind::NotDeleted(_)), "{told}");
        let wraps = storage.list(&format!("key/{case}/"), None, 10).await.unwrap();
        assert_eq!(wraps.len(), 1, "what the old keyrings open is gone");
        storage.deletes.store(true, Ordering::SeqCst);
        desk.rotate_signing_keys().await.unwrap();
        assert_eq!(storage.list("keyring/", None, 10).await.unwrap().len(), 1);
    });
}

/// Both fail: it is the keyring that somebody has to look after.
#[test]
fn a_superseded_keyring_that_is_still_there_is_told_though_no_pin_can_be_saved() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let pins = folder.path().join("pins");
        fs::create_dir(&pins).unwrap();
        let options = VaultOptions::default().pin_store(FilePinStore::new(pins.join("pin")));
        let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
        let vault = Vault::create_with(Arc::new(Through::<Keeping>::default()), key, options).await.unwrap();
        let desk = vault.session("a").purpose("p").begin().unwrap();
        fs::remove_dir_all(&pins).unwrap();
        for told in [desk.rotate_signing_keys().await.unwrap_err(), desk.rotate_epoch().await.unwrap_err()] {
            assert!(matches!(told.kind(), ErrorKind::NotDeleted(_)), "{told}");
            assert!(told.to_string().contains("pin"), "{told}");
        }
    });
}

/// Each adds an epoch, and finds a case whose key is not to be had: as many as a keyring holds.
#[test]
fn rotations_that_were_not_finished_are_finished_by_the_next() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, _folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let key = storage.list(&format!("key/{case}/"), None, 1).await.unwrap().pop().unwrap();
        let wrap = storage.read(&key, None).await.unwrap().unwrap();
        storage.delete(&key).await.unwrap();
        for _ in 0..256 {
            assert_eq!(desk.rotate_epoch().await.unwrap_err().kind(), ErrorKind::Corrupt);
        }
        storage.create(&key, wrap).await.unwrap();
        assert_eq!(desk.rotate_epoch().await.unwrap(), 1);
        let wraps = storage.list(&format!("key/{case}/"), None, 10).await.unwrap();
        assert_eq!(wraps.len(), 1);
        // 256 were held: the one it is wrapped under is fresh.
        assert!(wraps[0].as_str().ends_with("/00000101"), "{wraps:?}");
        assert_eq!(desk.rotate_epoch().await.unwrap(), 1);
        desk.describe_case(case).await.unwrap();
    });
}

/// Begins as many rotations as a keyring holds epochs, and finishes none: the keys of all cases are not to be had meanwhile.
async fn begin_rotations(desk: &Session, storage: &MemoryStorage) {
    let mut wraps = Vec::new();
    for name in storage.list("key/", None, 10).await.unwrap() {
        wraps.push((name.clone(), storage.read(&name, None).await.unwrap().unwrap()));
        storage.delete(&name).await.unwrap();
    }
    for _ in 0..256 {
        assert_eq!(desk.rotate_epoch().await.unwrap_err().kind(), ErrorKind::Corrupt);
    }
    for (name, wrap) in wraps {
        storage.create(&name, wrap).await.unwrap();
    }
}

/// Whoever has finished them finds as many again.
#[test]
fn a_rotation_before_which_others_begin_too_many_is_refused() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        desk.create_case("c").await.unwrap();
        begin_rotations(&desk, &storage).await;
        let meanwhile = Arc::new(Interrupted::new(storage.clone()));
        let key = LocalKey::load(folder.path().join("key")).unwrap();
        let vault = Vault::open(meanwhile.clone(), key, &vault.pin()).await.unwrap();
        meanwhile.interrupt(move |call, name| {
            let drops = call == Call::Delete && name.starts_with("key/");
            if drops {
                block_on(begin_rotations(&desk, &storage));
            }
            drops
        });
        let own = vault.session("b").purpose("q").begin().unwrap();
        assert_eq!(own.rotate_epoch().await.unwrap_err().kind(), ErrorKind::Denied);
        assert!(meanwhile.interrupted().is_some());
        assert_eq!(own.rotate_epoch().await.unwrap(), 1, "as nobody else begins any");
    });
}

/// A vault whose processes keep its pin in one file.
struct Office {
    storage: Arc<MemoryStorage>,
    key: Arc<LocalKey>,
    folder: TempDir,
}

impl Office {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
        Self { storage: Arc::default(), key, folder }
    }

    fn pins(&self) -> FilePinStore {
        FilePinStore::new(self.folder.path().join("pin"))
    }

    async fn kept(&self) -> Pin {
        self.pins().load().await.unwrap().unwrap()
    }

    fn options(&self) -> VaultOptions {
        VaultOptions::default().pin_store(self.pins())
    }

    async fn create(&self) -> Vault {
        Vault::create_with(self.storage.clone(), self.key.clone(), self.options()).await.unwrap()
    }

    async fn open(&self, pin: &Pin) -> Vault {
        Vault::open_with(self.storage.clone(), self.key.clone(), pin, self.options()).await.unwrap()
    }
}

#[test]
fn a_kept_pin_goes_along_with_fresh_keys() {
    block_on(async {
        let office = Office::new();
        let vault = office.create().await;
        for round in 1..=2 {
            let desk = vault.session("a").purpose("p").begin().unwrap();
            desk.rotate_signing_keys().await.unwrap();
            assert_eq!(office.kept().await, vault.pin(), "round {round}");
            desk.create_case("c").await.unwrap();
        }
        let newest = vault.pin();
        drop(vault);
        let kept = office.kept().await;
        assert_eq!((&kept, kept.signing_epoch()), (&newest, 3));
        let vault = office.open(&kept).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        desk.rotate_signing_keys().await.unwrap();
        desk.create_case("c").await.unwrap();
        assert_eq!(office.kept().await, vault.pin());
    });
}

/// Whoever is behind, by records and by keys, neither fails nor puts the pin back.
#[test]
fn two_processes_keep_their_pins_in_one_file() {
    block_on(async {
        let office = Office::new();
        let ours = office.create().await;
        let theirs = office.open(&ours.pin()).await;
        let desk = |vault: &Vault| vault.session("a").purpose("p").begin().unwrap();
        for _ in 0..3 {
            let behind = theirs.pin();
            desk(&ours).rotate_signing_keys().await.unwrap();
            let newest = ours.pin();
            office.pins().save(&behind).await.unwrap();
            assert_eq!(office.kept().await, newest);
            desk(&theirs).create_case("c").await.unwrap();
            desk(&theirs).rotate_signing_keys().await.unwrap();
            desk(&ours).create_case("c").await.unwrap();
            assert_eq!(office.kept().await, ours.pin());
        }
        let kept = office.kept().await;
        assert_eq!(kept.signing_epoch(), 7);
        office.open(&kept).await;
    });
}

/// A pin that was kept is not given up for whatever the storage shows to who opens without it.
#[test]
fn nothing_opens_unpinned_beside_a_pin_that_was_kept() {
    block_on(async {
        let office = Office::new();
        let vault = office.create().await;
        let open = || Vault::open_unpinned(office.storage.clone(), office.key.clone(), office.options());
        assert_eq!(open().await.unwrap_err().kind(), ErrorKind::Invalid);
        fs::remove_file(office.folder.path().join("pin")).unwrap();
        assert_eq!(open().await.unwrap().pin(), vault.pin());
    });
}

/// The keys of an epoch sign heads of what follows its beginning, and no older one.
#[test]
fn a_checkpoint_is_signed_by_the_keys_of_its_own_epoch() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (other, folder) = vault_on(storage.clone()).await;
        let key = LocalKey::load(folder.path().join("key")).unwrap();
        let meanwhile = Arc::new(Interrupted::new(storage.clone()));
        let vault = Vault::open(meanwhile.clone(), key, &other.pin()).await.unwrap();
        let theirs = other.session("a").purpose("p").begin().unwrap();
        // One change that this process has not heard of, and one while it reads the keyring of the first.
        theirs.rotate_signing_keys().await.unwrap();
        meanwhile.interrupt(move |call, name| {
            let reads = call == Call::Read && name.starts_with("keyring/");
            reads && block_on(theirs.rotate_signing_keys()).map(|()| true).unwrap()
        });
        let note = vault.audit().checkpoint().await.unwrap();
        assert!(meanwhile.interrupted().is_some(), "it was changed meanwhile");
        let (origin, key) = other.audit().log().await.unwrap().checkpoint_key().await.unwrap();
        let signed = Checkpoint::parse(&note, &origin, &key).unwrap();
        assert_eq!(signed.size(), other.pin().size());
    });
}
