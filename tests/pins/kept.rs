//! A pin that is kept binds whoever opens with its store, by whatever older pin, and no head is signed ahead of it.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
};

use docvault::{
    Checkpoint, FilePinStore, Freshness,
    storage::{Storage, StorageError, StorageErrorKind},
};

use super::*;
use crate::interrupted::Interrupted;

#[test]
fn a_pin_store_of_another_vault_opens_none() {
    block_on(async {
        let (one, other) = (Kept::new().await, Kept::new().await);
        let options = VaultOptions::default().pin_store(pins(&other.folder));
        let refused = one.open_with(one.storage.clone(), &one.vault.pin(), options).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
    });
}

#[test]
fn nothing_is_made_or_opened_where_the_directory_of_pins_is_missing() {
    block_on(async {
        let (folder, storage) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStorage::default()));
        let missing = FilePinStore::new(folder.path().join("missing").join("pin"));
        let options = VaultOptions::default().pin_store(missing);
        let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
        let refused = Vault::create_with(storage.clone(), key, options.clone()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused}");
        assert!(storage.list("", None, 10).await.unwrap().is_empty());
        let one = Kept::new().await;
        let refused = one.open_with(one.storage.clone(), &one.vault.pin(), options).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused}");
    });
}

/// Whose pin could not be saved would have a vault that it cannot open.
#[test]
fn no_vault_is_made_beside_a_pin_that_is_kept() {
    block_on(async {
        let (folder, storage) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStorage::default()));
        let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
        let other = Kept::new().await.kept().await;
        for (content, kind) in
            [("spoiled".to_owned(), ErrorKind::Corrupt), (format!("{other}\n"), ErrorKind::Invalid)]
        {
            fs::write(folder.path().join("pin"), &content).unwrap();
            let options = VaultOptions::default().pin_store(pins(&folder));
            let refused = Vault::create_with(storage.clone(), key.clone(), options).await.unwrap_err();
            assert_eq!(refused.kind(), kind, "{refused}");
            assert_eq!(storage.list("", None, 1).await.unwrap(), []);
            assert_eq!(fs::read_to_string(folder.path().join("pin")).unwrap(), content);
        }
    });
}

/// A vault whose pin a file keeps.
struct Kept {
    folder: TempDir,
    storage: Arc<MemoryStorage>,
    vault: Vault,
}

impl Kept {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = Arc::new(MemoryStorage::default());
        let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
        let options = VaultOptions::default().pin_store(pins(&folder));
        let vault = Vault::create_with(storage.clone(), key, options).await.unwrap();
        Self { folder, storage, vault }
    }

    async fn records(&self, count: usize) {
        records(&self.vault, count).await;
    }

    async fn kept(&self) -> Pin {
        pins(&self.folder).load().await.unwrap().unwrap()
    }

    async fn open(&self, storage: Arc<dyn Storage>, pin: &Pin) -> Result<Vault, Error> {
        let options = VaultOptions::default().pin_store(pins(&self.folder));
        self.open_with(storage, pin, options).await
    }

    async fn open_with(
        &self,
        storage: Arc<dyn Storage>,
        pin: &Pin,
        options: VaultOptions,
    ) -> Result<Vault, Error> {
        let key = Arc::new(LocalKey::load(self.folder.path().join("key")).unwrap());
        Vault::open_with(storage, key, pin, options).await
    }

    /// Opening by `pin` is refused, and the kept pin stays.
    async fn refuses(&self, storage: Arc<dyn Storage>, pin: &Pin, kind: ErrorKind) {
        let kept = self.kept().await;
        let refused = self.open(storage, pin).await.unwrap_err();
        assert_eq!(refused.kind(), kind, "{refused}");
        assert!(refused.to_string().contains("pin store"), "{refused}");
        assert_eq!(self.kept().await, kept);
    }
}

fn pins(folder: &TempDir) -> FilePinStore {
    FilePinStore::new(folder.path().join("pin"))
}

async fn records(vault: &Vault, count: usize) {
    let desk = vault.session("a").purpose("p").begin().unwrap();
    let looks = (0..count).map(|_| desk.cases(None));
    futures_util::future::try_join_all(looks).await.unwrap();
}

