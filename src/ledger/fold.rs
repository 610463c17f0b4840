//! Folding: the tail's rows go into tables, and a manifest names them (FORMAT §6.3).

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures_util::{
    FutureExt, TryStreamExt,
    future::{BoxFuture, join, try_join_all},
    stream::FuturesUnordered,
};

use super::{
    draft::Index,
    lookup::{Pages, TableCursor},
    objects,
    state::State,
    writer::{Ledger, Work},
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
    observe,
    storage::layout,
};

/// Writes the tables and the manifest for everything that can be folded.
///
/// What is written follows from the log and the manifest that it begins from: any process may fold, again or at once.
///
/// # Errors
///
/// The storage's; nothing refers to what was written until an Index record does.
///
/// # Cancellation
///
/// Leaves objects that the next fold finds equal to its own.
pub(super) async fn fold(
    state: &State,
    pages: &Pages,
    sleeper: &dyn Sleeper,
) -> Result<(Arc<Manifest>, Hash)> {
    let covered = state.head.size - state.head.size % FOLD;
    let fold = Fold { state, pages, sleeper, covered };
    let (frontier, keyring) = fold.summary();
    let (tiles, index) = join(
        super::tiles::write(state, &frontier, &**pages.storage(), sleeper),
        fold.index(frontier.clone(), keyring),
    )
    .await;
    match tiles {
        // Without its tiles a log still opens, by walking it; without its index it would not go on.
        Err(error) if error.kind() != ErrorKind::Corrupt => Err(error),
        _ => index,
    }
}

impl Ledger {
    /// Sees to the Index record that goes before the batch: one that is pending, or that of the fold which is due. A fold
    /// that began from another manifest than the newest is given up.
    ///
    /// # Errors
    ///
    /// The fold's, where nothing may be committed without it.
    pub(super) async fn bring_index(&self, work: &mut Work, fold: &mut bool) -> Result<()> {
        let due = self.fold_is_due(work, *fold);
        // Tried once: a fold that fails must not keep its leader here.
        *fold &= !due;
        if !due && work.index.is_none() {
            return Ok(());
        }
        match self.index(work, due).await {
            // A failed fold is no failure of the commit before it; the next one folds, and none gets far without.
            Err(error) if self.state().unfolded() >= TAIL_CAP => Err(error),
            _ => Ok(()),
        }
    }

    async fn index(&self, work: &mut Work, due: bool) -> Result<()> {
        let loaded = self.load_manifest().await;
        let state = self.state();
        drop(work.index.take_if(|index| !index.follows(&state)));
        loaded?;
        // What was loaded may cover enough.
        if work.index.is_none() && self.fold_is_due(work, due) {
            work.index = Some(observe::fold(self.fold(&state)).await?);
        }
        Ok(())
    }

    /// Whether this process should fold, if it `may` or has to. Who loses races is slower than others, and leaves it to them as long
    /// as it can.
    pub(super) fn fold_is_due(&self, work: &Work, may: bool) -> bool {
        let unfolded = self.state().unfolded();
        may && unfolded >= FOLD && work.losses == 0 || unfolded >= TAIL_CAP
    }

    /// Writes tables and manifest; gives the command that names them.
    async fn fold(&self, state: &State) -> Result<Arc<Index>> {
        let (manifest, digest) = fold(state, self.pages(), self.sleeper()).await?;
        let (base, covered, operation) = (state.manifest.clone(), manifest.covered(), self.operation()?);
        Ok(Arc::new(Index { base, covered, digest, operation }))
    }
}

struct Fold<'a> {
    state: &'a State,
    pages: &'a Pages,
    sleeper: &'a dyn Sleeper,
    covered: u64,
}

/// Objects on their way into the storage: nothing names them before the Index record, so none waits for another.
type Puts<'a> = FuturesUnordered<BoxFuture<'a, Result<()>>>;

impl<'a> Fold<'a> {
    /// Writes the tables that are not there yet, and the manifest.
    async fn index(&self, frontier: Frontier, keyring: Hash) -> Result<(Arc<Manifest>, Hash)> {
        let (mut puts, mut tables) = (Puts::new(), Vec::new());
        for (level, from, to) in ranges(self.covered).unwrap_or_default() {
            let same = self.state.manifest.tables.iter().find(|table| (table.from, table.to) == (from, to));
            tables.push(match same {
                Some(table) => Table { level, ..*table },
                None => self.table(level, from, to, &mut puts).await?,
            });
        }
        let manifest = Manifest { frontier, keyring, tables };
        let digest = manifest.digest();
        self.put(&mut puts, digest, manifest.encode()).await?;
        puts.try_collect::<()>().await?;
        Ok((Arc::new(manifest), digest))
    }

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

