//! Verifying the log: whether it is whole.

use std::sync::Arc;

#[cfg(feature = "fs")]
use std::path::Path;

use crate::{
    crypto::sign::VerifyingKey,
    error::{Error, Result},
    ledger::{Ledger, State},
    log::{checkpoint::Checkpoint, commit::Commit, statement::origin},
    observe,
    pin::Pin,
    vault::Vault,
    verification::{self, KeptCheckpoint, LogReader, VerifiedLog},
};

/// The log of a vault, for who verifies it. Its records are read by an [`Auditor`](crate::Auditor).
#[derive(Debug, Clone)]
pub struct Audit {
    vault: Vault,
}

/// A log and the public key that it is held against.
#[derive(Debug, Clone)]
pub(crate) struct Verifier {
    ledger: Arc<Ledger>,
    delivery: VerifyingKey,
}

impl Audit {
    pub(crate) fn new(vault: Vault) -> Self {
        Self { vault }
    }

    /// Verifies everything committed after `pin`, up to the newest head: names, contiguity, chain,
    /// times, roots, signing epochs, and the signature of each epoch's last commit and of the head, which bind every
    /// commit before them by its hash. Each commit's own signature is [`LogReader::check_tiles`](crate::LogReader::check_tiles)'s to check.
    ///
    /// # Errors
    ///
    /// Corrupt at the first fault, naming the object. A log that ends before the pin, or is another
    /// one, is no error here: [`VerifiedLog::freshness`] says so.
    pub async fn verify(&self, pin: &Pin) -> Result<VerifiedLog> {
        observe::operation("Audit::verify", self.vault.id(), Verifier::new(&self.vault).verify(pin)).await
    }

    /// Verifies the whole log, the Merkle root of every commit included.
    ///
    /// # Errors
    ///
    /// As [`Audit::verify`].
    pub async fn verify_from_genesis(&self) -> Result<VerifiedLog> {
        self.verify_with_progress(&mut |_, _| {}).await
    }

    /// [`Audit::verify_from_genesis`], telling after each commit how many records of how many are checked.
    ///
    /// # Errors
    ///
    /// As [`Audit::verify`].
    pub async fn verify_with_progress(
        &self,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<VerifiedLog> {
        observe::operation(
            "Audit::verify_from_genesis",
            self.vault.id(),
            Verifier::new(&self.vault).verify_from_genesis(progress),
        )
        .await
    }

    /// The log as it is now, for proofs, receipts and all else that needs no key.
    ///
    /// # Errors
    ///
    /// Corrupt; the storage's.
    pub async fn log(&self) -> Result<LogReader> {
        observe::operation("Audit::log", self.vault.id(), async {
            let state = self.vault.ledger().sync().await?;
            Ok(LogReader::of(self.vault.ledger().pages(), state))
        })
        .await
    }

    /// A signed checkpoint of the newest head, as a C2SP signed note. The pin store has the head before it is signed.
    ///
    /// # Errors
    ///
    /// Corrupt; the storage's; the pin store's, and then nothing is signed.
    pub async fn checkpoint(&self) -> Result<String> {
        observe::operation("Audit::checkpoint", self.vault.id(), async {
            self.vault.newest_checkpoint().await.map(|(_, _, note)| note)
        })
        .await
    }

    /// Up to 100 kept checkpoints, those of the largest trees first, from the one behind `after` on;
    /// none at the end. [`Session::keep_checkpoint`](crate::Session::keep_checkpoint) keeps them.
    ///
    /// # Errors
    ///
    /// Corrupt if one is missing or altered; the storage's.
    pub async fn checkpoints(&self, after: Option<&KeptCheckpoint>) -> Result<Vec<KeptCheckpoint>> {
        observe::operation("Audit::checkpoints", self.vault.id(), async {
            let state = self.vault.ledger().sync().await?;
            verification::checkpoints(self.vault.ledger().pages(), &state, after).await
        })
        .await
    }

    /// Writes the log, up to now, into `folder` as a static log of c2sp.org/tlog-tiles; gives the
    /// checkpoint under which it stands. [`LogReader::export_tiles`](crate::LogReader::export_tiles) says
    /// more, and does the same for a kept checkpoint.
    ///
    /// # Errors
    ///
    /// As [`LogReader::export_tiles`](crate::LogReader::export_tiles); as [`Audit::checkpoint`], and then nothing is
    /// written.
    ///
    /// # Cancellation
    ///
    /// Likewise.
    #[cfg(feature = "fs")]
    pub async fn export_tiles(&self, folder: impl AsRef<Path>) -> Result<Checkpoint> {
        let folder = folder.as_ref();
        observe::operation("Audit::export_tiles", self.vault.id(), async {
            let (state, _, note) = self.vault.newest_checkpoint().await?;
            crate::export::tiles(self.vault.ledger().pages(), &state, &note, folder).await
        })
        .await
    }
}

impl Vault {
    /// The newest state, the checkpoint of its head, and the signed note.
    ///
    /// The head is kept before it is signed: a storage that shows another one later could have that signed as well, by a
    /// process that remembers neither.
    ///
    /// # Errors
    ///
    /// Corrupt; the storage's; the pin store's.
    pub(crate) async fn newest_checkpoint(&self) -> Result<(Arc<State>, Checkpoint, String)> {
        loop {
            let state = self.ledger().sync().await?;
            let keyring = self.current_keyring().await?;
            // The signing keys may have been changed in between, and an epoch's sign its own heads alone.
            if keyring.keys.signing_epoch() == state.log_key.epoch {
                self.save_pin().await?;
                let checkpoint = Checkpoint::new(&origin(self.id()), state.head.size, state.frontier.root())?;
                let note = checkpoint.sign(&keyring.keys.checkpoint_key());
                return Ok((state, checkpoint, note));
            }
        }
    }
}

impl Verifier {
    pub(crate) fn new(vault: &Vault) -> Self {
        let delivery = vault.keyring().keys.delivery_key().verifying_key();
        Self { ledger: vault.ledger().clone(), delivery }
    }

    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    pub(crate) async fn verify(&self, pin: &Pin) -> Result<VerifiedLog> {
        let state = self.ledger.sync().await?;
        verification::verify(self.ledger.pages(), &state, pin, &mut |_, _| {}).await
    }

    pub(crate) async fn verify_from_genesis(
        &self,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<VerifiedLog> {
        let state = self.ledger.sync().await?;
        let (verified, stated) = verification::verify_all(self.ledger.pages(), &state, progress).await?;
        if stated.delivery == self.delivery {
            Ok(verified)
        } else {
            Err(Error::corrupt("the vault's first record"))
        }
    }

    /// Shows `visit` every commit of the log that `state` ends, each checked.
    pub(crate) async fn walk(
        &self,
        state: &State,
        visit: &mut (dyn FnMut(&Commit) -> Result<()> + Send),
    ) -> Result<()> {
        let mut visit = visit;
        verification::walk_all(self.ledger.pages(), state, &mut visit).await.map(drop)
    }
}
