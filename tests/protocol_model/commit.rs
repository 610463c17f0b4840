//! The commit protocol itself: two processes, a store that answers ambiguously, crashes, dropped drivers, group commit,
//! and questions about the outcome of an operation.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use super::checker::Model;

pub(crate) const ONE_CHAIN: &str = "one chain: every commit that lands follows the head";
pub(crate) const ACKNOWLEDGED_STAYS: &str = "what was acknowledged is in the log";
pub(crate) const DENIED_NEVER: &str = "what was told lost or denied is never in the log";
pub(crate) const ONCE: &str = "an operation is in the log at most once";
pub(crate) const NO_SPLICE: &str = "the object named after a record follows that record";

/// How a process departs from the protocol; all false is the protocol.
#[derive(Default)]
pub(crate) struct Commits {
    pub(crate) seq_only_names: bool,
    pub(crate) exists_means_lost: bool,
    pub(crate) folded_commits_deleted: bool,
    pub(crate) fresh_bytes_on_retry: bool,
    pub(crate) dropped_driver_forgets: bool,
    /// After telling `OutcomeUnknown` and losing, the operation is planned again.
    pub(crate) replans_after_unknown: bool,
    /// Another process answers `outcome(id)` from the log it knows, without a commit of its own.
    pub(crate) outcome_without_fence: bool,
    /// Unknown is taken for stored.
    pub(crate) unknown_means_won: bool,
    /// The environment restores the store from a backup; then only `NO_SPLICE` can be asked for.
    pub(crate) backup_restored: bool,
}

type Op = usize;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Commit {
    nonce: (usize, usize, usize),
    first: usize,
    prev: u64,
    ops: Vec<Op>,
}

/// First seq and hash of the previous record.
type Name = (usize, u64);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Create,
    Read,
    /// The future that drove the attempt was dropped.
    Parked,
    /// Tries are used up and the callers were told `OutcomeUnknown`.
    Unresolved,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Attempt {
    commit: Commit,
    tries: usize,
    phase: Phase,
    told_unknown: bool,
}

#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Process {
    incarnation: usize,
    known: Vec<Commit>,
    queue: BTreeSet<Op>,
    nonces: usize,
    attempt: Option<Attempt>,
}

/// What the caller of an operation was told.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Told {
    Nothing,
    Acknowledged,
    Denied,
    Unknown,
    /// The process died before answering.
    Gone,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    store: BTreeMap<Name, Commit>,
    late: BTreeSet<(Name, Commit)>,
    /// What an observer of all landings knows to be the log.
    chain: Vec<Commit>,
    processes: [Process; 2],
    told: [Told; OPS],
    /// A process that was asked for the outcome of an operation, by its fence.
    asked: Option<(usize, Op)>,
    faults: usize,
    crashes: usize,
    restored: bool,
    broken: Option<&'static str>,
}

#[derive(Debug)]
#[expect(dead_code, reason = "traces print the fields")]
pub(crate) enum Step {
    Plan { process: usize, ops: Vec<Op> },
    Deny { process: usize, op: Op },
    Create { process: usize, answer: Answer },
    Read { process: usize },
    DriverDropped { process: usize },
    TakenOver { process: usize },
    Resolve { process: usize },
    LateWriteLands { ops: Vec<Op> },
    CrashAndReopen { process: usize, commits_listed: usize },
    AskOutcome { process: usize, op: Op },
    DeleteFolded,
    RestoreBackup,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Created,
    Exists,
    ExistsNothingThere,
    UnknownApplied,
    UnknownLate,
    UnknownNever,
    Err,
}

impl Model for Commits {
    type State = State;
    type Step = Step;

    fn initial(&self) -> State {
        State {
            store: BTreeMap::new(),
            late: BTreeSet::new(),
            chain: Vec::new(),
            processes: [Process::with_queue([0, 1]), Process::with_queue([2])],
            told: [Told::Nothing; OPS],
            asked: None,
            faults: 0,
            crashes: 0,
            restored: false,
            broken: None,
        }
    }

