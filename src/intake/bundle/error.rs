//! Why a bundle is not accepted, or cannot be written.

use std::{io, path::Path};

use crate::{PolicyError, ReceiptError, intake::TemplateError};

/// What is wrong with a bundle, and where.
#[derive(Debug, thiserror::Error)]
#[error("{at}: {what}")]
#[non_exhaustive]
pub struct BundleError {
    /// What is wrong.
    #[source]
    pub what: BundleFault,
    /// The file within the bundle, or the bundle's own name.
    pub at: String,
}

/// What can be wrong with a bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleFault {
    /// The bytes are others.
    #[error("its bytes are not those that {0} tells of")]
    Altered(&'static str),
    /// What the manifest says is not what a receipt proves.
    #[error("the manifest does not say what this receipt proves")]
    Claim,
    /// It belongs to no bundle.
    #[error("nothing in this bundle has this name")]
    Extra,
    /// Something else is called so.
    #[error("there is something of this name already: give another, or remove it")]
    Exists,
    /// It is of another form than the one that was written.
    #[error("it is not in the form of a bundle: {0}")]
    Malformed(&'static str),
    /// It is not there.
    #[error("it is missing")]
    Missing,
    /// The policy in the bundle.
    #[error("it is no policy: {0}")]
    Policy(#[source] PolicyError),
    /// The receipt itself does not hold.
    #[error("{0}")]
    Receipt(#[source] ReceiptError),
    /// The template in the bundle.
    #[error("it is no template: {0}")]
    Template(#[source] TemplateError),
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// It cannot be written.
    #[error("it cannot be written: {0}")]
    Unwritable(#[source] io::Error),
    /// What was delivered is not authentic, or cannot be read.
    #[error("{0}")]
    Vault(#[source] crate::Error),
}

pub(super) type Result<T, E = BundleError> = core::result::Result<T, E>;

impl BundleFault {
    /// A text that is longer than a reader takes into memory.
    pub(super) const TOO_LONG: Self = Self::Malformed("it is far too long");

    /// The fault of the file of this name; whatever a terminal could act on is escaped.
    pub(super) fn at(self, name: impl AsRef<str>) -> BundleError {
        BundleError { what: self, at: name.as_ref().escape_debug().to_string() }
    }

    pub(super) fn at_path(self, path: &Path) -> BundleError {
        self.at(path.to_string_lossy())
    }
}
