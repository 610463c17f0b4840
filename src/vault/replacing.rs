//! Replacing the keyring: its object, its records, and what goes then.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::{StreamExt, stream};

use super::{LoadedKeyring, Vault};
use crate::{
    crypto::digest::sha256,
    error::{Error, ErrorKind, Result, both},
    ids::OperationId,
    keyring::Keyring,
    ledger::{Command, State},
    log::{Hash, body, commit::Hashed, leaf::BodyForm, statement::Statement},
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
        self.prove_keyring(from).await?;
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
        self.0.keyrings.expect(from.digest, LoadedKeyring::new(to, keys.duplicate()));
        if let Err(refused) = done.await {
            if !may_land(&refused) {
                self.0.keyrings.give_up(&to);
                left.extend(self.withdraw(name).await);
            }
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
    async fn withdraw(&self, keyring: ObjectKey) -> Option<ObjectKey> {
        let deleted = self.delete_keyrings(core::slice::from_ref(&keyring)).await;
        deleted.is_err().then_some(keyring)
    }

    /// Sees, before the first change that this process makes, that the keyring it began with has the keys that a vault never
    /// changes: whoever has a seed that signs the log can have it name one of their own, whose successor would be the end of
    /// the true one. Needs no tile, which may be lost.
    ///
    /// # Errors
    ///
    /// Corrupt if it has not, or the log's first records are missing; the storage's.
    async fn prove_keyring(&self, keyring: &LoadedKeyring) -> Result<()> {
        if self.0.keyrings.is_proven() {
            return Ok(());
        }
        let mut state = self.ledger().state();
        let mut wrote = self.wrote_the_first_records(&state, &keyring.keys).await;
        while let Some(newer) = self.superseding(state.manifest.covered(), &wrote).await? {
            state = newer;
            wrote = self.wrote_the_first_records(&state, &keyring.keys).await;
        }
        if !wrote? {
            return Err(Error::new(ErrorKind::Corrupt, NOT_THE_VAULTS));
        }
        self.0.keyrings.is_the_vaults();
        Ok(())
    }

    /// Whether the first record states the delivery key, and the audit key opens the first sealed one.
    async fn wrote_the_first_records(&self, state: &State, keys: &Keyring) -> Result<bool> {
        let (delivery, mut wrote) = (keys.delivery_key().verifying_key(), true);
        let mut visit = |record: &Hashed, sealed: &[u8]| {
            wrote &= match record.leaf.form {
                BodyForm::Plain => Statement::parse(sealed).is_ok_and(|stated| stated.delivery == delivery),
                _ => body::open(self.id(), &record.leaf, &keys.audit, sealed).is_ok(),
            };
            Ok(())
        };
        self.ledger().records(state, 0..state.head.size.min(2), &mut visit).await?;
        Ok(wrote)
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

/// Whether the change that ended in this error may be on record, or come to be.
fn may_land(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::OutcomeUnknown(_))
}

/// Whether the change that ended in this error is on record.
pub(super) fn stands(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotDeleted(_) | ErrorKind::PinNotSaved(_))
}

/// An error if it did not happen. What a change that stands has left, the change that follows it makes up for, for it
/// deletes superseded keyrings and saves a pin, too: that is told [`beside`] what the next one says, if that fails.
pub(super) fn unless_it_stands<T>(changed: Result<T>) -> Result<Result<()>> {
    match changed {
        Err(error) if !stands(&error) => Err(error),
        changed => Ok(changed.map(drop)),
    }
}

/// What came of the second of two changes, and beside it what the first has left, unless that was made up for.
pub(super) fn beside<T>(left: &Result<()>, second: Result<T>) -> Result<T> {
    match (left, second) {
        (Err(left), Err(error)) if !stands(&error) => Err(error.beside(left)),
        (_, second) => second,
    }
}

pub(super) fn beside_what_is_left(error: Error, left: &[ObjectKey]) -> Error {
    // That kind says it.
    let told = matches!(error.kind(), ErrorKind::NotDeleted(_));
    if left.is_empty() || told { error } else { error.beside(&Error::new(ErrorKind::Storage, LEFT)) }
}

const NOT_THE_VAULTS: &str = "the keyring that the log names has not the keys that the vault was made with: somebody has put \
                              theirs there; nothing was changed; go on from a copy (`Vault::copy_to`)";
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
    use crate::{
        env::SystemEntropy,
        keys::LocalKey,
        storage::{MemoryStorage, Storage},
    };

    // Where they begin in a keyring's contents (FORMAT §4.2).
    const AUDIT_KEY: usize = 0;
    const DELIVERY_SEED: usize = 68;
    const FIRST_EPOCH: usize = 172;

    /// A vault whose keyring somebody else had, who signs a record that names one of their making, with the owner's slots in
    /// it: as a process has it that was open, and as one does that opens by the pin from before.
    async fn robbed(
        storage: &Arc<MemoryStorage>,
        make: impl Fn(&Vault, &Keyring) -> Keyring,
    ) -> [Result<Vault>; 2] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let key = LocalKey::create(&path).expect("a key");
        let vault = Vault::create(storage.clone(), key).await.expect("a vault");
        let session = vault.session("a").purpose("p").begin().expect("a session");
        session.create_case("c").await.expect("a case");
        let another = async || {
            let key = LocalKey::load(&path).expect("the key");
            Vault::open(storage.clone(), key, &vault.pin()).await
        };
        let owner = another().await;
        let from = vault.current_keyring().await.expect("a keyring");
        let made = make(&vault, &from.keys);
        let object = made.seal(vault.id(), &SystemEntropy).expect("entropy");
        let (to, operation) = (sha256(&[&object]), vault.ledger().operation().expect("entropy"));
        vault.ledger().put(&layout::keyring(&to), object).await.expect("memory");
        let (origin, change) = (session.origin().clone(), KeyringChange::EpochAdded);
        let (from, epoch) = (from.digest, made.current_epoch());
        let command =
            ChangeKeyring { origin, operation, from, to, change, slot: [0; 16], epoch, signing: None };
        vault.ledger().commit(operation, vec![Arc::new(command)]).await.expect("the seed signs it");
        [owner, another().await]
    }

    /// What the owner's rekeying comes to then, and how many keyrings are there.
    async fn named(make: impl Fn(&Vault, &Keyring) -> Keyring) -> ([Option<ErrorKind>; 2], usize) {
        let storage = Arc::<MemoryStorage>::default();
        let mut kinds = [None; 2];
        for (opened, kind) in robbed(&storage, make).await.into_iter().zip(&mut kinds) {
            let fresh = tempfile::tempdir().expect("a folder");
            let fresh = LocalKey::create(fresh.path().join("fresh")).expect("a key");
            let rekeyed = match opened.map(|owner| owner.session("b").purpose("q").begin()) {
                Ok(session) => session.expect("a session").rekey(&fresh, "x").await.map(drop),
                Err(error) => Err(error),
            };
            *kind = rekeyed.err().map(|error| error.kind());
        }
        let keyrings = storage.list(layout::KEYRINGS, None, LISTED).await.expect("memory");
        (kinds, keyrings.len())
    }

    /// With another byte of the keyring's contents.
    fn other_at(at: usize) -> impl Fn(&Vault, &Keyring) -> Keyring {
        move |_: &Vault, keys: &Keyring| {
            let mut contents = keys.contents();
            contents[at] ^= 1;
            Keyring::read(&contents, |_| keys.slots.clone()).expect("it reads")
        }
    }

    #[test]
    fn deliveries_of_a_thiefs_key_are_seen_by_who_verifies_the_log_whole() {
        futures_lite::future::block_on(async {
            for (at, refused) in [(DELIVERY_SEED, Some(ErrorKind::Corrupt)), (FIRST_EPOCH, None)] {
                let [_, opened] = robbed(&Arc::default(), other_at(at)).await;
                let vault = opened.expect("who has opened no keyring before has nothing to compare it with");
                let verified = vault.audit().verify_from_genesis().await;
                assert_eq!(verified.err().map(|error| error.kind()), refused, "{at}");
            }
        });
    }

    #[test]
    fn keys_of_a_thiefs_making_are_not_carried_on() {
        futures_lite::future::block_on(async {
            let refused = ([Some(ErrorKind::Corrupt); 2], 2);
            for at in [AUDIT_KEY, DELIVERY_SEED] {
                assert_eq!(named(other_at(at)).await, refused, "{at}");
            }
            let (kinds, keyrings) = named(other_at(FIRST_EPOCH)).await;
            assert_eq!((kinds[0], keyrings), (Some(ErrorKind::Corrupt), 1));
            let last_epoch = |vault: &Vault, keys: &Keyring| {
                let mut other = keys.duplicate();
                while u64::from(other.current_epoch()) <= vault.ledger().state().head.size {
                    other.add_epoch(&SystemEntropy).expect("entropy");
                }
                let over = other.add_epoch(&SystemEntropy).expect("entropy");
                assert!(u64::from(over) > vault.ledger().state().head.size + 1);
                other
            };
            assert_eq!(named(last_epoch).await, refused);
            let signing = |_: &Vault, keys: &Keyring| {
                let mut other = keys.duplicate();
                other.rotate_signing(&SystemEntropy).expect("entropy");
                other
            };
            assert_eq!(named(signing).await, refused);
            // One that adds an epoch, and nothing else, is the vault's own.
            let own = |_: &Vault, keys: &Keyring| {
                let mut other = keys.duplicate();
                other.add_epoch(&SystemEntropy).expect("entropy");
                other
            };
            assert_eq!(named(own).await, ([None, Some(ErrorKind::Locked)], 1));
        });
    }

    /// Whoever has had every keyring names one from before a change of keys again, which a process that has slept still
    /// knows.
    #[test]
    fn a_keyring_of_an_earlier_place_is_not_taken_up_again() {
        futures_lite::future::block_on(async {
            let (storage, folder) = (Arc::<MemoryStorage>::default(), tempfile::tempdir().expect("a folder"));
            let path = folder.path().join("key");
            let vault = Vault::create(storage.clone(), LocalKey::create(&path).expect("a key")).await;
            let vault = vault.expect("a vault");
            let key = LocalKey::load(&path).expect("the key");
            let slept = Vault::open(storage.clone(), key, &vault.pin()).await.expect("it opens");
            let known = slept.keyring();
            let session = vault.session("a").purpose("p").begin().expect("a session");
            session.rotate_signing_keys().await.expect("fresh keys");
            let ledger = vault.ledger();
            let (from, operation) = (ledger.state().keyring(), ledger.operation().expect("entropy"));
            let (origin, change) = (session.origin().clone(), KeyringChange::EpochAdded);
            let (to, epoch) = (known.digest, known.keys.current_epoch());
            let command =
                ChangeKeyring { origin, operation, from, to, change, slot: [0; 16], epoch, signing: None };
            ledger.commit(operation, vec![Arc::new(command)]).await.expect("the seed signs it");
            slept.sync().await.expect("it is signed");
            assert_eq!(slept.ledger().state().keyring(), known.digest);
            assert_eq!(slept.slots().await.expect_err("of an earlier place").kind(), ErrorKind::Corrupt);
        });
    }
}
