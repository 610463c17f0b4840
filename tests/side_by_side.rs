//! What a process meets because others go on beside it, or because the storage lags: found by the simulation, each
//! reduced to one story.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::unreachable, reason = "tests")]

mod common;
#[path = "common/interrupted.rs"]
mod interrupted;

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    around::{Around, Through},
    block_on, vault_on,
};
use docvault::{
    DocumentId, ErrorKind, Kind, NewDocument, NewStatement, NoSleep, OperationId, Outcome, Pin, RecordFilter,
    Session, Vault, VaultOptions,
    keys::LocalKey,
    storage::{
        Creation, MemoryStorage, ObjectKey, Storage, StorageError, StorageErrorKind,
        testing::{DelayedStorage, Fault, FaultyStorage, VirtualTime},
    },
};
use interrupted::{Call, Interrupted};
use tempfile::TempDir;

async fn open(storage: Arc<dyn Storage>, folder: &TempDir, pin: &Pin) -> Vault {
    let key = LocalKey::load(folder.path().join("key")).unwrap();
    let options = VaultOptions::default().sleeper(NoSleep::default());
    Vault::open_with(storage, Arc::new(key), pin, options).await.unwrap()
}

fn desk(vault: &Vault) -> Session {
    vault.session("a").purpose("p").begin().unwrap()
}

/// Makes the log longer.
async fn grow(vault: &Vault, size: u64) {
    while vault.pin().size() < size {
        desk(vault).outcome(OperationId::from_bytes([7; 16])).await.unwrap();
    }
}

async fn with_a_document(vault: &Vault) -> DocumentId {
    let case = desk(vault).create_case("c").await.unwrap();
    desk(vault).store(case, NewDocument::named("x"), b"x".to_vec()).await.unwrap().document
}

/// Who is told that the outcome is unknown, or that nothing was written for that of another was, is told what the storage
/// said, on a full disk for example.
#[test]
fn an_unknown_outcome_says_why() {
    block_on(async {
        let objects = Arc::new(MemoryStorage::new());
        let (founder, folder) = vault_on(objects.clone()).await;
        let case = with_a_document(&founder).await.case();
        let mut unknown = 0;
        for lost in 0.. {
            let faults = (lost + 1..lost + 100)
                .map(|call| (call, Fault::Error))
                .chain([(lost, Fault::Late(usize::MAX))]);
            let faulty = Arc::new(FaultyStorage::scripted(objects.clone(), faults));
            let key = LocalKey::load(folder.path().join("key")).unwrap();
            let options = VaultOptions::default().sleeper(NoSleep::default());
            let opened = Vault::open_with(faulty.clone(), Arc::new(key), &founder.pin(), options).await;
            let Ok(vault) = opened else { continue };
            let said = NewStatement::on("t").payload(b"said".to_vec());
            let Err(error) = desk(&vault).make_statement(case, said).await else { break };
            let ErrorKind::OutcomeUnknown(_) = error.kind() else { continue };
            assert_eq!(error.storage(), Some(StorageErrorKind::Unavailable), "{error:?}");
            let next = desk(&vault).describe_case(case).await.unwrap_err();
            assert_eq!((next.kind(), next.storage()), (ErrorKind::Storage, error.storage()), "{next:?}");
            unknown += 1;
        }
        assert_eq!(unknown, 1, "the create of the commit");
    });
}

