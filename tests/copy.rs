//! Copying a vault: what the copy holds at every instant, what it takes over, what it refuses.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use core::time::Duration;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use common::{block_on, identity, vault_on};
use docvault::{
    CaseId, CheckDepth, CopyReport, DocumentId, ErrorKind, NewDocument, NoSleep, Pin, Recipient, Session,
    Sleeper, Terms, Vault, VaultOptions,
    keys::LocalKey,
    storage::{
        MemoryStorage, ObjectKey, Storage,
        testing::{
            CrashStorage, DelayedStorage, EvilStorage, Fault, FaultyStorage, InFlight, OverwritingStorage,
            Verb, VirtualTime,
        },
    },
};
use futures_lite::future::zip;
use futures_util::future::try_join_all;
use tempfile::TempDir;

async fn keys(storage: &dyn Storage, prefix: &str) -> Vec<ObjectKey> {
    storage.list(prefix, None, 100_000).await.unwrap()
}

fn opened(folder: &TempDir) -> LocalKey {
    LocalKey::load(folder.path().join("key")).unwrap()
}

async fn open(storage: Arc<dyn Storage>, folder: &TempDir, pin: &Pin) -> Result<Vault, docvault::Error> {
    let options = VaultOptions::default().sleeper(NoSleep::default());
    Vault::open_with(storage, Arc::new(opened(folder)), pin, options).await
}

fn desk(vault: &Vault) -> Session {
    vault.session("actor").purpose("purpose").begin().unwrap()
}

async fn grow(desk: &Session, case: CaseId, size: u64) {
    while desk.vault().pin().size() < size {
        desk.describe_case(case).await.unwrap();
    }
}

/// The same in few commits.
async fn grow_at_once(desk: &Session, case: CaseId, size: u64) {
    while desk.vault().pin().size() < size {
        let missing = (size - desk.vault().pin().size()).min(200);
        try_join_all((0..missing).map(|_| desk.describe_case(case))).await.unwrap();
    }
}

/// A source with everything in it, and what its documents hold.
struct Source {
    storage: Arc<MemoryStorage>,
    vault: Vault,
    folder: TempDir,
    case: CaseId,
    contents: Vec<(DocumentId, Vec<u8>)>,
}

async fn source() -> Source {
    let storage = Arc::new(MemoryStorage::default());
    let (vault, folder) = vault_on(storage.clone()).await;
    let desk = desk(&vault);
    let case = desk.create_case("title").await.unwrap();
    let mut contents = Vec::new();
    for content in [b"small".to_vec(), vec![3; 300 << 10]] {
        let stored = desk.store(case, NewDocument::named("n"), content.clone()).await.unwrap();
        contents.push((stored.document, content));
    }
    let (notary, _file) = identity();
    let notary = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
    desk.grant(case, &notary, Terms::read().purpose("p")).await.unwrap();
    Source { storage, vault, folder, case, contents }
}

/// Everything is there, authentic and readable.
async fn assert_whole(copy: Arc<MemoryStorage>, source: &Source, report: &CopyReport) {
    let vault = open(copy, &source.folder, &report.pin).await.unwrap();
    assert_eq!(vault.pin(), report.pin);
    let checked = vault.check(CheckDepth::Content).await.unwrap().run(&mut |_| {}).await.unwrap();
    let left_out = |key: &ObjectKey| report.tiles_left_out > 0 && key.as_str().starts_with("tile/");
    assert!(checked.is_sound() || report.tiles_left_out > 0, "{checked:?}");
    assert!(checked.findings.iter().all(|finding| left_out(&finding.object)), "{checked:?}");
    for (document, content) in &source.contents {
        assert_eq!(desk(&vault).retrieve(*document).await.unwrap(), *content);
    }
}

