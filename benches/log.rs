//! The log by its length: appending, verifying against raw SHA-256, and what a long log costs to open.
//!
//! `cargo bench --bench log --features testing -- [RECORDS]`; 10,000,000 records take some 10 GB of disk.
//! Prints a table, and fails if a bound does not hold.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "a benchmark"
)]

use core::ops::Range;
use std::{
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::{
    LogReader, OperationId, Pin, Session, Vault,
    keys::LocalKey,
    storage::{
        Creation, FsStorage, MemoryStorage, ObjectKey, Storage, StorageError,
        testing::{CountingStorage, Counts},
    },
};
use futures_lite::future::block_on;
use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.as_slice() {
        [verb, folder, pin] if verb == "verify" => block_on(verify(Path::new(folder), pin)),
        [records] => block_on(run(records.parse().unwrap())),
        _ => block_on(run(200_000)),
    }
}

async fn run(records: u64) {
    appending().await;
    verifying().await;
    long_log(records).await;
}

/// Memory that lets others go first before it writes, as every real storage does: so that what is asked at
/// once is committed at once.
#[derive(Debug, Default)]
struct Yielding(MemoryStorage);

#[async_trait]
impl Storage for Yielding {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        futures_lite::future::yield_now().await;
        self.0.create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        self.0.read(key, range).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.0.delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        self.0.list(prefix, after, limit).await
    }
}

async fn session(storage: Arc<dyn Storage>, folder: &Path) -> Session {
    let key = LocalKey::create(folder.join("key")).unwrap();
    let vault = Vault::create(storage, key).await.unwrap();
    vault.session("bench").purpose("bench").begin().unwrap()
}

/// Commits `count` records at once: the least that can be asked, each with a sealed body.
async fn append(desk: &Session, count: u64) {
    let unknown = OperationId::from_bytes([1; 16]);
    try_join_all((0..count).map(|_| desk.outcome(unknown))).await.unwrap();
}

async fn appending() {
    println!("appending in memory            µs a record   records a second");
    for batch in [1, 64, 4096] {
        let folder = tempfile::tempdir().unwrap();
        let desk = session(Arc::new(Yielding::default()), folder.path()).await;
        append(&desk, batch).await;
        let rounds = (8192 / batch).clamp(4, 2048);
        let start = Instant::now();
        for _ in 0..rounds {
            append(&desk, batch).await;
        }
        let each = start.elapsed().as_secs_f64() / (rounds * batch) as f64;
        println!("  batches of {batch:<5} {:>25.1} {:>18.0}", each * 1e6, 1.0 / each);
    }
}

async fn verifying() {
    println!("\nverifying from genesis   records a commit   records a second   of raw SHA-256 over the same");
    for (batch, records) in [(1, 4_000), (64, 40_000), (4096, 80_000)] {
        let folder = tempfile::tempdir().unwrap();
        let storage = Arc::new(Yielding::default());
        let desk = session(storage.clone(), folder.path()).await;
        while desk.vault().pin().size() < records {
            append(&desk, batch).await;
        }
        let commits = commits(&storage.0).await;
        let (mut ours, mut raw) = (Duration::MAX, Duration::MAX);
        // Interleaved, the best of each: other work on the machine weighs on both alike.
        for _ in 0..5 {
            let start = Instant::now();
            let verified = desk.vault().audit().verify_from_genesis().await.unwrap();
            ours = ours.min(start.elapsed());
            assert_eq!(verified.commits, commits.len() as u64);
            let start = Instant::now();
            std::hint::black_box(commits.iter().map(|commit| hash(commit)).fold(0, |sum, last| sum ^ last));
            raw = raw.min(start.elapsed());
        }
        let size = desk.vault().pin().size() as f64;
        let ratio = raw.as_secs_f64() / ours.as_secs_f64();
        println!(
            "  batches of {batch:<5} {:>22.0} {:>18.0} {:>26.0} %",
            size / commits.len() as f64,
            size / ours.as_secs_f64(),
            ratio * 100.0
        );
    }
}

async fn commits(storage: &MemoryStorage) -> Vec<Bytes> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let keys = storage.list("log/", after.as_ref(), 1000).await.unwrap();
        for key in &keys {
            found.push(storage.read(key, None).await.unwrap().unwrap());
        }
        match keys.last() {
            Some(last) if keys.len() == 1000 => after = Some(last.clone()),
            _ => return found,
        }
    }
}

