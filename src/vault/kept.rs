//! Case keys in memory, and who holds something of their cases.

use core::fmt;
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use crate::{
    ids::CaseId,
    secret::{Holder, Secret},
};

/// Case keys in memory, wiped when evicted. A case has one key for life, so none is ever stale; that
/// its case was not erased is looked up anew for every use ([`Vault::case_stands`]).
#[derive(Default)]
pub(super) struct CaseKeys(Mutex<Cached>);

#[derive(Default)]
struct Cached {
    keys: HashMap<CaseId, Kept>,
    order: VecDeque<CaseId>,
    holders: Vec<Weak<dyn Holder>>,
}

#[derive(Clone)]
pub(super) struct Kept {
    pub(super) key: Arc<Secret<32>>,
    /// Records up to which the case was seen to stand.
    pub(super) as_of: u64,
}

impl fmt::Debug for CaseKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CaseKeys([REDACTED])")
    }
}

impl CaseKeys {
    pub(super) fn get(&self, case: CaseId) -> Option<Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys.get(&case).cloned()
    }

    pub(super) fn stood(&self, case: CaseId, as_of: u64) {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = cached.keys.get_mut(&case) {
            kept.as_of = kept.as_of.max(as_of);
        }
    }

    pub(super) fn remove(&self, case: CaseId) {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.keys.remove(&case).is_some() {
            cached.order.retain(|kept| *kept != case);
        }
        let holders: Vec<_> = cached.holders.iter().filter_map(Weak::upgrade).collect();
        drop(cached);
        holders.iter().for_each(|holder| holder.forget(case));
    }

    /// The cases of which holders give something unasked.
    pub(super) fn unasked(&self) -> BTreeSet<CaseId> {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let holders: Vec<_> = cached.holders.iter().filter_map(Weak::upgrade).collect();
        drop(cached);
        holders.iter().filter_map(|holder| holder.gives_unasked()).collect()
    }

    pub(super) fn add_holder(&self, holder: Weak<dyn Holder>) {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cached.holders.retain(|holder| holder.strong_count() > 0);
        cached.holders.push(holder);
    }

    pub(super) fn insert(&self, case: CaseId, kept: Kept) {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.keys.insert(case, kept).is_none() {
            cached.order.push_back(case);
        }
        if cached.order.len() > CACHED
            && let Some(oldest) = cached.order.pop_front()
        {
            cached.keys.remove(&oldest);
        }
    }
}

/// Case keys kept in memory.
const CACHED: usize = 1024;
