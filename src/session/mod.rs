//! The vault as seen by one actor, for one purpose.

mod browse;
mod cases;
mod collect;
mod content;
mod deliveries;
mod documents;
mod erasure;
mod grants;
mod log;
mod outcome;
mod receipts;
mod recent;
mod records;
#[cfg(feature = "intake")]
mod requests;
mod statements;

use std::sync::Arc;

pub use browse::{CaseDescription, CasePage, Described, DocumentPage, VersionInfo};
pub use cases::NewCase;
pub use collect::GarbageReport;
pub use documents::Stored;
pub use erasure::{Erasure, ErasureLevel};
pub use grants::{Opener, RevocationReport, WhoCanOpen};
pub use outcome::Outcome;
pub use records::{OpenedRecord, Personal};
pub use statements::{MadeStatement, NewStatement, Statement, StatementPage};

use recent::Recent;

use crate::{
    auditor::Auditor,
    document::within,
    error::{Error, Result},
    ids::OperationId,
    keys::KeyWrap,
    ledger::{Command, Committed},
    log::body::{ACTOR_CAP, PURPOSE_CAP, REQUEST_CAP},
    observe,
    plan::Origin,
    vault::{Looked, SlotId, Vault},
};

/// What a session needs before it begins.
#[derive(Debug, Clone)]
#[must_use = "a session begins with `begin`"]
pub struct SessionBuilder {
    vault: Vault,
    actor: String,
    purpose: String,
    request: Option<String>,
}

impl SessionBuilder {
    pub(crate) fn new(vault: Vault, actor: String) -> Self {
        Self { vault, actor, purpose: String::new(), request: None }
    }

    /// What everything in the session is done for; 1 to 1,024 bytes, on record with each operation.
    pub fn purpose(mut self, purpose: impl Into<String>) -> Self {
        self.purpose = purpose.into();
        self
    }

    /// The application's own identifier of the request, on record too; 256 bytes at most.
    pub fn request(mut self, request: impl Into<String>) -> Self {
        self.request = Some(request.into());
        self
    }

    /// Begins the session. It may be kept, cloned and used from many tasks.
    ///
    /// Calls that run at once share commits, and whichever of them is polled makes the commit for all. One that is kept
    /// and not polled keeps no other waiting.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) without an actor or a purpose, or if one is too long.
    pub fn begin(self) -> Result<Session> {
        if self.actor.is_empty() || self.purpose.is_empty() {
            return Err(Error::invalid("a session needs an actor and a purpose"));
        }
        within("the actor", &self.actor, ACTOR_CAP)?;
        within("the purpose", &self.purpose, PURPOSE_CAP)?;
        within("the request", self.request.as_deref().unwrap_or_default(), REQUEST_CAP)?;
        let origin = Origin {
            actor: self.actor.into(),
            purpose: self.purpose.into(),
            request: self.request.map(Arc::from),
        };
        Ok(Session { vault: self.vault, origin, recent: Arc::default() })
    }

    /// Begins for an [`Auditor`] instead, who verifies and reads the log and opens nothing else.
    ///
    /// # Errors
    ///
    /// As [`SessionBuilder::begin`].
    ///
    /// # Examples
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// # use docvault::{RecordFilter, Vault, keys::LocalKey, storage::MemoryStorage};
    /// # let folder = tempfile::tempdir()?;
    /// # let key = LocalKey::create(folder.path().join("vault.key"))?;
    /// # let vault = Vault::create(MemoryStorage::default(), key).await?;
    /// let auditor = vault.session("auditor:3").purpose("yearly review").auditor()?;
    /// auditor.verify_from_genesis().await?;
    /// assert_eq!(auditor.records(&RecordFilter::all()).await?.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn auditor(self) -> Result<Auditor> {
        Ok(self.begin()?.auditor())
    }
}

/// A vault in the hands of one actor, for one purpose: every operation is on record under both.
///
/// Content, names and metadata are released only after the record of their release stands in the
/// log; if it cannot be committed, nothing is released.
#[derive(Debug, Clone)]
pub struct Session {
    vault: Vault,
    origin: Origin,
    recent: Arc<Recent>,
}

impl Session {
    /// The vault.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Who acts.
    #[must_use]
    pub fn actor(&self) -> &str {
        &self.origin.actor
    }

    /// What for.
    #[must_use]
    pub fn purpose(&self) -> &str {
        &self.origin.purpose
    }

