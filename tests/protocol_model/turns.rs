//! Writers that take turns: advice in the storage, on top of a commit protocol that does not rest on it. A slow writer
//! needs the others to hold back from the moment it knows the head until its commit lands; one may die at any time.

use std::collections::BTreeSet;

use super::{
    checker::Model,
    shared_log::{SharedLog, Verdict},
};

pub(crate) const NOT_LEFT_OUT: &str =
    "who stands first in line is passed by no more commits than others had begun";
pub(crate) const NO_WAIT_FOR_EVER: &str = "whoever lives and has something to write can go on";

#[derive(Default)]
pub(crate) struct Turns {
    /// Commits that each writer has to make.
    pub(crate) work: Vec<u8>,
    pub(crate) nobody_dies: bool,
    /// Nobody's turn takes so long that it does not ask for the next.
    pub(crate) turns_are_short: bool,
    /// Any commit is taken for the one of who is first in line.
    pub(crate) any_commit_ends_turn: bool,
    /// Only who has lost a race looks at the line.
    pub(crate) winners_never_look: bool,
    /// Who is first in line is waited for, dead or alive.
    pub(crate) no_patience: bool,
    /// A place in line is one's own until its owner takes it away, committed or not.
    pub(crate) turns_outlive_commits: bool,
}

type Who = usize;
/// Known records when it was asked for, and whose it is: the order of the line.
type Turn = (usize, Who);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    /// Looks at the line next, or plans if nothing makes it look.
    Ready,
    Committing,
    Dead,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Writer {
    phase: Phase,
    left: u8,
    known: usize,
    unlooked: u8,
    lost: u8,
    contended: bool,
    mine: Option<Turn>,
    /// Others' turns when it last listed the line; it may wait by that for long.
    listed: Option<BTreeSet<Turn>>,
    /// Who it stopped waiting for.
    given_up: BTreeSet<Turn>,
    /// When it saw this turn first in line: the head it knew then.
    ahead: Option<(Turn, usize)>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    log: SharedLog<Who>,
    line: BTreeSet<Turn>,
    writers: Vec<Writer>,
    /// Others' commits that landed since each writer's turn stood first and alive.
    passed: Vec<u8>,
}

#[derive(Debug)]
#[expect(dead_code, reason = "traces print the fields")]
pub(crate) enum Step {
    Lands(Option<Who>),
    Asks { who: Who, turn: Turn },
    Waits { who: Who, behind: Turn },
    GivesUp { who: Who, on: Turn },
    Plans { who: Who, known: usize },
    Learns { who: Who },
    Dies { who: Who },
}

impl Model for Turns {
    type State = State;
    type Step = Step;

    fn initial(&self) -> State {
        let writer = |left: &u8| Writer {
            phase: Phase::Ready,
            left: *left,
            known: 0,
            unlooked: 0,
            lost: 0,
            contended: false,
            mine: None,
            listed: None,
            given_up: BTreeSet::new(),
            ahead: None,
        };
        let count = self.work.len();
        State {
            log: SharedLog::new(Vec::new(), count),
            line: BTreeSet::new(),
            writers: self.work.iter().map(writer).collect(),
            passed: vec![0; count],
        }
    }

    fn steps(&self, state: &State) -> Vec<(Step, State)> {
        let mut out = Vec::new();
        for log in state.log.landings() {
            let by = log.records.last().copied();
            let mut next = State { log, ..state.clone() };
            next.note_passing(by);
            out.push((Step::Lands(by), next));
        }
        for who in 0..state.writers.len() {
            self.writer(state, who, &mut out);
        }
        for (_, next) in &mut out {
            next.writers.iter_mut().for_each(|writer| self.forget(writer));
        }
        out
    }

