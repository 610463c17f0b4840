//! Opening with a pin across signing epochs, against storage that lies and knows some of the commit seeds: the keys are
//! followed from the pin's to the head's, and the trees that they signed grow out of one another.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::checker::Model;

pub(crate) const OPENS: &str = "an honest storage opens with every pin ever taken";
pub(crate) const FORGED: &str =
    "what opens departs from the log only behind the pin, and where a stolen seed signs";
pub(crate) const ROLLED_BACK: &str = "what opens is at least as long as the pin";

#[derive(Default)]
pub(crate) struct Pinned {
    /// A head whose leaves carry an epoch before the pin's is rolled back, also if it is the very head that was pinned.
    pub(crate) judges_by_epoch: bool,
    /// A change of keys is shown to lie in the head's tree, instead of its tree to be a prefix of it.
    pub(crate) change_only_included: bool,
    /// The head's key is what the newest change states, whoever signed that.
    pub(crate) change_unsigned: bool,
    /// The pin's tree is not shown to be a prefix.
    pub(crate) pin_unproven: bool,
    /// A log opens if either tree is a prefix of the other.
    pub(crate) shorter_opens: bool,
    /// The opener takes the head's key from the log's own changes, from the first on, instead of from the pin.
    pub(crate) keys_from_genesis: bool,
    /// Not a rule but a claim too many: a superseded seed signs nothing that opens, whatever the pin.
    pub(crate) superseded_seeds_harmless: bool,
}

/// The seed of an epoch's commit key; `MALLORY` and `LOST` belong to no epoch of the log.
type Key = usize;
type Epoch = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Content {
    Data,
    Forged,
    /// Data of an attempt that lost.
    Lost,
    NewKey(Key),
}

/// What binds a leaf to its predecessor is `prev`; the tree binds it to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Leaf {
    content: Content,
    epoch: Epoch,
    prev: u64,
}

/// The records from `first` on, and the signature over the tree up to their end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Commit {
    first: usize,
    tree: Vec<Leaf>,
    signer: Key,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Pin {
    epoch: Epoch,
    key: Key,
    tree: Vec<Leaf>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    log: Vec<Commit>,
    /// An honest attempt that lost its race; storage has seen its bytes.
    lost: Option<Commit>,
    pin: Option<Pin>,
    stolen: Vec<Key>,
    opened: Option<Vec<Leaf>>,
}

#[derive(Debug)]
#[expect(dead_code, reason = "traces print the fields")]
pub(crate) enum Step {
    Committed { records: usize },
    KeysRotated { records: usize },
    AttemptLost { rotation: bool },
    PinTaken { size: usize, epoch: Epoch },
    SeedStolen { epoch: Epoch },
    Opened { head: String, changes: Vec<String> },
}

impl Model for Pinned {
    type State = State;
    type Step = Step;

    fn initial(&self) -> State {
        State { log: Vec::new(), lost: None, pin: None, stolen: Vec::new(), opened: None }
    }

    fn steps(&self, state: &State) -> Vec<(Step, State)> {
        let mut out = Vec::new();
        if state.opened.is_some() {
            return out;
        }
        match &state.pin {
            None => grows(state, &mut out),
            Some(pin) => {
                steals(state, &mut out);
                self.lies(state, pin, &mut out);
            }
        }
        out
    }

    fn violation(&self, state: &State) -> Option<&'static str> {
        let pin = state.pin.as_ref()?;
        let Some(opened) = &state.opened else {
            let changes = honest_changes(&state.log, self.first_key(pin).0);
            return (!self.opens(pin, state.log.last()?, &changes)).then_some(OPENS);
        };
        if opened.len() < pin.tree.len() {
            return Some(ROLLED_BACK);
        }
        let truth = tree(&state.log);
        let common = truth.iter().zip(opened).take_while(|(a, b)| a == b).count();
        let shortened = common == opened.len();
        let lost = state.lost.as_ref().is_some_and(|lost| lost.tree == *opened);
        let forgeable = self.forgeable_from(state, pin).is_some_and(|from| common >= from);
        let harmless = shortened || forgeable || (lost && common >= pin.tree.len());
        (!harmless).then_some(FORGED)
    }
}

impl Pinned {
    /// The opener. `changes` are the commits that the rows of the epochs after the pin's name; what the tail and the
    /// index say of them is not verified before the head is.
    fn opens(&self, pin: &Pin, head: &Commit, changes: &[Commit]) -> bool {
        let epoch = head.tree[head.first].epoch;
        let size = head.tree.len();
        if head.tree[head.first..].iter().any(|leaf| leaf.epoch != epoch) || !chained(head) {
            return false;
        }
        if self.judges_by_epoch {
            if epoch < pin.epoch {
                return false;
            }
        } else if size == pin.tree.len() {
            return head.tree == pin.tree;
        }
        let grown = self.pin_unproven || head.tree.starts_with(&pin.tree);
        (grown || (self.shorter_opens && pin.tree.starts_with(&head.tree)))
            && self.key_of_head(pin, head, changes) == Some((epoch, head.signer))
    }

