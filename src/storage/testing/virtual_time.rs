//! Time that passes only while everybody waits, and a storage that takes such time to answer.

use core::{
    fmt,
    future::{Future, poll_fn},
    ops::Range,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll},
    time::Duration,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    task::{Wake, Waker},
    thread::{self, Thread},
};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    env::{Clock, Sleeper, Timestamp},
    storage::{Creation, ObjectKey, Storage, StorageError},
};

/// A clock, a sleeper and an executor of one future: when nothing can go on, the clock is put forward to
/// when the first sleeper wakes. An hour of waiting takes no time, and a run with seeded entropy repeats itself.
///
/// Many tasks are one future that joins them. Only what sleeps here takes time: work on other threads is
/// waited for, and takes none.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use docvault::{Sleeper, storage::testing::VirtualTime};
///
/// let time = VirtualTime::default();
/// time.block_on(time.sleep(Duration::from_secs(3600)));
/// assert_eq!(time.elapsed(), Duration::from_secs(3600));
/// ```
#[derive(Debug, Clone, Default)]
pub struct VirtualTime(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    now: Duration,
    sleepers: u64,
    /// By when they wake, and then in the order in which they went to sleep.
    wakers: BTreeMap<(Duration, u64), Waker>,
}

impl VirtualTime {
    /// The time that has passed.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.waiting().now
    }

    /// Polls `future` on this thread until it is ready.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let woken = Arc::new(Woken { thread: thread::current(), flag: AtomicBool::new(true) });
        let waker = Waker::from(woken.clone());
        let (mut future, mut context) = (pin!(future), Context::from_waker(&waker));
        loop {
            if woken.flag.swap(false, Ordering::AcqRel) {
                if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                    return output;
                }
            } else if !self.advance() {
                thread::park();
            }
        }
    }

    /// Goes on to when the first sleeper wakes; false if none sleeps.
    fn advance(&self) -> bool {
        let mut waiting = self.waiting();
        let Some(((at, _), waker)) = waiting.wakers.pop_first() else { return false };
        waiting.now = waiting.now.max(at);
        drop(waiting);
        waker.wake();
        true
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Sleeper for VirtualTime {
    async fn sleep(&self, duration: Duration) {
        let mut place = None;
        poll_fn(|context| {
            let mut waiting = self.waiting();
            let now = waiting.now;
            let (at, turn) = *place.get_or_insert_with(|| {
                waiting.sleepers += 1;
                (now.saturating_add(duration), waiting.sleepers)
            });
            if now >= at {
                waiting.wakers.remove(&(at, turn));
                return Poll::Ready(());
            }
            waiting.wakers.insert((at, turn), context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Clock for VirtualTime {
    /// Begins on 2026-01-01T00:00:00Z.
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_767_225_600_000).saturating_add(self.elapsed())
    }
}

struct Woken {
    thread: Thread,
    flag: AtomicBool,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.flag.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// A call that reaches a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verb {
    /// [`Storage::create`].
    Create,
    /// [`Storage::read`].
    Read,
    /// [`Storage::delete`].
    Delete,
    /// [`Storage::list`].
    List,
}

/// Another backend behind a link: each call takes [`VirtualTime`], and takes effect when half of it has passed.
///
/// With a latency that is the same for all calls, the time that an operation takes is the number of calls that had
/// to wait for each other: its sequential round trips.
pub struct DelayedStorage {
    inner: Arc<dyn Storage>,
    time: VirtualTime,
    latency: Box<dyn Fn(Verb) -> Duration + Send + Sync>,
}

impl fmt::Debug for DelayedStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelayedStorage").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl DelayedStorage {
    /// `inner`, each of whose calls takes what `latency` says.
    pub fn new(
        inner: Arc<dyn Storage>,
        time: VirtualTime,
        latency: impl Fn(Verb) -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self { inner, time, latency: Box::new(latency) }
    }

    async fn delayed<F: Future>(&self, verb: Verb, call: F) -> F::Output {
        let latency = (self.latency)(verb);
        let there = latency / 2;
        self.time.sleep(there).await;
        let answer = call.await;
        self.time.sleep(latency.saturating_sub(there)).await;
        answer
    }
}

#[async_trait]
impl Storage for DelayedStorage {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        self.delayed(Verb::Create, self.inner.create(key, bytes)).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        self.delayed(Verb::Read, self.inner.read(key, range)).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.delayed(Verb::Delete, self.inner.delete(key)).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        self.delayed(Verb::List, self.inner.list(prefix, after, limit)).await
    }
}
