//! Where sealed objects are kept: the write-once contract, and the backends that meet it.
//!
//! A backend stores named, immutable objects. It is never asked to overwrite, to lock or to
//! compare, so a folder, a database and an object store serve alike, and nothing in it is trusted:
//! what it returns is checked against the log.

use core::{fmt, ops::Range};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

#[cfg(test)]
pub(crate) mod around;
#[cfg(feature = "object-store")]
mod bucket;
#[cfg(feature = "fs")]
mod fs;
mod key;
pub(crate) mod layout;
mod listing;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
pub(crate) mod probe;
#[cfg(feature = "redb")]
mod redb;
#[cfg(any(feature = "object-store", feature = "postgres"))]
mod runtime;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

#[cfg(feature = "redb")]
pub use self::redb::RedbStorage;
#[cfg(feature = "object-store")]
pub use bucket::ObjectStorage;
#[cfg(feature = "postgres")]
pub use deadpool_postgres;
#[cfg(feature = "fs")]
pub use fs::FsStorage;
pub use key::{ObjectKey, ParseObjectKeyError};
pub(crate) use listing::{Listing, delete_all, delete_where};
pub use memory::MemoryStorage;
#[cfg(feature = "object-store")]
pub use object_store;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStorage;

/// Bytes of an object, at most: a part of 8 MiB, sealed, has the most.
pub(crate) const OBJECT_CAP: u64 = 16 << 20;
/// What is read of an object if all of it is asked for: enough to see that it is none.
pub(crate) const WHOLE: Range<u64> = 0..OBJECT_CAP + 1;

/// What is read of an object that may have `cap` bytes: one more, which tells that it is longer. Some are read by the
/// dozen, and who runs the storage decides what is there.
pub(crate) fn beyond(cap: usize) -> Range<u64> {
    0..u64::try_from(cap).unwrap_or(u64::MAX).saturating_add(1)
}

/// How a [`Storage::create`] went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Creation {
    /// The object is durable, under this name, with these bytes, and this call put it there.
    Created,
    /// An object of that name was there. Whose it is must be read: an adapter that retries on its
    /// own may have met its own first write.
    Exists,
    /// It may be there now, or land later, or never (a timeout, a dropped connection, a 5xx, a
    /// 409). The caller reads, and creates the identical bytes again.
    Unknown,
}

/// A store of write-once objects.
///
/// # Contract
///
/// - **Atomic**: a reader sees an object whole or not at all, whatever crashes.
/// - **First one wins**: of all creates of one name, ever, at most one answers
///   [`Creation::Created`], and its bytes stay until deleted. Concurrent creates included.
/// - **Durable**: what answered `Created` survives a power cut.
/// - **Current**: after `Created`, every [`Storage::read`] of that name, by anyone, finds it.
/// - **Lasting**: what a read has found survives a power cut, too, whoever wrote it: the reader builds on it.
/// - **Listing may lag**: the vault takes a listing for a hint, never for proof.
/// - **Concurrent**: any number of calls may run at once, from any number of processes.
/// - **Independent**: a call that was begun, and is left alone for a while, keeps nothing that another needs: no
///   connection of a pool, and no lock. The vault begins calls by the dozen, and looks at them in turn. Another task,
///   thread or runtime may go on with a call than began it, also once the latter's has ended.
///
/// `Exists`, `Unknown` and an error are different answers, and a backend must not turn one into
/// another: an error says that *nothing was or will be written*.
///
/// The conformance suite in [`testing`] (feature `testing`) checks what a caller can observe of this, not that an object
/// survives a power cut.
///
/// # Cancellation
///
/// A dropped `create` may still take effect; the others have no effect to lose.
#[async_trait]
pub trait Storage: fmt::Debug + Send + Sync + 'static {
    /// Stores `bytes` under `key` unless that name is taken.
    ///
    /// # Errors
    ///
    /// Only when nothing was and nothing will be written.
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError>;

    /// The bytes under `key`, or those of `range` within them; `None` if there is no such object.
    ///
    /// A range that reaches past the end yields what there is, possibly nothing.
    ///
    /// No object of a vault is longer than 16 MiB, and who runs the place may put there what is: of such a one the
    /// beginning is enough, 16 MiB and a byte, for it is refused by its length.
    ///
    /// # Errors
    ///
    /// When the backend cannot tell.
    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError>;

    /// The bytes under `key` in as many pieces as the backend has them in, in order; `None` if there is no such object.
    ///
    /// For parts of documents, 8 MiB each: a backend that gets them piece by piece need not copy them together, as long
    /// as the pieces hold not much more memory than they have bytes. What is provided gives what [`Storage::read`]
    /// does, in one piece.
    ///
    /// # Errors
    ///
    /// When the backend cannot tell.
    async fn read_in_pieces(&self, key: &ObjectKey) -> Result<Option<Vec<Bytes>>, StorageError> {
        Ok(self.read(key, None).await?.map(|whole| vec![whole]))
    }

    /// Removes the object; succeeds also if there is none.
    ///
    /// # Errors
    ///
    /// When the object may still be there.
    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError>;

    /// Up to `limit` keys that start with `prefix`, in byte order, those after `after` only.
    ///
    /// Fewer than `limit` keys mean that there are no more. A `prefix` is any start of a key.
    ///
    /// # Errors
    ///
    /// When the backend cannot tell.
    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError>;
}

#[async_trait]
impl<S: Storage + ?Sized> Storage for Arc<S> {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        (**self).create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        (**self).read(key, range).await
    }

    async fn read_in_pieces(&self, key: &ObjectKey) -> Result<Option<Vec<Bytes>>, StorageError> {
        (**self).read_in_pieces(key).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        (**self).delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        (**self).list(prefix, after, limit).await
    }
}

/// What the caller can do about a [`StorageError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageErrorKind {
    /// The backend refuses this process: permissions or credentials.
    Denied,
    /// No space, or no quota, is left.
    Full,
    /// The place exists and is no vault's storage, or there is nothing.
    NotAVault,
    /// Anything else; it may work later.
    Unavailable,
    /// The backend does not do what the contract asks.
    Unsupported,
}

/// Why a backend failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StorageError {
    kind: StorageErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StorageError {
    /// A failure of this kind; `message` says what was attempted and what to do next.
    ///
    /// # Security
    ///
    /// The message must carry neither secrets nor personal data; object keys carry none.
    #[must_use]
    pub fn new(kind: StorageErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The same, with the cause.
    #[must_use]
    pub fn caused(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> StorageErrorKind {
        self.kind
    }
}
