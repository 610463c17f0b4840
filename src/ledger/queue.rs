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
