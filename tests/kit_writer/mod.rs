//! Writes the kit, from `docs/FORMAT.md` alone.
#![allow(dead_code, unreachable_pub, reason = "the runner uses a part of it")]

pub mod chest;
pub mod commit;
pub mod file;
pub mod forge;
pub mod head;

mod alone;
mod answers;
mod bodies;
mod deliveries;
mod delivery;
mod deposits;
mod heads;
mod inboxes;
mod index;
mod keys;
mod log;
mod notes;
mod parts;
mod requests;
mod sealed;
mod texts;
mod trust;

use file::KitFile;
use forge::sha256;

/// Every file of the kit.
pub fn all() -> Vec<KitFile> {
    let groups = [
        sealed::files(),
        log::files(),
        heads::files(),
        parts::files(),
        keys::files(),
        deliveries::files(),
        texts::files(),
        deposits::files(),
        index::files(),
        alone::files(),
    ];
    groups.into_iter().flatten().collect()
}

impl KitFile {
    /// What is released is this.
    fn releasing(self, content: &[u8]) -> Self {
        self.hex("released", &sha256(&[content]))
    }
}

/// Content that looks random and is not.
fn content(len: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}
