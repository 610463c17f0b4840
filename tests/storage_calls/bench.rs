//! A vault on counted calls and virtual time, of which each call takes one unit.

use core::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use std::sync::Arc;

use async_trait::async_trait;
use docvault::{
    CaseId, DocumentId, NewDocument, Pin, Session, Vault, VaultOptions,
    keys::LocalKey,
    storage::{
        MemoryStorage, ObjectKey, Storage, StorageError,
        testing::{CountingStorage, Counts, DelayedStorage, VirtualTime},
    },
};
use futures_util::future::join_all;
use tempfile::TempDir;

use crate::{
    common::around::{Around, Through},
    intake::Seeded,
};

/// What an operation cost: calls, and how many of them were made one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) counts: Counts,
    pub(crate) trips: u128,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { create, read, delete, list, .. } = self.counts;
        let calls = [(create, 'c'), (read, 'r'), (list, 'l'), (delete, 'd')];
        for (count, verb) in calls.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{count}{verb} ")?;
        }
        write!(f, "· **{}**", self.trips)
    }
}

impl Cost {
    pub(crate) fn calls(&self) -> u64 {
        let Counts { create, read, delete, list, .. } = self.counts;
        create + read + delete + list
    }
}

/// What was counted, by the operation's name.
pub(crate) type Rows = Vec<(&'static str, Cost)>;

pub(crate) struct Bench {
    pub(crate) memory: Arc<MemoryStorage>,
    pub(crate) counting: Arc<CountingStorage>,
    pub(crate) storage: Arc<Through<Alone>>,
    pub(crate) time: VirtualTime,
    pub(crate) key: Arc<LocalKey>,
    pub(crate) rows: Rows,
    pub(crate) folder: TempDir,
    seeds: AtomicU64,
}

/// No other process: the looks at the line of those that want to commit, one in eight commits and beside it, are left
/// out of the count.
#[derive(Debug)]
pub(crate) struct Alone(DelayedStorage);

#[async_trait]
impl Around for Alone {
    fn objects(&self) -> &dyn Storage {
        &self.0
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        if prefix == "turn/" { Ok(Vec::new()) } else { self.0.list(prefix, after, limit).await }
    }
}

const UNIT: Duration = Duration::from_millis(1);

/// Does `work` on a bench and its time.
pub(crate) fn run<T, F: Future<Output = T>>(work: impl FnOnce(Bench) -> F) -> T {
    let bench = Bench::new();
    let time = bench.time.clone();
    time.block_on(work(bench))
}

impl Bench {
    fn new() -> Self {
        let memory = Arc::new(MemoryStorage::default());
        let counting = Arc::new(CountingStorage::new(memory.clone()));
        let time = VirtualTime::default();
        let storage = Arc::new(Through(Alone(DelayedStorage::new(counting.clone(), time.clone(), |_| UNIT))));
        let folder = tempfile::tempdir().unwrap();
        let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
        Self { memory, counting, storage, time, key, rows: Vec::new(), folder, seeds: AtomicU64::new(0) }
    }

    pub(crate) fn options(&self) -> VaultOptions {
        let entropy = Seeded::new(self.seeds.fetch_add(1, Ordering::SeqCst) + 1);
        VaultOptions::default().clock(self.time.clone()).sleeper(self.time.clone()).entropy(entropy)
    }

    /// What `operation` gives, and what it costs.
    pub(crate) async fn cost<T>(&self, operation: impl Future<Output = T> + Send) -> (T, Cost) {
        self.counting.take();
        let began = self.time.elapsed();
        let output = operation.await;
        let trips = (self.time.elapsed() - began).as_millis() / UNIT.as_millis();
        (output, Cost { counts: self.counting.take(), trips })
    }

    /// Notes what `operation` costs, under its name.
    pub(crate) async fn count<T>(
        &mut self,
        name: &'static str,
        operation: impl Future<Output = T> + Send,
    ) -> T {
        let (output, cost) = self.cost(operation).await;
        self.rows.push((name, cost));
        output
    }

    pub(crate) async fn create(&self) -> Vault {
        Vault::create_with(self.storage.clone(), self.key.clone(), self.options()).await.unwrap()
    }

    pub(crate) async fn open(&self, pin: &Pin) -> Vault {
        Vault::open_with(self.storage.clone(), self.key.clone(), pin, self.options()).await.unwrap()
    }
}

pub(crate) fn desk(vault: &Vault) -> Session {
    vault.session("user:1").purpose("counting").begin().unwrap()
}

pub(crate) async fn store(desk: &Session, case: CaseId, len: usize) -> DocumentId {
    let content = vec![7; len];
    desk.store(case, NewDocument::named("INE.pdf"), content).await.unwrap().document
}

/// Brings the log to `records`, a quarter of them stored documents in cases of a hundred.
pub(crate) async fn fill(desk: &Session, records: u64) {
    let mut case = desk.create_case("filled").await.unwrap();
    while desk.vault().pin().size() < records {
        let work = (0..100).map(|number| async move {
            match number % 4 {
                0 => drop(store(desk, case, 100).await),
                _ => drop(desk.describe_case(case).await.unwrap()),
            }
        });
        join_all(work).await;
        case = desk.create_case("filled").await.unwrap();
    }
}
