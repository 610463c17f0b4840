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
    cap: usize,
    progress: Progress<'_>,
) -> Result<CheckedIndex> {
    let tables = &state.manifest.tables;
    let mut rebuilt: Vec<TableBuilder> = tables.iter().map(|_| TableBuilder::default()).collect();
    let mut passes = 0;
    let mut start = Some(RowKey::least());
    while let Some(from) = start {
        let held = gather(pages, state, cap, from, progress).await?;
        if held.keyring.is_some_and(|keyring| keyring != state.manifest.keyring) {
            return Err(Error::corrupt("the index's keyring"));
        }
        for (at, (table, builder)) in tables.iter().zip(&mut rebuilt).enumerate() {
            held.compare(pages, at, table, builder).await?;
        }
        (start, passes) = (held.end, passes + 1);
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

async fn gather(
    pages: &Pages,
    state: &State,
    cap: usize,
    from: RowKey,
    progress: Progress<'_>,
) -> Result<Held> {
    let held = Held { from, end: None, rows: BTreeMap::new(), keyring: None };
    let mut pass = Pass { state, cap, held, progress };
    walk_all(pages, state, &mut pass).await?;
    Ok(pass.held)
}

fn fault(table: &Table) -> Error {
    Error::corrupt(format!("the index of records {} to {}", table.from, table.to))
}

/// What one walk over the log has gathered.
struct Held {
    from: RowKey,
    /// Where the next pass begins; none if this is the last.
    end: Option<RowKey>,
    /// The digest of the newest row about each key from `from` up to `end`, by table.
    rows: BTreeMap<(RowKey, usize), Hash>,
    /// What the newest record that names a keyring names.
    keyring: Option<Hash>,
}

/// One walk over the log.
struct Pass<'a> {
    state: &'a State,
    /// Rows to hold, at most.
    cap: usize,
    held: Held,
    progress: Progress<'a>,
}

#[async_trait]
impl Visitor for Pass<'_> {
    async fn visit(&mut self, commit: &Commit) -> Result<()> {
        let covered = self.state.manifest.covered();
        for record in commit.leaves.iter().filter(|record| record.leaf.seq < covered) {
            if matches!(record.leaf.kind, Kind::Genesis | Kind::Keyring | Kind::SigningKeys) {
                self.held.keyring = Some(record.leaf.effect);
            }
            let mut tables = self.state.manifest.tables.iter();
            let holds = |table: &Table| (table.from..table.to).contains(&record.leaf.seq);
            let at = tables.position(holds).ok_or_else(|| Error::corrupt("the index's manifest"))?;
            for row in rows_of(record, commit.previous()) {
                self.keep(at, &row);
            }
        }
        (self.progress)(commit.end(), self.state.head.size);
        Ok(())
    }
}

impl Pass<'_> {
    fn keep(&mut self, table: usize, row: &Row) {
        if row.key < self.held.from || self.held.end.is_some_and(|end| row.key >= end) {
            return;
        }
        self.held.rows.insert((row.key, table), digest(row));
        // One key has a row in each table at most, so that some key is kept.
        if self.held.rows.len() > self.cap.max(self.state.manifest.tables.len()) {
            self.held.end = self.held.rows.last_key_value().map(|((greatest, _), _)| *greatest);
            while self.held.rows.last_entry().is_some_and(|last| Some(last.key().0) == self.held.end) {
                self.held.rows.pop_last();
            }
        }
    }
}

