//! The keyring that the log names, opened once for each change.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;

use super::genesis;
use crate::{
    crypto::sign::SigningKey,
    error::{Error, Result},
    keyring::Keyring,
    keys::KeyWrap,
    ledger::{Signers, State},
    log::Hash,
    storage::Storage,
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
}

impl Keyrings {
    pub(super) fn new(storage: Arc<dyn Storage>, root: Arc<dyn KeyWrap>, loaded: LoadedKeyring) -> Self {
        Self { storage, root, loaded: RwLock::new(Arc::new(loaded)) }
    }

    pub(super) fn loaded(&self) -> Arc<LoadedKeyring> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn replace(&self, loaded: LoadedKeyring) -> Arc<LoadedKeyring> {
        let loaded = Arc::new(loaded);
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded.clone();
        loaded
    }

    /// The keyring that `state` names, loaded anew if it was changed.
    ///
    /// # Errors
    ///
    /// Locked if the root key opens it no longer; corrupt if it is missing, altered, or holds another
    /// signing key than the log asks for.
    pub(super) async fn at(&self, state: &State) -> Result<Arc<LoadedKeyring>> {
        let known = self.loaded();
        // A log without a record names no keyring: its first one is about to be written.
        if known.digest == state.keyring() || state.head.size == 0 {
            return Ok(known);
        }
        let loaded = genesis::unlock(state, &*self.storage, &*self.root).await?;
        Ok(self.replace(loaded))
    }
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