/// Told that it is unknown, a process learns from a sync, and not from its own create, that its commit landed. Taken
/// into the state a second time, its records would spoil every commit after it, for everyone.
#[test]
fn a_commit_that_a_sync_meets_is_taken_into_the_state_once() {
    block_on(async {
        let objects = Arc::new(MemoryStorage::new());
        let (founder, folder) = vault_on(objects.clone()).await;
        let case = with_a_document(&founder).await.case();
        let said = || NewStatement::on("t").payload(b"said".to_vec());

        let calls_before = {
            let plain = Arc::new(FaultyStorage::scripted(Arc::new(objects.snapshot()), []));
            let vault = open(plain.clone(), &folder, &founder.pin()).await;
            desk(&vault).make_statement(case, said()).await.unwrap();
            plain.calls()
        };
        // Six tries of a create and a read each, and as many for the sync; the first lands when the sync looks on.
        let never = (1..12).map(|try_| (calls_before + 2 * try_, Fault::Late(usize::MAX)));
        let faults = never.chain([(calls_before, Fault::Late(24))]);
        let lagging = Arc::new(FaultyStorage::scripted(objects.clone(), faults));
        let vault = open(lagging.clone(), &folder, &founder.pin()).await;
        desk(&vault).make_statement(case, said()).await.unwrap();
        let unknown = desk(&vault).make_statement(case, said()).await.unwrap_err();
        let ErrorKind::OutcomeUnknown(operation) = unknown.kind() else { unreachable!("{unknown}") };
        let before = vault.pin().size();
        assert_eq!(vault.sync().await.unwrap().size(), before + 1, "the sync met it");
        assert_eq!(lagging.calls(), calls_before + 26, "by its read after the last try");
        assert!(matches!(
            desk(&vault).outcome(operation).await.unwrap(),
            Outcome::Committed { seq, .. } if seq == before
        ));
        desk(&vault).make_statement(case, said()).await.unwrap();

        let again = open(objects, &folder, &founder.pin()).await;
        assert_eq!(again.pin(), vault.pin());
        again.audit().verify_from_genesis().await.unwrap();
        assert_eq!(desk(&again).statements(case, None).await.unwrap().statements.len(), 3);
    });
}

/// The storage as it was, until something under a prefix is read: from then on as it is.
#[derive(Debug)]
struct Meanwhile {
    before: MemoryStorage,
    after: MemoryStorage,
    prefix: &'static str,
    /// How many of these reads there are before.
    reads: AtomicUsize,
    passed: AtomicBool,
}

#[async_trait]
impl Around for Meanwhile {
    fn objects(&self) -> &dyn Storage {
        if self.passed.load(Ordering::SeqCst) { &self.after } else { &self.before }
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let reads = key.as_str().starts_with(self.prefix);
        if reads && self.reads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_err()
        {
            self.passed.store(true, Ordering::SeqCst);
        }
        self.objects().read(key, range).await
    }
}

#[test]
fn a_fold_and_a_collection_while_a_vault_is_opened_are_no_corruption() {
    block_on(async {
        let objects = Arc::new(MemoryStorage::new());
        let (vault, folder) = vault_on(objects.clone()).await;
        let document = with_a_document(&vault).await;
        let pin = vault.pin();
        grow(&vault, 300).await;
        let before = objects.snapshot();
        grow(&vault, 520).await;
        assert!(desk(&vault).collect_garbage().await.unwrap().index_deleted > 0);
        let (after, passed) = (objects.snapshot(), AtomicBool::new(false));
        let reads = AtomicUsize::new(0);
        let meanwhile = Arc::new(Through(Meanwhile { before, after, prefix: "index/", reads, passed }));
        let opened = open(meanwhile, &folder, &pin).await;
        assert_eq!(opened.pin().size(), vault.pin().size());
        assert_eq!(desk(&opened).retrieve(document).await.unwrap(), b"x".as_slice());
    });
}

#[test]
fn a_listing_is_looked_up_anew_if_its_index_was_superseded_and_deleted() {
    block_on(async {
        let objects = Arc::new(MemoryStorage::new());
        let (vault, folder) = vault_on(objects.clone()).await;
        let document = with_a_document(&vault).await;
        grow(&vault, 300).await;
        let pin = vault.pin();
        let (first, second) =
            (open(objects.clone(), &folder, &pin).await, open(objects, &folder, &pin).await);
        grow(&vault, 520).await;
        assert!(desk(&vault).collect_garbage().await.unwrap().index_deleted > 0);
        assert_eq!(desk(&first).history(document).await.unwrap().len(), 1);
        assert_eq!(desk(&second).documents(document.case(), None).await.unwrap().documents.len(), 1);
        assert_eq!(desk(&first).rotate_epoch().await.unwrap(), 1);
    });
}

