//! The crate's error: opaque, with a kind by what the caller does next.

use core::fmt;

use crate::{
    env::EntropyError,
    ids::OperationId,
    storage::{StorageError, StorageErrorKind},
    wire::Malformed,
};

/// The result of an operation of the vault.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// What the caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A record's personal part does not open, for its case's key is missing and no erasure of the case is
    /// on record.
    BodyMissing,
    /// Stored bytes, or bytes received, are not what their author made: altered, missing, old,
    /// or sealed under another key. Every failed decryption is this kind, with the same text.
    Corrupt,
    /// Other writers kept winning; nothing was written. Try again later.
    Contended,
    /// Policy refuses: the grant, case, purpose or time does not allow it.
    Denied,
    /// The source of randomness failed; nothing was sealed.
    Entropy,
    /// The case was erased: nothing of it is kept, and nothing can be added to it.
    Erased,
    /// The storage holds another history than the pin vouches for: neither continues the other.
    Forked,
    /// An argument is outside what the operation accepts.
    Invalid,
    /// The key does not open this vault.
    Locked,
    /// It happened: this operation's record stands. But a keyring that it supersedes could not be deleted, for the reason
    /// that is the error's source: a key that was removed opens that one. Do not do it again: the next change of the
    /// keyring, [`Session::rotate_signing_keys`](crate::Session::rotate_signing_keys) for one, deletes it.
    NotDeleted(OperationId),
    /// There is no such case, document, version or grant.
    NotFound,
    /// It may or may not have happened: ask [`Session::outcome`](crate::Session::outcome).
    OutcomeUnknown(OperationId),
    /// It happened: this operation's record stands, and what it makes due was done (an erased case's objects, the
    /// parts of an upload that was given up, old epochs and what is wrapped under them are gone). But the pin store could not save the pin, for the reason that
    /// is the error's source, and nothing was given or done that was to follow the record. Mend the store and call
    /// [`Vault::sync`](crate::Vault::sync), which saves the pin. What was to be read, delivered or exported may then be asked for
    /// again. Of anything else ask [`Session::outcome`](crate::Session::outcome) first: what takes one record is done, while an
    /// upload may be announced and no more; what `intake` does in several records the case's file shows.
    PinNotSaved(OperationId),
    /// The storage holds an older log than the pin vouches for.
    RolledBack,
    /// The storage failed. Its own kind is [`Error::storage`]. The record that was due was not made, and nothing names what
    /// was written before it. But what takes several steps may have been begun: what is released goes on record before it
    /// is read, an erasure before its objects are deleted, and a rotation of the epoch takes two records. Each method says
    /// what finishes it.
    Storage,
    /// Something newer stands than what the decision rested on: read it and decide anew.
    Superseded,
    /// A deposit is what its client signed, and does not open, or is not what it says of itself: nobody else can have
    /// altered it. Refuse it by [`Promise::refusal`](crate::deposit::Promise::refusal).
    Unreadable,
    /// A newer format, or a backend that cannot do what the vault rests on.
    Unsupported,
}