#[test]
fn a_copy_is_the_vault_and_a_second_one_takes_what_is_new() {
    block_on(async {
        let mut source = source().await;
        let desk = desk(&source.vault);
        let note = source.vault.audit().checkpoint().await.unwrap();
        desk.keep_checkpoint(&note, &[]).await.unwrap();
        grow(&desk, source.case, 600).await;
        let copy = Arc::new(MemoryStorage::default());
        let first = source.vault.copy_to(copy.clone()).await.unwrap();
        assert_eq!((first.from, first.pin.clone()), (0, source.vault.pin()));
        assert_eq!((first.records, first.heads, first.parts, first.keys), (first.pin.size(), 4, 1, 1));
        assert_eq!((first.tiles_left_out, first.erased_cases, first.deleted), (0, 0, 0));
        assert_whole(Arc::new(copy.snapshot()), &source, &first).await;

        let nothing = source.vault.copy_to(copy.clone()).await.unwrap();
        assert_eq!((nothing.from, nothing.records, nothing.heads), (first.pin.size(), 0, 0));

        let stored = desk.store(source.case, NewDocument::named("new"), b"new".to_vec()).await.unwrap();
        source.contents.push((stored.document, b"new".to_vec()));
        desk.rotate_signing_keys().await.unwrap();
        desk.rotate_epoch().await.unwrap();
        grow(&desk, source.case, 1200).await;
        desk.collect_garbage().await.unwrap();
        let second = source.vault.copy_to(copy.clone()).await.unwrap();
        assert_eq!((second.from, second.heads, second.present), (first.pin.size(), 1, 0));
        assert_eq!(second.records, second.pin.size() - first.pin.size());
        assert_whole(Arc::new(copy.snapshot()), &source, &second).await;
        // An older pin opens it, too, and what both have is the same.
        open(copy.clone(), &source.folder, &first.pin).await.unwrap();
        for key in keys(&*copy, "").await {
            let (there, here) =
                (copy.read(&key, None).await.unwrap(), source.storage.read(&key, None).await.unwrap());
            assert_eq!(there, here, "{key}");
        }
        assert_eq!(keys(&*copy, "").await, keys(&*source.storage, "").await);

        // The newest commit that the copy has is of a later signing epoch now.
        let stored = desk.store(source.case, NewDocument::named("newer"), b"newer".to_vec()).await.unwrap();
        source.contents.push((stored.document, b"newer".to_vec()));
        desk.rotate_signing_keys().await.unwrap();
        let third = source.vault.copy_to(copy.clone()).await.unwrap();
        assert_eq!((third.from, third.heads), (second.pin.size(), 1));
        assert_eq!(third.pin.signing_epoch(), 3);
        assert_whole(copy, &source, &third).await;
    });
}

#[test]
fn an_index_of_several_pages_is_copied() {
    block_on(async {
        let source = source().await;
        let desk = desk(&source.vault);
        for _ in 0..300 {
            desk.store(source.case, NewDocument::named("n"), b"x".to_vec()).await.unwrap();
        }
        let size = source.vault.pin().size();
        grow(&desk, source.case, size.next_multiple_of(512) + 600).await;
        let copy = Arc::new(MemoryStorage::default());
        let report = source.vault.copy_to(copy.clone()).await.unwrap();
        let pages = keys(&*copy, "index/").await.len();
        assert!(pages > 4, "{pages} pages: an inner one, and rows of several");
        assert_whole(copy, &source, &report).await;
    });
}

