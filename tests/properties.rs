//! What the sealed formats must hold, at the vault's public face; `attacks/TABLE.md` lists the rows.
//! What concerns single messages is in `chunked.rs`, what concerns private parsers beside them.
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

#[path = "attacks/toolkit.rs"]
mod toolkit;

mod properties {
    mod binding;
    mod cached;
    #[cfg(feature = "intake")]
    mod deposits;
    mod release;
    mod secrets;
}
