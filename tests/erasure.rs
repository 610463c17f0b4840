//! Erasing cases: what is gone, what stays, and what an erasure is worth.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use core::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use common::{block_on, identity, vault_on};
use docvault::{
    CaseId, Delivery, Erasure, ErasureLevel, Error, ErrorKind, GrantId, Kind, NewDocument, NewStatement,
    NoSleep, Personal, Reader, Recipient, RecordFilter, Session, Stored, Terms, Upload, Vault, VaultOptions,
    keys::LocalKey,
    storage::{Creation, MemoryStorage, ObjectKey, Storage, StorageError},
};
use tempfile::TempDir;

fn kind<T>(result: Result<T, Error>) -> ErrorKind {
    match result {
        Ok(_) => panic!("it was done"),
        Err(error) => error.kind(),
    }
}

/// Names of the objects of a case.
async fn objects_of(storage: &dyn Storage, case: CaseId) -> Vec<ObjectKey> {
    let mut found = Vec::new();
    for prefix in ["key", "head", "part"] {
        found.extend(storage.list(&format!("{prefix}/{case}/"), None, 1000).await.unwrap());
    }
    found
}

/// Puts back whatever `backup` has of a case.
async fn restore(backup: &MemoryStorage, storage: &MemoryStorage, case: CaseId) {
    for key in objects_of(backup, case).await {
        let bytes = backup.read(&key, None).await.unwrap().unwrap();
        storage.create(&key, bytes).await.unwrap();
    }
}

async fn stored(desk: &Session, title: &str, content: &[u8]) -> (CaseId, Stored) {
    let case = desk.create_case(title).await.unwrap();
    (case, desk.store(case, NewDocument::named("x"), content.to_vec()).await.unwrap())
}

/// A case that was erased, and everything that was under way about it.
struct Erased {
    storage: Arc<MemoryStorage>,
    desk: Session,
    case: CaseId,
    stored: Stored,
    recipient: Recipient,
    grant: GrantId,
    readers: [Reader; 2],
    deliveries: [Delivery; 2],
    upload: Upload,
    erasure: Erasure,
    _folders: [TempDir; 2],
}

async fn erased() -> Erased {
    let storage = Arc::new(MemoryStorage::default());
    let (vault, kept) = vault_on(storage.clone()).await;
    let desk = vault.session("a").purpose("p").begin().unwrap();
    let (case, stored) = stored(&desk, "Juan Pérez", b"small").await;
    let large = desk.store(case, NewDocument::named("large"), vec![7; 9 << 20]).await.unwrap();
    let better = NewDocument::named("x");
    desk.store_version(stored.document, better, "better", b"smaller".to_vec()).await.unwrap();
    let (notary, file) = identity();
    let recipient = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
    let grant = desk.grant(case, &recipient, Terms::read().purpose("p")).await.unwrap();
    let mut readers =
        [desk.reader(large.document).await.unwrap(), desk.reader(stored.document).await.unwrap()];
    readers[0].next().await.unwrap().unwrap();
    // What the second gives is in a head, and so in memory: no object is missed there.
    let one = desk.grant(stored.document, &recipient, Terms::read().purpose("p")).await.unwrap();
    let deliveries = [desk.deliver(grant).await.unwrap(), desk.deliver(one).await.unwrap()];
    let mut upload = desk.upload(case, NewDocument::named("late")).await.unwrap();
    upload.write(&vec![1; 9 << 20]).await.unwrap();
    desk.close_case(case, "done").await.unwrap();

    let before = objects_of(&*storage, case).await.len();
    let erasure = desk.erase_case(case).await.unwrap();
    assert_eq!((erasure.case, erasure.level), (case, ErasureLevel::Deleted));
    assert_eq!((usize::try_from(erasure.objects_deleted).unwrap(), before), (before, 10));
    assert!(objects_of(&*storage, case).await.is_empty());
    let _folders = [kept, file];
    Erased { storage, desk, case, stored, recipient, grant, readers, deliveries, upload, erasure, _folders }
}

