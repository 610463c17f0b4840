//! Storages of unit tests that do something of their own at one call or other.

use core::{fmt::Debug, ops::Range};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Creation, ObjectKey, Storage, StorageError};

/// What is done at creates, reads and listings; all else goes to the objects.
#[async_trait]
pub(crate) trait Around: Debug + Send + Sync + 'static {
    fn objects(&self) -> &dyn Storage;

    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        self.objects().create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        self.objects().read(key, range).await
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

#[async_trait]
impl<T: Around> Storage for T {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        Around::create(self, key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        Around::read(self, key, range).await
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
        Around::list(self, prefix, after, limit).await
    }
}
