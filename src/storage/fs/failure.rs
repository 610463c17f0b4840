//! What an I/O error means to the caller.

use std::io::{Error, ErrorKind};

use crate::storage::{StorageError, StorageErrorKind};

/// `attempt` completes the sentence "could not …".
#[cold]
pub(super) fn error(attempt: &str, cause: Error) -> StorageError {
    let (kind, advice) = match cause.kind() {
        ErrorKind::PermissionDenied => (
            StorageErrorKind::Denied,
            "permission denied; the vault's folder and all in it must belong to the user of this process",
        ),
        ErrorKind::ReadOnlyFilesystem => {
            (StorageErrorKind::Denied, "the file system is read-only; look after the disk, and mount it anew")
        }
        ErrorKind::StorageFull => (StorageErrorKind::Full, "no space is left; free some and try again"),
        ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            (StorageErrorKind::Full, "a quota or size limit is reached; raise it and try again")
        }
        ErrorKind::Unsupported => (StorageErrorKind::Unsupported, "the file system does not support it"),
        _ => (StorageErrorKind::Unavailable, "the file system failed; its cause is this error's source"),
    };
    StorageError::new(kind, format!("could not {attempt}: {advice}")).caused(cause)
}

/// A directory could not be synced, and everything is refused since.
#[cold]
pub(super) fn stopped(cause: Error) -> StorageError {
    let (kind, advice) = match error("", Error::from(cause.kind())).kind() {
        StorageErrorKind::Full => (StorageErrorKind::Full, "no space was left: free some, then"),
        _ => (StorageErrorKind::Unavailable, "the file system failed: look after it, then"),
    };
    let message =
        format!("an earlier write did not become durable, for {advice} open the vault's folder anew");
    StorageError::new(kind, message).caused(cause)
}

/// Why a hard link failed, if it certainly was not made; `None` if it may have been.
#[cold]
pub(super) fn link(attempt: &str, cause: Error) -> Option<StorageError> {
    let unsupported = cause.kind() == ErrorKind::Unsupported || cause.raw_os_error() == Some(EPERM);
    if unsupported {
        let message = format!("could not {attempt}: the file system has no hard links; use one that has");
        return Some(StorageError::new(StorageErrorKind::Unsupported, message).caused(cause));
    }
    if cause.kind() == ErrorKind::CrossesDevices {
        let message = format!("could not {attempt}: `objects` and `tmp` must be on one file system");
        return Some(StorageError::new(StorageErrorKind::Unsupported, message).caused(cause));
    }
    let no_source = cause.kind() == ErrorKind::NotFound;
    let error = error(attempt, cause);
    (no_source || error.kind() != StorageErrorKind::Unavailable).then_some(error)
}

/// link(2): "The filesystem containing oldpath and newpath does not support the creation of hard
/// links". Windows answers the same number, `ERROR_INVALID_FUNCTION`, to the same end.
const EPERM: i32 = 1;
