//! The log: records, commits, the Merkle tree and the index over them (FORMAT §5, §6). Pure.

pub(crate) mod body;
pub(crate) mod checkpoint;
pub(crate) mod commit;
pub(crate) mod cosignature;
pub(crate) mod kept;
pub(crate) mod leaf;
pub(crate) mod manifest;
pub(crate) mod merkle;
pub(crate) mod note;
pub(crate) mod page;
pub(crate) mod proof;
pub(crate) mod record;
pub(crate) mod request;
pub(crate) mod row;
mod shape;
pub(crate) mod signing;
pub(crate) mod statement;
pub(crate) mod tile;
pub(crate) mod tiling;
pub(crate) mod topic;
pub(crate) mod trust;
pub(crate) mod verifier_key;

/// A SHA-256 value.
pub(crate) type Hash = [u8; 32];
