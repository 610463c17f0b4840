//! Work that is done for all who wait for it, by whoever of them is polled.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};

/// One piece of work at a time.
///
/// Who waits for a lock waits for its holder to be polled, which a caller may never do again. Who waits here goes on
/// with what is under way, from where it is.
#[derive(Default)]
pub(super) struct Driven(Mutex<Option<WeakShared<BoxFuture<'static, ()>>>>);

/// What is under way: dropped with the last one who holds it.
pub(super) enum Piece<T> {
    /// Begun by another call.
    Other(Shared<BoxFuture<'static, ()>>),
    Own(Own<T>),
}

/// Begun by this call, which has its answer.
pub(super) struct Own<T> {
    work: Shared<BoxFuture<'static, ()>>,
    answer: Arc<Mutex<Option<T>>>,
}

impl Driven {
    /// What is under way, or else `work`, begun.
    pub(super) fn piece<T: Send + 'static>(&self, work: impl FnOnce() -> BoxFuture<'static, T>) -> Piece<T> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = current.as_ref().and_then(WeakShared::upgrade);
        if let Some(other) = under_way.filter(|work| work.peek().is_none()) {
            return Piece::Other(other);
        }
        let (work, answer) = (work(), Arc::new(Mutex::new(None)));
        let told = answer.clone();
        let work = async move {
            let done = work.await;
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        };
        let work = work.boxed().shared();
        *current = work.downgrade();
        Piece::Own(Own { work, answer })
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
    /// Drives it to its end.
    pub(super) async fn finish(self) -> T {
        self.work.await;
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        answer.expect("it is there when the work has ended, and taken here alone")
    }
}
