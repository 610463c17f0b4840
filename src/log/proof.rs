//! Proofs about the log's Merkle tree (RFC 6962 §2.1.1, §2.1.2), verified as RFC 9162 says.
//!
//! A proof is a list of hashes, each of which stands for a range of leaves. Who has the hashes of
//! perfect subtrees makes one from [`inclusion_ranges`] or [`consistency_ranges`], [`perfect`] and
//! [`fold`](super::merkle::fold).

use core::ops::Range;

use super::{Hash, merkle::node};
use crate::crypto::digest::sha256;

/// Why a proof does not show what it was brought for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// It has more or fewer hashes than such a proof has.
    #[error("the proof has too many or too few hashes")]
    Length,
    /// It does not lead to the root of the older tree.
    #[error("the proof does not lead to the root of the older tree")]
    OldRoot,
    /// There is no such proof: the record is outside the tree, or the older tree is the larger one.
    #[error("a tree of this size can have no such proof")]
    Range,
    /// It does not lead to the tree's root.
    #[error("the proof does not lead to the root of the tree")]
    Root,
}

// RFC 6962 §2.1.1: PATH(m, {d(0)}) = {}; with k the largest power of two smaller than n,
//     PATH(m, D[n]) = PATH(m, D[0:k]) : MTH(D[k:n])        for m < k
//     PATH(m, D[n]) = PATH(m - k, D[k:n]) : MTH(D[0:k])    for m >= k
/// The ranges of leaves whose hashes show that leaf `index` is in a tree of `size` leaves; none if
/// it is not.
pub(crate) fn inclusion_ranges(index: u64, size: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    let mut within = 0..if index < size { size } else { 0 };
    while let Some(middle) = split(&within) {
        let (left, right) = (within.start..middle, middle..within.end);
        let (sibling, next) = if index < middle { (right, left) } else { (left, right) };
        ranges.push(sibling);
        within = next;
    }
    ranges.reverse();
    ranges
}

// RFC 6962 §2.1.2: PROOF(m, D[n]) = SUBPROOF(m, D[n], true); with k as above,
//     SUBPROOF(m, D[m], true) = {}, SUBPROOF(m, D[m], false) = {MTH(D[m])}
//     SUBPROOF(m, D[n], b) = SUBPROOF(m, D[0:k], b) : MTH(D[k:n])            for m <= k
//     SUBPROOF(m, D[n], b) = SUBPROOF(m - k, D[k:n], false) : MTH(D[0:k])    for m > k
/// The ranges of leaves whose hashes show that a tree of `new` leaves begins with the one of `old`
/// leaves; none if no hash is needed, or `old` is the larger one.
pub(crate) fn consistency_ranges(old: u64, new: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    let mut within = 0..if 0 < old && old < new { new } else { 0 };
    while let Some(middle) = split(&within).filter(|_| within.end > old) {
        let (left, right) = (within.start..middle, middle..within.end);
        let (sibling, next) = if old <= middle { (right, left) } else { (left, right) };
        ranges.push(sibling);
        within = next;
    }
    if within.start > 0 {
        ranges.push(within);
    }
    ranges.reverse();
    ranges
}

/// The perfect subtrees, as first leaf and height, that cover `range` from left to right: as few as
/// there can be, each starting at a multiple of its number of leaves.
pub(crate) fn perfect(range: Range<u64>) -> Vec<(u64, u32)> {
    let mut subtrees = Vec::new();
    let mut start = range.start;
    while let Some(largest) = range.end.saturating_sub(start).checked_ilog2() {
        let height = largest.min(start.trailing_zeros());
        subtrees.push((start, height));
        start = start.saturating_add(1 << height);
    }
    subtrees
}

// RFC 9162 §2.1.3.2: fn = leaf_index, sn = tree_size - 1, r = hash; for each p of the path
//     fail if sn = 0; if LSB(fn) or fn = sn: r = HASH(0x01 || p || r), and if not LSB(fn), shift
//     both until LSB(fn) or fn = 0; otherwise r = HASH(0x01 || r || p); then shift both once.
// At the end sn = 0 and r = root_hash.
/// Checks that `leaf` is the hash of leaf `index` in the tree of `size` leaves with `root`.
///
/// # Errors
///
/// [`ProofError`].
pub(crate) fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Range);
    }
    let mut path = Path { node: index, last: size - 1 };
    let mut hash = *leaf;
    for sibling in proof {
        hash = match path.climb()? {
            Side::Left => node(sibling, &hash),
            Side::Right => node(&hash, sibling),
        };
    }
    path.at_root()?;
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

