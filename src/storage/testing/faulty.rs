//! Calls that fail, in every way the contract allows and one it does not.

use core::{ops::Range, time::Duration};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;

use super::executor::yield_once;
use crate::{
    env::Sleeper,
    storage::{Creation, ObjectKey, Storage, StorageError, StorageErrorKind},
};

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Any call: an error, and no effect.
    Error,
    /// A create answers [`Creation::Unknown`] and a delete an error; both take effect.
    Applied,
    /// A create answers [`Creation::Unknown`], and lands this many calls later or at
    /// [`FaultyStorage::land`].
    Late(usize),
    /// A create answers [`Creation::Exists`], and nothing is written.
    FalseExists,
    /// Any call: takes this long before its effect, and as long again before its answer.
    Slow(Duration),
    /// A listing leaves out the 16 newest of the keys created through this wrapper.
    StaleList,
    /// A read finds nothing. **Breaks the contract**: no script of allowed faults has it.
    StaleRead,
}

impl Fault {
    /// The faults that the contract allows, to go through.
    pub const ALLOWED: [Self; 7] = [
        Self::Error,
        Self::Applied,
        Self::Late(1),
        Self::Late(usize::MAX),
        Self::FalseExists,
        Self::Slow(Duration::from_millis(5)),
        Self::StaleList,
    ];
}

/// Another backend, some of whose calls fail as scripted.
///
/// To exhaust the faults of a script of operations: for each fault, for call 0, 1, 2 and so on, run
/// it on a [`FaultyStorage::script`], until [`FaultyStorage::calls`] stays below the number. A fault
/// that does not apply to the call it meets does nothing, and [`FaultyStorage::fired`] says 0.
///
/// Time passes through a [`Sleeper`]: with [`FaultyStorage::sleeping`] the test's own, else a millisecond is one
/// poll that is pending, which any executor lets pass. A create that is dropped while it takes its time is
/// kept as a late one, since its request may have left: it lands at [`FaultyStorage::land`], or never.
#[derive(Debug)]
pub struct FaultyStorage {
    inner: Arc<dyn Storage>,
    plan: Plan,
    latency: Option<(u64, Duration)>,
    sleeper: Arc<dyn Sleeper>,
    state: Mutex<State>,
}

#[derive(Debug)]
enum Plan {
    Script(BTreeMap<usize, Fault>),
    Seeded { seed: u64, one_in: u64 },
}

#[derive(Debug, Default)]
struct State {
    calls: usize,
    fired: Vec<(usize, Fault)>,
    created: Vec<ObjectKey>,
    late: Vec<Late>,
}

#[derive(Debug)]
struct Late {
    due: usize,
    key: ObjectKey,
    bytes: Bytes,
}

impl FaultyStorage {
    /// One fault, at the call of this number, counted from 0.
    #[must_use]
    pub fn script(inner: Arc<dyn Storage>, nth_call: usize, fault: Fault) -> Self {
        Self::scripted(inner, [(nth_call, fault)])
    }

    /// Faults at calls of these numbers, counted from 0.
    #[must_use]
    pub fn scripted(inner: Arc<dyn Storage>, faults: impl IntoIterator<Item = (usize, Fault)>) -> Self {
        Self::planned(inner, Plan::Script(faults.into_iter().collect()))
    }

    /// An allowed fault at about one call in `one_in`; the same seed gives the same faults.
    #[must_use]
    pub fn seeded(inner: Arc<dyn Storage>, seed: u64, one_in: u64) -> Self {
        Self::planned(inner, Plan::Seeded { seed, one_in: one_in.max(1) })
    }

    fn planned(inner: Arc<dyn Storage>, plan: Plan) -> Self {
        Self { inner, plan, latency: None, sleeper: Arc::new(Polls), state: Mutex::default() }
    }

    /// Lets every call take time: up to `longest` before its effect, and as long again before its answer. The
    /// same seed gives the same durations.
    #[must_use]
    pub fn with_latency(mut self, seed: u64, longest: Duration) -> Self {
        self.latency = Some((seed, longest));
        self
    }

    /// Lets time pass by `sleeper`.
    #[must_use]
    pub fn sleeping(mut self, sleeper: Arc<dyn Sleeper>) -> Self {
        self.sleeper = sleeper;
        self
    }

