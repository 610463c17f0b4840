//! What the vault's operations cost, each as a ratio to what it is made of, measured in this very run.
//!
//! `performance FOLDER`, a folder in memory for the range row; prints `name value` lines. Used by
//! `scripts/performance.sh`, which adds the rows that compare whole processes. Sealing threads are bound to a
//! core each.

use std::{
    hint::black_box,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::{
    CaseId, NewDocument, Session, Sleeper, ThreadSleeper, Vault,
    chunked::{Aead, CHUNK_LEN, ChaCha20Poly1305, TAG_LEN},
    keys::LocalKey,
    storage::{Creation, FsStorage, MemoryStorage, ObjectKey, Storage, StorageError},
};
use futures_lite::future::block_on;
use futures_util::future::try_join_all;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let folder = std::env::args().nth(1).ok_or("usage: performance FOLDER")?;
    let cores = pin_threads()?;
    let place = tempfile::tempdir_in(&folder)?;
    large(place.path(), cores)?;
    small(place.path())?;
    ranges(place.path())?;
    let disk = tempfile::tempdir()?;
    tasks(disk.path())
}

/// Binds each thread of rayon's global pool to a core; gives their number.
fn pin_threads() -> Result<usize, Failure> {
    let cores = core_affinity::get_core_ids().ok_or("the cores cannot be told")?;
    let count = cores.len();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(count);
    pool.start_handler(move |index| {
        cores.get(index).map(|core| core_affinity::set_for_current(*core));
    })
    .build_global()?;
    Ok(count)
}

/// The best of many rounds: what the machine's other users leave alone.
struct Best(Duration);

impl Best {
    fn new() -> Self {
        Self(Duration::MAX)
    }

    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = black_box(work());
        self.0 = self.0.min(start.elapsed());
        done
    }

    fn seconds(&self) -> f64 {
        self.0.as_secs_f64()
    }
}

async fn desk(storage: Arc<dyn Storage>, folder: &Path) -> Result<(Session, CaseId), Failure> {
    let keys = tempfile::tempdir_in(folder)?;
    let vault = Vault::create(storage, LocalKey::create(keys.path().join("key"))?).await?;
    let desk = vault.session("performance").purpose("performance").begin()?;
    let case = desk.create_case("performance").await?;
    Ok((desk, case))
}

/// One core's time for the AEAD and for the digest, each over `content` in chunks of 16 KiB.
struct Raw {
    cipher: ChaCha20Poly1305,
    buffer: Vec<u8>,
    aead: Best,
    digest: Best,
}

impl Raw {
    fn new(len: usize) -> Result<Self, Failure> {
        let cipher = ChaCha20Poly1305::new(&[7; 32]).ok_or("32 bytes are a key")?;
        Ok(Self { cipher, buffer: vec![7; len], aead: Best::new(), digest: Best::new() })
    }

    fn round(&mut self) {
        let Self { cipher, buffer, aead, digest } = self;
        aead.time(|| {
            for chunk in buffer.chunks_mut(CHUNK_LEN) {
                black_box(cipher.seal(&[0; 12], chunk));
            }
        });
        digest.time(|| {
            for chunk in buffer.chunks(CHUNK_LEN) {
                black_box(blake3::hash(chunk));
            }
        });
    }

    fn seconds(&self) -> f64 {
        self.aead.seconds() + self.digest.seconds()
    }
}

fn print(name: &str, value: f64) {
    println!("{name} {value:.3}");
}

/// Seal and open 64 MiB, storage in memory.
fn large(folder: &Path, cores: usize) -> Result<(), Failure> {
    const LEN: usize = 64 << 20;
    let content = Bytes::from(vec![7u8; LEN]);
    let mut raw = Raw::new(8 << 20)?;
    let (mut seal, mut open, mut whole) = (Best::new(), Best::new(), Best::new());
    let mut copy = Best::new();
    for _ in 0..25 {
        raw.round();
        drop(copy.time(|| content.to_vec()));
        let (desk, case) = block_on(desk(Arc::new(MemoryStorage::new()), folder))?;
        let new = NewDocument::named("x");
        let stored = seal.time(|| block_on(desk.store(case, new, content.clone())))?;
        open.time(|| {
            block_on(async {
                let mut reader = desk.reader(stored.document).await?;
                while let Some(part) = reader.next().await? {
                    black_box(part);
                }
                Ok::<_, docvault::Error>(())
            })
        })?;
        raw.round();
        whole.time(|| block_on(desk.retrieve(stored.document)))?;
    }
    let bytes = 8.0 * 1.048_576e-3;
    print("aead_gb_per_s", bytes / raw.aead.seconds());
    print("digest_gb_per_s", bytes / raw.digest.seconds());
    print("copy_gb_per_s", 8.0 * bytes / copy.seconds());
    let ideal = raw.seconds() * 8.0 / f64::from(u32::try_from(cores)?);
    for (name, took) in [("seal", &seal), ("open", &open), ("open_whole", &whole)] {
        print(&format!("{name}_gb_per_s"), 8.0 * bytes / took.seconds());
        print(&format!("{name}_efficiency"), ideal / took.seconds());
    }
    Ok(())
}

