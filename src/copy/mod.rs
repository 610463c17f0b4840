//! Copying a vault to another storage: a backup that goes on where the last one ended, or a move.

mod derived;
mod destination;
mod records;

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    error::{Error, ErrorKind, Result},
    ledger::{Signatures, State, Verified, walk},
    log::Hash,
    observe,
    pin::Pin,
    storage::{ObjectKey, Storage, layout, probe},
    vault::Vault,
};
use destination::Destination;
use records::Records;

/// What a copy has done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CopyReport {
    /// Records that the destination had before, without a gap.
    pub from: u64,
    /// The head that the destination has now: it opens the copy, as every older pin of the vault does.
    pub pin: Pin,
    /// Records whose commits were written.
    pub records: u64,
    /// Heads of cases, versions and grants written.
    pub heads: u64,
    /// Heads that the destination had already.
    pub present: u64,
    /// Parts of content written, each opened before.
    pub parts: u64,
    /// Bytes of parts written.
    pub bytes: u64,
    /// Wraps of cases' keys written, each opened before.
    pub keys: u64,
    /// Keyrings, kept checkpoints and index objects written, each with the hash that the log names.
    pub named: u64,
    /// Entry bundles and hash tiles written.
    pub tiles: u64,
    /// Bundles and tiles that the destination lacks, for they are missing or false in the source: a next copy looks again.
    pub tiles_left_out: u64,
    /// Erasures of cases that were carried out in the destination.
    pub erased_cases: u64,
    /// Objects deleted in the destination: of erased cases, and superseded.
    pub deleted: u64,
}

impl CopyReport {
    fn new(from: u64, pin: Pin) -> Self {
        Self {
            from,
            pin,
            records: 0,
            heads: 0,
            present: 0,
            parts: 0,
            bytes: 0,
            keys: 0,
            named: 0,
            tiles: 0,
            tiles_left_out: 0,
            erased_cases: 0,
            deleted: 0,
        }
    }
}

