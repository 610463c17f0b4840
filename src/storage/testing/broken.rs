//! Backends that break the contract as real ones do, to see that they are refused.

use core::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;

use super::executor::yield_once;
use crate::storage::{Creation, MemoryStorage, ObjectKey, Storage, StorageError};

/// Ignores the create condition and overwrites, as object stores do that do not know
/// `If-None-Match: *`.
#[derive(Debug, Default)]
pub struct OverwritingStorage(MemoryStorage);

impl OverwritingStorage {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// Looks whether the name is free and then writes, in two steps: right for one create after
/// another, wrong in a race.
#[derive(Debug, Default)]
pub struct CheckThenWriteStorage(MemoryStorage);

impl CheckThenWriteStorage {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Storage for OverwritingStorage {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        self.0.overwrite(key, bytes);
        Ok(Creation::Created)
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
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

#[async_trait]
impl Storage for CheckThenWriteStorage {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        if self.0.read(key, Some(0..0)).await?.is_some() {
            return Ok(Creation::Exists);
        }
        yield_once().await;
        self.0.overwrite(key, bytes);
        Ok(Creation::Created)
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
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
