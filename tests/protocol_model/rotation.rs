//! Rotation of the vault key epoch beside `create_case` and erasure: add the epoch, wrap every case, drop the old epoch,
//! delete its key objects. A rotator that finds two epochs finishes the rotation of another.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    checker::Model,
    shared_log::{SharedLog, Verdict},
};

pub(crate) const KEY_HELD: &str = "every open case has a key object under an epoch the newest keyring holds";
pub(crate) const ERASED_GONE: &str = "an erasure reported final left no key object under a held epoch";

#[derive(Default)]
pub(crate) struct Rotation {
    pub(crate) rotators: usize,
    pub(crate) creators: usize,
    pub(crate) epochs: usize,
    /// Case 0 is erased at some time after it was opened.
    pub(crate) erases: bool,
    /// `CaseOpened` is planned whatever the keyring's current epoch is by then.
    pub(crate) create_ignores_epoch: bool,
    /// The drop is planned without looking at the key objects of every case known by then.
    pub(crate) drop_unchecked: bool,
    /// The cases are listed before the keyring record is committed, instead of as of that record.
    pub(crate) lists_before_adding: bool,
    /// Key objects are deleted unless their epoch is in the keyring as known, instead of when older than it.
    pub(crate) cleans_unknown_epochs: bool,
    /// Erasure is reported final as soon as the key objects found were deleted.
    pub(crate) deletion_taken_for_final: bool,
}

