//! Keys, garbage, uploads that stop and go on, histories, pins.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/interrupted.rs"]
mod interrupted;

use std::{
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use common::{block_on, vault, vault_on};
use docvault::{
    Clock, ErrorKind, Freshness, Kind, NewDocument, NoSleep, RecordFilter, Secret, Session, Timestamp,
    UploadToken, Vault, VaultOptions,
    keys::{Bounds, KeyError, KeyWrap, LocalKey, Passphrase, SlotKind},
    storage::{MemoryStorage, Storage},
};
use interrupted::{Call, Interrupted};

/// A clock that a test sets.
#[derive(Debug, Clone, Default)]
struct Hands(Arc<std::sync::atomic::AtomicU64>);

impl Hands {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

fn passphrase(text: &str) -> Passphrase {
    let mut bounds = Bounds::default();
    bounds.min_memory_kib = 8;
    bounds.min_passes = 1;
    Passphrase::new(text).bounds(bounds).cost(64, 1, 1)
}

#[test]
fn a_recovery_key_opens_the_vault_and_a_removed_one_no_longer() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, _key) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let stored = desk.store(case, NewDocument::named("x"), b"content".to_vec()).await.unwrap();
        let slot = desk.add_slot(&passphrase("correct horse"), "recovery").await.unwrap();
        assert_eq!(vault.slots().await.unwrap().len(), 2);
        let who = desk.who_can_open(stored.document).await.unwrap();
        assert!(who.slots.iter().any(|slot| slot.label == "recovery"));

        let pin = vault.pin();
        let recovered = Vault::open(storage.clone(), passphrase("correct horse"), &pin).await.unwrap();
        let other = recovered.session("b").purpose("q").begin().unwrap();
        assert_eq!(other.retrieve(stored.document).await.unwrap(), b"content".as_slice());
        let wrong = Vault::open(storage.clone(), passphrase("wrong"), &pin).await.unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::Locked);

        vault.sync().await.unwrap();
        desk.remove_slot(slot).await.unwrap();
        let removed =
            Vault::open(storage.clone(), passphrase("correct horse"), &vault.pin()).await.unwrap_err();
        assert_eq!(removed.kind(), ErrorKind::Locked);
        let last = vault.slots().await.unwrap()[0].id;
        assert_eq!(desk.remove_slot(last).await.unwrap_err().kind(), ErrorKind::Denied);
    });
}

/// A root key of the embedder's, under this number.
#[derive(Debug)]
struct Embedded(u16, LocalKey);

#[async_trait]
impl KeyWrap for Embedded {
    fn kind(&self) -> SlotKind {
        SlotKind::External(self.0)
    }

    async fn wrap(&self, context: &[u8; 32], secret: &Secret<32>) -> Result<Vec<u8>, KeyError> {
        self.1.wrap(context, secret).await
    }

    async fn unwrap(&self, context: &[u8; 32], wrapped: &[u8]) -> Result<Secret<32>, KeyError> {
        self.1.unwrap(context, wrapped).await
    }
}

/// A slot has 15 bits for it: of two numbers that are one there, the second is refused.
#[test]
fn an_embedders_root_key_has_a_number_of_its_own() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, _folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let folder = tempfile::tempdir().unwrap();
        LocalKey::create(folder.path().join("key")).unwrap();
        let key = |kind| Embedded(kind, LocalKey::load(folder.path().join("key")).unwrap());
        desk.add_slot(&key(1), "theirs").await.unwrap();
        assert!(vault.slots().await.unwrap().iter().any(|slot| slot.kind == SlotKind::External(1)));
        Vault::open(storage.clone(), key(1), &vault.pin()).await.unwrap();
        let error = |opened: Result<Vault, docvault::Error>| opened.map(drop).unwrap_err().kind();
        assert_eq!(error(Vault::open(storage.clone(), key(2), &vault.pin()).await), ErrorKind::Locked);
        assert_eq!(error(Vault::open(storage.clone(), key(0x8001), &vault.pin()).await), ErrorKind::Invalid);
        assert_eq!(desk.add_slot(&key(0x8000), "none").await.unwrap_err().kind(), ErrorKind::Invalid);
    });
}

/// Wraps into so many bytes.
#[derive(Debug)]
struct Verbose(usize);

#[async_trait]
impl KeyWrap for Verbose {
    fn kind(&self) -> SlotKind {
        SlotKind::External(1)
    }

