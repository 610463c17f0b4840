//! Work that goes on while the caller does something else, without spawning a task.

use core::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
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
        let mut started = Self::unpolled(work);
        poll_fn(|context| Poll::Ready(started.is_done(context))).await;
        started
    }

    /// Work that begins when it is first asked whether it is done.
    pub(super) fn unpolled(work: impl Future<Output = T> + Send + 'static) -> Self {
        let work: BoxFuture<'static, T> = Box::pin(work);
        Self(Mutex::new(maybe_done(work)))
    }

    /// What the work came to; none if that was taken before.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost: it can be asked again.
    pub(super) async fn finish(&mut self) -> Option<T> {
        poll_fn(|context| if self.is_done(context) { Poll::Ready(()) } else { Poll::Pending }).await;
        self.take()
    }

    /// Goes on with the work, which must not be taken yet; tells whether it is done.
    pub(super) fn is_done(&mut self, context: &mut Context<'_>) -> bool {
        Pin::new(self.work()).poll(context).is_ready()
    }

    /// What the work came to, if it is done and not taken yet.
    pub(super) fn take(&mut self) -> Option<T> {
        Pin::new(self.work()).take_output()
    }

    fn work(&mut self) -> &mut MaybeDone<BoxFuture<'static, T>> {
        // The lock only makes the whole shareable; `&mut self` says that nobody else holds it.
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}
