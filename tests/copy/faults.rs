//! A copy that dies, or whose destination fails, at any of its calls.

use super::*;

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
            assert_eq!(keys(&*found, "").await, keys(&*source.storage, "").await, "{at}, {in_flight:?}");
            assert_whole(found, source, &report).await;
        }
        crashes += 1;
    }
    assert!(crashes > 30, "{crashes}");
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

/// The newest commit and the one that holds its tail land first, whatever is missing below them: here nothing is.
#[test]
fn an_erasure_that_lands_first_is_carried_out_wherever_a_copy_dies() {
    block_on(async {
        let source = source().await;
        let desk = desk(&source.vault);
        let gone = desk.create_case("gone").await.unwrap();
        desk.store(gone, NewDocument::named("x"), b"gone".to_vec()).await.unwrap();
        desk.close_case(gone, "done").await.unwrap();
        // A commit with a record whose number is a multiple of 16 is such a one.
        while !source.vault.pin().size().is_multiple_of(16) {
            desk.describe_case(source.case).await.unwrap();
        }
        let copy = Arc::new(MemoryStorage::default());
        let first = source.vault.copy_to(copy.clone()).await.unwrap();
        desk.erase_case(gone).await.unwrap();
        desk.describe_case(source.case).await.unwrap();
        dies_anywhere(&source, Some(&first), &copy).await;
    });
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
    let mut found = objects(&*place).await;
    found.retain(|key, _| whole.contains_key(key) || !key.as_str().starts_with("probe/"));
    let (there, wanted): (Vec<_>, Vec<_>) = (found.keys().collect(), whole.keys().collect());
    assert_eq!(there, wanted, "{fault:?} at {at}");
    assert!(found == *whole, "{fault:?} at {at}");
    faulty.calls()
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