#[test]
fn nothing_is_done_about_an_erased_case() {
    block_on(async {
        let Erased { storage, desk, case, stored, recipient, grant, upload, erasure, _folders, .. } =
            erased().await;
        let (document, new) = (stored.document, || NewDocument::named("y"));
        let token = upload.token().unwrap();
        let answers = [
            kind(desk.store(case, new(), b"y".to_vec()).await),
            kind(desk.store_version(document, new(), "why", b"y".to_vec()).await),
            kind(desk.upload(case, new()).await),
            kind(desk.upload_version(document, new(), "why").await),
            kind(desk.resume_upload(&token).await),
            kind(upload.finish().await),
            kind(desk.grant(case, &recipient, Terms::read().purpose("p")).await),
            kind(desk.grant(document, &recipient, Terms::read().purpose("p")).await),
            kind(desk.deliver(grant).await),
            kind(desk.revoke(grant).await),
            kind(desk.close_case(case, "again").await),
            kind(desk.reopen_case(case, "again").await),
            kind(desk.erase_case(case).await),
        ];
        assert_eq!(answers, [ErrorKind::Erased; 13]);
        // The upload that finished too late left parts and a head behind. They go, and without a record.
        assert_eq!(desk.erasure(case).await.unwrap().level, ErasureLevel::Unfinished);
        assert_eq!(desk.collect_garbage().await.unwrap().objects_deleted, 2);
        assert!(objects_of(&*storage, case).await.is_empty());
        desk.vault().audit().verify_from_genesis().await.unwrap();
        let records = desk.auditor().records(&RecordFilter::all().case(case)).await.unwrap();
        assert_eq!(records.last().map(|last| (last.seq, last.kind)), Some((erasure.seq, Kind::CaseErased)));
    });
}

#[test]
fn nothing_of_an_erased_case_is_released() {
    block_on(async {
        let Erased { desk, case, stored, readers, deliveries, _folders, .. } = erased().await;
        let (document, [mut large, inline], [all, one]) = (stored.document, readers, deliveries);
        let answers = [
            kind(desk.retrieve(document).await),
            kind(desk.retrieve_range(document, 0..1).await),
            kind(desk.reader(document).await),
            kind(desk.reader_of(document, stored.version).await),
            kind(desk.describe(document).await),
            kind(desk.history(document).await),
            kind(desk.who_can_open(document).await),
            kind(desk.documents(case, None).await),
            kind(desk.describe_case(case).await),
            kind(large.next().await),
            kind(large.next().await),
            kind(inline.range(0..1).await),
            kind(all.collect().await),
            kind(one.collect().await),
        ];
        assert_eq!(answers, [ErrorKind::Erased; 14]);
    });
}

#[test]
fn an_erased_case_is_listed_without_a_name_and_the_others_are_as_before() {
    block_on(async {
        let Erased { desk, case, erasure, _folders, .. } = erased().await;
        let (other, kept) = stored(&desk, "other", b"other").await;
        let cases = desk.cases(None).await.unwrap().cases;
        let listed = cases.iter().find(|listed| listed.id == case).unwrap();
        assert!(listed.erased && listed.closed && listed.title.is_empty() && listed.attributes.is_empty());
        assert_eq!(listed.changed, erasure.time);
        assert!(cases.iter().any(|listed| listed.id == other && !listed.erased && listed.title == "other"));
        assert_eq!(desk.retrieve(kept.document).await.unwrap(), b"other".as_slice());
        assert_eq!(desk.erasure(case).await.unwrap().seq, erasure.seq);
    });
}

#[test]
fn only_a_closed_case_is_erased() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, _kept) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let (case, stored) = stored(&desk, "c", b"content").await;
        assert_eq!(kind(desk.erase_case(case).await), ErrorKind::Denied);
        desk.close_case(case, "done").await.unwrap();
        desk.reopen_case(case, "not yet").await.unwrap();
        assert_eq!(kind(desk.erase_case(case).await), ErrorKind::Denied);
        assert_eq!(desk.retrieve(stored.document).await.unwrap(), b"content".as_slice());
        assert_eq!(kind(desk.erasure(case).await), ErrorKind::NotFound);
        let unknown = "00112233445566778899aabbccddeeff".parse().unwrap();
        assert_eq!(kind(desk.erase_case(unknown).await), ErrorKind::NotFound);
        assert_eq!(kind(desk.erasure(unknown).await), ErrorKind::NotFound);
    });
}

