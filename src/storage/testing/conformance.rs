//! The conformance suite: what the [`Storage`] contract promises, checked call by call.

use core::fmt;
use std::sync::Arc;

use crate::{
    env::{self, SystemEntropy},
    ids::Hex,
    storage::{ObjectKey, Storage},
};

pub mod clauses;
mod trial;

/// How much the suite does.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Extent {
    /// Keys to page through, 2,000 by default; they are created one by one, so 10⁶ take a while.
    pub keys: usize,
    /// Names that 32 creates each race for, 16 by default.
    pub races: usize,
    /// Whether to race on threads too, which poll the futures with no runtime around; true by
    /// default. For a backend that works only within its own runtime: false; its futures then race
    /// on the caller's task.
    pub threads: bool,
    /// Whether one name may be the folder of another, as `a` is of `a/b`; true by default. The vault's
    /// layout has no such names, so a store whose folders are real may do without: false.
    pub nested: bool,
}

impl Default for Extent {
    fn default() -> Self {
        Self { keys: 2000, races: 16, threads: true, nested: true }
    }
}

/// What was checked and holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The clauses, in the order in which they were checked.
    pub clauses: Vec<&'static str>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.clauses.iter().try_for_each(|clause| writeln!(f, "holds: {clause}"))
    }
}

/// A backend does not keep the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("broken: {clause}; observed: {observed}")]
#[non_exhaustive]
pub struct Violation {
    /// What the contract promises.
    pub clause: &'static str,
    /// What was seen instead.
    pub observed: String,
}

/// Checks every clause of the contract on `storage`, which should be there for tests alone: it is
/// written to, and what is written is deleted again when all clauses hold.
///
/// What no caller can observe is not checked: that an object survives a power cut.
///
/// # Errors
///
/// The first clause that does not hold.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use docvault::storage::{MemoryStorage, testing};
///
/// # fn main() -> Result<(), testing::Violation> {
/// let storage = Arc::new(MemoryStorage::new());
/// let report = futures_lite::future::block_on(testing::conformance(storage, testing::Extent::default()))?;
/// print!("{report}");
/// # Ok(())
/// # }
/// ```
pub async fn conformance(storage: Arc<dyn Storage>, extent: Extent) -> Result<Report, Violation> {
    let bench = Bench::new(storage)?;
    clauses::bytes_read_back(&bench).await?;
    clauses::every_size_is_kept(&bench).await?;
    clauses::every_shape_of_key_works(&bench, extent).await?;
    clauses::names_are_taken_once(&bench).await?;
    clauses::one_racer_wins(&bench, extent).await?;
    clauses::objects_appear_whole(&bench, extent).await?;
    clauses::dropped_creates_are_whole_or_absent(&bench).await?;
    clauses::calls_left_alone_hold_up_none(&bench).await?;
    clauses::ranges_are_clipped(&bench).await?;
    clauses::deletes_repeat(&bench).await?;
    clauses::listings_are_ordered_pages(&bench, extent.keys).await?;
    bench.clean().await?;
    Ok(Report { clauses: clauses::ALL.to_vec() })
}

/// A backend under test, and a prefix of names that nobody else uses.
#[derive(Debug)]
pub struct Bench {
    pub(super) storage: Arc<dyn Storage>,
    prefix: String,
}

impl Bench {
    /// Draws a fresh prefix.
    ///
    /// # Errors
    ///
    /// When the source of randomness fails.
    pub fn new(storage: Arc<dyn Storage>) -> Result<Self, Violation> {
        let drawn = env::random::<16>(&SystemEntropy);
        let name =
            drawn.map_err(|error| Violation { clause: "a fresh prefix", observed: error.to_string() })?;
        Ok(Self { storage, prefix: format!("conformance/{}/", Hex(&name)) })
    }

    /// A key of up to two segments behind the prefix.
    pub(super) fn key(&self, name: impl fmt::Display) -> ObjectKey {
        let key = format!("{}{name}", self.prefix).parse();
        key.expect("the suite's names are of the key alphabet, and of two segments at most")
    }

    pub(super) fn text(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    async fn clean(&self) -> Result<(), Violation> {
        let failed = |error| Violation { clause: clauses::DELETES, observed: format!("an error: {error}") };
        loop {
            let keys = self.storage.list(&self.prefix, None, 1000).await.map_err(failed)?;
            if keys.is_empty() {
                return Ok(());
            }
            for key in keys {
                self.storage.delete(&key).await.map_err(failed)?;
            }
        }
    }
}