/// In how many of the tries another process folds and collects while this is done by one that opened before it did: at the
/// index's next read, or so many later.
fn met(tries: Range<usize>, act: impl Fn(&Session)) -> usize {
    block_on(async {
        let objects = Arc::new(MemoryStorage::new());
        let (vault, folder) = vault_on(objects.clone()).await;
        with_a_document(&vault).await;
        grow(&vault, 600).await;
        let (pin, before) = (vault.pin(), objects.snapshot());
        grow(&vault, 1200).await;
        assert!(desk(&vault).collect_garbage().await.unwrap().index_deleted > 0);
        let mut met = 0;
        for reads in tries {
            let (before, after) = (before.snapshot(), objects.snapshot());
            let (reads, passed) = (AtomicUsize::new(reads), AtomicBool::new(false));
            let meanwhile = Arc::new(Through(Meanwhile { before, after, prefix: "index/", reads, passed }));
            act(&desk(&open(meanwhile.clone(), &folder, &pin).await));
            met += usize::from(meanwhile.passed.load(Ordering::SeqCst));
        }
        met
    })
}

/// Whenever another process folds and collects, a collection goes on by the index that stands.
#[test]
fn a_fold_and_a_collection_while_garbage_is_collected_are_no_corruption() {
    let passed = met(0..12, |desk| assert!(block_on(desk.collect_garbage()).is_ok()));
    assert!(passed > 1, "{passed} collections met the other");
}

/// Once before it looks at the index, and once again before it has read what that reaches.
#[test]
fn two_folds_and_a_collection_while_garbage_is_collected_are_no_corruption() {
    block_on(async {
        let objects = Arc::new(MemoryStorage::new());
        let (vault, folder) = vault_on(objects.clone()).await;
        let document = with_a_document(&vault).await;
        // More rows than a page has.
        for _ in 0..150 {
            desk(&vault).make_statement(document.case(), NewStatement::on("t")).await.unwrap();
        }
        grow(&vault, 600).await;
        let (pin, mut met) = (vault.pin(), 0);
        for reads in 1..4 {
            let objects = Arc::new(objects.snapshot());
            let place = Arc::new(Interrupted::new(objects.clone()));
            let slow = open(place.clone(), &folder, &pin).await;
            let other = open(objects, &folder, &pin).await;
            let (mut folded, mut left) = (false, reads);
            place.interrupt(move |call, name| {
                if !folded && call == Call::List && name == "part/" {
                    // So that no page is one that is known by its hash.
                    block_on(desk(&other).make_statement(document.case(), NewStatement::on("t"))).unwrap();
                    block_on(grow(&other, 1200));
                    folded = true;
                }
                left -= usize::from(folded && call == Call::Read && name.starts_with("index/"));
                if left == 0 {
                    block_on(grow(&other, 1700));
                    block_on(desk(&other).collect_garbage()).unwrap();
                }
                left == 0
            });
            desk(&slow).collect_garbage().await.unwrap();
            met += usize::from(place.interrupted().is_some());
            assert_eq!(desk(&slow).retrieve(document).await.unwrap(), b"x".as_slice());
        }
        assert!(met > 1, "{met} collections met the other");
    });
}

/// Two fold at once, and the index that both made is gone: whose record came second names it no more.
#[test]
fn a_fold_that_another_has_made_is_not_named_again_though_it_is_gone() {
    block_on(async {
        let objects = Arc::new(MemoryStorage::new());
        let (founder, folder) = vault_on(objects.clone()).await;
        grow(&founder, 255).await;
        let place = Arc::new(Interrupted::new(objects.clone()));
        let slow = open(place.clone(), &folder, &founder.pin()).await;
        let other = open(objects.clone(), &folder, &founder.pin()).await;
        let (kept, mut folds) = (Arc::new(MemoryStorage::new()), false);
        let (index, gone) = (objects.clone(), kept.clone());
        place.interrupt(move |call, name| {
            folds |= call == Call::Create && name.starts_with("index/");
            let names = folds && call == Call::Create && name.starts_with("log/");
            if names {
                // In one commit, which begins with the record of its fold.
                block_on(other.sync()).unwrap();
                block_on(grow(&other, 257));
                block_on(moved(&index, &gone));
            }
            names
        });
        grow(&slow, 256).await;
        assert!(place.interrupted().is_some());
        moved(&kept, &objects).await;
        let auditor = open(objects, &folder, &slow.pin()).await.session("a").purpose("p").auditor().unwrap();
        let records = auditor.records(&RecordFilter::all()).await.unwrap();
        assert_eq!(records.iter().filter(|record| record.kind == Kind::Index).count(), 1);
    });
}

