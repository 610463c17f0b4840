//! Signing epochs on the writing side: rotations of the commit key beside other changes of the keyring and writers whose
//! keyring is old. Keyring objects are written before the record that names them and deleted after the next.

use std::collections::BTreeSet;

use super::{
    checker::Model,
    shared_log::{SharedLog, Verdict},
};

pub(crate) const SIGNED_BY_PLACE: &str = "every record is signed by the key that its place asks for";
pub(crate) const KEYRING_STAYS: &str = "the keyring that the log names exists";
pub(crate) const KEYRING_SIGNS: &str = "the keyring that the log names holds the seed that signs next";
pub(crate) const FALSE_ALARM: &str = "a keyring found missing has a successor in the log";
pub(crate) const SUPERSEDED_GO: &str = "a finished change leaves no keyring superseded before it";

#[derive(Default)]
pub(crate) struct Signing {
    pub(crate) roles: Vec<Role>,
    /// One write of a keyring object may be answered with Unknown and land at any time.
    pub(crate) late_writes: bool,
    /// A writer signs with the seed it has loaded.
    pub(crate) signs_with_what_it_has: bool,
    /// Commands queued behind a change of keys go into its commit.
    pub(crate) change_amid_commit: bool,
    /// A change of the keyring is planned on whatever keyring the log names.
    pub(crate) planned_on_any_keyring: bool,
    /// The record is planned before the keyring object is written.
    pub(crate) record_first: bool,
    /// The superseded keyring is deleted before the record.
    pub(crate) deletes_first: bool,
    /// Whoever was told `OutcomeUnknown` deletes the keyring it made.
    pub(crate) undecided_is_deleted: bool,
    /// Only the keyring that the change was made from is deleted after it, instead of all that were listed before.
    pub(crate) deletes_only_predecessor: bool,
    /// The keyrings to be deleted are listed after the record instead of before it.
    pub(crate) lists_after_record: bool,
    /// A missing keyring is reported as corrupt without looking for newer records.
    pub(crate) missing_is_corrupt: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Writer,
    /// Makes the next epoch's seed.
    Rotator,
    /// Any other change of the keyring: slots, root keys, vault key epochs.
    Changer,
}

