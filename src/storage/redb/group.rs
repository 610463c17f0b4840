//! Creates that become durable together.

use std::sync::{Arc, Mutex, PoisonError};

use ::redb::{Database, Durability, ReadableTable, WriteTransaction};
use bytes::Bytes;

use super::{Inner, OBJECTS, PIECE_LEN, PIECES, failure, offset};
use crate::storage::{Creation, ObjectKey, StorageError};

/// A create that waits for its transaction.
#[derive(Debug)]
pub(super) struct Pending {
    key: ObjectKey,
    bytes: Bytes,
    answer: Mutex<Option<Result<Creation, StorageError>>>,
}

impl Pending {
    pub(super) fn new(key: ObjectKey, bytes: Bytes) -> Arc<Self> {
        Arc::new(Self { key, bytes, answer: Mutex::default() })
    }

    fn answer(&self, answer: Result<Creation, StorageError>) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }

    fn take(&self) -> Option<Result<Creation, StorageError>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Inner {
    /// Waits in line: whoever's turn it is writes for all that wait.
    pub(super) fn create(&self, pending: &Arc<Pending>) -> Result<Creation, StorageError> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(pending));
        let _turn = self.turn();
        if let Some(answer) = pending.take() {
            return answer;
        }
        // What was written after a commit that failed could take what was durable with it.
        if let Some(kind) = self.failed.get() {
            return if self.withdraw(pending) { Err(failure::stopped(*kind)) } else { Ok(Creation::Unknown) };
        }
        let group = core::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.write(&group);
        // Without an answer a leader before this one panicked, in redb: what it did is not known.
        pending.take().unwrap_or(Ok(Creation::Unknown))
    }

    /// Takes a create out of the line; whether it stood there, and so no leader has begun it.
    fn withdraw(&self, pending: &Arc<Pending>) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let before = waiting.len();
        waiting.retain(|other| !Arc::ptr_eq(other, pending));
        waiting.len() < before
    }

    fn write(&self, group: &[Arc<Pending>]) {
        let written = durable(&self.database).and_then(|transaction| {
            let answers = insert(&transaction, group)?;
            Ok((transaction, answers))
        });
        let (transaction, answers) = match written {
            Ok(written) => written,
            Err(cause) => {
                // The transaction was never committed.
                return group
                    .iter()
                    .for_each(|pending| pending.answer(Err(self.failure("write an object", &cause))));
            }
        };
        let committed = self.commit(transaction);
        for (pending, answer) in group.iter().zip(answers) {
            pending.answer(Ok(if committed.is_ok() { answer } else { Creation::Unknown }));
        }
    }
}

/// Starts a transaction whose commit is durable before it returns, and from which a crashed process's
/// successor starts without reading the whole file.
pub(super) fn durable(database: &Database) -> Result<WriteTransaction, ::redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    Ok(transaction)
}

fn insert(transaction: &WriteTransaction, group: &[Arc<Pending>]) -> Result<Vec<Creation>, ::redb::Error> {
    let mut objects = transaction.open_table(OBJECTS)?;
    let mut pieces = transaction.open_table(PIECES)?;
    let mut answers = Vec::with_capacity(group.len());
    for Pending { key, bytes, .. } in group.iter().map(|pending| &**pending) {
        if objects.get(key.as_str())?.is_some() {
            answers.push(Creation::Exists);
            continue;
        }
        objects.insert(key.as_str(), u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
        for (number, piece) in (0u32..).zip(bytes.chunks(offset(PIECE_LEN))) {
            pieces.insert((key.as_str(), number), piece)?;
        }
        answers.push(Creation::Created);
    }
    Ok(answers)
}
