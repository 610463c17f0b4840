//! The testing kit's wrappers do what they say.
#![cfg(feature = "testing")]

use std::{future::Future, pin::pin, sync::Arc, task::Context, time::Duration};

use bytes::Bytes;
use docvault::storage::{
    Creation, MemoryStorage, ObjectKey, Storage, StorageErrorKind,
    testing::{CountingStorage, CrashStorage, EvilStorage, Fault, FaultyStorage, InFlight},
};
use futures_lite::future::block_on;

fn key(name: &str) -> ObjectKey {
    name.parse().expect("a key")
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn holds(storage: &impl Storage, name: &str) -> bool {
    storage.read(&key(name), None).await.expect("readable").is_some()
}

fn faulty(fault: Fault) -> (Arc<MemoryStorage>, FaultyStorage) {
    let inner = Arc::new(MemoryStorage::new());
    (inner.clone(), FaultyStorage::script(inner, 0, fault))
}

#[test]
fn an_error_has_no_effect_and_comes_once() {
    block_on(async {
        let (inner, storage) = faulty(Fault::Error);
        let error = storage.create(&key("a"), bytes("1")).await.expect_err("scripted");
        assert_eq!(error.kind(), StorageErrorKind::Unavailable);
        assert!(!holds(&inner, "a").await);
        assert_eq!(storage.create(&key("a"), bytes("1")).await.expect("works"), Creation::Created);
        assert_eq!((storage.calls(), storage.fired()), (2, 1));
    });
}

#[test]
fn what_is_applied_is_there_though_the_answer_is_unknown() {
    block_on(async {
        let (inner, storage) = faulty(Fault::Applied);
        assert_eq!(storage.create(&key("a"), bytes("1")).await.expect("answers"), Creation::Unknown);
        assert!(holds(&inner, "a").await);

        let deleting = FaultyStorage::script(inner.clone(), 0, Fault::Applied);
        assert!(deleting.delete(&key("a")).await.is_err());
        assert!(!holds(&inner, "a").await);
    });
}

#[test]
fn what_is_late_lands_at_its_call_or_on_command() {
    block_on(async {
        let (inner, storage) = faulty(Fault::Late(2));
        assert_eq!(storage.create(&key("a"), bytes("1")).await.expect("answers"), Creation::Unknown);
        assert!(!holds(&storage, "a").await, "one call later");
        assert!(holds(&storage, "a").await, "two calls later");
        assert!(holds(&inner, "a").await);

        let (inner, storage) = faulty(Fault::Late(usize::MAX));
        storage.create(&key("a"), bytes("1")).await.expect("answers");
        assert!(!holds(&inner, "a").await);
        storage.land().await.expect("lands");
        assert!(holds(&inner, "a").await);
    });
}

#[test]
fn what_is_late_loses_to_what_came_before_it() {
    block_on(async {
        let (inner, storage) = faulty(Fault::Late(usize::MAX));
        storage.create(&key("a"), bytes("late")).await.expect("answers");
        storage.create(&key("a"), bytes("early")).await.expect("answers");
        storage.land().await.expect("lands");
        assert_eq!(inner.read(&key("a"), None).await.expect("readable"), Some(bytes("early")));
    });
}

#[test]
fn what_is_slow_takes_as_many_polls_both_ways_as_milliseconds() {
    let (inner, storage) = faulty(Fault::Slow(Duration::from_millis(3)));
    let (key, mut context) = (key("a"), Context::from_waker(std::task::Waker::noop()));
    let mut create = pin!(storage.create(&key, bytes("1")));
    for there in [false, false, false, true, true, true] {
        assert!(create.as_mut().poll(&mut context).is_pending());
        assert_eq!(block_on(holds(&inner, "a")), there);
    }
    assert!(create.as_mut().poll(&mut context).is_ready());
    assert_eq!(storage.faults(), [(0, Fault::Slow(Duration::from_millis(3)))]);
}

#[test]
fn a_create_dropped_on_its_way_lands_on_command() {
    let (inner, storage) = faulty(Fault::Slow(Duration::from_millis(1)));
    let waker = std::task::Waker::noop();
    let (key, mut context) = (key("a"), Context::from_waker(waker));
    assert!(pin!(storage.create(&key, bytes("1"))).as_mut().poll(&mut context).is_pending());
    assert!(!block_on(holds(&inner, "a")));
    block_on(storage.land()).expect("lands");
    assert!(block_on(holds(&inner, "a")));
}

#[test]
fn the_same_seed_gives_the_same_latencies() {
    let polls = |seed| -> Vec<usize> {
        let storage = FaultyStorage::scripted(Arc::new(MemoryStorage::new()), [])
            .with_latency(seed, Duration::from_millis(9));
        let count = |_| {
            let (key, mut polls) = (key("a"), 1);
            let mut read = pin!(storage.read(&key, None));
            while read.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending() {
                polls += 1;
            }
            polls
        };
        (0..50).map(count).collect()
    };
    assert_eq!(polls(1), polls(1));
    assert_ne!(polls(1), polls(2));
    assert!(polls(1).iter().all(|polls| *polls <= 19) && polls(1).iter().max() > Some(&9));
}

#[test]
fn lies_change_no_object() {
    block_on(async {
        let objects = Arc::new(MemoryStorage::new());
        let (honest, lying) = (EvilStorage::over(objects.clone()), EvilStorage::over(objects));
        for name in ["a", "b", "c"] {
            honest.create(&key(name), bytes("1")).await.expect("creates");
        }
        lying.show(&key("a"), bytes("other"));
        lying.hide(&key("b"));
        lying.list_twice(&key("c"));
        assert_eq!(lying.read(&key("a"), Some(1..3)).await.expect("reads"), Some(bytes("th")));
        assert!(!holds(&lying, "b").await);
        assert_eq!(lying.create(&key("b"), bytes("2")).await.expect("answers"), Creation::Exists);
        assert_eq!(lying.list("", None, 9).await.expect("lists"), [key("a"), key("c"), key("c")]);
        assert_eq!(lying.list("", None, 2).await.expect("lists"), [key("a"), key("c")]);
        assert_eq!(honest.list("", None, 9).await.expect("lists"), [key("a"), key("b"), key("c")]);
        lying.repent();
        assert_eq!(lying.read(&key("a"), None).await.expect("reads"), Some(bytes("1")));
        assert_eq!(lying.list("", None, 9).await.expect("lists"), [key("a"), key("b"), key("c")]);
    });
}

#[test]
fn false_exists_writes_nothing() {
    block_on(async {
        let (inner, storage) = faulty(Fault::FalseExists);
        assert_eq!(storage.create(&key("a"), bytes("1")).await.expect("answers"), Creation::Exists);
        assert!(!holds(&inner, "a").await);
    });
}

#[test]
fn stale_listings_and_reads_miss_the_newest() {
    block_on(async {
        let inner = Arc::new(MemoryStorage::new());
        inner.create(&key("old"), bytes("0")).await.expect("creates");
        let storage = FaultyStorage::scripted(inner, [(1, Fault::StaleList), (3, Fault::StaleRead)]);
        storage.create(&key("new"), bytes("1")).await.expect("creates");
        assert_eq!(storage.list("", None, 9).await.expect("lists"), [key("old")]);
        assert_eq!(storage.list("", None, 9).await.expect("lists"), [key("new"), key("old")]);
        assert!(!holds(&storage, "new").await);
        assert!(holds(&storage, "new").await);
    });
}

#[test]
fn faults_that_do_not_apply_do_not_fire() {
    block_on(async {
        let (_, storage) = faulty(Fault::FalseExists);
        assert!(!holds(&storage, "a").await);
        assert_eq!((storage.calls(), storage.fired()), (1, 0));
    });
}

#[test]
fn the_same_seed_gives_the_same_faults() {
    let trace = |seed| {
        let storage = FaultyStorage::seeded(Arc::new(MemoryStorage::new()), seed, 4);
        let create = |n: usize| block_on(storage.create(&key(&format!("k{n}")), bytes("1"))).ok();
        let answers: Vec<_> = (0..200).map(create).collect();
        (answers, storage.fired())
    };
    let (answers, fired) = trace(1);
    assert_eq!((answers.clone(), fired), trace(1));
    assert_ne!(answers, trace(2).0);
    assert!((20..80).contains(&fired), "about one in four: {fired}");
}

#[test]
fn a_crash_at_every_call_leaves_what_was_acknowledged() {
    block_on(async {
        let before = MemoryStorage::new();
        before.create(&key("old"), bytes("0")).await.expect("creates");
        let mut crashes = 0;
        for nth in 0.. {
            let storage = CrashStorage::new(&before, nth);
            let created = storage.create(&key("a"), bytes("1")).await.is_ok();
            let deleted = storage.delete(&key("old")).await.is_ok();
            if !storage.crashed() {
                break;
            }
            crashes += 1;
            for in_flight in InFlight::BOTH {
                let landed = in_flight == InFlight::Landed;
                let found = storage.recover(in_flight).await.expect("recovers");
                assert_eq!(holds(&found, "a").await, created || landed, "crash at {nth}");
                assert_eq!(holds(&found, "old").await, !(deleted || landed && nth == 1), "crash at {nth}");
            }
        }
        assert_eq!(crashes, 2);
    });
}

#[test]
fn evil_substitutes_unlists_forks_and_rolls_back() {
    block_on(async {
        let evil = EvilStorage::new(&MemoryStorage::new());
        evil.create(&key("a"), bytes("1")).await.expect("creates");
        let old = evil.fork();
        evil.create(&key("b"), bytes("2")).await.expect("creates");
        old.create(&key("b"), bytes("3")).await.expect("creates");
        assert_eq!(evil.read(&key("b"), None).await.expect("reads"), Some(bytes("2")));
        assert_eq!(old.read(&key("b"), None).await.expect("reads"), Some(bytes("3")));

        evil.substitute(&key("a"), bytes("altered"));
        assert_eq!(evil.read(&key("a"), None).await.expect("reads"), Some(bytes("altered")));
        evil.unlist(&key("a"));
        assert_eq!(evil.list("", None, 1).await.expect("lists"), [key("b")]);
        assert!(holds(&evil, "a").await);
    });
}

#[test]
fn calls_are_counted_by_verb() {
    block_on(async {
        let storage = CountingStorage::new(Arc::new(MemoryStorage::new()));
        storage.create(&key("a"), bytes("1")).await.expect("creates");
        storage.read(&key("a"), None).await.expect("reads");
        storage.read(&key("a"), None).await.expect("reads");
        storage.list("", None, 1).await.expect("lists");
        let counts = storage.take();
        assert_eq!((counts.create, counts.read, counts.delete, counts.list), (1, 2, 0, 1));
        assert_eq!(storage.take(), Default::default());
    });
}
