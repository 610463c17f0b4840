//! The keyring that the log names, opened once for each change.

use std::sync::{
    Arc, PoisonError, RwLock, RwLockWriteGuard,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use subtle::ConstantTimeEq;

use super::genesis;
use crate::{
    crypto::sign::SigningKey,
    error::{Error, Result},
    keyring::Keyring,
    keys::KeyWrap,
    ledger::{Signers, State},
    log::Hash,
    secret::Secret,
    storage::{ObjectKey, Storage, layout},
};

/// An open keyring and the object it came from.
pub(crate) struct LoadedKeyring {
    pub(crate) digest: Hash,
    pub(crate) keys: Keyring,
    signer: Arc<SigningKey>,
}

impl LoadedKeyring {
    pub(crate) fn new(digest: Hash, keys: Keyring) -> Self {
        let signer = Arc::new(keys.commit_key());
        Self { digest, keys, signer }
    }

    /// Whether this is the name of a case's key under an epoch that is older than all that are held.
    pub(crate) fn has_dropped(&self, key: &ObjectKey) -> bool {
        let oldest = self.keys.epochs().last();
        layout::epoch_of(key).zip(oldest).is_some_and(|(epoch, (oldest, _))| epoch < oldest)
    }
}

/// The keyring opened last, and what opens the next one.
pub(crate) struct Keyrings {
    storage: Arc<dyn Storage>,
    root: Arc<dyn KeyWrap>,
    known: RwLock<Known>,
    /// The one that this process began with has turned out to be the vault's own, and so has every one since.
    proven: AtomicBool,
}

/// What this process has open.
struct Known {
    loaded: Arc<LoadedKeyring>,
    /// What it made, and no root key of its own may open: the log may name it, or not, or not yet.
    made: Vec<Made>,
}

/// A keyring, and the one that it was made from: once the log names another after that, it can never name this one.
struct Made {
    from: Hash,
    keyring: Arc<LoadedKeyring>,
}

impl Keyrings {
    pub(super) fn new(storage: Arc<dyn Storage>, root: Arc<dyn KeyWrap>, loaded: LoadedKeyring) -> Self {
        let known = Known { loaded: Arc::new(loaded), made: Vec::new() };
        Self { storage, root, known: RwLock::new(known), proven: AtomicBool::new(false) }
    }

    pub(super) fn loaded(&self) -> Arc<LoadedKeyring> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).loaded.clone()
    }

    /// Takes a keyring that was made from the one with that digest, from the moment on at which the log names it.
    pub(super) fn expect(&self, from: Hash, made: LoadedKeyring) {
        self.known().made.push(Made { from, keyring: Arc::new(made) });
    }

    /// Forgets one that the log will never name.
    pub(super) fn give_up(&self, made: &Hash) {
        self.known().made.retain(|other| other.keyring.digest != *made);
    }

    fn known(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the place of the one with the digest `known`, if that is still there: who opened a keyring slowly must not put
    /// it back over one that has followed it.
    fn replace(&self, known: &Hash, opened: Arc<LoadedKeyring>) -> Arc<LoadedKeyring> {
        let mut now = self.known();
        if now.loaded.digest == *known {
            now.loaded = opened.clone();
            now.made.retain(|other| other.from != *known);
        }
        opened
    }

    /// Whether it was seen already that the one it began with is the vault's own.
    pub(super) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    /// Notes that the one that is loaded is the vault's own.
    pub(super) fn is_the_vaults(&self) {
        self.proven.store(true, Ordering::Relaxed);
    }

    /// The keyring that `state` names, loaded anew if it was changed.
    ///
    /// # Errors
    ///
    /// Locked if the root key opens it no longer; corrupt if it is missing, altered, or holds other keys than a vault
    /// keeps for ever.
    pub(super) async fn at(&self, state: &State) -> Result<Arc<LoadedKeyring>> {
        let (known, made) = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            let made =
                known.made.iter().map(|made| &made.keyring).find(|made| made.digest == state.keyring());
            (known.loaded.clone(), made.cloned())
        };
        // A log without a record names no keyring: its first one is about to be written.
        if state.head.size == 0 {
            return Ok(known);
        }
        if known.digest == state.keyring() {
            return of_its_place(known, state);
        }
        if let Some(made) = made {
            return of_its_place(self.replace(&known.digest, made), state);
        }
        let opened = genesis::unlock(state, &*self.storage, &*self.root).await?;
        if !are_of_one_vault(&opened.keys, &known.keys) {
            return Err(Error::corrupt(layout::keyring(&opened.digest)));
        }
        Ok(self.replace(&known.digest, Arc::new(opened)))
    }
}

/// The keyring, if a log that has come as far as `state` can name it: whoever has a seed that signs the log can have it name
/// any, also one of an earlier place.
fn of_its_place(keyring: Arc<LoadedKeyring>, state: &State) -> Result<Arc<LoadedKeyring>> {
    if keyring.keys.signing_epoch() == state.log_key.epoch {
        Ok(keyring)
    } else {
        Err(Error::corrupt(layout::keyring(&keyring.digest)))
    }
}

/// Whether two keyrings have the keys that a vault never changes, and one key for each epoch that both have.
fn are_of_one_vault(one: &Keyring, other: &Keyring) -> bool {
    let is_same = |key: &Secret<32>, other: &Secret<32>| bool::from(key.expose().ct_eq(other.expose()));
    let mut epochs = one.epochs();
    is_same(&one.audit, &other.audit)
        && one.delivery_key().verifying_key() == other.delivery_key().verifying_key()
        && epochs.all(|(epoch, key)| other.epoch_key(epoch).is_none_or(|other| is_same(key, other)))
}

#[async_trait]
impl Signers for Keyrings {
    async fn signer(&self, state: &State) -> Result<Arc<SigningKey>> {
        let loaded = self.at(state).await?;
        // The keyring is authentic by the log, and the log by this key: they must agree.
        let same = loaded.keys.signing_epoch() == state.log_key.epoch
            && loaded.signer.verifying_key() == state.log_key.key;
        if same { Ok(loaded.signer.clone()) } else { Err(Error::corrupt("the keyring's signing key")) }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::{
        env::SystemEntropy, error::ErrorKind, ids::VaultId, keys::LocalKey, log::signing::LogKey,
        storage::MemoryStorage,
    };

    #[test]
    fn a_keyring_that_signs_by_another_key_than_the_logs_signs_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = LocalKey::create(folder.path().join("key")).expect("a key");
        let [own, other] = [(); 2].map(|()| Keyring::generate(&SystemEntropy).expect("entropy"));
        let [of_own, of_other] = [&own, &other].map(|keys| {
            State::empty(VaultId::from_bytes([1; 16]), LogKey::first(keys.commit_key().verifying_key()))
        });
        let loaded = LoadedKeyring::new([1; 32], own);
        let keyrings = Keyrings::new(Arc::new(MemoryStorage::default()), Arc::new(root), loaded);
        assert_eq!(block_on(keyrings.signer(&of_own)).expect("its own").verifying_key(), of_own.log_key.key);
        let refused = block_on(keyrings.signer(&of_other)).expect_err("another log's");
        assert_eq!(refused.kind(), ErrorKind::Corrupt);
    }
}
