//! Changing who can open the vault, and under which epoch cases are wrapped.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    LoadedKeyring, Vault, genesis,
    replacing::{Change, RETRIES, beside, beside_what_is_left, kept_changing, stands, unless_it_stands},
};
use crate::{
    crypto::digest::sha256,
    document::within,
    error::{Error, ErrorKind, Result, both},
    ids::CaseId,
    keyring::{EPOCH_CAP, Keyring, LABEL_CAP, SLOT_CAP, Slot},
    keys::{KeyWrap, SlotKind},
    log::{leaf::Kind, row::RowKey},
    observe,
    plan::{KeyringChange, Origin, case_of},
    storage::{ObjectKey, delete_all, layout},
};

/// A keyring slot: one root key that opens the vault.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SlotId([u8; 16]);

impl core::str::FromStr for SlotId {
    type Err = crate::ids::ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        crate::ids::parse_hex(text).map(Self)
    }
}

#[cfg(feature = "serde")]
crate::ids::serialize_as_text!(SlotId);

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for SlotId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::ids::from_text(d)
    }
}

impl core::fmt::Display for SlotId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", crate::ids::Hex(&self.0))
    }
}

impl core::fmt::Debug for SlotId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SlotId({self})")
    }
}

/// Who holds a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SlotInfo {
    /// Which slot.
    pub id: SlotId,
    /// What kind of root key opens it.
    pub kind: SlotKind,
    /// What it was called when it was added.
    pub label: String,
}

impl Vault {
    /// The root keys that open the vault, recovery keys included.
    ///
    /// # Errors
    ///
    /// Corrupt; the storage's and the key's own.
    pub async fn slots(&self) -> Result<Vec<SlotInfo>> {
        observe::operation("Vault::slots", self.id(), async {
            self.ledger().sync().await?;
            Ok(slots_of(&self.current_keyring().await?.keys))
        })
        .await
    }

