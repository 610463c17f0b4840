//! What a process sees of the one storage: each call is traced, meets faults and latency, and what a lying
//! operator shows this process alone.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::storage::{
    Creation, MemoryStorage, ObjectKey, Storage, StorageError,
    testing::{EvilStorage, FaultyStorage},
};

/// All that happened, in order: told if asked for, and always as a digest, so that runs can be compared.
#[derive(Debug, Default)]
pub struct Trace(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    digest: DefaultHasher,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub fn new(told: bool) -> Self {
        Self(Mutex::new(Told { digest: DefaultHasher::new(), lines: told.then(Vec::new) }))
    }

    /// Notes what is always the same for the same run; `text` is made only if somebody reads it.
    pub fn note(&self, what: impl Hash, text: impl FnOnce() -> String) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        what.hash(&mut told.digest);
        if let Some(lines) = &mut told.lines {
            lines.push(text());
        }
    }

    pub fn digest(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).digest.finish()
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).lines.clone().unwrap_or_default()
    }
}

/// What a lying operator shows one process, and how often it was another thing than there is: a lie that nobody
/// asks about is none.
#[derive(Debug)]
pub struct Liar {
    pub evil: EvilStorage,
    objects: Arc<MemoryStorage>,
    lies: Mutex<Lies>,
}

#[derive(Debug, Default)]
struct Lies {
    now: &'static str,
    shown: BTreeMap<&'static str, u64>,
}

impl Liar {
    pub fn over(objects: Arc<MemoryStorage>) -> Self {
        Self { evil: EvilStorage::over(objects.clone()), objects, lies: Mutex::default() }
    }

    /// What he lies about from now on.
    pub fn begin(&self, lie: &'static str) {
        self.lies().now = lie;
    }

    /// How often each lie was shown.
    pub fn shown(&self) -> BTreeMap<&'static str, u64> {
        self.lies().shown.clone()
    }

    fn lies(&self) -> MutexGuard<'_, Lies> {
        self.lies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compare<T: PartialEq>(&self, shown: &T, there: &T) {
        if shown != there {
            let mut lies = self.lies();
            let now = lies.now;
            *lies.shown.entry(now).or_default() += 1;
        }
    }
}

#[async_trait]
impl Storage for Liar {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        self.evil.create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let shown = self.evil.read(key, range.clone()).await?;
        self.compare(&shown, &self.objects.read(key, range).await?);
        Ok(shown)
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.evil.delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        let shown = self.evil.list(prefix, after, limit).await?;
        self.compare(&shown, &self.objects.list(prefix, after, limit).await?);
        Ok(shown)
    }
}

/// One process's way to the storage.
#[derive(Debug)]
pub struct View {
    pub process: usize,
    pub faulty: FaultyStorage,
    pub liar: Arc<Liar>,
    /// While set, calls take no time and meet no fault.
    pub calm: AtomicBool,
    pub trace: Arc<Trace>,
}

impl View {
    fn way(&self) -> &dyn Storage {
        if self.calm.load(Ordering::SeqCst) { &*self.liar } else { &self.faulty }
    }

    fn note(&self, verb: &str, at: &str, answer: &str) {
        self.trace
            .note((self.process, verb, at, answer), || format!("    {} {verb} {at}: {answer}", self.process));
    }
}

fn failure<T>(answer: &Result<T, StorageError>, ok: impl Fn(&T) -> String) -> String {
    answer.as_ref().map_or_else(|_| "error".into(), ok)
}

#[async_trait]
impl Storage for View {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        let answer = self.way().create(key, bytes).await;
        self.note("create", key.as_str(), &failure(&answer, |creation| format!("{creation:?}")));
        answer
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let answer = self.way().read(key, range).await;
        let len =
            |found: &Option<Bytes>| found.as_ref().map_or("none".into(), |bytes| bytes.len().to_string());
        self.note("read", key.as_str(), &failure(&answer, len));
        answer
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let answer = self.way().delete(key).await;
        self.note("delete", key.as_str(), &failure(&answer, |()| "done".into()));
        answer
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        let answer = self.way().list(prefix, after, limit).await;
        self.note("list", prefix, &failure(&answer, |keys| keys.len().to_string()));
        answer
    }
}

/// Every object, by name.
pub async fn all(objects: &MemoryStorage, prefix: &str) -> Vec<(ObjectKey, Bytes)> {
    let mut all = Vec::new();
    for key in objects.list(prefix, None, usize::MAX).await.unwrap() {
        let bytes = objects.read(&key, None).await.unwrap().unwrap();
        all.push((key, bytes));
    }
    all
}

/// Puts a backup back in place, under whoever runs.
pub async fn restore(objects: &MemoryStorage, backup: &MemoryStorage) {
    for (key, _) in all(objects, "").await {
        if backup.read(&key, None).await.unwrap().is_none() {
            objects.delete(&key).await.unwrap();
        }
    }
    for (key, bytes) in all(backup, "").await {
        objects.create(&key, bytes).await.unwrap();
    }
}
