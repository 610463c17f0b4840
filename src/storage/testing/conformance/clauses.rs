//! One function for each clause of the contract.

use core::{
    future::{Future, poll_fn},
    ops::Range,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::{sync::Arc, thread, time::Instant};

use bytes::Bytes;
use futures_util::future::{Either, join, join_all, select};

use super::{
    Bench, Extent, Violation,
    trial::{RACERS, ROUNDS, Trial, entry},
};
use crate::storage::{
    Creation, ObjectKey, Storage, StorageError,
    testing::executor::{after, block_on, yield_once},
};

/// After `Created` every reader finds the bytes, and what was never created is not found.
///
/// # Errors
///
/// If that does not hold.
pub async fn bytes_read_back(bench: &Bench) -> Result<(), Violation> {
    let test = Trial { clause: READS, storage: &*bench.storage };
    let key = bench.key("read");
    test.same("a read of an absent object", &None, &test.read(&key, None).await?)?;
    test.same("a read of it in pieces", &None, &test.read_in_pieces(&key).await?)?;
    test.create(&key, &Bytes::from_static(b"first")).await?;
    for reader in 0..4 {
        let read = test.read(&key, None).await?;
        test.same(format_args!("read {reader}"), &Some(Bytes::from_static(b"first")), &read)?;
    }
    Ok(())
}

/// Objects of 0 bytes, of a few, and of 8 MiB and a little are kept whole, read in pieces too.
///
/// # Errors
///
/// If that does not hold.
pub async fn every_size_is_kept(bench: &Bench) -> Result<(), Violation> {
    let test = Trial { clause: SIZES, storage: &*bench.storage };
    for size in [0, 1, 4095, 65_552, (8 << 20) + 4096] {
        let (key, bytes) = (bench.key(format_args!("size-{size}")), pattern(size));
        test.create(&key, &bytes).await?;
        for read in [test.read(&key, None).await?, test.read_in_pieces(&key).await?] {
            let len = read.as_ref().map(Bytes::len);
            test.holds(read == Some(bytes.clone()), || format!("{size} bytes came back as {len:?}"))?;
        }
    }
    Ok(())
}

/// Names of all shapes are different names, also those that differ late or by a `/`.
///
/// # Errors
///
/// If that does not hold.
pub async fn every_shape_of_key_works(bench: &Bench, extent: Extent) -> Result<(), Violation> {
    let test = Trial { clause: SHAPES, storage: &*bench.storage };
    let shapes = shapes();
    let is_folder = |name: &String| shapes.iter().any(|other| other.starts_with(&format!("{name}/")));
    let kept = shapes.iter().filter(|name| extent.nested || !is_folder(name));
    let keys: Vec<ObjectKey> = kept.map(|name| bench.key(name)).collect();
    for key in &keys {
        test.create(key, &Bytes::from(key.to_string())).await?;
    }
    for key in &keys {
        test.same(key, &Some(Bytes::from(key.to_string())), &test.read(key, None).await?)?;
    }
    let mut sorted = keys;
    sorted.sort();
    let mut listed = test.list(&bench.text("shape"), None, 100).await?;
    listed.sort();
    test.same("the listing", &sorted, &listed)
}

/// A create of a name that is taken answers `Exists`, and the first bytes stay.
///
/// # Errors
///
/// If that does not hold.
pub async fn names_are_taken_once(bench: &Bench) -> Result<(), Violation> {
    let test = Trial { clause: ONCE, storage: &*bench.storage };
    let (key, first) = (bench.key("once"), Bytes::from_static(b"first"));
    test.create(&key, &first).await?;
    for other in ["other", "first", ""] {
        let again = test.settled(&key, &Bytes::from(other)).await?;
        test.same("the second create", &Creation::Exists, &again)?;
        test.same("the object", &Some(first.clone()), &test.read(&key, None).await?)?;
    }
    Ok(())
}

/// Of 32 concurrent creates of one name exactly one answers `Created`, and its bytes stay.
///
/// # Errors
///
/// If that does not hold.
pub async fn one_racer_wins(bench: &Bench, extent: Extent) -> Result<(), Violation> {
    let test = Trial { clause: RACES, storage: &*bench.storage };
    for race in 0..extent.races {
        let key = bench.key(format_args!("race/{race}"));
        let creates = (0..RACERS).map(|racer| test.storage.create(&key, entry(racer)));
        test.judge(&key, join_all(creates).await).await?;
        if extent.threads {
            let key = bench.key(format_args!("race/{race}-threads"));
            test.judge(&key, race_on_threads(&bench.storage, &key)).await?;
        }
    }
    Ok(())
}

/// Who reads while an object is created finds all of it or nothing.
///
/// # Errors
///
/// If that does not hold.
pub async fn objects_appear_whole(bench: &Bench, extent: Extent) -> Result<(), Violation> {
    let test = Trial { clause: WHOLE, storage: &*bench.storage };
    for round in 0..ROUNDS {
        let (key, bytes) = (bench.key(format_args!("whole/{round}")), pattern(1 << 20));
        let (created, watched) = join(test.create(&key, &bytes), test.watch(&key, &bytes)).await;
        created.and(watched)?;
        if extent.threads {
            let key = bench.key(format_args!("whole/{round}-threads"));
            thread::scope(|scope| {
                let watcher = scope.spawn(|| block_on(test.watch(&key, &bytes)));
                let created = block_on(test.create(&key, &bytes));
                created.and(watcher.join().unwrap_or_else(|_| test.broken("the reader panicked")))
            })?;
        }
    }
    Ok(())
}

/// A create whose future is dropped leaves the whole object or nothing, and the name can still be
/// taken with the same bytes.
///
/// # Errors
///
/// If that does not hold.
pub async fn dropped_creates_are_whole_or_absent(bench: &Bench) -> Result<(), Violation> {
    let test = Trial { clause: DROPPED, storage: &*bench.storage };
    for polls in 0..ROUNDS {
        let (key, bytes) = (bench.key(format_args!("dropped/{polls}")), pattern(100_000));
        poll_and_drop(test.storage.create(&key, bytes.clone()), polls).await;
        let left = test.read(&key, None).await?;
        test.holds(left.is_none() || left.as_ref() == Some(&bytes), || "a part of the object".to_owned())?;
        test.settled(&key, &bytes).await?;
        let read = test.read(&key, None).await?;
        test.holds(read == Some(bytes), || "after creating again, other bytes or none".to_owned())?;
    }
    Ok(())
}

/// Calls that were begun, and that nobody polls, hold up no other.
///
/// # Errors
///
/// If that does not hold: nothing is answered for ten seconds, and as long as all these calls would take in a row.
pub async fn calls_left_alone_hold_up_none(bench: &Bench) -> Result<(), Violation> {
    let test = Trial { clause: ALONE, storage: &*bench.storage };
    let (key, bytes, begun) = (bench.key("alone/0"), pattern(1000), Instant::now());
    test.create(&key, &bytes).await?;
    test.read(&key, None).await?;
    // However slow it is: as long as all of them would take one after the other.
    let patience = PATIENCE + begun.elapsed() * LEFT_ALONE;
    let names: Vec<_> = (1..=LEFT_ALONE).map(|n| bench.key(format_args!("alone/{n}"))).collect();
    let mut begun = pin!(join_all(names.iter().map(|name| async {
        drop(test.storage.create(name, bytes.clone()).await);
        drop(test.storage.read(&key, None).await);
    })));
    for _ in 0..ROUNDS {
        if poll_fn(|context| Poll::Ready(begun.as_mut().poll(context).is_ready())).await {
            break;
        }
        yield_once().await;
    }
    let last = bench.key("alone/last");
    let others = pin!(async {
        test.create(&last, &bytes).await?;
        test.read(&last, None).await
    });
    match select(others, pin!(after(patience))).await {
        Either::Left((read, _)) => test.same("a read beside them", &Some(bytes.clone()), &read?),
        Either::Right(_) => test.broken(format!("nothing was answered for {patience:?}")),
    }
}

/// A range yields those bytes that there are, possibly none.
///
/// # Errors
///
/// If that does not hold.
pub async fn ranges_are_clipped(bench: &Bench) -> Result<(), Violation> {
    let test = Trial { clause: RANGES, storage: &*bench.storage };
    let (key, absent, bytes) = (bench.key("range"), bench.key("no-range"), pattern(1000));
    test.create(&key, &bytes).await?;
    let ends = [0, 1, 500, 999, 1000, 1001, u64::MAX];
    for range in
        ends.iter().flat_map(|start| ends.map(|end| *start..end)).filter(|range| range.start <= range.end)
    {
        let read = test.read(&key, Some(range.clone())).await?;
        test.same(format_args!("{range:?}"), &Some(clip(&bytes, &range)), &read)?;
        let read = test.read(&absent, Some(range.clone())).await?;
        test.same(format_args!("{range:?} of nothing"), &None, &read)?;
    }
    Ok(())
}

/// A deleted object is gone, also from listings; deleting it again succeeds; others stay.
///
/// # Errors
///
/// If that does not hold.
pub async fn deletes_repeat(bench: &Bench) -> Result<(), Violation> {
    let test = Trial { clause: DELETES, storage: &*bench.storage };
    let (gone, kept) = (bench.key("delete/gone"), bench.key("delete/kept"));
    test.create(&gone, &pattern(10)).await?;
    test.create(&kept, &pattern(10)).await?;
    for _ in 0..2 {
        test.answer("delete", test.storage.delete(&gone).await)?;
        test.same("the deleted object", &None, &test.read(&gone, None).await?)?;
    }
    test.same("the other", &Some(pattern(10)), &test.read(&kept, None).await?)?;
    test.same("the listing", &vec![kept], &test.list(&bench.text("delete/"), None, 10).await?)
}

/// Listings hold the keys of a prefix in byte order, after a key, up to a limit; `keys` of them.
///
/// # Errors
///
/// If that does not hold.
pub async fn listings_are_ordered_pages(bench: &Bench, keys: usize) -> Result<(), Violation> {
    let test = Trial { clause: LISTS, storage: &*bench.storage };
    let mut expected = Vec::new();
    for number in 0..keys {
        // Created out of order: consecutive numbers in reverse, and every third a random id.
        let reversed = keys - number;
        let name = if number % 3 == 0 { id(number) } else { format!("{reversed:016x}-{}", id(number)) };
        let key = bench.key(format_args!("list/{name}"));
        test.create(&key, &Bytes::new()).await?;
        expected.push(key);
    }
    expected.sort();
    let prefix = bench.text("list/");
    for page in [keys, keys / 7 + 1] {
        test.pages(&prefix, &expected, page.max(1)).await?;
    }
    test.starts(&prefix, &expected).await
}

fn race_on_threads(storage: &Arc<dyn Storage>, key: &ObjectKey) -> Vec<Result<Creation, StorageError>> {
    let start = std::sync::Barrier::new(usize::from(RACERS));
    thread::scope(|scope| {
        let run = |racer| {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                block_on(storage.create(key, entry(racer)))
            })
        };
        let racers: Vec<_> = (0..RACERS).map(run).collect();
        let panicked =
            |_| Err(StorageError::new(crate::storage::StorageErrorKind::Unavailable, "create panicked"));
        racers.into_iter().map(|racer| racer.join().unwrap_or_else(panicked)).collect()
    })
}

