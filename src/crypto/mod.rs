//! Cryptography: the only place that names a cryptographic crate.
//!
//! Nothing is invented here; every construction cites the text it follows.

pub mod chunked;
pub(crate) mod digest;
pub(crate) mod hpke;
pub(crate) mod passphrase;
pub(crate) mod pieces;
pub(crate) mod schedule;
pub(crate) mod sign;
pub(crate) mod stack;
pub(crate) mod wrap;

#[cfg(test)]
mod vectors;
