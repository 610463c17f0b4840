//! As much of an executor as the suite needs: one thread, one future.

use core::{
    future::{Future, poll_fn},
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll},
    time::Duration,
};
use std::{
    sync::Arc,
    task::{Wake, Waker},
    thread::{self, Thread},
};

use futures_util::task::AtomicWaker;

use crate::env;

/// Polls `future` on this thread, parked in between, until it is ready.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let (mut future, mut context) = (pin!(future), Context::from_waker(&waker));
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Lets other futures, and other threads, go first.
pub(super) async fn yield_once() {
    thread::yield_now();
    env::yield_once().await;
}

/// Resolves when `duration` has passed, by a thread of its own.
pub(super) async fn after(duration: Duration) {
    let passed = Arc::new((AtomicBool::new(false), AtomicWaker::new()));
    let told = passed.clone();
    thread::spawn(move || {
        thread::sleep(duration);
        told.0.store(true, Ordering::SeqCst);
        told.1.wake();
    });
    poll_fn(|context| {
        passed.1.register(context.waker());
        if passed.0.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
