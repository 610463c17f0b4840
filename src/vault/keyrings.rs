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
    storage::{Storage, layout},
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
}

/// The keyring opened last, and what opens the next one.
pub(crate) struct Keyrings {
    storage: Arc<dyn Storage>,
    root: Arc<dyn KeyWrap>,
    loaded: RwLock<Arc<LoadedKeyring>>,
    /// What this process made, and no root key of its own may open: the log may name it, or not, or not yet.
    made: RwLock<Vec<Made>>,
    /// The one that this process began with has turned out to be the vault's own, and so has every one since.
    proven: AtomicBool,
}

/// A keyring, and the one that it was made from: once the log names another after that, it can never name this one.
struct Made {
    from: Hash,
    keyring: Arc<LoadedKeyring>,
}

impl Keyrings {
    pub(super) fn new(storage: Arc<dyn Storage>, root: Arc<dyn KeyWrap>, loaded: LoadedKeyring) -> Self {
        let (loaded, made, proven) =
            (RwLock::new(Arc::new(loaded)), RwLock::default(), AtomicBool::new(false));
        Self { storage, root, loaded, made, proven }
    }

    pub(super) fn loaded(&self) -> Arc<LoadedKeyring> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a keyring that was made from the one with that digest, from the moment on at which the log names it.
    pub(super) fn expect(&self, from: Hash, made: LoadedKeyring) {
        self.made().push(Made { from, keyring: Arc::new(made) });
    }

    /// Forgets one that the log will never name.
    pub(super) fn give_up(&self, made: &Hash) {
        self.made().retain(|other| other.keyring.digest != *made);
    }

    fn made(&self) -> RwLockWriteGuard<'_, Vec<Made>> {
        self.made.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the place of `known`.
    fn replace(&self, known: &LoadedKeyring, loaded: Arc<LoadedKeyring>) -> Arc<LoadedKeyring> {
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded.clone();
        self.made().retain(|other| other.from != known.digest);
        loaded
    }

    /// Whether [`Keyrings::prove`] has nothing left to ask.
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
        let known = self.loaded();
        // A log without a record names no keyring: its first one is about to be written.
        if state.head.size == 0 {
            return Ok(known);
        }
        if known.digest == state.keyring() {
            return of_its_place(known, state);
        }
        let made =
            self.made().iter().map(|made| made.keyring.clone()).find(|made| made.digest == state.keyring());
        if let Some(made) = made {
            return of_its_place(self.replace(&known, made), state);
        }
        let loaded = genesis::unlock(state, &*self.storage, &*self.root).await?;
        if !are_of_one_vault(&loaded.keys, &known.keys) {
            return Err(Error::corrupt(layout::keyring(&loaded.digest)));
        }
        Ok(self.replace(&known, Arc::new(loaded)))
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
