//! A pin that cannot be kept undoes nothing: the record stands, once, and whoever did it is told. One that is kept binds.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;
#[path = "common/interrupted.rs"]
mod interrupted;
#[path = "pins/kept.rs"]
mod kept;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use common::block_on;
use docvault::{
    CaseId, ErasureLevel, Error, ErrorKind, NewDocument, Outcome, Pin, PinStore, Session, Vault,
    VaultOptions,
    keys::LocalKey,
    storage::{MemoryStorage, ObjectKey, Storage},
};
use tempfile::TempDir;

/// A store that may not write: as a pin's file does in a directory that belongs to somebody else.
#[derive(Debug, Clone)]
struct Refusing {
    refuses: Arc<AtomicBool>,
    anybodys: PathBuf,
}

#[async_trait]
impl PinStore for Refusing {
    async fn load(&self) -> Result<Option<Pin>, Error> {
        Ok(None)
    }

    async fn save(&self, _: &Pin) -> Result<(), Error> {
        if self.refuses.load(Ordering::Relaxed) {
            // Denied, for others may read this key.
            LocalKey::load(&self.anybodys).map(drop)?;
        }
        Ok(())
    }
}

struct Office {
    folder: TempDir,
    storage: Arc<MemoryStorage>,
    vault: Vault,
    desk: Session,
    refuses: Arc<AtomicBool>,
}

impl Office {
    /// Its pins are refused as soon as it is told so.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let anybodys = folder.path().join("anybody's");
        drop(LocalKey::create(&anybodys).unwrap());
        fs::set_permissions(&anybodys, fs::Permissions::from_mode(0o644)).unwrap();
        let storage = Arc::new(MemoryStorage::default());
        let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
        let pins = Refusing { refuses: Arc::default(), anybodys };
        let options = VaultOptions::default().pin_store(pins.clone());
        let vault = Vault::create_with(storage.clone(), key, options).await.unwrap();
        let desk = vault.session("a").purpose("p").begin().unwrap();
        Self { folder, storage, vault, desk, refuses: pins.refuses }
    }

    fn key(&self, name: &str) -> LocalKey {
        let path = self.folder.path().join(name);
        LocalKey::load(&path).or_else(|_| LocalKey::create(&path)).unwrap()
    }

    /// The names that its storage shows.
    async fn listed(&self, prefix: &str) -> Vec<String> {
        let keys = self.storage.list(prefix, None, 1000).await.unwrap();
        keys.iter().map(ToString::to_string).collect()
    }

    async fn opened_by(&self, key: &str) -> Result<Vault, Error> {
        Vault::open(self.storage.clone(), self.key(key), &self.vault.pin()).await
    }

    /// Does something while no pin can be saved: it must be on record once, and told as that.
    async fn unsaved<T: std::fmt::Debug>(&self, does: impl AsyncFnOnce(&Session) -> Result<T, Error>) {
        self.unsaved_of(1, does).await;
    }

    /// Likewise what takes so many records, of which the last is told.
    async fn unsaved_of<T: std::fmt::Debug>(
        &self,
        records: u64,
        does: impl AsyncFnOnce(&Session) -> Result<T, Error>,
    ) {
        let before = self.vault.pin().size();
        self.refuses.store(true, Ordering::Relaxed);
        let told = does(&self.desk).await.unwrap_err();
        self.refuses.store(false, Ordering::Relaxed);
        assert_eq!(self.vault.pin().size() - before, records, "{told}");
        let ErrorKind::PinNotSaved(operation) = told.kind() else { panic!("{told:?}") };
        let cause = std::error::Error::source(&told).and_then(|cause| cause.downcast_ref::<Error>());
        assert_eq!(cause.map(Error::kind), Some(ErrorKind::Denied), "{told:?}");
        let outcome = self.desk.outcome(operation).await.unwrap();
        let last = before + records - 1;
        assert!(matches!(outcome, Outcome::Committed { seq, .. } if seq == last), "{outcome:?}");
        self.desk.vault().audit().verify_from_genesis().await.unwrap();
        let again = self.opened_by("key").await.unwrap();
        again.session("b").purpose("p").begin().unwrap().create_case("goes on").await.unwrap();
        self.vault.sync().await.unwrap();
    }
}