type Case = usize;
type Epoch = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Record {
    /// The next epoch, with the vault key that this rotator made, becomes current.
    EpochAdded {
        maker: usize,
    },
    /// The oldest epoch leaves the keyring.
    EpochDropped,
    CaseOpened(Case),
    CaseErased(Case),
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Actor {
    Rotator(Rotator),
    /// The case has the number of its creator.
    Creator(Creator),
    Eraser(Eraser),
    Dead,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Rotator {
    Idle { known: usize },
    Adding { cases: Vec<Case> },
    Wrapping { known: usize, cases: Vec<Case> },
    Dropping,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Creator {
    Start,
    Wrapped { known: usize, epoch: Epoch },
    Committing { epoch: Epoch },
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Eraser {
    Start,
    Committing,
    Deleting,
    Reported,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    log: SharedLog<Record>,
    /// Who made the vault key under which the object's case key is wrapped.
    keys: BTreeMap<(Case, Epoch), usize>,
    late_keys: BTreeSet<((Case, Epoch), usize)>,
    actors: Vec<Actor>,
}

#[derive(Debug)]
#[expect(dead_code, reason = "traces print the fields")]
pub(crate) enum Step {
    Lands(Option<Record>),
    LateKeyLands { case: Case, epoch: Epoch },
    Planned { actor: usize, record: Record },
    Learns { actor: usize },
    Helps { actor: usize },
    Rereads { actor: usize },
    KeyWritten { actor: usize, case: Case, epoch: Epoch },
    KeyWriteUnknown { actor: usize, case: Case, epoch: Epoch },
    KeyDeleted { actor: usize, case: Case, epoch: Epoch },
    ErasureReported { actor: usize },
    Crashes { actor: usize },
}

type Steps = Vec<(Step, State)>;

/// The keyring as a prefix of the log has it: the epochs from `oldest` to `current`.
struct Keyring {
    oldest: Epoch,
    makers: Vec<usize>,
}

impl Keyring {
    fn of(records: &[Record]) -> Self {
        let mut ring = Self { oldest: 0, makers: vec![GENESIS] };
        for record in records {
            match record {
                Record::EpochAdded { maker } => ring.makers.push(*maker),
                Record::EpochDropped => ring.oldest += 1,
                Record::CaseOpened(_) | Record::CaseErased(_) => {}
            }
        }
        ring
    }

    fn current(&self) -> Epoch {
        self.makers.len() - 1
    }

    /// Whether `keys` has a key object of the case that this ring opens, under epoch `from` or later.
    fn opens(&self, keys: &BTreeMap<(Case, Epoch), usize>, case: Case, from: Epoch) -> bool {
        (from.max(self.oldest)..=self.current())
            .any(|epoch| keys.get(&(case, epoch)) == Some(&self.makers[epoch]))
    }
}

impl Model for Rotation {
    type State = State;
    type Step = Step;

    fn initial(&self) -> State {
        let creators = (0..self.creators).map(|_| Actor::Creator(Creator::Start));
        let rotators = (0..self.rotators).map(|_| Actor::Rotator(Rotator::Idle { known: 0 }));
        let eraser = self.erases.then_some(Actor::Eraser(Eraser::Start));
        let actors: Vec<Actor> = creators.chain(rotators).chain(eraser).collect();
        let log = SharedLog::new(Vec::new(), actors.len());
        State { log, keys: BTreeMap::new(), late_keys: BTreeSet::new(), actors }
    }

    fn steps(&self, state: &State) -> Steps {
        let mut out = Vec::new();
        for log in state.log.landings() {
            out.push((Step::Lands(log.records.last().copied()), State { log, ..state.clone() }));
        }
        for (key, maker) in &state.late_keys {
            let mut next = state.clone();
            next.late_keys.remove(&(*key, *maker));
            next.keys.entry(*key).or_insert(*maker);
            out.push((Step::LateKeyLands { case: key.0, epoch: key.1 }, next));
        }
        for (actor, role) in state.actors.iter().enumerate() {
            match role {
                Actor::Rotator(rotator) => self.rotator(state, actor, rotator, &mut out),
                Actor::Creator(creator) => self.creator(state, actor, *creator, &mut out),
                Actor::Eraser(eraser) => eraser_steps(state, actor, *eraser, &mut out),
                Actor::Dead => continue,
            }
            if !state.actors.contains(&Actor::Dead) {
                out.push((Step::Crashes { actor }, with_actor(state, actor, Actor::Dead)));
            }
        }
        out
    }

    fn violation(&self, state: &State) -> Option<&'static str> {
        let records = &state.log.records;
        let ring = Keyring::of(records);
        if !open_cases(records).iter().all(|case| ring.opens(&state.keys, *case, ring.oldest)) {
            return Some(KEY_HELD);
        }
        let erased = records.iter().position(|record| *record == Record::CaseErased(0))?;
        let epochs_dropped = ring.oldest > Keyring::of(&records[..erased]).current();
        let reported =
            self.deletion_taken_for_final && state.actors.contains(&Actor::Eraser(Eraser::Reported));
        ((epochs_dropped || reported) && ring.opens(&state.keys, 0, ring.oldest)).then_some(ERASED_GONE)
    }
}

impl Rotation {
    fn rotator(&self, state: &State, actor: usize, rotator: &Rotator, out: &mut Steps) {
        match rotator {
            Rotator::Idle { known } => self.begins(state, actor, *known, out),
            Rotator::Adding { cases } => self.learns_add(state, actor, cases, out),
            Rotator::Wrapping { known, cases } => match cases.split_first() {
                Some((case, rest)) => self.wraps(state, actor, (*known, *case, rest), out),
                None => self.plans_drop(state, actor, *known, out),
            },
            Rotator::Dropping => {
                let mut next = state.clone();
                if let Some(verdict) = next.log.learn(actor) {
                    next.actors[actor] = Actor::Rotator(match verdict {
                        Verdict::Won(known) => Rotator::Idle { known },
                        Verdict::Lost(known) => wrapping(state, known),
                    });
                    out.push((Step::Learns { actor }, next));
                }
            }
        }
    }

    fn begins(&self, state: &State, actor: usize, known: usize, out: &mut Steps) {
        let ring = Keyring::of(&state.log.records[..known]);
        self.cleans(state, actor, (&ring, &state.log.records[..known]), out);
        if known < state.log.records.len() {
            let idle = Actor::Rotator(Rotator::Idle { known: state.log.records.len() });
            out.push((Step::Rereads { actor }, with_actor(state, actor, idle)));
        }
        if ring.current() + 1 < self.epochs {
            let cases = open_cases(&state.log.records[..known]);
            out.push(submitted(
                state,
                actor,
                known,
                Record::EpochAdded { maker: actor },
                Rotator::Adding { cases },
            ));
        }
        if ring.oldest < ring.current() {
            out.push((
                Step::Helps { actor },
                with_actor(state, actor, Actor::Rotator(wrapping(state, known))),
            ));
        }
    }

    fn learns_add(&self, state: &State, actor: usize, cases: &[Case], out: &mut Steps) {
        let mut next = state.clone();
        let Some(verdict) = next.log.learn(actor) else { return };
        next.actors[actor] = Actor::Rotator(match verdict {
            Verdict::Won(known) if self.lists_before_adding => {
                Rotator::Wrapping { known, cases: cases.to_vec() }
            }
            Verdict::Won(known) => wrapping(state, known),
            Verdict::Lost(known) => Rotator::Idle { known },
        });
        let full = Keyring::of(&state.log.records).current() + 1 == self.epochs;
        if let (Verdict::Lost(known), true, false) = (verdict, self.lists_before_adding, full) {
            next.log.submit(actor, known, Record::EpochAdded { maker: actor });
            next.actors[actor] = Actor::Rotator(Rotator::Adding { cases: cases.to_vec() });
        }
        out.push((Step::Learns { actor }, next));
    }

    /// Unwraps the case key with what it knows and creates the key object of the current epoch.
    fn wraps(
        &self,
        state: &State,
        actor: usize,
        (known, case, rest): (usize, Case, &[Case]),
        out: &mut Steps,
    ) {
        let ring = Keyring::of(&state.log.records[..known]);
        if !ring.opens(&state.keys, case, ring.oldest) {
            let again = Actor::Rotator(Rotator::Idle { known: state.log.records.len() });
            return out.push((Step::Rereads { actor }, with_actor(state, actor, again)));
        }
        let epoch = ring.current();
        let role = Actor::Rotator(Rotator::Wrapping { known, cases: rest.to_vec() });
        writes_key(&with_actor(state, actor, role), actor, (case, epoch), ring.makers[epoch], out);
    }

    fn plans_drop(&self, state: &State, actor: usize, known: usize, out: &mut Steps) {
        let records = &state.log.records[..known];
        let ring = Keyring::of(records);
        let wrapped = open_cases(records).iter().all(|case| ring.opens(&state.keys, *case, ring.oldest + 1));
        if ring.oldest == ring.current() {
            let idle = Actor::Rotator(Rotator::Idle { known });
            out.push((Step::Rereads { actor }, with_actor(state, actor, idle)));
        } else if wrapped || self.drop_unchecked {
            out.push(submitted(state, actor, known, Record::EpochDropped, Rotator::Dropping));
        } else {
            let again = wrapping(state, state.log.records.len());
            out.push((Step::Rereads { actor }, with_actor(state, actor, Actor::Rotator(again))));
        }
    }

    /// Deletes key objects that no keyring opens any more, and those of erased cases.
    fn cleans(&self, state: &State, actor: usize, (ring, known): (&Keyring, &[Record]), out: &mut Steps) {
        for (case, epoch) in state.keys.keys().copied() {
            let erased = known.contains(&Record::CaseErased(case));
            if erased || epoch < ring.oldest || (self.cleans_unknown_epochs && epoch > ring.current()) {
                let mut next = state.clone();
                next.keys.remove(&(case, epoch));
                out.push((Step::KeyDeleted { actor, case, epoch }, next));
            }
        }
    }

    fn creator(&self, state: &State, actor: usize, creator: Creator, out: &mut Steps) {
        match creator {
            Creator::Start => wraps_new_case(state, actor, out),
            Creator::Wrapped { known, epoch } => {
                if self.create_ignores_epoch || Keyring::of(&state.log.records[..known]).current() == epoch {
                    let mut next = with_actor(state, actor, Actor::Creator(Creator::Committing { epoch }));
                    let record = Record::CaseOpened(actor);
                    next.log.submit(actor, known, record);
                    out.push((Step::Planned { actor, record }, next));
                } else {
                    wraps_new_case(state, actor, out);
                }
            }
            Creator::Committing { epoch } => {
                let mut next = state.clone();
                if let Some(verdict) = next.log.learn(actor) {
                    next.actors[actor] = Actor::Creator(match verdict {
                        Verdict::Won(_) => Creator::Done,
                        Verdict::Lost(known) => Creator::Wrapped { known, epoch },
                    });
                    out.push((Step::Learns { actor }, next));
                }
            }
            Creator::Done => {}
        }
    }
}

fn wraps_new_case(state: &State, actor: usize, out: &mut Steps) {
    let known = state.log.records.len();
    let ring = Keyring::of(&state.log.records);
    let epoch = ring.current();
    let wrapped = with_actor(state, actor, Actor::Creator(Creator::Wrapped { known, epoch }));
    writes_key(&wrapped, actor, (actor, epoch), ring.makers[epoch], out);
}

fn eraser_steps(state: &State, actor: usize, eraser: Eraser, out: &mut Steps) {
    let as_eraser = |eraser| with_actor(state, actor, Actor::Eraser(eraser));
    match eraser {
        Eraser::Start if state.log.records.contains(&Record::CaseOpened(0)) => {
            let mut next = as_eraser(Eraser::Committing);
            next.log.submit(actor, state.log.records.len(), Record::CaseErased(0));
            out.push((Step::Planned { actor, record: Record::CaseErased(0) }, next));
        }
        Eraser::Committing => {
            let mut next = state.clone();
            if let Some(verdict) = next.log.learn(actor) {
                let won = matches!(verdict, Verdict::Won(_));
                next.actors[actor] = Actor::Eraser(if won { Eraser::Deleting } else { Eraser::Start });
                out.push((Step::Learns { actor }, next));
            }
        }
        Eraser::Deleting => match state.keys.keys().find(|(case, _)| *case == 0).copied() {
            Some((case, epoch)) => {
                let mut next = state.clone();
                next.keys.remove(&(case, epoch));
                out.push((Step::KeyDeleted { actor, case, epoch }, next));
            }
            None => out.push((Step::ErasureReported { actor }, as_eraser(Eraser::Reported))),
        },
        Eraser::Start | Eraser::Reported => {}
    }
}

/// The writer goes on once the object exists; an earlier try of the same write may still land later.
fn writes_key(state: &State, actor: usize, key: (Case, Epoch), maker: usize, out: &mut Steps) {
    let mut next = state.clone();
    next.keys.entry(key).or_insert(maker);
    out.push((Step::KeyWritten { actor, case: key.0, epoch: key.1 }, next.clone()));
    if state.late_keys.is_empty() {
        next.late_keys.insert((key, maker));
        out.push((Step::KeyWriteUnknown { actor, case: key.0, epoch: key.1 }, next));
    }
}

fn submitted(state: &State, actor: usize, known: usize, record: Record, role: Rotator) -> (Step, State) {
    let mut next = with_actor(state, actor, Actor::Rotator(role));
    next.log.submit(actor, known, record);
    (Step::Planned { actor, record }, next)
}

fn wrapping(state: &State, known: usize) -> Rotator {
    Rotator::Wrapping { known, cases: open_cases(&state.log.records[..known]) }
}

fn with_actor(state: &State, actor: usize, role: Actor) -> State {
    let mut next = state.clone();
    next.actors[actor] = role;
    next
}

fn open_cases(records: &[Record]) -> Vec<Case> {
    let opened = records.iter().filter_map(|record| match record {
        Record::CaseOpened(case) => Some(*case),
        _ => None,
    });
    opened.filter(|case| !records.contains(&Record::CaseErased(*case))).collect()
}

/// Maker of the first vault key.
const GENESIS: usize = usize::MAX;
