//! Objects that many share, and what an attacker has made of one or two of them.

use core::ops::Range;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::storage::{Creation, ObjectKey, Storage, StorageError};

pub(crate) type Objects = BTreeMap<ObjectKey, Bytes>;

/// What is shown under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shown {
    Nothing,
    Bytes(Bytes),
    /// What is there, this bit of it flipped.
    Flipped(u64),
    /// What is there, up to this length.
    Cut(u64),
}

/// The shared objects as an attacker shows them, and what was written to them. Remembers what was looked at.
#[derive(Debug)]
pub(crate) struct Overlay {
    shared: Arc<Objects>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    shown: BTreeMap<ObjectKey, Shown>,
    written: Objects,
    deleted: BTreeSet<ObjectKey>,
    read: BTreeSet<ObjectKey>,
    listed: BTreeSet<ObjectKey>,
    healed: bool,
}

impl Overlay {
    pub(crate) fn new(shared: Arc<Objects>) -> Arc<Self> {
        Arc::new(Self { shared, state: Mutex::default() })
    }

    pub(crate) fn show(&self, key: &ObjectKey, shown: Shown) {
        self.state.lock().unwrap().shown.insert(key.clone(), shown);
    }

    /// Everything as it was, but for what was written and deleted meanwhile: what was there stays there.
    pub(crate) fn heal(&self) {
        let mut state = self.state.lock().unwrap();
        state.healed = true;
        state.shown.clear();
        state.written.retain(|key, _| !self.shared.contains_key(key));
    }

    /// Of the shared objects those that were read or in the way of a create, and those that were listed, while something else
    /// could be shown.
    pub(crate) fn looked_at(&self) -> (BTreeSet<ObjectKey>, BTreeSet<ObjectKey>) {
        let state = self.state.lock().unwrap();
        (state.read.clone(), state.listed.clone())
    }

    /// What is read of `range` of an object.
    fn find(&self, key: &ObjectKey, range: Option<&Range<u64>>) -> Option<Bytes> {
        let mut state = self.state.lock().unwrap();
        if self.shared.contains_key(key) && !state.healed {
            state.read.insert(key.clone());
        }
        if state.deleted.contains(key) {
            return None;
        }
        if let Some(bytes) = state.written.get(key) {
            return Some(cut(bytes, range));
        }
        let there = self.shared.get(key);
        match state.shown.get(key) {
            None => there.map(|bytes| cut(bytes, range)),
            Some(Shown::Nothing) => None,
            Some(Shown::Bytes(bytes)) => Some(cut(bytes, range)),
            Some(Shown::Cut(len)) => there.map(|bytes| cut(&cut(bytes, Some(&(0..*len))), range)),
            Some(Shown::Flipped(bit)) => there.map(|bytes| {
                let start = range.map_or(0, |range| range.start);
                let mut bytes = cut(bytes, range).to_vec();
                let at = (bit / 8).checked_sub(start).and_then(|at| bytes.get_mut(at as usize));
                if let Some(byte) = at {
                    *byte ^= 1 << (bit % 8);
                }
                bytes.into()
            }),
        }
    }
}

fn cut(bytes: &Bytes, range: Option<&Range<u64>>) -> Bytes {
    let Some(range) = range else { return bytes.clone() };
    let end = bytes.len().min(range.end as usize);
    bytes.slice(end.min(range.start as usize)..end)
}

#[async_trait]
impl Storage for Overlay {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        if self.find(key, Some(&(0..0))).is_some() {
            return Ok(Creation::Exists);
        }
        let mut state = self.state.lock().unwrap();
        state.deleted.remove(key);
        state.written.insert(key.clone(), bytes);
        Ok(Creation::Created)
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        Ok(self.find(key, range.as_ref()))
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let mut state = self.state.lock().unwrap();
        state.written.remove(key);
        state.deleted.insert(key.clone());
        Ok(())
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        let mut state = self.state.lock().unwrap();
        let wanted = |key: &&ObjectKey| {
            key.as_str().starts_with(prefix)
                && after.is_none_or(|after| *key > after)
                && !state.deleted.contains(*key)
                && (state.shown.get(*key) != Some(&Shown::Nothing) || state.written.contains_key(*key))
        };
        let shown = state.shown.keys().chain(state.written.keys()).filter(wanted);
        let all: BTreeSet<&ObjectKey> = self.shared.keys().filter(wanted).chain(shown).collect();
        let listed: Vec<ObjectKey> = all.into_iter().take(limit).cloned().collect();
        let shared = listed.iter().filter(|key| self.shared.contains_key(*key)).cloned();
        if !state.healed {
            state.listed.extend(shared);
        }
        Ok(listed)
    }
}
