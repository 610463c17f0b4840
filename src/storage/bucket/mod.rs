//! Objects in a bucket, through the crate `object_store`.

use core::{ops::Range, panic::AssertUnwindSafe};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use object_store::{
    Error, GetOptions, GetRange, GetResult, GetResultPayload, ObjectStore, ObjectStoreExt, PutMode,
    PutOptions, path::Path, prefix::PrefixStore,
};

use super::{Creation, ObjectKey, Storage, StorageError, WHOLE, runtime::Runtime};

mod failure;
mod page;
mod pieces;

use failure::Refusal;
use page::{Order, Page, just_before};
use pieces::Joined;

/// A bucket or container of S3 and its kin, Google Cloud Storage or Azure, or whatever else
/// implements [`ObjectStore`] with conditional creation ([`PutMode::Create`]).
///
/// Objects have the names of FORMAT §2, behind the prefix if one is set. The store is built and
/// configured as `object_store`'s users do: credentials, endpoint, TLS, timeouts, retries
/// ([`RetryConfig`](::object_store::RetryConfig) bounds them and adds jitter). It must create only
/// where a name is free; the vault proves that by a race before its first commit, and refuses stores
/// that overwrite. `docs/BACKENDS.md` has the settings of a bucket that matter.
///
/// # Runtime
///
/// `object_store` does its I/O in a tokio runtime: the one in which [`ObjectStorage::new`] is called.
/// The calls may then be polled by any executor, while that runtime runs.
#[derive(Debug, Clone)]
pub struct ObjectStorage {
    store: Arc<dyn ObjectStore>,
    runtime: Runtime,
    order: Order,
}

impl ObjectStorage {
    /// Objects in `store`, which lists in byte order.
    ///
    /// # Errors
    ///
    /// [`StorageErrorKind::Unavailable`](super::StorageErrorKind::Unavailable) outside a tokio runtime.
    pub fn new(store: Arc<dyn ObjectStore>) -> Result<Self, StorageError> {
        Ok(Self { store, runtime: Runtime::current("an object store")?, order: Order::Bytes })
    }

