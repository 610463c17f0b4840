//! Drivers that live in a tokio runtime, polled from anywhere.

use core::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
};

use tokio::{
    runtime::Handle,
    task::{JoinError, JoinHandle},
};

use super::{StorageError, StorageErrorKind};

/// The runtime that a driver's sockets and timers live in.
///
/// It is entered for every poll, so the calls of a backend can be polled by any executor, as long as
/// the runtime itself is running.
#[derive(Debug, Clone)]
pub(super) struct Runtime(Handle);

impl Runtime {
    /// The runtime that this is called in.
    pub(super) fn current(driver: &str) -> Result<Self, StorageError> {
        Handle::try_current().map(Self).map_err(|cause| {
            let message = format!(
                "{driver} needs a tokio runtime and there is none here; call this from a task of one, or \
                 after `Handle::enter`"
            );
            StorageError::new(StorageErrorKind::Unavailable, message).caused(cause)
        })
    }

    pub(super) async fn run<F: Future>(&self, call: F) -> F::Output {
        let mut call = pin!(call);
        poll_fn(|context| {
            let _entered = self.0.enter();
            call.as_mut().poll(context)
        })
        .await
    }

    /// Has the runtime drive `call`, whether or not its caller polls: what the call holds, a connection of a pool, it gives
    /// back when it is done, and not when its caller comes to look. It is given up if the caller drops it.
    #[cfg(feature = "postgres")]
    pub(super) async fn drive<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        Driven(self.0.spawn(call)).await
    }
}

/// A task that ends with its handle.
struct Driven<T>(JoinHandle<T>);

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_runtime_there_is_an_error_and_no_panic() {
        let error = Runtime::current("PostgreSQL").expect_err("no runtime here");
        assert!(error.to_string().starts_with("PostgreSQL needs a tokio runtime"), "{error}");
    }
}