    /// Lets another root key open the vault: a recovery key, a colleague's.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied) if all 64 slots are taken; [`ErrorKind::Invalid`](crate::ErrorKind::Invalid)
    /// for a label of more than 128 bytes, or a key that no slot can hold; [`ErrorKind::Contended`](crate::ErrorKind::Contended)
    /// if others kept changing the keyring; [`ErrorKind::NotDeleted`](crate::ErrorKind::NotDeleted) once the change stands, if
    /// the superseded keyring does, too; corrupt as for [`Session::rekey`]; the key's own and the storage's.
    ///
    /// # Security
    ///
    /// The slot is on record, and [`Vault::slots`] and [`Session::who_can_open`] show it.
    ///
    /// # Cancellation
    ///
    /// The slot may be there or not: [`Vault::slots`] tells.
    pub async fn add_slot(&self, key: &dyn KeyWrap, label: &str) -> Result<SlotId> {
        observe::operation(
            "Session::add_slot",
            self.vault.id(),
            self.vault.add_slot(&self.origin, key, label),
        )
        .await
    }

    /// Takes a root key's slot away: it opens no keyring made from now on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied) for the last slot; not found; corrupt as for [`Session::rekey`];
    /// [`ErrorKind::NotDeleted`](crate::ErrorKind::NotDeleted), and then the key still opens the keyring that was there: the next
    /// change of the keyring deletes that.
    ///
    /// # Security
    ///
    /// Who held that key may have kept what it opened, the keys that sign the log among it: if it is in the wrong hands,
    /// [`Session::rekey`]. [`Session::rotate_epoch`] makes an old keyring useless for cases opened later.
    ///
    /// After [`ErrorKind::OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown), a call that was dropped, or a process that died in
    /// it, the slot may be gone, and yet the keyring before still be there, which the key opens. To call this again is no change
    /// then, and deletes nothing: any other change of the keyring does, as [`Session::rotate_signing_keys`].
    ///
    /// # Cancellation
    ///
    /// The slot may be there or not: [`Vault::slots`] tells. For the keyring before see *Security*.
    pub async fn remove_slot(&self, slot: SlotId) -> Result<()> {
        observe::operation(
            "Session::remove_slot",
            self.vault.id(),
            self.vault.remove_slot(&self.origin, slot),
        )
        .await
    }

    /// Replaces a root key by another, whatever the size of the vault: one new keyring object.
    ///
    /// This vault goes on with the root key it was opened by, so if `old` was its own, open it anew
    /// with `key` before the keyring changes again.
    ///
    /// # Errors
    ///
    /// Not found; the key's own; corrupt as for [`Session::rekey`];
    /// [`ErrorKind::NotDeleted`](crate::ErrorKind::NotDeleted) as for [`Session::remove_slot`].
    ///
    /// # Security
    ///
    /// As for [`Session::remove_slot`], of `old`.
    ///
    /// # Cancellation
    ///
    /// As [`Session::remove_slot`].
    pub async fn rotate_root(&self, old: SlotId, key: &dyn KeyWrap) -> Result<SlotId> {
        observe::operation(
            "Session::rotate_root",
            self.vault.id(),
            self.vault.rotate_root(&self.origin, old, key),
        )
        .await
    }

