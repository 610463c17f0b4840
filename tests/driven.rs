//! How work is handed from one waiting call to the next, in every schedule of threads that loom tells apart: two or three
//! of them, and up to three preemptions. It is the ledger's own code, on loom's locks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[allow(dead_code, reason = "the ledger uses the rest")]
#[path = "../src/ledger/driven.rs"]
mod driven;

/// In the place of the standard library's.
///
/// loom changes threads before an operation only, and where another thread's depends on it: so a lock that is held over none
/// would never be met, and who tries a lock in vain is not seen to depend on its holder. Both touch it: before it is tried,
/// and before it is let go.
mod primitives {
    use core::ops::{Deref, DerefMut};
    use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};

    use loom::sync::atomic::{AtomicUsize, Ordering};

    pub(super) struct Mutex<T>(loom::sync::Mutex<T>, AtomicUsize);

    pub(super) struct MutexGuard<'a, T>(loom::sync::MutexGuard<'a, T>, &'a AtomicUsize);

    impl<T> Mutex<T> {
        pub(super) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value), AtomicUsize::new(0))
        }

        pub(super) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
            self.1.fetch_add(1, Ordering::SeqCst);
            match self.0.lock() {
                Ok(guard) => Ok(MutexGuard(guard, &self.1)),
                Err(poisoned) => Err(PoisonError::new(MutexGuard(poisoned.into_inner(), &self.1))),
            }
        }

        pub(super) fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
            self.1.fetch_add(1, Ordering::SeqCst);
            let guard = self.0.try_lock().map_err(|_| TryLockError::WouldBlock)?;
            Ok(MutexGuard(guard, &self.1))
        }
    }

    impl<T> Drop for MutexGuard<'_, T> {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.0
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.0
        }
    }
}

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use driven::{Driven, Piece};
use futures_util::FutureExt;
use loom::{future::block_on, sync::Mutex, thread};

/// Something outside that happens once, as an answer of a storage does.
#[derive(Default)]
struct Event(Mutex<(bool, Option<Waker>)>);

impl Event {
    fn happen(&self) {
        let waker = {
            let mut event = self.0.lock().unwrap();
            event.0 = true;
            event.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    async fn happened(&self) {
        poll_fn(|context| {
            let mut event = self.0.lock().unwrap();
            if event.0 {
                return Poll::Ready(());
            }
            event.1 = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    // Not loom's: it counts its models, and is none of them.
    let schedules = Arc::new(AtomicU64::new(0));
    let counted = schedules.clone();
    let model = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    };
    let explored = catch_unwind(AssertUnwindSafe(|| builder.check(model)));
    explored.unwrap_or_else(|_| panic!("a schedule of threads breaks it"));
    println!("{} schedules", schedules.load(Ordering::Relaxed));
}

/// The piece that waits for the event: the first is whoever began it.
fn two(driven: &Driven, event: &Arc<Event>) -> [impl Future<Output = ()> + Send + 'static; 2] {
    [(); 2].map(|()| {
        let event = event.clone();
        let piece = driven.piece(|| async move { event.happened().await }.boxed());
        async move {
            match piece {
                Piece::Own(own) => own.finish().await,
                Piece::Other(other) => other.await,
            }
        }
    })
}

/// Polls a future to its end, or once and no more.
fn stay_or_leave(future: impl Future<Output = ()>, leaves: bool) {
    if leaves {
        let _ = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
    } else {
        block_on(future);
    }
}

/// A wake-up that comes while one polls reaches the other, whichever leaves: loom tells of threads that wait for ever.
#[test]
fn who_stays_is_woken_when_the_other_leaves() {
    for leaves in 0..2 {
        explore(move || {
            let (driven, event) = (Driven::default(), Arc::new(Event::default()));
            let [own, other] = two(&driven, &event);
            let storage = thread::spawn(move || event.happen());
            let own = thread::spawn(move || stay_or_leave(own, leaves == 0));
            stay_or_leave(other, leaves == 1);
            storage.join().unwrap();
            own.join().unwrap();
        });
    }
}

/// Who is kept and polled no more holds nobody up.
#[test]
fn who_is_kept_and_not_polled_keeps_nobody_waiting() {
    explore(|| {
        let (driven, event) = (Driven::default(), Arc::new(Event::default()));
        let [own, other] = two(&driven, &event);
        let mut kept = Box::pin(own);
        let _ = kept.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let storage = thread::spawn(move || event.happen());
        let waiting = thread::spawn(move || block_on(other));
        storage.join().unwrap();
        waiting.join().unwrap();
        drop(kept);
    });
}

/// Who comes when a piece has ended begins another, and keeps nobody from seeing that end.
#[test]
fn who_waits_for_a_piece_that_has_ended_is_woken_whoever_comes_then() {
    explore(|| {
        let (driven, event) = (Driven::default(), Arc::new(Event::default()));
        event.happen();
        let [own, other] = two(&driven, &event);
        let waiting = thread::spawn(move || block_on(other));
        block_on(own);
        let next = driven.piece(|| async {}.boxed());
        assert!(matches!(next, Piece::Own(_)));
        drop(next);
        waiting.join().unwrap();
    });
}

/// Each has the answer of its own work, and no two are done at once.
#[test]
fn one_is_done_after_the_other() {
    explore(|| {
        let driven = Arc::new(Driven::default());
        let busy = Arc::new(Mutex::new(()));
        let run = move |driven: Arc<Driven>, busy: Arc<Mutex<()>>, number: u32| {
            let work = move || {
                let busy = busy.clone();
                async move {
                    let alone = busy.try_lock().expect("another is done at once");
                    drop(alone);
                    number
                }
                .boxed()
            };
            assert_eq!(block_on(driven.run(work)), number);
        };
        let (also, theirs) = (driven.clone(), busy.clone());
        let other = thread::spawn(move || run(also, theirs, 1));
        run(driven, busy, 2);
        other.join().unwrap();
    });
}

/// A panic is its own call's: who waits for it goes on.
#[test]
fn a_panic_is_its_own_calls() {
    explore(|| {
        let driven = Driven::default();
        let Piece::Own(own) = driven.piece(|| async { resume_unwind(Box::new(7_u8)) }.boxed()) else {
            panic!("nothing is under way")
        };
        let Piece::Other(other) = driven.piece(|| async {}.boxed()) else { panic!("it is under way") };
        let waiting = thread::spawn(move || block_on(other));
        let panic = catch_unwind(AssertUnwindSafe(|| block_on(own.finish()))).unwrap_err();
        assert_eq!(panic.downcast_ref::<u8>(), Some(&7));
        waiting.join().unwrap();
        assert!(matches!(driven.piece(|| async {}.boxed()), Piece::Own(_)), "another can be begun");
    });
}