    fn violation(&self, state: &State) -> Option<&'static str> {
        // Each other writer had one commit under way, may begin one by an old listing, and after a long turn as many as
        // it may before it has to look.
        let unlooked = if self.turns_are_short { 0 } else { LOOK_EVERY };
        let bound = (state.writers.len() - 1) * usize::from(unlooked + 2);
        if state.passed.iter().any(|passed| usize::from(*passed) > bound) {
            return Some(NOT_LEFT_OUT);
        }
        let waits = |writer: &Writer| writer.phase != Phase::Dead && writer.left > 0;
        let stuck =
            state.writers.iter().any(waits) && self.steps(state).iter().all(|(step, _)| is_idle(step));
        stuck.then_some(NO_WAIT_FOR_EVER)
    }
}

/// What brings nobody nearer to its commit.
fn is_idle(step: &Step) -> bool {
    matches!(step, Step::Waits { .. } | Step::Dies { .. })
}

impl State {
    /// Counts a commit against those who stood first in line when it landed.
    fn note_passing(&mut self, by: Option<Who>) {
        let alive = |turn: &&Turn| self.writers[turn.1].phase != Phase::Dead && !self.is_over(**turn);
        let first = self.line.iter().find(alive).copied();
        for who in 0..self.writers.len() {
            if by == Some(who) || first.is_none_or(|(_, first)| first != who) {
                self.passed[who] = 0;
            } else if self.writers[who].phase == Phase::Ready || self.writers[who].phase == Phase::Committing
            {
                self.passed[who] += 1;
            }
        }
    }

    /// Its owner has committed since it asked.
    fn is_over(&self, (asked, who): Turn) -> bool {
        self.log.records.iter().skip(asked).any(|by| *by == who)
    }
}

impl Turns {
    /// Forgets what makes no difference any more.
    fn forget(&self, writer: &mut Writer) {
        if writer.phase == Phase::Dead {
            (writer.known, writer.listed, writer.ahead, writer.lost) = (0, None, None, 0);
            writer.given_up.clear();
        }
        if writer.contended || writer.phase == Phase::Dead {
            writer.unlooked = 0;
        }
        if !self.any_commit_ends_turn {
            writer.ahead = None;
        }
        if let (Some(mine), Some(listed)) = (writer.mine, &mut writer.listed) {
            listed.retain(|turn| *turn < mine);
            writer.lost = 0;
        }
    }

    fn writer(&self, state: &State, who: Who, out: &mut Vec<(Step, State)>) {
        let writer = &state.writers[who];
        if writer.phase == Phase::Dead || writer.left == 0 && writer.phase == Phase::Ready {
            return;
        }
        if !self.nobody_dies && state.writers.iter().all(|writer| writer.phase != Phase::Dead) {
            let mut dead = state.clone();
            dead.writers[who] = Writer { phase: Phase::Dead, ..writer.clone() };
            out.push((Step::Dies { who }, dead));
        }
        match writer.phase {
            Phase::Committing => self.learn(state, who, out),
            _ if self.looks(writer) => self.look(state, who, out),
            _ => plan(state, who, false, out),
        }
    }

    fn looks(&self, writer: &Writer) -> bool {
        writer.contended || !self.winners_never_look && writer.unlooked >= LOOK_EVERY
    }

    /// One look: ask for a turn if others wait or races were lost, then plan or wait.
    fn look(&self, state: &State, who: Who, out: &mut Vec<(Step, State)>) {
        let writer = &state.writers[who];
        if writer.listed.is_none() {
            return self.list(state, who, out);
        }
        // The line may be listed anew, or gone by as it was; the log be followed to its end, or as far as is needed.
        if self.seen(state, who) != *writer.listed.as_ref().expect("listed") {
            self.list(state, who, out);
        }
        for known in writer.known..=state.log.records.len() {
            let mut next = state.clone();
            next.writers[who].known = known;
            let freed = self.ahead(&next, who).is_none();
            if freed || known == state.log.records.len() {
                return self.wait(&next, who, out);
            }
        }
    }

    /// What a listing shows that may matter.
    fn seen(&self, state: &State, who: Who) -> BTreeSet<Turn> {
        let mine = state.writers[who].mine;
        state
            .line
            .iter()
            .copied()
            .filter(|turn| turn.1 != who && mine.is_none_or(|mine| *turn < mine))
            .collect()
    }

