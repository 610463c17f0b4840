//! Appending to the log, and verifying it against raw SHA-256 over the same bytes, storage in memory.

use std::{hint::black_box, path::Path, sync::Arc};

use bytes::Bytes;
use docvault::storage::{MemoryStorage, Storage};
use futures_lite::future::block_on;
use sha2::{Digest, Sha256};

use crate::measure::{Failure, Times, Waiting, append, desk};

/// Records that are committed at once, and how often; the most that one commit takes are 4,096.
const BATCHES: [(&str, &str, &str, usize, usize); 3] = [
    ("append_1", "verify_1", "sha256_1", 1, 2000),
    ("append_64", "verify_64", "sha256_64", 64, 200),
    ("append_4096", "verify_4096", "sha256_4096", 4096, 20),
];

/// Each round of appending is a commit.
pub(crate) fn log(folder: &Path) -> Result<(), Failure> {
    for (appending, verifying, hashing, batch, rounds) in BATCHES {
        let storage = Arc::new(Waiting::yielding());
        let (desk, _) = desk(storage.clone(), folder)?;
        let mut appended = Times::of(appending);
        for _ in 0..rounds {
            appended.time(|| block_on(append(&desk, batch)))?;
        }
        let commits = block_on(commits(&storage.storage))?;
        let (mut verified, mut hashed) = (Times::of(verifying), Times::of(hashing));
        let audit = desk.vault().audit();
        for _ in 0..5 {
            let walked = verified.time(|| block_on(audit.verify_from_genesis()))?;
            assert_eq!(walked.commits, u64::try_from(commits.len())?);
            hashed
                .time(|| commits.iter().try_for_each(|commit| hash(commit)).ok_or("a commit is cut short"))?;
        }
        println!("records_{batch} {}", desk.vault().pin().size());
        [appended, verified, hashed].iter().for_each(Times::print);
    }
    Ok(())
}

async fn commits(storage: &MemoryStorage) -> Result<Vec<Bytes>, Failure> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let keys = storage.list("log/", after.as_ref(), 1000).await?;
        for key in &keys {
            found.push(storage.read(key, None).await?.ok_or("it was listed")?);
        }
        match keys.last() {
            Some(last) if keys.len() == 1000 => after = Some(last.clone()),
            _ => return Ok(found),
        }
    }
}

/// Hashes what a verification hashes of a commit (FORMAT §5.1, §5.3), and nothing else: every leaf, copies
/// too, a node a record and what the root after them takes, every body for its commitment, and all bodies for
/// the signature. None if it is no commit.
fn hash(commit: &[u8]) -> Option<()> {
    let number = |at: usize| Some(u32::from_be_bytes(*commit.get(at..)?.first_chunk()?));
    let (count, recent, bodies) = (number(32)?, number(36)?, number(120)?);
    let leaves_len = usize::try_from(recent + count).ok()? * LEAF;
    let (leaves, rest) = commit.get(124..)?.split_at_checked(leaves_len)?;
    let take = |parts: &[&[u8]]| {
        let mut hasher = Sha256::new();
        parts.iter().for_each(|part| hasher.update(part));
        black_box(hasher.finalize());
    };
    leaves.chunks(LEAF).for_each(|leaf| take(&[&[0], leaf]));
    let first = u64::from_be_bytes(*commit.get(24..)?.first_chunk()?);
    let roots = (first + u64::from(count)).count_ones();
    let node = leaves.get(..64)?;
    (1..count + roots).for_each(|_| take(&[&[1], node]));
    let mut section = rest.get(..usize::try_from(bodies).ok()?)?;
    take(&[section]);
    while let Some((len, after)) = section.split_first_chunk::<4>() {
        let (body, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
        take(&[b"docvault/v1/body", body]);
        section = after;
    }
    Some(())
}

/// Bytes of a leaf.
const LEAF: usize = 280;