/// The name that a slot was given, once for each slot.
async fn labels(vault: &Vault) -> Vec<String> {
    let mut labels: Vec<_> =
        vault.slots().await.unwrap().into_iter().map(|slot| slot.label.clone()).collect();
    labels.sort();
    labels
}

#[test]
fn a_keyring_changes_once_though_no_pin_can_be_saved() {
    block_on(async {
        let office = Office::new().await;
        let spare = office.key("spare");
        office.unsaved(async |desk| desk.add_slot(&spare, "spare").await).await;
        assert_eq!(labels(&office.vault).await, ["root", "spare"]);
        assert!(office.opened_by("spare").await.is_ok());

        let slots = office.vault.slots().await.unwrap();
        let old = slots.iter().find(|slot| slot.label == "spare").unwrap().id;
        let fresh = office.key("fresh");
        office.unsaved(async |desk| desk.rotate_root(old, &fresh).await).await;
        assert!(office.opened_by("fresh").await.is_ok());
        assert_eq!(office.opened_by("spare").await.unwrap_err().kind(), ErrorKind::Locked);

        office.unsaved(async |desk| desk.rotate_signing_keys().await).await;
        let epoch = office.vault.pin().to_string();
        assert_eq!(epoch.split(' ').nth(2), Some("2"));
        office.unsaved_of(2, async |desk| desk.rotate_epoch().await).await;

        let slots = office.vault.slots().await.unwrap();
        let gone = slots.iter().find(|slot| slot.label == "spare").unwrap().id;
        office.unsaved(async |desk| desk.remove_slot(gone).await).await;
        assert_eq!(office.opened_by("fresh").await.unwrap_err().kind(), ErrorKind::Locked);

        let only = office.key("only");
        office.refuses.store(true, Ordering::Relaxed);
        let told = office.desk.rekey(&only, "only").await.unwrap_err();
        office.refuses.store(false, Ordering::Relaxed);
        let ErrorKind::PinNotSaved(operation) = told.kind() else { panic!("{told:?}") };
        let outcome = office.desk.outcome(operation).await.unwrap();
        assert!(matches!(outcome, Outcome::Committed { .. }), "{outcome:?}");
        assert_eq!(labels(&office.vault).await, ["only"]);
        assert!(office.opened_by("only").await.is_ok());
        assert_eq!(office.listed("keyring/").await.len(), 1);
    });
}

/// What a removed key could open goes, whatever becomes of the pin.
#[test]
fn a_superseded_keyring_goes_though_no_pin_can_be_saved() {
    block_on(async {
        let office = Office::new().await;
        office.unsaved(async |desk| desk.rotate_signing_keys().await).await;
        assert_eq!(office.listed("keyring/").await.len(), 1);
    });
}

#[test]
fn an_epoch_is_rotated_whole_though_no_pin_can_be_saved() {
    block_on(async {
        let office = Office::new().await;
        let gone = office.desk.create_case("gone").await.unwrap();
        office.desk.create_case("c").await.unwrap();
        office.desk.close_case(gone, "done").await.unwrap();
        office.desk.erase_case(gone).await.unwrap();
        office.unsaved_of(2, async |desk| desk.rotate_epoch().await).await;
        assert_eq!(office.desk.erasure(gone).await.unwrap().level, ErasureLevel::EpochRotated);
        // One wrap for each case, the one that was opened to see that all goes on too.
        let wraps = office.listed("key/").await;
        assert!(wraps.len() == 2 && wraps.iter().all(|wrap| wrap.ends_with("/00000002")), "{wraps:?}");
    });
}

