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
    clippy::too_many_lines,
    reason = "tests"
)]

mod common;

#[path = "attacks/toolkit.rs"]
mod toolkit;

mod properties {
    mod binding;
    mod release;
    mod secrets;
}
