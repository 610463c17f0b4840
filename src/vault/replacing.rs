//! Replacing the keyring: its object, its records, and what goes then.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::{StreamExt, stream};

use super::{LoadedKeyring, Vault};
use crate::{
    crypto::digest::sha256,
    error::{Error, ErrorKind, Result, both},
    ids::OperationId,
    keyring::Keyring,
    ledger::Command,
    log::Hash,
    plan::{ChangeKeyring, KeyringChange, Origin},
    storage::{ObjectKey, StorageError, layout},
};

impl Vault {
    pub(super) async fn change_keyring(
        &self,
        origin: &Origin,
        change: KeyringChange,
        slot: [u8; 16],
        mutate: impl Fn(&mut Keyring) -> Result<()>,
    ) -> Result<()> {
        let mut left = Vec::new();
        let make = move |keys: &mut Keyring| {
            mutate(keys)?;
            Ok(Change { last: (change, slot), ..Change::of(change) })
        };
        let changed = self.try_to_change(origin, make, &mut left).await;
        changed.map_err(|error| beside_what_is_left(error, &left))
    }

    pub(super) async fn try_to_change(
        &self,
        origin: &Origin,
        make: impl Fn(&mut Keyring) -> Result<Change>,
        left: &mut Vec<ObjectKey>,
    ) -> Result<()> {
        // What this process knows may be old, and a refusal would rest on it.
        self.ledger().sync().await?;
        for _ in 0..RETRIES {
            let from = self.current_keyring().await?;
            let mut keys = from.keys.duplicate();
            let change = make(&mut keys)?;
            match self.replace_keyring(origin, &from, &keys, change, left).await {
                // Somebody else's change came first: make this one on top of it.
                Err(error)
                    if error.kind() == ErrorKind::Denied
                        && self.ledger().state().keyring() != from.digest => {}
                done => return done,
            }
        }
        Err(kept_changing())
    }

    /// Puts `keys` in the place of `from`. What could not be deleted, of keyrings that were superseded and of one whose
    /// change was refused, is `left` for the next one.
    pub(super) async fn replace_keyring(
        &self,
        origin: &Origin,
        from: &LoadedKeyring,
        keys: &Keyring,
        change: Change,
        left: &mut Vec<ObjectKey>,
    ) -> Result<()> {
        let object = keys.seal(self.id(), self.ledger().entropy())?;
        let to = sha256(&[&object]);
        // All of these were made from `from` or before it, and a change is planned on exactly the keyring
        // it was made from: once this one stands, none of them can be named any more.
        let mut superseded = self.ledger().storage().list(layout::KEYRINGS, None, LISTED).await?;
        // A listing may lag.
        superseded.push(layout::keyring(&from.digest));
        let name = layout::keyring(&to);
        let operation = self.ledger().operation()?;
        let commands = self.commands(origin, (from.digest, to), keys, change, operation)?;
        let done = async {
            self.ledger().put(&name, object).await?;
            self.ledger().commit(operation, commands).await
        };
        self.0.keyrings.expect(LoadedKeyring::new(to, keys.duplicate()));
        if let Err(refused) = done.await {
            left.extend(self.withdraw(name, &refused).await);
            return Err(refused);
        }
        // The log names another one now; what a removed key could open goes.
        superseded.append(left);
        superseded.retain(|old| *old != name);
        let deleted = self.delete_keyrings(&superseded).await;
        if deleted.is_err() {
            left.append(&mut superseded);
        }
        let deleted = deleted.map_err(|error| Error::not_deleted(operation, error.into()));
        // Both may fail, and both are due since the record stands.
        both(deleted, self.keep_pin(operation).await)
    }

    /// The records that lead from one keyring to the other; the last is `operation`.
    fn commands(
        &self,
        origin: &Origin,
        (mut from, to): (Hash, Hash),
        keys: &Keyring,
        change: Change,
        operation: OperationId,
    ) -> Result<Vec<Arc<dyn Command>>> {
        let mut records = Vec::new();
        for said in change.before {
            records.push((said, change.between, self.ledger().operation()?));
        }
        records.push((change.last, to, operation));
        let epoch = keys.current_epoch();
        let fresh = || [keys.commit_key(), keys.checkpoint_key()].map(|key| key.verifying_key().to_bytes());
        let command = |((change, slot), to, operation)| -> Arc<dyn Command> {
            let signing = (change == KeyringChange::SigningRotated).then(fresh);
            let from = core::mem::replace(&mut from, to);
            Arc::new(ChangeKeyring {
                origin: origin.clone(),
                operation,
                from,
                to,
                change,
                slot,
                epoch,
                signing,
            })
        };
        Ok(records.into_iter().map(command).collect())
    }

    /// Deletes the keyring of a change that can never land; gives its name if it is still there. The slots in it are those
    /// that the change began from: a key that was removed meanwhile opens it.
    async fn withdraw(&self, keyring: ObjectKey, refused: &Error) -> Option<ObjectKey> {
        let may_land = matches!(refused.kind(), ErrorKind::OutcomeUnknown(_));
        if !may_land && self.delete_keyrings(core::slice::from_ref(&keyring)).await.is_err() {
            return Some(keyring);
        }
        None
    }

