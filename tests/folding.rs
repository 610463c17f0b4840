//! Several processes fold at once: an index covers ever more, and no page of the newest is collected.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use std::{
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    around::{Around, Through},
    block_on, vault_on,
};
use docvault::{
    CaseId, DocumentId, NewDocument, NewStatement, NoSleep, Session, Vault, VaultOptions,
    keys::LocalKey,
    storage::{Creation, MemoryStorage, ObjectKey, Storage, StorageError, StorageErrorKind},
};
use futures_lite::future::{poll_once, yield_now};
use futures_util::future::{join_all, try_join_all};
use tempfile::TempDir;

/// What a process's calls about the objects of the index meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// Creates of the fold up to so many records wait.
    Creates(u64),
    /// Creates are refused.
    Refused,
    /// Reads wait as soon as something was created.
    Reads,
}

/// A process's way to the storage.
#[derive(Debug)]
struct Link {
    objects: Arc<MemoryStorage>,
    way: Mutex<Way>,
    waits: AtomicBool,
    created: AtomicBool,
}

impl Link {
    fn set(&self, way: Way) {
        *self.way.lock().unwrap() = way;
        self.waits.store(false, Ordering::SeqCst);
        self.created.store(false, Ordering::SeqCst);
    }

    fn way(&self) -> Way {
        *self.way.lock().unwrap()
    }

    fn waits(&self) -> bool {
        self.waits.load(Ordering::SeqCst)
    }

    async fn wait_while(&self, held: impl Fn() -> bool) {
        while held() {
            self.waits.store(true, Ordering::SeqCst);
            yield_now().await;
        }
    }
}

fn fold_of(key: &ObjectKey) -> Option<u64> {
    u64::from_str_radix(key.as_str().strip_prefix("index/")?.split_once('-')?.0, 16).ok()
}

#[async_trait]
impl Around for Link {
    fn objects(&self) -> &dyn Storage {
        &*self.objects
    }

    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        let fold = fold_of(key);
        self.wait_while(|| fold.is_some_and(|fold| self.way() == Way::Creates(fold))).await;
        if fold.is_some() && self.way() == Way::Refused {
            return Err(StorageError::new(StorageErrorKind::Unavailable, "no"));
        }
        self.created.fetch_or(fold.is_some(), Ordering::SeqCst);
        self.objects.create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let held = || self.way() == Way::Reads && self.created.load(Ordering::SeqCst);
        self.wait_while(|| fold_of(key).is_some() && held()).await;
        self.objects.read(key, range).await
    }
}

struct Process {
    vault: Vault,
    link: Arc<Through<Link>>,
}

impl Process {
    fn desk(&self) -> Session {
        self.vault.session("a").purpose("p").begin().unwrap()
    }

    /// This many records about `case`, in as few commits as they go into.
    async fn add(&self, case: CaseId, count: u64) {
        let desk = self.desk();
        let each = (0..count).map(|_| async { desk.describe_case(case).await.map(drop) });
        // Each here, so that what fails is said of this line.
        for added in join_all(each).await {
            added.unwrap();
        }
    }

    /// Goes on with `work` until its calls wait, and leaves it under way.
    async fn until_it_waits(&self, work: &mut (impl Future<Output = ()> + Unpin)) {
        while !self.link.waits() {
            assert!(
                poll_once(&mut *work).await.is_none(),
                "it ended without having to wait: {:?} {:?}",
                self.vault.pin().size(),
                self.link.way()
            );
        }
    }
}

struct Office {
    objects: Arc<MemoryStorage>,
    folder: TempDir,
    founder: Process,
    document: DocumentId,
}

impl Office {
    async fn new() -> Self {
        let objects = Arc::new(MemoryStorage::new());
        let (vault, folder) = vault_on(objects.clone()).await;
        let founder = Process { vault, link: link(&objects) };
        let case = founder.desk().create_case("c").await.unwrap();
        let stored = founder.desk().store(case, NewDocument::named("x"), b"x".to_vec()).await.unwrap();
        Self { objects, folder, founder, document: stored.document }
    }

    fn case(&self) -> CaseId {
        self.document.case()
    }

    /// The founder makes the log longer.
    async fn grow(&self, size: u64) {
        self.founder.add(self.case(), size - self.founder.vault.pin().size()).await;
    }

