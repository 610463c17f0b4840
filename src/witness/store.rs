//! What a witness remembers: the head it was last about to cosign, of each log.

use core::fmt;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::{error::Result, ids::Hex};

/// The size and root of a log's tree.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeHead {
    /// The number of records.
    pub size: u64,
    /// The root of the RFC 6962 Merkle tree over them.
    pub root: [u8; 32],
}

impl TreeHead {
    /// A head.
    #[must_use]
    pub const fn new(size: u64, root: [u8; 32]) -> Self {
        Self { size, root }
    }
}

impl fmt::Debug for TreeHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreeHead({}, {})", self.size, Hex(&self.root))
    }
}

/// Keeps one head for each log, and changes it only as a whole and from what it was.
///
/// # Security
///
/// All that a [`Witness`](super::Witness) promises rests on [`WitnessStore::advance`]: of calls at
/// once from the same head, in any number of processes, one may succeed, and a success must survive a
/// crash.
pub trait WitnessStore: fmt::Debug + Send + Sync + 'static {
    /// The log's head, or `None` if it never had one.
    ///
    /// # Errors
    ///
    /// When it cannot be read; the witness then signs nothing.
    fn latest(&self, origin: &str) -> Result<Option<TreeHead>>;

    /// Makes `new` the log's head, durably, if the head is `expected`, all in one step.
    ///
    /// Gives `None` when it did, and the head that it found when that is another: nothing was changed.
    ///
    /// # Errors
    ///
    /// When it is not certain that `new` is durable; it may have become the head all the same.
    fn advance(&self, origin: &str, expected: Option<&TreeHead>, new: &TreeHead) -> Result<Option<TreeHead>>;
}

/// Keeps heads in memory: for tests, and for trying out.
///
/// # Security
///
/// A witness that forgets can be made to cosign a fork.
#[derive(Debug, Default)]
pub struct MemoryWitnessStore(Mutex<HashMap<String, TreeHead>>);

impl MemoryWitnessStore {
    /// A store without heads.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl WitnessStore for MemoryWitnessStore {
    fn latest(&self, origin: &str) -> Result<Option<TreeHead>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(origin).copied())
    }

    fn advance(&self, origin: &str, expected: Option<&TreeHead>, new: &TreeHead) -> Result<Option<TreeHead>> {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match heads.get(origin) {
            found if found == expected => {
                heads.insert(origin.to_owned(), *new);
                Ok(None)
            }
            Some(found) => Ok(Some(*found)),
            // The caller knew a head that is not here: nothing may be signed.
            None => Ok(expected.copied()),
        }
    }
}