// RFC 9162 §2.1.4.2: if first is a power of two, first_hash goes before the path. fn = first - 1,
// sn = second - 1; shift both while LSB(fn). fr = sr = the first of the path; for each other c
//     fail if sn = 0; if LSB(fn) or fn = sn: fr = HASH(0x01 || c || fr), sr = HASH(0x01 || c || sr),
//     and if not LSB(fn), shift both until LSB(fn) or fn = 0; otherwise sr = HASH(0x01 || sr || c);
//     then shift both once.
// At the end fr = first_hash, sr = second_hash and sn = 0.
/// Checks that the tree of `new` leaves with `new_root` begins with the tree of `old` leaves with
/// `old_root`.
///
/// Of trees of one size the roots must be equal, and every tree begins with the empty one; both
/// need the empty proof.
///
/// # Errors
///
/// [`ProofError`].
pub(crate) fn verify_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Range);
    }
    if old == 0 || old == new {
        return trivially_consistent(old, old_root, new, new_root, proof);
    }
    let (first, rest) = if old.is_power_of_two() {
        (old_root, proof)
    } else {
        proof.split_first().ok_or(ProofError::Length)?
    };
    let shared = (old - 1).trailing_ones();
    let mut path = Path { node: (old - 1).unbounded_shr(shared), last: (new - 1).unbounded_shr(shared) };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        match path.climb()? {
            Side::Left => (old_hash, new_hash) = (node(sibling, &old_hash), node(sibling, &new_hash)),
            Side::Right => new_hash = node(&new_hash, sibling),
        }
    }
    path.at_root()?;
    match (old_hash == *old_root, new_hash == *new_root) {
        (true, true) => Ok(()),
        (true, false) => Err(ProofError::Root),
        (false, _) => Err(ProofError::OldRoot),
    }
}

fn trivially_consistent(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    let empty = |size, root: &Hash| size > 0 || *root == sha256(&[]);
    if !proof.is_empty() {
        Err(ProofError::Length)
    } else if !empty(old, old_root) {
        Err(ProofError::OldRoot)
    } else if !empty(new, new_root) || (old == new && old_root != new_root) {
        Err(ProofError::Root)
    } else {
        Ok(())
    }
}

/// A way up a tree: the number of a node on its level, and of the level's last node.
struct Path {
    node: u64,
    last: u64,
}

/// On which side of the way the next hash of a proof stands.
enum Side {
    Left,
    Right,
}

impl Path {
    /// Goes up to the next node that has two children.
    fn climb(&mut self) -> Result<Side, ProofError> {
        if self.last == 0 {
            return Err(ProofError::Length);
        }
        let side = if self.node & 1 == 1 || self.node == self.last { Side::Left } else { Side::Right };
        if matches!(side, Side::Left) {
            self.shift(self.node.trailing_zeros());
        }
        self.shift(1);
        Ok(side)
    }

    fn shift(&mut self, levels: u32) {
        // All of a number that is zero shifts out.
        self.node = self.node.unbounded_shr(levels);
        self.last = self.last.unbounded_shr(levels);
    }

    fn at_root(&self) -> Result<(), ProofError> {
        if self.last == 0 { Ok(()) } else { Err(ProofError::Length) }
    }
}