/// Moves the index.
async fn moved(from: &MemoryStorage, to: &MemoryStorage) {
    for name in from.list("index/", None, 1000).await.unwrap() {
        to.create(&name, from.read(&name, None).await.unwrap().unwrap()).await.unwrap();
        from.delete(&name).await.unwrap();
    }
}

/// So does a change of the keyring, which looks up the log's first records.
#[test]
fn a_fold_and_a_collection_while_a_keyring_is_changed_are_no_corruption() {
    let passed = met(1..6, |desk| assert!(block_on(desk.rotate_signing_keys()).is_ok()));
    assert!(passed > 0, "none met the other");
}

/// Others are quicker, each time: whoever loses gives up, having written nothing.
#[test]
fn who_loses_every_race_is_told_so() {
    block_on(async {
        let objects = Arc::new(MemoryStorage::new());
        let (founder, folder) = vault_on(objects.clone()).await;
        let case = with_a_document(&founder).await.case();
        let place = Arc::new(Interrupted::new(objects.clone()));
        for (times, outcome) in [(15, Ok(())), (40, Err(ErrorKind::Contended))] {
            let slow = open(place.clone(), &folder, &founder.pin()).await;
            let (quick, mut left) = (desk(&open(objects.clone(), &folder, &founder.pin()).await), times);
            place.interrupt(move |call, name| {
                if call == Call::Create && name.starts_with("log/") {
                    block_on(quick.describe_case(case)).unwrap();
                    left -= 1;
                }
                left == 0
            });
            let said = NewStatement::on("t").payload(b"said".to_vec());
            let made = desk(&slow).make_statement(case, said).await.map(drop).map_err(|error| error.kind());
            assert_eq!(made, outcome, "{times}");
            place.interrupt(|_, _| true);
            desk(&slow).describe_case(case).await.unwrap();
        }
        founder.sync().await.unwrap();
        assert_eq!(desk(&founder).statements(case, None).await.unwrap().statements.len(), 1);
        founder.audit().verify_from_genesis().await.unwrap();
    });
}

/// Two rotate the epoch at once, and one of them drops, with its wraps, the epoch that the other goes by.
#[test]
fn a_rotation_that_another_overtook_says_so() {
    block_on(async {
        let objects = Arc::new(MemoryStorage::new());
        let (founder, folder) = vault_on(objects.clone()).await;
        let document = with_a_document(&founder).await;
        let place = Arc::new(Interrupted::new(objects.clone()));
        let other = open(place.clone(), &folder, &founder.pin()).await;
        let quick = desk(&founder);
        place.interrupt(move |call, name| {
            let wraps = call == Call::Read && name.starts_with("key/");
            wraps && block_on(quick.rotate_epoch()).map(|_| true).unwrap()
        });
        assert_eq!(desk(&other).rotate_epoch().await.unwrap_err().kind(), ErrorKind::Denied);
        assert!(place.interrupted().is_some());
        assert_eq!(desk(&other).rotate_epoch().await.unwrap(), 1);
        assert_eq!(desk(&other).retrieve(document).await.unwrap(), b"x".as_slice());
    });
}

/// Keeps what is created, says that it does not know, and shows it altered once.
#[derive(Debug)]
struct Liar {
    objects: Arc<MemoryStorage>,
    lies: AtomicBool,
    shown: AtomicBool,
}

#[async_trait]
impl Around for Liar {
    fn objects(&self) -> &dyn Storage {
        &*self.objects
    }

    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        let created = self.objects.create(key, bytes).await?;
        let lies = key.as_str().starts_with("log/") && self.lies.load(Ordering::SeqCst);
        Ok(if lies { Creation::Unknown } else { created })
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let found = self.objects.read(key, range).await?;
        let lies = key.as_str().starts_with("log/") && self.lies.load(Ordering::SeqCst) && found.is_some();
        if !lies || self.shown.swap(true, Ordering::SeqCst) {
            return Ok(found);
        }
        Ok(found.map(|bytes| bytes.iter().map(|byte| byte ^ 1).collect()))
    }
}

