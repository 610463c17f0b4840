//! What a run is made of.

pub mod chance;
pub mod client;
pub mod delivered;
pub mod end;
pub mod executor;
pub mod granted;
pub mod history;
pub mod judge;
pub mod malice;
pub mod operations;
pub mod prefab;
pub mod refusals;
pub mod seen;
pub mod storage;
pub mod world;