/// Where RFC 6962 §2.1 divides a range that is a subtree: behind the largest power of two of leaves
/// that leaves some. `None` for a single leaf and for none.
fn split(range: &Range<u64>) -> Option<u64> {
    let last = range.end.checked_sub(range.start)?.checked_sub(1)?;
    Some(range.start.saturating_add(1 << last.checked_ilog2()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tlog_tiles::{
        Hash as TheirHash, HashReader, check_record, check_tree, prove_record, prove_tree,
        stored_hashes_for_record_hash, tree_hash,
    };

    use super::*;
    use crate::log::{leaf::leaf_hash, merkle::fold};

    /// RFC 6962 §2.1, by its own recursion.
    fn root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => sha256(&[]),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node(&root(left), &root(right))
            }
        }
    }

    /// RFC 6962 §2.1.1, by its own recursion.
    fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() < 2 {
            return Vec::new();
        }
        let k = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(k);
        let (mut proof, sibling) =
            if index < k { (path(index, left), root(right)) } else { (path(index - k, right), root(left)) };
        proof.push(sibling);
        proof
    }

    /// RFC 6962 §2.1.2, by its own recursion.
    fn subproof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if whole { Vec::new() } else { vec![root(leaves)] };
        }
        let k = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(k);
        let (mut proof, sibling) = if old <= k {
            (subproof(old, left, whole), root(right))
        } else {
            (subproof(old - k, right, false), root(left))
        };
        proof.push(sibling);
        proof
    }

    fn leaves(count: u32) -> Vec<Hash> {
        (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    fn u(n: usize) -> u64 {
        u64::try_from(n).expect("small")
    }

    fn at(n: u64) -> usize {
        usize::try_from(n).expect("small")
    }

    /// The hashes of ranges, from those of their perfect subtrees alone.
    fn hashes(ranges: Vec<Range<u64>>, leaves: &[Hash]) -> Vec<Hash> {
        let subtree = |(start, height): (u64, u32)| root(&leaves[at(start)..at(start + (1 << height))]);
        let range = |range| fold(&perfect(range).into_iter().map(subtree).collect::<Vec<_>>());
        ranges.into_iter().map(range).collect()
    }

    /// Every list of hashes that one step makes from `proof`.
    fn altered(proof: &[Hash]) -> impl Iterator<Item = Vec<Hash>> {
        let flips = (0..proof.len() * 256).map(|bit| {
            let mut altered = proof.to_vec();
            altered[bit / 256][bit % 256 / 8] ^= 1 << (bit % 8);
            altered
        });
        let without = (0..proof.len()).map(|i| [&proof[..i], &proof[i + 1..]].concat());
        let with = (0..=proof.len()).map(|i| {
            let extra = proof.get(i).copied().unwrap_or([7; 32]);
            [&proof[..i], &[extra], &proof[i..]].concat()
        });
        flips.chain(without).chain(with)
    }

    #[test]
    fn every_inclusion_to_64_is_proven_and_every_altered_proof_refused() {
        let all = leaves(64);
        for size in 1..=all.len() {
            let (tree, head) = (&all[..size], root(&all[..size]));
            for (index, leaf) in tree.iter().enumerate() {
                let proof = hashes(inclusion_ranges(u(index), u(size)), tree);
                assert_eq!(proof, path(index, tree));
                let check = |proof: &[Hash]| verify_inclusion(leaf, u(index), u(size), proof, &head);
                assert_eq!(check(&proof), Ok(()));
                assert!(altered(&proof).all(|proof| check(&proof).is_err()), "{index} of {size}");
                for other in (0..=size).filter(|other| *other != index) {
                    assert!(verify_inclusion(leaf, u(other), u(size), &proof, &head).is_err());
                }
                assert!(verify_inclusion(&[7; 32], u(index), u(size), &proof, &head).is_err());
            }
            assert_eq!(verify_inclusion(&all[0], u(size), u(size), &[], &head), Err(ProofError::Range));
            assert!(inclusion_ranges(u(size), u(size)).is_empty());
        }
    }

    #[test]
    fn every_consistency_to_64_is_proven_and_every_altered_proof_refused() {
        let all = leaves(64);
        for new in 0..=all.len() {
            let new_root = root(&all[..new]);
            for old in 0..=new {
                let old_root = root(&all[..old]);
                let proof = hashes(consistency_ranges(u(old), u(new)), &all);
                let expected = if old == 0 { Vec::new() } else { subproof(old, &all[..new], true) };
                assert_eq!(proof, expected);
                let check = |proof: &[Hash]| verify_consistency(u(old), &old_root, u(new), &new_root, proof);
                assert_eq!(check(&proof), Ok(()));
                assert!(altered(&proof).all(|proof| check(&proof).is_err()), "{old} to {new}");
                let fork =
                    |old_root, new_root| verify_consistency(u(old), old_root, u(new), new_root, &proof);
                if old > 0 {
                    assert!(fork(&[7; 32], &new_root).is_err() && fork(&old_root, &[7; 32]).is_err());
                }
                if old < new {
                    let back = verify_consistency(u(new), &new_root, u(old), &old_root, &proof);
                    assert_eq!(back, Err(ProofError::Range));
                    assert!(consistency_ranges(u(new), u(old)).is_empty());
                }
            }
        }
    }

    /// The proofs that a smaller tree would have: their hashes come to the root, and too soon.
    #[test]
    fn an_inner_node_is_no_leaf_and_a_size_is_that_of_its_root() {
        let all = leaves(8);
        let (lower, upper) = (root(&all[..2]), root(&all[2..4]));
        let (four, eight) = (root(&all[..4]), root(&all));
        assert_eq!(verify_inclusion(&lower, 0, 2, &[upper], &four), Ok(()));
        assert_eq!(verify_inclusion(&lower, 0, 4, &[upper], &four), Err(ProofError::Length));
        assert_eq!(verify_inclusion(&eight, 0, 8, &[], &eight), Err(ProofError::Length));
        assert_eq!(verify_consistency(2, &lower, 4, &four, &[upper]), Ok(()));
        assert_eq!(verify_consistency(2, &lower, 8, &four, &[upper]), Err(ProofError::Length));
    }

    #[test]
    fn the_empty_tree_has_one_root_and_no_proof() {
        let empty = sha256(&[]);
        assert_eq!(verify_consistency(0, &empty, 0, &empty, &[]), Ok(()));
        assert_eq!(verify_consistency(0, &empty, 5, &[1; 32], &[]), Ok(()));
        assert_eq!(verify_consistency(0, &[1; 32], 5, &[1; 32], &[]), Err(ProofError::OldRoot));
        assert_eq!(verify_consistency(0, &empty, 0, &[1; 32], &[]), Err(ProofError::Root));
        assert_eq!(verify_consistency(0, &empty, 5, &[1; 32], &[empty]), Err(ProofError::Length));
        assert_eq!(verify_consistency(5, &[1; 32], 5, &[2; 32], &[]), Err(ProofError::Root));
        assert_eq!(verify_consistency(3, &[1; 32], 5, &[2; 32], &[]), Err(ProofError::Length));
    }

    /// Trees of equal leaves: a perfect subtree's hash depends on its height alone, so trees of any
    /// size can be had.
    #[test]
    fn trees_of_every_power_of_two_and_its_neighbours_are_proven() {
        let heights: Vec<Hash> =
            (0..64).scan([9; 32], |hash, _| Some(core::mem::replace(hash, node(hash, hash)))).collect();
        let range = |range| {
            let subtrees = perfect(range).into_iter();
            fold(
                &subtrees
                    .map(|(_, height)| heights[usize::try_from(height).expect("small")])
                    .collect::<Vec<_>>(),
            )
        };
        let sizes: Vec<u64> = (0..64u32)
            .flat_map(|bit| [(1u64 << bit).wrapping_sub(1), 1 << bit, (1 << bit) + 1])
            .chain([u64::MAX - 1, u64::MAX, 0x5555_5555_5555_5555, 0xDEAD_BEEF_0000_0001])
            .collect();
        for size in sizes.iter().copied().filter(|size| *size > 0) {
            for other in sizes.iter().copied().filter(|other| *other <= size) {
                let proof: Vec<Hash> = consistency_ranges(other, size).into_iter().map(range).collect();
                let (old_root, new_root) = (range(0..other), range(0..size));
                assert_eq!(verify_consistency(other, &old_root, size, &new_root, &proof), Ok(()));
                if other < size {
                    let proof: Vec<Hash> = inclusion_ranges(other, size).into_iter().map(range).collect();
                    assert_eq!(verify_inclusion(&[9; 32], other, size, &proof, &new_root), Ok(()));
                    assert!(proof.len() <= 64);
                }
            }
        }
    }

    #[test]
    fn perfect_subtrees_cover_a_range_and_are_aligned() {
        for start in 0..70u64 {
            for end in start..70 {
                let mut next = start;
                for (first, height) in perfect(start..end) {
                    assert_eq!((first, first % (1 << height)), (next, 0));
                    next += 1 << height;
                }
                assert_eq!(next, end);
            }
        }
        assert_eq!(perfect(0..u64::MAX).len(), 64);
        assert!(perfect(Range { start: 5, end: 2 }).is_empty());
    }

    /// What tlog_tiles stores of a log: the hashes of its complete subtrees.
    #[derive(Default)]
    struct Theirs(Vec<TheirHash>);

    impl HashReader for Theirs {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<TheirHash>, tlog_tiles::Error> {
            Ok(indexes.iter().map(|index| self.0[at(*index)]).collect())
        }
    }

    fn theirs(leaves: &[Hash]) -> Theirs {
        let mut stored = Theirs::default();
        for (n, leaf) in leaves.iter().enumerate() {
            let more = stored_hashes_for_record_hash(u(n), TheirHash(*leaf), &stored).expect("in memory");
            stored.0.extend(more);
        }
        stored
    }

    fn pseudo_random(seed: u64, what: u64) -> u64 {
        let bytes = sha256(&[&seed.to_be_bytes(), &what.to_be_bytes()]);
        u64::from_be_bytes(*bytes.first_chunk().expect("32 bytes"))
    }

    /// Both implementations make the same proofs of a random tree, and each verifies the other's.
    fn compare(seed: u64) {
        let size = 1 + pseudo_random(seed, 0) % if seed.is_multiple_of(64) { 1000 } else { 48 };
        let tree: Vec<Hash> =
            (0..size).map(|i| sha256(&[&seed.to_be_bytes(), b"leaf", &i.to_be_bytes()])).collect();
        let (index, old) = (pseudo_random(seed, 1) % size, 1 + pseudo_random(seed, 2) % size);
        let (stored, head, old_head) = (theirs(&tree), root(&tree), root(&tree[..at(old)]));
        let their = |hash: Hash| TheirHash(hash);
        assert_eq!(tree_hash(size, &stored).expect("a root").0, head);

        let ours = hashes(inclusion_ranges(index, size), &tree);
        let proof = prove_record(size, index, &stored).expect("a proof");
        assert_eq!(proof.iter().map(|hash| hash.0).collect::<Vec<_>>(), ours);
        assert_eq!(verify_inclusion(&tree[at(index)], index, size, &ours, &head), Ok(()));
        let proof = ours.into_iter().map(their).collect();
        assert!(check_record(&proof, size, their(head), index, their(tree[at(index)])).is_ok());

        let ours = hashes(consistency_ranges(old, size), &tree);
        let proof = prove_tree(size, old, &stored).expect("a proof");
        assert_eq!(proof.iter().map(|hash| hash.0).collect::<Vec<_>>(), ours);
        assert_eq!(verify_consistency(old, &old_head, size, &head, &ours), Ok(()));
        let proof = ours.into_iter().map(their).collect();
        assert!(check_tree(&proof, size, their(head), old, their(old_head)).is_ok());
    }

    #[test]
    fn a_hundred_thousand_random_trees_agree_with_another_implementation() {
        (0..100_000).for_each(compare);
    }

    #[test]
    #[ignore = "minutes; a tenth of it is in the suite"]
    fn a_million_random_trees_agree_with_another_implementation() {
        (0..1_000_000).for_each(compare);
    }

    proptest! {
        #[test]
        fn any_input_is_answered(
            sizes: [u64; 2],
            roots: [[u8; 32]; 3],
            proof in prop::collection::vec(any::<[u8; 32]>(), 0..70),
        ) {
            let ([a, b], [x, y, z]) = (sizes, roots);
            prop_assert!(verify_inclusion(&x, a, b, &proof, &y).is_err());
            prop_assert!(verify_consistency(a, &z, b, &y, &proof).is_err());
        }
    }
}