#[test]
fn a35_an_erasure_is_carried() {
    block_on(async {
        let mut source = source().await;
        let desk = desk(&source.vault);
        let gone = desk.create_case("gone").await.unwrap();
        let stored = desk.store(gone, NewDocument::named("x"), vec![9; 300 << 10]).await.unwrap();
        let copy = Arc::new(MemoryStorage::default());
        source.vault.copy_to(copy.clone()).await.unwrap();
        let of_gone = |key: &ObjectKey| key.as_str().contains(&gone.to_string());
        assert_eq!(keys(&*copy, "").await.iter().filter(|key| of_gone(key)).count(), 4);
        desk.close_case(gone, "done").await.unwrap();
        desk.erase_case(gone).await.unwrap();
        let second = source.vault.copy_to(copy.clone()).await.unwrap();
        assert_eq!((second.erased_cases, second.deleted), (1, 4));
        assert_eq!(keys(&*copy, "").await.iter().filter(|key| of_gone(key)).count(), 0);
        let opened = open(copy.clone(), &source.folder, &second.pin).await.unwrap();
        let error = self::desk(&opened).retrieve(stored.document).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Erased);
        let fresh = Arc::new(MemoryStorage::default());
        let whole = source.vault.copy_to(fresh.clone()).await.unwrap();
        source.contents.truncate(2);
        assert_whole(fresh, &source, &whole).await;
    });
}

/// A copy that dies at each of its calls: what is there opens, by the head before or the new one, and the next
/// copy finishes it.
async fn dies_anywhere(source: &Source, before: Option<&CopyReport>, start: &MemoryStorage) {
    let mut crashes = 0;
    for at in 0.. {
        let crashing = Arc::new(CrashStorage::new(start, at));
        let done = source.vault.copy_to(crashing.clone()).await;
        if !crashing.crashed() {
            done.unwrap();
            break;
        }
        assert!(done.is_err() || at > 0);
        for in_flight in InFlight::BOTH {
            let found = Arc::new(crashing.recover(in_flight).await.unwrap());
            if let Some(before) = before {
                let opened = open(found.clone(), &source.folder, &before.pin).await.unwrap();
                let (known, new) = (opened.pin().size(), source.vault.pin().size());
                // In between stands the commit that holds the new head's tail, at most 16 records before it.
                assert!(known == before.pin.size() || (new - 16..=new).contains(&known), "{at}: {known}");
                let (document, content) = &source.contents[0];
                assert_eq!(
                    desk(&open(Arc::new(found.snapshot()), &source.folder, &before.pin).await.unwrap())
                        .retrieve(*document)
                        .await
                        .unwrap(),
                    *content
                );
            }
            let report = source.vault.copy_to(found.clone()).await.unwrap();
            for probe in keys(&*found, "probe/").await {
                found.delete(&probe).await.unwrap();
            }
            assert_whole(found, source, &report).await;
        }
        crashes += 1;
    }
    assert!(crashes > 40, "{crashes}");
}

#[test]
fn a_first_copy_dies_anywhere_and_goes_on() {
    block_on(async {
        let source = source().await;
        dies_anywhere(&source, None, &MemoryStorage::default()).await;
    });
}

#[test]
fn a_later_copy_dies_anywhere_and_opens_throughout() {
    block_on(async {
        let mut source = source().await;
        let desk = desk(&source.vault);
        let gone = desk.create_case("gone").await.unwrap();
        desk.store(gone, NewDocument::named("x"), b"gone".to_vec()).await.unwrap();
        let copy = Arc::new(MemoryStorage::default());
        let first = source.vault.copy_to(copy.clone()).await.unwrap();
        let stored = desk.store(source.case, NewDocument::named("new"), vec![4; 300 << 10]).await.unwrap();
        source.contents.push((stored.document, vec![4; 300 << 10]));
        desk.close_case(gone, "done").await.unwrap();
        desk.erase_case(gone).await.unwrap();
        desk.rotate_epoch().await.unwrap();
        grow(&desk, source.case, 300).await;
        for _ in 0..20 {
            desk.describe_case(source.case).await.unwrap();
        }
        desk.collect_garbage().await.unwrap();
        dies_anywhere(&source, Some(&first), &copy).await;
    });
}

async fn objects(storage: &dyn Storage) -> BTreeMap<ObjectKey, Bytes> {
    let mut found = BTreeMap::new();
    for key in keys(storage, "").await {
        let bytes = storage.read(&key, None).await.unwrap().unwrap();
        found.insert(key, bytes);
    }
    found
}

