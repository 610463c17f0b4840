//! What a long log in a folder costs to open and to verify. What its commits cost is a subject of
//! `examples/performance`.
//!
//! `cargo bench --bench log --features testing -- [RECORDS]`; 10,000,000 records take some 10 GB of disk.
//! Prints a table, and fails if a bound does not hold.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::{path::Path, process::Command, sync::Arc, time::Instant};

use docvault::{
    LogReader, OperationId, Pin, Session, Vault,
    keys::LocalKey,
    storage::{
        FsStorage, Storage,
        testing::{CountingStorage, Counts},
    },
};
use futures_lite::future::block_on;
use futures_util::future::try_join_all;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.as_slice() {
        [verb, folder, pin] if verb == "verify" => block_on(verify(Path::new(folder), pin)),
        [records] => block_on(long_log(records.parse().unwrap())),
        _ => block_on(long_log(200_000)),
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
