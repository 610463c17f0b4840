//! A witness: it cosigns checkpoints of the logs it knows, and never two that contradict each other
//! (c2sp.org/tlog-witness).

#[cfg(feature = "fs")]
mod file;
mod store;

use core::fmt;
use std::{path::Path, sync::Arc};

use crate::{
    crypto::{digest::sha256, sign::SigningKey},
    env::{Clock, SystemClock},
    error::{Error, Result},
    log::{
        cosignature::{MAX_TIME, cosign},
        note::{self, Note},
        proof::{self, ProofError},
        request::WitnessRequest,
        trust::{CheckpointError, TrustPolicy},
        verifier_key::VerifierKey,
    },
    secret_file,
    wire::Malformed,
};

#[cfg(feature = "fs")]
pub use file::FileWitnessStore;
pub use store::{MemoryWitnessStore, TreeHead, WitnessStore};

/// Cosigns checkpoints: what stands behind a witness's `add-checkpoint`.
///
/// Calls block on the store; from async code, use a thread made for it. `Clone`s share the store.
///
/// # Security
///
/// A cosignature says that, at its time, this was the largest consistent head the witness had seen.
/// That holds only as long as the store is never restored from a backup, and no other witness signs
/// with the same key on another store.
#[derive(Debug, Clone)]
pub struct Witness {
    key: Arc<WitnessKey>,
    logs: TrustPolicy,
    store: Arc<dyn WitnessStore>,
    clock: Arc<dyn Clock>,
}

/// A witness's name and secret key.
pub struct WitnessKey {
    name: String,
    key: SigningKey,
}

/// Why a witness does not cosign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessRefusal {
    /// The proof does not show that the log has only grown (422).
    #[error("the log is not shown to have only grown: {0}")]
    BadProof(ProofError),
    /// No key known for the log has signed the checkpoint, or a signature is false (403).
    #[error("the checkpoint is not signed by a key known for this log")]
    BadSignature,
    /// The witness has last cosigned another size, or another root of this size (409).
    #[error("the log was last cosigned at size {size}, maybe with another root; prove from there")]
    Conflict {
        /// The size that a proof must start from.
        size: u64,
    },
    /// The request has not the form of one, or goes back (400).
    #[error("this is no add-checkpoint request, or its old size is above the checkpoint's")]
    Malformed,
    /// The witness could not keep what it was about to sign, so it signed nothing (500).
    #[error("the witness could not record the checkpoint")]
    Store(#[source] Error),
    /// The witness does not know this log (404).
    #[error("this witness knows no log of this origin")]
    UnknownLog,
}

impl Witness {
    /// A witness for the logs of `log` lines in `logs`, whose other lines are not looked at: of an origin with several, by
    /// the last, so that a log's next key ends the one before, which may be in the wrong hands.
    pub fn new(key: WitnessKey, logs: TrustPolicy, store: impl WitnessStore) -> Self {
        Self { key: Arc::new(key), logs, store: Arc::new(store), clock: Arc::new(SystemClock) }
    }

    /// The same witness by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The key under which others know the witness.
    #[must_use]
    pub fn verifier_key(&self) -> VerifierKey {
        self.key.verifier_key()
    }

