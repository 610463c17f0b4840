//! A storage that answers as a test has it.

use core::{fmt, ops::Range};

use async_trait::async_trait;
use bytes::Bytes;

use super::*;
use crate::storage::{StorageError, around::Around};

/// What is answered, if it is not what the objects have.
type Answer<T> = Option<Result<T, StorageError>>;
type Reads = dyn Fn(&MemoryStorage, &ObjectKey) -> Answer<Option<Bytes>> + Send + Sync;
type Lists = dyn Fn(&str, Option<&ObjectKey>) -> Answer<Vec<ObjectKey>> + Send + Sync;

/// Objects, and what is said of them.
pub(crate) struct Lying {
    objects: Arc<MemoryStorage>,
    reads: Box<Reads>,
    lists: Box<Lists>,
}

impl Lying {
    pub(crate) fn about(objects: Arc<MemoryStorage>) -> Self {
        Self { objects, reads: Box::new(|_, _| None), lists: Box::new(|_, _| None) }
    }

    pub(crate) fn reading(
        self,
        reads: impl Fn(&MemoryStorage, &ObjectKey) -> Answer<Option<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        Self { reads: Box::new(reads), ..self }
    }

    pub(crate) fn listing(
        self,
        lists: impl Fn(&str, Option<&ObjectKey>) -> Answer<Vec<ObjectKey>> + Send + Sync + 'static,
    ) -> Self {
        Self { lists: Box::new(lists), ..self }
    }
}

impl fmt::Debug for Lying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lying")
    }
}

#[async_trait]
impl Around for Lying {
    fn objects(&self) -> &dyn Storage {
        &*self.objects
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        match (self.reads)(&self.objects, key) {
            Some(answer) => answer,
            None => self.objects.read(key, range).await,
        }
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        match (self.lists)(prefix, after) {
            Some(answer) => answer,
            None => self.objects.list(prefix, after, limit).await,
        }
    }
}