    fn steps(&self, state: &State) -> Vec<(Step, State)> {
        let mut out = Vec::new();
        for process in 0..state.processes.len() {
            match &state.processes[process].attempt {
                None => self.plans(state, process, &mut out),
                Some(attempt) => self.drives(state, process, attempt, &mut out),
            }
            self.asks(state, process, &mut out);
            crashes(state, process, &mut out);
        }
        self.environment(state, &mut out);
        out
    }

    fn violation(&self, state: &State) -> Option<&'static str> {
        if self.backup_restored || state.broken.is_some() {
            return state.broken;
        }
        (0..OPS).find_map(|op| match (state.told[op], times(&state.chain, op)) {
            (_, 2..) => Some(ONCE),
            (Told::Acknowledged, 0) => Some(ACKNOWLEDGED_STAYS),
            (Told::Denied, 1) => Some(DENIED_NEVER),
            _ => None,
        })
    }
}

impl Commits {
    /// A restored backup multiplies the states; one fault is enough to tell the two kinds of name apart.
    fn max_faults(&self) -> usize {
        if self.backup_restored || self.seq_only_names { 1 } else { 3 }
    }

    fn name(&self, commit: &Commit) -> Name {
        (commit.first, if self.seq_only_names { 0 } else { commit.prev })
    }

    /// Everything queued goes into one object; which operations are queued by then is open.
    fn plans(&self, state: &State, process: usize, out: &mut Vec<(Step, State)>) {
        let Process { known, queue, .. } = &state.processes[process];
        let (denied, open): (Vec<Op>, Vec<Op>) = queue.iter().partition(|op| conflicts(known, **op));
        for op in denied {
            let mut next = state.clone();
            next.processes[process].queue.remove(&op);
            next.told[op] = Told::Denied;
            out.push((Step::Deny { process, op }, next));
        }
        for chosen in 1..1_usize << open.len() {
            let ops: Vec<Op> =
                open.iter().enumerate().filter(|(i, _)| chosen >> i & 1 == 1).map(|(_, op)| *op).collect();
            let mut next = state.clone();
            next.processes[process].submit(process, ops.clone());
            out.push((Step::Plan { process, ops }, next));
        }
    }

    fn drives(&self, state: &State, process: usize, attempt: &Attempt, out: &mut Vec<(Step, State)>) {
        match attempt.phase {
            Phase::Create => self.creates(state, process, &attempt.commit, out),
            Phase::Read => {
                let mut next = state.clone();
                self.read(&mut next, process, attempt);
                out.push((Step::Read { process }, next));
                out.push((Step::DriverDropped { process }, self.dropped(state, process, attempt)));
            }
            Phase::Parked => out.push((Step::TakenOver { process }, with_phase(state, process, Phase::Read))),
            Phase::Unresolved => {
                out.push((Step::Resolve { process }, with_phase(state, process, Phase::Read)));
            }
        }
    }

    fn creates(&self, state: &State, process: usize, commit: &Commit, out: &mut Vec<(Step, State)>) {
        let taken = state.store.contains_key(&self.name(commit));
        let honest = if taken { Answer::Exists } else { Answer::Created };
        let faults: &[Answer] = match (state.faults < self.max_faults(), taken) {
            (false, _) => &[],
            (true, true) => &[Answer::UnknownNever, Answer::Err],
            (true, false) => &[
                Answer::ExistsNothingThere,
                Answer::UnknownApplied,
                Answer::UnknownLate,
                Answer::UnknownNever,
                Answer::Err,
            ],
        };
        for answer in std::iter::once(&honest).chain(faults) {
            let mut next = with_phase(state, process, Phase::Read);
            next.faults += usize::from(*answer != honest);
            self.answer(&mut next, process, commit, *answer);
            out.push((Step::Create { process, answer: *answer }, next));
        }
    }

