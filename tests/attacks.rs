//! Attacks published on systems like this one, and some that were not, each built for real: a storage
//! that lies, a forged object, a colluding recipient. `attacks/TABLE.md` lists them.
#![cfg(feature = "testing")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;
#[cfg(feature = "intake")]
#[path = "common/forge.rs"]
mod forge;
#[cfg(feature = "intake")]
#[path = "common/intake.rs"]
mod intake;
#[path = "common/interrupted.rs"]
mod interrupted;

mod attacks {
    mod clocks;
    mod collision;
    #[cfg(feature = "intake")]
    mod deposits;
    #[cfg(feature = "intake")]
    mod empty;
    mod evidence;
    mod fields;
    mod forgeries;
    mod keys;
    mod late;
    mod leaked;
    mod log;
    mod lost;
    mod names;
    mod objects;
    mod oracles;
    mod races;
    mod removed;
    mod running;
    mod sharing;
    mod toolkit;
    mod vaults;
}
