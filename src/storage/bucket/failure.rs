//! What an error of `object_store` means to the caller.
//!
//! The crate tells a status and its own retries only in the text of an error. What cannot be found in
//! it counts as unknown, which costs the caller a read.

use std::{error::Error as _, io};

use object_store::Error;

use crate::storage::{StorageError, StorageErrorKind};

/// Why a conditional create did not answer that it had created.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The store said that the condition failed: the name is taken, by whomever.
    Taken,
    /// "Already exists" as the crate puts it, which is also what it makes of a 409: an object may be
    /// there, or a conflicting write was under way and nothing is.
    PerhapsTaken,
    /// It may be there now, or later, or never.
    Unknown,
    /// Certainly nothing was written.
    NotWritten(StorageError),
}

#[cold]
pub(super) fn refusal(error: Error) -> Refusal {
    let answer = Answer::of(&error);
    if matches!(error, Error::AlreadyExists { .. }) {
        return if answer.status == Some(412) { Refusal::Taken } else { Refusal::PerhapsTaken };
    }
    let kind = answer.kind(&error);
    let certain = match kind {
        StorageErrorKind::Unsupported => true,
        StorageErrorKind::Unavailable => answer.refused() && !answer.retried,
        // A try before the one that was refused may have been carried out.
        _ => !answer.retried,
    };
    if certain { Refusal::NotWritten(self::error("write an object", error)) } else { Refusal::Unknown }
}

/// `None` if there is no such object; an error also if there is no such bucket.
pub(super) fn unless_absent<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Err(error @ Error::NotFound { .. }) if Answer::of(&error).names_no_bucket() => Err(error),
        Err(Error::NotFound { .. }) => Ok(None),
        answer => answer.map(Some),
    }
}

/// `attempt` completes the sentence "could not …".
#[cold]
pub(super) fn error(attempt: &str, cause: Error) -> StorageError {
    let kind = Answer::of(&cause).kind(&cause);
    let advice = match kind {
        StorageErrorKind::Denied => {
            "the store refuses; the credentials must be valid and allow to create, read, list and delete"
        }
        StorageErrorKind::Full => "no space or quota is left in the store; free some and try again",
        StorageErrorKind::NotAVault => "there is no such bucket or container; make it first",
        StorageErrorKind::Unsupported => {
            "the store does not do this; a vault needs a store that creates an object only if its name is free"
        }
        StorageErrorKind::Unavailable => "the store failed; its answer is this error's source",
    };
    StorageError::new(kind, format!("could not {attempt}: {advice}")).caused(cause)
}

/// What the text of an error tells of the store's answer.
struct Answer {
    text: String,
    /// The HTTP status, if there was an answer.
    status: Option<u16>,
    /// Whether the crate had tried before on its own.
    retried: bool,
}

impl Answer {
    fn of(error: &Error) -> Self {
        let text = error.to_string();
        let status = text.split_once("status code: ").and_then(|(_, rest)| rest.get(..3)?.parse().ok());
        let retried = text.contains("retries, max_retries");
        Self { text, status, retried }
    }

    fn kind(&self, error: &Error) -> StorageErrorKind {
        let quota = ["QuotaExceeded", "StorageFull"].iter().any(|code| self.text.contains(code));
        // As one of the answers within an answer of 200 to a deletion.
        let denied = self.text.contains("AccessDenied");
        match (error, self.status) {
            (_, Some(507)) => StorageErrorKind::Full,
            _ if quota => StorageErrorKind::Full,
            _ if denied => StorageErrorKind::Denied,
            (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }, _) => StorageErrorKind::Denied,
            (Error::NotSupported { .. } | Error::NotImplemented { .. }, _) => StorageErrorKind::Unsupported,
            (Error::NotFound { .. }, _) => StorageErrorKind::NotAVault,
            // A listing's errors have no variants of their own.
            (_, Some(401 | 403)) => StorageErrorKind::Denied,
            (_, Some(404)) => StorageErrorKind::NotAVault,
            (_, Some(501)) => StorageErrorKind::Unsupported,
            _ => of_io(error),
        }
    }

    /// A 4xx that says no for good: not a time-out, a conflict, or a request to come back later.
    fn refused(&self) -> bool {
        self.status
            .is_some_and(|status| (400..500).contains(&status) && ![408, 409, 425, 429].contains(&status))
    }

    fn names_no_bucket(&self) -> bool {
        ["NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist"]
            .iter()
            .any(|code| self.text.contains(code))
    }
}

/// The kind of the operating system's error behind this one, for stores that are a disk.
fn of_io(error: &Error) -> StorageErrorKind {
    let mut cause = error.source();
    while let Some(error) = cause {
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => return StorageErrorKind::Full,
            Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
                return StorageErrorKind::Denied;
            }
            _ => cause = error.source(),
        }
    }
    StorageErrorKind::Unavailable
}
