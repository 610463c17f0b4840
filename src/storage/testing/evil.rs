//! A storage operator who is the attacker.

use core::ops::Range;
use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;

use crate::storage::{Creation, MemoryStorage, ObjectKey, Storage, StorageError};

/// Objects in memory, in the hands of somebody who can do with them what a bucket's owner can.
///
/// Honest until one of its methods is called. Older states come back by keeping a
/// [`EvilStorage::fork`] and serving it later; clients that are given different forks see
/// different histories.
#[derive(Debug, Default)]
pub struct EvilStorage {
    objects: MemoryStorage,
    unlisted: Mutex<BTreeSet<ObjectKey>>,
}

impl EvilStorage {
    /// Starts with a copy of `objects`.
    #[must_use]
    pub fn new(objects: &MemoryStorage) -> Self {
        Self { objects: objects.snapshot(), unlisted: Mutex::default() }
    }

    /// A second store with the same objects, which goes its own way from here.
    #[must_use]
    pub fn fork(&self) -> Self {
        let unlisted = Mutex::new(self.unlisted().clone());
        Self { objects: self.objects.snapshot(), unlisted }
    }

    /// All objects as they are now.
    #[must_use]
    pub fn snapshot(&self) -> MemoryStorage {
        self.objects.snapshot()
    }

    /// Serves `bytes` under `key` from now on: altered, of another object, or older.
    pub fn substitute(&self, key: &ObjectKey, bytes: Bytes) {
        self.objects.overwrite(key, bytes);
    }

    /// Leaves `key` out of listings; it can still be read.
    pub fn unlist(&self, key: &ObjectKey) {
        self.unlisted().insert(key.clone());
    }

    fn unlisted(&self) -> MutexGuard<'_, BTreeSet<ObjectKey>> {
        self.unlisted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Storage for EvilStorage {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        self.objects.create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        self.objects.read(key, range).await
    }

    /// Also how an object is hidden altogether.
    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.objects.delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        let unlisted = self.unlisted().clone();
        let mut keys = self.objects.list(prefix, after, limit.saturating_add(unlisted.len())).await?;
        keys.retain(|key| !unlisted.contains(key));
        keys.truncate(limit);
        Ok(keys)
    }
}
