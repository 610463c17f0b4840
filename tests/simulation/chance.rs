//! Where all chance of a run comes from: its seed, or decisions that somebody made before.

use std::{
    cell::RefCell,
    sync::{Mutex, PoisonError},
    vec::IntoIter,
};

use docvault::{Entropy, EntropyError};

thread_local! {
    static DECISIONS: RefCell<IntoIter<u8>> = RefCell::default();
}

/// Makes the next choices of this thread among 256 or fewer; chance makes those that follow.
#[allow(dead_code, reason = "fuzzing decides")]
pub fn decide(choices: Vec<u8>) {
    DECISIONS.set(choices.into_iter());
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The stream of that number of a seed.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut root = Self(seed);
        Self(root.next() ^ Self(stream).next().rotate_left(17))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let few = (2..=256).contains(&bound);
        let decided = if few { DECISIONS.with_borrow_mut(Iterator::next).map(u64::from) } else { None };
        decided.unwrap_or_else(|| self.next()).checked_rem(bound).unwrap_or(0)
    }

    /// What is drawn while nothing is decided.
    pub fn undecided<T>(&mut self, draw: impl FnOnce(&mut Self) -> T) -> T {
        let decisions = DECISIONS.take();
        let drawn = draw(self);
        DECISIONS.set(decisions);
        drawn
    }

    pub fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    pub fn pick<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        of.get(self.index(of.len())).cloned()
    }
}

/// A process's randomness.
#[derive(Debug)]
pub struct Seeded(Mutex<Chance>);

impl Seeded {
    pub fn new(chance: Chance) -> Self {
        Self(Mutex::new(chance))
    }
}

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        let mut chance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            let drawn = chance.next().to_be_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
        Ok(())
    }
}