    fn first_key(&self, pin: &Pin) -> (Epoch, Key) {
        if self.keys_from_genesis { (1, 1) } else { (pin.epoch, pin.key) }
    }

    /// Follows the changes of keys from the pin's on, each signed by the key that the one before states.
    fn key_of_head(&self, pin: &Pin, head: &Commit, changes: &[Commit]) -> Option<(Epoch, Key)> {
        let (mut epoch, mut key) = self.first_key(pin);
        let mut grown: &[Leaf] = &[];
        for change in changes {
            let last = change.tree.last()?;
            let Content::NewKey(stated) = last.content else { return None };
            let signed = change.signer == key || self.change_unsigned;
            let placed = if self.change_only_included {
                head.tree.get(change.tree.len() - 1) == Some(last)
            } else {
                head.tree.starts_with(&change.tree) && change.tree.starts_with(grown)
            };
            if !signed || !placed || last.epoch != epoch {
                return None;
            }
            (epoch, key, grown) = (epoch + 1, stated, &change.tree);
        }
        Some((epoch, key))
    }

    /// Up to where the log stands whatever the stolen seeds sign: the pin, or the place where the first epoch begins, from
    /// the pin's on, whose seed was stolen.
    fn forgeable_from(&self, state: &State, pin: &Pin) -> Option<usize> {
        let truth = tree(&state.log);
        let oldest = if self.superseded_seeds_harmless { place(&truth).0 } else { pin.epoch };
        let epoch = *state.stolen.iter().find(|epoch| **epoch >= oldest)?;
        let begins = (0..=truth.len()).find(|size| place(&truth[..*size]).0 == epoch)?;
        Some(begins.max(pin.tree.len()))
    }

    /// Every lie that opens. Others change nothing.
    fn lies(&self, state: &State, pin: &Pin, out: &mut Vec<(Step, State)>) {
        let (first, _) = self.first_key(pin);
        // A forged tree that is none of the pin's would not open but where the pin is unproven.
        let kept: &[Leaf] = if self.pin_unproven { &[] } else { &pin.tree };
        for head in heads(state, kept, self.change_unsigned) {
            let count = head.tree[head.first].epoch.saturating_sub(first);
            for changes in changes(state, &head, first, count) {
                if self.opens(pin, &head, &changes) {
                    let mut next = state.clone();
                    next.opened = Some(head.tree.clone());
                    let changes = changes.iter().map(shown).collect();
                    out.push((Step::Opened { head: shown(&head), changes }, next));
                }
            }
        }
    }
}

/// Honest writers: every commit is signed by the key of its place, and a new key ends its commit.
fn grows(state: &State, out: &mut Vec<(Step, State)>) {
    let truth = tree(&state.log);
    for size in 0..=truth.len() {
        if size > 0 && state.log.iter().any(|commit| commit.tree.len() == size) {
            let mut next = state.clone();
            let (epoch, key) = place(&truth[..size]);
            next.pin = Some(Pin { epoch, key, tree: truth[..size].to_vec() });
            out.push((Step::PinTaken { size, epoch }, next));
        }
    }
    let (epoch, signer) = place(&truth);
    for records in (1..=2).filter(|records| truth.len() + records <= MAX_RECORDS) {
        for rotated in [false, true] {
            if (rotated && epoch == MAX_EPOCH) || (!rotated && records > 1) {
                continue;
            }
            let last = if rotated { Content::NewKey(epoch + 1) } else { Content::Data };
            let mut next = state.clone();
            next.log.push(extended(&truth, records, last, epoch, signer));
            let step = if rotated { Step::KeysRotated { records } } else { Step::Committed { records } };
            out.push((step, next));
        }
    }
    if state.lost.is_none() && truth.len() < MAX_RECORDS {
        for rotation in [false, true] {
            let content = if rotation { Content::NewKey(LOST) } else { Content::Lost };
            let mut next = state.clone();
            next.lost = Some(extended(&truth, 1, content, epoch, signer));
            next.log.push(extended(&truth, 1, Content::Data, epoch, signer));
            out.push((Step::AttemptLost { rotation }, next));
        }
    }
}

fn steals(state: &State, out: &mut Vec<(Step, State)>) {
    for epoch in (1..=MAX_EPOCH).filter(|epoch| state.stolen.last().is_none_or(|last| last < epoch)) {
        let mut next = state.clone();
        next.stolen.push(epoch);
        out.push((Step::SeedStolen { epoch }, next));
    }
}

