//! Looking things up: in what is being planned, in the tail, in the tables.

use core::fmt;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::{
    TryFutureExt,
    future::{BoxFuture, try_join_all},
};

use crate::{
    crypto::digest::sha256,
    env::Timestamp,
    error::{Error, Result},
    ledger::{objects, state::State},
    log::{
        Hash,
        manifest::{Manifest, Table},
        page::{PAGE_CAP, Page},
        row::{Row, RowKey},
    },
    observe,
    storage::{Storage, layout},
    wire::Malformed,
};

/// Authentic index pages, read through a bounded cache keyed by their hash.
pub(crate) struct Pages {
    storage: Arc<dyn Storage>,
    cache: Mutex<Cache>,
    /// Pages that were not in it.
    missed: AtomicU64,
}

#[derive(Default)]
struct Cache {
    pages: HashMap<Hash, Arc<Page>>,
    order: VecDeque<Hash>,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

impl Pages {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage: observe::storage(storage), cache: Mutex::default(), missed: AtomicU64::new(0) }
    }

    pub(crate) fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// How many pages had to be read until now.
    pub(super) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// The manifest with this digest, written by a fold up to `covered`.
    ///
    /// # Errors
    ///
    /// Corrupt if it is missing or altered.
    pub(crate) async fn manifest(&self, covered: u64, digest: &Hash) -> Result<Arc<Manifest>> {
        let key = layout::index(covered, digest);
        let bytes = objects::get(&*self.storage, &key, MANIFEST_CAP).await?;
        let manifest = Manifest::parse(&bytes).map_err(|Malformed| Error::corrupt(&key))?;
        if sha256(&[&bytes]) != *digest || manifest.covered() != covered {
            return Err(Error::corrupt(&key));
        }
        Ok(Arc::new(manifest))
    }

    /// A page of a table, at the height where it must be.
    ///
    /// # Errors
    ///
    /// Corrupt if it is missing, altered or misplaced.
    pub(crate) async fn page(&self, written: u64, hash: &Hash, height: u8) -> Result<Arc<Page>> {
        let page = self.page_once(written, hash, height).await?;
        self.remember(*hash, &page);
        Ok(page)
    }

    /// [`Pages::page`] for who reads a whole table, of which each page is needed once.
    async fn page_once(&self, written: u64, hash: &Hash, height: u8) -> Result<Arc<Page>> {
        if let Some(page) = self.cached(hash).filter(|page| page.height() == height) {
            return Ok(page);
        }
        self.missed.fetch_add(1, Ordering::Relaxed);
        let key = layout::index(written, hash);
        let bytes = objects::get(&*self.storage, &key, PAGE_CAP).await?;
        let page = Page::parse(&bytes).map_err(|Malformed| Error::corrupt(&key))?;
        if sha256(&[&bytes]) != *hash || page.height() != height {
            return Err(Error::corrupt(&key));
        }
        Ok(Arc::new(page))
    }

    fn cached(&self, hash: &Hash) -> Option<Arc<Page>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).pages.get(hash).cloned()
    }

    fn remember(&self, hash: Hash, page: &Arc<Page>) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.pages.insert(hash, page.clone()).is_none() {
            cache.order.push_back(hash);
        }
        if cache.order.len() > CACHED_PAGES
            && let Some(oldest) = cache.order.pop_front()
        {
            cache.pages.remove(&oldest);
        }
    }
}

/// The log as a command sees it while it is planned.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) state: &'a State,
    /// Rows of the records planned before it in the same commit.
    pub(crate) planned: &'a BTreeMap<RowKey, Row>,
    /// The number that the record will have: everything before it is in this view.
    pub(crate) next: u64,
    pub(crate) pages: &'a Pages,
    /// The writer's own clock.
    pub(crate) now: Timestamp,
}

impl<'a> View<'a> {
    /// The log as it stands, with nothing planned.
    pub(crate) const fn of(state: &'a State, pages: &'a Pages, now: Timestamp) -> Self {
        Self { state, planned: &NOTHING_PLANNED, next: state.head.size, pages, now }
    }
}

