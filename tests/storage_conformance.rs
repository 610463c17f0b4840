//! The backends keep the storage contract, and the suite that says so can fail.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::storage::{
    Creation, MemoryStorage, ObjectKey, Storage, StorageError,
    testing::{self, Bench, CheckThenWriteStorage, Extent, OverwritingStorage, Report, Violation, clauses},
};
use futures_lite::future::{self, block_on};
use futures_util::lock::Mutex;

fn check(storage: impl Storage, keys: usize) -> Result<Report, Violation> {
    let mut extent = Extent::default();
    extent.keys = keys;
    block_on(testing::conformance(Arc::new(storage), extent))
}

fn broken_clause(storage: impl Storage) -> &'static str {
    check(storage, 50).expect_err("the suite accepts a broken backend").clause
}

#[test]
fn memory_conforms() {
    let report = check(MemoryStorage::new(), 5000).expect("conforms");
    assert_eq!(report.clauses.len(), 11);
}

#[test]
fn the_suite_leaves_nothing_behind() {
    let storage = Arc::new(MemoryStorage::new());
    block_on(testing::conformance(storage.clone(), Extent::default())).expect("conforms");
    assert_eq!(block_on(storage.list("", None, 1)).expect("lists"), []);
}

#[cfg(feature = "fs")]
#[test]
fn folder_conforms() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = docvault::storage::FsStorage::create(directory.path().join("vault")).expect("a folder");
    check(storage, 300).expect("conforms");
}

#[test]
fn overwriting_is_noticed() {
    assert!(broken_clause(OverwritingStorage::new()).contains("second create"));
}

#[test]
fn checking_and_then_writing_is_noticed() {
    assert!(broken_clause(CheckThenWriteStorage::new()).contains("32 concurrent creates"));
}

#[test]
fn checking_and_then_writing_is_noticed_without_threads() {
    let mut extent = Extent::default();
    extent.threads = false;
    let violation = block_on(testing::conformance(Arc::new(CheckThenWriteStorage::new()), extent));
    assert!(violation.expect_err("broken").clause.contains("32 concurrent creates"));
}

#[test]
fn tearing_is_noticed() {
    assert!(broken_clause(Flawed::new(Flaw::Tears)).contains("whole or not at all"));
}

#[test]
fn a_dropped_create_that_leaves_a_part_is_noticed() {
    let bench = Bench::new(Arc::new(Flawed::new(Flaw::Tears))).expect("a prefix");
    let violation = block_on(clauses::dropped_creates_are_whole_or_absent(&bench)).expect_err("broken");
    assert!(violation.clause.contains("dropped"));
}

#[test]
fn unsorted_listings_are_noticed() {
    assert!(broken_clause(Flawed::new(Flaw::ListsUnsorted)).contains("byte order"));
}

#[test]
fn a_listing_that_ignores_after_is_noticed() {
    assert!(broken_clause(Flawed::new(Flaw::IgnoresAfter)).contains("byte order"));
}

#[test]
fn ignored_ranges_are_noticed() {
    assert!(broken_clause(Flawed::new(Flaw::IgnoresRanges)).contains("range"));
}

#[test]
fn a_lost_piece_is_noticed() {
    assert!(broken_clause(Flawed::new(Flaw::LosesAPiece)).contains("every size"));
}

#[test]
fn lost_deletes_are_noticed() {
    assert!(broken_clause(Flawed::new(Flaw::KeepsDeleted)).contains("deleted"));
}

#[test]
fn confused_names_are_noticed() {
    assert!(broken_clause(Flawed::new(Flaw::ConfusesNames)).contains("different names"));
}

#[test]
fn a_pool_whose_connections_wait_for_those_who_look_elsewhere_is_noticed() {
    assert!(broken_clause(Flawed::new(Flaw::HoldsUpOthers)).contains("left alone"));
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    Tears,
    ListsUnsorted,
    IgnoresAfter,
    IgnoresRanges,
    LosesAPiece,
    KeepsDeleted,
    ConfusesNames,
    HoldsUpOthers,
}

/// A map that keeps the contract but for one flaw.
#[derive(Debug)]
struct Flawed {
    flaw: Flaw,
    connection: Mutex<()>,
    objects: std::sync::Mutex<BTreeMap<ObjectKey, Bytes>>,
}

impl Flawed {
    fn new(flaw: Flaw) -> Self {
        Self { flaw, connection: Mutex::default(), objects: Default::default() }
    }

    fn put_if_free(&self, key: &ObjectKey, bytes: Bytes) -> Option<Creation> {
        let mut objects = self.objects.lock().unwrap();
        if objects.contains_key(key) {
            return Some(Creation::Exists);
        }
        objects.insert(key.clone(), bytes);
        None
    }

    fn name(&self, key: &ObjectKey) -> ObjectKey {
        let confused = key.as_str().replacen("shape-", "shape/", 1);
        if self.flaw == Flaw::ConfusesNames { confused.parse().unwrap_or(key.clone()) } else { key.clone() }
    }
}

#[async_trait]
impl Storage for Flawed {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        let key = self.name(key);
        let _connection = self.connection.lock().await;
        if self.flaw == Flaw::HoldsUpOthers {
            // An answer from afar: who does not poll meanwhile keeps the connection.
            for _ in 0..100 {
                future::yield_now().await;
            }
        }
        if self.flaw == Flaw::Tears {
            let half = bytes.slice(..bytes.len() / 2);
            if let Some(taken) = self.put_if_free(&key, half) {
                return Ok(taken);
            }
            future::yield_now().await;
            self.objects.lock().unwrap().insert(key, bytes);
            return Ok(Creation::Created);
        }
        Ok(self.put_if_free(&key, bytes).unwrap_or(Creation::Created))
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let range = range.filter(|_| self.flaw != Flaw::IgnoresRanges).unwrap_or(0..u64::MAX);
        let objects = self.objects.lock().unwrap();
        Ok(objects.get(&self.name(key)).map(|bytes| {
            let offset = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
            bytes.slice(offset(range.start)..offset(range.end))
        }))
    }

    async fn read_in_pieces(&self, key: &ObjectKey) -> Result<Option<Vec<Bytes>>, StorageError> {
        let whole = self.read(key, None).await?;
        let lost = usize::from(self.flaw == Flaw::LosesAPiece);
        Ok(whole.map(|whole| whole.chunks(4096).skip(lost).map(Bytes::copy_from_slice).collect()))
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        if self.flaw != Flaw::KeepsDeleted {
            self.objects.lock().unwrap().remove(key);
        }
        Ok(())
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        let after = after.filter(|_| self.flaw != Flaw::IgnoresAfter);
        let objects = self.objects.lock().unwrap();
        let wanted =
            |key: &&ObjectKey| key.as_str().starts_with(prefix) && after.is_none_or(|after| *key > after);
        let mut keys: Vec<ObjectKey> = objects.keys().filter(wanted).take(limit).cloned().collect();
        if self.flaw == Flaw::ListsUnsorted {
            keys.reverse();
        }
        Ok(keys)
    }
}
