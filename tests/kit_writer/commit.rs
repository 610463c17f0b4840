//! Commits and the tree over all records (§5.3, RFC 6962).

use super::{
    chest::{Id, Key},
    file::hex,
    forge::{Out, sha256, sign},
};

/// A commit not signed yet (§5.3).
#[derive(Debug, Clone)]
pub struct Draft {
    pub start: [u8; 8],
    pub vault: Id,
    pub first: u64,
    pub previous: Key,
    pub nonce: [u8; 16],
    pub recent: Vec<Vec<u8>>,
    pub leaves: Vec<Vec<u8>>,
    pub bodies: Vec<Vec<u8>>,
    /// Of all records before it.
    pub hashes: Vec<Key>,
    /// Instead of the tree's.
    pub root: Option<Key>,
}

impl Draft {
    pub fn name(&self) -> String {
        format!("log/{:016x}-{}", !self.first, hex(&self.previous[..16]))
    }

    /// Changes bytes of the first leaf.
    pub fn patch_leaf(mut self, at: usize, with: &[u8]) -> Self {
        self.leaves[0] = super::forge::patched(&self.leaves[0], at, with);
        self
    }

    pub fn encode(&self, seed: &Key) -> Vec<u8> {
        let (unsigned, message) = self.unsigned();
        [&unsigned[..], &sign(seed, "sign commit", &message)].concat()
    }

    /// The object without its signature, and what that is over.
    pub fn unsigned(&self) -> (Vec<u8>, Vec<u8>) {
        let own: Vec<Key> = self.leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let root = self.root.unwrap_or_else(|| merkle(&[&self.hashes[..], &own].concat()));
        let mut bodies = Out::default();
        for body in &self.bodies {
            bodies = bodies.bytes(body);
        }
        let (count, last) = (self.leaves.len(), own.last().copied().unwrap_or_default());
        let message = Out::default().fixed(&self.vault).u64(self.first).u32(count).fixed(&self.previous);
        let message = message.u64(self.first + count as u64).fixed(&root).fixed(&last);
        let message = message.fixed(&sha256(&[&bodies.0])).fixed(&self.nonce).0;
        let object = Out::default().fixed(&self.start).fixed(&self.vault).u64(self.first).u32(count);
        let object = object.u32(self.recent.len()).fixed(&self.previous).fixed(&root).fixed(&self.nonce);
        let object = object.u32(bodies.0.len()).fixed(&self.recent.concat()).fixed(&self.leaves.concat());
        (object.fixed(&bodies.0).0, message)
    }
}

pub fn leaf_hash(leaf: &[u8]) -> Key {
    sha256(&[&[0], leaf])
}

/// RFC 6962 §2.1.
pub fn merkle(leaves: &[Key]) -> Key {
    match leaves {
        [] => sha256(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            sha256(&[&[1], &merkle(left), &merkle(right)])
        }
    }
}

/// RFC 6962 §2.1.1.
pub fn inclusion(index: usize, leaves: &[Key]) -> Vec<Key> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let at = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(at);
    let (mut path, sibling) =
        if index < at { (inclusion(index, left), right) } else { (inclusion(index - at, right), left) };
    path.push(merkle(sibling));
    path
}
