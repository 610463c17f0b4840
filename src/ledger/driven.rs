//! Work that is done for all who wait for it, by whoever of them is polled.
//!
//! `Shared` of `futures-util` is nearly that. But a wake-up that comes while somebody polls is spent: who then finds it
//! being polled waits for ever if the one who polled leaves (rust-lang/futures-rs#2706). And a panic is everybody's.

use std::{
    collections::BTreeMap,
    future::Future,
    panic::{AssertUnwindSafe, resume_unwind},
    pin::Pin,
    sync::{Arc, PoisonError, TryLockError, Weak},
    task::{Context, Poll, Wake, Waker},
    thread,
};

use futures_util::{FutureExt, future::BoxFuture};

// The standard library's; `tests/driven.rs` puts in its place one that explores schedules.
use super::primitives::{Mutex, MutexGuard};

/// One piece of work at a time.
///
/// Who waits for a lock waits for its holder to be polled, which a caller may never do again. Who waits here goes on
/// with what is under way, from where it is.
pub(super) struct Driven(Mutex<Weak<Job>>);

/// What is under way: dropped with the last one who holds it.
pub(super) enum Piece<T> {
    /// Begun by another call.
    Other(Share),
    Own(Own<T>),
}

/// Begun by this call, which has its answer.
pub(super) struct Own<T> {
    share: Share,
    answer: Arc<Mutex<Option<thread::Result<T>>>>,
}

struct Job {
    /// None once it has ended.
    future: Mutex<Option<BoxFuture<'static, ()>>>,
    waiting: Arc<Waiting>,
}

/// Somebody's hold of a job; polled, it takes the job further.
pub(super) struct Share {
    job: Arc<Job>,
    id: u64,
}

/// Who is polled when the job can go on: each of them, for any one may be left alone. Every share is in here, is woken
/// already, or was never polled.
struct Waiting(Mutex<Wakers>);

#[derive(Default)]
struct Wakers {
    /// Whether the job can go on since it was polled last.
    woken: bool,
    ended: bool,
    shares: u64,
    of: BTreeMap<u64, Waker>,
}

impl Default for Driven {
    fn default() -> Self {
        Self(Mutex::new(Weak::new()))
    }
}

impl Driven {
    /// What is under way, or else `work`, begun.
    pub(super) fn piece<T: Send + 'static>(&self, work: impl FnOnce() -> BoxFuture<'static, T>) -> Piece<T> {
        let mut current = lock(&self.0);
        if let Some(job) = current.upgrade().filter(|job| !job.waiting.has_ended()) {
            return Piece::Other(Share::of(job));
        }
        let answer = Arc::new(Mutex::new(None));
        let (work, told) = (AssertUnwindSafe(work()).catch_unwind(), answer.clone());
        let job = Arc::new(Job::new(Box::pin(async move {
            let done = work.await;
            *lock(&told) = Some(done);
        })));
        *current = Arc::downgrade(&job);
        Piece::Own(Own { share: Share::of(job), answer })
    }

    /// The answer of `work`, once what is under way before it has come to its end.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Fn() -> BoxFuture<'static, T> + Send + Sync,
    ) -> T {
        loop {
            match self.piece(&work) {
                Piece::Other(other) => other.await,
                Piece::Own(own) => return own.finish().await,
            }
        }
    }
}

impl<T> Own<T> {
    /// Drives it to its end. If the work panicked, so does this, and nobody else.
    pub(super) async fn finish(self) -> T {
        self.share.await;
        let answer = lock(&self.answer).take();
        let answer = answer.expect("it is there when the work has ended, and taken here alone");
        answer.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

impl Job {
    fn new(future: BoxFuture<'static, ()>) -> Self {
        let wakers = Wakers { woken: true, ..Wakers::default() };
        Self { future: Mutex::new(Some(future)), waiting: Arc::new(Waiting(Mutex::new(wakers))) }
    }

    /// Polls it if it can go on; nothing if somebody polls it now.
    ///
    /// Nobody else may lock the future: who finds it locked waits for the look that its poll is followed by.
    fn advance(&self) -> Option<Poll<()>> {
        let mut slot = match self.future.try_lock() {
            Ok(slot) => slot,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let Some(future) = slot.as_mut() else { return Some(Poll::Ready(())) };
        if !self.waiting.take_woken() {
            return Some(Poll::Pending);
        }
        let polled = future.poll_unpin(&mut Context::from_waker(&Waker::from(self.waiting.clone())));
        if polled.is_ready() {
            *slot = None;
            self.waiting.end();
        }
        Some(polled)
    }
}

impl Share {
    fn of(job: Arc<Job>) -> Self {
        let id = job.waiting.next_id();
        Self { job, id }
    }
}

impl Future for Share {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Job { waiting, .. } = &*self.job;
        // First, for whoever polls the job looks in there once it has let go of it.
        waiting.enter(self.id, context.waker());
        let Some(polled) = self.job.advance() else { return Poll::Pending };
        if polled.is_ready() || waiting.is_woken() {
            waiting.wake_all();
        }
        polled
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.job.waiting.leave(self.id);
    }
}

impl Waiting {
    fn next_id(&self) -> u64 {
        let mut wakers = lock(&self.0);
        wakers.shares += 1;
        wakers.shares
    }

    fn enter(&self, id: u64, waker: &Waker) {
        let before = lock(&self.0).of.insert(id, waker.clone());
        // A waker may be a task's last owner, and the task have a share: never while this is locked.
        drop(before);
    }

    fn leave(&self, id: u64) {
        let waker = lock(&self.0).of.remove(&id);
        drop(waker);
    }

    fn end(&self) {
        lock(&self.0).ended = true;
    }

    fn has_ended(&self) -> bool {
        lock(&self.0).ended
    }

    fn is_woken(&self) -> bool {
        lock(&self.0).woken
    }

    fn take_woken(&self) -> bool {
        core::mem::take(&mut lock(&self.0).woken)
    }

    fn wake_all(&self) {
        let wakers = core::mem::take(&mut lock(&self.0).of);
        wakers.into_values().for_each(Waker::wake);
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        lock(&self.0).woken = true;
        self.wake_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