    fn answer(&self, next: &mut State, process: usize, commit: &Commit, answer: Answer) {
        match answer {
            Answer::Created => {
                self.land(next, commit);
                won(next, process);
            }
            Answer::UnknownApplied => self.land(next, commit),
            Answer::UnknownLate => {
                next.late.insert((self.name(commit), commit.clone()));
            }
            Answer::Exists if self.exists_means_lost => {
                next.processes[process].known = next.chain.clone();
                next.processes[process].requeue();
            }
            Answer::Exists | Answer::ExistsNothingThere | Answer::UnknownNever | Answer::Err => {}
        }
        let unknown = matches!(answer, Answer::UnknownApplied | Answer::UnknownLate | Answer::UnknownNever);
        if self.unknown_means_won && unknown {
            won(next, process);
        }
    }

    /// The ambiguity rule: equal bytes, it is mine; other bytes, I lost; absent, the identical bytes again.
    fn read(&self, next: &mut State, process: usize, attempt: &Attempt) {
        match next.store.get(&self.name(&attempt.commit)).cloned() {
            Some(found) if found == attempt.commit => won(next, process),
            Some(found) => self.lost(next, process, found),
            None if self.fresh_bytes_on_retry => next.processes[process].requeue(),
            None if attempt.tries + 1 < MAX_TRIES => {
                next.processes[process].attempt =
                    Some(Attempt { tries: attempt.tries + 1, phase: Phase::Create, ..attempt.clone() });
            }
            None => {
                attempt.commit.ops.iter().for_each(|op| next.told[*op] = Told::Unknown);
                let told_unknown =
                    Attempt { tries: 0, phase: Phase::Unresolved, told_unknown: true, ..attempt.clone() };
                next.processes[process].attempt = Some(told_unknown);
            }
        }
    }

    fn lost(&self, next: &mut State, process: usize, winner: Commit) {
        let loser = &mut next.processes[process];
        if winner.prev != head(&loser.known) {
            next.broken = Some(NO_SPLICE);
        }
        loser.known.push(winner);
        match loser.attempt.take() {
            Some(attempt) if attempt.told_unknown && !self.replans_after_unknown => {
                attempt.commit.ops.iter().for_each(|op| next.told[*op] = Told::Denied);
            }
            attempt => loser.queue.extend(attempt.into_iter().flat_map(|attempt| attempt.commit.ops)),
        }
    }

    fn dropped(&self, state: &State, process: usize, attempt: &Attempt) -> State {
        let mut next = with_phase(state, process, Phase::Parked);
        if self.dropped_driver_forgets && attempt.tries == 0 {
            next.processes[process].requeue();
        }
        next
    }

    fn land(&self, next: &mut State, commit: &Commit) {
        if commit.first == length(&next.chain) && commit.prev == head(&next.chain) {
            next.chain.push(commit.clone());
        } else if !self.backup_restored {
            next.broken = Some(ONE_CHAIN);
        }
        next.store.insert(self.name(commit), commit.clone());
    }

    /// A process other than the owner is asked what became of an operation: it commits a fence, then looks.
    fn asks(&self, state: &State, process: usize, out: &mut Vec<(Step, State)>) {
        let unknown =
            (0..FENCE).filter(|op| state.told[*op] == Told::Unknown && owner(state, *op) != Some(process));
        for op in unknown.filter(|_| state.asked.is_none()) {
            let mut next = state.clone();
            if self.outcome_without_fence {
                next.processes[process].known = state.chain.clone();
                settle(&mut next, process, op);
            } else {
                next.asked = Some((process, op));
                next.processes[process].queue.insert(FENCE);
            }
            out.push((Step::AskOutcome { process, op }, next));
        }
    }

    fn environment(&self, state: &State, out: &mut Vec<(Step, State)>) {
        for write in &state.late {
            let mut next = state.clone();
            next.late.remove(write);
            if !state.store.contains_key(&write.0) {
                self.land(&mut next, &write.1);
            }
            out.push((Step::LateWriteLands { ops: write.1.ops.clone() }, next));
        }
        if self.folded_commits_deleted && state.chain.len() > 1 {
            let mut next = state.clone();
            next.store.remove(&self.name(&state.chain[0]));
            out.push((Step::DeleteFolded, next));
        }
        if let (true, Some(newest)) = (self.backup_restored && !state.restored, state.chain.last()) {
            let mut next = state.clone();
            next.store.remove(&self.name(newest));
            next.chain.pop();
            next.restored = true;
            out.push((Step::RestoreBackup, next));
        }
    }
}