async fn poll_and_drop<T>(mut call: Pin<Box<dyn Future<Output = T> + Send + '_>>, polls: usize) {
    for _ in 0..polls {
        if call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return;
        }
        yield_once().await;
    }
}

/// Names of one or two segments, of every shape that docvault makes and of some it does not.
fn shapes() -> Vec<String> {
    let (short, long) = (id(1), format!("{}{}", id(2), id(3)));
    let number = |number: u64| format!("{number:016x}-{short}");
    let mut names = vec![
        format!("shape/{short}"),
        format!("shape/{long}"),
        format!("shape-{short}/{long}"),
        format!("shape/{}", "a".repeat(96)),
    ];
    names.extend([0, 1, 0xfff, 0x1000, u64::MAX].map(|n| format!("shape/{}", number(n))));
    names.extend([1, 2].map(|epoch| format!("shape/{epoch:08x}")));
    names.extend(
        ["shape", "shape/0", "shape/00", "shape/0-", "shape-0", "shape-/0", "shape0"].map(str::to_owned),
    );
    names
}

/// 32 hexadecimal digits, well spread.
fn id(number: usize) -> String {
    blake3::hash(&number.to_be_bytes()).to_hex().chars().take(32).collect()
}

/// Bytes of which no part equals another of the same length at once: 251 is prime.
fn pattern(length: usize) -> Bytes {
    (0..=250).cycle().take(length).collect()
}

fn clip(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    let offset = |at| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(offset(range.start)..offset(range.end))
}

const READS: &str = "what is created is read back by everyone, and nothing else";
const SIZES: &str = "objects of every size are kept whole";
const SHAPES: &str = "keys of every shape are different names";
const ONCE: &str = "a second create answers Exists and changes nothing";
const RACES: &str = "of 32 concurrent creates of one name one answers Created, and its bytes stay";
const WHOLE: &str = "a reader sees an object whole or not at all";
const DROPPED: &str = "a dropped create leaves the whole object or nothing";
const ALONE: &str = "calls that are begun and left alone hold up no other";
const RANGES: &str = "a range yields those of its bytes that exist";
pub(super) const DELETES: &str = "what is deleted is gone, deleting repeats, and others stay";
const LISTS: &str = "listings are pages of the keys of a prefix in byte order";

pub(super) const ALL: [&str; 11] =
    [READS, SIZES, SHAPES, ONCE, RACES, WHOLE, DROPPED, ALONE, RANGES, DELETES, LISTS];

/// More calls than a pool has connections.
const LEFT_ALONE: u32 = 100;
const PATIENCE: Duration = Duration::from_secs(10);
