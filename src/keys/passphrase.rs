//! A root key from a passphrase (FORMAT §4.3).

use core::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::{KeyError, KeyWrap, SlotKind};
use crate::{
    crypto::{
        passphrase::{Cost, derive},
        schedule::{PASSPHRASE_SLOT, context},
        wrap::{self, WRAPPED_LEN},
    },
    env::{SystemEntropy, random},
    secret::{Secret, SecretBytes},
    wire::{Malformed, Reader, Writer},
};

/// A root key derived from a passphrase by Argon2id (RFC 9106).
///
/// The derivation takes a good part of a second and 64 MiB by default. With the feature `fs` it
/// runs on the threads of the `blocking` crate; without it, on the executor's own thread, which it
/// blocks for that long.
///
/// # Security
///
/// The passphrase is all that stands between the keyring and whoever reads the storage: they can
/// try as many as they can pay for. Choose one with at least 80 bits, such as seven random words.
/// Its bytes are used as they are: a caller that takes it from a keyboard should bring it to one
/// Unicode normalization form.
pub struct Passphrase {
    text: Arc<SecretBytes>,
    cost: Cost,
    bounds: Bounds,
}

/// What a derivation may cost, either way. The default allows 19 MiB to 1 GiB, 2 to 16 passes and
/// up to 16 lanes.
///
/// # Security
///
/// The cost stands in the slot, where whoever controls the storage can change it before a key can
/// check it. The least keeps them from having the passphrase wrapped cheaply, the most from having
/// this process exhaust its memory or never finish. A lower floor than the default, the
/// recommendation of the OWASP Password Storage Cheat Sheet, is for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// The least memory, in KiB.
    pub min_memory_kib: u32,
    /// The most memory, in KiB.
    pub max_memory_kib: u32,
    /// The fewest passes.
    pub min_passes: u32,
    /// The most passes.
    pub max_passes: u32,
    /// The most lanes.
    pub max_lanes: u32,
}

impl Passphrase {
    /// A passphrase, at the default cost: 64 MiB, 3 passes, 1 lane.
    ///
    /// An empty one is refused when it is used. The caller still owns, and has to wipe, what was
    /// borrowed; an owned `String` is moved in.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        let text = Arc::new(SecretBytes::new(text.into().into_bytes()));
        Self { text, cost: DEFAULT_COST, bounds: Bounds::default() }
    }

    /// What wrapping costs from now on: memory in KiB, passes over it, lanes. Unwrapping costs what
    /// the slot says.
    #[must_use]
    pub const fn cost(mut self, memory_kib: u32, passes: u32, lanes: u32) -> Self {
        self.cost = Cost { memory: memory_kib, passes, lanes };
        self
    }

    /// What the cost of wrapping and unwrapping must lie within.
    #[must_use]
    pub const fn bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// Derives the key, if policy allows the cost.
    async fn key(&self, salt: [u8; 16], cost: Cost) -> Result<Secret<32>, KeyError> {
        if self.text.is_empty() {
            return Err(KeyError::Policy("the passphrase is empty"));
        }
        self.bounds.check(cost)?;
        let text = Arc::clone(&self.text);
        let key = unblock(move || derive(&text, &salt, cost)).await;
        key.ok_or(KeyError::Policy("RFC 9106 does not allow this cost, or there is not that much memory"))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase([REDACTED])")
    }
}

impl Bounds {
    fn check(&self, cost: Cost) -> Result<(), KeyError> {
        let refusals = [
            (cost.memory < self.min_memory_kib, "too little memory"),
            (cost.memory > self.max_memory_kib, "too much memory"),
            (cost.passes < self.min_passes, "too few passes"),
            (cost.passes > self.max_passes, "too many passes"),
            (cost.lanes > self.max_lanes, "too many lanes"),
        ];
        let refusal = refusals.into_iter().find_map(|(refused, why)| refused.then_some(why));
        refusal.map_or(Ok(()), |why| Err(KeyError::Policy(why)))
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            min_memory_kib: 19 << 10,
            max_memory_kib: 1 << 20,
            min_passes: 2,
            max_passes: 16,
            max_lanes: 16,
        }
    }
}

#[async_trait]
impl KeyWrap for Passphrase {
    fn kind(&self) -> SlotKind {
        SlotKind::Passphrase
    }

    async fn wrap(&self, slot: &[u8; 32], secret: &Secret<32>) -> Result<Vec<u8>, KeyError> {
        let salt = random(&SystemEntropy)?;
        let key = self.key(salt, self.cost).await?;
        let wrapped = wrap::wrap(&key, &bound(slot, self.cost, &salt), secret, &SystemEntropy)?;
        Ok(Slot { cost: self.cost, salt, wrapped }.encode())
    }

    async fn unwrap(&self, slot: &[u8; 32], wrapped: &[u8]) -> Result<Secret<32>, KeyError> {
        let Slot { cost, salt, wrapped } = Slot::parse(wrapped).map_err(|Malformed| KeyError::Refused)?;
        let key = self.key(salt, cost).await?;
        wrap::unwrap(&key, &bound(slot, cost, &salt), &wrapped).map_err(|_| KeyError::Refused)
    }
}

fn bound(slot: &[u8; 32], cost: Cost, salt: &[u8; 16]) -> [u8; 32] {
    let [memory, passes, lanes] = [cost.memory, cost.passes, cost.lanes].map(u32::to_be_bytes);
    context(PASSPHRASE_SLOT, &[slot, &memory, &passes, &lanes, salt])
}

/// What stands in the keyring's slot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    cost: Cost,
    salt: [u8; 16],
    wrapped: [u8; WRAPPED_LEN],
}

