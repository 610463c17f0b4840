//! What an error of redb means to the caller.

use std::io;

use ::redb::{CommitError, DatabaseError, Error};

use crate::storage::{StorageError, StorageErrorKind};

/// `attempt` completes the sentence "could not …".
#[cold]
pub(super) fn error(attempt: &str, cause: &Error) -> StorageError {
    let (kind, advice) = match cause {
        Error::Io(cause) => of_io(cause),
        Error::DatabaseAlreadyOpen => (
            StorageErrorKind::Unavailable,
            "the file is open already; it is for one process at a time, so end the other or share its storage",
        ),
        Error::UpgradeRequired(_) => (
            StorageErrorKind::Unsupported,
            "another version of redb made the file, in a format that is not read",
        ),
        Error::Corrupted(_) => {
            (StorageErrorKind::Unavailable, "the file is damaged; restore it from a backup")
        }
        _ => (StorageErrorKind::Unavailable, "the database failed"),
    };
    StorageError::new(kind, format!("could not {attempt}: {advice} ({cause})"))
}

/// The database has refused everything since a write failed.
#[cold]
pub(super) fn stopped(kind: StorageErrorKind) -> StorageError {
    let advice = match kind {
        StorageErrorKind::Full => "no space was left: free some, then",
        _ => "the file system failed: look after it, then",
    };
    StorageError::new(
        kind,
        format!("an earlier write did not succeed, for {advice} open the vault's file anew"),
    )
}

#[cold]
pub(super) fn of_opening(cause: DatabaseError) -> StorageError {
    let io = match &cause {
        DatabaseError::Storage(::redb::StorageError::Io(cause)) => Some(cause.kind()),
        _ => None,
    };
    let message = match io {
        Some(io::ErrorKind::NotFound) => {
            "there is no file here; make it with RedbStorage::create, or mind the path"
        }
        Some(io::ErrorKind::InvalidData) => "this file is no vault's; mind the path",
        _ => return error("open the vault's file", &cause.into()),
    };
    StorageError::new(StorageErrorKind::NotAVault, message)
}

#[cold]
pub(super) fn of_making(cause: io::Error) -> StorageError {
    let message = match cause.kind() {
        io::ErrorKind::AlreadyExists => {
            "a new vault needs a new file, and there is one already; if it is a vault's, open it"
        }
        io::ErrorKind::NotFound => "the folder to make the vault's file in does not exist; make it first",
        _ => return error("make the vault's file", &Error::Io(cause)),
    };
    StorageError::new(StorageErrorKind::NotAVault, message)
}

pub(super) fn kind_of_storage(cause: &CommitError) -> StorageErrorKind {
    match cause {
        CommitError::Storage(::redb::StorageError::Io(cause)) => of_io(cause).0,
        _ => StorageErrorKind::Unavailable,
    }
}

fn of_io(cause: &io::Error) -> (StorageErrorKind, &'static str) {
    match cause.kind() {
        io::ErrorKind::PermissionDenied => (
            StorageErrorKind::Denied,
            "permission denied; the vault's file must belong to the user of this process, and be writable",
        ),
        io::ErrorKind::ReadOnlyFilesystem => {
            (StorageErrorKind::Denied, "the file system is read-only; look after the disk, and mount it anew")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            (StorageErrorKind::Full, "no space is left; free some and open the file anew")
        }
        _ => (StorageErrorKind::Unavailable, "the file system failed"),
    }
}
