//! The log as this process knows it: loaded, looked up, appended to.

mod authentic;
mod commits;
mod draft;
mod driven;
mod first;
mod fold;
mod follow;
#[cfg(test)]
pub(crate) mod forgery;
mod lookup;
mod objects;
mod open;
mod planner;
mod queue;
mod records;
mod state;
mod tiles;
mod turns;
mod verify;
mod writer;

/// What `driven` is made of.
mod primitives {
    pub(super) use std::sync::{Mutex, MutexGuard};
}

pub(crate) use authentic::{Trusted, walk_to, with_tree};
pub(crate) use draft::{Command, Committed, Draft, DraftBody};
pub(crate) use first::{claimed, first_commit};
pub(crate) use lookup::{Pages, TableCursor, View};
pub(crate) use objects::{get, put};
pub(crate) use open::{load, load_with};
pub(crate) use state::{Head, State, is_anchor};
pub(crate) use tiles::Tree;
pub(crate) use verify::{Signatures, Verified, Visitor, walk};
pub(crate) use writer::{Ledger, LedgerParts, Signers};