    async fn wrap(&self, _: &[u8; 32], _: &Secret<32>) -> Result<Vec<u8>, KeyError> {
        Ok(vec![0; self.0])
    }

    async fn unwrap(&self, _: &[u8; 32], _: &[u8]) -> Result<Secret<32>, KeyError> {
        Err(KeyError::Refused)
    }
}

/// A keyring with a longer one would open for nobody.
#[test]
fn a_root_key_wraps_into_no_more_than_a_slot_holds() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        desk.add_slot(&Verbose(4096), "as much as there can be").await.unwrap();
        let refused = desk.add_slot(&Verbose(4097), "more").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert!(refused.to_string().contains("4 KiB"), "it says what is too long: {refused}");
        assert_eq!(vault.slots().await.unwrap().len(), 2);
        let key = LocalKey::load(folder.path().join("key")).unwrap();
        Vault::open(storage, key, &vault.pin()).await.unwrap();
        let made = Vault::create(MemoryStorage::default(), Verbose(4097)).await;
        assert_eq!(made.map(drop).unwrap_err().kind(), ErrorKind::Invalid);
    });
}

/// May not be used, once that is said, one time.
#[derive(Debug)]
struct Moody(LocalKey, Arc<AtomicBool>);

#[async_trait]
impl KeyWrap for Moody {
    fn kind(&self) -> SlotKind {
        self.0.kind()
    }

    async fn wrap(&self, context: &[u8; 32], secret: &Secret<32>) -> Result<Vec<u8>, KeyError> {
        self.0.wrap(context, secret).await
    }

    async fn unwrap(&self, context: &[u8; 32], wrapped: &[u8]) -> Result<Secret<32>, KeyError> {
        let refuses = self.1.swap(false, Ordering::SeqCst);
        if refuses { Err(KeyError::Policy("not now")) } else { self.0.unwrap(context, wrapped).await }
    }
}

/// Nor is it taken for a keyring that has no room for an epoch.
#[test]
fn an_epoch_is_not_rotated_by_a_root_key_that_may_not_be_used() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let refuses = Arc::new(AtomicBool::new(false));
        let key = Moody(LocalKey::load(folder.path().join("key")).unwrap(), refuses.clone());
        let other = Vault::open(storage.clone(), key, &vault.pin()).await.unwrap();
        vault.session("a").purpose("p").begin().unwrap().rotate_signing_keys().await.unwrap();
        refuses.store(true, Ordering::SeqCst);
        let desk = other.session("b").purpose("q").begin().unwrap();
        assert_eq!(desk.rotate_epoch().await.unwrap_err().kind(), ErrorKind::Denied);
        let changes = other.pin().size();
        assert_eq!(desk.rotate_epoch().await.unwrap(), 0);
        assert_eq!(other.pin().size(), changes + 2, "the first has begun none");
    });
}

#[test]
fn a_keyring_has_64_slots_and_each_goes_once() {
    block_on(async {
        let (vault, folder) = vault().await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let spare = LocalKey::create(folder.path().join("spare")).unwrap();
        let mut last = None;
        for slot in 1..64 {
            last = Some(desk.add_slot(&spare, &slot.to_string()).await.unwrap());
        }
        assert_eq!(desk.add_slot(&spare, "65").await.unwrap_err().kind(), ErrorKind::Denied);
        desk.remove_slot(last.unwrap()).await.unwrap();
        assert_eq!(desk.remove_slot(last.unwrap()).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(vault.slots().await.unwrap().len(), 63);
        desk.add_slot(&spare, "64").await.unwrap();
    });
}

#[test]
fn rotating_root_and_epoch_keeps_every_document_and_old_keys_open_nothing() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, old_folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let mut stored = Vec::new();
        for i in 0..3u8 {
            let case = desk.create_case(format!("case {i}")).await.unwrap();
            stored.push((case, desk.store(case, NewDocument::named("x"), vec![i]).await.unwrap()));
        }
        assert_eq!(desk.rotate_epoch().await.unwrap(), 3);
        let folder = tempfile::tempdir().unwrap();
        let slot = vault.slots().await.unwrap()[0].id;
        desk.rotate_root(slot, &LocalKey::create(folder.path().join("new")).unwrap()).await.unwrap();
        let pin = vault.pin();
        let old = LocalKey::load(old_folder.path().join("key")).unwrap();
        assert_eq!(Vault::open(storage.clone(), old, &pin).await.unwrap_err().kind(), ErrorKind::Locked);
        let new = LocalKey::load(folder.path().join("new")).unwrap();
        let vault = Vault::open(storage.clone(), new, &pin).await.unwrap();
        let desk = vault.session("a").purpose("p").begin().unwrap();
        for (i, (_, stored)) in (0u8..).zip(&stored) {
            assert_eq!(desk.retrieve(stored.document).await.unwrap(), [i].as_slice());
        }
        // One keyring and one wrap a case are left: nothing of the old epoch.
        assert_eq!(storage.list("keyring/", None, 10).await.unwrap().len(), 1);
        assert_eq!(storage.list("key/", None, 10).await.unwrap().len(), 3);
        vault.audit().verify_from_genesis().await.unwrap();
    });
}

