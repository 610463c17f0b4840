//! What the subjects share: times, the raw primitives, a session.

use std::{
    hint::black_box,
    ops::Range,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::{
    CaseId, OperationId, Session, Sleeper, ThreadSleeper, Vault,
    chunked::{Aead, CHUNK_LEN, ChaCha20Poly1305},
    keys::LocalKey,
    storage::{Creation, MemoryStorage, ObjectKey, Storage, StorageError},
};
use futures_lite::future::block_on;
use futures_util::future::try_join_all;

pub(crate) type Failure = Box<dyn std::error::Error>;

/// How long each round of something took.
pub(crate) struct Times {
    name: &'static str,
    rounds: Vec<Duration>,
}

impl Times {
    pub(crate) const fn of(name: &'static str) -> Self {
        Self { name, rounds: Vec::new() }
    }

    pub(crate) fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = black_box(work());
        self.rounds.push(start.elapsed());
        done
    }

    pub(crate) fn median(&self) -> Duration {
        let mut rounds = self.rounds.clone();
        rounds.sort();
        rounds.get(rounds.len() / 2).copied().unwrap_or_default()
    }

    /// A line: the name, and the seconds of each round.
    pub(crate) fn print(&self) {
        let seconds: Vec<String> =
            self.rounds.iter().map(|round| format!("{:.9}", round.as_secs_f64())).collect();
        println!("{} {}", self.name, seconds.join(" "));
    }
}

/// One core's time for the AEAD and for the digest, each over a buffer in chunks of 16 KiB.
pub(crate) struct Raw {
    pub(crate) cipher: ChaCha20Poly1305,
    buffer: Vec<u8>,
    aead: Times,
    digest: Times,
}

impl Raw {
    pub(crate) fn new(len: usize, [aead, digest]: [&'static str; 2]) -> Result<Self, Failure> {
        let cipher = ChaCha20Poly1305::new(&[7; 32]).ok_or("32 bytes are a key")?;
        Ok(Self { cipher, buffer: vec![7; len], aead: Times::of(aead), digest: Times::of(digest) })
    }

    pub(crate) fn round(&mut self) {
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

    /// Of both together.
    pub(crate) fn median(&self) -> Duration {
        self.aead.median() + self.digest.median()
    }

    pub(crate) fn print(&self) {
        self.aead.print();
        self.digest.print();
    }
}

/// A storage that waits before it creates.
#[derive(Debug)]
pub(crate) struct Waiting<S> {
    pub(crate) storage: S,
    /// So long; without one it lets others go first, as every real storage does: what is asked at once is then
    /// committed at once.
    pub(crate) time: Option<Duration>,
}

impl Waiting<MemoryStorage> {
    pub(crate) fn yielding() -> Self {
        Self { storage: MemoryStorage::new(), time: None }
    }
}

#[async_trait]
impl<S: Storage> Storage for Waiting<S> {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        match self.time {
            Some(time) => ThreadSleeper::default().sleep(time).await,
            None => futures_lite::future::yield_now().await,
        }
        self.storage.create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        self.storage.read(key, range).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.storage.delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        self.storage.list(prefix, after, limit).await
    }
}

/// A new vault, and a case in it. Its key is beside `folder`.
pub(crate) fn desk(storage: Arc<dyn Storage>, folder: &Path) -> Result<(Session, CaseId), Failure> {
    let keys = tempfile::tempdir_in(folder)?;
    let vault = block_on(Vault::create(storage, LocalKey::create(keys.path().join("key"))?))?;
    let desk = vault.session("performance").purpose("performance").begin()?;
    let case = block_on(desk.create_case("performance"))?;
    Ok((desk, case))
}

/// Commits `count` records at once: the least that can be asked, each with a sealed body.
pub(crate) async fn append(desk: &Session, count: usize) -> Result<(), docvault::Error> {
    let unknown = OperationId::from_bytes([1; 16]);
    try_join_all((0..count).map(|_| desk.outcome(unknown))).await.map(drop)
}