/// P22: a key in the cache of a process is no way around what the log says.
#[test]
fn p22_an_erased_case_is_never_served_from_cache() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let (case, stored) = stored(&desk, "c", b"content").await;
        let key = || LocalKey::load(folder.path().join("key")).unwrap();
        let mut others = Vec::new();
        for _ in 0..4 {
            let other = Vault::open(storage.clone(), key(), &vault.pin()).await.unwrap();
            let other = other.session("b").purpose("q").begin().unwrap();
            other.retrieve(stored.document).await.unwrap();
            // Now it keeps the version as opened, too.
            other.retrieve_range(stored.document, 0..3).await.unwrap();
            others.push(other);
        }
        desk.close_case(case, "done").await.unwrap();
        let backup = storage.snapshot();
        desk.erase_case(case).await.unwrap();
        // It does not know yet, and what it looks for is missing.
        assert_eq!(kind(others[0].retrieve(stored.document).await), ErrorKind::Erased);
        // It does not know yet, and the storage shows everything as before.
        restore(&backup, &storage, case).await;
        assert_eq!(kind(others[1].retrieve(stored.document).await), ErrorKind::Erased);
        assert_eq!(kind(others[3].retrieve_range(stored.document, 0..3).await), ErrorKind::Erased);
        assert_eq!(kind(others[3].retrieve_range(stored.document, 3..5).await), ErrorKind::Erased);
        // It has heard of it, and the storage shows everything as before; also many folds later.
        others[2].vault().sync().await.unwrap();
        assert_eq!(kind(others[2].describe(stored.document).await), ErrorKind::Erased);
        // No plan stands in the way of a listing or of a record: the key itself must not be had.
        let listed = others[2].cases(None).await.unwrap().cases.remove(0);
        assert!(listed.erased && listed.title.is_empty());
        let opened = others[2].open_record(stored.seq).await.unwrap();
        assert!(matches!(opened.personal, Personal::Erased { .. }));
        for _ in 0..8 {
            let all = (0..100).map(|_| others[2].cases(None));
            futures_util::future::try_join_all(all).await.unwrap();
        }
        assert_eq!(kind(others[2].retrieve(stored.document).await), ErrorKind::Erased);
        assert_eq!(
            kind(others[2].store(case, NewDocument::named("x"), b"y".to_vec()).await),
            ErrorKind::Erased
        );
    });
}

/// A35: crypto-shredding undone by a backup.
#[test]
fn erased_from_old_backup() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let (case, stored) = stored(&desk, "c", b"content").await;
        let (other, kept) = self::stored(&desk, "other", b"other").await;
        desk.close_case(case, "done").await.unwrap();
        let backup = storage.snapshot();
        assert_eq!(desk.erase_case(case).await.unwrap().level, ErasureLevel::Deleted);

        // Its objects come back from a backup: the log still says that they are nothing, and the report
        // that they are there.
        restore(&backup, &storage, case).await;
        assert_eq!(desk.erasure(case).await.unwrap().level, ErasureLevel::Unfinished);
        let key = || LocalKey::load(folder.path().join("key")).unwrap();
        let again = Vault::open(storage.clone(), key(), &vault.pin()).await.unwrap();
        let again = again.session("b").purpose("q").begin().unwrap();
        assert_eq!(kind(again.retrieve(stored.document).await), ErrorKind::Erased);
        let deleted = again.collect_garbage().await.unwrap().objects_deleted;
        assert_eq!((deleted, again.erasure(case).await.unwrap().level), (3, ErasureLevel::Deleted));

        // One case is left to wrap anew. From here on no copy of the key opens under the keyring.
        vault.sync().await.unwrap();
        assert_eq!(desk.rotate_epoch().await.unwrap(), 1);
        restore(&backup, &storage, case).await;
        assert_eq!(desk.erasure(case).await.unwrap().level, ErasureLevel::EpochRotated);
        assert_eq!(kind(desk.retrieve(stored.document).await), ErrorKind::Erased);
        assert_eq!(desk.retrieve(kept.document).await.unwrap(), b"other".as_slice());
        assert_eq!(desk.describe_case(other).await.unwrap().title, "other");

        // What no level promises: the whole old copy, and a root key that opens its keyring.
        let old = Vault::open_unpinned(Arc::new(backup.snapshot()), Arc::new(key()), VaultOptions::default());
        let old = old.await.unwrap().session("thief").purpose("t").begin().unwrap();
        assert_eq!(old.retrieve(stored.document).await.unwrap(), b"content".as_slice());
        // Replacing the root key, and destroying the old one, ends that; the pin refuses the copy at once.
        assert_eq!(kind(Vault::open(backup.snapshot(), key(), &vault.pin()).await), ErrorKind::RolledBack);
        let slot = vault.slots().await.unwrap()[0].id;
        desk.rotate_root(slot, &LocalKey::create(folder.path().join("new")).unwrap()).await.unwrap();
        let new = LocalKey::load(folder.path().join("new")).unwrap();
        let old = Vault::open_unpinned(Arc::new(backup), Arc::new(new), VaultOptions::default()).await;
        assert_eq!(kind(old), ErrorKind::Locked);
    });
}

