//! Taking turns at committing (DESIGN, "Taking turns"): who is slow is not left out, and a line that lies costs time alone.
#![cfg(feature = "testing")]

#[path = "common/around.rs"]
mod around;

use core::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use std::sync::Arc;

use around::{Around, Through};
use async_trait::async_trait;
use bytes::Bytes;
use docvault::{
    Entropy, EntropyError, NewDocument, Result, Session, Vault, VaultOptions,
    keys::LocalKey,
    storage::{
        Creation, MemoryStorage, ObjectKey, Storage, StorageError, StorageErrorKind,
        testing::{DelayedStorage, VirtualTime},
    },
};
use futures_util::future::join_all;

/// What a process's storage says of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Honest,
    /// Neither written nor listed.
    Refused,
    /// Somebody new, who asked before everybody else, stands first each time.
    MadeUp,
}

#[derive(Debug)]
struct Link {
    inner: DelayedStorage,
    line: Line,
    listed: AtomicU64,
}

fn refused() -> StorageError {
    StorageError::new(StorageErrorKind::Unavailable, "no line here")
}

#[async_trait]
impl Around for Link {
    fn objects(&self) -> &dyn Storage {
        &self.inner
    }

    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        if self.line == Line::Refused && key.as_str().starts_with("turn/") {
            return Err(refused());
        }
        self.inner.create(key, bytes).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        let listed = self.inner.list(prefix, after, limit).await?;
        match self.line {
            Line::Refused if prefix == "turn/" => Err(refused()),
            Line::MadeUp if prefix == "turn/" => {
                let number = self.listed.fetch_add(1, Ordering::Relaxed);
                let first: ObjectKey = format!("turn/{:016x}-{number:024x}", 0).parse().expect("a key");
                Ok(core::iter::once(first).chain(listed).collect())
            }
            _ => Ok(listed),
        }
    }
}

/// Another sequence for each process, the same in each run. Nothing that is kept may use it.
#[derive(Debug)]
struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(8) {
            let drawn = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            let mixed = (drawn ^ (drawn >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            chunk.iter_mut().zip((mixed ^ (mixed >> 31)).to_be_bytes()).for_each(|(to, from)| *to = from);
        }
        Ok(())
    }
}

/// A vault that several processes open, each over a link of its own.
struct Office {
    time: VirtualTime,
    bucket: Arc<MemoryStorage>,
    key: Arc<LocalKey>,
    vault: Vault,
    _folder: tempfile::TempDir,
}

impl Office {
    async fn new(time: &VirtualTime) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = Arc::new(LocalKey::create(folder.path().join("vault.key")).expect("a key"));
        let bucket = Arc::new(MemoryStorage::default());
        let options = options(time, 0);
        let vault = Vault::create_with(bucket.clone(), key.clone(), options).await.expect("a vault");
        Self { time: time.clone(), bucket, key, vault, _folder: folder }
    }

    /// A process whose every call takes `millis`.
    async fn process(&self, number: u64, millis: u64, line: Line) -> Session {
        self.process_on(number, self.link(millis, line)).await
    }

    fn link(&self, millis: u64, line: Line) -> Arc<Through<Link>> {
        let latency = Duration::from_millis(millis);
        let inner = DelayedStorage::new(self.bucket.clone(), self.time.clone(), move |_| latency);
        Arc::new(Through(Link { inner, line, listed: AtomicU64::new(0) }))
    }

    async fn process_on(&self, number: u64, link: Arc<Through<Link>>) -> Session {
        let (key, pin) = (self.key.clone(), self.vault.pin());
        let vault = Vault::open_with(link, key, &pin, options(&self.time, number)).await.expect("opened");
        vault.session(format!("process:{number}")).purpose("turns").begin().expect("a session")
    }

    async fn turns(&self) -> Vec<ObjectKey> {
        self.bucket.list("turn/", None, 100).await.expect("a listing")
    }

    /// Documents that each of the processes stores meanwhile, one after the other.
    async fn race(&self, processes: &[Session], meanwhile: Duration) -> Vec<u64> {
        let end = self.time.elapsed() + meanwhile;
        let counts = processes.iter().map(|desk| async move {
            let (case, mut stored) = (desk.create_case("one of many").await, 0);
            while self.time.elapsed() < end {
                let Ok(case) = case else { break };
                let done = desk.store(case, NewDocument::named("one"), vec![7; 100]).await;
                stored += u64::from(done.is_ok() && self.time.elapsed() < end);
            }
            stored
        });
        join_all(counts).await
    }
}

fn options(time: &VirtualTime, seed: u64) -> VaultOptions {
    let entropy = Seeded(AtomicU64::new(seed << 32));
    VaultOptions::default().entropy(entropy).sleeper(time.clone()).clock(time.clone())
}

