//! A destination that lists names without an end.

use async_trait::async_trait;
use docvault::storage::StorageError;

use super::*;
use crate::common::around::{Around, Through};

/// Lists tiles of the lowest level without an end, and none of those that it has.
#[derive(Debug)]
struct Endless {
    objects: Arc<MemoryStorage>,
    pages: AtomicUsize,
}

#[async_trait]
impl Around for Endless {
    fn objects(&self) -> &dyn Storage {
        &*self.objects
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        if prefix != "tile/00/" {
            return self.objects.list(prefix, after, limit).await;
        }
        let page = self.pages.fetch_add(1, Ordering::SeqCst);
        assert!(page < 1000, "it is listed for ever");
        let first = u64::try_from(page * limit).unwrap() | 1 << 60;
        let name = |number| format!("tile/00/{number:016x}-0100").parse().unwrap();
        Ok((first..).take(limit).map(name).collect())
    }
}

#[test]
fn a_destination_that_lists_without_an_end_ends_no_copy() {
    block_on(async {
        let source = source().await;
        grow(&desk(&source.vault), source.case, 600).await;
        let objects = Arc::new(MemoryStorage::default());
        let endless = Arc::new(Through(Endless { objects: objects.clone(), pages: AtomicUsize::new(0) }));
        for _ in 0..2 {
            let report = source.vault.copy_to(endless.clone()).await.unwrap();
            assert_whole(Arc::new(objects.snapshot()), &source, &report).await;
        }
        assert_eq!(keys(&*objects, "tile/00/").await.len(), 2);
    });
}
