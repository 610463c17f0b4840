//! The log as this process knows it: loaded, looked up, appended to.

mod draft;
mod fold;
mod lookup;
mod objects;
mod open;
mod planner;
mod probe;
mod queue;
mod state;
mod verify;
mod writer;

pub(crate) use draft::{Command, Committed, Draft, DraftBody};
pub(crate) use lookup::{Pages, View};
pub(crate) use objects::{get, put};
pub(crate) use open::{load, verified};
pub(crate) use state::{Head, State};
pub(crate) use verify::{Verified, walk};
pub(crate) use writer::{Ledger, LedgerParts};
