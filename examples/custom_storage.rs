//! A backend of one's own, in forty lines, and the suite that says whether it may carry a vault.
//!
//! `cargo run --example custom_storage --features testing`

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::storage::{Creation, ObjectKey, Storage, StorageError, testing};

/// Stands for a database with a table of names and bytes.
#[derive(Debug, Default)]
struct Table(Mutex<HashMap<ObjectKey, Bytes>>);

impl Table {
    fn with<T>(&self, transaction: impl FnOnce(&mut HashMap<ObjectKey, Bytes>) -> T) -> T {
        transaction(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Storage for Table {
    /// In SQL: `INSERT … ON CONFLICT DO NOTHING`. A lost connection would be `Creation::Unknown`.
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        Ok(self.with(|rows| {
            let free = !rows.contains_key(key);
            rows.entry(key.clone()).or_insert(bytes);
            if free { Creation::Created } else { Creation::Exists }
        }))
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let Some(bytes) = self.with(|rows| rows.get(key).cloned()) else { return Ok(None) };
        let range = range.unwrap_or(0..u64::MAX);
        let offset = |at| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
        Ok(Some(bytes.slice(offset(range.start)..offset(range.end))))
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.with(|rows| rows.remove(key));
        Ok(())
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        let wanted =
            |key: &&ObjectKey| key.as_str().starts_with(prefix) && after.is_none_or(|after| *key > after);
        let mut keys: Vec<ObjectKey> = self.with(|rows| rows.keys().filter(wanted).cloned().collect());
        keys.sort();
        keys.truncate(limit);
        Ok(keys)
    }
}

fn main() -> Result<(), testing::Violation> {
    let conformance = testing::conformance(Arc::new(Table::default()), testing::Extent::default());
    print!("{}", futures_lite::future::block_on(conformance)?);
    Ok(())
}
