//! Reading records back by their number, authentic by the head of the log.

use core::ops::Range;

use super::{commits, lookup::View, state::State, writer::Ledger};
use crate::{
    error::{Error, Result},
    log::{
        commit::{Commit, Hashed},
        leaf::Kind,
        row::{Row, RowKey},
    },
    storage::layout,
};

/// Sees one record and its sealed body.
pub(crate) type Visit<'a> = dyn FnMut(&Hashed, &[u8]) -> Result<()> + Send + 'a;

impl Ledger {
    /// Shows `visit` the records of `range`, oldest first. What it has seen is authentic once this
    /// returns `Ok`: the chain goes on from it to what `state` vouches for.
    ///
    /// # Errors
    ///
    /// Corrupt; the storage's; what `visit` says.
    pub(crate) async fn records(
        &self,
        state: &State,
        range: Range<u64>,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let mut commit = self.commit_holding(state, range.start).await?;
        loop {
            for (position, record) in commit.leaves.iter().enumerate() {
                if range.contains(&record.leaf.seq) {
                    visit(record, commit.body(position).ok_or_else(|| unknown(record.leaf.seq))?)?;
                }
            }
            if commit.end() >= range.end {
                return self.authenticate(state, commit).await;
            }
            commit = self.following(state, &commit).await?;
        }
    }

    /// What `open` makes of record `seq`, authentic as with [`Ledger::records`].
    ///
    /// # Errors
    ///
    /// As [`Ledger::records`].
    pub(crate) async fn record<T: Send>(
        &self,
        state: &State,
        seq: u64,
        mut open: impl FnMut(&Hashed, &[u8]) -> Result<T> + Send,
    ) -> Result<T> {
        let mut opened = None;
        let mut visit = |record: &Hashed, body: &[u8]| {
            opened = Some(open(record, body)?);
            Ok(())
        };
        self.records(state, seq..seq.saturating_add(1), &mut visit).await?;
        opened.ok_or_else(|| unknown(seq))
    }

    /// Follows the chain to a record that `state` vouches for: one of its tail, or one that a row names.
    async fn authenticate(&self, state: &State, from: Commit) -> Result<()> {
        let mut commit = from;
        loop {
            let last = commit.leaves.last().ok_or_else(|| unknown(commit.first()))?;
            let authentic = match state.leaf_hash(last.leaf.seq) {
                Some(hash) if hash == last.hash => true,
                Some(_) => return Err(Error::corrupt(format!("commit {}", commit.name()))),
                None if last.leaf.seq >= state.head.size => return Err(unknown(last.leaf.seq)),
                None => self.is_named(state, &commit).await?,
            };
            if authentic {
                return Ok(());
            }
            commit = self.following(state, &commit).await?;
        }
    }

