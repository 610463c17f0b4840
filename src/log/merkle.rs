//! The RFC 6962 Merkle tree over all leaves, kept as a compact frontier.

use super::Hash;
use crate::crypto::digest::sha256;

/// The roots of the perfect subtrees of a tree, largest first: all that appending needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    /// A frontier as stored, or `None` if a tree of `size` leaves has another number of roots.
    pub(crate) fn from_roots(size: u64, roots: Vec<Hash>) -> Option<Self> {
        let expected = usize::try_from(size.count_ones()).ok()?;
        (roots.len() == expected).then_some(Self { size, roots })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// Adds one leaf hash: as many merges as the old size ends in one-bits.
    pub(crate) fn push(&mut self, leaf: Hash) {
        let merges = usize::try_from(self.size.trailing_ones()).unwrap_or(usize::MAX);
        let merged = self.roots.drain(self.roots.len().saturating_sub(merges)..);
        let hash = merged.rev().fold(leaf, |right, left| node(&left, &right));
        self.roots.push(hash);
        self.size = self.size.saturating_add(1);
    }

    /// The frontier with these leaf hashes added.
    pub(crate) fn followed_by(&self, leaves: impl IntoIterator<Item = Hash>) -> Self {
        let mut after = self.clone();
        leaves.into_iter().for_each(|leaf| after.push(leaf));
        after
    }

    /// The root of the tree.
    pub(crate) fn root(&self) -> Hash {
        fold(&self.roots)
    }
}

// RFC 6962 §2.1: MTH(D[n]) = SHA-256(0x01 || MTH(D[0:k]) || MTH(D[k:n])), k the largest power
// of two smaller than n; MTH({}) = SHA-256().
/// The hash of leaves that the perfect subtrees with these roots cover, left to right.
pub(crate) fn fold(roots: &[Hash]) -> Hash {
    let mut right_to_left = roots.iter().rev();
    let Some(last) = right_to_left.next() else { return sha256(&[]) };
    right_to_left.fold(*last, |right, left| node(left, &right))
}

/// The hash of a tree whose leaves, or equal perfect subtrees, have these hashes.
pub(crate) fn tree(hashes: &[Hash]) -> Hash {
    Frontier::default().followed_by(hashes.iter().copied()).root()
}

/// An interior node (RFC 6962 §2.1).
pub(crate) fn node(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::leaf::leaf_hash;

    fn reference(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => sha256(&[]),
            [leaf] => *leaf,
            _ => {
                let k = leaves.len().next_power_of_two() / 2;
                node(&reference(&leaves[..k]), &reference(&leaves[k..]))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_rfc_6962_at_every_size() {
        let leaves: Vec<Hash> = (0u32..130).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        let mut frontier = Frontier::default();
        for size in 0..leaves.len() {
            assert_eq!(frontier.root(), reference(&leaves[..size]));
            assert_eq!(tree(&leaves[..size]), reference(&leaves[..size]));
            assert_eq!(
                Frontier::from_roots(frontier.size(), frontier.roots().to_vec()),
                Some(frontier.clone())
            );
            frontier.push(leaves[size]);
        }
    }

    // The tree heads of the reference tests of RFC 6962's authors (certificate-transparency,
    // merkletree tests): inputs of 0, 1, 1, 2, 4 … bytes.
    #[test]
    fn published_roots_come_out() {
        let inputs: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let mut frontier = Frontier::default();
        inputs.iter().for_each(|input| frontier.push(leaf_hash(input)));
        let expected = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328";
        assert_eq!(crate::ids::Hex(&frontier.root()).to_string(), expected);
    }

    #[test]
    fn a_frontier_with_another_number_of_roots_is_refused() {
        assert!(Frontier::from_roots(3, vec![[0; 32]]).is_none());
        assert!(Frontier::from_roots(4, vec![[0; 32]; 2]).is_none());
    }
}