impl Held {
    /// Compares a table's rows from this pass on up to the next one's with what the log gives.
    async fn compare(
        &self,
        pages: &Pages,
        at: usize,
        table: &Table,
        builder: &mut TableBuilder,
    ) -> Result<()> {
        let mut expected = self.rows.iter().filter(|((_, of), _)| *of == at);
        let mut cursor = TableCursor::seek(pages, table, Some(&self.from)).await?.reading_ahead();
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_lite::future::block_on;

    use super::*;
    use crate::{
        ErrorKind, LogReader, Vault,
        ids::OperationId,
        keys::LocalKey,
        log::manifest::Manifest,
        storage::{MemoryStorage, layout},
    };

    async fn reader() -> LogReader {
        let folder = tempfile::tempdir().expect("a folder");
        let key = LocalKey::create(folder.path().join("key")).expect("a key");
        let storage = Arc::new(MemoryStorage::default());
        let vault = Vault::create(storage.clone(), key).await.expect("a vault");
        let desk = vault.session("a").purpose("p").begin().expect("a session");
        while vault.pin().size() < 600 {
            let case = desk.create_case("c").await.expect("a case");
            desk.close_case(case, "done").await.expect("closed");
        }
        LogReader::open(storage, &vault.pin()).await.expect("a log")
    }

    /// The log with one table whose rows were altered, as a dishonest writer would have signed it.
    async fn with_rows(log: &LogReader, edit: impl Fn(&mut Vec<Row>)) -> State {
        let pages = &log.pages;
        let mut manifest = (*log.state.manifest).clone();
        let table = manifest.tables.first_mut().expect("a table");
        let mut cursor = TableCursor::seek(pages, table, None).await.expect("a cursor");
        let mut rows = Vec::new();
        while let Some(row) = cursor.next(pages).await.expect("a row") {
            rows.push(row);
        }
        edit(&mut rows);
        let mut builder = TableBuilder::default();
        let mut filled: Vec<_> = rows.iter().flat_map(|row| builder.push(row)).collect();
        let (last, built) = builder.finish();
        filled.extend(last);
        for page in filled {
            let key = layout::index(table.written, &page.hash);
            pages.storage().create(&key, page.bytes).await.expect("stored");
        }
        (table.rows, table.height, table.root) = (built.rows, built.height, built.root);
        with_manifest(log, manifest)
    }

    fn with_manifest(log: &LogReader, manifest: Manifest) -> State {
        let mut state = (*log.state).clone();
        state.manifest = Arc::new(manifest);
        state
    }

    #[test]
    fn any_number_of_passes_finds_the_same() {
        block_on(async {
            let log = reader().await;
            let mut found = Vec::new();
            for held in [90, 300, 600, HELD] {
                let checked = check(&log.pages, &log.state, held, &mut |_, _| {}).await.expect("whole");
                assert_eq!(checked.records, 512);
                found.push((checked.rows, checked.passes));
            }
            assert!(found.iter().all(|(rows, _)| *rows == found[0].0), "{found:?}");
            assert!(found.is_sorted_by(|(_, more), (_, fewer)| more > fewer), "{found:?}");
            assert_eq!(found.last().expect("four").1, 1);
        });
    }

    #[test]
    fn a_row_too_many_too_few_or_too_old_is_found() {
        let edits: [fn(&mut Vec<Row>); 5] = [
            |rows| rows.truncate(rows.len() - 1),
            |rows| {
                rows.remove(rows.len() / 2);
            },
            |rows| rows[7].seq -= 1,
            |rows| rows[7].effect = [9; 32],
            |rows| {
                let key = RowKey::operation(OperationId::from_bytes([0; 16]));
                let at = rows.partition_point(|row| row.key < key);
                rows.insert(at, Row { key, ..rows[at].clone() });
            },
        ];
        block_on(async {
            let log = reader().await;
            let same = with_rows(&log, |_| {}).await;
            check(&log.pages, &same, HELD, &mut |_, _| {}).await.expect("what the log gives");
            for (at, edit) in edits.into_iter().enumerate() {
                let state = with_rows(&log, edit).await;
                for held in [200, HELD] {
                    let error = check(&log.pages, &state, held, &mut |_, _| {}).await.expect_err("altered");
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{at}");
                    assert!(error.to_string().contains("the index of records 0 to 512"), "{at}: {error}");
                }
            }
            let mut manifest = (*log.state.manifest).clone();
            manifest.keyring = [1; 32];
            let state = with_manifest(&log, manifest);
            let error = check(&log.pages, &state, HELD, &mut |_, _| {}).await.expect_err("another keyring");
            assert!(error.to_string().contains("keyring"), "{error}");
        });
    }
}