    async fn process(&self) -> Process {
        let key = LocalKey::load(self.folder.path().join("key")).unwrap();
        let options = VaultOptions::default().sleeper(NoSleep::default());
        let (link, pin) = (link(&self.objects), self.founder.vault.pin());
        let vault = Vault::open_with(link.clone(), Arc::new(key), &pin, options).await.unwrap();
        Process { vault, link }
    }

    /// What each Index record covers, in their order.
    async fn indexes(&self) -> Vec<u64> {
        let mut indexes = Vec::new();
        let names = self.objects.list("log/", None, usize::MAX).await.unwrap();
        for name in names.iter().rev() {
            let commit = self.objects.read(name, None).await.unwrap().unwrap();
            let number = |at: usize| u32::from_be_bytes(commit[at..at + 4].try_into().unwrap()) as usize;
            let leaves = commit[124 + 280 * number(36)..].chunks(280).take(number(32));
            let index = leaves.filter(|leaf| leaf[6..8] == [0, 14]);
            indexes.extend(index.map(|leaf| u64::from_be_bytes(leaf[96..104].try_into().unwrap())));
        }
        indexes
    }

    /// Whoever opens the vault finds everything, and goes on.
    async fn is_whole(&self) {
        let reader = self.process().await;
        assert_eq!(reader.desk().retrieve(self.document).await.unwrap(), b"x".as_slice());
        reader.vault.audit().verify_from_genesis().await.unwrap();
        let log = reader.vault.audit().log().await.unwrap();
        let checked = log.check_index(&mut |_, _| {}).await.unwrap();
        assert_eq!(Some(checked.records), self.indexes().await.pop());
        for _ in 0..3 {
            reader.add(self.case(), 300).await;
        }
        let indexes = self.indexes().await;
        assert!(indexes.is_sorted_by(|before, after| before < after), "{indexes:?}");
        let covered = *indexes.last().unwrap();
        assert!(covered + 256 > reader.vault.pin().size() - 2, "folded up to {covered}");
    }
}

fn link(objects: &Arc<MemoryStorage>) -> Arc<Through<Link>> {
    let (objects, way) = (objects.clone(), Mutex::new(Way::Open));
    Arc::new(Through(Link { objects, way, waits: AtomicBool::new(false), created: AtomicBool::new(false) }))
}

/// Two fold at one head; who loses the race for its Index record does not write another.
#[test]
fn of_two_who_fold_the_same_one_writes_an_index_record() {
    block_on(async {
        let office = Office::new().await;
        office.grow(255).await;
        let (first, second) = (office.process().await, office.process().await);
        first.link.set(Way::Creates(256));
        second.link.set(Way::Creates(256));
        let mut folds = Box::pin(first.add(office.case(), 1));
        first.until_it_waits(&mut folds).await;
        let mut also_folds = Box::pin(second.add(office.case(), 1));
        second.until_it_waits(&mut also_folds).await;
        first.link.set(Way::Open);
        folds.await;
        second.link.set(Way::Open);
        also_folds.await;
        assert_eq!(office.indexes().await, [256]);
        office.is_whole().await;
    });
}

/// A slow fold's Index record comes while another folds from the manifest before it. That one must not follow: the third
/// fold, from the slow one's manifest, would name pages that a collection has deleted in between.
#[test]
fn a_fold_follows_the_index_that_it_began_from_or_none() {
    block_on(async {
        let office = Office::new().await;
        office.grow(3850).await;
        office.grow(4095).await;
        assert_eq!(office.indexes().await.pop(), Some(3840));
        let (slow, other, collector) =
            (office.process().await, office.process().await, office.process().await);

        slow.link.set(Way::Creates(4096));
        let mut folds = Box::pin(slow.add(office.case(), 1));
        slow.until_it_waits(&mut folds).await;
        other.link.set(Way::Refused);
        other.add(office.case(), 300).await;
        other.link.set(Way::Creates(4352));
        let mut also_folds = Box::pin(other.add(office.case(), 1));
        other.until_it_waits(&mut also_folds).await;

        let mut queued = Box::pin(slow.add(office.case(), 250));
        // Each of its calls lets others run before it goes on with what is under way.
        for _ in 0..250 {
            assert!(poll_once(&mut queued).await.is_none());
        }
        slow.link.set(Way::Creates(4608));
        folds.await;
        queued.await;
        assert_eq!(office.indexes().await.pop(), Some(4096));
        let mut folds_again = Box::pin(slow.add(office.case(), 1));
        slow.until_it_waits(&mut folds_again).await;

        other.link.set(Way::Open);
        also_folds.await;
        collector.desk().collect_garbage().await.unwrap();
        slow.link.set(Way::Open);
        folds_again.await;
        office.is_whole().await;
        assert_eq!(collector.desk().retrieve(office.document).await.unwrap(), b"x".as_slice());
        // Who was refused its Index record goes on, and folds.
        other.add(office.case(), 300).await;
        other.add(office.case(), 1).await;
        office.is_whole().await;
    });
}