/// What storage can show as the changes of keys from `epoch` on: those that honest writers signed, and those that
/// it signs over a prefix of the tree that it shows.
fn changes(state: &State, head: &Commit, epoch: Epoch, count: usize) -> Vec<Vec<Commit>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let honest = state.log.iter().chain(&state.lost).cloned();
    let forged = (1..head.tree.len()).flat_map(|size| {
        let sign = move |signer| Commit { first: size - 1, tree: head.tree[..size].to_vec(), signer };
        known(state).into_iter().map(sign)
    });
    let states_next = |commit: &Commit| {
        let last = commit.tree.last();
        last.is_some_and(|last| last.epoch == epoch && matches!(last.content, Content::NewKey(_)))
    };
    let mut out = Vec::new();
    for change in honest.chain(forged).filter(states_next) {
        for rest in changes(state, head, epoch + 1, count - 1) {
            out.push([vec![change.clone()], rest].concat());
        }
    }
    out
}

/// What storage can show as the newest commit: any that an honest writer signed, and any that it can sign itself, of any
/// epoch, over any tree that mixes the log's leaves with its own.
fn heads(state: &State, kept: &[Leaf], any_key: bool) -> Vec<Commit> {
    let mut out: Vec<Commit> = state.log.iter().chain(&state.lost).cloned().collect();
    if state.stolen.is_empty() && !any_key {
        return out;
    }
    let truth = tree(&state.log);
    for tree in mixtures(&truth, kept) {
        for signer in known(state) {
            for epoch in 1..=MAX_EPOCH + 1 {
                let mut tree = tree.clone();
                tree.last_mut().into_iter().for_each(|last| last.epoch = epoch);
                out.push(Commit { first: tree.len() - 1, tree, signer });
            }
        }
    }
    out
}

/// Every tree that extends `kept` and each of whose other leaves is the log's at that place, forged, or a forged change of keys.
fn mixtures(truth: &[Leaf], kept: &[Leaf]) -> Vec<Vec<Leaf>> {
    let mut all: Vec<Vec<Leaf>> = Vec::new();
    let mut longest = vec![kept.to_vec()];
    for at in kept.len()..=truth.len() {
        let mut longer = Vec::new();
        for tree in &longest {
            let prev = tree.last().map_or(0, hash);
            let forged = Leaf { content: Content::Forged, epoch: place(tree).0, prev };
            let epochs = BTreeSet::from([1, forged.epoch]);
            let keys =
                epochs.into_iter().map(|epoch| Leaf { content: Content::NewKey(MALLORY), epoch, prev });
            for leaf in truth.get(at).copied().into_iter().chain([forged]).chain(keys) {
                longer.push([tree.as_slice(), &[leaf]].concat());
            }
        }
        all.extend(longer.iter().cloned());
        longest = longer;
    }
    all
}

fn extended(truth: &[Leaf], records: usize, last: Content, epoch: Epoch, signer: Key) -> Commit {
    let mut tree = truth.to_vec();
    for at in 1..=records {
        let content = if at == records { last } else { Content::Data };
        tree.push(Leaf { content, epoch, prev: tree.last().map_or(0, hash) });
    }
    Commit { first: truth.len(), tree, signer }
}

/// Epoch and key of what follows.
fn place(tree: &[Leaf]) -> (Epoch, Key) {
    let mut stated = tree.iter().filter_map(|leaf| match leaf.content {
        Content::NewKey(key) => Some(key),
        _ => None,
    });
    (stated.clone().count() + 1, stated.next_back().unwrap_or(1))
}

fn honest_changes(log: &[Commit], from: Epoch) -> Vec<Commit> {
    let head = log.last().map_or(0, |head| head.tree[head.first].epoch);
    let states = |commit: &&Commit| {
        let last = commit.tree.last();
        last.is_some_and(|last| {
            matches!(last.content, Content::NewKey(_)) && (from..head).contains(&last.epoch)
        })
    };
    log.iter().filter(states).cloned().collect()
}

fn known(state: &State) -> Vec<Key> {
    state.stolen.iter().copied().chain([MALLORY]).collect()
}

fn chained(commit: &Commit) -> bool {
    commit.tree[commit.first..].windows(2).all(|pair| pair[1].prev == hash(&pair[0]))
}

fn tree(log: &[Commit]) -> Vec<Leaf> {
    log.last().map_or_else(Vec::new, |commit| commit.tree.clone())
}

fn hash(leaf: &Leaf) -> u64 {
    let mut hasher = DefaultHasher::new();
    leaf.hash(&mut hasher);
    hasher.finish()
}

fn shown(commit: &Commit) -> String {
    let leaves: Vec<String> =
        commit.tree.iter().map(|leaf| format!("{:?}/{}", leaf.content, leaf.epoch)).collect();
    format!("{} signed by {}", leaves.join(" "), commit.signer)
}

const MALLORY: Key = 8;
const LOST: Key = 9;
const MAX_EPOCH: Epoch = 3;
const MAX_RECORDS: usize = 4;