#[test]
fn an_erasure_after_the_newest_rotation_is_not_called_rotated() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, _kept) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let (case, _) = stored(&desk, "c", b"content").await;
        desk.close_case(case, "done").await.unwrap();
        assert_eq!(desk.rotate_epoch().await.unwrap(), 1);
        assert_eq!(desk.erase_case(case).await.unwrap().level, ErasureLevel::Deleted);
        assert_eq!(desk.erasure(case).await.unwrap().level, ErasureLevel::Deleted);
        assert_eq!(desk.rotate_epoch().await.unwrap(), 0);
        assert_eq!(desk.erasure(case).await.unwrap().level, ErasureLevel::EpochRotated);
    });
}

/// Lets something happen just before a call that names an object of some prefix.
#[derive(Debug, Default)]
struct Interrupted {
    objects: Arc<MemoryStorage>,
    hook: Mutex<Option<Hook>>,
}

#[derive(Debug)]
struct Hook {
    prefix: String,
    creates: bool,
    eraser: Session,
    case: CaseId,
    /// The case has to be closed first.
    open: bool,
}

impl Interrupted {
    async fn reach(&self, key: &ObjectKey, creates: bool) {
        let hit = |hook: &Hook| key.as_str().starts_with(&hook.prefix) && hook.creates == creates;
        let hook = { self.hook.lock().unwrap().take_if(|hook| hit(hook)) };
        if let Some(hook) = hook {
            if hook.open {
                hook.eraser.close_case(hook.case, "done").await.unwrap();
            }
            hook.eraser.erase_case(hook.case).await.unwrap();
        }
    }
}

#[async_trait]
impl Storage for Interrupted {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        self.reach(key, true).await;
        self.objects.create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        self.reach(key, false).await;
        self.objects.read(key, range).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.objects.delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        self.objects.list(prefix, after, limit).await
    }
}

/// A vault whose storage can be interrupted, a second process beside it, and what there is in a case.
struct TwoProcesses {
    storage: Arc<Interrupted>,
    desk: Session,
    eraser: Session,
    case: CaseId,
    open: bool,
    stored: Stored,
    recipient: Recipient,
    grant: GrantId,
    upload: Upload,
    _folder: TempDir,
}

impl TwoProcesses {
    /// The second process erases the case just before a call of the first.
    fn erase_before(&self, prefix: &str, creates: bool) {
        let (prefix, eraser, case, open) = (prefix.to_owned(), self.eraser.clone(), self.case, self.open);
        *self.storage.hook.lock().unwrap() = Some(Hook { prefix, creates, eraser, case, open });
    }
}

async fn two_processes(open: bool) -> TwoProcesses {
    let storage = Arc::new(Interrupted::default());
    let folder = tempfile::tempdir().unwrap();
    let key = LocalKey::create(folder.path().join("key")).unwrap();
    let options = || VaultOptions::default().sleeper(NoSleep::default());
    let vault = Vault::create_with(storage.clone(), Arc::new(key), options()).await.unwrap();
    let desk = vault.session("a").purpose("p").begin().unwrap();
    let (case, stored) = stored(&desk, "c", b"content").await;
    self::stored(&desk, "other", b"other").await;
    let notary = identity().0;
    let recipient = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
    let grant = desk.grant(case, &recipient, Terms::read().purpose("p")).await.unwrap();
    let upload = desk.upload(case, NewDocument::named("late")).await.unwrap();
    if !open {
        desk.close_case(case, "done").await.unwrap();
    }
    let key = Arc::new(LocalKey::load(folder.path().join("key")).unwrap());
    let other = Vault::open_with(storage.objects.clone(), key, &vault.pin(), options()).await.unwrap();
    let eraser = other.session("b").purpose("q").begin().unwrap();
    let _folder = folder;
    TwoProcesses { storage, desk, eraser, case, open, stored, recipient, grant, upload, _folder }
}

