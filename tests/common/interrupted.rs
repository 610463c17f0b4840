//! A storage whose user is interrupted: at one of its calls somebody else does something.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use core::{fmt, ops::Range};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::storage::{Creation, ObjectKey, Storage, StorageError};

/// What somebody else does before a call, at the object or the prefix of that name; whether it was the last time.
type Deed = Box<dyn FnMut(Call, &str) -> bool + Send>;

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Create,
    Read,
    Delete,
    List,
}

/// Objects that are read and written with an interruption.
pub struct Interrupted {
    inner: Arc<dyn Storage>,
    due: Mutex<Option<Deed>>,
    /// The object at whose call it was done last.
    at: Mutex<Option<String>>,
}

impl fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupted").finish_non_exhaustive()
    }
}

impl Interrupted {
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self { inner, due: Mutex::default(), at: Mutex::default() }
    }

    /// Has `deed` done before the call of this number, counted from now on.
    pub fn interrupt_at(&self, nth: usize, deed: impl FnOnce() + Send + 'static) {
        let (mut left, mut deed) = (nth, Some(deed));
        self.interrupt(move |_, _| {
            if left > 0 {
                left -= 1;
                return false;
            }
            deed.take().into_iter().for_each(|deed| deed());
            true
        });
    }

    /// Has `deed` done before the object is read for the time of this number, from 1.
    pub fn interrupt_read(&self, nth: usize, of: &ObjectKey, deed: impl FnOnce() + Send + 'static) {
        let (mut reads, of, mut deed) = (0, of.clone(), Some(deed));
        self.interrupt(move |call, name| {
            reads += usize::from(call == Call::Read && name == of.as_str());
            if reads < nth {
                return false;
            }
            deed.take().into_iter().for_each(|deed| deed());
            true
        });
    }

    /// Has `deed` asked before each call, until it says that it was done.
    pub fn interrupt(&self, deed: impl FnMut(Call, &str) -> bool + Send + 'static) {
        *self.due.lock().unwrap() = Some(Box::new(deed));
    }

    /// The object, or the prefix, at whose call it was done; none if there were fewer calls.
    pub fn interrupted(&self) -> Option<String> {
        self.at.lock().unwrap().clone()
    }

    fn call(&self, call: Call, name: &str) {
        // Out of the lock while it is done, and gone if it panics.
        let Some(mut deed) = self.due.lock().unwrap().take() else { return };
        let before = self.at.lock().unwrap().replace(name.to_owned());
        if !deed(call, name) {
            *self.at.lock().unwrap() = before;
            *self.due.lock().unwrap() = Some(deed);
        }
    }
}

#[async_trait]
impl Storage for Interrupted {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        self.call(Call::Create, key.as_str());
        self.inner.create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        self.call(Call::Read, key.as_str());
        self.inner.read(key, range).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.call(Call::Delete, key.as_str());
        self.inner.delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        self.call(Call::List, prefix);
        self.inner.list(prefix, after, limit).await
    }
}
