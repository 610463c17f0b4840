//! A storage whose calls are watched.

use core::{fmt, ops::Range};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    End, OK, Watch, Watched,
    outcome::{created, failed},
};
use crate::storage::{Creation, ObjectKey, Storage, StorageError, layout};

/// The same storage, watched. Whatever the vault calls goes through one.
pub(crate) fn storage(storage: Arc<dyn Storage>) -> Arc<dyn Storage> {
    #[cfg(feature = "metrics")]
    crate::observe::figures::describe();
    Arc::new(Observed(storage))
}

struct Observed(Arc<dyn Storage>);

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[async_trait]
impl Storage for Observed {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        let len = bytes.len();
        let end = |answer: &_| ended(answer, |creation| End { outcome: created(*creation), bytes: len });
        begin("create", key.as_str()).over(self.0.create(key, bytes), end).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let end = |answer: &_| ended(answer, |bytes: &Option<Bytes>| found(bytes.as_ref().map(Bytes::len)));
        begin("read", key.as_str()).over(self.0.read(key, range), end).await
    }

    async fn read_in_pieces(&self, key: &ObjectKey) -> Result<Option<Vec<Bytes>>, StorageError> {
        let len = |pieces: &Vec<Bytes>| pieces.iter().map(Bytes::len).sum();
        let end = |answer: &_| ended(answer, |pieces: &Option<_>| found(pieces.as_ref().map(len)));
        begin("read", key.as_str()).over(self.0.read_in_pieces(key), end).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let end = |answer: &_| ended(answer, |()| End::of(OK));
        begin("delete", key.as_str()).over(self.0.delete(key), end).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        let end = |answer: &_| ended(answer, |_: &Vec<_>| End::of(OK));
        begin("list", prefix).over(self.0.list(prefix, after, limit), end).await
    }
}

fn begin(call: &'static str, name: &str) -> Watch {
    Watch::begin(Watched::Call { call, object: class(name) })
}

fn ended<T>(answer: &Result<T, StorageError>, end: impl FnOnce(&T) -> End) -> End {
    match answer {
        Ok(answer) => end(answer),
        Err(error) => End::of(failed(error.kind())),
    }
}

fn found(len: Option<usize>) -> End {
    len.map_or(End::of(ABSENT), |bytes| End { outcome: OK, bytes })
}

/// The first segment of an object's name, which says what it is and not which.
fn class(name: &str) -> &'static str {
    let class = CLASSES.iter().find(|class| name.starts_with(**class));
    class.map_or("other", |class| class.trim_end_matches('/'))
}

/// Nothing is stored under that name.
const ABSENT: &str = "Absent";
const CLASSES: [&str; 11] = [
    layout::LOG,
    layout::HEADS,
    layout::PARTS,
    layout::CASE_KEYS,
    layout::KEYRINGS,
    layout::INDEX,
    layout::TILES,
    layout::CHECKPOINTS,
    layout::PROBES,
    layout::TURNS,
    "deposit/",
];
