//! Storages of tests that do something of their own at one call or other.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use core::{
    fmt::Debug,
    ops::{Deref, Range},
};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::storage::{Creation, ObjectKey, Storage, StorageError};

/// What is done at some calls; all else goes to the objects.
#[async_trait]
pub trait Around: Debug + Send + Sync + 'static {
    fn objects(&self) -> &dyn Storage;

    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        self.objects().create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        self.objects().read(key, range).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.objects().delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        self.objects().list(prefix, after, limit).await
    }
}

/// The storage that does it.
#[derive(Debug, Default)]
pub struct Through<T>(pub T);

impl<T> Deref for Through<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

#[async_trait]
impl<T: Around> Storage for Through<T> {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        self.0.create(key, bytes).await
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