#[test]
fn a_case_erased_while_the_epoch_rotates_is_left_out_and_a_late_wrap_is_garbage() {
    block_on(async {
        for creates in [false, true] {
            let two = two_processes(false).await;
            let TwoProcesses { storage, desk, case, .. } = &two;
            let case = *case;
            two.erase_before(&format!("key/{case}/"), creates);
            desk.rotate_epoch().await.unwrap();
            assert!(storage.hook.lock().unwrap().is_none(), "the erasure came in between");
            let erasure = desk.erasure(case).await.unwrap();
            // Interrupted before its key was read, the rotation wrote none; before the new wrap was
            // created, that wrap came too late, and is found.
            let left = if creates { ErasureLevel::Unfinished } else { ErasureLevel::Deleted };
            assert_eq!(erasure.level, left);
            let collected = desk.collect_garbage().await.unwrap();
            assert_eq!(collected.objects_deleted, u64::from(creates));
            assert_eq!(desk.erasure(case).await.unwrap().level, ErasureLevel::Deleted);
            assert_eq!(desk.rotate_epoch().await.unwrap(), 1);
            assert_eq!(desk.erasure(case).await.unwrap().level, ErasureLevel::EpochRotated);
        }
    });
}

#[test]
fn a_read_that_an_erasure_overtakes_releases_nothing() {
    block_on(async {
        // Before the head is read, and between that and the record of the read.
        for (prefix, creates) in [("head/", false), ("log/", true)] {
            let two = two_processes(false).await;
            two.erase_before(prefix, creates);
            let TwoProcesses { storage, desk, case, stored, .. } = two;
            assert_eq!(kind(desk.retrieve(stored.document).await), ErrorKind::Erased, "{prefix}");
            assert!(storage.hook.lock().unwrap().is_none(), "the erasure came in between");
            let read = desk.auditor().records(&RecordFilter::all().case(case)).await.unwrap();
            assert!(read.iter().all(|record| record.kind != Kind::Read));
        }
    });
}

/// What is begun about a case, and whether it must be open for that.
const BEGUN: [(&str, bool); 17] = [
    ("deliver", false),
    ("revoke", false),
    ("read", false),
    ("read a range", false),
    ("describe a case", false),
    ("describe", false),
    ("close", true),
    ("reopen", false),
    ("erase", false),
    ("give up", false),
    ("store", true),
    ("store a version", true),
    ("announce", true),
    ("resume", true),
    ("finish", true),
    ("grant", true),
    ("state", true),
];

async fn begin(what: &str, two: TwoProcesses) -> Result<(), Error> {
    let TwoProcesses { desk, case, stored, recipient, grant, upload, .. } = two;
    let (document, new, content) = (stored.document, NewDocument::named("y"), b"y".to_vec());
    match what {
        "deliver" => desk.deliver(grant).await.map(drop),
        "revoke" => desk.revoke(grant).await.map(drop),
        "read" => desk.reader(document).await.map(drop),
        "read a range" => desk.retrieve_range(document, 0..1).await.map(drop),
        "describe a case" => desk.describe_case(case).await.map(drop),
        "describe" => desk.describe(document).await.map(drop),
        "reopen" => desk.reopen_case(case, "again").await,
        "erase" => desk.erase_case(case).await.map(drop),
        "give up" => upload.abort().await,
        "store" => desk.store(case, new, content).await.map(drop),
        "store a version" => desk.store_version(document, new, "why", content).await.map(drop),
        "announce" => desk.upload(case, new).await.map(drop),
        "resume" => desk.resume_upload(&upload.token()?).await.map(drop),
        "finish" => upload.finish().await.map(drop),
        "grant" => desk.grant(case, &recipient, Terms::read().purpose("p")).await.map(drop),
        "state" => desk.make_statement(case, NewStatement::on("test")).await.map(drop),
        "close" => desk.close_case(case, "again").await,
        _ => panic!("{what} is nothing that can be begun"),
    }
}

/// Everything was looked up while the case stood: only the plan of the record knows better. A delivery's keys
/// would be released, and an erased case that is closed once more would be one that was never erased.
#[test]
fn what_an_erasure_overtakes_is_not_done() {
    block_on(async {
        for (what, open) in BEGUN {
            let two = two_processes(open).await;
            two.erase_before("log/", true);
            let (storage, desk, case) = (two.storage.clone(), two.desk.clone(), two.case);
            let done = begin(what, two).await.map_err(|error| error.kind());
            assert!(storage.hook.lock().unwrap().is_none(), "{what}: the erasure came in between");
            assert_eq!(done, Err(ErrorKind::Erased), "{what}");
            let records = desk.auditor().records(&RecordFilter::all().case(case)).await.unwrap();
            assert_eq!(records.last().map(|last| last.kind), Some(Kind::CaseErased), "{what}");
        }
    });
}
