//! The log outside the vault: as a static log for stock clients, as JSON Lines for programs, as text
//! for people.

mod json;
mod jsonl;
mod lines;
mod text;
#[cfg(feature = "fs")]
mod tiles;
mod verify;

pub(crate) use lines::{Form, records};
#[cfg(feature = "fs")]
pub(crate) use tiles::{tiles, tokens};
pub use verify::verify_exported_records;
