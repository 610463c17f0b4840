//! A table of many pages, which are read at once.

use core::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use docvault::{ErrorKind, LogReader, Pin, storage::StorageError};
use futures_lite::future::yield_now;

use super::*;
use crate::common::around::{Around, Through};

/// Shows each page of rows as long as an object of a vault can be, once it is told to; but the first that is asked for,
/// which is read alone.
#[derive(Debug, Default)]
struct Long {
    objects: MemoryStorage,
    lies: AtomicBool,
    asked: AtomicUsize,
}

#[async_trait]
impl Around for Long {
    fn objects(&self) -> &dyn Storage {
        &self.objects
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let page = self.objects.read(key, Some(0..6)).await?;
        let of_rows = page.is_some_and(|page| page.starts_with(b"dvip") && page[5] == 0);
        if !of_rows || !self.lies.load(Ordering::SeqCst) || self.asked.fetch_add(1, Ordering::SeqCst) == 0 {
            return self.objects.read(key, range).await;
        }
        let long = vec![0; range.map_or(LONGEST, |range| range.end.min(LONGEST)) as usize];
        // Those that are read beside it are asked for, too.
        yield_now().await;
        Ok(Some(long.into()))
    }
}

pub(super) struct Table {
    place: Arc<Through<Long>>,
    pin: Pin,
}

impl Table {
    /// One of 4,096 records, most of which have two rows of their own.
    pub(super) async fn new() -> Self {
        let (place, folder) = (Arc::new(Through::<Long>::default()), tempfile::tempdir().unwrap());
        let key = LocalKey::create(folder.path().join("key")).unwrap();
        let vault = Vault::create(place.clone(), key).await.unwrap();
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        while vault.pin().size() < 4100 {
            let statements = (0..50).map(|_| desk.make_statement(case, NewStatement::on("t")));
            assert!(join_all(statements).await.iter().all(Result::is_ok));
        }
        let table = Self { place, pin: vault.pin() };
        assert!(table.check().await.is_ok());
        table
    }

    async fn check(&self) -> Result<docvault::CheckedIndex, docvault::Error> {
        let log = LogReader::open(self.place.clone(), &self.pin).await?;
        log.check_index(&mut |_, _| {}).await
    }

    pub(super) async fn is_refused(&self) {
        self.place.lies.store(true, Ordering::SeqCst);
        assert_eq!(self.check().await.unwrap_err().kind(), ErrorKind::Corrupt);
        let asked = self.place.asked.load(Ordering::SeqCst);
        assert!(asked > 25, "{asked} pages were read");
    }
}

const LONGEST: u64 = 16 << 20;
