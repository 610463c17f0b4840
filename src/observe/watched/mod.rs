//! Work that is watched while it is polled, and counted when it ends.

mod outcome;
mod storage;

pub(crate) use outcome::Outcome;
pub(crate) use storage::storage;

#[cfg(feature = "metrics")]
use std::time::Instant;

#[cfg(feature = "metrics")]
use super::figures;
#[cfg(feature = "tracing")]
use super::spans::{self, Subject};
use crate::error::Result;

/// What begins and ends, by names that are few.
#[derive(Debug, Clone, Copy)]
pub(super) enum Watched {
    /// One call of a public method, by that method's name.
    Operation(&'static str),
    /// One call of a storage, about objects of one class.
    Call { call: &'static str, object: &'static str },
    /// One attempt at a commit of this many records.
    Commit { records: usize },
    /// One fold of the log's tail into tables.
    Fold,
}

/// How it ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) outcome: &'static str,
    /// Bytes that a storage took or gave.
    pub(super) bytes: usize,
}

impl End {
    pub(super) const fn of(outcome: &'static str) -> Self {
        Self { outcome, bytes: 0 }
    }
}

/// A call of the public method `name`, which is about `subject`.
#[cfg(feature = "tracing")]
pub(crate) async fn operation<T, E: Outcome>(
    name: &'static str,
    subject: impl Subject,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let watch = Watch::begin(Watched::Operation(name));
    subject.tell(&watch.span);
    drop(subject);
    watch.over(work, ended).await
}

/// A call of the public method `name`.
#[cfg(not(feature = "tracing"))]
pub(crate) async fn operation<T, E: Outcome>(
    name: &'static str,
    _: impl Sized,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    Watch::begin(Watched::Operation(name)).over(work, ended).await
}

/// An attempt to commit `records`; `failure` names what it came to, if not to their commit.
pub(crate) async fn commit<T>(
    records: usize,
    work: impl Future<Output = T>,
    failure: fn(&T) -> Option<&'static str>,
) -> T {
    Watch::begin(Watched::Commit { records }).over(work, |ended| End::of(failure(ended).unwrap_or(OK))).await
}

/// A fold.
pub(crate) async fn fold<T, E: Outcome>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    Watch::begin(Watched::Fold).over(work, ended).await
}

fn ended<T, E: Outcome>(result: &Result<T, E>) -> End {
    End::of(result.as_ref().err().map_or(OK, Outcome::outcome))
}

/// Reports on something when it is dropped, which work that is given up is too.
struct Watch {
    #[cfg_attr(not(feature = "metrics"), allow(dead_code, reason = "a span has it already"))]
    watched: Watched,
    end: End,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
    #[cfg(feature = "metrics")]
    began: Instant,
}

impl Watch {
    fn begin(watched: Watched) -> Self {
        Self {
            watched,
            end: End::of(DROPPED),
            #[cfg(feature = "tracing")]
            span: spans::begin(watched),
            #[cfg(feature = "metrics")]
            began: Instant::now(),
        }
    }

    async fn over<T>(mut self, work: impl Future<Output = T>, end: impl FnOnce(&T) -> End) -> T {
        #[cfg(feature = "tracing")]
        let work = tracing::Instrument::instrument(work, self.span.clone());
        let result = work.await;
        self.end = end(&result);
        result
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        #[cfg(feature = "tracing")]
        spans::end(&self.span, self.watched, self.end);
        #[cfg(feature = "metrics")]
        figures::count(self.watched, self.end, self.began.elapsed());
    }
}

/// It did what it was called for.
pub(super) const OK: &str = "ok";
/// Its future was dropped before it ended.
const DROPPED: &str = "Dropped";