#[test]
fn an_old_pin_opens_no_log_that_ends_before_the_pin_that_is_kept() {
    block_on(async {
        for (before, after) in [(0, 1), (5, 20), (300, 300)] {
            let office = Kept::new().await;
            let old = office.vault.pin();
            office.records(before).await;
            let cut = Arc::new(office.storage.snapshot());
            office.records(after).await;
            office.refuses(cut.clone(), &old, ErrorKind::RolledBack).await;
            // Without the store nothing is known of the rest.
            let unkept = office.open_with(cut, &old, VaultOptions::default()).await.unwrap();
            assert!(unkept.pin().size() < office.kept().await.size());
        }
    });
}

#[test]
fn an_old_pin_opens_no_log_that_goes_on_past_the_pin_that_is_kept_without_it() {
    block_on(async {
        for (kept, fork) in [(1, 1), (1, 2), (20, 30), (300, 600)] {
            let office = Kept::new().await;
            let old = office.vault.pin();
            let fork_storage = Arc::new(office.storage.snapshot());
            office.records(kept).await;
            let other = office.open_with(fork_storage.clone(), &old, VaultOptions::default()).await.unwrap();
            records(&other, fork).await;
            office.refuses(fork_storage, &old, ErrorKind::Forked).await;
        }
    });
}

#[test]
fn an_old_pin_opens_the_log_that_holds_the_pin_that_is_kept() {
    block_on(async {
        let office = Kept::new().await;
        let first = office.vault.pin();
        office.records(300).await;
        let desk = office.vault.session("a").purpose("p").begin().unwrap();
        desk.rotate_signing_keys().await.unwrap();
        let middle = office.vault.pin();
        office.records(300).await;
        desk.rotate_signing_keys().await.unwrap();
        let behind = pins(&office.folder).load().await.unwrap().unwrap();
        // Others go on, whose pins are kept elsewhere.
        let key = LocalKey::load(office.folder.path().join("key")).unwrap();
        let others = Vault::open(office.storage.clone(), key, &first).await.unwrap();
        records(&others, 5).await;
        for pin in [&first, &middle, &behind, &others.pin()] {
            let opened = office.open(office.storage.clone(), pin).await.unwrap();
            assert_eq!((opened.freshness(), opened.pin()), (Freshness::FreshByPin, others.pin()));
            assert_eq!(office.kept().await, behind, "opening saves nothing");
        }
        // Without tiles every commit since the older pin tells.
        for tile in office.storage.list("tile/", None, 1000).await.unwrap() {
            office.storage.delete(&tile).await.unwrap();
        }
        office.open(office.storage.clone(), &first).await.unwrap();
        office.vault.sync().await.unwrap();
        assert_eq!(office.kept().await, others.pin());
    });
}

#[test]
fn pins_of_no_one_log_open_none() {
    block_on(async {
        let office = Kept::new().await;
        let old = office.vault.pin();
        let fork_storage = Arc::new(office.storage.snapshot());
        office.records(3).await;
        let fork = office.open_with(fork_storage.clone(), &old, VaultOptions::default()).await.unwrap();
        records(&fork, 3).await;
        let same_size = fork.pin();
        fork.session("a").purpose("p").begin().unwrap().rotate_signing_keys().await.unwrap();
        office.records(20).await;
        let newer_keys = fork.pin();
        office.refuses(fork_storage.clone(), &newer_keys, ErrorKind::Forked).await;
        office.refuses(office.storage.clone(), &newer_keys, ErrorKind::Forked).await;
        let (pin, file) = (office.vault.pin(), office.folder.path().join("pin"));
        fs::write(file, format!("{same_size}\n")).unwrap();
        // Of two histories that one log could have had, the one that is given being the newer.
        assert!(pin.size() > same_size.size());
        office.refuses(office.storage.clone(), &pin, ErrorKind::Forked).await;
    });
}

/// Whoever gives the application a pin that names a key of theirs would sign what follows it. The kept pin leads to the key
/// that the log states.
#[test]
fn a_pin_of_another_key_opens_no_log_beside_the_pin_that_is_kept() {
    block_on(async {
        let office = Kept::new().await;
        let other = Kept::new().await;
        let kept = office.kept().await;
        office.vault.session("a").purpose("p").begin().unwrap().rotate_signing_keys().await.unwrap();
        let newest = office.vault.pin();
        let [own, theirs] = [&newest, &other.vault.pin()].map(|pin| {
            let text = pin.to_string();
            text.split(' ').nth(3).unwrap().to_owned()
        });
        let given: Pin = newest.to_string().replace(&own, &theirs).parse().unwrap();
        assert_ne!(given, newest);
        let kept_file = office.folder.path().join("pin");
        for (pin, refused) in [(&given, Some(ErrorKind::Corrupt)), (&newest, None)] {
            fs::write(&kept_file, format!("{kept}\n")).unwrap();
            let opened = office.open(office.storage.clone(), pin).await;
            assert_eq!(opened.err().map(|error| error.kind()), refused);
        }
    });
}

