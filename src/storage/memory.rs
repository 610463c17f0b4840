//! Objects in memory.

use core::ops::{Bound, Range};
use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Creation, ObjectKey, Storage, StorageError};

/// Objects in this process's memory: for tests, and for vaults that need not outlive it.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    objects: RwLock<BTreeMap<ObjectKey, Bytes>>,
}

impl MemoryStorage {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of all objects as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self { objects: RwLock::new(self.shared().clone()) }
    }

    /// Breaks the contract: takes the name whether it is free or not.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn overwrite(&self, key: &ObjectKey, bytes: Bytes) {
        self.exclusive().insert(key.clone(), bytes);
    }

    // No panic can leave the map half changed, so a poisoned lock is as good as any.
    fn shared(&self) -> RwLockReadGuard<'_, BTreeMap<ObjectKey, Bytes>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn exclusive(&self) -> RwLockWriteGuard<'_, BTreeMap<ObjectKey, Bytes>> {
        self.objects.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        let mut objects = self.exclusive();
        if objects.contains_key(key) {
            return Ok(Creation::Exists);
        }
        objects.insert(key.clone(), bytes);
        Ok(Creation::Created)
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        Ok(self.shared().get(key).map(|bytes| slice(bytes, range)))
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.exclusive().remove(key);
        Ok(())
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        Ok(page(&self.shared(), prefix, after, limit))
    }
}

/// What a [`Storage::list`] of these objects answers.
fn page(
    objects: &BTreeMap<ObjectKey, Bytes>,
    prefix: &str,
    after: Option<&ObjectKey>,
    limit: usize,
) -> Vec<ObjectKey> {
    let from = match after {
        Some(after) if after.as_str() >= prefix => Bound::Excluded(after.as_str()),
        _ => Bound::Included(prefix),
    };
    let following = objects.range::<str, _>((from, Bound::Unbounded)).map(|(key, _)| key);
    following.take_while(|key| key.as_str().starts_with(prefix)).take(limit).cloned().collect()
}

/// What a [`Storage::read`] of an object with these bytes answers.
pub(super) fn slice(bytes: &Bytes, range: Option<Range<u64>>) -> Bytes {
    let Some(range) = range else { return bytes.clone() };
    let offset = |at| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    let end = offset(range.end);
    bytes.slice(offset(range.start).min(end)..end)
}
