//! The keyring that the log names, opened once for each change.

use std::sync::{Arc, PoisonError, RwLock};

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
    /// What this process made last, and no root key of its own may open: the log may name it, or not, or not yet.
    made: RwLock<Option<Arc<LoadedKeyring>>>,
}

impl Keyrings {
    pub(super) fn new(storage: Arc<dyn Storage>, root: Arc<dyn KeyWrap>, loaded: LoadedKeyring) -> Self {
        Self { storage, root, loaded: RwLock::new(Arc::new(loaded)), made: RwLock::default() }
    }

    pub(super) fn loaded(&self) -> Arc<LoadedKeyring> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a keyring from the moment on at which the log names it.
    pub(super) fn expect(&self, made: LoadedKeyring) {
        *self.made.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(made));
    }

    fn replace(&self, loaded: Arc<LoadedKeyring>) -> Arc<LoadedKeyring> {
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded.clone();
        loaded
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
        if known.digest == state.keyring() || state.head.size == 0 {
            return Ok(known);
        }
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(made) = made.filter(|made| made.digest == state.keyring()) {
            return Ok(self.replace(made));
        }
        let loaded = genesis::unlock(state, &*self.storage, &*self.root).await?;
        if !are_of_one_vault(&loaded.keys, &known.keys) {
            return Err(Error::corrupt(layout::keyring(&loaded.digest)));
        }
        Ok(self.replace(Arc::new(loaded)))
    }
}

/// Whether two keyrings have the keys that a vault never changes.
fn are_of_one_vault(one: &Keyring, other: &Keyring) -> bool {
    let audit = one.audit.expose().ct_eq(other.audit.expose());
    bool::from(audit) && one.delivery_key().verifying_key() == other.delivery_key().verifying_key()
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