#[test]
fn an_upload_is_resumed_by_its_token_and_invisible_until_it_finishes() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let content: Vec<u8> = (0..20_000_000u32).map(|i| u8::try_from(i % 253).unwrap()).collect();
        let mut upload = desk.upload(case, NewDocument::named("big")).await.unwrap();
        let token = upload.token().unwrap().to_bytes();
        upload.write(&content[..17_000_000]).await.unwrap();
        drop(upload);
        let pin = vault.pin();
        drop((desk, vault));

        let key = LocalKey::load(folder.path().join("key")).unwrap();
        let vault = Vault::open(storage.clone(), key, &pin).await.unwrap();
        let desk = vault.session("a").purpose("p").begin().unwrap();
        assert!(desk.documents(case, None).await.unwrap().documents.is_empty());
        let token = UploadToken::from_bytes(&token).unwrap();
        let mut upload = desk.resume_upload(&token).await.unwrap();
        assert_eq!(upload.position(), 16 << 20);
        upload.write(&content[16 << 20..]).await.unwrap();
        upload.next_page().await.unwrap();
        upload.write(b"the back").await.unwrap();
        let stored = upload.finish().await.unwrap();
        let reader = desk.reader(stored.document).await.unwrap();
        assert_eq!(reader.pages(), [0..20_000_000, 20_000_000..20_000_008]);
        let whole = desk.retrieve(stored.document).await.unwrap();
        assert!(whole[..20_000_000] == content[..] && whole[20_000_000..] == *b"the back");
        assert_eq!(desk.retrieve_range(stored.document, 19_999_999..20_000_004).await.unwrap().len(), 5);
        assert_eq!(desk.resume_upload(&token).await.unwrap_err().kind(), ErrorKind::Denied);
    });
}

#[test]
fn garbage_goes_only_after_it_expired_and_was_condemned() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let folder = tempfile::tempdir().unwrap();
        let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
        let hands = Hands::default();
        let options = VaultOptions::default().clock(hands.clone()).sleeper(NoSleep::default());
        let vault = Vault::create_with(storage.clone(), key, options).await.unwrap();
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let kept = desk.store(case, NewDocument::named("kept"), vec![1; 9 << 20]).await.unwrap();
        let mut abandoned = desk.upload(case, NewDocument::named("abandoned")).await.unwrap();
        abandoned.write(&vec![2; 9 << 20]).await.unwrap();
        let parts = |storage: Arc<MemoryStorage>| async move {
            storage.list("part/", None, 100).await.unwrap().len()
        };
        assert_eq!(parts(storage.clone()).await, 3);
        let report = desk.collect_garbage().await.unwrap();
        assert_eq!((report.kept, report.objects_deleted), (1, 0));
        hands.advance(Duration::from_secs(8 * 24 * 3600));
        let report = desk.collect_garbage().await.unwrap();
        assert_eq!((report.condemned, report.objects_deleted), (1, 1));
        assert_eq!(parts(storage.clone()).await, 2);
        // The zombie: its upload goes on, and is refused by the log.
        assert_eq!(abandoned.finish().await.unwrap_err().kind(), ErrorKind::Denied);
        assert_eq!(desk.retrieve(kept.document).await.unwrap().len(), 9 << 20);
        vault.audit().verify_from_genesis().await.unwrap();
    });
}