    /// The newest row about everything in the records `from..to` that no table covers yet.
    fn fresh_rows(&self, from: u64, to: u64) -> BTreeMap<RowKey, Row> {
        let within = self.state.foldable().filter(|kept| (from..to).contains(&kept.record.leaf.seq));
        let rows = within.flat_map(|kept| rows_of(&kept.record, &kept.commit_previous));
        rows.map(|row| (row.key, row)).collect()
    }

    /// Builds the table of the records `from..to` out of the fresh rows and the old tables within.
    async fn table(&self, level: u8, from: u64, to: u64, puts: &mut Puts<'a>) -> Result<Table> {
        let fresh = self.fresh_rows(from, to);
        let mut sources = vec![Source::Fresh(fresh.values())];
        let old = self.state.manifest.tables.iter().filter(|table| from <= table.from && table.to <= to);
        let old = try_join_all(old.map(|table| TableCursor::seek(self.pages, table, None))).await?;
        sources.extend(old.into_iter().map(TableCursor::reading_ahead).map(Source::Table));
        let built = self.merge(sources, puts).await?;
        let Built { rows, height, root } = built;
        Ok(Table { level, from, to, written: self.covered, rows, height, root })
    }

    /// Merges sources, newest first, holding one row of each.
    async fn merge(&self, mut sources: Vec<Source<'_>>, puts: &mut Puts<'a>) -> Result<Built> {
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
                self.write(puts, builder.push(&row)).await?;
            }
        }
        let (pages, built) = builder.finish();
        self.write(puts, pages).await?;
        Ok(built)
    }

    async fn write(&self, puts: &mut Puts<'a>, filled: Vec<FilledPage>) -> Result<()> {
        for page in filled {
            self.put(puts, page.hash, page.bytes).await?;
        }
        Ok(())
    }

    /// Begins to store an object of the index; waits only if too many are on their way.
    async fn put(&self, puts: &mut Puts<'a>, hash: Hash, bytes: Bytes) -> Result<()> {
        while puts.len() >= AT_ONCE {
            puts.try_next().await?;
        }
        let (storage, sleeper, key) =
            (&**self.pages.storage(), self.sleeper, layout::index(self.covered, &hash));
        puts.push(async move { objects::put(storage, sleeper, &key, bytes).await }.boxed());
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

/// Objects of the index written at once.
const AT_ONCE: usize = 64;
/// Records without a fold before nothing more is committed.
const TAIL_CAP: u64 = 512;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_lite::future::block_on;

    use super::*;
    use crate::{
        keys::LocalKey,
        ledger::{Command, forgery::lying::Lying},
        plan::{LogReading, ReadLog},
        vault::Vault,
    };

    /// A record that rests on nothing in the index.
    async fn record(vault: &Vault) -> Result<()> {
        let origin = vault.session("a").purpose("p").begin()?.origin().clone();
        let (operation, what) = (vault.ledger().operation()?, LogReading::Export);
        let command: Arc<dyn Command> = Arc::new(ReadLog { origin, operation, what, range: 0..1 });
        vault.ledger().commit(operation, vec![command]).await.map(drop)
    }

    /// Where the tables that a fold takes over are gone, for good, nothing is committed beyond what a tail may have.
    #[test]
    fn without_the_tables_before_no_tail_grows_on_and_with_them_it_is_folded() {
        block_on(async {
            let folder = tempfile::tempdir().expect("a folder");
            let root = LocalKey::create(folder.path().join("key")).expect("a key");
            let gone = Arc::new(AtomicBool::new(false));
            let told = gone.clone();
            let place = Lying::about(Arc::default()).reading(move |_, name| {
                let gone = told.load(Ordering::SeqCst) && name.as_str().starts_with(layout::INDEX);
                gone.then_some(Ok(None))
            });
            let vault = Vault::create(Arc::new(place), root).await.expect("a vault");
            let size = || vault.pin().size();
            while size() < FOLD + 10 {
                record(&vault).await.expect("a record");
            }
            gone.store(true, Ordering::SeqCst);
            while size() < FOLD + TAIL_CAP {
                record(&vault).await.expect("a record");
            }
            for _ in 0..2 {
                assert_eq!(record(&vault).await.expect_err("no index").kind(), ErrorKind::Corrupt);
                assert_eq!(size(), FOLD + TAIL_CAP);
            }
            gone.store(false, Ordering::SeqCst);
            record(&vault).await.expect("a record");
            assert_eq!(vault.ledger().state().manifest.covered(), FOLD + TAIL_CAP);
        });
    }
}