    // tlog-witness, add-checkpoint: 404, 403, 400, 409, 422, then persist, then sign.
    /// Answers the body of an `add-checkpoint` request with the body of the answer: a signature line.
    ///
    /// When it answers, the checkpoint is durable in the store.
    ///
    /// # Errors
    ///
    /// [`WitnessRefusal`], with the status, body and content type of the HTTP answer.
    pub fn add_checkpoint(&self, request: &str) -> Result<String, WitnessRefusal> {
        let WitnessRequest { old, proof, note } =
            WitnessRequest::parse(request).map_err(|Malformed| WitnessRefusal::Malformed)?;
        let note = Note::parse(&note).map_err(|Malformed| WitnessRefusal::Malformed)?;
        let checkpoint = self.logs.check_last_key(&note)?;
        let (origin, new) = (checkpoint.origin(), TreeHead::new(checkpoint.size(), *checkpoint.root()));
        if old > new.size {
            return Err(WitnessRefusal::Malformed);
        }
        let latest = self.store.latest(origin)?;
        let seen = latest.unwrap_or_else(|| TreeHead::new(0, sha256(&[])));
        if old != seen.size {
            return Err(WitnessRefusal::Conflict { size: seen.size });
        }
        if new.size == seen.size && new.root != seen.root {
            return Err(WitnessRefusal::Conflict { size: seen.size });
        }
        proof::verify_consistency(seen.size, &seen.root, new.size, &new.root, &proof)?;
        // Between these two calls the store's latest head is `seen`, so the statement that none larger
        // was seen is true at this time.
        let time = (self.clock.now().as_millis() / 1000).clamp(1, MAX_TIME);
        match self.store.advance(origin, latest.as_ref(), &new)? {
            None => Ok(cosign(note.text(), &self.key.name, &self.key.key, time)),
            Some(head) => Err(WitnessRefusal::Conflict { size: head.size }),
        }
    }
}

impl WitnessKey {
    /// Makes a new key, in a new file that only its owner can read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if keys cannot have this name (a URL without
    /// its scheme is usual) or the file exists; else as the file system fails.
    pub fn create(path: impl AsRef<Path>, name: &str) -> Result<Self> {
        check_name(name)?;
        let seed = secret_file::create(path.as_ref(), HEADER)?;
        Ok(Self { name: name.to_owned(), key: SigningKey::from_seed(seed) })
    }

    /// Loads the key of the witness `name` from its file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no file,
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied) if others can read it,
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if it holds no such key.
    pub fn load(path: impl AsRef<Path>, name: &str) -> Result<Self> {
        check_name(name)?;
        let seed = secret_file::load(path.as_ref(), HEADER)?;
        Ok(Self { name: name.to_owned(), key: SigningKey::from_seed(seed) })
    }

    /// The key of this seed and of a name that keys can have.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn from_seed(name: &str, seed: crate::Secret<32>) -> Self {
        Self { name: name.to_owned(), key: SigningKey::from_seed(seed) }
    }

    /// The public half: the key of a `witness` line in a [`TrustPolicy`].
    #[must_use]
    pub fn verifier_key(&self) -> VerifierKey {
        VerifierKey::cosignature(&self.name, self.key.verifying_key()).expect("the name was checked")
    }
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WitnessKey({:?}, [REDACTED])", self.name)
    }
}

fn check_name(name: &str) -> Result<()> {
    if note::is_key_name(name) {
        return Ok(());
    }
    Err(Error::invalid(
        "a witness's name has no space, plus sign or control character; take one like witness.example/w1",
    ))
}

impl WitnessRefusal {
    /// The status of the HTTP answer.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::BadProof(_) => 422,
            Self::BadSignature => 403,
            Self::Conflict { .. } => 409,
            Self::Malformed => 400,
            Self::Store(_) => 500,
            Self::UnknownLog => 404,
        }
    }

    /// The body of the HTTP answer: for a conflict the size and a newline, else what the error says.
    #[must_use]
    pub fn body(&self) -> String {
        match self {
            Self::Conflict { size } => format!("{size}\n"),
            other => format!("{other}\n"),
        }
    }

    /// The `Content-Type` of the HTTP answer.
    #[must_use]
    pub const fn content_type(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "text/x.tlog.size",
            _ => "text/plain; charset=utf-8",
        }
    }
}

impl From<CheckpointError> for WitnessRefusal {
    fn from(error: CheckpointError) -> Self {
        match error {
            CheckpointError::UnknownLog => Self::UnknownLog,
            CheckpointError::Malformed => Self::Malformed,
            CheckpointError::Signature | CheckpointError::Quorum => Self::BadSignature,
        }
    }
}

impl From<Error> for WitnessRefusal {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<ProofError> for WitnessRefusal {
    fn from(error: ProofError) -> Self {
        Self::BadProof(error)
    }
}

/// The first line of the key's file (FORMAT §10.3).
const HEADER: &str = "docvault witness key 1";

#[cfg(test)]
mod tests;
