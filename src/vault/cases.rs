//! Case keys: made, found, kept (FORMAT §4.4).

use core::fmt;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

use super::{LoadedKeyring, Vault};
use crate::{
    FORMAT, SUITE,
    crypto::{
        chunked::OpenError,
        schedule,
        wrap::{self, WRAPPED_LEN},
    },
    env::{Entropy, EntropyError},
    error::{Error, Result},
    ids::{CaseId, VaultId},
    ledger,
    secret::Secret,
    storage::layout,
    wire::{Malformed, Reader, Writer},
};

/// Case keys in memory, wiped when evicted. A case has one key for life, so none is ever stale.
#[derive(Default)]
pub(super) struct CaseKeys(Mutex<Cached>);

#[derive(Default)]
struct Cached {
    keys: HashMap<CaseId, Arc<Secret<32>>>,
    order: VecDeque<CaseId>,
}

impl fmt::Debug for CaseKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CaseKeys([REDACTED])")
    }
}

impl CaseKeys {
    fn get(&self, case: CaseId) -> Option<Arc<Secret<32>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys.get(&case).cloned()
    }

    fn insert(&self, case: CaseId, key: &Arc<Secret<32>>) {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.keys.insert(case, key.clone()).is_none() {
            cached.order.push_back(case);
        }
        if cached.order.len() > CACHED
            && let Some(oldest) = cached.order.pop_front()
        {
            cached.keys.remove(&oldest);
        }
    }
}

impl Vault {
    /// The key of a case that the log holds.
    ///
    /// # Errors
    ///
    /// Corrupt if no epoch of the keyring opens it.
    pub(crate) async fn case_key(&self, case: CaseId) -> Result<Arc<Secret<32>>> {
        if let Some(key) = self.0.case_keys.get(case) {
            return Ok(key);
        }
        let keyring = self.current_keyring().await?;
        let key = Arc::new(self.load_case_key(case, &keyring).await?);
        self.0.case_keys.insert(case, &key);
        Ok(key)
    }

    /// Stores a new case's key under the keyring's current epoch.
    ///
    /// # Errors
    ///
    /// The storage's.
    pub(crate) async fn put_case_key(
        &self,
        case: CaseId,
        key: &Secret<32>,
        keyring: &LoadedKeyring,
    ) -> Result<()> {
        let epoch = keyring.keys.current_epoch();
        let epoch_key =
            keyring.keys.epoch_key(epoch).ok_or_else(|| Error::corrupt("the keyring's epochs"))?;
        let object = seal(self.id(), case, epoch, epoch_key, key, self.ledger().entropy())?;
        self.ledger().put(&layout::case_key(case, epoch), object).await
    }

    async fn load_case_key(&self, case: CaseId, keyring: &LoadedKeyring) -> Result<Secret<32>> {
        for (epoch, epoch_key) in keyring.keys.epochs() {
            let name = layout::case_key(case, epoch);
            if let Some(object) = self.ledger().storage().read(&name, None).await? {
                return open(self.id(), case, epoch, epoch_key, &object)
                    .map_err(|OpenError| Error::corrupt(format!("object {name}")));
            }
        }
        Err(Error::corrupt(format!("the key of case {case}")))
    }

    /// Wraps a case's key under the current epoch too, if it is not yet.
    ///
    /// # Errors
    ///
    /// Corrupt; the storage's.
    pub(super) async fn rewrap_case(&self, case: CaseId, keyring: &LoadedKeyring) -> Result<()> {
        let epoch = keyring.keys.current_epoch();
        let name = layout::case_key(case, epoch);
        let epoch_key =
            keyring.keys.epoch_key(epoch).ok_or_else(|| Error::corrupt("the keyring's epochs"))?;
        if let Some(object) = self.ledger().storage().read(&name, None).await? {
            // Written by an earlier try, or by another process: authentic, or an error.
            let opened = open(self.id(), case, epoch, epoch_key, &object);
            return opened.map(drop).map_err(|OpenError| Error::corrupt(format!("object {name}")));
        }
        let key = self.load_case_key(case, keyring).await?;
        let object = seal(self.id(), case, epoch, epoch_key, &key, self.ledger().entropy())?;
        match ledger::put(self.ledger().storage(), self.ledger().sleeper(), &name, object).await {
            Ok(()) => Ok(()),
            Err(error) => match self.ledger().storage().read(&name, None).await? {
                // Another process wrapped the same key in the same place at the same time.
                Some(object) if open(self.id(), case, epoch, epoch_key, &object).is_ok() => Ok(()),
                _ => Err(error),
            },
        }
    }
}

fn seal(
    vault: VaultId,
    case: CaseId,
    epoch: u32,
    epoch_key: &Secret<32>,
    key: &Secret<32>,
    entropy: &dyn Entropy,
) -> Result<Bytes, EntropyError> {
    let mut w = Writer::new();
    w.fixed(b"dvck").u8(FORMAT).u8(SUITE).u16(0).u32(epoch);
    w.fixed(&wrap::wrap(epoch_key, &context(vault, case, epoch), key, entropy)?);
    Ok(w.into_vec().into())
}

fn open(
    vault: VaultId,
    case: CaseId,
    epoch: u32,
    epoch_key: &Secret<32>,
    object: &[u8],
) -> Result<Secret<32>, OpenError> {
    let wrapped = parse(epoch, object).map_err(|Malformed| OpenError)?;
    wrap::unwrap(epoch_key, &context(vault, case, epoch), &wrapped)
}

fn parse(epoch: u32, object: &[u8]) -> Result<[u8; WRAPPED_LEN], Malformed> {
    let mut r = Reader::new(object);
    r.expect(b"dvck")?;
    r.expect(&[FORMAT, SUITE, 0, 0])?;
    r.expect(&epoch.to_be_bytes())?;
    let wrapped = r.array()?;
    r.finish()?;
    Ok(wrapped)
}

fn context(vault: VaultId, case: CaseId, epoch: u32) -> [u8; 32] {
    schedule::context(schedule::CASE_KEY, &[vault.as_bytes(), case.as_bytes(), &epoch.to_be_bytes()])
}

/// Case keys kept in memory.
const CACHED: usize = 1024;