/// Tiles are a cache: a vault without them opens, and so may its keys be changed.
#[test]
fn keys_are_changed_though_every_tile_is_lost() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        for _ in 0..600 {
            desk.cases(None).await.unwrap();
        }
        let tiles = storage.list("tile/", None, 1000).await.unwrap();
        assert!(tiles.len() > 2);
        for tile in tiles {
            storage.delete(&tile).await.unwrap();
        }
        let key = LocalKey::load(folder.path().join("key")).unwrap();
        let another = Vault::open(storage, key, &vault.pin()).await.unwrap();
        let desk = another.session("b").purpose("q").begin().unwrap();
        desk.add_slot(&passphrase("x"), "x").await.unwrap();
        desk.rotate_signing_keys().await.unwrap();
        desk.rekey(&passphrase("y"), "y").await.unwrap();
        assert_eq!(another.slots().await.unwrap().len(), 1);
    });
}

/// A new vault on `storage`, and what opens it there or elsewhere, by a clock in hand, as a process of its own.
fn desks(storage: Arc<MemoryStorage>, hands: &Hands) -> impl Fn(Arc<dyn Storage>) -> Session {
    let folder = tempfile::tempdir().unwrap();
    let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
    let options = VaultOptions::default().clock(hands.clone()).sleeper(NoSleep::default());
    let vault = block_on(Vault::create_with(storage, key.clone(), options.clone())).unwrap();
    move |storage| {
        let pin = vault.pin();
        let opened = Vault::open_with(storage, key.clone(), &pin, options.clone());
        block_on(opened).unwrap().session("a").purpose("p").begin().unwrap()
    }
}

/// Its key is found by the head of the operation alone.
#[test]
fn a_case_that_was_never_opened_goes_whole_wherever_its_collection_dies() {
    let (storage, hands) = (Arc::new(MemoryStorage::default()), Hands::default());
    let desk_on = desks(storage.clone(), &hands);
    let left = |storage: &MemoryStorage| {
        ["head/", "key/"].map(|prefix| block_on(storage.list(prefix, None, 10)).unwrap().len())
    };
    block_on(desk_on(storage.clone()).create_case("is opened")).unwrap();
    let place = Arc::new(Interrupted::new(storage.clone()));
    let dies = desk_on(place.clone());
    place.interrupt(|call, name| {
        let commits = call == Call::Create && name.starts_with("log/");
        commits && panic_any(7_u8)
    });
    assert!(catch_unwind(AssertUnwindSafe(|| block_on(dies.create_case("never is")))).is_err());
    assert_eq!(left(&storage), [2, 2]);
    assert_eq!(block_on(desk_on(storage.clone()).collect_garbage()).unwrap().announced, 1);
    hands.advance(Duration::from_secs(2 * 24 * 3600));

    for nth in 0.. {
        let copy = Arc::new(storage.snapshot());
        let place = Arc::new(Interrupted::new(copy.clone()));
        let dies = desk_on(place.clone());
        place.interrupt_at(nth, || panic_any(7_u8));
        let died = catch_unwind(AssertUnwindSafe(|| block_on(dies.collect_garbage()))).is_err();
        block_on(desk_on(copy.clone()).collect_garbage()).unwrap();
        assert_eq!(left(&copy), [1, 1], "it died at call {nth}, of {:?}", place.interrupted());
        if !died {
            return assert!(nth > 10, "{nth} calls");
        }
    }
}

/// It was given up while its record was on the way: whoever opens it is told, for nobody knows how long that has been.
#[test]
fn a_case_that_was_given_up_while_it_was_opened_is_not_opened() {
    let (storage, hands) = (Arc::new(MemoryStorage::default()), Hands::default());
    let desk_on = desks(storage.clone(), &hands);
    let place = Arc::new(Interrupted::new(storage.clone()));
    let (slow, other, later) = (desk_on(place.clone()), desk_on(storage.clone()), hands.clone());
    place.interrupt(move |call, name| {
        let commits = call == Call::Create && name.starts_with("log/");
        if commits {
            assert_eq!(block_on(other.collect_garbage()).unwrap().announced, 1);
            later.advance(Duration::from_secs(2 * 24 * 3600));
            assert_eq!(block_on(other.collect_garbage()).unwrap().condemned, 1);
        }
        commits
    });
    assert_eq!(block_on(slow.create_case("late")).unwrap_err().kind(), ErrorKind::Denied);
    assert!(place.interrupted().is_some());
    assert!(block_on(slow.cases(None)).unwrap().cases.is_empty());
    assert!(block_on(storage.list("key/", None, 1)).unwrap().is_empty());
}

