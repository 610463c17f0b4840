//! Index pages, and the building of a table from sorted rows (FORMAT §6.2).

use bytes::Bytes;

use super::{
    Hash,
    row::{ROW_KEY_LEN, ROW_LEN, Row, RowKey},
};
use crate::{
    FORMAT,
    crypto::digest::sha256,
    wire::{Malformed, Reader, Writer},
};

/// One page of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Page {
    /// Rows, ascending by key.
    Rows(Vec<Row>),
    /// First key and hash of each page below, ascending by key.
    Inner { height: u8, children: Vec<(RowKey, Hash)> },
}

impl Page {
    /// Parses a page.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if empty, over-full, unsorted, or not as [`TableBuilder`] writes it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        r.expect(b"dvip")?;
        r.expect(&[FORMAT])?;
        let height = r.u8()?;
        r.zeros(2)?;
        let count = r.count(PAGE_ITEMS)?;
        if count == 0 {
            return Err(Malformed);
        }
        let page = if height == 0 {
            Self::Rows((0..count).map(|_| Row::read(&mut r)).collect::<Result<_, _>>()?)
        } else {
            let child = |r: &mut Reader<'_>| Ok((RowKey::read(r)?, r.array()?));
            Self::Inner { height, children: (0..count).map(|_| child(&mut r)).collect::<Result<_, _>>()? }
        };
        r.finish()?;
        if page.keys().is_sorted_by(|a, b| a < b) { Ok(page) } else { Err(Malformed) }
    }

    /// The bytes that [`Page::parse`] takes.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        let count = u32::try_from(self.keys().count()).unwrap_or(u32::MAX);
        w.fixed(b"dvip").u8(FORMAT).u8(self.height()).u16(0).u32(count);
        match self {
            Self::Rows(rows) => rows.iter().for_each(|row| row.write(&mut w)),
            Self::Inner { children, .. } => children.iter().for_each(|(key, hash)| {
                key.write(&mut w);
                w.fixed(hash);
            }),
        }
        w.into_vec()
    }

    fn keys(&self) -> Box<dyn Iterator<Item = &RowKey> + '_> {
        match self {
            Self::Rows(rows) => Box::new(rows.iter().map(|row| &row.key)),
            Self::Inner { children, .. } => Box::new(children.iter().map(|(key, _)| key)),
        }
    }

    pub(crate) fn height(&self) -> u8 {
        match self {
            Self::Rows(_) => 0,
            Self::Inner { height, .. } => *height,
        }
    }

    #[cfg(test)]
    fn first_key(&self) -> Option<&RowKey> {
        self.keys().next()
    }
}

/// A page that a builder has filled.
#[derive(Debug, Clone)]
pub(crate) struct FilledPage {
    pub(crate) hash: Hash,
    pub(crate) bytes: Bytes,
}

/// Builds a table's pages from rows in ascending order, holding one page per height.
#[derive(Debug, Default)]
pub(crate) struct TableBuilder {
    rows: u64,
    /// Encoded items, their first key and their number, for each height.
    open: Vec<OpenPage>,
}

#[derive(Debug)]
struct OpenPage {
    first: RowKey,
    count: u32,
    items: Writer,
}

/// A finished table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Built {
    pub(crate) rows: u64,
    pub(crate) height: u8,
    pub(crate) root: Hash,
}

impl TableBuilder {
    /// Adds the next row; gives the pages that became full.
    pub(crate) fn push(&mut self, row: &Row) -> Vec<FilledPage> {
        self.rows = self.rows.saturating_add(1);
        let mut filled = Vec::new();
        self.add(0, row.key, |w| row.write(w), &mut filled);
        filled
    }

    /// Closes the table; gives the pages that were open, the root last.
    pub(crate) fn finish(mut self) -> (Vec<FilledPage>, Built) {
        let mut filled = Vec::new();
        let mut height = 0;
        while let Some((first, page)) = self.close(height) {
            let hash = page.hash;
            filled.push(page);
            if height + 1 == self.open.len() {
                let height = u8::try_from(height).unwrap_or(u8::MAX);
                return (filled, Built { rows: self.rows, height, root: hash });
            }
            self.add_child(height + 1, first, hash, &mut filled);
            height += 1;
        }
        (filled, Built { rows: 0, height: 0, root: [0; 32] })
    }

    fn add(&mut self, height: usize, key: RowKey, item: impl Fn(&mut Writer), filled: &mut Vec<FilledPage>) {
        if let Some((first, page)) = self.close_full(height) {
            let hash = page.hash;
            filled.push(page);
            self.add_child(height + 1, first, hash, filled);
        }
        if self.open.len() <= height {
            let items = Writer::with_capacity(PAGE_ITEMS * ROW_LEN);
            self.open.push(OpenPage { first: key, count: 0, items });
        }
        let page = self.open.get_mut(height).expect("a table has a page at each height below its highest");
        if page.count == 0 {
            page.first = key;
        }
        if height > 0 {
            key.write(&mut page.items);
        }
        item(&mut page.items);
        page.count += 1;
    }

