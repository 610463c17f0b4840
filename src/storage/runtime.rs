//! Drivers that live in a tokio runtime, polled from anywhere.

use tokio::runtime::Handle;

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

    #[cfg(feature = "object-store")]
    pub(super) async fn run<F: Future>(&self, call: F) -> F::Output {
        let mut call = core::pin::pin!(call);
        core::future::poll_fn(|context| {
            let _entered = self.0.enter();
            call.as_mut().poll(context)
        })
        .await
    }

    /// Where tasks are spawned.
    #[cfg(feature = "postgres")]
    pub(super) const fn handle(&self) -> &Handle {
        &self.0
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
