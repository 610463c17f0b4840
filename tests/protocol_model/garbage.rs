//! Small stores and the collection of their orphans: head first, record second; announce, condemn, delete.

use std::collections::BTreeSet;

use super::{
    checker::Model,
    shared_log::{SharedLog, Verdict},
};

pub(crate) const HEAD_STAYS: &str = "a committed store has its head";
pub(crate) const ANSWERS_TRUE: &str = "a store is in the log if acknowledged, and never if refused";

#[derive(Default)]
pub(crate) struct Garbage {
    pub(crate) storers: usize,
    pub(crate) collectors: usize,
    /// The collector deletes what is announced and expired, without a `Condemned` record.
    pub(crate) clock_only: bool,
    /// Planning commits a store whatever the log says about its transaction.
    pub(crate) planning_ignores_condemned: bool,
    /// A storer takes whichever commit landed behind the log it knew for its own.
    pub(crate) any_commit_is_own: bool,
}

type Tx = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Record {
    Store(Tx),
    Announced(Tx),
    Condemned(Tx),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Storer {
    Start,
    HeadWritten { known: usize },
    Committing,
    Acknowledged,
    Refused,
    Dead,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Collector {
    known: usize,
    committing: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    log: SharedLog<Record>,
    heads: BTreeSet<Tx>,
    late_heads: BTreeSet<Tx>,
    storers: Vec<Storer>,
    collectors: Vec<Collector>,
}

#[derive(Debug)]
#[expect(dead_code, reason = "traces print the fields")]
pub(crate) enum Step {
    HeadWritten { tx: Tx },
    HeadWrittenAfterUnknown { tx: Tx },
    StorePlanned { tx: Tx },
    StoreRefused { tx: Tx },
    StorerLearns { tx: Tx },
    StorerCrashes { tx: Tx },
    LateHeadLands { tx: Tx },
    Lands(Option<Record>),
    CollectorReads { collector: usize },
    CollectorPlans { collector: usize, record: Record },
    CollectorLearns { collector: usize },
    HeadDeleted { collector: usize, tx: Tx },
}

impl Model for Garbage {
    type State = State;
    type Step = Step;

    fn initial(&self) -> State {
        State {
            log: SharedLog::new(Vec::new(), self.storers + self.collectors),
            heads: BTreeSet::new(),
            late_heads: BTreeSet::new(),
            storers: vec![Storer::Start; self.storers],
            collectors: vec![Collector { known: 0, committing: false }; self.collectors],
        }
    }

    fn steps(&self, state: &State) -> Vec<(Step, State)> {
        let mut out = Vec::new();
        for log in state.log.landings() {
            out.push((Step::Lands(log.records.last().copied()), State { log, ..state.clone() }));
        }
        for tx in &state.late_heads {
            let mut next = state.clone();
            next.late_heads.remove(tx);
            next.heads.insert(*tx);
            out.push((Step::LateHeadLands { tx: *tx }, next));
        }
        (0..self.storers).for_each(|tx| self.storer(state, tx, &mut out));
        (0..self.collectors).for_each(|collector| self.collector(state, collector, &mut out));
        out
    }

    fn violation(&self, state: &State) -> Option<&'static str> {
        (0..self.storers).find_map(|tx| {
            let stored = state.log.records.contains(&Record::Store(tx));
            match state.storers[tx] {
                _ if stored && !state.heads.contains(&tx) => Some(HEAD_STAYS),
                Storer::Acknowledged if !stored => Some(ANSWERS_TRUE),
                Storer::Refused if stored => Some(ANSWERS_TRUE),
                _ => None,
            }
        })
    }
}

impl Garbage {
    fn storer(&self, state: &State, tx: Tx, out: &mut Vec<(Step, State)>) {
        let mut next = state.clone();
        match state.storers[tx] {
            Storer::Start => {
                next.heads.insert(tx);
                next.storers[tx] = Storer::HeadWritten { known: state.log.records.len() };
                out.push((Step::HeadWritten { tx }, next.clone()));
                next.late_heads.insert(tx);
                out.push((Step::HeadWrittenAfterUnknown { tx }, next));
            }
            Storer::HeadWritten { known } if self.refuses(&state.log.records[..known], tx) => {
                next.storers[tx] = Storer::Refused;
                out.push((Step::StoreRefused { tx }, next));
            }
            Storer::HeadWritten { known } => {
                next.log.submit(tx, known, Record::Store(tx));
                next.storers[tx] = Storer::Committing;
                out.push((Step::StorePlanned { tx }, next));
            }
            Storer::Committing => {
                if let Some(verdict) = next.log.learn(tx) {
                    next.storers[tx] = match verdict {
                        Verdict::Won(_) => Storer::Acknowledged,
                        Verdict::Lost(_) if self.any_commit_is_own => Storer::Acknowledged,
                        Verdict::Lost(known) => Storer::HeadWritten { known },
                    };
                    out.push((Step::StorerLearns { tx }, next));
                }
            }
            Storer::Acknowledged | Storer::Refused | Storer::Dead => return,
        }
        let mut crashed = state.clone();
        crashed.storers[tx] = Storer::Dead;
        out.push((Step::StorerCrashes { tx }, crashed));
    }

    fn refuses(&self, known: &[Record], tx: Tx) -> bool {
        known.contains(&Record::Condemned(tx)) && !self.planning_ignores_condemned
    }

    fn collector(&self, state: &State, collector: usize, out: &mut Vec<(Step, State)>) {
        let Collector { known, committing } = state.collectors[collector];
        if committing {
            return learn(state, collector, out);
        }
        let mut next = state.clone();
        next.collectors[collector].known = state.log.records.len();
        out.push((Step::CollectorReads { collector }, next));
        for tx in &state.heads {
            let has = |record| state.log.records[..known].contains(&record);
            if has(Record::Store(*tx)) {
                continue;
            }
            // A head that is listed and unknown to the log; from its announcement on it may expire at any moment.
            let mut next = state.clone();
            if has(Record::Condemned(*tx)) || (self.clock_only && has(Record::Announced(*tx))) {
                next.heads.remove(tx);
                out.push((Step::HeadDeleted { collector, tx: *tx }, next));
            } else {
                let announced = has(Record::Announced(*tx));
                let record = if announced { Record::Condemned(*tx) } else { Record::Announced(*tx) };
                next.log.submit(self.storers + collector, known, record);
                next.collectors[collector].committing = true;
                out.push((Step::CollectorPlans { collector, record }, next));
            }
        }
    }
}

fn learn(state: &State, collector: usize, out: &mut Vec<(Step, State)>) {
    let mut next = state.clone();
    if let Some(Verdict::Won(known) | Verdict::Lost(known)) = next.log.learn(state.storers.len() + collector)
    {
        next.collectors[collector] = Collector { known, committing: false };
        out.push((Step::CollectorLearns { collector }, next));
    }
}
