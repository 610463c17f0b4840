//! Versions of many pages, each a part of its own.

use std::sync::atomic::Ordering::SeqCst;

use docvault::{CaseId, ErrorKind, Session, Upload};
use futures_lite::future::block_on;

use crate::{desk, upload};

/// An upload in its last page of so many, one byte each.
async fn pages(desk: &Session, case: CaseId, count: u16) -> Upload {
    let mut upload = upload(desk, case).await;
    for page in 0..count {
        if page > 0 {
            upload.next_page().await.unwrap();
        }
        upload.write(&page.to_be_bytes()[1..]).await.unwrap();
    }
    upload
}

#[test]
fn a_version_has_1024_pages_and_no_more() {
    block_on(async {
        let (_, desk, case) = desk().await;
        let mut upload = pages(&desk, case, 1024).await;
        let refused = upload.next_page().await.unwrap_err();
        assert_eq!((refused.kind(), upload.pages()), (ErrorKind::Invalid, 1023), "{refused}");
        upload.write(b"!").await.unwrap();
        let stored = upload.finish().await.unwrap();
        let reader = desk.reader(stored.document).await.unwrap();
        assert_eq!(reader.pages().len(), 1024);
        assert_eq!(reader.range(1022..1025).await.unwrap(), b"\xfe\xff!".as_slice());
    });
}

/// Some 16 KiB are kept for each, in every session that reads ranges.
#[test]
fn what_opens_ranges_is_kept_of_256_parts_and_no_more() {
    block_on(async {
        let (storage, desk, case) = desk().await;
        let stored = pages(&desk, case, 257).await.finish().await.unwrap();
        let reader = desk.reader(stored.document).await.unwrap();
        // The first time, what a part begins with is read, too.
        for (range, reads) in [(0..256, 512), (0..256, 256), (256..257, 2), (256..257, 1), (0..1, 2)] {
            let before = storage.reads.load(SeqCst);
            let content = reader.range(range.clone()).await.unwrap();
            assert_eq!(u64::try_from(content.len()).unwrap(), range.end - range.start);
            assert_eq!(storage.reads.load(SeqCst) - before, reads, "{range:?}");
        }
    });
}
