//! Erasing cases, and what an erasure is worth.

use std::sync::Arc;

use futures_util::future::{try_join, try_join_all};

use super::Session;
use crate::{
    env::Timestamp,
    error::{Error, ErrorKind, Result, both},
    ids::{CaseId, OperationId},
    log::{
        leaf::Kind,
        row::{Row, RowKey},
    },
    observe,
    plan::{self, EraseCase},
    storage::layout,
};

/// What an erasure is worth, from less to more.
///
/// # Security
///
/// No level speaks of who keeps an old copy of the storage *and* a root key that opens the keyring in
/// that copy. Only destroying each such root key ends that, which the vault cannot see: after
/// [`ErasureLevel::EpochRotated`], replace the root keys ([`Session::rotate_root`]) and destroy the old ones.
/// Nor does any level speak of what was delivered or read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum ErasureLevel {
    /// The case is erased for everyone who goes through the vault, but the storage still shows objects
    /// of it: [`Session::collect_garbage`] deletes them.
    Unfinished,
    /// The storage shows no object of the case any more. That is erasure only where the backend keeps no
    /// versions and no backups: with the present keyring, a kept wrap of the case's key would open.
    Deleted,
    /// Every epoch of the keyring is newer than the erasure ([`Session::rotate_epoch`]): no wrap of the
    /// case's key opens under the present keyring, wherever a copy was kept. It does not say that the storage shows no object of
    /// the case: [`Session::collect_garbage`] deletes those, and who was delivered a document's key opens them. If the rotation died between its last record and
    /// its deletions, the keyring before is still there, which opens such a copy: the next change of the keyring deletes it.
    EpochRotated,
}

/// A case that was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Erasure {
    /// The case.
    pub case: CaseId,
    /// The record of the erasure.
    pub seq: u64,
    /// From this instant on the case is no more.
    pub time: Timestamp,
    /// Objects that this call deleted.
    pub objects_deleted: u64,
    /// What the erasure is worth now.
    pub level: ErasureLevel,
}

impl Session {
    /// Erases a closed case, for good: its key, its names, its documents and its grants.
    ///
    /// The erasure is a record first: once it stands, nothing about the case can be read, delivered or
    /// added, by any process. Then its objects are deleted, the key first. What stays are the log's
    /// entries: opaque identifiers, kinds and times, by whom and what for; what is personal in them
    /// opens no more.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Denied`] while the case is open: close it first; [`ErrorKind::Erased`] if it was erased
    /// before; not found; [`ErrorKind::PinNotSaved`] once its objects are deleted; the storage's, also after the record
    /// stands: then the case is erased, [`Session::erasure`] says how far, and [`Session::collect_garbage`] finishes it.
    ///
    /// # Security
    ///
    /// [`Erasure::level`] says what the erasure is worth. Deleting is not erasing where the backend keeps
    /// versions or backups: rotate the epoch afterwards.
    ///
    /// # Cancellation
    ///
    /// The case may be erased or not, and its objects deleted or not: [`Session::erasure`] tells.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// # use docvault::{ErasureLevel, Vault, keys::LocalKey, storage::MemoryStorage};
    /// # let folder = tempfile::tempdir()?;
    /// # let key = LocalKey::create(folder.path().join("vault.key"))?;
    /// # let vault = Vault::create(MemoryStorage::default(), key).await?;
    /// let desk = vault.session("user:7f3a").purpose("client's request").begin()?;
    /// let case = desk.create_case("Juan Pérez, crédito 0042").await?;
    /// desk.close_case(case, "withdrawn").await?;
    /// assert_eq!(desk.erase_case(case).await?.level, ErasureLevel::Deleted);
    /// desk.rotate_epoch().await?;
    /// assert_eq!(desk.erasure(case).await?.level, ErasureLevel::EpochRotated);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn erase_case(&self, case: CaseId) -> Result<Erasure> {
        observe::operation("Session::erase_case", (self.vault.id(), case), async {
            self.vault.ledger().sync().await?;
            let committed = self.commit_erasure(case).await;
            if committed.as_ref().err().is_none_or(|error| error.kind() == ErrorKind::Erased) {
                self.vault.forget_case_key(case);
            }
            let operation = committed?;
            // Before anything goes: by an older pin the log opens as if the case stood. But both are due since the record
            // stands.
            let kept = self.vault.keep_pin(operation).await;
            both(self.carry_out(case).await, kept)
        })
        .await
    }

    /// What is due once the erasure is on record.
    async fn carry_out(&self, case: CaseId) -> Result<Erasure> {
        let row = self.erased_row(case).await?;
        let objects_deleted = self.delete_case(case).await?;
        Ok(Erasure { objects_deleted, ..self.erasure_of(case, &row).await? })
    }

    /// What the erasure of a case is worth now. Releases no name and no content, so it is not on record.
    ///
    /// # Errors
    ///
    /// Not found if the case was never erased; corrupt; the storage's.
    pub async fn erasure(&self, case: CaseId) -> Result<Erasure> {
        observe::operation("Session::erasure", (self.vault.id(), case), async {
            self.vault.ledger().sync().await?;
            let row = self.erased_row(case).await?;
            // The answer to a call that erased it may have been lost.
            self.vault.forget_case_key(case);
            self.erasure_of(case, &row).await
        })
        .await
    }

    /// Puts the erasure on record, and leaves the pin to its caller.
    async fn commit_erasure(&self, case: CaseId) -> Result<OperationId> {
        for _ in 0..RETRIES {
            let loaded = self.vault.current_keyring().await?;
            let (origin, operation) = (self.origin.clone(), self.operation()?);
            let (keyring, epoch) = (loaded.digest, loaded.keys.current_epoch());
            let command = Arc::new(EraseCase { origin, operation, case, keyring, epoch });
            match self.vault.ledger().commit(operation, vec![command]).await {
                Err(error) if error.kind() == ErrorKind::Denied && self.keyring_moved(&keyring) => {}
                done => return done.map(|_| operation),
            }
        }
        Err(Error::new(ErrorKind::Contended, "the keyring kept changing; the case was not erased; try again"))
    }

    async fn erased_row(&self, case: CaseId) -> Result<Row> {
        let row = self.vault.row(&self.vault.ledger().state(), &RowKey::case(case)).await?;
        row.filter(|row| row.kind == Kind::CaseErased)
            .ok_or_else(|| Error::not_found(format!("erasure of case {case}")))
    }

    async fn erasure_of(&self, case: CaseId, row: &Row) -> Result<Erasure> {
        let level = self.level(case, row).await?;
        Ok(Erasure { case, seq: row.seq, time: row.time, objects_deleted: 0, level })
    }

    async fn level(&self, case: CaseId, row: &Row) -> Result<ErasureLevel> {
        let (keyring, newest_then) = (self.vault.current_keyring().await?, plan::epoch_of_erasure(row));
        if keyring.keys.epochs().all(|(epoch, _)| epoch > newest_then) {
            return Ok(ErasureLevel::EpochRotated);
        }
        let left = layout::OF_A_CASE.map(|prefix| async move {
            self.vault.ledger().storage().list(&layout::of_case(prefix, case), None, 1).await
        });
        let keys = self.key_objects(case).await?;
        let keys = keys.iter().map(|key| self.vault.ledger().storage().read(key, Some(0..0)));
        let (left, keys) = try_join(try_join_all(left), try_join_all(keys)).await?;
        let none = left.iter().all(Vec::is_empty) && keys.iter().all(Option::is_none);
        Ok(if none { ErasureLevel::Deleted } else { ErasureLevel::Unfinished })
    }
}

const RETRIES: u32 = 8;