impl View<'_> {
    /// SHA-256 of the keyring that the log names.
    pub(crate) fn keyring(&self) -> Hash {
        self.planned.get(&RowKey::keyring()).map_or_else(|| self.state.keyring(), |row| row.effect)
    }

    /// The newest row about `key`, or that there is none.
    ///
    /// # Errors
    ///
    /// Corrupt if a table does not hold what the log says; the storage's own errors.
    pub(crate) async fn row(&self, key: &RowKey) -> Result<Option<Row>> {
        self.row_since(key, 0).await
    }

    /// [`View::row`] for a key that was made up when the log had `since` records: none of them is about it.
    ///
    /// # Errors
    ///
    /// As [`View::row`].
    pub(crate) async fn row_since(&self, key: &RowKey, since: u64) -> Result<Option<Row>> {
        if let Some(row) = self.planned.get(key).or_else(|| self.state.row(key)) {
            return Ok(Some(row.clone()));
        }
        self.row_in_tables(key, since).await
    }

    fn row_in_tables<'b>(&'b self, key: &'b RowKey, since: u64) -> BoxFuture<'b, Result<Option<Row>>> {
        // All at once, for a log of any length has few tables, and the newest answer counts.
        let tables = self.state.manifest.tables.iter().filter(move |table| table.to > since);
        let found = try_join_all(tables.map(|table| self.row_in(table, key)));
        Box::pin(found.map_ok(|found| found.into_iter().flatten().next()))
    }

    /// Up to `limit` rows with `start`'s parent, ascending, from `start` on.
    ///
    /// # Errors
    ///
    /// As [`View::row`].
    pub(crate) async fn children(&self, start: &RowKey, limit: usize) -> Result<Vec<Row>> {
        let mut merged: BTreeMap<RowKey, Row> = BTreeMap::new();
        for rows in self.children_in_tables(start, limit).await? {
            merged.extend(rows.into_iter().map(|row| (row.key, row)));
        }
        let tail = self.state.rows_from(start).take_while(|row| row.key.same_parent(start)).take(limit);
        let planned = self.planned.range(start..).map(|(_, row)| row);
        let planned = planned.take_while(|row| row.key.same_parent(start)).take(limit);
        for row in tail.chain(planned) {
            merged.insert(row.key, row.clone());
        }
        Ok(merged.into_values().take(limit).collect())
    }

    /// By table, oldest first.
    fn children_in_tables<'b>(
        &'b self,
        start: &'b RowKey,
        limit: usize,
    ) -> BoxFuture<'b, Result<Vec<Vec<Row>>>> {
        let tables = self.state.manifest.tables.iter().rev();
        Box::pin(try_join_all(tables.map(move |table| self.children_in(table, start, limit))))
    }

    async fn row_in(&self, table: &Table, key: &RowKey) -> Result<Option<Row>> {
        if table.rows == 0 {
            return Ok(None);
        }
        let (mut hash, mut height) = (table.root, table.height);
        loop {
            match &*self.pages.page(table.written, &hash, height).await? {
                Page::Rows(rows) => {
                    let found = rows.binary_search_by(|row| row.key.cmp(key)).ok();
                    return Ok(found.and_then(|at| rows.get(at)).cloned());
                }
                Page::Inner { children, .. } => {
                    let after = children.partition_point(|(first, _)| first <= key);
                    let Some((_, below)) = after.checked_sub(1).and_then(|at| children.get(at)) else {
                        return Ok(None);
                    };
                    (hash, height) = (*below, height.saturating_sub(1));
                }
            }
        }
    }

    async fn children_in(&self, table: &Table, start: &RowKey, limit: usize) -> Result<Vec<Row>> {
        let mut cursor = TableCursor::seek(self.pages, table, Some(start)).await?;
        let mut rows = Vec::new();
        while rows.len() < limit {
            match cursor.next(self.pages).await? {
                Some(row) if row.key.same_parent(start) => rows.push(row),
                _ => break,
            }
        }
        Ok(rows)
    }
}

/// A walk over a table's rows in order.
#[derive(Debug)]
pub(crate) struct TableCursor {
    written: u64,
    /// Pages on the way down, each with the next item to visit.
    path: Vec<(Arc<Page>, usize)>,
    /// Pages of rows read at once, and those of them that come next.
    at_once: usize,
    ahead: VecDeque<Arc<Page>>,
}

