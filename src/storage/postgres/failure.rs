//! What an error of the driver means to the caller.

use tokio::task::JoinError;

use deadpool_postgres::{PoolError, tokio_postgres::error::SqlState};

use crate::storage::{StorageError, StorageErrorKind};
use deadpool_postgres::tokio_postgres;

/// Why a statement did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection was to be had, so nothing was sent.
    NoConnection(PoolError),
    Statement(tokio_postgres::Error),
    /// The runtime was shut down, or the driver panicked.
    GivenUp(JoinError),
}

impl From<JoinError> for Failure {
    fn from(cause: JoinError) -> Self {
        Self::GivenUp(cause)
    }
}

impl From<PoolError> for Failure {
    fn from(cause: PoolError) -> Self {
        Self::NoConnection(cause)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(cause: tokio_postgres::Error) -> Self {
        Self::Statement(cause)
    }
}

impl Failure {
    /// Whether the statement's transaction was certainly not committed, and will not be.
    ///
    /// PostgreSQL 15, appendix A. In doubt: a connection lost; class 57, operator intervention, which
    /// also interrupts the wait for a standby after the commit; 58 and XX, internal errors. Class 40,
    /// rollback, is certain, and yet worth another try, which an unknown outcome leads to.
    pub(super) fn wrote_nothing(&self) -> bool {
        let cause = match self {
            Self::NoConnection(_) => return true,
            Self::Statement(cause) => cause,
            Self::GivenUp(_) => return false,
        };
        let doubtful = |state: &SqlState| {
            ["08", "40", "57", "58", "XX"].iter().any(|class| state.code().starts_with(class))
        };
        cause.code().is_some_and(|state| !doubtful(state))
    }

    /// Whether another connection may do better: 57P is the server shutting down or starting.
    pub(super) fn is_lost_connection(&self) -> bool {
        let Self::Statement(cause) = self else { return false };
        cause.code().is_none_or(|state| state.code().starts_with("57P"))
    }

    /// `attempt` completes the sentence "could not …".
    #[cold]
    pub(super) fn error(self, attempt: &str) -> StorageError {
        let kind = self.kind();
        let advice = match (&self, kind) {
            (_, StorageErrorKind::Denied) => {
                "the server refuses; the role must be able to log in, to use the schema, and to select, insert and \
                 delete in the table, on the primary server"
            }
            (_, StorageErrorKind::Full) => "the server's disk is full; free some space and try again",
            (_, StorageErrorKind::NotAVault) => {
                "there is no such database or table; make it with PostgresStorage::create, or mind the database \
                 and the schema"
            }
            (Self::NoConnection(_), _) => {
                "there is no connection to the server; its cause is this error's source"
            }
            _ => "the server failed; its answer is this error's source",
        };
        let error = StorageError::new(kind, format!("could not {attempt}: {advice}"));
        match self {
            Self::NoConnection(cause) => error.caused(cause),
            Self::Statement(cause) => error.caused(cause),
            Self::GivenUp(cause) => error.caused(cause),
        }
    }

    fn kind(&self) -> StorageErrorKind {
        let cause = match self {
            Self::NoConnection(PoolError::Backend(cause)) | Self::Statement(cause) => cause,
            Self::NoConnection(_) | Self::GivenUp(_) => return StorageErrorKind::Unavailable,
        };
        let Some(state) = cause.code() else { return StorageErrorKind::Unavailable };
        match *state {
            SqlState::INSUFFICIENT_PRIVILEGE | SqlState::READ_ONLY_SQL_TRANSACTION => {
                StorageErrorKind::Denied
            }
            SqlState::DISK_FULL => StorageErrorKind::Full,
            SqlState::UNDEFINED_TABLE | SqlState::INVALID_CATALOG_NAME | SqlState::INVALID_SCHEMA_NAME => {
                StorageErrorKind::NotAVault
            }
            _ if state.code().starts_with("28") => StorageErrorKind::Denied,
            _ => StorageErrorKind::Unavailable,
        }
    }
}