/// Whoever cannot commit without a fold, and folds what others have folded and collected, looks at the log.
#[test]
fn a_fold_that_has_to_be_goes_on_from_the_index_that_has_superseded_its_own() {
    block_on(async {
        let office = Office::new().await;
        let desk = office.founder.desk();
        let opened = join_all((0..300).map(|_| desk.create_case("one of many"))).await;
        assert!(opened.iter().all(Result::is_ok));
        let (behind, other) = (office.process().await, office.process().await);
        behind.link.set(Way::Refused);
        behind.add(office.case(), 600).await;
        assert_eq!(office.indexes().await, [256], "its fold failed");
        other.add(office.case(), 1).await;
        assert!(other.desk().collect_garbage().await.unwrap().index_deleted > 0);
        behind.link.set(Way::Open);
        behind.add(office.case(), 1).await;
        office.is_whole().await;
    });
}

/// Who goes on for a leader whose future was dropped has that one's fold, too.
#[test]
fn a_fold_whose_leader_was_dropped_is_named_once() {
    block_on(async {
        let office = Office::new().await;
        let desk = office.founder.desk();
        let cases = join_all((0..300).map(|_| desk.create_case("one of many"))).await;
        let cases: Vec<_> = cases.into_iter().map(Result::unwrap).collect();
        let (grows, dropped) = (office.process().await, office.process().await);
        grows.link.set(Way::Refused);
        grows.add(office.case(), 300).await;
        assert_eq!(office.indexes().await, [256]);
        dropped.vault.sync().await.unwrap();
        dropped.link.set(Way::Reads);
        let desk = dropped.desk();
        let said = || NewStatement::on("t").payload(b"said".to_vec());
        let many = cases.iter().map(|case| desk.make_statement(*case, said()));
        let mut reads = Box::pin(async { drop(join_all(many).await) });
        dropped.until_it_waits(&mut reads).await;
        drop(reads);
        dropped.link.set(Way::Open);
        dropped.add(office.case(), 1).await;
        assert_eq!(office.indexes().await.get(..2), Some(&[256, 512][..]));
        office.is_whole().await;
    });
}

/// Writes until the log has so many records.
async fn grow(vault: &Vault, size: u64) {
    let desk = vault.session("a").purpose("p").begin().unwrap();
    let case = desk.create_case("c").await.unwrap();
    while vault.pin().size() < size {
        try_join_all((0..64).map(|_| desk.describe_case(case))).await.unwrap();
    }
}

/// Where a level's tile is not full, the next fold's begins with what it holds.
#[test]
fn a_fold_writes_no_tile_that_begins_with_a_false_one() {
    block_on(async {
        let objects = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(objects.clone()).await;
        grow(&vault, 300).await;
        let tile = |width: u64| format!("tile/01/{:016x}-{width:04x}", 0).parse::<ObjectKey>().unwrap();
        let first = objects.read(&tile(1), None).await.unwrap().unwrap();
        let mut other = first.to_vec();
        other[0] ^= 1;
        for (shown, is_true) in [(first, true), (other.into(), false)] {
            let storage = Arc::new(objects.snapshot());
            storage.delete(&tile(1)).await.unwrap();
            storage.create(&tile(1), shown).await.unwrap();
            let key = LocalKey::load(folder.path().join("key")).unwrap();
            let again = Vault::open(storage.clone(), key, &vault.pin()).await.unwrap();
            grow(&again, 600).await;
            let folds = storage.list("index/", None, 10_000).await.unwrap();
            assert!(folds.iter().any(|key| fold_of(key) == Some(512)), "the log goes on");
            assert_eq!(storage.read(&tile(2), None).await.unwrap().is_some(), is_true);
        }
    });
}