    /// How many calls there were.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.state().calls
    }

    /// How many faults took effect.
    #[must_use]
    pub fn fired(&self) -> usize {
        self.state().fired.len()
    }

    /// The faults that took effect, each with the number of the call it met.
    #[must_use]
    pub fn faults(&self) -> Vec<(usize, Fault)> {
        self.state().fired.clone()
    }

    /// Lets all late creates land now.
    ///
    /// # Errors
    ///
    /// Those of the backend.
    pub async fn land(&self) -> Result<(), StorageError> {
        self.land_until(usize::MAX).await
    }

    async fn land_until(&self, call: usize) -> Result<(), StorageError> {
        let due: Vec<Late> = self.state().late.extract_if(.., |late| late.due <= call).collect();
        for late in due {
            self.create_inner(&late.key, late.bytes).await?;
        }
        Ok(())
    }

    /// Counts the call, lets its time pass, lands what is due, and answers the fault if `applies` to this
    /// kind of call, and how long the answer takes.
    async fn call(&self, applies: fn(Fault) -> bool) -> Result<(Option<Fault>, Duration), StorageError> {
        let (number, fault) = self.count(applies);
        let time = self.time(number, fault);
        self.sleep(time).await;
        self.land_until(number).await?;
        if fault != Some(Fault::Error) {
            return Ok((fault, time));
        }
        self.sleep(time).await;
        Err(failed())
    }

    fn count(&self, applies: fn(Fault) -> bool) -> (usize, Option<Fault>) {
        let mut state = self.state();
        let number = state.calls;
        let always = |fault| matches!(fault, Fault::Error | Fault::Slow(_));
        let fault = self.plan.fault(number).filter(|fault| always(*fault) || applies(*fault));
        state.calls += 1;
        state.fired.extend(fault.map(|fault| (number, fault)));
        (number, fault)
    }

    /// How long the call takes in either direction.
    fn time(&self, call: usize, fault: Option<Fault>) -> Duration {
        let drawn = self.latency.map_or(Duration::ZERO, |(seed, longest)| {
            let millis = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
            Duration::from_millis(draw(seed ^ u64::MAX, call) % millis)
        });
        match fault {
            Some(Fault::Slow(time)) => drawn.saturating_add(time),
            _ => drawn,
        }
    }

    async fn sleep(&self, time: Duration) {
        if !time.is_zero() {
            self.sleeper.sleep(time).await;
        }
    }

    async fn create_inner(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        let creation = self.inner.create(key, bytes).await?;
        if creation == Creation::Created {
            self.state().created.push(key.clone());
        }
        Ok(creation)
    }

    async fn stale_list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        let unseen: Vec<ObjectKey> = self.state().created.iter().rev().take(UNSEEN).cloned().collect();
        let mut keys = self.inner.list(prefix, after, limit.saturating_add(UNSEEN)).await?;
        keys.retain(|key| !unseen.contains(key));
        keys.truncate(limit);
        Ok(keys)
    }

    fn delay(&self, calls: usize, key: &ObjectKey, bytes: Bytes) -> Creation {
        let mut state = self.state();
        // This call has been counted: the next one's number is `state.calls`.
        let due = state.calls.saturating_add(calls).saturating_sub(1);
        state.late.push(Late { due, key: key.clone(), bytes });
        Creation::Unknown
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Storage for FaultyStorage {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        let sent = Sent { storage: self, request: Some((key.clone(), bytes.clone())) };
        let called =
            self.call(|fault| matches!(fault, Fault::Applied | Fault::Late(_) | Fault::FalseExists)).await;
        sent.arrived();
        let (fault, time) = called?;
        let creation = match fault {
            Some(Fault::Applied) => self.create_inner(key, bytes).await.map(|_| Creation::Unknown),
            Some(Fault::Late(calls)) => Ok(self.delay(calls, key, bytes)),
            Some(Fault::FalseExists) => Ok(Creation::Exists),
            _ => self.create_inner(key, bytes).await,
        };
        self.sleep(time).await;
        creation
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let (fault, time) = self.call(|fault| fault == Fault::StaleRead).await?;
        let found = match fault {
            Some(Fault::StaleRead) => Ok(None),
            _ => self.inner.read(key, range).await,
        };
        self.sleep(time).await;
        found
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let (fault, time) = self.call(|fault| fault == Fault::Applied).await?;
        let deleted = self.inner.delete(key).await;
        self.sleep(time).await;
        if fault == Some(Fault::Applied) { deleted.and(Err(failed())) } else { deleted }
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        let (fault, time) = self.call(|fault| fault == Fault::StaleList).await?;
        let keys = match fault {
            Some(Fault::StaleList) => self.stale_list(prefix, after, limit).await,
            _ => self.inner.list(prefix, after, limit).await,
        };
        self.sleep(time).await;
        keys
    }
}

/// A create on its way: dropped there, it may still arrive.
struct Sent<'a> {
    storage: &'a FaultyStorage,
    request: Option<(ObjectKey, Bytes)>,
}

impl Sent<'_> {
    fn arrived(mut self) {
        self.request = None;
    }
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        if let Some((key, bytes)) = self.request.take() {
            self.storage.state().late.push(Late { due: usize::MAX, key, bytes });
        }
    }
}

/// Lets a millisecond pass as one pending poll, and a part of one as another.
#[derive(Debug)]
struct Polls;

#[async_trait]
impl Sleeper for Polls {
    async fn sleep(&self, duration: Duration) {
        for _ in 0..duration.as_micros().div_ceil(1000) {
            yield_once().await;
        }
    }
}

impl Plan {
    fn fault(&self, call: usize) -> Option<Fault> {
        match self {
            Self::Script(faults) => faults.get(&call).copied(),
            Self::Seeded { seed, one_in } => {
                let drawn = draw(*seed, call);
                let which = usize::try_from(drawn >> 32).unwrap_or(0) % Fault::ALLOWED.len();
                Fault::ALLOWED
                    .get(which)
                    .filter(|_| (drawn & u64::from(u32::MAX)).is_multiple_of(*one_in))
                    .copied()
            }
        }
    }
}

/// The number that a seed has for a call.
fn draw(seed: u64, call: usize) -> u64 {
    mix(seed ^ mix(u64::try_from(call).unwrap_or(u64::MAX)))
}

/// The output function of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", 2014).
const fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn failed() -> StorageError {
    StorageError::new(StorageErrorKind::Unavailable, "a fault was injected")
}

const UNSEEN: usize = 16;
