//! A process that dies at a chosen call.

use core::{
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::storage::{Creation, MemoryStorage, ObjectKey, Storage, StorageError, StorageErrorKind};

/// Whether the call that the crash interrupted took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum InFlight {
    /// It did, unseen by its caller.
    Landed,
    /// It did not.
    Lost,
}

impl InFlight {
    /// Both ways, to go through.
    pub const BOTH: [Self; 2] = [Self::Landed, Self::Lost];
}

/// Objects in memory, and a crash: one call never answers its caller, and all later ones fail.
///
/// A test runs its script once for each call number until [`CrashStorage::crashed`] is false, and
/// looks at what [`CrashStorage::recover`] gives in [both ways](InFlight::BOTH).
#[derive(Debug)]
pub struct CrashStorage {
    durable: MemoryStorage,
    interrupted: Mutex<Option<Effect>>,
    crash_at: usize,
    calls: AtomicUsize,
}

/// What the interrupted call was about to do.
#[derive(Debug)]
enum Effect {
    Create(ObjectKey, Bytes),
    Delete(ObjectKey),
}

impl CrashStorage {
    /// Starts with a copy of `objects`, and crashes at the call of that number, counted from 0.
    #[must_use]
    pub fn new(objects: &MemoryStorage, crash_at: usize) -> Self {
        let calls = AtomicUsize::new(0);
        Self { durable: objects.snapshot(), interrupted: Mutex::default(), crash_at, calls }
    }

    /// Whether the crash has happened.
    #[must_use]
    pub fn crashed(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > self.crash_at
    }

    /// What the next process finds.
    ///
    /// # Errors
    ///
    /// Never: it is objects in memory that are written to.
    pub async fn recover(&self, in_flight: InFlight) -> Result<MemoryStorage, StorageError> {
        let found = self.durable.snapshot();
        if in_flight == InFlight::Landed {
            self.land(&found).await?;
        }
        Ok(found)
    }

    async fn land(&self, found: &MemoryStorage) -> Result<(), StorageError> {
        let create = match &*self.interrupted() {
            Some(Effect::Create(key, bytes)) => (key.clone(), Some(bytes.clone())),
            Some(Effect::Delete(key)) => (key.clone(), None),
            None => return Ok(()),
        };
        match create {
            (key, Some(bytes)) => found.create(&key, bytes).await.map(drop),
            (key, None) => found.delete(&key).await,
        }
    }

    fn interrupted(&self) -> std::sync::MutexGuard<'_, Option<Effect>> {
        self.interrupted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the call; fails from the crash on, and remembers the call it interrupted.
    fn call(&self, effect: Option<Effect>) -> Result<(), StorageError> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        if number < self.crash_at {
            return Ok(());
        }
        if number == self.crash_at {
            *self.interrupted() = effect;
        }
        Err(StorageError::new(StorageErrorKind::Unavailable, "the process has crashed"))
    }
}

#[async_trait]
impl Storage for CrashStorage {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        self.call(Some(Effect::Create(key.clone(), bytes.clone())))?;
        self.durable.create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        self.call(None)?;
        self.durable.read(key, range).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.call(Some(Effect::Delete(key.clone())))?;
        self.durable.delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        self.call(None)?;
        self.durable.list(prefix, after, limit).await
    }
}
