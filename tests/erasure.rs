//! Erasing cases: what is gone, what stays, and what an erasure is worth.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "erasure/brought_back.rs"]
mod brought_back;
mod common;
#[path = "erasure/overtaken.rs"]
mod overtaken;
#[path = "erasure/refused.rs"]
mod refused;
#[path = "erasure/undeletable.rs"]
mod undeletable;

use std::sync::Arc;

use common::{block_on, identity, vault_on};
use docvault::{
    CaseId, Delivery, Erasure, ErasureLevel, Error, ErrorKind, GrantId, Kind, NewDocument, NewStatement,
    NoSleep, Personal, Reader, Recipient, RecordFilter, Session, Stored, Terms, Upload, UploadToken, Vault,
    VaultOptions,
    keys::LocalKey,
    storage::{
        MemoryStorage, ObjectKey, Storage,
        testing::{Fault, FaultyStorage},
    },
};
use tempfile::TempDir;

fn kind<T>(result: Result<T, Error>) -> ErrorKind {
    match result {
        Ok(_) => panic!("it was done"),
        Err(error) => error.kind(),
    }
}

/// Names of the objects of a case.
async fn objects_of(storage: &dyn Storage, case: CaseId) -> Vec<ObjectKey> {
    let mut found = Vec::new();
    for prefix in ["key", "head", "part"] {
        found.extend(storage.list(&format!("{prefix}/{case}/"), None, 1000).await.unwrap());
    }
    found
}

async fn stored(desk: &Session, title: &str, content: &[u8]) -> (CaseId, Stored) {
    let case = desk.create_case(title).await.unwrap();
    (case, desk.store(case, NewDocument::named("x"), content.to_vec()).await.unwrap())
}

/// What is newest a listing may leave out: a key is deleted, and looked for, by its name.
#[test]
fn a_listing_that_lags_leaves_no_key() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let stale = (0..4000).map(|call| (call, Fault::StaleList));
        let (vault, _kept) = vault_on(Arc::new(FaultyStorage::scripted(storage.clone(), stale))).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let (case, _) = stored(&desk, "c", b"content").await;
        desk.rotate_epoch().await.unwrap();
        desk.close_case(case, "done").await.unwrap();
        let key = storage.list(&format!("key/{case}/"), None, 10).await.unwrap();
        assert_eq!(key.len(), 1);
        let before = storage.snapshot();
        assert_eq!(desk.erase_case(case).await.unwrap().level, ErasureLevel::Deleted);
        assert_eq!(storage.read(&key[0], None).await.unwrap(), None);
        // Brought back, the listing still leaves it out.
        storage.create(&key[0], before.read(&key[0], None).await.unwrap().unwrap()).await.unwrap();
        assert_eq!(desk.erasure(case).await.unwrap().level, ErasureLevel::Unfinished);
    });
}

#[test]
fn only_a_closed_case_is_erased() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, _kept) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let (case, stored) = stored(&desk, "c", b"content").await;
        assert_eq!(kind(desk.erase_case(case).await), ErrorKind::Denied);
        desk.close_case(case, "done").await.unwrap();
        desk.reopen_case(case, "not yet").await.unwrap();
        assert_eq!(kind(desk.erase_case(case).await), ErrorKind::Denied);
        assert_eq!(desk.retrieve(stored.document).await.unwrap(), b"content".as_slice());
        assert_eq!(kind(desk.erasure(case).await), ErrorKind::NotFound);
        let unknown = "00112233445566778899aabbccddeeff".parse().unwrap();
        assert_eq!(kind(desk.erase_case(unknown).await), ErrorKind::NotFound);
        assert_eq!(kind(desk.erasure(unknown).await), ErrorKind::NotFound);
    });
}
