//! Commands waiting to be committed, and their answers.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Waker},
};

use super::draft::{Command, Committed};
use crate::{error::Result, ids::OperationId};

/// Commands in the queue or in an attempt that happen together or not at all; one, mostly. Shared by who waits
/// for them and whoever commits them.
pub(crate) struct Ticket {
    pub(crate) commands: Vec<Arc<dyn Command>>,
    pub(crate) operation: OperationId,
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    answer: Option<Result<Committed>>,
    waker: Option<Waker>,
}

impl Ticket {
    pub(crate) fn new(commands: Vec<Arc<dyn Command>>, operation: OperationId) -> Arc<Self> {
        Arc::new(Self { commands, operation, slot: Mutex::default() })
    }

    /// Whether somebody waits for it, as its one other holder sees it: who waits holds a reference until its future
    /// is dropped.
    pub(crate) fn is_wanted(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1
    }

    pub(crate) fn answer(&self, answer: Result<Committed>) {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        slot.answer = Some(answer);
        let waker = slot.waker.take();
        // A waker may poll at once.
        drop(slot);
        waker.into_iter().for_each(Waker::wake);
    }

    /// The answer, once.
    pub(crate) fn take(&self) -> Option<Result<Committed>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).answer.take()
    }

    /// Waits for the answer.
    pub(crate) async fn answered(&self) -> Result<Committed> {
        poll_fn(|context| {
            let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
            let before = match slot.answer.take() {
                Some(answer) => return Poll::Ready(answer),
                None => slot.waker.replace(context.waker().clone()),
            };
            drop(slot);
            drop(before);
            Poll::Pending
        })
        .await
    }
}

/// Commands in the order of their arrival.
#[derive(Default)]
pub(crate) struct Queue(Mutex<VecDeque<Arc<Ticket>>>);

impl Queue {
    pub(crate) fn push(&self, ticket: Arc<Ticket>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(ticket);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len() >= QUEUE_CAP
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes up to `count` commands that somebody still waits for.
    pub(crate) fn drain(&self, count: usize) -> Vec<Arc<Ticket>> {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        while taken.len() < count {
            let Some(ticket) = queue.pop_front() else { break };
            if ticket.is_wanted() {
                taken.push(ticket);
            }
        }
        taken
    }
}

/// Commands queued before newcomers have to help committing.
const QUEUE_CAP: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, poll_once};
    use futures_util::future::try_join_all;

    use super::*;
    use crate::{error::ErrorKind, keys::LocalKey, storage::MemoryStorage, vault::Vault};

    async fn vault() -> Vault {
        let folder = tempfile::tempdir().expect("a folder");
        let root = LocalKey::create(folder.path().join("key")).expect("a key");
        Vault::create(MemoryStorage::default(), root).await.expect("a vault")
    }

    /// Whoever comes while it is full commits first.
    #[test]
    fn a_queue_holds_no_more_than_it_may_and_all_is_committed() {
        block_on(async {
            let vault = vault().await;
            let desk = vault.session("a").purpose("p").begin().expect("a session");
            let case = desk.create_case("c").await.expect("a case");
            let mut calls: Vec<_> =
                (0..QUEUE_CAP + 600).map(|_| Box::pin(desk.describe_case(case))).collect();
            for call in &mut calls {
                assert!(poll_once(call).await.is_none(), "each waits");
                assert!(vault.ledger().queue.0.lock().expect("no panic").len() <= QUEUE_CAP);
            }
            assert_eq!(try_join_all(calls).await.expect("records").len(), QUEUE_CAP + 600);
            vault.audit().verify_from_genesis().await.expect("whole");
        });
    }

    #[test]
    fn as_many_are_taken_as_are_asked_for_of_those_that_somebody_waits_for() {
        let queue = Queue::default();
        let tickets: Vec<_> =
            (0..6).map(|at| Ticket::new(Vec::new(), OperationId::from_bytes([at; 16]))).collect();
        tickets.iter().for_each(|ticket| queue.push(ticket.clone()));
        let waiting: Vec<_> = tickets.into_iter().skip(1).collect();
        for (count, taken) in [(0, 0..0), (3, 0..3), (3, 3..5), (3, 5..5)] {
            let found: Vec<_> = queue.drain(count).iter().map(|ticket| ticket.operation).collect();
            let expected: Vec<_> =
                waiting.iter().skip(taken.start).take(taken.len()).map(|ticket| ticket.operation).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn nothing_makes_no_commit() {
        block_on(async {
            let (vault, before) = (vault().await, 1);
            let operation = vault.ledger().operation().expect("entropy");
            let refused = vault.ledger().commit(operation, Vec::new()).await.expect_err("nothing");
            assert_eq!((refused.kind(), vault.pin().size()), (ErrorKind::Invalid, before));
        });
    }
}