    // Not generic, so that the recursion over heights has one instance.
    fn add_child(&mut self, height: usize, key: RowKey, hash: Hash, filled: &mut Vec<FilledPage>) {
        let item: &dyn Fn(&mut Writer) = &|w| {
            w.fixed(&hash);
        };
        self.add(height, key, item, filled);
    }

    /// Takes the open page at `height`, leaving an empty one.
    fn close(&mut self, height: usize) -> Option<(RowKey, FilledPage)> {
        let page = self.open.get_mut(height)?;
        let items =
            core::mem::replace(&mut page.items, Writer::with_capacity(PAGE_ITEMS * ROW_LEN)).into_vec();
        let count = core::mem::take(&mut page.count);
        let mut w = Writer::with_capacity(12 + items.len());
        w.fixed(b"dvip").u8(FORMAT).u8(u8::try_from(height).ok()?).u16(0).u32(count).fixed(&items);
        let bytes = Bytes::from(w.into_vec());
        Some((page.first, FilledPage { hash: sha256(&[&bytes]), bytes }))
    }

    /// The same, if the page is full.
    fn close_full(&mut self, height: usize) -> Option<(RowKey, FilledPage)> {
        self.open.get(height).filter(|page| usize::try_from(page.count) == Ok(PAGE_ITEMS))?;
        self.close(height)
    }
}

/// Items in a page, at most.
pub(crate) const PAGE_ITEMS: usize = 256;
/// Length of a page, at most.
pub(crate) const PAGE_CAP: usize = 12 + PAGE_ITEMS * ROW_LEN;
const _: () = assert!(ROW_KEY_LEN + 32 < ROW_LEN, "a page of rows is the longer one");

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{env::Timestamp, ids::OperationId, log::leaf::Kind};

    fn row(i: u32) -> Row {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&i.to_be_bytes());
        Row {
            key: RowKey::operation(OperationId::from_bytes(id)),
            seq: i.into(),
            kind: Kind::Stored,
            time: Timestamp::from_millis(5),
            operation: OperationId::from_bytes(id),
            auxiliary: [0; 32],
            effect: [1; 32],
            leaf: [2; 32],
            position: 0,
            commit_previous: [3; 16],
        }
    }

    fn collect(pages: &BTreeMap<Hash, Bytes>, hash: &Hash, rows: &mut Vec<Row>) -> u8 {
        let page = Page::parse(&pages[hash]).expect("a built page parses");
        match &page {
            Page::Rows(found) => rows.extend(found.iter().cloned()),
            Page::Inner { children, .. } => {
                for (first, child) in children {
                    assert_eq!(collect(pages, child, rows) + 1, page.height());
                    assert_eq!(Page::parse(&pages[child]).expect("parses").first_key(), Some(first));
                }
            }
        }
        page.height()
    }

    #[test]
    fn a_table_holds_its_rows_at_every_size_around_a_page() {
        for size in [0u32, 1, 255, 256, 257, 512, 513, 65_536, 65_537, 66_000] {
            let mut builder = TableBuilder::default();
            let mut pages: BTreeMap<Hash, Bytes> = BTreeMap::new();
            for i in 0..size {
                pages.extend(builder.push(&row(i)).into_iter().map(|page| (page.hash, page.bytes)));
            }
            let (rest, built) = builder.finish();
            pages.extend(rest.into_iter().map(|page| (page.hash, page.bytes)));
            assert_eq!(built.rows, u64::from(size));
            if size == 0 {
                assert_eq!(built.root, [0; 32]);
                continue;
            }
            let mut rows = Vec::new();
            assert_eq!(collect(&pages, &built.root, &mut rows), built.height);
            assert_eq!(rows, (0..size).map(row).collect::<Vec<_>>());
        }
    }

    #[test]
    fn unsorted_duplicate_or_empty_pages_are_refused() {
        let page = |rows: &[Row]| {
            let mut w = Writer::new();
            w.fixed(b"dvip").u8(FORMAT).u8(0).u16(0).u32(u32::try_from(rows.len()).expect("few"));
            rows.iter().for_each(|row| row.write(&mut w));
            w.into_vec()
        };
        assert!(Page::parse(&page(&[row(1), row(2)])).is_ok());
        assert!(Page::parse(&page(&[row(2), row(1)])).is_err());
        assert!(Page::parse(&page(&[row(1), row(1)])).is_err());
        assert!(Page::parse(&page(&[])).is_err());
    }
}
