//! Objects that many share, and what one of them has changed.

use core::ops::Range;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::storage::{Creation, ObjectKey, Storage, StorageError};

/// The shared objects, with those of its own in front. Remembers what was looked at.
#[derive(Debug)]
pub(crate) struct Overlay {
    shared: Arc<BTreeMap<ObjectKey, Bytes>>,
    own: Mutex<BTreeMap<ObjectKey, Option<Bytes>>>,
    looked_at: Mutex<BTreeSet<ObjectKey>>,
}

impl Overlay {
    pub(crate) fn new(shared: Arc<BTreeMap<ObjectKey, Bytes>>) -> Arc<Self> {
        Arc::new(Self { shared, own: Mutex::default(), looked_at: Mutex::default() })
    }

    pub(crate) fn replace(&self, key: &ObjectKey, bytes: Option<Bytes>) {
        self.own.lock().unwrap().insert(key.clone(), bytes);
    }

    /// Of the shared objects those that were read, listed, or in the way of a create.
    pub(crate) fn looked_at(&self) -> BTreeSet<ObjectKey> {
        self.looked_at.lock().unwrap().clone()
    }

    fn find(&self, key: &ObjectKey) -> Option<Bytes> {
        if self.shared.contains_key(key) {
            self.looked_at.lock().unwrap().insert(key.clone());
        }
        match self.own.lock().unwrap().get(key) {
            Some(own) => own.clone(),
            None => self.shared.get(key).cloned(),
        }
    }
}

#[async_trait]
impl Storage for Overlay {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        if self.find(key).is_some() {
            return Ok(Creation::Exists);
        }
        self.replace(key, Some(bytes));
        Ok(Creation::Created)
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let cut = |bytes: Bytes| match &range {
            None => bytes,
            Some(range) => {
                let end = bytes.len().min(range.end as usize);
                bytes.slice(end.min(range.start as usize)..end)
            }
        };
        Ok(self.find(key).map(cut))
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.replace(key, None);
        Ok(())
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        let own = self.own.lock().unwrap();
        let all: BTreeSet<&ObjectKey> = self.shared.keys().chain(own.keys()).collect();
        let behind =
            |key: &&ObjectKey| key.as_str().starts_with(prefix) && after.is_none_or(|after| *key > after);
        let there = |key: &&ObjectKey| own.get(*key).is_none_or(Option::is_some);
        let listed: Vec<ObjectKey> =
            all.into_iter().filter(behind).filter(there).take(limit).cloned().collect();
        let shared = listed.iter().filter(|key| self.shared.contains_key(*key)).cloned();
        self.looked_at.lock().unwrap().extend(shared);
        Ok(listed)
    }
}