/// Store and retrieve 100 KiB, storage in memory, against the raw primitives and one append to the log.
fn small(folder: &Path) -> Result<(), Failure> {
    const LEN: usize = 100 << 10;
    let content = Bytes::from(vec![7u8; LEN]);
    let mut raw = Raw::new(LEN)?;
    let (mut store, mut retrieve, mut append) = (Best::new(), Best::new(), Best::new());
    for _ in 0..10 {
        let (desk, case) = block_on(desk(Arc::new(MemoryStorage::new()), folder))?;
        for _ in 0..200 {
            raw.round();
            let stored =
                store.time(|| block_on(desk.store(case, NewDocument::named("x"), content.clone())))?;
            retrieve.time(|| block_on(desk.retrieve(stored.document)))?;
            append.time(|| block_on(desk.describe_case(case)))?;
        }
    }
    let parts = raw.seconds() + append.seconds();
    print("small_raw_us", raw.seconds() * 1e6);
    print("append_us", append.seconds() * 1e6);
    print("small_store_us", store.seconds() * 1e6);
    print("small_retrieve_us", retrieve.seconds() * 1e6);
    print("small_store_ratio", store.seconds() / parts);
    print("small_retrieve_ratio", retrieve.seconds() / parts);
    Ok(())
}

/// 64 KiB out of 1 GiB in a folder, against reading the same chunks and passing them through the AEAD.
fn ranges(folder: &Path) -> Result<(), Failure> {
    const RANGE: u64 = 64 << 10;
    let storage = FsStorage::create(folder.join("ranges"))?;
    let (desk, case) = block_on(desk(Arc::new(storage.clone()), folder))?;
    let mut upload = block_on(desk.upload(case, NewDocument::named("x")))?;
    let part = vec![7u8; 8 << 20];
    (0..128).try_for_each(|_| block_on(upload.write(&part)))?;
    let stored = block_on(upload.finish())?;
    let reader = block_on(desk.reader(stored.document))?;
    let names = block_on(storage.list("part/", None, 1000))?;
    let cipher = ChaCha20Poly1305::new(&[7; 32]).ok_or("32 bytes are a key")?;
    let (mut ours, mut by_hand) = (Vec::new(), Vec::new());
    for round in 0..2000u64 {
        // Well spread, and astride chunks.
        let start = (round * 7_919 * 1_048_583) % ((1 << 30) - (1 << 20)) / RANGE * RANGE + 100;
        let within = start % (8 << 20);
        if within + RANGE > 8 << 20 {
            continue;
        }
        let mut time = Best::new();
        time.time(|| block_on(reader.range(start..start + RANGE)))?;
        ours.push(time.0);
        // Half the document away: what was just read is in the cache.
        let name = names.get(usize::try_from((start >> 23) ^ 64)?).ok_or("a part for every 8 MiB")?;
        let mut time = Best::new();
        time.time(|| block_on(read_by_hand(&storage, name, within, &cipher)))?;
        by_hand.push(time.0);
    }
    let (ours, by_hand) = (median(&mut ours), median(&mut by_hand));
    print("range_us", ours * 1e6);
    print("range_by_hand_us", by_hand * 1e6);
    print("range_ratio", ours / by_hand);
    Ok(())
}

async fn read_by_hand(
    storage: &FsStorage,
    name: &ObjectKey,
    within: u64,
    cipher: &ChaCha20Poly1305,
) -> Result<Bytes, Failure> {
    let sealed_chunk = u64::try_from(CHUNK_LEN + TAG_LEN)?;
    let (first, last) = (within >> 14, (within + (64 << 10) - 1) >> 14);
    let range = 56 + first * sealed_chunk..56 + (last + 1) * sealed_chunk;
    let sealed = storage.read(name, Some(range)).await?.ok_or("the part is there")?;
    let mut sealed = sealed.try_into_mut().map_err(|_| "nobody else holds it")?;
    for chunk in sealed.chunks_mut(CHUNK_LEN + TAG_LEN) {
        // ChaCha20-Poly1305 takes as long one way as the other; the other needs the document's key.
        black_box(cipher.seal(&[0; 12], chunk));
    }
    Ok(sealed.freeze())
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64)
}

/// A folder on a disk whose syncs take a millisecond longer each; storing an object takes two.
#[derive(Debug)]
struct SlowSync(FsStorage);

#[async_trait]
impl Storage for SlowSync {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        ThreadSleeper::default().sleep(Duration::from_millis(2)).await;
        self.0.create(key, bytes).await
    }

    async fn read(
        &self,
        key: &ObjectKey,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Option<Bytes>, StorageError> {
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

/// Documents of 100 KiB stored durably: one task, and 64 at once.
fn tasks(folder: &Path) -> Result<(), Failure> {
    let storage = SlowSync(FsStorage::create(folder.join("tasks"))?);
    let (desk, case) = block_on(desk(Arc::new(storage), folder))?;
    let content = Bytes::from(vec![7u8; 100 << 10]);
    let store = || async { desk.store(case, NewDocument::named("x"), content.clone()).await.map(drop) };
    let (mut one, mut many) = (Best::new(), Best::new());
    for _ in 0..5 {
        one.time(|| (0..16).try_for_each(|_| block_on(store())))?;
        let task = |_| async {
            for _ in 0..4 {
                store().await?;
            }
            Ok::<_, docvault::Error>(())
        };
        many.time(|| block_on(try_join_all((0..64).map(task))))?;
    }
    let (one, many) = (16.0 / one.seconds(), 256.0 / many.seconds());
    print("one_task_per_s", one);
    print("tasks_per_s", many);
    print("tasks_ratio", many / one);
    Ok(())
}
