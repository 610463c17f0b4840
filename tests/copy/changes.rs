//! A vault that changes while it is copied, or between two tries.

use super::*;

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

/// What a copy to `copy` says, were that a distant place, and what comes of `other`, which is done beside it from `at` on;
/// none if it had ended by then.
async fn beside<T>(
    vault: &Vault,
    copy: &Arc<MemoryStorage>,
    (time, at): (&VirtualTime, Duration),
    other: impl Future<Output = T>,
) -> Option<(CopyReport, T)> {
    let ended = AtomicBool::new(false);
    let place = DelayedStorage::new(copy.clone(), time.clone(), |_| Duration::from_millis(1));
    let copying = async {
        let report = vault.copy_to(place).await.unwrap();
        ended.store(true, Ordering::SeqCst);
        report
    };
    let other = async {
        time.sleep(at).await;
        if ended.load(Ordering::SeqCst) {
            return None;
        }
        let done = other.await;
        assert!(!ended.load(Ordering::SeqCst), "the copy was to be under way when all was done");
        Some(done)
    };
    let (report, done) = zip(copying, other).await;
    done.map(|done| (report, done))
}

/// What a copy says whose vault changes at `at`, and whether it had copied a head by then; none if it had ended.
async fn changed_at(
    (source, gone): (&Source, CaseId),
    start: &MemoryStorage,
    time: &VirtualTime,
    (at, what): (Duration, Change),
) -> Option<(CopyReport, bool)> {
    let (storage, copy) = (Arc::new(source.storage.snapshot()), Arc::new(start.snapshot()));
    let vault = open(storage.clone(), &source.folder, &source.vault.pin()).await.unwrap();
    let desk = desk(&vault);
    let before = keys(start, "head/").await;
    let changing = async {
        let begun = keys(&*copy, "head/").await != before;
        change(&desk, source.case, gone, what).await;
        begun
    };
    let (report, begun) = beside(&vault, &copy, (time, at), changing).await?;
    assert_eq!(report.tiles_left_out, 0, "a fold supersedes partial tiles, and says the same in wider ones");
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

/// A copy beside which another process erases a case, rotates the epoch and copies to the same place: what the two have
/// made together, if the first had not ended.
async fn overtaken_at(
    (source, gone): (&Source, CaseId),
    start: &MemoryStorage,
    time: &VirtualTime,
    at: Duration,
) -> Option<u64> {
    let (storage, copy) = (Arc::new(source.storage.snapshot()), Arc::new(start.snapshot()));
    let vault = open(storage.clone(), &source.folder, &source.vault.pin()).await.unwrap();
    let other = open(storage.clone(), &source.folder, &source.vault.pin()).await.unwrap();
    let overtaking = async {
        change(&desk(&other), source.case, gone, Change::Everything).await;
        other.copy_to(copy.clone()).await.unwrap()
    };
    let (first, second) = beside(&vault, &copy, (time, at), overtaking).await?;
    assert_whole(Arc::new(copy.snapshot()), source, &second).await;
    // What the first began on an older state it leaves as the newer one has it.
    assert_eq!(first.pin, second.pin);
    let there = keys(&*copy, "").await;
    let put_back = there.iter().find(|key| key.as_str().contains(&gone.to_string()));
    assert_eq!(put_back, None, "of the erased case, at {at:?}");
    vault.copy_to(copy.clone()).await.unwrap();
    assert!(objects(&*copy).await == objects(&*storage).await, "{at:?}");
    Some(first.pin.size())
}

#[test]
fn of_two_copies_that_overlap_none_deletes_what_the_other_needs() {
    let time = VirtualTime::default();
    time.block_on(async {
        let (source, gone, earlier) = about_to_change().await;
        for start in [&earlier, &MemoryStorage::default()] {
            let mut overtaken = 0;
            for millis in 0.. {
                let at = Duration::from_millis(millis) + Duration::from_micros(100);
                let Some(size) = overtaken_at((&source, gone), start, &time, at).await else { break };
                overtaken += u64::from(size > source.vault.pin().size());
            }
            assert!(overtaken > 40, "{overtaken} were overtaken");
        }
    });
}

/// A storage that keeps from one process what has come since: the copy that it is asked for is behind.
#[test]
fn a_copy_that_is_ahead_of_what_is_shown_stays() {
    block_on(async {
        let (source, gone, earlier) = about_to_change().await;
        let evil = Arc::new(EvilStorage::over(source.storage.clone()));
        let lied_to = open(evil.clone(), &source.folder, &source.vault.pin()).await.unwrap();
        let known = keys(&*source.storage, "log/").await;
        change(&desk(&source.vault), source.case, gone, Change::Everything).await;
        let copy = Arc::new(earlier);
        let report = source.vault.copy_to(copy.clone()).await.unwrap();
        let before = objects(&*copy).await;
        let mut new = keys(&*source.storage, "log/").await;
        new.retain(|key| !known.contains(key));
        // The oldest is the only one that whoever follows the log asks for by its name.
        evil.hide(new.last().unwrap());
        new.iter().for_each(|key| evil.unlist(key));
        let told = lied_to.copy_to(copy.clone()).await.unwrap_err();
        assert_eq!(told.kind(), ErrorKind::Contended, "{told}");
        assert!(objects(&*copy).await == before);
        assert_whole(copy, &source, &report).await;
    });
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