    /// Deletes keyrings that nothing names any more; an error if one of them is still there.
    async fn delete_keyrings(&self, keyrings: &[ObjectKey]) -> Result<(), StorageError> {
        let keyrings: BTreeSet<ObjectKey> = keyrings.iter().cloned().collect();
        let storage = self.ledger().storage();
        let deletions = keyrings.into_iter().map(|old| async move {
            let error = storage.delete(&old).await.err()?;
            // It may have gone all the same.
            let gone = matches!(storage.read(&old, Some(0..0)).await, Ok(None));
            Some(error).filter(|_| !gone)
        });
        let failed: Vec<_> = stream::iter(deletions).buffer_unordered(AT_ONCE).collect().await;
        failed.into_iter().flatten().next().map_or(Ok(()), Err)
    }
}

/// What the records of one commit say of a keyring that is replaced.
pub(super) struct Change {
    /// Name the keyring `between`.
    pub(super) before: Vec<(KeyringChange, [u8; 16])>,
    pub(super) between: Hash,
    /// Names the new one.
    pub(super) last: (KeyringChange, [u8; 16]),
}

impl Change {
    /// One that is about no slot.
    pub(super) const fn of(change: KeyringChange) -> Self {
        Self { before: Vec::new(), between: [0; 32], last: (change, [0; 16]) }
    }
}

pub(super) fn kept_changing() -> Error {
    Error::new(ErrorKind::Contended, "the keyring kept being changed by others; nothing was changed")
}

/// Whether the change that ended in this error is on record.
pub(super) fn stands(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotDeleted(_) | ErrorKind::PinNotSaved(_))
}

/// An error if it did not happen. What a change left that stands, the change that follows it makes up for, and tells: it
/// deletes superseded keyrings and saves a pin, too.
pub(super) fn unless_it_stands<T>(changed: Result<T>) -> Result<()> {
    match changed {
        Err(error) if !stands(&error) => Err(error),
        _ => Ok(()),
    }
}

pub(super) fn beside_what_is_left(error: Error, left: &[ObjectKey]) -> Error {
    // That kind says it.
    let told = matches!(error.kind(), ErrorKind::NotDeleted(_));
    if left.is_empty() || told { error } else { error.beside(&Error::new(ErrorKind::Storage, LEFT)) }
}

const LEFT: &str = "a keyring that the log does not name was not deleted, which a key opens that was removed: the next \
                    change of the keyring deletes it";
pub(super) const RETRIES: u32 = 8;
/// Superseded keyrings deleted at once; more are left to the next change.
const LISTED: usize = 1000;
/// Keyrings deleted at once.
const AT_ONCE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{env::SystemEntropy, keys::LocalKey, storage::MemoryStorage};

    /// Whoever had a keyring signs a record that names one of their making, with the owner's slots in it.
    async fn named(
        storage: Arc<MemoryStorage>,
        make: impl Fn(&Vault, &Keyring) -> Keyring,
    ) -> (ErrorKind, ErrorKind) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let key = LocalKey::create(&path).expect("a key");
        let vault = Vault::create(storage.clone(), key).await.expect("a vault");
        let another = async || {
            let key = LocalKey::load(&path).expect("the key");
            Vault::open(storage.clone(), key, &vault.pin()).await
        };
        let owner = another().await.expect("it opens");
        let from = vault.current_keyring().await.expect("a keyring");
        let made = make(&vault, &from.keys);
        let object = made.seal(vault.id(), &SystemEntropy).expect("entropy");
        let (to, operation) = (sha256(&[&object]), vault.ledger().operation().expect("entropy"));
        vault.ledger().put(&layout::keyring(&to), object).await.expect("memory");
        let session = vault.session("a").purpose("p").begin().expect("a session");
        let (origin, change) = (session.origin().clone(), KeyringChange::EpochAdded);
        let (from, epoch) = (from.digest, made.current_epoch());
        let command =
            ChangeKeyring { origin, operation, from, to, change, slot: [0; 16], epoch, signing: None };
        vault.ledger().commit(operation, vec![Arc::new(command)]).await.expect("the seed signs it");
        let fresh = LocalKey::create(folder.path().join("fresh")).expect("a key");
        let session = owner.session("b").purpose("q").begin().expect("a session");
        let rekeyed = session.rekey(&fresh, "x").await.expect_err("keys of another's making");
        (rekeyed.kind(), another().await.err().map_or(ErrorKind::NotFound, |error| error.kind()))
    }

    #[test]
    fn keys_of_a_thiefs_making_are_not_carried_on() {
        futures_lite::future::block_on(async {
            let none = Arc::<MemoryStorage>::default;
            let corrupt = ErrorKind::Corrupt;
            // Where the audit key, and the delivery seed, begin (FORMAT §4.2).
            for at in [0, 68] {
                let other = |_: &Vault, keys: &Keyring| {
                    let mut contents = keys.contents();
                    contents[at] ^= 1;
                    Keyring::read(&contents, |_| keys.slots.clone()).expect("it reads")
                };
                assert_eq!(named(none(), other).await.0, corrupt);
            }
            let last_epoch = |vault: &Vault, keys: &Keyring| {
                let mut other = keys.duplicate();
                while u64::from(other.current_epoch()) <= vault.ledger().state().head.size {
                    other.add_epoch(&SystemEntropy).expect("entropy");
                }
                let over = other.add_epoch(&SystemEntropy).expect("entropy");
                assert!(u64::from(over) > vault.ledger().state().head.size + 1);
                other
            };
            assert_eq!(named(none(), last_epoch).await, (corrupt, corrupt));
            let signing = |_: &Vault, keys: &Keyring| {
                let mut other = keys.duplicate();
                other.rotate_signing(&SystemEntropy).expect("entropy");
                other
            };
            assert_eq!(named(none(), signing).await, (corrupt, corrupt));
        });
    }
}