impl Process {
    fn with_queue<const N: usize>(ops: [Op; N]) -> Self {
        Self { queue: BTreeSet::from(ops), ..Self::default() }
    }

    fn requeue(&mut self) {
        self.queue.extend(self.attempt.take().into_iter().flat_map(|attempt| attempt.commit.ops));
    }

    fn submit(&mut self, process: usize, ops: Vec<Op>) {
        self.queue.retain(|op| !ops.contains(op));
        let nonce = (process, self.incarnation, self.nonces);
        self.nonces += 1;
        let commit = Commit { nonce, first: length(&self.known), prev: head(&self.known), ops };
        self.attempt = Some(Attempt { commit, tries: 0, phase: Phase::Create, told_unknown: false });
    }
}

fn won(next: &mut State, process: usize) {
    let Some(attempt) = next.processes[process].attempt.take() else { return };
    attempt.commit.ops.iter().for_each(|op| next.told[*op] = Told::Acknowledged);
    let fenced = attempt.commit.ops.contains(&FENCE);
    next.processes[process].known.push(attempt.commit);
    if let (true, Some((_, op))) = (fenced, next.asked) {
        settle(next, process, op);
    }
}

/// The answer to `outcome(id)`; whoever asked relies on it from here on.
fn settle(next: &mut State, process: usize, op: Op) {
    let happened = times(&next.processes[process].known, op) > 0;
    next.told[op] = if happened { Told::Acknowledged } else { Told::Denied };
}

/// Memory is lost; the next incarnation opens from a listing that may omit the newest objects.
fn crashes(state: &State, process: usize, out: &mut Vec<(Step, State)>) {
    if state.crashes == MAX_CRASHES {
        return;
    }
    for commits_listed in 0..=state.chain.len() {
        let mut next = state.clone();
        next.crashes += 1;
        for op in (0..OPS).filter(|op| owner(state, *op) == Some(process)) {
            if next.told[op] == Told::Nothing {
                next.told[op] = Told::Gone;
            }
        }
        let known = state.chain[..commits_listed].to_vec();
        let incarnation = state.processes[process].incarnation + 1;
        next.processes[process] = Process { incarnation, known, ..Process::default() };
        out.push((Step::CrashAndReopen { process, commits_listed }, next));
    }
}

fn with_phase(state: &State, process: usize, phase: Phase) -> State {
    let mut next = state.clone();
    if let Some(attempt) = &mut next.processes[process].attempt {
        attempt.phase = phase;
    }
    next
}

fn owner(state: &State, op: Op) -> Option<usize> {
    if op == FENCE { state.asked.map(|(process, _)| process) } else { Some(usize::from(op == 2)) }
}

/// Operations 1 and 2 exclude each other: whichever commits first has the other denied.
fn conflicts(known: &[Commit], op: Op) -> bool {
    (op == 1 && times(known, 2) > 0) || (op == 2 && times(known, 1) > 0)
}

fn times(commits: &[Commit], op: Op) -> usize {
    commits.iter().flat_map(|commit| &commit.ops).filter(|other| **other == op).count()
}

fn length(commits: &[Commit]) -> usize {
    commits.iter().map(|commit| commit.ops.len()).sum()
}

fn head(commits: &[Commit]) -> u64 {
    commits.last().map_or(0, |commit| {
        let mut hasher = DefaultHasher::new();
        commit.hash(&mut hasher);
        hasher.finish()
    })
}

/// Process 0 runs operations 0 and 1, process 1 runs 2, and whoever is asked for an outcome commits the fence.
const OPS: usize = 4;
const FENCE: Op = 3;
const MAX_TRIES: usize = 2;
const MAX_CRASHES: usize = 1;