impl TableCursor {
    /// A walk from the first row with a key of at least `start`.
    ///
    /// # Errors
    ///
    /// As [`Pages::page`].
    pub(crate) async fn seek(pages: &Pages, table: &Table, start: Option<&RowKey>) -> Result<Self> {
        let (path, ahead) = (Vec::new(), VecDeque::new());
        let mut cursor = Self { written: table.written, path, at_once: 1, ahead };
        if table.rows == 0 {
            return Ok(cursor);
        }
        let (mut hash, mut height) = (table.root, table.height);
        loop {
            let page = pages.page(table.written, &hash, height).await?;
            let at = start.map_or(0, |start| position(&page, start));
            cursor.path.push((page.clone(), if height == 0 { at } else { at + 1 }));
            let Page::Inner { children, .. } = &*page else { return Ok(cursor) };
            let Some((_, below)) = children.get(at) else { return Ok(cursor) };
            (hash, height) = (*below, height.saturating_sub(1));
        }
    }

    /// The same walk for who goes on to the table's end: it reads 64 pages at once.
    pub(crate) fn reading_ahead(self) -> Self {
        Self { at_once: AHEAD, ..self }
    }

    /// The next row.
    ///
    /// # Errors
    ///
    /// As [`Pages::page`].
    pub(crate) async fn next(&mut self, pages: &Pages) -> Result<Option<Row>> {
        while let Some((page, at)) = self.path.last_mut() {
            let (page, here) = (page.clone(), *at);
            *at += 1;
            match &*page {
                Page::Rows(rows) => {
                    if let Some(row) = rows.get(here) {
                        return Ok(Some(row.clone()));
                    }
                    self.path.pop();
                }
                Page::Inner { height, children } => {
                    let rest = children.get(here..).unwrap_or_default();
                    match self.below(pages, height.saturating_sub(1), rest).await? {
                        Some(page) => self.path.push((page, 0)),
                        None => drop(self.path.pop()),
                    }
                }
            }
        }
        Ok(None)
    }

    /// The first of these pages, if there is one; with pages of rows those after it are read.
    async fn below(
        &mut self,
        pages: &Pages,
        height: u8,
        rest: &[(RowKey, Hash)],
    ) -> Result<Option<Arc<Page>>> {
        if self.ahead.is_empty() {
            let count = if height == 0 { self.at_once } else { 1 };
            let (written, once) = (self.written, self.at_once > 1);
            let read = rest.iter().take(count).map(|(_, hash)| async move {
                match once {
                    false => pages.page(written, hash, height).await,
                    true => pages.page_once(written, hash, height).await,
                }
            });
            self.ahead = try_join_all(read).await?.into();
        }
        Ok(self.ahead.pop_front())
    }
}

/// The item of `page` under which the first key of at least `start` is.
fn position(page: &Page, start: &RowKey) -> usize {
    match page {
        Page::Rows(rows) => rows.partition_point(|row| row.key < *start),
        Page::Inner { children, .. } => {
            children.partition_point(|(first, _)| first <= start).saturating_sub(1)
        }
    }
}

static NOTHING_PLANNED: BTreeMap<RowKey, Row> = BTreeMap::new();

/// Pages kept in memory: some 20 MiB.
const CACHED_PAGES: usize = 256;
/// Pages read at once by who reads a whole table: some 4 MiB.
const AHEAD: usize = 64;
const MANIFEST_CAP: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::{error::ErrorKind, storage::MemoryStorage};

    #[test]
    fn a_manifest_is_the_one_that_is_named() {
        block_on(async {
            let [named, other] = [1, 2].map(|mark| Manifest { keyring: [mark; 32], ..Manifest::default() });
            for (shown, refused) in [(&named, None), (&other, Some(ErrorKind::Corrupt))] {
                let storage = MemoryStorage::default();
                let name = layout::index(0, &named.digest());
                storage.create(&name, shown.encode()).await.expect("memory");
                let found = Pages::new(Arc::new(storage)).manifest(0, &named.digest()).await;
                assert_eq!(found.map(drop).err().map(|error| error.kind()), refused);
            }
        });
    }
}