/// The calls by which a copy proves its destination: those before the first listing, which is of its log.
async fn calls_of_the_proof(source: &Source) -> usize {
    let (calls, proof) = (Arc::new(AtomicUsize::new(0)), Arc::new(OnceLock::new()));
    let (told, until) = (proof.clone(), calls.clone());
    let count = move |verb| {
        let number = until.fetch_add(1, Ordering::SeqCst);
        if verb == Verb::List {
            told.get_or_init(|| number);
        }
        Duration::ZERO
    };
    let place = DelayedStorage::new(Arc::new(MemoryStorage::default()), VirtualTime::default(), count);
    source.vault.copy_to(place).await.unwrap();
    *proof.get().unwrap()
}

/// A copy to `start`, one of whose calls meets a fault: what it says is done is, and what it does not say the next
/// one does. Gives how many calls there were.
async fn meets(
    source: &Source,
    start: &MemoryStorage,
    whole: &BTreeMap<ObjectKey, Bytes>,
    (at, fault): (usize, Fault),
) -> usize {
    let place = Arc::new(start.snapshot());
    let faulty = Arc::new(FaultyStorage::script(place.clone(), at, fault));
    let done = source.vault.copy_to(faulty.clone()).await;
    if let Err(error) = &done {
        assert_eq!(error.kind(), ErrorKind::Storage, "{fault:?} at {at}: {error}");
        assert_eq!(faulty.fired(), 1, "{fault:?} at {at}: {error}");
        source.vault.copy_to(place.clone()).await.unwrap();
    }
    faulty.land().await.unwrap();
    let before = keys(start, "").await;
    // A copy that finds every record there leaves what is superseded to the next one that does not.
    let stays = |key: &ObjectKey| done.is_err() && before.contains(key) && is_derived(key);
    let mut found = objects(&*place).await;
    found.retain(|key, _| whole.contains_key(key) || !key.as_str().starts_with("probe/") && !stays(key));
    let (there, wanted): (Vec<_>, Vec<_>) = (found.keys().collect(), whole.keys().collect());
    assert_eq!(there, wanted, "{fault:?} at {at}");
    assert!(found == *whole, "{fault:?} at {at}");
    faulty.calls()
}

fn is_derived(key: &ObjectKey) -> bool {
    ["index/", "tile/"].iter().any(|prefix| key.as_str().starts_with(prefix))
}

/// Every fault at every call of a copy to `start`. The proof, which has tests of its own, meets some of them.
async fn meets_every_fault(source: &Source, start: &MemoryStorage) {
    let copy = Arc::new(start.snapshot());
    let report = source.vault.copy_to(copy.clone()).await.unwrap();
    let whole = objects(&*copy).await;
    assert_whole(copy, source, &report).await;
    let proof = calls_of_the_proof(source).await;
    for fault in Fault::ALLOWED {
        let mut at = 0;
        while at < meets(source, start, &whole, (at, fault)).await {
            at = if at < proof { proof.min(at + 4) } else { at + 1 };
        }
        assert!(at > proof + 20 && at > 60, "{fault:?}: {at} calls, {proof} of them the proof's");
    }
}

#[test]
fn every_fault_of_the_destination_is_an_error_or_nothing() {
    block_on(async {
        let source = source().await;
        meets_every_fault(&source, &MemoryStorage::default()).await;
    });
}

#[test]
fn every_fault_of_a_later_copy_is_an_error_or_nothing() {
    block_on(async {
        let source = source().await;
        let desk = desk(&source.vault);
        let gone = desk.create_case("gone").await.unwrap();
        desk.store(gone, NewDocument::named("x"), b"gone".to_vec()).await.unwrap();
        grow_at_once(&desk, source.case, 600).await;
        let start = Arc::new(MemoryStorage::default());
        source.vault.copy_to(start.clone()).await.unwrap();
        desk.close_case(gone, "done").await.unwrap();
        desk.erase_case(gone).await.unwrap();
        desk.rotate_epoch().await.unwrap();
        grow_at_once(&desk, source.case, 900).await;
        desk.collect_garbage().await.unwrap();
        meets_every_fault(&source, &start).await;
    });
}

