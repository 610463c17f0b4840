//! How many calls there were.

use core::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::storage::{Creation, ObjectKey, Storage, StorageError};

/// Calls by verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Calls of [`Storage::create`].
    pub create: u64,
    /// Calls of [`Storage::read`].
    pub read: u64,
    /// Calls of [`Storage::delete`].
    pub delete: u64,
    /// Calls of [`Storage::list`].
    pub list: u64,
}

/// Counts the calls that reach another backend.
#[derive(Debug)]
pub struct CountingStorage {
    inner: Arc<dyn Storage>,
    create: AtomicU64,
    read: AtomicU64,
    delete: AtomicU64,
    list: AtomicU64,
}

impl CountingStorage {
    /// Counts from zero.
    #[must_use]
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        let zero = AtomicU64::default;
        Self { inner, create: zero(), read: zero(), delete: zero(), list: zero() }
    }

    /// The calls since the last `take`, or since the beginning.
    pub fn take(&self) -> Counts {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        Counts {
            create: take(&self.create),
            read: take(&self.read),
            delete: take(&self.delete),
            list: take(&self.list),
        }
    }
}

#[async_trait]
impl Storage for CountingStorage {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        self.create.fetch_add(1, Ordering::Relaxed);
        self.inner.create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        self.read.fetch_add(1, Ordering::Relaxed);
        self.inner.read(key, range).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.delete.fetch_add(1, Ordering::Relaxed);
        self.inner.delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        self.list.fetch_add(1, Ordering::Relaxed);
        self.inner.list(prefix, after, limit).await
    }
}
