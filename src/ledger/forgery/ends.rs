//! Ends of the log that others go on from while they are looked at.

use core::sync::atomic::{AtomicUsize, Ordering};

use super::{
    folded::{rotated, stored, told},
    lying::Lying,
    *,
};
use crate::{
    error::Error,
    pin::Pin,
    storage::{StorageError, StorageErrorKind, layout},
};

/// A folded log, a pin from before its change of keys, and as many commits that can follow it, one after the other.
async fn folded(more: u8) -> (Forger, Pin, Arc<MemoryStorage>, Vec<(ObjectKey, Bytes)>) {
    let (log, early) = rotated();
    let (storage, name) = stored(&log, None, None, &key(2)).await;
    let bytes = storage.read(&name, None).await.expect("memory").expect("it is there");
    let records = Commit::parse(VAULT, &bytes).expect("sealed").leaves;
    let mut state = told(&log, None);
    let after = state.frontier.followed_by(records.iter().map(|record| record.hash));
    state.append(records, after);
    let mut next = Forger { state, objects: Vec::new() };
    next.grow(more, &key(2));
    (log, early, storage, next.objects)
}

/// What comes of opening a log whose objects under a prefix are not there before they were read so often, while somebody
/// commits at each of these reads; and how often they were read.
async fn opened_beside_a_writer(
    lost: &'static str,
    times: usize,
    forget: Option<usize>,
) -> (Result<u64, Error>, usize) {
    let (log, early, storage, next) = folded(200).await;
    if let Some(forgotten) = forget {
        let (name, _) = log.objects.get(forgotten).expect("added");
        storage.delete(name).await.expect("memory");
    }
    let read = Arc::new(AtomicUsize::new(0));
    let counted = read.clone();
    let shown = Lying::about(storage).reading(move |objects, name| {
        let nth = name.as_str().starts_with(lost).then(|| counted.fetch_add(1, Ordering::SeqCst))?;
        if let Some((name, bytes)) = next.get(nth) {
            block_on(objects.create(name, bytes.clone())).expect("memory");
        }
        (nth < times).then_some(Ok(None))
    });
    let opened = load(&Trusted::from(&early), &Pages::new(Arc::new(shown))).await;
    (opened.map(|state| state.expect("a log").head.size), read.load(Ordering::SeqCst))
}

#[test]
fn an_end_that_others_leave_behind_again_and_again_is_held_on_to() {
    block_on(async {
        let (opened, reads) = opened_beside_a_writer(layout::TILES, usize::MAX, None).await;
        assert!(opened.is_ok_and(|size| size < 300) && reads < 40, "by every commit, after {reads} reads");
        // Where a commit is gone, too, no later end tells better.
        let (opened, reads) = opened_beside_a_writer(layout::TILES, usize::MAX, Some(100)).await;
        assert_eq!(opened.map_err(|error| error.kind()), Err(ErrorKind::Corrupt));
        assert!(reads < 40, "{reads} reads");
    });
}

/// An end whose index is gone tells nothing, and the next one may: for a while.
#[test]
fn an_index_that_others_supersede_again_and_again_is_looked_for_anew() {
    block_on(async {
        let (opened, _) = opened_beside_a_writer(layout::INDEX, 5, None).await;
        assert!(opened.is_ok(), "{opened:?}");
        let (opened, reads) = opened_beside_a_writer(layout::INDEX, usize::MAX, None).await;
        assert_eq!(opened.map_err(|error| error.kind()), Err(ErrorKind::Corrupt));
        assert!(reads < 80, "{reads} reads, and commits were left");
    });
}

/// What the storage fails at is told: it is no lost tile, for which every commit is walked.
#[test]
fn a_tile_that_cannot_be_read_is_no_lost_tile() {
    for (fails, outcome) in [(false, None), (true, Some(ErrorKind::Storage))] {
        let opened = block_on(async {
            let (_, early, storage, _) = folded(0).await;
            let read = AtomicUsize::new(0);
            let shown = Lying::about(storage).reading(move |_, name| {
                let nth =
                    name.as_str().starts_with("tile/00/").then(|| read.fetch_add(1, Ordering::SeqCst))?;
                let failure = StorageError::new(StorageErrorKind::Unavailable, "no");
                Some(if fails && nth > 0 { Err(failure) } else { Ok(None) })
            });
            load(&Trusted::from(&early), &Pages::new(Arc::new(shown))).await
        });
        assert_eq!(opened.map(drop).map_err(|error| error.kind()).err(), outcome);
    }
}

/// By who has had all the keys, and states the later ones first.
#[test]
fn keys_change_in_the_order_of_their_records() {
    for (epochs, refused) in [([1, 2], None), ([2, 1], Some(ErrorKind::Corrupt))] {
        let mut log = Forger::new();
        let early = log.trusted();
        for epoch in epochs {
            log.state.log_key.epoch = u32::from(epoch);
            log.add(Kind::SigningKeys, epoch, &key(epoch));
        }
        log.state.log_key.epoch = 3;
        log.add(Kind::Read, 5, &key(3));
        let opened = block_on(async { load(&early, &Pages::new(log.stored().await)).await });
        let found = opened.map(|state| state.expect("a log").log_key.epoch);
        assert_eq!(found.map_err(|error| error.kind()).err(), refused, "{epochs:?}");
    }
}