/// Hashes what a verification hashes of a commit (FORMAT §5.1, §5.3), and nothing else: every leaf, copies
/// too, a node a record and what the root after them takes, every body for its commitment, and all bodies for
/// the signature.
fn hash(commit: &[u8]) -> u8 {
    let number = |at: usize| u32::from_be_bytes(commit[at..at + 4].try_into().unwrap()) as usize;
    let (count, recent, bodies) = (number(32), number(36), number(120));
    let (leaves, rest) = commit[124..].split_at((recent + count) * 280);
    let mut last = 0;
    let mut take = |parts: &[&[u8]]| {
        let mut hasher = Sha256::new();
        parts.iter().for_each(|part| hasher.update(part));
        last ^= hasher.finalize()[0];
    };
    leaves.chunks(280).for_each(|leaf| take(&[&[0], leaf]));
    let first = u64::from_be_bytes(commit[24..32].try_into().unwrap());
    let roots = (first + count as u64).count_ones() as usize;
    (0..count + roots - 1).for_each(|_| take(&[&[1], &leaves[..64]]));
    let mut section = &rest[..bodies];
    take(&[section]);
    while let Some((len, after)) = section.split_first_chunk::<4>() {
        let (body, after) = after.split_at(u32::from_be_bytes(*len) as usize);
        take(&[b"docvault/v1/body", body]);
        section = after;
    }
    last
}

async fn long_log(records: u64) {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("vault");
    let desk = session(Arc::new(FsStorage::create(&place).unwrap()), folder.path()).await;
    let first = desk.vault().pin();
    println!(
        "\na long log in a folder         build s   opening with the head's pin, with the first one   proof, most reads"
    );
    let start = Instant::now();
    for target in [records / 100, records / 10, records] {
        while desk.vault().pin().size() < target {
            desk.create_case("one row or two").await.unwrap();
            append(&desk, 4095).await;
        }
        let pin = desk.vault().pin();
        let built = start.elapsed().as_secs_f64();
        let (by_head, _) = open(&place, &pin).await;
        let (by_first, most) = open(&place, &first).await;
        println!("  {:>10} records {built:>18.1} {by_head:>30} {by_first:>17} {most:>18}", pin.size());
        assert!(most <= 8, "an inclusion proof took {most} reads");
        assert!(by_head <= 12 && by_first <= 24, "opening took {by_head} and {by_first} calls");
    }
    let pin = desk.vault().pin().to_string();
    let child = Command::new(std::env::current_exe().unwrap()).arg("verify").arg(&place).arg(pin).status();
    assert!(child.unwrap().success());
}

/// Calls that opening takes, and the most reads that one of some proofs takes.
async fn open(place: &Path, pin: &Pin) -> (u64, u64) {
    let storage = Arc::new(CountingStorage::new(Arc::new(FsStorage::open(place).unwrap())));
    let log = LogReader::open(storage.clone(), pin).await.unwrap();
    let calls = total(storage.take());
    let (size, mut most) = (log.head().size(), 0);
    for at in 0..100 {
        log.prove_inclusion(size / 100 * at).await.unwrap();
        most = most.max(total(storage.take()));
    }
    (calls, most)
}

fn total(counts: Counts) -> u64 {
    counts.create + counts.read + counts.delete + counts.list
}

/// In a process of its own, so that its peak of memory is the verification's.
async fn verify(folder: &Path, pin: &str) {
    let pin: Pin = pin.parse().unwrap();
    let log = LogReader::open(Arc::new(FsStorage::open(folder).unwrap()), &pin).await.unwrap();
    let start = Instant::now();
    let verified = log.verify_from_genesis(&mut |_, _| {}).await.unwrap();
    let (seconds, peak) = (start.elapsed().as_secs_f64(), peak());
    println!(
        "  verified {} records from the folder in {seconds:.1} s, peak memory {peak} KiB",
        verified.checked
    );
    assert!(peak < 64 << 10, "verifying took more than 64 MiB");
    let start = Instant::now();
    log.check_tiles(&mut |_, _| {}).await.unwrap();
    let tiles = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let index = log.check_index(&mut |_, _| {}).await.unwrap();
    let (seconds, rows) = (start.elapsed().as_secs_f64(), index.rows);
    println!("  tiles recomputed in {tiles:.1} s, {rows} rows of the index in {seconds:.1} s");
}

/// The process's peak of resident memory in KiB (proc_pid_status(5), VmHWM); 0 where there is no such file.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
