//! What an operator can watch: operations, storage calls, commits and folds (DESIGN, "Observing").
//!
//! Without the features `metrics` and `tracing`, each function here gives back what it was given.

#[cfg(feature = "metrics")]
mod figures;
#[cfg(feature = "tracing")]
mod spans;
#[cfg(not(any(feature = "metrics", feature = "tracing")))]
mod unwatched;
#[cfg(any(feature = "metrics", feature = "tracing"))]
mod watched;

#[cfg(all(feature = "tracing", feature = "intake"))]
pub(crate) use spans::Subject;
#[cfg(not(any(feature = "metrics", feature = "tracing")))]
pub(crate) use unwatched::{commit, fold, operation, storage};
#[cfg(all(any(feature = "metrics", feature = "tracing"), feature = "intake"))]
pub(crate) use watched::Outcome;
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub(crate) use watched::{commit, fold, operation, storage};