impl Vault {
    /// Makes `destination` a copy of this vault as it is now: everything if it is empty, what is new if it
    /// holds an older copy, what is left if an earlier copy was interrupted. Erasures are carried, too.
    ///
    /// Every object is verified before it is written, and is never overwritten. While it runs, and wherever it
    /// is interrupted, the destination opens as it was before, and from its first new commit on as it will be:
    /// the log's middle may then be missing until the copy is finished. The vault may be written to meanwhile;
    /// what comes after the call has looked at the log is left to the next one.
    ///
    /// Each copy also looks for keys of erased cases that the destination still shows, and deletes them. The names of the
    /// index's pages, of bundles and of tiles are held in memory.
    ///
    /// One copy to a place at a time: of two that overlap none deletes what the other needs, and the later state is what
    /// remains; but if both are interrupted, commits may be missing that the next copy does not look for, and that
    /// [`Vault::check`] names.
    ///
    /// # Errors
    ///
    /// Invalid if the destination holds another vault; [`ErrorKind::Forked`] if it holds records that this one
    /// does not: it was written to, or is newer; corrupt if something here is missing or false, naming the object,
    /// or if the destination holds something else where it writes, or a head that is none; [`ErrorKind::Unsupported`] if the destination
    /// does not honour create-if-absent; [`ErrorKind::Contended`] if the log, or another copy, kept going on; either
    /// storage's.
    ///
    /// # Security
    ///
    /// Of a carrier whose objects are in the vault's storage nothing is copied (`deposit/`): requests, promises and what
    /// was deposited and not taken in are the carrier's.
    ///
    /// The copy is for one of both to be written to, ever: two histories under one pin are a fork, which the
    /// next [`Vault::copy_to`], and every pin from after it, tells. Deleting from a copy is worth what deleting
    /// from its storage is; a copy that is not brought up to date keeps what was erased since, until the epoch
    /// is rotated ([`Session::rotate_epoch`](crate::Session::rotate_epoch)).
    ///
    /// # Cancellation
    ///
    /// As for an error: call it again.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// # use std::sync::Arc;
    /// # use docvault::{NewDocument, Vault, keys::LocalKey, storage::MemoryStorage};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("vault.key");
    /// # let vault = Vault::create(MemoryStorage::default(), LocalKey::create(&path)?).await?;
    /// # let desk = vault.session("user:1").purpose("intake").begin()?;
    /// # let case = desk.create_case("c").await?;
    /// # let stored = desk.store(case, NewDocument::named("x"), b"content".to_vec()).await?;
    /// let backup = Arc::new(MemoryStorage::default());
    /// let report = vault.copy_to(backup.clone()).await?;
    /// let copy = Vault::open(backup, LocalKey::load(&path)?, &report.pin).await?;
    /// let desk = copy.session("user:1").purpose("restore").begin()?;
    /// assert_eq!(desk.retrieve(stored.document).await?, b"content".as_slice());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn copy_to(&self, destination: impl Storage) -> Result<CopyReport> {
        self.copy_with_progress(Arc::new(destination), &mut |_| {}).await
    }

    /// [`Vault::copy_to`], telling after each commit what was done so far.
    ///
    /// # Errors
    ///
    /// As [`Vault::copy_to`].
    ///
    /// # Cancellation
    ///
    /// Likewise.
    pub async fn copy_with_progress(
        &self,
        destination: Arc<dyn Storage>,
        progress: &mut (dyn FnMut(&CopyReport) + Send),
    ) -> Result<CopyReport> {
        observe::operation("Vault::copy_to", self.id(), async {
            let destination = observe::storage(destination);
            probe::prove(&*destination, self.ledger().entropy()).await?.clear(&*destination).await;
            let mut from = None;
            for _ in 0..RETRIES {
                let state = self.ledger().sync().await?;
                match self.copy_state(&state, &*destination, progress, &mut from).await {
                    // Another copy, of a newer state, is under way or done.
                    Err(error) if error.kind() == ErrorKind::Superseded => {}
                    // Something was erased, superseded or rotated away since the state was read.
                    Err(error)
                        if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Erased)
                            && self.ledger().sync().await?.head.size > state.head.size => {}
                    done => return done,
                }
            }
            Err(Error::new(
                ErrorKind::Contended,
                "what was copied kept changing; the copy can go on: try again",
            ))
        })
        .await
    }

    /// Copies what is new in `state`. What a try before it has copied, and another copy may have deleted since, is copied
    /// again: it began at `from`.
    async fn copy_state(
        &self,
        state: &State,
        destination: &dyn Storage,
        progress: &mut (dyn FnMut(&CopyReport) + Send),
        from: &mut Option<Verified>,
    ) -> Result<CopyReport> {
        let destination = Destination { vault: self, storage: destination };
        let (landed, keyrings) = (destination.landed(state).await?, destination.keyrings().await?);
        let again = from.is_some();
        let begun = from.get_or_insert_with(|| landed.reached.clone()).clone();
        destination.not_beyond(state).await?;
        let mut report = CopyReport::new(landed.reached.head.size.min(begun.head.size), state.pin());
        let reached = destination.complete(landed, &mut report, progress).await?;
        let reached = if again { begun } else { reached };
        let grows = reached.head.size < state.head.size;
        let mut landing = Vec::new();
        if grows {
            landing = copy_records(&destination, state, &reached, &mut report, progress).await?;
        }
        let index = derived::reached(&destination, state).await?;
        if grows {
            derived::index(&destination, &index, &mut report).await?;
        }
        derived::tiles(&destination, state, &mut report).await?;
        destination.not_beyond(state).await?;
        for (key, bytes) in landing {
            destination.put(&key, bytes).await?;
        }
        if grows {
            destination.fill(reached, state.head, &mut report, progress).await?;
        }
        derived::sweep(&destination, (state, &index), &mut report).await?;
        destination.drop_epochs(state, (keyrings, again), &mut report).await?;
        destination.sweep_keys(state, &mut report).await?;
        // Another copy, of an older state, may have taken it for one that is superseded.
        report.named += u64::from(named(&destination, &state.keyring()).await?);
        destination.not_beyond(state).await?;
        Ok(report)
    }
}

/// Copies the keyring with this digest, unless it is there; whether it was copied.
async fn named(destination: &Destination<'_>, digest: &Hash) -> Result<bool> {
    records::copy_named(destination, layout::keyring(digest), digest).await
}

/// Copies what the records after `reached` name; gives the commits to land first.
async fn copy_records(
    destination: &Destination<'_>,
    state: &State,
    reached: &Verified,
    report: &mut CopyReport,
    progress: &mut (dyn FnMut(&CopyReport) + Send),
) -> Result<Vec<(ObjectKey, Bytes)>> {
    let (vault, keyring) = (destination.vault, destination.keyring_of(state).await?);
    // Before any wrap under its epochs: one that is superseded tells that there may be such wraps.
    report.named += u64::from(named(destination, &keyring.digest).await?);
    let (source, from) = (vault.ledger().storage(), reached.head.size);
    let mut records = Records::new(destination, state, &keyring, report, progress);
    walk(source, vault.id(), reached.clone(), state.head, Signatures::Each, &mut records).await?;
    let landing = records.finish(from > 0).await?;
    Ok(landing.into_iter().flatten().collect())
}

const RETRIES: u32 = 8;