/// A vault with a case that may be erased, a few records before its index is written anew; what it was before that
/// case is copied.
async fn about_to_change() -> (Source, CaseId, MemoryStorage) {
    let (source, earlier) = (source().await, Arc::new(MemoryStorage::default()));
    source.vault.copy_to(earlier.clone()).await.unwrap();
    let desk = desk(&source.vault);
    let gone = desk.create_case("gone").await.unwrap();
    // More than are copied at once, so that some are there before others are begun.
    let store = |i: u8| desk.store(gone, NewDocument::named("x"), vec![i]);
    try_join_all((0..8).map(store)).await.unwrap();
    desk.close_case(gone, "done").await.unwrap();
    grow_at_once(&desk, source.case, 3 * 256 - 8).await;
    desk.collect_garbage().await.unwrap();
    (source, gone, earlier.snapshot())
}

/// What is written while a copy is made.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    /// The case's erasure alone, which nothing else gives away.
    Erasure,
    /// That, a rotation, and as many documents as make a new index, for which the old one goes.
    Everything,
}

async fn change(desk: &Session, case: CaseId, gone: CaseId, change: Change) {
    desk.erase_case(gone).await.unwrap();
    if change == Change::Erasure {
        return;
    }
    desk.rotate_epoch().await.unwrap();
    let store = |i: u8| desk.store(case, NewDocument::named("n"), vec![i]);
    try_join_all((0..10).map(store)).await.unwrap();
    desk.collect_garbage().await.unwrap();
}

/// What a copy to a distant place says whose vault changes at `at`, and whether it had copied a head by then; none if
/// it had ended.
async fn changed_at(
    (source, gone): (&Source, CaseId),
    start: &MemoryStorage,
    time: &VirtualTime,
    (at, what): (Duration, Change),
) -> Option<(CopyReport, bool)> {
    let (storage, copy) = (Arc::new(source.storage.snapshot()), Arc::new(start.snapshot()));
    let vault = open(storage.clone(), &source.folder, &source.vault.pin()).await.unwrap();
    let (desk, ended) = (desk(&vault), AtomicBool::new(false));
    let place = DelayedStorage::new(copy.clone(), time.clone(), |_| Duration::from_millis(1));
    let before = keys(start, "head/").await;
    let copying = async {
        let report = vault.copy_to(place).await.unwrap();
        ended.store(true, Ordering::SeqCst);
        report
    };
    let changing = async {
        time.sleep(at).await;
        if ended.load(Ordering::SeqCst) {
            return None;
        }
        let begun = keys(&*copy, "head/").await != before;
        change(&desk, source.case, gone, what).await;
        assert!(!ended.load(Ordering::SeqCst), "the copy was to be under way when all was written");
        Some(begun)
    };
    let (report, begun) = zip(copying, changing).await;
    let begun = begun?;
    assert_whole(Arc::new(copy.snapshot()), source, &report).await;
    let last = vault.copy_to(copy.clone()).await.unwrap();
    assert_eq!(last.pin, vault.pin());
    assert_eq!(keys(&*copy, "").await, keys(&*storage, "").await);
    assert!(objects(&*copy).await == objects(&*storage).await);
    Some((report, begun))
}

/// A copy to `start` whose vault changes at each instant of it.
async fn changes_anywhere(
    (source, gone): (&Source, CaseId),
    start: &MemoryStorage,
    time: &VirtualTime,
    what: Change,
) {
    let size = source.vault.pin().size();
    let (mut anew, mut as_it_was) = (0, 0);
    // Calls begin, take effect and are answered at multiples of half a millisecond; the change is in between.
    for millis in 0.. {
        let at = Duration::from_millis(millis) + Duration::from_micros(100);
        let Some((report, begun)) = changed_at((source, gone), start, time, (at, what)).await else { break };
        assert!(report.pin.size() >= size);
        anew += u64::from(begun && report.pin.size() > size);
        as_it_was += u64::from(report.pin.size() == size);
    }
    assert!(anew > 2 && as_it_was > 2, "{what:?}: {anew} were begun anew, {as_it_was} went on");
}

