//! Cases handed over: sealed for a recipient, and plain for an authority that has no vault and no key.
#![cfg(all(feature = "intake", feature = "testing", feature = "fs"))]
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
#[path = "foreign_log/mod.rs"]
mod foreign_log;
#[path = "common/intake.rs"]
mod intake;
#[path = "common/interrupted.rs"]
mod interrupted;

#[path = "bundle/altered.rs"]
mod altered;
#[path = "bundle/archive.rs"]
mod archive;
#[path = "bundle/changing.rs"]
mod changing;
#[path = "bundle/handed_over.rs"]
mod handed_over;
#[path = "bundle/hostile.rs"]
mod hostile;
#[path = "bundle/liar.rs"]
mod liar;
#[path = "bundle/links.rs"]
mod links;
#[path = "bundle/lying.rs"]
mod lying;
#[path = "bundle/office.rs"]
mod office;
#[path = "bundle/paths.rs"]
mod paths;
#[path = "bundle/round_trip.rs"]
mod round_trip;
#[path = "bundle/too_long.rs"]
mod too_long;
#[path = "bundle/unproven.rs"]
mod unproven;
