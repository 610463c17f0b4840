//! Objects in one file of the embedded database redb.
#![allow(clippy::result_large_err, reason = "the database's own error, on its way to become a StorageError")]

use core::{fmt, ops::Range};
use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
};

use ::redb::{
    Builder, CommitError, Database, ReadableDatabase, TableDefinition, WriteTransaction,
    backends::FileBackend,
};
use async_trait::async_trait;
use bytes::Bytes;

use super::{Creation, ObjectKey, Storage, StorageError, StorageErrorKind, WHOLE};
use crate::file::sync_parent;

mod failure;
mod group;

use group::Pending;

/// One file that holds a whole vault, used by **one process at a time**.
///
/// For a desktop program, a device, or a service with a single process. Within the process any
/// number of vaults, sessions and threads share it; creates that wait at the same time become
/// durable together. A second process is refused with [`StorageErrorKind::Unavailable`].
///
/// Every transaction is durable, in two phases, before it is answered. Of a process that crashed the
/// file opens at once, with everything that was answered. Deleting makes room within the file, and what was deleted
/// stays readable in it until it is written over.
///
/// Memory: 64 MiB of cache at most, beside the objects under way. Disk: 1.3 % beside large objects, some 1 KiB for a
/// small one; the file grows in steps, up to twice what is in use, and never shrinks. All file operations of the [`Storage`]
/// calls run on the threads of the `blocking` crate.
#[derive(Clone)]
pub struct RedbStorage(Arc<Inner>);

struct Inner {
    database: Database,
    waiting: Mutex<Vec<Arc<Pending>>>,
    /// Held by whoever writes what is waiting.
    writing: Mutex<()>,
    /// Why the database stopped; it does nothing more then.
    failed: OnceLock<StorageErrorKind>,
}

impl fmt::Debug for RedbStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStorage").finish_non_exhaustive()
    }
}

impl RedbStorage {
    /// Makes the file for a new vault at `path`, where there is nothing.
    ///
    /// Blocks for a few file operations. The file is for its owner alone (0600).
    ///
    /// # Errors
    ///
    /// [`StorageErrorKind::NotAVault`] if there is a file at `path` already, or no folder to make it
    /// in; [`StorageErrorKind::Denied`], [`StorageErrorKind::Full`] and
    /// [`StorageErrorKind::Unavailable`] as the file system says.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        let path = path.as_ref();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(failure::of_making)?;
        let failed = |cause| failure::error("make the vault's file", &cause);
        let file = FileBackend::new(file).map_err(|cause| failed(cause.into()))?;
        let database = builder().create_with_backend(file).map_err(|cause| failed(cause.into()))?;
        lay_out(&database).map_err(failed)?;
        sync_parent(path).map_err(failure::of_making)?;
        Ok(Self::of(database))
    }

    /// Opens the file that [`RedbStorage::create`] made at `path`.
    ///
    /// Blocks for a few file operations.
    ///
    /// # Errors
    ///
    /// [`StorageErrorKind::NotAVault`] if there is no vault's file, [`StorageErrorKind::Unavailable`] if
    /// another process has it open or it is damaged, [`StorageErrorKind::Denied`] if it cannot be
    /// written to, [`StorageErrorKind::Unsupported`] if a newer docvault made it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        let path = path.as_ref();
        read_anew(path).map_err(|cause| failure::error("open the vault's file", &cause.into()))?;
        let database = builder().open(path).map_err(failure::of_opening)?;
        let format =
            read_format(&database).map_err(|cause| failure::error("open the vault's file", &cause))?;
        match format.as_deref() {
            Some(FORMAT) => Ok(Self::of(database)),
            Some(_) => Err(StorageError::new(
                StorageErrorKind::Unsupported,
                "a newer docvault made this vault's file; open it with that version",
            )),
            None => Err(StorageError::new(
                StorageErrorKind::NotAVault,
                "this file is a database and no vault's; if it was being made when its process ended, remove it \
                 and make it anew",
            )),
        }
    }

    fn of(database: Database) -> Self {
        let (waiting, writing, failed) = (Mutex::default(), Mutex::default(), OnceLock::new());
        Self(Arc::new(Inner { database, waiting, writing, failed }))
    }

    async fn run<T: Send + 'static>(
        &self,
        attempt: &'static str,
        call: impl FnOnce(&Inner) -> Result<T, ::redb::Error> + Send + 'static,
    ) -> Result<T, StorageError> {
        let inner = Arc::clone(&self.0);
        blocking::unblock(move || call(&inner).map_err(|cause| inner.failure(attempt, &cause))).await
    }
}

#[async_trait]
impl Storage for RedbStorage {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        let (inner, pending) = (Arc::clone(&self.0), Pending::new(key.clone(), bytes));
        blocking::unblock(move || inner.create(&pending)).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let key = key.clone();
        self.run("read an object", move |inner| inner.read(&key, range)).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let key = key.clone();
        self.run("delete an object", move |inner| inner.delete(&key)).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        let (prefix, after) = (prefix.to_owned(), after.cloned());
        self.run("list the objects", move |inner| inner.list(&prefix, after.as_ref(), limit)).await
    }
}