/// 255 rotations were not finished: this one first has to end them.
#[test]
fn a_rotation_that_ends_others_goes_on_though_no_pin_can_be_saved() {
    block_on(async {
        let office = Office::new().await;
        office.desk.create_case("c").await.unwrap();
        let key: ObjectKey = office.listed("key/").await[0].parse().unwrap();
        let wrap = office.storage.read(&key, None).await.unwrap().unwrap();
        office.storage.delete(&key).await.unwrap();
        for _ in 0..255 {
            assert_eq!(office.desk.rotate_epoch().await.unwrap_err().kind(), ErrorKind::Corrupt);
        }
        office.storage.create(&key, wrap).await.unwrap();
        office.unsaved_of(3, async |desk| desk.rotate_epoch().await).await;
        let wraps = office.listed("key/").await;
        assert!(wraps.len() == 2 && wraps.iter().all(|wrap| wrap.ends_with("/00000101")), "{wraps:?}");
    });
}

#[test]
fn an_erased_cases_objects_go_though_no_pin_can_be_saved() {
    block_on(async {
        let office = Office::new().await;
        let case = office.desk.create_case("c").await.unwrap();
        office.desk.store(case, NewDocument::named("x"), vec![1; 300 << 10]).await.unwrap();
        office.desk.close_case(case, "done").await.unwrap();
        office.unsaved(async |desk| desk.erase_case(case).await).await;
        let left: Vec<_> = office.listed("").await;
        assert!(!left.iter().any(|object| object.contains(&case.to_string())), "{left:?}");
        assert_eq!(office.desk.erasure(case).await.unwrap().level, ErasureLevel::Deleted);
    });
}

#[test]
fn what_is_done_while_no_pin_can_be_saved_is_done_once() {
    block_on(async {
        let office = Office::new().await;
        office.unsaved(async |desk| desk.create_case("c").await).await;
        let case: CaseId = office.desk.create_case("d").await.unwrap();
        let new = || NewDocument::named("x");
        office.unsaved(async |desk| desk.store(case, new(), b"x".to_vec()).await).await;
        let documents = office.desk.documents(case, None).await.unwrap().documents;
        assert_eq!(documents.len(), 1);
        let reason = "clearer";
        let document = documents[0].document;
        office.unsaved(async |desk| desk.store_version(document, new(), reason, b"y".to_vec()).await).await;
        assert_eq!(office.desk.history(document).await.unwrap().len(), 2);
        office.unsaved(async |desk| desk.close_case(case, "done").await).await;
        office.unsaved(async |desk| desk.erase_case(case).await).await;
        assert_eq!(office.desk.retrieve(document).await.unwrap_err().kind(), ErrorKind::Erased);
    });
}

#[test]
fn the_parts_of_an_upload_that_is_given_up_go_though_no_pin_can_be_saved() {
    block_on(async {
        let office = Office::new().await;
        let case = office.desk.create_case("c").await.unwrap();
        let mut upload = office.desk.upload(case, NewDocument::named("x")).await.unwrap();
        upload.write(&vec![1; 17 << 20]).await.unwrap();
        assert!(!office.listed("part/").await.is_empty());
        office.unsaved(async |_| upload.abort().await).await;
        assert!(office.listed("part/").await.is_empty());
    });
}

/// An auditor's reading too: it is on record, and nothing is shown.
#[test]
fn an_auditor_is_told_that_the_reading_is_on_record() {
    block_on(async {
        let office = Office::new().await;
        let auditor = office.vault.session("auditor").purpose("review").auditor().unwrap();
        office.refuses.store(true, Ordering::Relaxed);
        let told = auditor.disclose(0).await.unwrap_err();
        assert_eq!(told.kind(), ErrorKind::Invalid);
        let told = auditor.changes_since(0).await.unwrap_err();
        assert!(matches!(told.kind(), ErrorKind::PinNotSaved(_)), "{told:?}");
        assert_eq!(office.vault.pin().size(), 2);
    });
}