/// Says that it cannot be read.
#[derive(Debug)]
struct Gone;

#[async_trait]
impl PinStore for Gone {
    async fn load(&self) -> Result<Option<Pin>, Error> {
        Err(StorageError::new(StorageErrorKind::Unavailable, "the medium is out").into())
    }

    async fn save(&self, _: &Pin) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn nothing_opens_while_it_is_not_known_which_pin_is_kept() {
    block_on(async {
        let office = Kept::new().await;
        let options = VaultOptions::default().pin_store(Gone);
        let pin = office.vault.pin();
        let refused = office.open_with(office.storage.clone(), &pin, options).await.unwrap_err();
        assert_eq!(
            (refused.kind(), refused.storage()),
            (ErrorKind::Storage, Some(StorageErrorKind::Unavailable))
        );
        fs::write(office.folder.path().join("pin"), "no pin").unwrap();
        let refused = office.open(office.storage.clone(), &pin).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Corrupt);
    });
}

/// Whoever signs two heads that contradict each other has shown both to its pin store.
#[test]
fn no_head_is_signed_that_the_pin_store_was_not_told_of() {
    block_on(async {
        let office = Kept::new().await;
        let key = LocalKey::load(office.folder.path().join("key")).unwrap();
        let others = Vault::open(office.storage.clone(), key, &office.vault.pin()).await.unwrap();
        let log = office.vault.audit().log().await.unwrap();
        let (origin, key) = log.checkpoint_key().await.unwrap();
        records(&others, 3).await;
        let note = office.vault.audit().checkpoint().await.unwrap();
        let signed = Checkpoint::parse(&note, &origin, &key).unwrap();
        assert_eq!((signed.size(), office.kept().await), (others.pin().size(), others.pin()));
        records(&others, 3).await;
        let exported = office.vault.audit().export_tiles(office.folder.path().join("log")).await.unwrap();
        assert_eq!((exported.size(), office.kept().await), (others.pin().size(), others.pin()));
    });
}

#[test]
fn while_no_pin_can_be_saved_no_head_is_signed() {
    block_on(async {
        let office = Office::new().await;
        records(&office.opened_by("key").await.unwrap(), 1).await;
        office.refuses.store(true, Ordering::Relaxed);
        let (audit, folder) = (office.vault.audit(), office.folder.path().join("log"));
        assert_eq!(audit.checkpoint().await.unwrap_err().kind(), ErrorKind::Denied);
        assert_eq!(audit.export_tiles(&folder).await.unwrap_err().kind(), ErrorKind::Denied);
        assert!(!folder.exists());
        office.refuses.store(false, Ordering::Relaxed);
        audit.checkpoint().await.unwrap();
    });
}

/// By a pin from before it the log opens as if the case stood: so that pin is superseded before anything goes.
#[test]
fn an_erasures_pin_is_kept_before_anything_of_the_case_goes() {
    let mut gone = 0;
    for nth in 0.. {
        let kept = block_on(Kept::new());
        let case = block_on(async {
            let desk = kept.vault.session("a").purpose("p").begin().unwrap();
            let case = desk.create_case("c").await.unwrap();
            desk.store(case, NewDocument::named("x"), b"x".to_vec()).await.unwrap();
            desk.close_case(case, "done").await.unwrap();
            case
        });
        let place = Arc::new(Interrupted::new(kept.storage.clone()));
        let dies = block_on(kept.open(place.clone(), &kept.vault.pin())).unwrap();
        let before = dies.pin();
        place.interrupt_at(nth, || std::panic::panic_any(7_u8));
        let desk = dies.session("a").purpose("p").begin().unwrap();
        let ended = catch_unwind(AssertUnwindSafe(|| block_on(desk.erase_case(case))));
        if ended.is_ok() {
            assert!(place.interrupted().is_none());
            break;
        }
        let objects = block_on(kept.storage.list("", None, 1000)).unwrap();
        let stands =
            |prefix| objects.iter().any(|key| key.as_str().starts_with(&format!("{prefix}/{case}/")));
        if !stands("key") || !stands("head") {
            assert!(block_on(kept.kept()).size() > before.size(), "{nth}: {objects:?}");
            gone += 1;
        }
    }
    assert!(gone > 0);
}