impl Inner {
    fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, ::redb::Error> {
        let transaction = self.database.begin_read()?;
        let Some(length) = transaction.open_table(OBJECTS)?.get(key.as_str())?.map(|length| length.value())
        else {
            return Ok(None);
        };
        let range = range.unwrap_or(WHOLE);
        let range = range.start.min(length)..range.end.min(length);
        if range.is_empty() {
            return Ok(Some(Bytes::new()));
        }
        let (first, last) = (piece_of(range.start), piece_of(range.end - 1));
        let pieces = transaction.open_table(PIECES)?;
        let mut bytes = Vec::new();
        for piece in pieces.range((key.as_str(), first)..=(key.as_str(), last))? {
            bytes.extend_from_slice(piece?.1.value());
        }
        let skipped = offset(range.start - u64::from(first) * PIECE_LEN);
        let wanted = skipped..skipped + offset(range.end - range.start);
        if bytes.len() < wanted.end {
            return Err(::redb::Error::Corrupted(format!("pieces of {key} are missing")));
        }
        Ok(Some(Bytes::from(bytes).slice(wanted)))
    }

    fn delete(&self, key: &ObjectKey) -> Result<(), ::redb::Error> {
        let _turn = self.turn();
        if self.failed.get().is_some() {
            return Err(::redb::Error::PreviousIo);
        }
        let transaction = group::durable(&self.database)?;
        if transaction.open_table(OBJECTS)?.remove(key.as_str())?.is_none() {
            return Ok(transaction.abort()?);
        }
        let pieces = (key.as_str(), 0)..=(key.as_str(), u32::MAX);
        transaction.open_table(PIECES)?.retain_in(pieces, |_, _| false)?;
        Ok(self.commit(transaction)?)
    }

    /// Commits, or has nothing written any more.
    fn commit(&self, transaction: WriteTransaction) -> Result<(), CommitError> {
        transaction.commit().inspect_err(|cause| {
            self.failed.get_or_init(|| failure::kind_of_storage(cause));
        })
    }

    /// The turn to write, also after whoever had it panicked: what redb has done by then is not known.
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(|poisoned| {
            self.failed.get_or_init(|| StorageErrorKind::Unavailable);
            poisoned.into_inner()
        })
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, ::redb::Error> {
        let objects = self.database.begin_read()?.open_table(OBJECTS)?;
        let after = after.map_or("", ObjectKey::as_str);
        let mut keys = Vec::new();
        for entry in objects.range(after.max(prefix)..)? {
            let entry = entry?.0;
            if keys.len() == limit || !entry.value().starts_with(prefix) {
                break;
            }
            keys.extend(entry.value().parse::<ObjectKey>().ok().filter(|key| key.as_str() != after));
        }
        Ok(keys)
    }

    #[cold]
    fn failure(&self, attempt: &str, cause: &::redb::Error) -> StorageError {
        let error = failure::error(attempt, cause);
        match cause {
            ::redb::Error::PreviousIo => failure::stopped(*self.failed.get_or_init(|| error.kind())),
            _ => error,
        }
    }
}

/// Has the file read from the disk, whatever the kernel remembers of it.
///
/// After a sync that failed, by a process before this one, the kernel goes on showing what it could not write, and
/// what is written over it may not become durable either, though it says so: seen on ext4, and see Rebello et al.,
/// "Can Applications Recover from fsync Failures?", USENIX ATC 2020.
fn read_anew(path: &Path) -> io::Result<()> {
    // Why it cannot be opened is told by who opens it for good.
    let Ok(file) = File::open(path) else { return Ok(()) };
    // What is remembered and not yet written stays.
    file.sync_data()?;
    #[cfg(target_os = "linux")]
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    Ok(())
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder
}

fn lay_out(database: &Database) -> Result<(), ::redb::Error> {
    let transaction = group::durable(database)?;
    transaction.open_table(OBJECTS)?;
    transaction.open_table(PIECES)?;
    transaction.open_table(ABOUT)?.insert("format", FORMAT)?;
    Ok(transaction.commit()?)
}

fn read_format(database: &Database) -> Result<Option<String>, ::redb::Error> {
    match database.begin_read()?.open_table(ABOUT) {
        Ok(about) => Ok(about.get("format")?.map(|format| format.value().to_owned())),
        Err(::redb::TableError::Storage(cause)) => Err(cause.into()),
        Err(_) => Ok(None),
    }
}

/// The number of the piece that holds the byte at `position`.
fn piece_of(position: u64) -> u32 {
    u32::try_from(position / PIECE_LEN).unwrap_or(u32::MAX)
}

fn offset(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// Each object's length.
const OBJECTS: TableDefinition<'_, &str, u64> = TableDefinition::new("objects");
/// Each object's bytes, cut.
const PIECES: TableDefinition<'_, (&str, u32), &[u8]> = TableDefinition::new("pieces");
const ABOUT: TableDefinition<'_, &str, &str> = TableDefinition::new("docvault");
const FORMAT: &str = "docvault storage 1";

/// Bytes in a piece. redb gives a large value a power of two of its pages: with key and header this
/// fills 256 KiB (1.3 % beside the content), while 256 KiB themselves take 512.
const PIECE_LEN: u64 = (256 << 10) - 512;
const CACHE: usize = 64 << 20;
