//! What the simulation is made of: seeded randomness, and a writer's link to the storage.

use core::{ops::Range, time::Duration};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::{
    Entropy, EntropyError,
    storage::{
        Creation, ObjectKey, Storage, StorageError, StorageErrorKind,
        testing::{DelayedStorage, Verb, VirtualTime},
    },
};

/// SplitMix64 (Steele, Lea and Flood, 2014): a run is what its seed says. Nothing that is kept may use it.
#[derive(Debug, Clone)]
pub(crate) struct Seeded(Arc<Mutex<u64>>);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(seed)))
    }

    pub(crate) fn draw(&self) -> u64 {
        let mut state = self.0.lock().expect("nothing panics while it holds the lock");
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Microseconds within `millis`.
    fn within(&self, millis: Range<u64>) -> u64 {
        millis.start * 1000 + self.draw() % ((millis.end - millis.start) * 1000)
    }
}

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(8) {
            let drawn = self.draw().to_be_bytes();
            chunk.iter_mut().zip(drawn).for_each(|(to, from)| *to = from);
        }
        Ok(())
    }
}

/// One process's way to the bucket; it notes what became of the commits it tried.
#[derive(Debug)]
pub(crate) struct Link {
    inner: DelayedStorage,
    pub(crate) won: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) reads: AtomicU64,
    line: bool,
    time: VirtualTime,
    folds: Mutex<Folds>,
}

/// A fold: up to which record it went, the objects it wrote, and how long no commit came meanwhile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fold {
    pub(crate) covered: u64,
    pub(crate) objects: u64,
    pub(crate) pause: Duration,
}

/// What was written of the index, from one commit to the next.
#[derive(Debug, Default)]
struct Folds {
    last: Duration,
    covered: u64,
    objects: u64,
    done: Vec<Fold>,
}

impl Link {
    /// A PUT takes 20 to 50 ms, and so do deletions; a GET 10 to 20 ms, and so do listings; all of it `times` as long.
    pub(crate) fn new(bucket: Arc<dyn Storage>, time: VirtualTime, seed: Seeded, times: u64) -> Self {
        let latency = move |verb| {
            let drawn = match verb {
                Verb::Create | Verb::Delete => seed.within(20..50),
                _ => seed.within(10..20),
            };
            Duration::from_micros(times * drawn)
        };
        let zero = AtomicU64::default;
        let inner = DelayedStorage::new(bucket, time.clone(), latency);
        let (won, lost, writes, reads) = (zero(), zero(), zero(), zero());
        Self { inner, won, lost, writes, reads, line: true, time, folds: Mutex::default() }
    }

    /// Refuses to keep the line in which processes wait for their turn.
    pub(crate) fn without_line(self) -> Self {
        Self { line: false, ..self }
    }

    fn keeps(&self, name: &str) -> Result<(), StorageError> {
        if self.line || !name.starts_with("turn/") {
            return Ok(());
        }
        Err(StorageError::new(StorageErrorKind::Unavailable, "no line is kept here"))
    }

    pub(crate) fn folds(&self) -> Vec<Fold> {
        self.folds.lock().expect("whole").done.clone()
    }

    fn note(&self, key: &ObjectKey) {
        let mut folds = self.folds.lock().expect("whole");
        if let Some(covered) = key.as_str().strip_prefix("index/").and_then(|name| name.get(..16)) {
            folds.covered = u64::from_str_radix(covered, 16).expect("records in hexadecimal");
            folds.objects += 1;
        }
        if key.as_str().starts_with("log/") {
            let (now, objects) = (self.time.elapsed(), core::mem::take(&mut folds.objects));
            if objects > 0 {
                let (covered, pause) = (folds.covered, now - folds.last);
                folds.done.push(Fold { covered, objects, pause });
            }
            folds.last = now;
        }
    }
}

#[async_trait]
impl Storage for Link {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        self.keeps(key.as_str())?;
        let created = self.inner.create(key, bytes).await?;
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.note(key);
        if key.as_str().starts_with("log/") {
            let count = if created == Creation::Created { &self.won } else { &self.lost };
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(created)
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.inner.read(key, range).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.inner.delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        self.keeps(prefix)?;
        // Costs what a PUT costs.
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.inner.list(prefix, after, limit).await
    }
}
