//! Sealing and opening, large and small, storage in memory.

use std::{hint::black_box, path::Path, sync::Arc};

use bytes::Bytes;
use docvault::{NewDocument, storage::MemoryStorage};
use futures_lite::future::block_on;

use crate::measure::{Failure, Raw, Times, desk};

/// 64 MiB, and the primitives over 8 MiB.
pub(crate) fn large(folder: &Path) -> Result<(), Failure> {
    let content = Bytes::from(vec![7u8; 64 << 20]);
    let mut raw = Raw::new(8 << 20, ["aead_8m", "digest_8m"])?;
    let (mut seal, mut open) = (Times::of("seal_64m"), Times::of("open_64m"));
    let (mut whole, mut copy) = (Times::of("open_whole_64m"), Times::of("copy_64m"));
    for _ in 0..25 {
        raw.round();
        drop(copy.time(|| content.to_vec()));
        let (desk, case) = desk(Arc::new(MemoryStorage::new()), folder)?;
        let new = NewDocument::named("x");
        let stored = seal.time(|| block_on(desk.store(case, new, content.clone())))?;
        open.time(|| {
            block_on(async {
                let mut reader = desk.reader(stored.document).await?;
                while let Some(part) = reader.next().await? {
                    black_box(part);
                }
                Ok::<_, docvault::Error>(())
            })
        })?;
        raw.round();
        whole.time(|| block_on(desk.retrieve(stored.document)))?;
    }
    raw.print();
    [seal, open, whole, copy].iter().for_each(Times::print);
    Ok(())
}

/// 100 KiB, the primitives over as much, and one append to the log: `describe_case`, one record and the reading of a
/// case's head.
pub(crate) fn small(folder: &Path) -> Result<(), Failure> {
    let content = Bytes::from(vec![7u8; 100 << 10]);
    let mut raw = Raw::new(100 << 10, ["aead_100k", "digest_100k"])?;
    let (mut store, mut retrieve) = (Times::of("store_100k"), Times::of("retrieve_100k"));
    let mut append = Times::of("append_described");
    for _ in 0..10 {
        let (desk, case) = desk(Arc::new(MemoryStorage::new()), folder)?;
        for _ in 0..200 {
            raw.round();
            let stored =
                store.time(|| block_on(desk.store(case, NewDocument::named("x"), content.clone())))?;
            retrieve.time(|| block_on(desk.retrieve(stored.document)))?;
            append.time(|| block_on(desk.describe_case(case)))?;
        }
    }
    raw.print();
    [store, retrieve, append].iter().for_each(Times::print);
    Ok(())
}
