//! What opens deposits for as long as their case stands. An inbox has no vault to ask, so the keys are let go as soon as
//! the vault that gave them tells of an erasure, whoever still holds what was opened with them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use crate::{
    crypto::hpke::SecretKey,
    error::{Error, ErrorKind, Result},
    ids::CaseId,
    secret::{Holder, Secret},
};

/// A request's keys, and whose keys were opened with them.
pub(super) struct RequestKeys {
    case: CaseId,
    held: Mutex<Option<Held>>,
}

struct Held {
    link: Secret<32>,
    intake: SecretKey,
    deposits: Vec<Weak<DepositKey>>,
}

/// The key of a deposit that was opened.
pub(super) struct DepositKey {
    /// It is they who are told of the erasure, also when the inbox is gone.
    request: Arc<RequestKeys>,
    held: RwLock<Option<Secret<32>>>,
}

impl RequestKeys {
    pub(super) const fn new(case: CaseId, link: Secret<32>, intake: SecretKey) -> Self {
        Self { case, held: Mutex::new(Some(Held { link, intake, deposits: Vec::new() })) }
    }

    /// # Errors
    ///
    /// Erased.
    pub(super) fn link(&self) -> Result<Secret<32>> {
        self.with(|held| held.link.duplicate())
    }

    /// What `open` makes of the intake key.
    ///
    /// # Errors
    ///
    /// Erased.
    pub(super) fn with_intake<T>(&self, open: impl FnOnce(&SecretKey) -> T) -> Result<T> {
        self.with(|held| open(&held.intake))
    }

    /// Opens a deposit: its key is let go along with these.
    ///
    /// # Errors
    ///
    /// Erased; what `open` says.
    pub(super) fn open<T>(
        self: &Arc<Self>,
        open: impl FnOnce(&SecretKey) -> Result<(Secret<32>, T)>,
    ) -> Result<(Arc<DepositKey>, T)> {
        self.with(|held| {
            let (key, opened) = open(&held.intake)?;
            let key = Arc::new(DepositKey { request: self.clone(), held: RwLock::new(Some(key)) });
            held.deposits.retain(|deposit| deposit.strong_count() > 0);
            held.deposits.push(Arc::downgrade(&key));
            Ok((key, opened))
        })?
    }

    /// # Errors
    ///
    /// Erased.
    pub(super) fn stand(&self) -> Result<()> {
        self.with(|_| ())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Held) -> T) -> Result<T> {
        self.held().as_mut().map(act).ok_or_else(|| erased(self.case))
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        // No panic can leave it half changed.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holder for RequestKeys {
    fn forget(&self, case: CaseId) {
        let held = if case == self.case { self.held().take() } else { None };
        let deposits = held.iter().flat_map(|held| &held.deposits).filter_map(Weak::upgrade);
        deposits.for_each(|deposit| deposit.wipe());
    }

    fn gives_unasked(&self) -> Option<CaseId> {
        self.held().as_ref().map(|_| self.case)
    }
}

impl DepositKey {
    /// What `act` makes of the key. The key is not wiped meanwhile.
    ///
    /// # Errors
    ///
    /// Erased.
    pub(super) fn with<T>(&self, act: impl FnOnce(&Secret<32>) -> T) -> Result<T> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map(act).ok_or_else(|| erased(self.request.case))
    }

    /// # Errors
    ///
    /// Erased.
    pub(super) fn stands(&self) -> Result<()> {
        self.with(|_| ())
    }

    fn wipe(&self) {
        drop(self.held.write().unwrap_or_else(PoisonError::into_inner).take());
    }
}

#[cold]
fn erased(case: CaseId) -> Error {
    Error::new(ErrorKind::Erased, format!("case {case} was erased: no deposit for it opens any more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: CaseId = CaseId::from_bytes([1; 16]);

    fn keys() -> Arc<RequestKeys> {
        let intake = SecretKey::from_seed(&Secret::take([3; 32]));
        Arc::new(RequestKeys::new(CASE, Secret::take([2; 32]), intake))
    }

    fn opened(keys: &Arc<RequestKeys>) -> Result<Arc<DepositKey>> {
        keys.open(|_| Ok((Secret::take([4; 32]), ()))).map(|(key, ())| key)
    }

    #[test]
    fn an_erasure_leaves_no_key_of_the_request_or_of_its_deposits() {
        let keys = keys();
        let deposits = [opened(&keys).expect("stands"), opened(&keys).expect("stands")];
        keys.forget(CaseId::from_bytes([9; 16]));
        assert!(keys.stand().is_ok() && deposits.iter().all(|key| key.stands().is_ok()));
        assert_eq!(keys.gives_unasked(), Some(CASE));
        for _ in 0..2 {
            keys.forget(CASE);
            assert!(
                keys.held().is_none() && deposits.iter().all(|key| key.held.read().expect("whole").is_none())
            );
            let erased = [keys.stand(), keys.link().map(drop), opened(&keys).map(drop), deposits[0].stands()];
            assert!(
                erased.iter().all(|found| found.as_ref().err().map(Error::kind) == Some(ErrorKind::Erased))
            );
            assert_eq!(keys.gives_unasked(), None);
        }
    }

    #[test]
    fn deposits_that_were_dropped_are_not_kept_in_mind() {
        let keys = keys();
        (0..100).for_each(|_| drop(opened(&keys)));
        assert_eq!(keys.held().as_ref().map(|held| held.deposits.len()), Some(1));
    }
}