#[test]
fn a_vault_may_be_written_to_while_it_is_copied() {
    let time = VirtualTime::default();
    time.block_on(async {
        let (source, gone, earlier) = about_to_change().await;
        for what in [Change::Erasure, Change::Everything] {
            changes_anywhere((&source, gone), &earlier, &time, what).await;
        }
    });
}

#[test]
fn a_vault_may_be_written_to_while_it_is_copied_for_the_first_time() {
    let time = VirtualTime::default();
    time.block_on(async {
        let (source, gone, _) = about_to_change().await;
        for what in [Change::Erasure, Change::Everything] {
            changes_anywhere((&source, gone), &MemoryStorage::default(), &time, what).await;
        }
    });
}

/// What the interrupted copy has stored is wrapped for an epoch that is gone when the next one comes.
#[test]
fn a_first_copy_may_be_interrupted_before_a_rotation() {
    block_on(async {
        let source = source().await;
        let mut begun = Vec::new();
        for at in 0.. {
            let crashing = Arc::new(CrashStorage::new(&MemoryStorage::default(), at));
            drop(source.vault.copy_to(crashing.clone()).await);
            if !crashing.crashed() {
                break;
            }
            let found = crashing.recover(InFlight::Landed).await.unwrap();
            for probe in keys(&found, "probe/").await {
                found.delete(&probe).await.unwrap();
            }
            begun.extend((!keys(&found, "").await.is_empty()).then_some(found));
        }
        assert!(begun.len() > 10, "{}", begun.len());
        desk(&source.vault).rotate_epoch().await.unwrap();
        for copy in begun.into_iter().map(Arc::new) {
            let report = source.vault.copy_to(copy.clone()).await.unwrap();
            assert_eq!(keys(&*copy, "").await, keys(&*source.storage, "").await);
            assert_whole(copy, &source, &report).await;
        }
    });
}

/// Flips a bit of each object of the source, one at a time, after it was opened: what it knows by then is true. None
/// is copied. Gives the first segments of their names.
async fn is_not_copied(source: &Source, start: &MemoryStorage, names: &[ObjectKey]) -> BTreeSet<String> {
    let mut prefixes = BTreeSet::new();
    for key in names {
        let evil = Arc::new(EvilStorage::new(&source.storage));
        let vault = open(evil.clone(), &source.folder, &source.vault.pin()).await.unwrap();
        let mut bytes = evil.read(key, None).await.unwrap().unwrap().to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        evil.substitute(key, bytes.clone().into());
        let copy = Arc::new(start.snapshot());
        match vault.copy_to(copy.clone()).await {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{key}: {error}");
                // That a case has no key is told of the case.
                let named = key.as_str().strip_prefix("key/").and_then(|name| name.split('/').next());
                assert!(error.to_string().contains(named.unwrap_or(key.as_str())), "{key}: {error}");
            }
            Ok(report) => {
                assert!(key.as_str().starts_with("tile/"), "{key}");
                assert!(report.tiles_left_out > 0, "{key}");
            }
        }
        let copied = copy.read(key, None).await.unwrap();
        assert_ne!(copied, Some(Bytes::from(bytes)), "{key}");
        prefixes.extend(key.as_str().split('/').next().map(str::to_owned));
    }
    prefixes
}

