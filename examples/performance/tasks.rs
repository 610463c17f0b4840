//! Documents of 100 KiB stored durably, on a disk whose syncs are slow: one task, and 64 at once.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use docvault::{NewDocument, storage::FsStorage};
use futures_lite::future::block_on;
use futures_util::future::try_join_all;

use crate::measure::{Failure, Times, Waiting, desk};

/// 16 documents by one task, and 256 by 64.
pub(crate) fn tasks(folder: &Path) -> Result<(), Failure> {
    // Syncs take a millisecond longer each; storing an object takes two.
    let storage = FsStorage::create(folder.join("tasks"))?;
    let storage = Waiting { storage, time: Some(Duration::from_millis(2)) };
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
