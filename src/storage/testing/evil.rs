//! A storage operator who is the attacker.

use core::ops::Range;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;

use crate::storage::{Creation, MemoryStorage, ObjectKey, Storage, StorageError, memory::slice};

/// Objects in memory, in the hands of somebody who can do with them what a bucket's owner can.
///
/// Honest until one of its methods is called. Older states come back by keeping a
/// [`EvilStorage::fork`] and serving it later; clients that are given different forks see
/// different histories. What [`EvilStorage::show`], [`EvilStorage::hide`], [`EvilStorage::unlist`] and
/// [`EvilStorage::list_twice`] say is said until [`EvilStorage::repent`], and changes no object.
#[derive(Debug, Default)]
pub struct EvilStorage {
    objects: Arc<MemoryStorage>,
    lies: Mutex<Lies>,
}

#[derive(Debug, Clone, Default)]
struct Lies {
    shown: BTreeMap<ObjectKey, Option<Bytes>>,
    unlisted: BTreeSet<ObjectKey>,
    twice: BTreeSet<ObjectKey>,
}

impl EvilStorage {
    /// Starts with a copy of `objects`.
    #[must_use]
    pub fn new(objects: &MemoryStorage) -> Self {
        Self::over(Arc::new(objects.snapshot()))
    }

    /// One client's view of `objects`, which others may see otherwise, or as they are.
    #[must_use]
    pub fn over(objects: Arc<MemoryStorage>) -> Self {
        Self { objects, lies: Mutex::default() }
    }

    /// A second store with the same objects, which goes its own way from here.
    #[must_use]
    pub fn fork(&self) -> Self {
        let lies = Mutex::new(self.lies().clone());
        Self { objects: Arc::new(self.objects.snapshot()), lies }
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

    /// Says to readers that `bytes` are under `key`, whatever is, or if nothing is; a create and a listing
    /// tell what is there.
    pub fn show(&self, key: &ObjectKey, bytes: Bytes) {
        self.lies().shown.insert(key.clone(), Some(bytes));
    }

    /// Says to readers and in listings that `key` is not there; a create tells what is.
    pub fn hide(&self, key: &ObjectKey) {
        self.lies().shown.insert(key.clone(), None);
        self.unlist(key);
    }

    /// Leaves `key` out of listings; it can still be read.
    pub fn unlist(&self, key: &ObjectKey) {
        self.lies().unlisted.insert(key.clone());
    }

    /// Lists `key` twice, in one page if it has room for both.
    pub fn list_twice(&self, key: &ObjectKey) {
        self.lies().twice.insert(key.clone());
    }

    /// Tells the truth again about what was shown, hidden, unlisted and listed twice.
    pub fn repent(&self) {
        *self.lies() = Lies::default();
    }

    fn lies(&self) -> MutexGuard<'_, Lies> {
        self.lies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Storage for EvilStorage {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        self.objects.create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let shown = self.lies().shown.get(key).cloned();
        match shown {
            Some(shown) => Ok(shown.map(|bytes| slice(&bytes, range))),
            None => self.objects.read(key, range).await,
        }
    }

    /// Also how an object is taken away altogether.
    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.objects.delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        let lies = self.lies().clone();
        let keys = self.objects.list(prefix, after, limit.saturating_add(lies.unlisted.len())).await?;
        let listed = keys.into_iter().filter(|key| !lies.unlisted.contains(key));
        let times = |key: &ObjectKey| if lies.twice.contains(key) { 2 } else { 1 };
        Ok(listed.flat_map(|key| core::iter::repeat_n(key.clone(), times(&key))).take(limit).collect())
    }
}