/// Why an operation failed: what happened, to which object, and what to do next.
///
/// `Display` is this crate's own text, and no secret and no personal datum is ever part of it. Where the storage, a key service
/// or a pin store failed, the source has their words, and so has `Debug`: they may name hosts and paths, so log them, and
/// answer no client with them.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    #[cold]
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), source: None }))
    }

    #[cold]
    pub(crate) fn caused(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }

    /// `object` is not what its author made. The one text for every failed decryption.
    #[cold]
    pub(crate) fn corrupt(object: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Corrupt, format!("{object} is missing, altered or not the one the log names"))
    }

    /// `object` is what its client signed, and cannot be read all the same.
    #[cfg(feature = "intake")]
    #[cold]
    pub(crate) fn unreadable(object: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::Unreadable,
            format!("{object} was signed by its client, and cannot be read: refuse it"),
        )
    }

    #[cold]
    pub(crate) fn denied(reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::Denied, reason)
    }

    /// The log says that `case` was erased.
    #[cold]
    pub(crate) fn erased(case: impl fmt::Display, at: impl fmt::Display) -> Self {
        let text =
            format!("case {case} was erased at {at}: nothing of it is kept, and nothing can be added to it");
        Self::new(ErrorKind::Erased, text)
    }

    #[cold]
    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, reason)
    }

    #[cold]
    pub(crate) fn not_found(object: impl fmt::Display) -> Self {
        Self::new(ErrorKind::NotFound, format!("this vault holds no {object}"))
    }

    /// `operation` stands, and its pin could not be kept.
    #[cold]
    pub(crate) fn pin_not_saved(operation: OperationId, cause: Self) -> Self {
        let reason = format!(
            "operation {operation} is on record, but the pin was not saved: {cause}; mend the pin store and sync, \
             and see what stands before a change is repeated; nothing was released"
        );
        Self::new(ErrorKind::PinNotSaved(operation), reason).caused(cause)
    }

    /// `operation` stands, and a keyring that it supersedes is still there.
    #[cold]
    pub(crate) fn not_deleted(operation: OperationId, cause: Self) -> Self {
        let reason = format!(
            "operation {operation} is on record, but a superseded keyring was not deleted, which a removed key opens: \
             {cause}; do not repeat the operation: the next change of the keyring deletes it"
        );
        Self::new(ErrorKind::NotDeleted(operation), reason).caused(cause)
    }

    /// The same error for another caller, who waited for the same commit.
    pub(crate) fn again(&self) -> Self {
        Self::new(self.0.kind, self.0.message.clone()).caused_as(Some(self))
    }

    /// With the cause of `other`, if that is the storage's.
    #[must_use]
    pub(crate) fn caused_as(self, other: Option<&Self>) -> Self {
        let cause = other.and_then(|other| Some((other.storage()?, other.0.source.as_ref()?)));
        match cause {
            Some((kind, source)) => self.caused(StorageError::new(kind, chain(&**source))),
            None => self,
        }
    }

    /// The same, and what else went wrong.
    pub(crate) fn beside(mut self, other: &Self) -> Self {
        self.0.message = format!("{}; {}", self.0.message, other.0.message);
        self
    }

    /// With `fault` as its source.
    #[must_use]
    pub(crate) fn because_of(self, fault: Option<&Self>) -> Self {
        match fault.filter(|fault| fault.storage().is_none()) {
            Some(fault) => self.caused(fault.again()),
            None => self.caused_as(fault),
        }
    }

    /// Whether something that nobody signed is what it says, or what it is because of.
    pub(crate) fn tells_of_corruption(&self) -> bool {
        let source = || self.0.source.as_deref()?.downcast_ref::<Self>();
        match self.kind() {
            ErrorKind::Corrupt => true,
            ErrorKind::OutcomeUnknown(_) => {
                source().is_some_and(|source| source.kind() == ErrorKind::Corrupt)
            }
            _ => false,
        }
    }

    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The storage's own kind, where the storage failed, or failed to tell the outcome.
    #[must_use]
    pub fn storage(&self) -> Option<StorageErrorKind> {
        self.0.source.as_ref()?.downcast_ref::<StorageError>().map(StorageError::kind)
    }
}

/// What went wrong with the first, and beside it what did with the second: both were due. A pin that could not be saved
/// comes second, for by its kind the rest is done.
pub(crate) fn both<T>(first: Result<T>, second: Result<()>) -> Result<T> {
    match (first, second) {
        (Err(pin), Err(other)) if matches!(pin.kind(), ErrorKind::PinNotSaved(_)) => Err(other.beside(&pin)),
        (Err(error), Err(other)) => Err(error.beside(&other)),
        (first, second) => first.and_then(|first| second.map(|()| first)),
    }
}

/// What an error says, and its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = core::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, message, source } = &*self.0;
        f.debug_struct("Error").field("kind", kind).field("message", message).field("source", source).finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

impl From<EntropyError> for Error {
    fn from(error: EntropyError) -> Self {
        Self::new(ErrorKind::Entropy, "no randomness, so nothing was sealed").caused(error)
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        let kind = match error.kind() {
            StorageErrorKind::Unsupported => ErrorKind::Unsupported,
            _ => ErrorKind::Storage,
        };
        let reason = "the storage failed: `Error::storage` says how, and the source of this error why";
        Self::new(kind, reason).caused(error)
    }
}

impl From<Malformed> for Error {
    fn from(error: Malformed) -> Self {
        Self::new(ErrorKind::Corrupt, "bytes received are not what their author made").caused(error)
    }
}