#[test]
fn what_is_false_in_the_source_is_not_copied() {
    block_on(async {
        let source = source().await;
        let desk = desk(&source.vault);
        let note = source.vault.audit().checkpoint().await.unwrap();
        desk.keep_checkpoint(&note, &[]).await.unwrap();
        grow(&desk, source.case, 600).await;
        desk.collect_garbage().await.unwrap();
        let mut names = keys(&*source.storage, "").await;
        let mut commits = 0;
        names.retain(|key| {
            commits += u64::from(key.as_str().starts_with("log/"));
            !key.as_str().starts_with("log/") || commits % 8 == 0
        });
        let prefixes = is_not_copied(&source, &MemoryStorage::default(), &names).await;
        let all = ["checkpoint", "head", "index", "key", "keyring", "log", "part", "tile"];
        assert_eq!(prefixes, all.map(str::to_owned).into());
    });
}

/// Heads that an earlier copy has stored are not opened again, so nothing but the wrap itself tells that it is false.
#[test]
fn a_false_wrap_of_a_new_epoch_is_not_copied() {
    block_on(async {
        let source = source().await;
        let copy = Arc::new(MemoryStorage::default());
        source.vault.copy_to(copy.clone()).await.unwrap();
        desk(&source.vault).rotate_epoch().await.unwrap();
        let names = keys(&*source.storage, "key/").await;
        assert_eq!(is_not_copied(&source, &copy, &names).await, ["key".to_owned()].into());
    });
}

/// Lookups meet only some of many pages: that the others are true is for the copy alone to see.
#[test]
fn a_false_page_of_many_is_not_copied() {
    block_on(async {
        let source = source().await;
        let desk = desk(&source.vault);
        let store = |_| desk.store(source.case, NewDocument::named("n"), b"x".to_vec());
        try_join_all((0..300).map(store)).await.unwrap();
        let size = source.vault.pin().size();
        grow_at_once(&desk, source.case, size.next_multiple_of(512) + 600).await;
        desk.collect_garbage().await.unwrap();
        let names = keys(&*source.storage, "index/").await;
        assert!(names.len() > 4, "{} pages: an inner one, and rows of several", names.len());
        is_not_copied(&source, &MemoryStorage::default(), &names).await;
    });
}

#[test]
fn other_vaults_forks_and_unfit_backends_are_refused() {
    block_on(async {
        let source = source().await;
        let other = Arc::new(MemoryStorage::default());
        let (_other, _folder) = vault_on(other.clone()).await;
        let before = keys(&*other, "").await;
        let refused = source.vault.copy_to(other.clone()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert_eq!(keys(&*other, "").await, before);

        let copy = Arc::new(MemoryStorage::default());
        let report = source.vault.copy_to(copy.clone()).await.unwrap();
        let both = open(copy.clone(), &source.folder, &report.pin).await.unwrap();
        desk(&both).create_case("here").await.unwrap();
        let ahead = source.vault.copy_to(copy.clone()).await.unwrap_err();
        assert_eq!(ahead.kind(), ErrorKind::Forked);
        desk(&source.vault).create_case("and there").await.unwrap();
        let forked = source.vault.copy_to(copy.clone()).await.unwrap_err();
        assert_eq!(forked.kind(), ErrorKind::Forked);
        let pin = source.vault.pin();
        assert_eq!(open(copy, &source.folder, &pin).await.unwrap_err().kind(), ErrorKind::Forked);

        let unfit = OverwritingStorage::default();
        let unfit = source.vault.copy_to(unfit).await.unwrap_err();
        assert_eq!(unfit.kind(), ErrorKind::Unsupported);
    });
}

#[test]
fn something_else_in_the_destination_is_an_error_and_stays() {
    block_on(async {
        let source = source().await;
        let part = keys(&*source.storage, "part/").await.remove(0);
        let copy = Arc::new(MemoryStorage::default());
        copy.create(&part, Bytes::from_static(b"else")).await.unwrap();
        let error = source.vault.copy_to(copy.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(
            error.to_string().contains("destination") && error.to_string().contains(part.as_str()),
            "{error}"
        );
        assert_eq!(copy.read(&part, None).await.unwrap().unwrap(), b"else".as_slice());
        assert!(keys(&*copy, "log/").await.is_empty());
    });
}
