//! Verifying a log: by its vault, or by anyone who has the storage and a pin, without a key.

mod checkpoints;
#[cfg(feature = "fs")]
mod exports;
mod index;
mod receipts;
mod tiles;
mod walk;

use core::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub use checkpoints::KeptCheckpoint;
pub use index::CheckedIndex;
pub use tiles::CheckedTiles;

pub(crate) use checkpoints::{check, checkpoints};
pub(crate) use receipts::prove;
pub(crate) use tiles::{TileFault, compare as compare_tiles};
pub(crate) use walk::walk_all;
use walk::walk_signed;

use crate::{
    error::{Error, ErrorKind, Result},
    ids::VaultId,
    ledger::{self, Pages, Signatures, State, Tree, Trusted, Visitor},
    log::{
        commit::Commit,
        statement::{self, Statement},
    },
    observe,
    pin::{Freshness, Pin},
    receipt::Receipt,
    storage::Storage,
};

/// What a verification has established.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedLog {
    /// The head that was verified, as a pin.
    pub head: Pin,
    /// Records checked in this verification.
    pub checked: u64,
    /// Commits checked in this verification.
    pub commits: u64,
    /// Whether the head is at least as new as the pin.
    pub freshness: Freshness,
}

/// A vault's log as anyone can read it who has the storage and a pin: it verifies everything, and can
/// open nothing.
///
/// # Examples
///
/// ```
/// # futures_lite::future::block_on(async {
/// use std::sync::Arc;
/// use docvault::{Freshness, LogReader, Vault, keys::LocalKey, storage::MemoryStorage};
///
/// # let folder = tempfile::tempdir()?;
/// # let key = LocalKey::create(folder.path().join("vault.key"))?;
/// let storage = Arc::new(MemoryStorage::default());
/// let vault = Vault::create(storage.clone(), key).await?;
/// let pin = vault.pin();
/// vault.session("user:1").purpose("intake").begin()?.create_case("c").await?;
///
/// let log = LogReader::open(storage, &pin).await?; // no key
/// let verified = log.verify(&pin).await?;
/// assert_eq!((verified.checked, verified.freshness), (1, Freshness::FreshByPin));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct LogReader {
    pages: Arc<Pages>,
    state: Arc<State>,
}

impl fmt::Debug for LogReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogReader").field("head", &self.state.head).finish_non_exhaustive()
    }
}

impl LogReader {
    /// The log that `state` ends.
    pub(crate) fn of(pages: &Arc<Pages>, state: Arc<State>) -> Self {
        Self { pages: pages.clone(), state }
    }

    /// Opens the log of the vault that `pin` names, as it is now.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RolledBack`] if it ends before the pin, [`ErrorKind::Forked`] if it is another one,
    /// [`ErrorKind::NotFound`] if the storage shows none; corrupt; the storage's.
    pub async fn open(storage: Arc<dyn Storage>, pin: &Pin) -> Result<Self> {
        let trusted = Trusted::from(pin);
        observe::operation("LogReader::open", pin.vault(), Self::load(Pages::new(storage), &trusted)).await
    }

    /// Opens whatever log the storage shows.
    ///
    /// # Errors
    ///
    /// As [`LogReader::open`], but for the pin.
    ///
    /// # Security
    ///
    /// Nothing says whose log it is: compare [`LogReader::head`] with what its owner tells.
    pub async fn open_unpinned(storage: Arc<dyn Storage>) -> Result<Self> {
        observe::operation("LogReader::open_unpinned", (), async {
            let pages = Pages::new(storage);
            let (claimed, _) = ledger::claimed(&**pages.storage()).await?;
            Self::load(pages, &claimed).await
        })
        .await
    }

    async fn load(pages: Pages, trusted: &Trusted) -> Result<Self> {
        let state = ledger::load(trusted, &pages).await?.ok_or_else(|| Error::not_found("log"))?;
        Ok(Self { pages: Arc::new(pages), state: Arc::new(state) })
    }

    /// The vault.
    #[must_use]
    pub fn vault(&self) -> VaultId {
        self.state.vault
    }

