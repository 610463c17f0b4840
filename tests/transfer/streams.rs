//! Content that is read as a stream: how far ahead, how much at once, and after failures.

use std::{
    ops::Range,
    sync::{Arc, atomic::Ordering::SeqCst},
};

use docvault::{ErrorKind, NewDocument};
use futures_lite::future::block_on;

use crate::{PART, desk, message, ready_at_once, stored, streamed};

#[test]
fn a_stream_reads_six_parts_ahead_and_no_more() {
    block_on(async {
        let (storage, desk, case) = desk().await;
        let stored = desk.store(case, NewDocument::named("x"), message(9 * PART)).await.unwrap();
        let mut reader = desk.reader(stored.document).await.unwrap();
        for reads in [7, 8, 9, 9, 9, 9, 9, 9, 9] {
            assert!(reader.next().await.unwrap().is_some());
            assert_eq!(storage.reads.load(SeqCst), reads);
        }
        assert!(reader.next().await.unwrap().is_none());
    });
}

#[test]
fn a_stream_has_four_reads_under_way_and_no_more() {
    block_on(async {
        let (storage, desk, document, content) = stored(9 * PART).await;
        storage.slow.store(true, SeqCst);
        assert!(streamed(&desk, document).await == content);
        assert_eq!(storage.most.load(SeqCst), 4);
        assert!(desk.retrieve(document).await.unwrap() == content);
        assert_eq!((storage.most.load(SeqCst), storage.reads.load(SeqCst)), (4, 18));
    });
}

/// No thread of the pool is free to open the first part.
#[test]
#[cfg(feature = "parallel")]
fn parts_are_read_while_one_is_opened_and_a_call_given_up_loses_none() {
    let (storage, desk, document, content) = block_on(stored(9 * PART));
    let mut reader = block_on(desk.reader(document)).unwrap();
    storage.slow.store(true, SeqCst);
    let gate = Arc::new(std::sync::Mutex::new(()));
    let shut = gate.lock().unwrap();
    for _ in 0..rayon::current_num_threads() {
        let gate = Arc::clone(&gate);
        rayon::spawn(move || drop(gate.lock()));
    }
    for _ in 0..4 {
        assert!(ready_at_once(reader.next()).is_none());
    }
    assert_eq!(storage.finished.load(SeqCst), 7);
    drop(shut);
    let mut out = Vec::new();
    while let Some(part) = block_on(reader.next()).unwrap() {
        out.extend_from_slice(&part);
    }
    assert!(out == content);
}

#[test]
#[cfg(feature = "parallel")]
fn the_only_thread_of_a_pool_may_read() {
    let (_, desk, document, content) = block_on(stored(PART + 1));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert!(pool.install(|| block_on(streamed(&desk, document))) == content);
    assert!(pool.install(|| block_on(desk.retrieve(document))).unwrap() == content);
}

#[test]
fn a_stream_goes_on_after_the_storage_failed() {
    block_on(async {
        let (storage, desk, document, content) = stored(7 * PART + 1).await;
        let mut reader = desk.reader(document).await.unwrap();
        let mut out = reader.next().await.unwrap().unwrap().to_vec();
        storage.refuse.store(true, SeqCst);
        let mut failures = 0;
        loop {
            match reader.next().await {
                Ok(Some(part)) => out.extend_from_slice(&part),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Storage);
                    failures += 1;
                    storage.refuse.store(failures < 2, SeqCst);
                }
            }
        }
        assert_eq!(failures, 2);
        assert!(out == content);
    });
}

#[test]
fn memory_comes_back_only_once_the_part_is_dropped() {
    block_on(async {
        let (_, desk, document, content) = stored(6 * PART).await;
        let mut held = Vec::new();
        let mut reader = desk.reader(document).await.unwrap();
        while let Some(part) = reader.next().await.unwrap() {
            held.push(part);
        }
        assert!(held.concat() == content, "what is held is never overwritten");
        let mut reader = desk.reader(document).await.unwrap();
        let mut places = std::collections::BTreeSet::new();
        while let Some(part) = reader.next().await.unwrap() {
            places.insert(part.as_ptr().addr());
        }
        assert_eq!(places.len(), 1, "what is dropped serves again");
    });
}

#[test]
fn a_range_takes_one_round_trip_and_later_ones_one_read() {
    block_on(async {
        let (storage, desk, document, content) = stored(2 * PART).await;
        let reader = desk.reader(document).await.unwrap();
        for (range, reads) in [(100..70_000, 3), (500_000..500_001, 4), (9_000_000..9_100_000, 7)] {
            assert!(reader.range(range.clone()).await.unwrap() == content[usize_range(&range)]);
            assert_eq!(storage.reads.load(SeqCst), reads);
        }
    });
}

fn usize_range(range: &Range<u64>) -> Range<usize> {
    usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()
}
