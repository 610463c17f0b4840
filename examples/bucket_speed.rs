//! How fast a document goes into a bucket and out of it again, against `object_store` alone with parts of the same
//! size and as many of them under way, in turns in one run.
//!
//! `bucket_speed s3://BUCKET/PREFIX MIB ROUNDS`; credentials and endpoint from the environment (`AWS_…`). What a round
//! stored is retrieved several times. Prints each time, medians, their ratios, and the peak of the process's memory.
//! Used by `scripts/ceph.sh`. The vault's key is thrown away in the end: empty the prefix then.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use docvault::{
    CaseId, DocumentId, NewDocument, Session, Vault,
    keys::LocalKey,
    storage::{
        ObjectStorage,
        object_store::{
            ObjectStore, ObjectStoreExt, PutMode, PutOptions, aws::AmazonS3Builder, path::Path,
            prefix::PrefixStore,
        },
    },
};
use futures_util::{StreamExt, TryStreamExt, stream};

type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "usage: bucket_speed s3://BUCKET/PREFIX MIB ROUNDS";
/// The size of a part of a document.
const PART: usize = 8 << 20;
/// As many parts as an upload has under way.
const STORING: usize = 2;
/// As many parts as a reader has under way.
const READING: usize = 4;
/// How often a round retrieves what it stored: servers on the same cores make single times differ by a tenth.
const RETRIEVALS: usize = 5;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [place, mib, rounds] = arguments.as_slice() else { return Err(USAGE.into()) };
    let (bucket, prefix) = place.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).ok_or(USAGE)?;
    let parts = (mib.parse::<usize>()? << 20) / PART;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = AmazonS3Builder::from_env().with_bucket_name(bucket).build()?;
        let compared = Compared::new(Arc::new(PrefixStore::new(store, prefix)), parts).await?;
        compared.rounds(rounds.parse()?).await
    })
}

/// The same bytes, by `object_store` alone and by a vault.
struct Compared {
    store: Arc<dyn ObjectStore>,
    desk: Session,
    part: Bytes,
    parts: usize,
}

/// What was measured in one direction, in seconds.
#[derive(Default)]
struct Measured {
    alone: Vec<f64>,
    vault: Vec<f64>,
}

impl Compared {
    async fn new(store: Arc<dyn ObjectStore>, parts: usize) -> Result<Self, Failure> {
        let keys = tempfile::tempdir()?;
        let storage = ObjectStorage::new(store.clone())?.prefix("vault");
        let vault = Vault::create(storage, LocalKey::create(keys.path().join("key"))?).await?;
        let desk = vault.session("speed").purpose("speed").begin()?;
        // Not the same 8 MiB of zeros that a network or a disk may be quick with.
        let mut part = vec![0; PART];
        blake3::Hasher::new().finalize_xof().fill(&mut part);
        Ok(Self { store, desk, part: part.into(), parts })
    }

    async fn rounds(&self, rounds: usize) -> Result<(), Failure> {
        let (mut store, mut retrieve) = (Measured::default(), Measured::default());
        for round in 0..rounds {
            let case = self.desk.create_case("speed").await?;
            // Who goes first changes, for the second may find the servers still busy.
            let vault_first = round % 2 == 1;
            let document = store.time(vault_first, self.put(round), self.store(case)).await?;
            store.print("store", round);
            for again in 0..RETRIEVALS {
                let vault_first = vault_first ^ (again % 2 == 1);
                retrieve.time(vault_first, self.get(round), self.retrieve(document)).await?;
                retrieve.print("retrieve", round);
            }
            self.forget(round, document.case()).await?;
        }
        let mib = f64::from(u32::try_from(self.parts * (PART >> 20))?);
        store.summarize("store", mib);
        retrieve.summarize("retrieve", mib);
        println!("peak memory: {} MiB", peak_memory()?);
        Ok(())
    }

    fn name(round: usize, part: usize) -> Path {
        Path::from(format!("alone/{round}/{part}"))
    }

    async fn put(&self, round: usize) -> Result<(), Failure> {
        let put = async |part: usize| {
            let (name, options) = (Self::name(round, part), PutOptions::from(PutMode::Create));
            self.store.put_opts(&name, self.part.clone().into(), options).await.map(drop)
        };
        let puts = stream::iter(0..self.parts).map(put).buffered(STORING);
        Ok(puts.try_for_each(|()| async { Ok(()) }).await?)
    }

    async fn get(&self, round: usize) -> Result<(), Failure> {
        let get = async |part: usize| self.store.get(&Self::name(round, part)).await?.bytes().await;
        let mut gets = stream::iter(0..self.parts).map(get).buffered(READING);
        while let Some(part) = gets.try_next().await? {
            check(&part, &self.part)?;
        }
        Ok(())
    }

    async fn store(&self, case: CaseId) -> Result<DocumentId, Failure> {
        let mut upload = self.desk.upload(case, NewDocument::named("large")).await?;
        for _ in 0..self.parts {
            upload.write(&self.part).await?;
        }
        Ok(upload.finish().await?.document)
    }

    async fn retrieve(&self, document: DocumentId) -> Result<(), Failure> {
        let mut reader = self.desk.reader(document).await?;
        while let Some(part) = reader.next().await? {
            check(&part, &self.part)?;
        }
        Ok(())
    }

    async fn forget(&self, round: usize, case: CaseId) -> Result<(), Failure> {
        for part in 0..self.parts {
            self.store.delete(&Self::name(round, part)).await?;
        }
        self.desk.close_case(case, "measured").await?;
        self.desk.erase_case(case).await?;
        Ok(())
    }
}

impl Measured {
    async fn time<T: Send>(
        &mut self,
        vault_first: bool,
        alone: impl Future<Output = Result<(), Failure>> + Send,
        vault: impl Future<Output = Result<T, Failure>> + Send,
    ) -> Result<T, Failure> {
        let ((alone, ()), (vault, made)) = if vault_first {
            let vault = timed(vault).await?;
            (timed(alone).await?, vault)
        } else {
            let alone = timed(alone).await?;
            (alone, timed(vault).await?)
        };
        self.alone.push(alone);
        self.vault.push(vault);
        Ok(made)
    }

    fn print(&self, name: &str, round: usize) {
        if let (Some(alone), Some(vault)) = (self.alone.last(), self.vault.last()) {
            println!("round {round}, {name}: object_store {alone:.2} s, vault {vault:.2} s");
        }
    }

    fn summarize(mut self, name: &str, mib: f64) {
        let (alone, vault) = (median(&mut self.alone), median(&mut self.vault));
        println!(
            "{name}: object_store {:.0} MiB/s, vault {:.0} MiB/s, ratio {:.2}",
            mib / alone,
            mib / vault,
            alone / vault
        );
    }
}

async fn timed<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<(f64, T), Failure> {
    let start = Instant::now();
    let done = work.await?;
    Ok((start.elapsed().max(Duration::from_nanos(1)).as_secs_f64(), done))
}

fn check(found: &[u8], expected: &[u8]) -> Result<(), Failure> {
    if found == expected || found.is_empty() { Ok(()) } else { Err("other bytes came back".into()) }
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The most memory that this process has had, in MiB, as Linux tells.
fn peak_memory() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak memory here")?;
    Ok(line.split_whitespace().next().ok_or("no number")?.parse::<u64>()? / 1024)
}