/// Three processes with 20 ms a call and one with 200, each with one thing after the other to store.
fn race_of_four(line: Line) -> Vec<u64> {
    let time = VirtualTime::default();
    time.block_on(async {
        let office = Office::new(&time).await;
        let mut processes = Vec::new();
        for (number, millis) in [20, 20, 20, 200].into_iter().enumerate() {
            let number = u64::try_from(number).expect("small");
            processes.push(office.process(number + 1, millis, line).await);
        }
        let counts = office.race(&processes, HALF_A_MINUTE).await;
        office.vault.audit().verify_from_genesis().await.expect("one chain");
        counts
    })
}

#[test]
fn a_slow_writer_is_not_left_out() {
    let counts = race_of_four(Line::Honest);
    let (slow, fast) = counts.split_last().expect("four");
    let (least, most) = (fast.iter().min().expect("three"), fast.iter().max().expect("three"));
    assert!(*slow >= 8, "{counts:?}");
    assert!(least * 2 >= *most, "{counts:?}");
}

/// What the line is for: without it the same race is another one.
#[test]
fn without_a_line_the_slow_writer_is_left_out() {
    let counts = race_of_four(Line::Refused);
    let (slow, fast) = counts.split_last().expect("four");
    assert!(*slow <= 2 && fast.iter().sum::<u64>() > 100, "{counts:?}");
}

/// The most listings of the line, and the longest time, that one of `count` documents took, stored one after the other.
async fn slowest(office: &Office, desk: &Session, link: &Link, count: usize) -> (u64, Duration) {
    let case = desk.create_case("one of many").await.expect("opened");
    let mut slowest = (0, Duration::ZERO);
    for _ in 0..count {
        let (listed, begun) = (link.listed.load(Ordering::Relaxed), office.time.elapsed());
        desk.store(case, NewDocument::named("one"), vec![7; 100]).await.expect("stored");
        slowest.0 = slowest.0.max(link.listed.load(Ordering::Relaxed) - listed);
        slowest.1 = slowest.1.max(office.time.elapsed() - begun);
    }
    slowest
}

/// Each of four commits all it has, after 1,024 looks at the most (SECURITY.md, "Availability").
#[test]
fn made_up_turns_stop_nobody() {
    let time = VirtualTime::default();
    let latencies = [20, 20, 20, 200];
    let slowest: Vec<_> = time.block_on(async {
        let office = &Office::new(&time).await;
        let four = latencies.into_iter().zip(1..).map(|(millis, number)| async move {
            let link = office.link(millis, Line::MadeUp);
            let desk = office.process_on(number, link.clone()).await;
            slowest(office, &desk, &link, 12).await
        });
        let slowest = join_all(four).await;
        office.vault.audit().verify_from_genesis().await.expect("one chain");
        slowest
    });
    for ((listed, took), millis) in slowest.iter().zip(latencies) {
        // Every eighth look lists; a look is a call, and 80 ms until the next one for who is fourth.
        let looks = Duration::from_millis(1024 * (millis + 80));
        assert!(*listed == 1024 / 8 && *took <= looks, "{slowest:?}");
    }
}

/// A process that died in line is waited for once, by one process, and its turn goes.
#[test]
fn the_turn_of_a_dead_process_goes() {
    let time = VirtualTime::default();
    time.block_on(async {
        let office = Office::new(&time).await;
        let dead: ObjectKey = format!("turn/{:016x}-{:024x}", 0, 1).parse().expect("a key");
        office.bucket.create(&dead, Bytes::new()).await.expect("created");
        let processes =
            [office.process(1, 20, Line::Honest).await, office.process(2, 20, Line::Honest).await];
        let counts = office.race(&processes, HALF_A_MINUTE).await;
        assert!(counts.iter().all(|stored| *stored > 100), "{counts:?}");
        assert!(!office.turns().await.contains(&dead));
        assert!(office.turns().await.len() <= 2, "at most the last turn of each is left");
        processes[0].collect_garbage().await.expect("collected");
        assert!(office.turns().await.is_empty());
    });
}

/// Processes that committed in their turn and ended leave it behind; the line is cleared before it is full of them.
#[test]
fn turns_of_processes_that_ended_do_not_fill_the_line() {
    let time = VirtualTime::default();
    time.block_on(async {
        let office = Office::new(&time).await;
        let gone = [office.process(1, 5, Line::Honest).await, office.process(2, 5, Line::Honest).await];
        office.race(&gone, Duration::from_secs(5)).await;
        let left = office.turns().await.pop().expect("the last turn of one of them");
        let process = left.as_str().rsplit('-').next().expect("a process");
        for records in 0..70 {
            let turn: ObjectKey = format!("turn/{records:016x}-{process}").parse().expect("a key");
            office.bucket.create(&turn, Bytes::new()).await.expect("created");
        }
        let two =
            [office.process(1001, 20, Line::Honest).await, office.process(1002, 20, Line::Honest).await];
        let counts = office.race(&two, HALF_A_MINUTE).await;
        assert!(counts.iter().all(|stored| *stored > 100), "{counts:?}");
        assert!(office.turns().await.len() < 40, "what is over goes");
    });
}

const HALF_A_MINUTE: Duration = Duration::from_secs(30);
