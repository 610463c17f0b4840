//! Verifying a log: by its vault, or by anyone who has the storage and a pin, without a key.

use core::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    crypto::sign::VerifyingKey,
    error::{Error, ErrorKind, Result},
    ids::VaultId,
    ledger::{self, Pages, State, Tree, Trusted, Verified, Visitor},
    log::{
        commit::Commit,
        signing::{self, LogKey},
    },
    pin::{Freshness, Pin},
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
    /// Commits checked in this verification, each with its signature.
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
    /// Opens the log of the vault that `pin` names, as it is now.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RolledBack`] if it ends before the pin, [`ErrorKind::Forked`] if it is another one,
    /// [`ErrorKind::NotFound`] if the storage shows none; corrupt; the storage's.
    pub async fn open(storage: Arc<dyn Storage>, pin: &Pin) -> Result<Self> {
        Self::load(storage, &Trusted::from(pin)).await
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
        let (claimed, _) = ledger::claimed(&*storage).await?;
        Self::load(storage, &claimed).await
    }

    async fn load(storage: Arc<dyn Storage>, trusted: &Trusted) -> Result<Self> {
        let pages = Arc::new(Pages::new(storage));
        let state = ledger::load(trusted, &pages).await?.ok_or_else(|| Error::not_found("log"))?;
        Ok(Self { pages, state: Arc::new(state) })
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
        verify(&self.pages, &self.state, pin, &mut |_, _| {}).await
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
        verify_all(&self.pages, &self.state, progress).await.map(|(verified, _)| verified)
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
    let storage = &**pages.storage();
    match Tree::new(state, storage).consistency(seen).await {
        Ok((root, _)) if root != *pin.root() => return not_fresh(Freshness::Forked { seen }),
        // The walk tells as well, and names the commit.
        Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
        _ => {}
    }
    let from = Verified::trusted(seen, *pin.head(), *pin.log_key());
    let mut walk = Walk { progress, of: got, commits: 0, checkpoint: None };
    ledger::walk(storage, state.vault, from, state.head, &mut walk).await?;
    let Walk { commits, .. } = walk;
    Ok(VerifiedLog { head: state.pin(), checked: got - seen, commits, freshness: Freshness::FreshByPin })
}

/// The public keys, but for the commit key, that a log states for the present.
pub(crate) struct StatedKeys {
    pub(crate) delivery: VerifyingKey,
    pub(crate) checkpoint: VerifyingKey,
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
) -> Result<(VerifiedLog, StatedKeys)> {
    let storage = &**pages.storage();
    let (claimed, statement) = ledger::claimed(storage).await?;
    if claimed.vault != state.vault || statement.origin != crate::log::statement::origin(state.vault) {
        return Err(Error::corrupt("the vault's first record"));
    }
    let from = Verified::genesis(LogKey::first(statement.commit));
    let mut walk = Walk { progress, of: state.head.size, commits: 0, checkpoint: None };
    let walked = ledger::walk(storage, state.vault, from, state.head, &mut walk).await?;
    let Walk { commits, checkpoint, .. } = walk;
    if walked.log_key != state.log_key {
        return Err(Error::corrupt("the log's signing keys"));
    }
    let keys =
        StatedKeys { delivery: statement.delivery, checkpoint: checkpoint.unwrap_or(statement.checkpoint) };
    let (head, checked) = (state.pin(), state.head.size);
    Ok((VerifiedLog { head, checked, commits, freshness: Freshness::Unverified }, keys))
}

/// What a walk gathers on its way.
struct Walk<'a> {
    progress: Progress<'a>,
    of: u64,
    commits: u64,
    checkpoint: Option<VerifyingKey>,
}

#[async_trait]
impl Visitor for Walk<'_> {
    async fn visit(&mut self, commit: &Commit) -> Result<()> {
        self.commits += 1;
        if let Some(last) = commit.leaves.last() {
            if let Ok(Some((_, checkpoint))) = signing::stated(&last.leaf) {
                self.checkpoint = Some(checkpoint);
            }
            (self.progress)(last.leaf.seq.saturating_add(1), self.of);
        }
        Ok(())
    }
}
