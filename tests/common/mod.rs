//! What the behaviour tests share.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

pub mod around;

use std::sync::Arc;

use docvault::{
    Identity, Vault,
    keys::LocalKey,
    storage::{MemoryStorage, Storage},
};
use tempfile::TempDir;

#[allow(unused_imports, reason = "one test binary has its own executor")]
pub use futures_lite::future::block_on;

/// A vault in memory, and what must outlive it.
pub async fn vault() -> (Vault, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key = LocalKey::create(folder.path().join("key")).expect("a fresh key file");
    (Vault::create(MemoryStorage::default(), key).await.expect("an empty storage"), folder)
}

/// A recipient, and the folder of its key file.
pub fn identity() -> (Identity, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    (Identity::create(folder.path().join("identity")).expect("a fresh key file"), folder)
}

/// A vault on `storage`, and the folder of its key.
pub async fn vault_on(storage: Arc<dyn Storage>) -> (Vault, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key = LocalKey::create(folder.path().join("key")).expect("a fresh key file");
    (Vault::create(storage, key).await.expect("an empty storage"), folder)
}