impl Slot {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u8(VERSION).u32(self.cost.memory).u32(self.cost.passes).u32(self.cost.lanes);
        w.fixed(&self.salt).fixed(&self.wrapped);
        w.into_vec()
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        r.expect(&[VERSION])?;
        let cost = Cost { memory: r.u32()?, passes: r.u32()?, lanes: r.u32()? };
        let slot = Self { cost, salt: r.array()?, wrapped: r.array()? };
        r.finish()?;
        Ok(slot)
    }
}

#[cfg(feature = "fs")]
async fn unblock<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    blocking::unblock(work).await
}

#[cfg(not(feature = "fs"))]
async fn unblock<T>(work: impl FnOnce() -> T) -> T {
    work()
}

const VERSION: u8 = 1;
const DEFAULT_COST: Cost = Cost { memory: 64 << 10, passes: 3, lanes: 1 };

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;
    use proptest::prelude::*;

    use super::*;

    const CHEAP: Bounds =
        Bounds { min_memory_kib: 64, max_memory_kib: 256, min_passes: 1, max_passes: 4, max_lanes: 2 };

    fn cheap(text: &str) -> Passphrase {
        Passphrase::new(text).cost(64, 1, 1).bounds(CHEAP)
    }

    fn policy<T>(result: Result<T, KeyError>) -> bool {
        matches!(result, Err(KeyError::Policy(_)))
    }

    #[test]
    fn a_slot_opens_for_its_passphrase_and_context_alone() {
        let secret = Secret::take([7; 32]);
        let wrapped = block_on(cheap("correct horse").wrap(&[1; 32], &secret)).expect("wraps");
        assert_eq!(wrapped.len(), 133);
        let open = |text, slot, wrapped: &[u8]| block_on(cheap(text).unwrap(slot, wrapped));
        assert_eq!(open("correct horse", &[1; 32], &wrapped).expect("opens").expose(), secret.expose());
        assert!(matches!(open("Correct horse", &[1; 32], &wrapped), Err(KeyError::Refused)));
        assert!(matches!(open("correct horse", &[2; 32], &wrapped), Err(KeyError::Refused)));
        for offset in 0..wrapped.len() {
            let mut altered = wrapped.clone();
            altered[offset] ^= 1;
            assert!(open("correct horse", &[1; 32], &altered).is_err(), "{offset}");
        }
    }

    #[test]
    fn the_slots_cost_opens_it_and_not_the_present_one() {
        let wrapped =
            block_on(cheap("p").cost(128, 2, 1).wrap(&[1; 32], &Secret::take([7; 32]))).expect("wraps");
        assert_eq!(Slot::parse(&wrapped).expect("parses").cost, Cost { memory: 128, passes: 2, lanes: 1 });
        assert!(block_on(cheap("p").unwrap(&[1; 32], &wrapped)).is_ok());
    }

    #[test]
    fn p19_a_cost_below_the_floor_or_above_the_cap_is_refused_both_ways() {
        let secret = Secret::take([7; 32]);
        let outside = [
            (63, 1, 1),
            (257, 1, 1),
            (64, 0, 1),
            (64, 5, 1),
            (64, 1, 3),
            (64, 1, 0),
            (u32::MAX, u32::MAX, u32::MAX),
        ];
        for (memory, passes, lanes) in outside {
            let cost = Cost { memory, passes, lanes };
            assert!(
                policy(block_on(cheap("p").cost(memory, passes, lanes).wrap(&[1; 32], &secret))),
                "{cost:?}"
            );
            let slot = Slot { cost, salt: [1; 16], wrapped: [2; WRAPPED_LEN] }.encode();
            assert!(policy(block_on(cheap("p").unwrap(&[1; 32], &slot))), "{cost:?}");
        }
    }

    #[test]
    fn p19_the_default_policy_is_owasps_floor_and_a_gibibyte() {
        let allows = |memory, passes, lanes| Bounds::default().check(Cost { memory, passes, lanes }).is_ok();
        assert!(allows(19_456, 2, 1) && allows(1_048_576, 16, 16));
        assert!(!allows(19_455, 2, 1) && !allows(19_456, 1, 1));
        assert!(!allows(1_048_577, 2, 1) && !allows(19_456, 17, 1) && !allows(19_456, 2, 17));
        assert!(Bounds::default().check(DEFAULT_COST).is_ok());
    }

    #[test]
    fn the_default_cost_wraps_and_unwraps() {
        let passphrase = Passphrase::new("correct horse battery staple");
        let wrapped = block_on(passphrase.wrap(&[1; 32], &Secret::take([7; 32]))).expect("wraps");
        assert!(block_on(passphrase.unwrap(&[1; 32], &wrapped)).is_ok());
    }

    #[test]
    fn an_empty_passphrase_is_refused() {
        assert!(policy(block_on(cheap("").wrap(&[1; 32], &Secret::take([7; 32])))));
        let slot = block_on(cheap("p").wrap(&[1; 32], &Secret::take([7; 32]))).expect("wraps");
        assert!(policy(block_on(cheap("").unwrap(&[1; 32], &slot))));
    }

    #[test]
    fn debug_shows_no_passphrase() {
        assert_eq!(format!("{:?}", cheap("correct horse")), "Passphrase([REDACTED])");
    }

    proptest! {
        #[test]
        fn p05_a_slot_has_one_encoding(mut bytes in prop::collection::vec(any::<u8>(), 131..136), versioned: bool) {
            if versioned {
                bytes[0] = VERSION;
            }
            match Slot::parse(&bytes) {
                Ok(slot) => prop_assert_eq!(slot.encode(), bytes),
                Err(Malformed) => prop_assert!(bytes.len() != 133 || bytes[0] != VERSION),
            }
        }
    }
}
