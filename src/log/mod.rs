//! The log: records, commits, the Merkle tree and the index over them (FORMAT §5, §6). Pure.

pub(crate) mod body;
pub(crate) mod checkpoint;
pub(crate) mod commit;
pub(crate) mod leaf;
pub(crate) mod manifest;
pub(crate) mod merkle;
pub(crate) mod note;
pub(crate) mod page;
#[cfg_attr(not(test), allow(dead_code, reason = "the first users are receipts and witnesses"))]
pub(crate) mod proof;
pub(crate) mod row;

/// A SHA-256 value.
pub(crate) type Hash = [u8; 32];