/// A seed has the number of the keyring that brought it.
type Seed = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Keyring {
    number: usize,
    seed: Seed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Record {
    Data,
    Keyring(Keyring),
    SigningKeys(Keyring),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Commit {
    signer: Seed,
    records: Vec<Record>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Change {
    from: Keyring,
    to: Keyring,
    /// Keyrings that existed before the record was planned.
    listed: BTreeSet<Keyring>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Phase {
    Idle,
    Made(Change),
    Committing(Option<Change>),
    Cleaning { change: Change, won: usize },
    Done { won: usize },
    GaveUp,
    Alarmed,
    Dead,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Actor {
    known: usize,
    loaded: Option<Keyring>,
    made: usize,
    phase: Phase,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    log: SharedLog<Commit>,
    keyrings: BTreeSet<Keyring>,
    late: Option<Keyring>,
    /// Came back after it was deleted: a late write is beyond what deleting can promise.
    strays: BTreeSet<Keyring>,
    late_used: bool,
    actors: Vec<Actor>,
}

#[derive(Debug)]
#[expect(dead_code, reason = "traces print the fields")]
pub(crate) enum Step {
    Lands(Commit),
    LateKeyringLands { number: usize },
    Syncs { actor: usize },
    LoadsKeyring { actor: usize, number: usize },
    FindsKeyringMissing { actor: usize, number: usize },
    KeyringWritten { actor: usize, number: usize },
    KeyringWrittenAfterUnknown { actor: usize, number: usize },
    KeyringPutOff { actor: usize, number: usize },
    MadeInVain { actor: usize },
    Planned { actor: usize, commit: Commit },
    Learns { actor: usize },
    GivesUp { actor: usize },
    KeyringDeleted { actor: usize, number: usize },
    ChangeFinished { actor: usize },
    Crashes { actor: usize },
}

type Steps = Vec<(Step, State)>;

impl Model for Signing {
    type State = State;
    type Step = Step;

    fn initial(&self) -> State {
        let actor = || Actor { known: 0, loaded: Some(GENESIS), made: 0, phase: Phase::Idle };
        State {
            log: SharedLog::new(Vec::new(), self.roles.len()),
            keyrings: BTreeSet::from([GENESIS]),
            late: None,
            strays: BTreeSet::new(),
            late_used: false,
            actors: self.roles.iter().map(|_| actor()).collect(),
        }
    }

    fn steps(&self, state: &State) -> Steps {
        let mut out = Vec::new();
        for log in state.log.landings() {
            let landed = log.records.last().cloned();
            out.extend(landed.map(|commit| (Step::Lands(commit), State { log, ..state.clone() })));
        }
        late_write_lands(state, &mut out);
        for (at, actor) in state.actors.iter().enumerate() {
            match &actor.phase {
                Phase::Idle => self.idle(state, at, actor, &mut out),
                Phase::Made(change) => self.made(state, at, change, &mut out),
                Phase::Committing(change) => self.committing(state, at, change.as_ref(), &mut out),
                Phase::Cleaning { change, won } => self.cleaning(state, at, change, *won, &mut out),
                Phase::Done { .. } | Phase::GaveUp | Phase::Alarmed | Phase::Dead => continue,
            }
            let died = state.actors.iter().any(|actor| actor.phase == Phase::Dead);
            if !died && actor.phase != Phase::Idle {
                out.push((Step::Crashes { actor: at }, with_phase(state, at, Phase::Dead)));
            }
        }
        out
    }

    fn violation(&self, state: &State) -> Option<&'static str> {
        let commits = &state.log.records;
        if !signed_by_place(commits) {
            return Some(SIGNED_BY_PLACE);
        }
        let named = named(commits);
        if named.seed != place(commits) {
            return Some(KEYRING_SIGNS);
        }
        if !state.keyrings.contains(&named) {
            return Some(KEYRING_STAYS);
        }
        state.actors.iter().find_map(|actor| match actor.phase {
            Phase::Alarmed => Some(FALSE_ALARM),
            Phase::Done { won } if !superseded_gone(state, won) => Some(SUPERSEDED_GO),
            _ => None,
        })
    }
}

impl Signing {
    fn idle(&self, state: &State, at: usize, actor: &Actor, out: &mut Steps) {
        let known = &state.log.records[..actor.known];
        syncs(state, at, out);
        let current = match self.roles[at] {
            Role::Writer if self.signs_with_what_it_has => true,
            Role::Writer => actor.loaded.is_some_and(|loaded| loaded.seed == place(known)),
            Role::Rotator | Role::Changer => actor.loaded == Some(named(known)),
        };
        if !current {
            return self.loads(state, at, named(known), out);
        }
        match (self.roles[at], actor.loaded) {
            (Role::Writer, Some(loaded)) if actor.known < MAX_COMMITS => {
                out.push(submitted(state, at, loaded.seed, vec![Record::Data], None));
            }
            (Role::Rotator | Role::Changer, Some(from)) if actor.made < MAX_MADE => {
                self.makes(state, at, from, out);
            }
            _ => {}
        }
    }

    fn loads(&self, state: &State, at: usize, named: Keyring, out: &mut Steps) {
        let mut next = state.clone();
        let number = named.number;
        if state.keyrings.contains(&named) {
            next.actors[at].loaded = Some(named);
            out.push((Step::LoadsKeyring { actor: at, number }, next));
        } else {
            let newer = self::named(&state.log.records) != named && !self.missing_is_corrupt;
            next.actors[at].known = state.log.records.len();
            next.actors[at].phase = if newer { Phase::Idle } else { Phase::Alarmed };
            out.push((Step::FindsKeyringMissing { actor: at, number }, next));
        }
    }

    /// Lists the keyrings that exist and writes one made from the keyring that is loaded.
    fn makes(&self, state: &State, at: usize, from: Keyring, out: &mut Steps) {
        let mut next = state.clone();
        next.actors[at].made += 1;
        let number = 1 + at * MAX_MADE + state.actors[at].made;
        let seed = if self.roles[at] == Role::Rotator { number } else { from.seed };
        let to = Keyring { number, seed };
        let predecessor = BTreeSet::from([from]);
        let listed = if self.deletes_only_predecessor { predecessor } else { state.keyrings.clone() };
        next.actors[at].phase = Phase::Made(Change { from, to, listed });
        if self.deletes_first {
            next.keyrings.remove(&from);
        }
        if self.record_first {
            return out.push((Step::KeyringPutOff { actor: at, number }, next));
        }
        next.keyrings.insert(to);
        out.push((Step::KeyringWritten { actor: at, number }, next.clone()));
        if self.late_writes && !state.late_used {
            (next.late, next.late_used) = (Some(to), true);
            out.push((Step::KeyringWrittenAfterUnknown { actor: at, number }, next));
        }
    }

    /// Planned on exactly the keyring that it was made from; otherwise its keyring goes, and it is made anew.
    fn made(&self, state: &State, at: usize, change: &Change, out: &mut Steps) {
        syncs(state, at, out);
        let known = &state.log.records[..state.actors[at].known];
        if named(known) != change.from && !self.planned_on_any_keyring {
            let mut next = with_phase(state, at, Phase::Idle);
            next.keyrings.remove(&change.to);
            return out.push((Step::MadeInVain { actor: at }, next));
        }
        let signer = place(known);
        let record = match self.roles[at] {
            Role::Rotator => Record::SigningKeys(change.to),
            _ => Record::Keyring(change.to),
        };
        let records = match self.change_amid_commit {
            true => vec![record, Record::Data],
            false => vec![Record::Data, record],
        };
        out.push(submitted(state, at, signer, records, Some(change.clone())));
    }

    fn committing(&self, state: &State, at: usize, change: Option<&Change>, out: &mut Steps) {
        if let (Some(change), true) = (change, self.undecided_is_deleted) {
            let mut next = with_phase(state, at, Phase::GaveUp);
            next.keyrings.remove(&change.to);
            out.push((Step::GivesUp { actor: at }, next));
        }
        let mut next = state.clone();
        let Some(verdict) = next.log.learn(at) else { return };
        let (Verdict::Won(known) | Verdict::Lost(known)) = verdict;
        next.actors[at].known = known;
        next.actors[at].phase = match (verdict, change) {
            (Verdict::Won(won), Some(change)) => {
                next.actors[at].loaded = Some(change.to);
                Phase::Cleaning { change: self.listed_again(state, change), won }
            }
            (Verdict::Lost(_), Some(change)) => Phase::Made(change.clone()),
            (_, None) => Phase::Idle,
        };
        out.push((Step::Learns { actor: at }, next));
    }

    fn listed_again(&self, state: &State, change: &Change) -> Change {
        let listed = if self.lists_after_record { &state.keyrings } else { &change.listed };
        Change { listed: listed.clone(), ..change.clone() }
    }

    fn cleaning(&self, state: &State, at: usize, change: &Change, won: usize, out: &mut Steps) {
        let mut next = state.clone();
        let mut rest = change.clone();
        rest.listed.remove(&change.to);
        match rest.listed.pop_first() {
            Some(old) => {
                next.keyrings.remove(&old);
                next.strays.remove(&old);
                next.actors[at].phase = Phase::Cleaning { change: rest, won };
                out.push((Step::KeyringDeleted { actor: at, number: old.number }, next));
            }
            None => {
                next.actors[at].phase = Phase::Done { won };
                out.push((Step::ChangeFinished { actor: at }, next));
            }
        }
    }
}

fn late_write_lands(state: &State, out: &mut Steps) {
    if let Some(late) = state.late {
        let mut next = State { late: None, ..state.clone() };
        if next.keyrings.insert(late) {
            next.strays.insert(late);
        }
        out.push((Step::LateKeyringLands { number: late.number }, next));
    }
}

fn syncs(state: &State, at: usize, out: &mut Steps) {
    if state.actors[at].known < state.log.records.len() {
        let mut next = state.clone();
        next.actors[at].known += 1;
        out.push((Step::Syncs { actor: at }, next));
    }
}

fn submitted(
    state: &State,
    at: usize,
    signer: Seed,
    records: Vec<Record>,
    change: Option<Change>,
) -> (Step, State) {
    let mut next = with_phase(state, at, Phase::Committing(change));
    let commit = Commit { signer, records };
    next.log.submit(at, state.actors[at].known, commit.clone());
    (Step::Planned { actor: at, commit }, next)
}

fn with_phase(state: &State, at: usize, phase: Phase) -> State {
    let mut next = state.clone();
    next.actors[at].phase = phase;
    next
}

fn signed_by_place(commits: &[Commit]) -> bool {
    let mut asked = GENESIS.seed;
    commits.iter().all(|commit| {
        commit.records.iter().all(|record| {
            let signed = commit.signer == asked;
            if let Record::SigningKeys(keyring) = record {
                asked = keyring.seed;
            }
            signed
        })
    })
}

/// The seed that signs what follows.
fn place(commits: &[Commit]) -> Seed {
    let stated = records(commits).filter_map(|record| match record {
        Record::SigningKeys(keyring) => Some(keyring.seed),
        _ => None,
    });
    stated.last().unwrap_or(GENESIS.seed)
}

/// The newest keyring.
fn named(commits: &[Commit]) -> Keyring {
    keyrings(commits).last().unwrap_or(GENESIS)
}

fn keyrings(commits: &[Commit]) -> impl Iterator<Item = Keyring> {
    records(commits).filter_map(|record| match record {
        Record::Keyring(keyring) | Record::SigningKeys(keyring) => Some(keyring),
        Record::Data => None,
    })
}

fn records(commits: &[Commit]) -> impl Iterator<Item = Record> {
    commits.iter().flat_map(|commit| commit.records.iter().copied())
}

/// No keyring that the log named before its commit number `won` exists.
fn superseded_gone(state: &State, won: usize) -> bool {
    let mut before = keyrings(&state.log.records[..won - 1]).chain([GENESIS]);
    before.all(|keyring| !state.keyrings.contains(&keyring) || state.strays.contains(&keyring))
}

const GENESIS: Keyring = Keyring { number: 0, seed: 0 };
/// Keyrings that one actor makes until it gives up.
const MAX_MADE: usize = 2;
/// Writers stop here.
const MAX_COMMITS: usize = 3;
