//! For embedders' tests: whether a backend keeps the contract, and backends that deliberately
//! fail, crash, lie, count or break it.
//!
//! | to see | use |
//! |---|---|
//! | that a backend of yours may carry a vault | [`conformance`] |
//! | what an application does when calls fail | [`FaultyStorage`] |
//! | what is left after a crash at any call | [`CrashStorage`] |
//! | that altered, old, hidden or forked objects are noticed | [`EvilStorage`] |
//! | how many calls an operation takes | [`CountingStorage`] |
//! | how many of them wait for each other, and what latency does | [`DelayedStorage`] on [`VirtualTime`] |
//! | that a check can fail | [`OverwritingStorage`], [`CheckThenWriteStorage`] |
//!
//! None of it needs an async runtime.

mod broken;
mod conformance;
mod counting;
mod crash;
mod evil;
mod executor;
mod faulty;
mod virtual_time;

pub use broken::{CheckThenWriteStorage, OverwritingStorage};
pub use conformance::{Bench, Extent, Report, Violation, clauses, conformance};
pub use counting::{CountingStorage, Counts};
pub use crash::{CrashStorage, InFlight};
pub use evil::EvilStorage;
pub use faulty::{Fault, FaultyStorage};
pub use virtual_time::{DelayedStorage, Verb, VirtualTime};
