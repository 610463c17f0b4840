//! Storage calls that go on while the caller does something else, without spawning a task.

use core::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};
use std::sync::{Mutex, PoisonError};

use futures_util::future::{BoxFuture, MaybeDone, maybe_done};

/// Work that has begun: it was polled once, and what it waits for happens elsewhere.
///
/// Dropped before its end, it is cut short as any future is.
pub(super) struct Started<T>(Mutex<MaybeDone<BoxFuture<'static, T>>>);

impl<T> core::fmt::Debug for Started<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}

impl<T: Send> Started<T> {
    pub(super) async fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        let work: BoxFuture<'static, T> = Box::pin(work);
        let mut work = maybe_done(work);
        poll_fn(|context| {
            let _ = Pin::new(&mut work).poll(context);
            Poll::Ready(())
        })
        .await;
        Self(Mutex::new(work))
    }

    /// What the work came to; none if that was taken before.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost: it can be asked again.
    pub(super) async fn finish(&mut self) -> Option<T> {
        self.settle().await;
        Pin::new(self.work()).take_output()
    }

    /// Waits until the work is done.
    pub(super) async fn settle(&mut self) {
        Pin::new(self.work()).await;
    }

    fn work(&mut self) -> &mut MaybeDone<BoxFuture<'static, T>> {
        // The lock only makes the whole shareable; `&mut self` says that nobody else holds it.
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}
