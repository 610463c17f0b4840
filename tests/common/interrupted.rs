//! A storage whose user is interrupted: at one of its calls somebody else does something.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use core::{fmt, ops::Range};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::storage::{Creation, MemoryStorage, ObjectKey, Storage, StorageError};

/// What somebody else does, once.
type Deed = Box<dyn FnOnce() + Send>;

/// Objects that are read and written with an interruption.
pub struct Interrupted {
    inner: Arc<MemoryStorage>,
    /// Calls until the deed, and the deed.
    due: Mutex<Option<(usize, Deed)>>,
    /// The object at whose call it was done.
    at: Mutex<Option<String>>,
}

impl fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupted").finish_non_exhaustive()
    }
}

impl Interrupted {
    pub fn new(inner: Arc<MemoryStorage>) -> Self {
        Self { inner, due: Mutex::default(), at: Mutex::default() }
    }

    /// Has `deed` done before the call of this number, counted from now on.
    pub fn interrupt_at(&self, nth: usize, deed: impl FnOnce() + Send + 'static) {
        *self.due.lock().unwrap() = Some((nth, Box::new(deed)));
    }

    /// The object, or the prefix, at whose call it was done; none if there were fewer calls.
    pub fn interrupted(&self) -> Option<String> {
        self.at.lock().unwrap().clone()
    }

    fn call(&self, name: &str) {
        let due = self.due.lock().unwrap().take();
        let left = match due {
            Some((0, deed)) => {
                *self.at.lock().unwrap() = Some(name.to_owned());
                deed();
                None
            }
            due => due.map(|(left, deed)| (left - 1, deed)),
        };
        *self.due.lock().unwrap() = left;
    }
}

#[async_trait]
impl Storage for Interrupted {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        self.call(key.as_str());
        self.inner.create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        self.call(key.as_str());
        self.inner.read(key, range).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.call(key.as_str());
        self.inner.delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        self.call(prefix);
        self.inner.list(prefix, after, limit).await
    }
}