    /// The keyring that the log names now, loaded anew if it was changed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Locked`] if this vault's root key opens it no longer.
    pub(crate) async fn current_keyring(&self) -> Result<Arc<LoadedKeyring>> {
        let mut state = self.ledger().state();
        for _ in 0..RETRIES {
            match self.0.keyrings.at(&state).await {
                // Another process has replaced this keyring too, and deleted it.
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    let newer = self.ledger().sync().await?;
                    if newer.keyring() == state.keyring() {
                        return Err(error);
                    }
                    state = newer;
                }
                loaded => return loaded,
            }
        }
        Err(kept_changing())
    }

    pub(crate) async fn add_slot(&self, origin: &Origin, root: &dyn KeyWrap, label: &str) -> Result<SlotId> {
        within("the slot's label", label, LABEL_CAP)?;
        let slot = genesis::new_slot(self.id(), root, self.ledger().entropy()).await?;
        let id = slot.id;
        self.change_keyring(origin, KeyringChange::SlotAdded, id, |keys| {
            if keys.slots.len() >= SLOT_CAP {
                return Err(Error::denied(format!("the keyring has {SLOT_CAP} slots: remove one first")));
            }
            keys.add_slot(slot.clone(), label.to_owned())
        })
        .await?;
        Ok(SlotId(id))
    }

    pub(crate) async fn remove_slot(&self, origin: &Origin, slot: SlotId) -> Result<()> {
        self.change_keyring(origin, KeyringChange::SlotRemoved, slot.0, |keys| {
            if keys.slots.len() == 1 {
                return Err(Error::denied("the last slot stays: without it nobody could open the vault"));
            }
            if keys.remove_slot(&slot.0) { Ok(()) } else { Err(Error::not_found(format!("slot {slot}"))) }
        })
        .await
    }

    pub(crate) async fn rotate_root(
        &self,
        origin: &Origin,
        old: SlotId,
        root: &dyn KeyWrap,
    ) -> Result<SlotId> {
        let slot = genesis::new_slot(self.id(), root, self.ledger().entropy()).await?;
        let id = slot.id;
        self.change_keyring(origin, KeyringChange::RootRotated, id, |keys| {
            let label = keys.labels.iter().find(|label| label.slot == old.0).map(|label| label.text.clone());
            let label = label.ok_or_else(|| Error::not_found(format!("slot {old}")))?;
            keys.remove_slot(&old.0);
            keys.add_slot(slot.clone(), label)
        })
        .await?;
        Ok(SlotId(id))
    }

    /// Makes `root` the only root key, and gives the log fresh keys to sign with, in one commit.
    pub(crate) async fn rekey(&self, origin: &Origin, root: &dyn KeyWrap, label: &str) -> Result<SlotId> {
        within("the slot's label", label, LABEL_CAP)?;
        let slot = genesis::new_slot(self.id(), root, self.ledger().entropy()).await?;
        let mut left = Vec::new();
        let rekey = |keys: &mut Keyring| self.rekeyed(keys, &slot, label);
        let changed = self.try_to_change(origin, rekey, &mut left).await;
        changed.map_err(|error| beside_what_is_left(error, &left))?;
        Ok(SlotId(slot.id))
    }

    /// Leaves `slot` alone in `keys`, under fresh signing keys; gives the records that say so.
    fn rekeyed(&self, keys: &mut Keyring, slot: &Slot, label: &str) -> Result<Change> {
        let mut before = vec![(KeyringChange::SlotAdded, slot.id)];
        let old: Vec<_> = keys.slots.iter().map(|old| old.id).collect();
        for old in old {
            keys.remove_slot(&old);
            before.push((KeyringChange::SlotRemoved, old));
        }
        keys.add_slot(slot.clone(), label.to_owned())?;
        // What the records before the last name, under the keys that sign them. Nobody ever reads it.
        let between = sha256(&[&keys.seal(self.id(), self.ledger().entropy())?]);
        keys.rotate_signing(self.ledger().entropy())?;
        Ok(Change { before, between, ..Change::of(KeyringChange::SigningRotated) })
    }

    /// Wraps every case under a fresh epoch and forgets the old ones; gives the number of cases.
    pub(crate) async fn rotate_epoch(&self, origin: &Origin) -> Result<u64> {
        let mut left = Vec::new();
        let rotated = self.try_to_rotate(origin, &mut left).await;
        rotated.map_err(|error| beside_what_is_left(error, &left))
    }

    async fn try_to_rotate(&self, origin: &Origin, left: &mut Vec<ObjectKey>) -> Result<u64> {
        let mut added = self.add_epoch(origin, left).await?;
        if added.is_none() {
            let finished = unless_it_stands(self.finish_rotation(origin, left).await)?;
            added = beside(&finished, self.add_epoch(origin, left).await)?;
        }
        let Some(added) = added else {
            return Err(Error::denied("others keep beginning rotations that they do not finish: try again"));
        };
        beside(&added, self.finish_rotation(origin, left).await)
    }

    /// Wraps every case under the newest epoch and forgets the others; gives the number of cases.
    async fn finish_rotation(&self, origin: &Origin, left: &mut Vec<ObjectKey>) -> Result<u64> {
        let keyring = self.current_keyring().await?;
        let cases = self.rewrap_cases(&keyring).await?;
        let dropped = match self.drop_epochs(origin, &keyring, left).await {
            // It stands, and what it forgets goes, before that is told.
            Err(error) if !stands(&error) => return Err(error),
            dropped => dropped,
        };
        both(dropped, self.delete_old_wraps(&cases, &keyring).await)?;
        Ok(u64::try_from(cases.len()).unwrap_or(u64::MAX))
    }

    /// Wraps every case that the log knows by now under the keyring's newest epoch; gives which.
    async fn rewrap_cases(&self, keyring: &LoadedKeyring) -> Result<Vec<CaseId>> {
        let (state, mut cases) = (self.ledger().state(), Vec::new());
        let mut pages = self.row_pages(&state, RowKey::cases());
        while let Some(mut rows) = pages.next().await? {
            rows.retain(|row| row.kind != Kind::CaseErased);
            cases.extend(rows.iter().map(case_of));
            let wraps = rows.into_iter().map(|row| async move {
                match self.rewrap_case(row, keyring).await {
                    // Since the cases were listed. A wrap that comes too late is garbage.
                    Err(error) if error.kind() == ErrorKind::Erased => Ok(()),
                    wrapped => wrapped,
                }
            });
            stream::iter(wraps).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        }
        Ok(cases)
    }

    async fn delete_old_wraps(&self, cases: &[CaseId], keyring: &LoadedKeyring) -> Result<()> {
        for (epoch, _) in keyring.keys.epochs().skip(1) {
            let old = cases.iter().map(|case| layout::case_key(*case, epoch));
            delete_all(self.ledger().storage(), old).await?;
        }
        Ok(())
    }

    /// Adds a fresh epoch, and tells what that has left; none if as many are held as there can be, by rotations that were
    /// not finished.
    async fn add_epoch(&self, origin: &Origin, left: &mut Vec<ObjectKey>) -> Result<Option<Result<()>>> {
        let add = |keys: &mut Keyring| {
            if keys.epochs().count() >= EPOCH_CAP {
                return Err(Error::denied("too many epochs are held: finish a rotation first"));
            }
            keys.add_epoch(self.ledger().entropy())?;
            Ok(Change::of(KeyringChange::EpochAdded))
        };
        match self.try_to_change(origin, add, left).await {
            Err(error) if error.kind() == ErrorKind::Denied => {
                let full = self.current_keyring().await?.keys.epochs().count() >= EPOCH_CAP;
                if full { Ok(None) } else { Err(error) }
            }
            added => unless_it_stands(added).map(Some),
        }
    }

    /// Gives the log fresh keys to sign with; the old ones are forgotten.
    pub(crate) async fn rotate_signing_keys(&self, origin: &Origin) -> Result<()> {
        self.change_keyring(origin, KeyringChange::SigningRotated, [0; 16], |keys| {
            Ok(keys.rotate_signing(self.ledger().entropy())?)
        })
        .await
    }

    /// Drops old epochs, on exactly the keyring whose epoch all cases were wrapped under: a case
    /// opened since then is under it too, for none can be opened under another (`plan::OpenCase`).
    async fn drop_epochs(
        &self,
        origin: &Origin,
        keyring: &LoadedKeyring,
        left: &mut Vec<ObjectKey>,
    ) -> Result<()> {
        let mut keys = keyring.keys.duplicate();
        keys.drop_old_epochs();
        let dropped = Change::of(KeyringChange::EpochsDropped);
        self.replace_keyring(origin, keyring, &keys, dropped, left).await
    }
}

pub(crate) fn slots_of(keys: &Keyring) -> Vec<SlotInfo> {
    let info = |slot: &Slot| SlotInfo {
        id: SlotId(slot.id),
        kind: slot.kind,
        label: keys
            .labels
            .iter()
            .find(|label| label.slot == slot.id)
            .map(|l| l.text.clone())
            .unwrap_or_default(),
    };
    keys.slots.iter().map(info).collect()
}

/// Cases' keys wrapped at once.
const AT_ONCE: usize = 32;
