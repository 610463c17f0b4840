//! Documents of 100 KiB stored durably, on a disk whose syncs are slow: one task, and 64 at once.

use std::{ops::Range, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::{
    NewDocument, Sleeper, ThreadSleeper,
    storage::{Creation, FsStorage, ObjectKey, Storage, StorageError},
};
use futures_lite::future::block_on;
use futures_util::future::try_join_all;

use crate::measure::{Failure, Times, desk};

/// A folder on a disk whose syncs take a millisecond longer each; storing an object takes two.
#[derive(Debug)]
struct SlowSync(FsStorage);

#[async_trait]
impl Storage for SlowSync {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        ThreadSleeper::default().sleep(Duration::from_millis(2)).await;
        self.0.create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        self.0.read(key, range).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.0.delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        self.0.list(prefix, after, limit).await
    }
}

/// 16 documents by one task, and 256 by 64.
pub(crate) fn tasks(folder: &Path) -> Result<(), Failure> {
    let storage = SlowSync(FsStorage::create(folder.join("tasks"))?);
    let (desk, case) = desk(Arc::new(storage), folder)?;
    let content = Bytes::from(vec![7u8; 100 << 10]);
    let store = || async { desk.store(case, NewDocument::named("x"), content.clone()).await.map(drop) };
    let (mut one, mut many) = (Times::of("one_task_16"), Times::of("64_tasks_256"));
    for _ in 0..5 {
        one.time(|| (0..16).try_for_each(|_| block_on(store())))?;
        let task = |_| async {
            for _ in 0..4 {
                store().await?;
            }
            Ok::<_, docvault::Error>(())
        };
        many.time(|| block_on(try_join_all((0..64).map(task))))?;
    }
    one.print();
    many.print();
    Ok(())
}