    /// Whether a row names a record of `commit`, and so all before it by the chain.
    async fn is_named(&self, state: &State, commit: &Commit) -> Result<bool> {
        let view = View::of(state, self.pages(), self.now());
        for record in commit.leaves.iter().rev() {
            if matches!(record.leaf.kind, Kind::Read | Kind::Browsed | Kind::LogRead | Kind::Index) {
                continue;
            }
            let row: Option<Row> = view.row(&RowKey::operation(record.leaf.operation)).await?;
            // Another record may be the newest about the operation; then an earlier or a later one tells.
            if row.is_some_and(|row| row.leaf == record.hash) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The commit that holds record `seq`: the one that the listing tells, or, for a listing may lag, one that
    /// follows it.
    async fn commit_holding(&self, state: &State, seq: u64) -> Result<Commit> {
        // Numbers in names are inverted: what is listed behind this begins at `seq` or before.
        let after = layout::commit(seq.saturating_add(1), &[0xff; 32]);
        let name = self.storage().list(layout::LOG, Some(&after), 1).await?.into_iter().next();
        let (storage, name) = (self.storage(), name.unwrap_or_else(|| layout::commit(0, &[0; 32])));
        let mut commit = commits::required(storage, state.vault, &name).await?;
        while commit.end() <= seq {
            commit = self.following(state, &commit).await?;
        }
        if commit.first() <= seq { Ok(commit) } else { Err(unknown(seq)) }
    }

    async fn following(&self, state: &State, commit: &Commit) -> Result<Commit> {
        let next = commits::following(self.storage(), state.vault, commit).await?;
        next.ok_or_else(|| unknown(commit.end()))
    }
}

fn unknown(seq: u64) -> Error {
    Error::corrupt(format!("the commit of record {seq}"))
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use bytes::Bytes;
    use futures_lite::future::block_on;

    use super::*;
    use crate::{
        error::ErrorKind,
        ids::VaultId,
        keys::LocalKey,
        ledger::forgery::{key, lying::Lying},
        log::{
            Hash,
            commit::{Draft, Entry, Sealed, body_commitment},
            leaf::Leaf,
            merkle::Frontier,
        },
        storage::{MemoryStorage, ObjectKey, Storage},
        vault::Vault,
    };

    /// A vault of 20 records, each a commit, and its objects.
    async fn vault() -> (Vault, Arc<MemoryStorage>, impl Fn() -> LocalKey) {
        let (folder, place) = (tempfile::tempdir().expect("a folder"), Arc::<MemoryStorage>::default());
        let path = folder.path().join("key");
        let vault = Vault::create(place.clone(), LocalKey::create(&path).expect("a key")).await;
        let vault = vault.expect("a vault");
        let desk = vault.session("a").purpose("p").begin().expect("a session");
        let case = desk.create_case("c").await.expect("a case");
        for _ in 2..20 {
            desk.describe_case(case).await.expect("a record");
        }
        (vault, place, move || LocalKey::load(folder.path().join("key")).expect("the key"))
    }

    /// The same, to another process, to which this name is listed behind any other.
    async fn listing(vault: &Vault, shown: Lying, key: LocalKey, name: &ObjectKey) -> Vault {
        let name = name.clone();
        let behind = move |prefix: &str, after: Option<&ObjectKey>| {
            (prefix == layout::LOG && after.is_some()).then(|| Ok(vec![name.clone()]))
        };
        Vault::open(Arc::new(shown.listing(behind)), key, &vault.pin()).await.expect("it opens")
    }

    /// The numbers of the records that are shown.
    async fn shown(vault: &Vault, range: Range<u64>) -> Result<Vec<u64>> {
        let mut numbers = Vec::new();
        let mut visit = |record: &Hashed, _: &[u8]| {
            numbers.push(record.leaf.seq);
            Ok(())
        };
        vault.ledger().records(&vault.ledger().state(), range, &mut visit).await?;
        Ok(numbers)
    }

    #[test]
    fn a_listing_that_leads_behind_the_records_leaves_none_out() {
        block_on(async {
            let (vault, place, key) = vault().await;
            assert_eq!(shown(&vault, 3..5).await.expect("two records"), [3, 4]);
            let newest = place.list(layout::LOG, None, 1).await.expect("memory").remove(0);
            let other = listing(&vault, Lying::about(place), key(), &newest).await;
            assert_eq!(shown(&other, 3..5).await.expect_err("left out").kind(), ErrorKind::Corrupt);
        });
    }

    #[test]
    fn of_no_records_none_are_shown_at_the_head_either() {
        block_on(async {
            let (vault, ..) = vault().await;
            assert_eq!(shown(&vault, 20..20).await.expect("nothing"), [0; 0]);
        });
    }

    /// A commit of so many records from `first` on, by whoever runs the storage.
    fn made_up(vault: VaultId, like: &Hashed, first: u64, count: u16, mut previous: Hash) -> Sealed {
        let body = Bytes::from_static(b"body");
        let entries = (0..count).map(|position| {
            let (seq, body_hash) = (first + u64::from(position), body_commitment(&body));
            let leaf = Leaf { seq, position, previous, body: body_hash, ..like.leaf.clone() };
            let record = Hashed::new(leaf);
            previous = record.hash;
            Entry { record, body: body.clone() }
        });
        let before = Frontier::default();
        let (entries, nonce) = (entries.collect(), [0; 16]);
        Draft { vault, before: &before, recent: &[], entries, nonce }.seal(&key(9)).expect("entries")
    }

    /// Whoever is led past the head by commits that nobody signed follows them no further: they may have no end.
    #[test]
    fn commits_that_lead_past_the_head_are_not_gone_on_from() {
        block_on(async {
            let (vault, place, of) = vault().await;
            let state = vault.ledger().state();
            let like = state.tail_record(19).expect("a record");
            let made = |first, count, previous| made_up(vault.id(), like, first, count, previous);
            let over = made(3, 30, [7; 32]);
            let next = made(33, 1, over.records.last().expect("30").hash);
            let asked = Arc::new(AtomicUsize::new(0));
            let (counted, shown_as) = (asked.clone(), over.key.clone());
            let lying = Lying::about(place).reading(move |_, read| {
                counted.fetch_add(usize::from(*read == next.key), Ordering::SeqCst);
                let made = [&over, &next].into_iter().find(|made| made.key == *read)?;
                Some(Ok(Some(made.bytes.clone())))
            });
            let other = listing(&vault, lying, of(), &shown_as).await;
            assert_eq!(shown(&other, 3..5).await.expect_err("made up").kind(), ErrorKind::Corrupt);
            assert_eq!(asked.load(Ordering::SeqCst), 0);
        });
    }
}