    /// The head as it was when the log was opened.
    #[must_use]
    pub fn head(&self) -> Pin {
        self.state.pin()
    }

    /// Verifies everything committed after `pin`, up to [`LogReader::head`].
    ///
    /// # Errors
    ///
    /// As [`Audit::verify`](crate::Audit::verify).
    pub async fn verify(&self, pin: &Pin) -> Result<VerifiedLog> {
        observe::operation(
            "LogReader::verify",
            self.vault(),
            verify(&self.pages, &self.state, pin, &mut |_, _| {}),
        )
        .await
    }

    /// Verifies the whole log up to [`LogReader::head`], telling after each commit how many records of
    /// how many are checked.
    ///
    /// # Errors
    ///
    /// As [`LogReader::verify`].
    pub async fn verify_from_genesis(
        &self,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<VerifiedLog> {
        observe::operation("LogReader::verify_from_genesis", self.vault(), async {
            verify_all(&self.pages, &self.state, progress).await.map(|(verified, _)| verified)
        })
        .await
    }

    /// Verifies the whole log, every commit's own signature included, and recomputes from it every entry
    /// bundle and hash tile that folds have to have written. Nothing else rests on them but proofs, which are checked as they are made.
    ///
    /// Takes the time of [`LogReader::verify_from_genesis`] and a read of each bundle and tile; memory
    /// does not grow with the log.
    ///
    /// # Errors
    ///
    /// As [`LogReader::verify`]; corrupt, naming the object, also if a collection of garbage has deleted
    /// a partial tile that this head still needs: open the log anew.
    pub async fn check_tiles(&self, progress: &mut (dyn FnMut(u64, u64) + Send)) -> Result<CheckedTiles> {
        observe::operation(
            "LogReader::check_tiles",
            self.vault(),
            tiles::check(&self.pages, &self.state, progress),
        )
        .await
    }

    /// Verifies the whole log, and rebuilds from it the tables of the newest index: every row is the
    /// newest record's about its key, none is missing, and pages are cut as they have to be.
    ///
    /// Memory does not grow with the log; instead, the log is walked once for every 131,072 rows.
    ///
    /// # Errors
    ///
    /// As [`LogReader::check_tiles`], for index pages.
    pub async fn check_index(&self, progress: &mut (dyn FnMut(u64, u64) + Send)) -> Result<CheckedIndex> {
        observe::operation(
            "LogReader::check_index",
            self.vault(),
            index::check(&self.pages, &self.state, index::HELD, progress),
        )
        .await
    }

    /// Up to 100 kept checkpoints, those of the largest trees first, from the one behind `after` on;
    /// none at the end.
    ///
    /// # Errors
    ///
    /// Corrupt if one is missing or altered; the storage's.
    pub async fn checkpoints(&self, after: Option<&KeptCheckpoint>) -> Result<Vec<KeptCheckpoint>> {
        observe::operation(
            "LogReader::checkpoints",
            self.vault(),
            checkpoints(&self.pages, &self.state, after),
        )
        .await
    }

    /// The name under which the log signs checkpoints, and the Ed25519 key it signs them with now: what
    /// [`Checkpoint::parse`](crate::Checkpoint::parse) takes.
    ///
    /// # Errors
    ///
    /// Corrupt; the storage's.
    ///
    /// # Security
    ///
    /// They are what the log states: as good as the pin that it was opened by.
    pub async fn checkpoint_key(&self) -> Result<(String, [u8; 32])> {
        observe::operation("LogReader::checkpoint_key", self.vault(), async {
            let key = checkpoints::present_key(&self.pages, &self.state).await?;
            Ok((statement::origin(self.state.vault), key.to_bytes()))
        })
        .await
    }

    /// The proof of RFC 6962 §2.1.1 that record `seq` is in the tree of [`LogReader::head`], and the
    /// record's leaf hash, after checking it.
    ///
    /// # Errors
    ///
    /// Not found beyond the head; corrupt; the storage's.
    pub async fn prove_inclusion(&self, seq: u64) -> Result<([u8; 32], Vec<[u8; 32]>)> {
        observe::operation("LogReader::prove_inclusion", self.vault(), async {
            let tree = Tree::new(&self.state, &**self.pages.storage());
            let (leaf, size) = (tree.leaf(seq).await?.hash, self.state.head.size);
            let proof = tree.inclusion(&leaf, seq, size, &self.state.frontier.root()).await?;
            Ok((leaf, proof))
        })
        .await
    }

    /// The receipt for record `seq` under the checkpoint `note`, which may be a kept one: that the record
    /// stands in the log, and what its leaf says. [`Session::receipt`](crate::Session::receipt) adds what
    /// only the vault can open.
    ///
    /// # Errors
    ///
    /// Not found beyond the head; invalid if the checkpoint does not reach to the record; corrupt, rolled
    /// back or forked if it is none of this log, of a longer or of another one; the storage's.
    pub async fn receipt(&self, seq: u64, note: &str) -> Result<Receipt> {
        observe::operation("LogReader::receipt", self.vault(), async {
            let (record, proof) = prove(&self.pages, &self.state, seq, note).await?;
            Ok(Receipt::new(record.leaf, None, None, proof, note.to_owned()))
        })
        .await
    }
}

/// Told how many records are checked, and how many there are.
type Progress<'a> = &'a mut (dyn FnMut(u64, u64) + Send);

/// Verifies what follows `pin` in the log that `state` ends.
///
/// # Errors
///
/// Invalid for another vault's pin; corrupt at the first fault.
pub(crate) async fn verify(
    pages: &Pages,
    state: &State,
    pin: &Pin,
    progress: Progress<'_>,
) -> Result<VerifiedLog> {
    if pin.vault() != state.vault {
        return Err(Error::invalid(format!("this is the pin of vault {}, and not of this one", pin.vault())));
    }
    let (seen, got) = (pin.size(), state.head.size);
    let not_fresh = |freshness| Ok(VerifiedLog { head: state.pin(), checked: 0, commits: 0, freshness });
    if seen > got {
        return not_fresh(Freshness::RolledBack { seen, got });
    }
    let (storage, trusted) = (&**pages.storage(), Trusted::from(pin));
    let tree = Tree::new(state, storage);
    let from = match tree.consistency(seen).await {
        Ok((root, _)) if root != *pin.root() => return not_fresh(Freshness::Forked { seen }),
        Ok(_) => trusted.start(tree.frontier(seen).await?),
        // Commits tell as well, and the one that is false is named.
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            match ledger::with_tree(&trusted, pages, state).await {
                Err(error) if error.kind() == ErrorKind::Forked => {
                    return not_fresh(Freshness::Forked { seen });
                }
                from => from?,
            }
        }
        Err(error) => return Err(error),
    };
    let mut walk = Walk { progress, of: got, commits: 0 };
    ledger::walk_to(state, storage, from, Signatures::EndsOfEpochs, &mut walk).await?;
    let (commits, freshness) = (walk.commits, Freshness::FreshByPin);
    Ok(VerifiedLog { head: state.pin(), checked: got - seen, commits, freshness })
}

/// Verifies the log that `state` ends from its first record on.
///
/// # Errors
///
/// Corrupt at the first fault.
pub(crate) async fn verify_all(
    pages: &Pages,
    state: &State,
    progress: Progress<'_>,
) -> Result<(VerifiedLog, Statement)> {
    let mut walk = Walk { progress, of: state.head.size, commits: 0 };
    let statement = walk_signed(pages, state, Signatures::EndsOfEpochs, &mut walk).await?;
    let Walk { commits, .. } = walk;
    let (head, checked) = (state.pin(), state.head.size);
    Ok((VerifiedLog { head, checked, commits, freshness: Freshness::Unverified }, statement))
}

/// What a walk gathers on its way.
struct Walk<'a> {
    progress: Progress<'a>,
    of: u64,
    commits: u64,
}

#[async_trait]
impl Visitor for Walk<'_> {
    async fn visit(&mut self, commit: &Commit) -> Result<()> {
        self.commits += 1;
        if let Some(last) = commit.leaves.last() {
            (self.progress)(last.leaf.seq.saturating_add(1), self.of);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
