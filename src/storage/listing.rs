//! All keys under a prefix.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{ObjectKey, Storage, StorageError, StorageErrorKind};

/// A listing, page by page. What it gave may be deleted before it goes on.
pub(crate) struct Listing<'a> {
    storage: &'a dyn Storage,
    prefix: &'a str,
    after: Option<ObjectKey>,
    ended: bool,
}

impl<'a> Listing<'a> {
    pub(crate) const fn new(storage: &'a dyn Storage, prefix: &'a str) -> Self {
        Self { storage, prefix, after: None, ended: false }
    }

    /// The next page of keys under the prefix; none at the end.
    ///
    /// # Errors
    ///
    /// The storage's; unsupported if it lists again what it has listed, which would never end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<ObjectKey>>, StorageError> {
        if self.ended {
            return Ok(None);
        }
        let mut keys = self.storage.list(self.prefix, self.after.as_ref(), LISTED).await?;
        let last = keys.last().cloned();
        self.ended =
            keys.len() < LISTED || !last.as_ref().is_some_and(|last| last.as_str().starts_with(self.prefix));
        if !self.ended && last <= self.after {
            return Err(StorageError::new(
                StorageErrorKind::Unsupported,
                format!(
                    "the storage lists {:?} without an end: it must list what comes after a key; check the backend",
                    self.prefix
                ),
            ));
        }
        self.after = last;
        keys.retain(|key| key.as_str().starts_with(self.prefix));
        Ok(Some(keys))
    }
}

/// Deletes every key under `prefix` that is superfluous; gives how many.
///
/// # Errors
///
/// The storage's; some may be deleted.
pub(crate) async fn delete_where(
    storage: &dyn Storage,
    prefix: &str,
    superfluous: impl Fn(&ObjectKey) -> bool + Send + Sync,
) -> Result<u64, StorageError> {
    let (mut listing, mut deleted) = (Listing::new(storage, prefix), 0);
    while let Some(keys) = listing.next().await? {
        deleted += delete_all(storage, keys.into_iter().filter(&superfluous)).await?;
    }
    Ok(deleted)
}

/// Deletes these keys, in no order; gives how many.
///
/// # Errors
///
/// The storage's; some may be deleted.
pub(crate) async fn delete_all(
    storage: &dyn Storage,
    keys: impl IntoIterator<Item = ObjectKey>,
) -> Result<u64, StorageError> {
    let keys: Vec<ObjectKey> = keys.into_iter().collect();
    let count = keys.len();
    let deletions = keys.into_iter().map(|key| async move { storage.delete(&key).await });
    stream::iter(deletions).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    Ok(u64::try_from(count).unwrap_or(u64::MAX))
}

/// Keys on a page.
const LISTED: usize = 1000;
/// Keys deleted at once.
const AT_ONCE: usize = 32;

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use bytes::Bytes;
    use futures_lite::future::block_on;

    use super::*;
    use crate::storage::{MemoryStorage, around::Around};

    /// Lists on behind the end of the prefix.
    #[derive(Debug, Default)]
    struct Overrunning(MemoryStorage);

    #[async_trait]
    impl Around for Overrunning {
        fn objects(&self) -> &dyn Storage {
            &self.0
        }

        async fn list(
            &self,
            _: &str,
            after: Option<&ObjectKey>,
            limit: usize,
        ) -> Result<Vec<ObjectKey>, StorageError> {
            self.0.list("", after, limit).await
        }
    }

    #[test]
    fn a_page_that_goes_beyond_the_prefix_is_the_last() {
        block_on(async {
            let storage = Overrunning::default();
            let key = |name: String| name.parse::<ObjectKey>().expect("a key");
            let wanted: Vec<ObjectKey> = (0..LISTED - 1).map(|n| key(format!("a/{n:04}"))).collect();
            let beyond = (0..LISTED).map(|n| key(format!("b/{n:04}")));
            for key in wanted.iter().cloned().chain(beyond) {
                storage.0.create(&key, Bytes::new()).await.expect("created");
            }
            let mut listing = Listing::new(&storage, "a/");
            assert_eq!(listing.next().await.expect("listed"), Some(wanted));
            assert_eq!(listing.next().await.expect("listed"), None);
        });
    }
}