/// Whoever may create in the storage names an operation that was given up in a case that somebody opens at that moment.
#[test]
fn a_name_that_was_planted_costs_no_case_its_key() {
    let (storage, hands) = (Arc::new(MemoryStorage::default()), Hands::default());
    let desk_on = desks(storage.clone(), &hands);
    let given_up = "cd".repeat(16);
    let plant = {
        let storage = storage.clone();
        move |case: &str| {
            let name = format!("head/{case}/{given_up}").parse().unwrap();
            block_on(storage.create(&name, bytes::Bytes::from_static(b"planted"))).unwrap();
        }
    };
    plant(&"ab".repeat(16));
    let place = Arc::new(Interrupted::new(storage.clone()));
    let (collector, other) = (desk_on(place.clone()), desk_on(storage.clone()));
    assert_eq!(block_on(collector.collect_garbage()).unwrap().announced, 1);
    hands.advance(Duration::from_secs(2 * 24 * 3600));
    assert_eq!(block_on(collector.collect_garbage()).unwrap().condemned, 1);
    let (tell, told) = std::sync::mpsc::channel();
    place.interrupt(move |call, prefix| {
        let begins = call == Call::List && prefix == "head/";
        if begins {
            let case = block_on(other.create_case("meanwhile")).unwrap();
            plant(&case.to_string());
            tell.send(case).unwrap();
        }
        begins
    });
    assert_eq!(block_on(collector.collect_garbage()).unwrap().objects_deleted, 1);
    let case = told.try_recv().expect("a case was opened while garbage was collected");
    let newcomer = desk_on(storage);
    assert_eq!(block_on(newcomer.describe_case(case)).unwrap().title, "meanwhile");
}

/// Each makes a record that stays for ever.
#[test]
fn names_that_a_storage_makes_up_make_a_thousand_records_at_most() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, _key) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        for made_up in 0..1100u32 {
            let key = format!("head/{made_up:032x}/{:032x}", made_up + 1).parse().unwrap();
            storage.create(&key, bytes::Bytes::from_static(b"made up")).await.unwrap();
        }
        let before = vault.pin().size();
        let report = desk.collect_garbage().await.unwrap();
        assert_eq!((report.announced, report.kept), (1000, 100));
        let records = vault.pin().size() - before;
        assert!((1000..1100).contains(&records), "{records}, those of the index among them");
    });
}

#[test]
fn superseded_index_objects_and_tiles_go_and_everything_is_still_found() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let mut stored = Vec::new();
        for i in 0..900u32 {
            stored.push(
                desk.store(case, NewDocument::named("x"), i.to_be_bytes().to_vec()).await.unwrap().document,
            );
        }
        let count = async |prefix: &str| storage.list(prefix, None, 1000).await.unwrap().len();
        let (index, partial) = (count("index/").await, count("tile/01/").await);
        let report = desk.collect_garbage().await.unwrap();
        let (index, tiles) = (index - count("index/").await, partial - count("tile/01/").await);
        assert!(index > 0 && tiles > 0);
        assert_eq!(u64::try_from(index + tiles).unwrap(), report.index_deleted);
        let kept = [count("tile/entries/").await, count("tile/00/").await, count("tile/01/").await];
        assert_eq!(kept, [3, 3, 1], "of 768 records");
        let key = LocalKey::load(folder.path().join("key")).unwrap();
        let again = Vault::open(storage.clone(), key, &vault.pin()).await.unwrap();
        let desk = again.session("b").purpose("q").begin().unwrap();
        for (i, document) in (0u32..).zip(stored) {
            assert_eq!(desk.retrieve(document).await.unwrap(), i.to_be_bytes().as_slice());
        }
    });
}

#[test]
fn versions_keep_their_reasons_and_contents() {
    block_on(async {
        let (vault, _kept) = vault().await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let first = desk.store(case, NewDocument::named("x"), b"one".to_vec()).await.unwrap();
        let second = desk
            .store_version(first.document, NewDocument::named("y"), "blurred", b"two".to_vec())
            .await
            .unwrap();
        let history = desk.history(first.document).await.unwrap();
        assert_eq!(history.iter().map(|v| v.reason.as_str()).collect::<Vec<_>>(), ["", "blurred"]);
        assert_eq!((history[1].previous, history[1].described.ordinal), (Some(first.version), 2));
        assert_eq!(desk.retrieve(first.document).await.unwrap(), b"two".as_slice());
        let mut old = desk.reader_of(first.document, first.version).await.unwrap();
        assert_eq!(old.next().await.unwrap().unwrap(), b"one".as_slice());
        assert_eq!(second.document, first.document);
        let none = desk.store_version(first.document, NewDocument::named("z"), "", b"".to_vec()).await;
        assert_eq!(none.unwrap_err().kind(), ErrorKind::Invalid);
    });
}