    /// Keeps to the names that start with `prefix` and `/`, so that one bucket holds several vaults.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.store = Arc::new(PrefixStore::new(self.store, prefix));
        self
    }

    /// Does not rely on the order of the store's listings: each reads a whole folder.
    ///
    /// For S3's directory buckets (Express One Zone) and for
    /// [`LocalFileSystem`](::object_store::local::LocalFileSystem).
    #[must_use]
    pub fn unordered(mut self) -> Self {
        self.order = Order::Any;
        self
    }

    /// The outcome of `call` in the driver's runtime. Its clients panic at answers that they hold to be impossible, and who
    /// runs the store may send those.
    async fn run<F: Future>(&self, call: F) -> Result<F::Output, Error> {
        self.runtime.run(AssertUnwindSafe(call).catch_unwind()).await.map_err(|_| Error::Generic {
            store: "docvault",
            source: "the store's client panicked at its answer".into(),
        })
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        let path = Path::from(key.as_str());
        match self.store.put_opts(&path, bytes.into(), PutOptions::from(PutMode::Create)).await {
            Ok(_) => Ok(Creation::Created),
            Err(error) => match failure::refusal(error) {
                Refusal::Taken => Ok(Creation::Exists),
                Refusal::PerhapsTaken if self.exists(&path).await => Ok(Creation::Exists),
                Refusal::PerhapsTaken | Refusal::Unknown => Ok(Creation::Unknown),
                Refusal::NotWritten(error) => Err(error),
            },
        }
    }

    async fn exists(&self, path: &Path) -> bool {
        self.store.head(path).await.is_ok()
    }

    async fn get(&self, path: &Path, range: Option<Range<u64>>) -> Result<Option<Bytes>, Error> {
        let Some(range) = range else { return self.fetch(path, None, WHOLE.end).await };
        // Stores refuse an empty range, and one that starts at or after the end.
        let wanted = match range.end {
            end if end <= range.start => return self.clip(path, &range).await,
            end if i64::try_from(end).is_err() => GetRange::Offset(range.start),
            _ => GetRange::Bounded(range.clone()),
        };
        match self.fetch(path, Some(wanted), range.end.saturating_sub(range.start)).await {
            Err(refused) => match self.clip(path, &range).await {
                Ok(Some(nothing)) => Ok(Some(nothing)),
                _ => Err(refused),
            },
            fetched => fetched,
        }
    }

    async fn fetch(&self, path: &Path, range: Option<GetRange>, most: u64) -> Result<Option<Bytes>, Error> {
        let pieces = self.fetch_in_pieces(path, range, most).await?;
        Ok(pieces.map(|mut pieces| match pieces.as_mut_slice() {
            [only] => core::mem::take(only),
            pieces => pieces.concat().into(),
        }))
    }

    /// The body, or as much of it as has `most` bytes: how long it is to be is the server's word.
    async fn fetch_in_pieces(
        &self,
        path: &Path,
        range: Option<GetRange>,
        most: u64,
    ) -> Result<Option<Vec<Bytes>>, Error> {
        let Some(object) = self.open(path, range).await? else { return Ok(None) };
        let declared = object.range.end.saturating_sub(object.range.start);
        if !matches!(object.payload, GetResultPayload::Stream(_)) && declared <= most {
            return Ok(Some(vec![object.bytes().await?]));
        }
        let (mut body, mut joined) = (object.into_stream(), Joined::default());
        while joined.len() < most
            && let Some(mut piece) = body.try_next().await?
        {
            piece.truncate(usize::try_from(most - joined.len()).unwrap_or(usize::MAX));
            joined = joined.with(piece);
        }
        Ok(Some(joined.finish()))
    }

    async fn open(&self, path: &Path, range: Option<GetRange>) -> Result<Option<GetResult>, Error> {
        let answer = self.store.get_opts(path, GetOptions::new().with_range(range)).await;
        failure::unless_absent(answer)
    }

    /// The answer to a range that holds nothing; an error if it holds something.
    async fn clip(&self, path: &Path, range: &Range<u64>) -> Result<Option<Bytes>, Error> {
        match failure::unless_absent(self.store.head(path).await)? {
            Some(object) if range.start < object.size.min(range.end) => {
                Err(Error::Generic { store: "docvault", source: "the range was refused".into() })
            }
            found => Ok(found.map(|_| Bytes::new())),
        }
    }

    async fn page(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        let folder = prefix.rsplit_once('/').map(|(folder, _)| Path::from(folder));
        let after = after.map(ObjectKey::as_str).filter(|after| *after >= prefix);
        let start = after.map(str::to_owned).or_else(|| just_before(prefix));
        let listed = match start.map(Path::from) {
            Some(start) => self.store.list_with_offset(folder.as_ref(), &start),
            None => self.store.list(folder.as_ref()),
        };
        let failed = |cause| failure::error("list the objects", cause);
        let mut keys = listed
            .map_ok(|object| object.location.as_ref().parse::<ObjectKey>())
            .try_filter_map(async |key| Ok(key.ok()))
            .map_err(failed)
            .boxed();
        let mut page = Page::new(prefix, after, limit, self.order);
        while !page.is_complete() {
            let Some(key) = keys.try_next().await? else { break };
            page.take(key)?;
        }
        Ok(page.finish())
    }
}

#[async_trait]
impl Storage for ObjectStorage {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        self.run(self.put(key, bytes)).await.unwrap_or(Ok(Creation::Unknown))
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let path = Path::from(key.as_str());
        let read = self.run(self.get(&path, range)).await.flatten();
        read.map_err(|cause| failure::error("read an object", cause))
    }

    async fn read_in_pieces(&self, key: &ObjectKey) -> Result<Option<Vec<Bytes>>, StorageError> {
        let path = Path::from(key.as_str());
        let read = self.run(self.fetch_in_pieces(&path, None, WHOLE.end)).await.flatten();
        read.map_err(|cause| failure::error("read an object", cause))
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let path = Path::from(key.as_str());
        let deleted = self.run(self.store.delete(&path)).await.flatten();
        failure::unless_absent(deleted).map(drop).map_err(|cause| failure::error("delete an object", cause))
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let listed = self.run(self.page(prefix, after, limit)).await;
        listed.map_err(|cause| failure::error("list the objects", cause))?
    }
}
