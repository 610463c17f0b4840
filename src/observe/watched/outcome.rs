//! The names of outcomes: `ok`, or what it was instead.

use super::OK;
use crate::{
    error::{Error, ErrorKind},
    storage::{Creation, StorageErrorKind},
};

/// An error that names its kind, and nothing else of itself.
pub(crate) trait Outcome {
    fn outcome(&self) -> &'static str;
}

impl Outcome for Error {
    fn outcome(&self) -> &'static str {
        match self.kind() {
            ErrorKind::BodyMissing => "BodyMissing",
            ErrorKind::Corrupt => "Corrupt",
            ErrorKind::Contended => "Contended",
            ErrorKind::Denied => "Denied",
            ErrorKind::Entropy => "Entropy",
            ErrorKind::Erased => "Erased",
            ErrorKind::Forked => "Forked",
            ErrorKind::Invalid => "Invalid",
            ErrorKind::Locked => "Locked",
            ErrorKind::NotFound => "NotFound",
            ErrorKind::OutcomeUnknown(_) => "OutcomeUnknown",
            ErrorKind::NotDeleted(_) => "NotDeleted",
            ErrorKind::PinNotSaved(_) => "PinNotSaved",
            ErrorKind::RolledBack => "RolledBack",
            ErrorKind::Storage => "Storage",
            ErrorKind::Superseded => "Superseded",
            ErrorKind::Unreadable => "Unreadable",
            ErrorKind::Unsupported => "Unsupported",
        }
    }
}

pub(super) const fn failed(kind: StorageErrorKind) -> &'static str {
    match kind {
        StorageErrorKind::Denied => "Denied",
        StorageErrorKind::Full => "Full",
        StorageErrorKind::NotAVault => "NotAVault",
        StorageErrorKind::Unavailable => "Unavailable",
        StorageErrorKind::Unsupported => "Unsupported",
    }
}

pub(super) const fn created(creation: Creation) -> &'static str {
    match creation {
        Creation::Created => OK,
        Creation::Exists => "Exists",
        Creation::Unknown => "Unknown",
    }
}
