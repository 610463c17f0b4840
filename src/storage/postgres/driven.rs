//! Calls that the runtime drives, whether or not their caller polls.

use core::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    runtime::Handle,
    task::{JoinError, JoinHandle},
};

/// A call that gives back what it holds, a connection of a pool, when it is done, and not when its caller comes to look. It is
/// given up if the caller drops it.
pub(super) struct Driven<T>(JoinHandle<T>);

impl<T: Send + 'static> Driven<T> {
    pub(super) fn begin(runtime: &Handle, call: impl Future<Output = T> + Send + 'static) -> Self {
        Self(runtime.spawn(call))
    }
}

impl<T> Future for Driven<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for Driven<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