    /// Makes `key` the only root key, and gives the log fresh keys to sign with, in one commit: what to do when a root key
    /// is in the wrong hands.
    ///
    /// Keep the new pin and give it to everybody who opens the vault, open it anew with `key` by that pin before the keyring
    /// changes again, give the others their slots ([`Session::add_slot`]), then [`Session::rotate_epoch`]. `key` must be one
    /// that only you have; the vault must be one that you opened by a pin. What was signed before stands: check the index
    /// ([`LogReader::check_index`](crate::LogReader::check_index)), by which everything is looked up. Checkpoints and requests
    /// as after [`Session::rotate_signing_keys`].
    ///
    /// # Errors
    ///
    /// The key's own; [`ErrorKind::Contended`](crate::ErrorKind::Contended) if others kept changing the keyring;
    /// [`ErrorKind::NotDeleted`](crate::ErrorKind::NotDeleted) as for [`Session::remove_slot`]; corrupt if the keyring that the
    /// log names has not the audit and delivery keys that the vault was made with, for somebody has put theirs there: go on from
    /// a copy.
    ///
    /// # Security
    ///
    /// Whoever opened a keyring has the keys that sign the log, and can write themselves a slot into the next one: as long as
    /// the two are not replaced at once, neither [`Session::remove_slot`], [`Session::rotate_root`] nor
    /// [`Session::rotate_signing_keys`] shuts them out. What they have read and copied they keep. By a pin from before, the old
    /// keys still sign: a log of theirs opens by it.
    ///
    /// It has happened if this says `Ok`, `NotDeleted` or `PinNotSaved`. Otherwise nothing tells: not [`Vault::slots`], for they
    /// can have made a keyring for the fresh slot alone, whose keys they know. Open the vault with whichever key opens it, by
    /// the pin that you have, and call it again, with another fresh key, until it has. They may also lock every key out first:
    /// then the vault goes on from a copy.
    ///
    /// # Cancellation
    ///
    /// As after an error.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// # use docvault::{Vault, keys::LocalKey, storage::MemoryStorage};
    /// # let folder = tempfile::tempdir()?;
    /// # let key = LocalKey::create(folder.path().join("vault.key"))?;
    /// # let vault = Vault::create(MemoryStorage::default(), key).await?;
    /// let desk = vault.session("user:7f3a").purpose("a laptop was stolen").begin()?;
    /// let fresh = LocalKey::create(folder.path().join("fresh.key"))?;
    /// let slot = desk.rekey(&fresh, "office").await?;
    /// # let _ = slot;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn rekey(&self, key: &dyn KeyWrap, label: &str) -> Result<SlotId> {
        observe::operation("Session::rekey", self.vault.id(), self.vault.rekey(&self.origin, key, label))
            .await
    }

    /// Makes a fresh vault key, wraps every case's key under it and forgets the old one; gives the
    /// number of cases. Takes three reads, a write and a deletion per case; documents are not touched.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Contended`](crate::ErrorKind::Contended) if others kept changing the keyring, [`ErrorKind::Denied`](crate::ErrorKind::Denied)
    /// if they did while cases were wrapped; [`ErrorKind::NotDeleted`](crate::ErrorKind::NotDeleted); corrupt if a case's key is not authentic, or the case's head, which proves it, is missing (a copy may have it); the storage's, also once the change
    /// stands. What was begun is finished by the next rotation; old wraps that could not be deleted stay, and no keyring
    /// that stands opens them.
    ///
    /// # Cancellation
    ///
    /// Both epochs stay until a later rotation; nothing is lost.
    pub async fn rotate_epoch(&self) -> Result<u64> {
        observe::operation("Session::rotate_epoch", self.vault.id(), self.vault.rotate_epoch(&self.origin))
            .await
    }

    /// Gives the log fresh keys to sign commits and checkpoints with, from the next record on; the
    /// old ones are forgotten, and the record of the change is signed by them.
    ///
    /// A [`TrustPolicy`](crate::TrustPolicy) that was given out before knows the old key alone: witnesses refuse the new
    /// checkpoints, and a client's page the answers to a request that was signed before. So answer what is promised and close
    /// what requests are open, change the keys, then give the new line of
    /// [`LogReader::verifier_keys`](crate::LogReader::verifier_keys) to auditors and authorities behind the old one, to
    /// witnesses in its place, and ask anew.
    ///
    /// # Errors
    ///
    /// The storage's; [`ErrorKind::Contended`](crate::ErrorKind::Contended) if others kept changing the keyring; corrupt as for
    /// [`Session::rekey`]; [`ErrorKind::NotDeleted`](crate::ErrorKind::NotDeleted) once the change stands.
    ///
    /// # Security
    ///
    /// Who has stolen an old key can still sign another history that leaves the old one before the
    /// change. A pin or a receipt from after the change contradicts it, and a witness that has cosigned under the new key,
    /// so take a new pin now, and have the new checkpoint cosigned: a witness that still believes the old key may cosign
    /// theirs first, and then refuses the true one. If they have a root key too, or may have one, it takes [`Session::rekey`].
    ///
    /// # Cancellation
    ///
    /// They may be replaced or not: [`Vault::pin`] tells, by the signing epoch in its text.
    pub async fn rotate_signing_keys(&self) -> Result<()> {
        observe::operation(
            "Session::rotate_signing_keys",
            self.vault.id(),
            self.vault.rotate_signing_keys(&self.origin),
        )
        .await
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    async fn commit(&self, operation: OperationId, command: impl Command + 'static) -> Result<Committed> {
        self.vault.commit(operation, command).await
    }

    /// Puts on record what releases something. If its answer was long in coming, what others have committed
    /// meanwhile is looked at before anything is released.
    async fn commit_release(
        &self,
        operation: OperationId,
        command: impl Command + 'static,
    ) -> Result<Committed> {
        let looked = Looked::at(self.vault.now());
        let committed = self.commit(operation, command).await?;
        if looked.is_due(self.vault.now()) {
            self.vault.ledger().sync().await?;
        }
        Ok(committed)
    }

    fn operation(&self) -> Result<OperationId> {
        self.vault.ledger().operation()
    }
}