#[test]
fn a_closed_case_takes_nothing_until_it_is_reopened() {
    block_on(async {
        let (vault, _kept) = vault().await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let stored = desk.store(case, NewDocument::named("x"), b"one".to_vec()).await.unwrap();
        desk.close_case(case, "done").await.unwrap();
        assert!(desk.describe_case(case).await.unwrap().closed);
        let refused = desk.store(case, NewDocument::named("y"), b"two".to_vec()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Denied);
        let again = desk.close_case(case, "again").await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Denied);
        assert!(again.to_string().contains("is closed already"), "{again}");
        assert_eq!(desk.retrieve(stored.document).await.unwrap(), b"one".as_slice());
        desk.reopen_case(case, "one more").await.unwrap();
        let again = desk.reopen_case(case, "again").await.unwrap_err();
        assert!(again.to_string().contains("is open already"), "{again}");
        desk.store(case, NewDocument::named("y"), b"two".to_vec()).await.unwrap();
        assert_eq!(desk.describe_case(case).await.unwrap().title, "c");
    });
}

#[test]
fn the_log_tells_who_read_what_and_when() {
    block_on(async {
        let (vault, _kept) = vault().await;
        let desk = vault.session("user:1").purpose("review").request("r-7").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let stored = desk.store(case, NewDocument::named("x"), b"one".to_vec()).await.unwrap();
        let other = vault.session("user:2").purpose("audit").begin().unwrap();
        other.retrieve(stored.document).await.unwrap();
        let audit = vault.session("auditor:1").purpose("review").auditor().unwrap();
        let read = audit.records(&RecordFilter::all().actor("user:2")).await.unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(
            (read[0].kind, read[0].document, read[0].version),
            (Kind::Read, Some(stored.document), Some(stored.version))
        );
        assert_eq!((read[0].purpose.as_str(), read[0].request.as_deref()), ("audit", None));
        let about = audit.records(&RecordFilter::all().document(stored.document)).await.unwrap();
        assert_eq!(about.iter().map(|r| r.kind).collect::<Vec<_>>(), [Kind::Stored, Kind::Read]);
        assert_eq!(audit.records(&RecordFilter::all().case(case)).await.unwrap().len(), 3);
        let until = RecordFilter::all().until(Timestamp::from_millis(0));
        assert!(audit.records(&until).await.unwrap().is_empty());
        assert_eq!(audit.records(&RecordFilter::all()).await.unwrap()[1].request.as_deref(), Some("r-7"));
    });
}

#[test]
fn freshness_has_three_answers() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let old = Arc::new(storage.snapshot());
        let desk = vault.session("a").purpose("p").begin().unwrap();
        desk.create_case("c").await.unwrap();
        let pin = vault.pin();
        let key = || LocalKey::load(folder.path().join("key")).unwrap();
        let fresh = Vault::open(storage.clone(), key(), &pin).await.unwrap();
        assert_eq!(fresh.freshness(), Freshness::FreshByPin);
        let rolled_back = Vault::open(old.clone(), key(), &pin).await.unwrap_err();
        assert_eq!(rolled_back.kind(), ErrorKind::RolledBack);
        let unpinned = Vault::open_unpinned(old, Arc::new(key()), VaultOptions::default()).await.unwrap();
        assert_eq!(unpinned.freshness(), Freshness::Unverified);
        let verified = unpinned.audit().verify(&pin).await.unwrap();
        assert_eq!(verified.freshness, Freshness::RolledBack { seen: 2, got: 1 });
    });
}

#[test]
fn a_checkpoint_is_a_note_that_its_key_verifies() {
    block_on(async {
        let (vault, _kept) = vault().await;
        let note = vault.audit().checkpoint().await.unwrap();
        assert!(note.starts_with(&format!("docvault/{}\n1\n", vault.id())));
        assert_eq!(note.matches("\n— docvault/").count(), 1);
    });
}