/// Who has won is whose commit the log's key has signed: anything else says nothing of one's own.
#[test]
fn a_winner_that_nobody_signed_leaves_the_outcome_unknown() {
    block_on(async {
        let objects = Arc::new(MemoryStorage::new());
        let (founder, folder) = vault_on(objects.clone()).await;
        let case = with_a_document(&founder).await.case();
        let liar =
            Arc::new(Through(Liar { objects, lies: AtomicBool::new(false), shown: AtomicBool::new(false) }));
        let vault = open(liar.clone(), &folder, &founder.pin()).await;
        let said = || NewStatement::on("t").payload(b"said".to_vec());
        desk(&vault).make_statement(case, said()).await.unwrap();
        liar.lies.store(true, Ordering::SeqCst);
        let unknown = desk(&vault).make_statement(case, said()).await.unwrap_err();
        let ErrorKind::OutcomeUnknown(operation) = unknown.kind() else { unreachable!("{unknown}") };
        assert!(matches!(desk(&vault).outcome(operation).await.unwrap(), Outcome::Committed { .. }));
        assert_eq!(desk(&vault).statements(case, None).await.unwrap().statements.len(), 2);
    });
}

/// Listings are hints: what they leave out is found by name.
#[test]
fn a_listing_that_lags_is_no_corruption() {
    block_on(async {
        let objects = Arc::new(MemoryStorage::new());
        let (founder, folder) = vault_on(objects.clone()).await;
        let lagging =
            Arc::new(FaultyStorage::scripted(objects, (0..2000).map(|call| (call, Fault::StaleList))));
        let vault = open(lagging.clone(), &folder, &founder.pin()).await;
        with_a_document(&vault).await;
        grow(&vault, 12).await;
        assert!(lagging.fired() > 0);
        let verified = vault.audit().verify_from_genesis().await.unwrap();
        assert_eq!(verified.checked, 12);
        vault.audit().verify(&founder.pin()).await.unwrap();
        let auditor = vault.session("auditor").purpose("p").auditor().unwrap();
        assert_eq!(auditor.records(&RecordFilter::all()).await.unwrap().len(), 12);
        assert_eq!(auditor.changes_since(7).await.unwrap().records.first().unwrap().seq, 7);
    });
}

/// Tasks whose commands come back together keep whoever commits for them busy; it folds all the same, or commits would
/// copy an ever longer tail.
#[test]
fn a_leader_that_others_keep_busy_folds() {
    block_on(async {
        let objects = Arc::new(MemoryStorage::new());
        let (vault, _folder) = vault_on(objects.clone()).await;
        let desk = desk(&vault);
        let case = desk.create_case("c").await.unwrap();
        let tasks = (0..64).map(|_| async {
            for _ in 0..60 {
                desk.describe_case(case).await.unwrap();
            }
        });
        futures_util::future::join_all(tasks).await;
        let mut longest = 0;
        for name in objects.list("log/", None, usize::MAX).await.unwrap() {
            longest = longest.max(objects.read(&name, None).await.unwrap().unwrap().len());
        }
        assert!(longest < 400_000, "a commit of {longest} bytes, as long as a tail of 1,000 records");
    });
}

#[test]
fn of_two_who_make_a_vault_in_one_place_at_once_one_has_it() {
    let time = VirtualTime::default();
    time.block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (folder, latency) = (TempDir::new().unwrap(), |_| Duration::from_millis(1));
        let make = async |name| {
            let link = DelayedStorage::new(storage.clone(), time.clone(), latency);
            Vault::create(Arc::new(link), LocalKey::create(folder.path().join(name)).unwrap()).await
        };
        let (first, second) = futures_util::future::join(make("a"), make("b")).await;
        let (name, made, refused) = match (first, second) {
            (Ok(made), Err(refused)) => ("a", made, refused),
            (Err(refused), Ok(made)) => ("b", made, refused),
            (first, second) => panic!("{:?} {:?}", first.err(), second.err()),
        };
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
        desk(&made).create_case("c").await.unwrap();
        let key = LocalKey::load(folder.path().join(name)).unwrap();
        assert_eq!(Vault::open(storage.clone(), key, &made.pin()).await.unwrap().pin().size(), 2);
    });
}
