//! Folding: the tail's rows go into tables, and a manifest names them (FORMAT §6.3).

use std::{collections::BTreeMap, sync::Arc};

use super::{
    lookup::{Pages, TableCursor},
    objects,
    state::State,
};
use crate::{
    env::Sleeper,
    error::{Error, ErrorKind, Result},
    log::{
        Hash,
        leaf::Kind,
        manifest::{FOLD, Manifest, Table, ranges},
        merkle::Frontier,
        page::{Built, FilledPage, TableBuilder},
        row::{Row, RowKey, rows_of},
    },
    storage::layout,
};

/// Writes the tables and the manifest for everything that can be folded.
///
/// What is written is a function of the log alone: any process may fold, again or at once.
///
/// # Errors
///
/// The storage's; nothing refers to what was written until an Index record does.
///
/// # Cancellation
///
/// Leaves objects that the next fold finds equal to its own.
pub(crate) async fn fold(
    state: &State,
    pages: &Pages,
    sleeper: &dyn Sleeper,
) -> Result<(Arc<Manifest>, Hash)> {
    let covered = state.head.size - state.head.size % FOLD;
    let fold = Fold { state, pages, sleeper, covered };
    let (frontier, keyring) = fold.summary();
    match super::tiles::write(state, &frontier, &**pages.storage(), sleeper).await {
        // Without its tiles a log still opens, by walking it; without its index it would not go on.
        Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
        _ => {}
    }
    let fresh = fold.fresh_rows();
    let mut tables = Vec::new();
    for (level, from, to) in ranges(covered).unwrap_or_default() {
        let same = state.manifest.tables.iter().find(|table| (table.from, table.to) == (from, to));
        tables.push(match same {
            Some(table) => Table { level, ..*table },
            None => fold.table(level, from, to, &fresh).await?,
        });
    }
    let manifest = Manifest { frontier, keyring, tables };
    let (bytes, digest) = (manifest.encode(), manifest.digest());
    let key = layout::index(covered, &digest);
    objects::put(&**pages.storage(), sleeper, &key, bytes).await?;
    Ok((Arc::new(manifest), digest))
}

struct Fold<'a> {
    state: &'a State,
    pages: &'a Pages,
    sleeper: &'a dyn Sleeper,
    covered: u64,
}

impl Fold<'_> {
    /// The frontier and the keyring as of the last record covered.
    fn summary(&self) -> (Frontier, Hash) {
        let mut frontier = self.state.manifest.frontier.clone();
        let mut keyring = self.state.manifest.keyring;
        for kept in self.state.foldable() {
            frontier.push(kept.record.hash);
            if matches!(kept.record.leaf.kind, Kind::Genesis | Kind::Keyring | Kind::SigningKeys) {
                keyring = kept.record.leaf.effect;
            }
        }
        (frontier, keyring)
    }

    /// The newest row about everything in the records that no table covers yet.
    fn fresh_rows(&self) -> BTreeMap<RowKey, Row> {
        let rows = self.state.foldable().flat_map(|kept| rows_of(&kept.record, &kept.commit_previous));
        rows.map(|row| (row.key, row)).collect()
    }

    /// Builds the table of the records `from..to` out of the fresh rows and the old tables within.
    async fn table(&self, level: u8, from: u64, to: u64, fresh: &BTreeMap<RowKey, Row>) -> Result<Table> {
        let none = BTreeMap::new();
        let fresh = if to > self.state.manifest.covered() { fresh } else { &none };
        let mut sources = vec![Source::Fresh(fresh.values())];
        let old = self.state.manifest.tables.iter().filter(|table| from <= table.from && table.to <= to);
        for table in old {
            sources.push(Source::Table(TableCursor::seek(self.pages, table, None).await?));
        }
        let built = self.merge(sources).await?;
        let Built { rows, height, root } = built;
        Ok(Table { level, from, to, written: self.covered, rows, height, root })
    }

    /// Merges sources, newest first, holding one row of each.
    async fn merge(&self, mut sources: Vec<Source<'_>>) -> Result<Built> {
        let mut heads = Vec::with_capacity(sources.len());
        for source in &mut sources {
            heads.push(source.next(self.pages).await?);
        }
        let mut builder = TableBuilder::default();
        while let Some(key) = heads.iter().flatten().map(|row| row.key).min() {
            let mut newest = None;
            for (head, source) in heads.iter_mut().zip(&mut sources) {
                if head.as_ref().is_some_and(|row| row.key == key) {
                    let row = core::mem::replace(head, source.next(self.pages).await?);
                    newest = newest.or(row);
                }
            }
            if let Some(row) = newest {
                self.write(builder.push(&row)).await?;
            }
        }
        let (pages, built) = builder.finish();
        self.write(pages).await?;
        Ok(built)
    }

    async fn write(&self, filled: Vec<FilledPage>) -> Result<()> {
        for page in filled {
            let key = layout::index(self.covered, &page.hash);
            objects::put(&**self.pages.storage(), self.sleeper, &key, page.bytes).await?;
        }
        Ok(())
    }
}

enum Source<'a> {
    Fresh(std::collections::btree_map::Values<'a, RowKey, Row>),
    Table(TableCursor),
}

impl Source<'_> {
    async fn next(&mut self, pages: &Pages) -> Result<Option<Row>, Error> {
        match self {
            Self::Fresh(rows) => Ok(rows.next().cloned()),
            Self::Table(cursor) => cursor.next(pages).await,
        }
    }
}
