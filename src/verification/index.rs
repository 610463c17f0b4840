//! The index, rebuilt from the log and compared, in bounded memory (FORMAT §6).

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Progress, walk_all};
use crate::{
    crypto::digest::sha256,
    error::{Error, Result},
    ledger::{Pages, State, TableCursor, Visitor},
    log::{
        Hash,
        commit::Commit,
        leaf::Kind,
        manifest::Table,
        page::{Built, TableBuilder},
        row::{ROW_LEN, Row, RowKey, rows_of},
    },
    wire::Writer,
};

/// What a check of the index has compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CheckedIndex {
    /// Records that it stands for: those of the newest fold.
    pub records: u64,
    /// Tables.
    pub tables: u64,
    /// Rows in them.
    pub rows: u64,
    /// Times the log was walked: once for every 131,072 rows.
    pub passes: u64,
}

/// Rebuilds from the log every table that the newest manifest names, and compares.
///
/// Of the rows that the log gives, as many of the least keys as memory is allowed for are held in one
/// pass over it; the next pass goes on with the keys behind them.
///
/// # Errors
///
/// Corrupt at the first fault, in the log, a page or the manifest.
pub(super) async fn check(
    pages: &Pages,
    state: &State,
    held: usize,
    progress: Progress<'_>,
) -> Result<CheckedIndex> {
    let tables = &state.manifest.tables;
    let mut rebuilt: Vec<TableBuilder> = tables.iter().map(|_| TableBuilder::default()).collect();
    let mut passes = 0;
    let mut start = Some(RowKey::least());
    while let Some(from) = start {
        let mut pass = Pass {
            state,
            held,
            from,
            end: None,
            rows: BTreeMap::new(),
            keyring: None,
            progress: &mut *progress,
        };
        walk_all(pages, state, &mut pass).await?;
        if pass.keyring.is_some_and(|keyring| keyring != state.manifest.keyring) {
            return Err(Error::corrupt("the index's keyring"));
        }
        for (at, (table, builder)) in tables.iter().zip(&mut rebuilt).enumerate() {
            pass.compare(pages, at, table, builder).await?;
        }
        (start, passes) = (pass.end, passes + 1);
    }
    let mut rows = 0;
    for (table, builder) in tables.iter().zip(rebuilt) {
        let (_, built) = builder.finish();
        if built != (Built { rows: table.rows, height: table.height, root: table.root }) {
            return Err(fault(table));
        }
        rows += built.rows;
    }
    let tables = u64::try_from(tables.len()).unwrap_or(u64::MAX);
    Ok(CheckedIndex { records: state.manifest.covered(), tables, rows, passes })
}

fn fault(table: &Table) -> Error {
    Error::corrupt(format!("the index of records {} to {}", table.from, table.to))
}

/// One walk over the log.
struct Pass<'a> {
    state: &'a State,
    held: usize,
    from: RowKey,
    /// Where the next pass begins; none if this is the last.
    end: Option<RowKey>,
    /// The digest of the newest row about each key from `from` up to `end`, by table.
    rows: BTreeMap<(RowKey, usize), Hash>,
    /// What the newest record that names a keyring names.
    keyring: Option<Hash>,
    progress: Progress<'a>,
}

#[async_trait]
impl Visitor for Pass<'_> {
    async fn visit(&mut self, commit: &Commit) -> Result<()> {
        let covered = self.state.manifest.covered();
        for record in commit.leaves.iter().filter(|record| record.leaf.seq < covered) {
            if matches!(record.leaf.kind, Kind::Genesis | Kind::Keyring | Kind::SigningKeys) {
                self.keyring = Some(record.leaf.effect);
            }
            let mut tables = self.state.manifest.tables.iter();
            let holds = |table: &Table| (table.from..table.to).contains(&record.leaf.seq);
            let at = tables.position(holds).ok_or_else(|| Error::corrupt("the index's manifest"))?;
            for row in rows_of(record, commit.previous()) {
                self.keep(at, &row);
            }
        }
        let end = commit.leaves.last().map_or(0, |last| last.leaf.seq.saturating_add(1));
        (self.progress)(end, self.state.head.size);
        Ok(())
    }
}

impl Pass<'_> {
    fn keep(&mut self, table: usize, row: &Row) {
        if row.key < self.from || self.end.is_some_and(|end| row.key >= end) {
            return;
        }
        self.rows.insert((row.key, table), digest(row));
        // One key has a row in each table at most, so that some key is kept.
        if self.rows.len() > self.held.max(self.state.manifest.tables.len()) {
            self.end = self.rows.last_key_value().map(|((greatest, _), _)| *greatest);
            while self.rows.last_entry().is_some_and(|last| Some(last.key().0) == self.end) {
                self.rows.pop_last();
            }
        }
    }

    /// Compares a table's rows from this pass on up to the next one's with what the log gives.
    async fn compare(
        &self,
        pages: &Pages,
        at: usize,
        table: &Table,
        builder: &mut TableBuilder,
    ) -> Result<()> {
        let mut expected = self.rows.iter().filter(|((_, of), _)| *of == at);
        let mut cursor = TableCursor::seek(pages, table, Some(&self.from)).await?;
        while let Some(row) = cursor.next(pages).await? {
            if self.end.is_some_and(|end| row.key >= end) {
                break;
            }
            if expected.next() != Some((&(row.key, at), &digest(&row))) {
                return Err(fault(table));
            }
            builder.push(&row);
        }
        if expected.next().is_none() { Ok(()) } else { Err(fault(table)) }
    }
}

fn digest(row: &Row) -> Hash {
    let mut w = Writer::with_capacity(ROW_LEN);
    row.write(&mut w);
    sha256(&[w.as_slice()])
}

/// Rows held in one pass: some 20 MiB.
pub(super) const HELD: usize = 131_072;
