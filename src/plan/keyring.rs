//! The vault's birth, and changes of its keyring.

use async_trait::async_trait;
use bytes::Bytes;

use super::{NO_CASE, NO_HASH, Origin, draft};
use crate::{
    error::{Error, Result},
    ids::{OperationId, VaultId},
    ledger::{Command, Draft, DraftBody, View},
    log::{Hash, leaf::Kind},
    wire::Writer,
};

/// The first record.
pub(crate) struct Genesis {
    pub(crate) vault: VaultId,
    pub(crate) operation: OperationId,
    pub(crate) statement: Bytes,
    pub(crate) keyring: Hash,
}

#[async_trait]
impl Command for Genesis {
    async fn plan(&self, _: &View<'_>) -> Result<Draft> {
        Ok(Draft {
            kind: Kind::Genesis,
            case: NO_CASE,
            object: *self.vault.as_bytes(),
            auxiliary: [0; 32],
            operation: self.operation,
            effect: self.keyring,
            state_root: NO_HASH,
            body: DraftBody::Plain(self.statement.clone()),
        })
    }
}

/// What changes in a keyring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyringChange {
    SlotAdded,
    SlotRemoved,
    RootRotated,
    EpochAdded,
    EpochsDropped,
    SigningRotated,
}

impl KeyringChange {
    const fn code(self) -> u8 {
        match self {
            Self::SlotAdded => 1,
            Self::SlotRemoved => 2,
            Self::RootRotated => 3,
            Self::EpochAdded => 4,
            Self::EpochsDropped => 5,
            Self::SigningRotated => 6,
        }
    }
}

/// Replaces the keyring by one that was made from it.
pub(crate) struct ChangeKeyring {
    pub(crate) origin: Origin,
    pub(crate) operation: OperationId,
    pub(crate) from: Hash,
    pub(crate) to: Hash,
    pub(crate) change: KeyringChange,
    pub(crate) slot: [u8; 16],
    pub(crate) epoch: u32,
    /// Commit key and checkpoint key of the new keyring, if they are fresh.
    pub(crate) signing: Option<[Hash; 2]>,
}

#[async_trait]
impl Command for ChangeKeyring {
    async fn plan(&self, view: &View<'_>) -> Result<Draft> {
        if view.keyring() != self.from {
            return Err(Error::denied("the keyring was changed by another: try again on the new one"));
        }
        let mut w = Writer::new();
        w.u8(self.change.code()).fixed(&self.slot).u32(self.epoch);
        let kind = if self.signing.is_some() { Kind::SigningKeys } else { Kind::Keyring };
        let [auxiliary, state_root] = self.signing.unwrap_or_default();
        let changed = draft(&self.origin, kind, self.operation, w.into_vec());
        Ok(Draft { effect: self.to, auxiliary, state_root, ..changed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_a_keyring_have_the_formats_numbers() {
        use KeyringChange::{EpochAdded, EpochsDropped, RootRotated, SigningRotated, SlotAdded, SlotRemoved};
        let changes = [SlotAdded, SlotRemoved, RootRotated, EpochAdded, EpochsDropped, SigningRotated];
        assert_eq!(changes.map(KeyringChange::code), [1, 2, 3, 4, 5, 6]);
    }
}
