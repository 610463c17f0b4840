//! A storage that tells how parts are stored and read, and does either as a test wants.

use std::{
    future::poll_fn,
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::storage::{Creation, MemoryStorage, ObjectKey, Storage, StorageError, StorageErrorKind};
use futures_lite::future::{block_on, yield_now};

/// A storage in memory whose parts can be held back or refused, and whose reads of parts are counted.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    pub(crate) memory: MemoryStorage,
    pub(crate) hold: AtomicBool,
    pub(crate) refuse: AtomicBool,
    /// Reads take more than one poll.
    pub(crate) slow: AtomicBool,
    /// Into how long pieces a part that is read is cut, 0 for not at all.
    pub(crate) cut: AtomicUsize,
    /// The last piece is lost.
    pub(crate) short: AtomicBool,
    /// A part that is listed, and is not there.
    pub(crate) lost: Mutex<Option<ObjectKey>>,
    pub(crate) writes: AtomicUsize,
    pub(crate) reads: AtomicUsize,
    pub(crate) finished: AtomicUsize,
    /// The most reads of parts that were under way at a time.
    pub(crate) most: AtomicUsize,
}

/// A part that is held back is on its way: given up, it is stored all the same, as by a server that has the
/// request already.
struct OnItsWay<'a>(Option<(&'a MemoryStorage, &'a ObjectKey, Bytes)>);

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        if let Some((memory, key, bytes)) = self.0.take() {
            block_on(memory.create(key, bytes)).unwrap();
        }
    }
}

#[async_trait]
impl Storage for Watched {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        if key.as_str().starts_with("part/") {
            self.writes.fetch_add(1, SeqCst);
            if self.refuse.load(SeqCst) {
                return Err(StorageError::new(StorageErrorKind::Full, "no space is left"));
            }
            let mut given_up = OnItsWay(Some((&self.memory, key, bytes.clone())));
            poll_fn(|_| if self.hold.load(SeqCst) { Poll::Pending } else { Poll::Ready(()) }).await;
            given_up.0 = None;
        }
        self.memory.create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        if key.as_str().starts_with("part/") {
            let reads = self.reads.fetch_add(1, SeqCst) + 1;
            self.most.fetch_max(reads - self.finished.load(SeqCst), SeqCst);
            if self.refuse.load(SeqCst) {
                return Err(StorageError::new(StorageErrorKind::Unavailable, "try later"));
            }
            if self.slow.load(SeqCst) {
                yield_now().await;
            }
            self.finished.fetch_add(1, SeqCst);
            if self.lost.lock().unwrap().as_ref() == Some(key) {
                return Ok(None);
            }
        }
        self.memory.read(key, range).await
    }

    async fn read_in_pieces(&self, key: &ObjectKey) -> Result<Option<Vec<Bytes>>, StorageError> {
        let whole = self.read(key, None).await?;
        let cut = self.cut.load(SeqCst);
        Ok(whole.map(|whole| {
            if cut == 0 {
                return vec![whole];
            }
            let mut pieces: Vec<Bytes> = whole.chunks(cut).map(|piece| whole.slice_ref(piece)).collect();
            pieces.insert(pieces.len() / 2, Bytes::new());
            if self.short.load(SeqCst) {
                pieces.pop();
            }
            pieces
        }))
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.memory.delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        self.memory.list(prefix, after, limit).await
    }
}