    /// Catches up and lists the line, and stands in it if that is wanted.
    fn list(&self, state: &State, who: Who, out: &mut Vec<(Step, State)>) {
        let mut next = state.clone();
        let writer = &mut next.writers[who];
        writer.known = state.log.records.len();
        writer.listed = Some(self.seen(state, who));
        let others = state.line.iter().any(|turn| self.counts(&next, who, *turn));
        let writer = &mut next.writers[who];
        if writer.mine.is_none() && (others || writer.lost >= LOSSES) {
            let turn = (writer.known, who);
            writer.mine = Some(turn);
            next.line.insert(turn);
            out.push((Step::Asks { who, turn }, next));
        } else {
            self.wait(&next, who, out);
        }
    }

    /// Plans if nobody is ahead; waits otherwise, or gives up.
    fn wait(&self, state: &State, who: Who, out: &mut Vec<(Step, State)>) {
        let Some(ahead) = self.ahead(state, who) else { return plan(state, who, true, out) };
        let mut next = state.clone();
        let writer = &mut next.writers[who];
        if writer.ahead.is_none_or(|(turn, _)| turn != ahead) {
            writer.ahead = Some((ahead, writer.known));
        }
        out.push((Step::Waits { who, behind: ahead }, next.clone()));
        if !self.no_patience {
            next.writers[who].given_up.insert(ahead);
            // Patience is longer than a live writer takes; it runs out for the dead.
            if state.writers[ahead.1].phase == Phase::Dead {
                out.push((Step::GivesUp { who, on: ahead }, next));
            }
        }
    }

    fn ahead(&self, state: &State, who: Who) -> Option<Turn> {
        let writer = &state.writers[who];
        let mut listed = writer.listed.iter().flatten().copied();
        listed.find(|turn| self.counts(state, who, *turn) && writer.mine.is_none_or(|mine| *turn < mine))
    }

    /// Whether `turn` makes `who` wait, as far as it knows the log.
    fn counts(&self, state: &State, who: Who, turn: Turn) -> bool {
        let writer = &state.writers[who];
        let is_over = || state.log.records[..writer.known].iter().skip(turn.0).any(|by| *by == turn.1);
        let over = if self.turns_outlive_commits {
            false
        } else if self.any_commit_ends_turn {
            writer.ahead.is_some_and(|(ahead, known)| ahead == turn && writer.known > known) || is_over()
        } else {
            is_over()
        };
        turn.1 != who && !over && !writer.given_up.contains(&turn)
    }

    fn learn(&self, state: &State, who: Who, out: &mut Vec<(Step, State)>) {
        let mut next = state.clone();
        let Some(verdict) = next.log.learn(who) else { return };
        let mine = next.writers[who].mine;
        let writer = &mut next.writers[who];
        writer.phase = Phase::Ready;
        match verdict {
            Verdict::Won(known) => {
                if !self.turns_outlive_commits {
                    next.line.retain(|turn| Some(*turn) != mine);
                }
                *writer = Writer {
                    known,
                    left: writer.left - 1,
                    lost: 0,
                    mine: None,
                    listed: None,
                    ahead: None,
                    ..writer.clone()
                };
                if !self.turns_are_short {
                    let mut calm = next.clone();
                    calm.writers[who].contended = false;
                    out.push((Step::Learns { who }, calm));
                }
            }
            Verdict::Lost(known) => {
                writer.known = known;
                writer.lost = LOSSES.min(writer.lost + 1);
                writer.contended = true;
            }
        }
        out.push((Step::Learns { who }, next));
    }
}

fn plan(state: &State, who: Who, looked: bool, out: &mut Vec<(Step, State)>) {
    let mut next = state.clone();
    let writer = &mut next.writers[who];
    writer.phase = Phase::Committing;
    writer.unlooked = if looked { 0 } else { writer.unlooked + 1 };
    writer.contended &= !looked || writer.mine.is_some();
    let known = writer.known;
    next.log.submit(who, known, who);
    out.push((Step::Plans { who, known }, next));
}

/// Commits begun without a look at the line.
const LOOK_EVERY: u8 = 1;
/// Lost races before a turn is asked for.
const LOSSES: u8 = 1;
