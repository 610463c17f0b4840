//! Tail-anchored opening: the newest commit and its anchor, read by exact name, give the exact tail since what the newest
//! index covers; whatever storage does to the copied leaves gives the same tail or an error.

use super::checker::Model;

pub(crate) const TAIL_EXACT: &str = "newest commit and anchor give the exact tail";
pub(crate) const TAMPERED: &str = "altered copies give the exact tail or an error";

#[derive(Default)]
pub(crate) struct Opening {
    /// An anchor copies the leaves since the newest index record instead of since what that index covers.
    pub(crate) anchors_from_index_record: bool,
    /// A commit copies the leaves since the previous anchor's end instead of since its first record.
    pub(crate) copies_from_anchor_end: bool,
    /// The opener does not compare the beginning of the tail with what the newest index covers.
    pub(crate) begin_unchecked: bool,
}

/// `seq` and `prev` bind a leaf into the chain; honest leaves have `content` 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Leaf {
    seq: usize,
    prev: u64,
    content: u64,
    index: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Commit {
    leaves: Vec<Leaf>,
    recents: Vec<Leaf>,
}

#[derive(Debug)]
#[expect(dead_code, reason = "traces print the fields")]
pub(crate) struct Committed {
    records: usize,
    /// Position in the commit and covered count of its index record.
    index: Option<(usize, usize)>,
}

impl Model for Opening {
    type State = Vec<Commit>;
    type Step = Committed;

    fn initial(&self) -> Vec<Commit> {
        Vec::new()
    }

    fn steps(&self, log: &Vec<Commit>) -> Vec<(Committed, Vec<Commit>)> {
        let length = all_leaves(log).len();
        let mut out = Vec::new();
        for records in (1..=MAX_COUNT).filter(|records| length + records <= MAX_RECORDS) {
            let covers =
                (FOLD..=length).step_by(FOLD).filter(|covered| *covered > newest_covered(&all_leaves(log)));
            let places = covers.flat_map(|covered| (0..records).map(move |at| Some((at, covered))));
            for index in std::iter::once(None).chain(places) {
                let mut next = log.clone();
                next.push(self.commit(log, records, index));
                out.push((Committed { records, index }, next));
            }
        }
        out
    }

    fn violation(&self, log: &Vec<Commit>) -> Option<&'static str> {
        if log.is_empty() {
            return None;
        }
        let truth = expected_tail(log);
        if self.open(log).as_ref() != Some(&truth) {
            return Some(TAIL_EXACT);
        }
        let tampered = tamperings(log);
        let fooled = tampered.iter().any(|log| self.open(log).is_some_and(|tail| tail != truth));
        fooled.then_some(TAMPERED)
    }
}

impl Opening {
    fn commit(&self, log: &[Commit], records: usize, index: Option<(usize, usize)>) -> Commit {
        let known = all_leaves(log);
        let mut leaves = known.clone();
        for at in 0..records {
            let covered = index.filter(|(place, _)| *place == at).map(|(_, covered)| covered);
            leaves.push(Leaf { seq: leaves.len(), prev: head(&leaves), content: 0, index: covered });
        }
        let leaves = leaves.split_off(known.len());
        let begin =
            if is_anchor(&leaves) { self.anchor_begin(&known) } else { self.copies_begin(log).unwrap_or(0) };
        Commit { leaves, recents: known[begin..].to_vec() }
    }

    fn anchor_begin(&self, known: &[Leaf]) -> usize {
        if self.anchors_from_index_record {
            return known.iter().rposition(|leaf| leaf.index.is_some()).unwrap_or(0);
        }
        newest_covered(known)
    }

    fn copies_begin(&self, log: &[Commit]) -> Option<usize> {
        let anchor = log.iter().rev().find(|commit| is_anchor(&commit.leaves))?;
        let first = anchor.leaves.first()?.seq;
        Some(if self.copies_from_anchor_end { first + anchor.leaves.len() } else { first })
    }

    /// The tail since what the newest index covers, from at most two objects; `None` is an error.
    fn open(&self, log: &[Commit]) -> Option<Vec<Leaf>> {
        let newest = log.last()?;
        let mut tail = chained(newest)?;
        if !is_anchor(&newest.leaves) {
            let first = tail.first()?;
            let anchor = read(log, (first.seq, first.prev))?;
            let mut whole = chained(anchor)?;
            let missing = tail.iter().position(|leaf| leaf.seq == whole.len() + whole[0].seq)?;
            let links = tail.split_off(missing);
            if tail != anchor.leaves || links.first()?.prev != head(&whole) {
                return None;
            }
            whole.extend(links);
            tail = whole;
        }
        let covered = newest_covered(&tail);
        let begin = tail.first()?.seq;
        if begin > covered && !self.begin_unchecked {
            return None;
        }
        tail.retain(|leaf| leaf.seq >= covered);
        Some(tail)
    }
}

/// Copies and leaves of one object, if the hash chain runs through them. The leaves themselves are signed.
fn chained(commit: &Commit) -> Option<Vec<Leaf>> {
    let leaves = [commit.recents.as_slice(), commit.leaves.as_slice()].concat();
    let linked = |pair: &[Leaf]| pair[1].seq == pair[0].seq + 1 && pair[1].prev == hash(&pair[0]);
    leaves.windows(2).all(linked).then_some(leaves)
}

fn read(log: &[Commit], name: (usize, u64)) -> Option<&Commit> {
    log.iter().find(|commit| commit.leaves.first().is_some_and(|leaf| (leaf.seq, leaf.prev) == name))
}

/// Each log in which storage altered one copied leaf of the newest commit or of an anchor, or cut copies off or put
/// older leaves before them.
fn tamperings(log: &[Commit]) -> Vec<Vec<Commit>> {
    let known = all_leaves(log);
    let mut out = Vec::new();
    for (at, commit) in log.iter().enumerate() {
        let first = commit.leaves.first().map_or(0, |leaf| leaf.seq);
        for begin in 0..=first {
            out.push(with_recents(log, at, known[begin..first].to_vec()));
        }
        for forged in 0..commit.recents.len() {
            let mut recents = commit.recents.clone();
            recents[forged].content = 1;
            out.push(with_recents(log, at, recents));
        }
        if commit.recents.len() > 1 {
            let mut recents = commit.recents.clone();
            recents.remove(commit.recents.len() / 2);
            out.push(with_recents(log, at, recents));
        }
    }
    out
}

fn with_recents(log: &[Commit], at: usize, recents: Vec<Leaf>) -> Vec<Commit> {
    let mut log = log.to_vec();
    log[at].recents = recents;
    log
}

fn expected_tail(log: &[Commit]) -> Vec<Leaf> {
    let leaves = all_leaves(log);
    leaves[newest_covered(&leaves)..].to_vec()
}

/// The commit contains a multiple of `ANCHOR`.
fn is_anchor(leaves: &[Leaf]) -> bool {
    leaves.iter().any(|leaf| leaf.seq % ANCHOR == 0)
}

fn all_leaves(log: &[Commit]) -> Vec<Leaf> {
    log.iter().flat_map(|commit| commit.leaves.clone()).collect()
}

fn newest_covered(leaves: &[Leaf]) -> usize {
    leaves.iter().rev().find_map(|leaf| leaf.index).unwrap_or(0)
}

fn head(leaves: &[Leaf]) -> u64 {
    leaves.last().map_or(0, hash)
}

fn hash(leaf: &Leaf) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    leaf.hash(&mut hasher);
    hasher.finish()
}

const ANCHOR: usize = 4;
const FOLD: usize = 2;
const MAX_COUNT: usize = 3;
const MAX_RECORDS: usize = 9;
