//! The log as the commit protocol provides it (`commit` checks that it does): an append planned on known records takes
//! effect if nothing was appended since, and possibly long after its writer died. Planning, landing and learning the
//! verdict are three moments; anything may happen in between.

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct SharedLog<R> {
    pub(crate) records: Vec<R>,
    /// At most one attempt for each actor.
    attempts: Vec<Option<Attempt<R>>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Attempt<R> {
    planned_on: usize,
    record: R,
    landed: bool,
}

/// What an actor learns about its attempt, with the number of records it knows from then on.
pub(crate) enum Verdict {
    Won(usize),
    Lost(usize),
}

impl<R: Clone> SharedLog<R> {
    pub(crate) fn new(records: Vec<R>, actors: usize) -> Self {
        Self { records, attempts: vec![None; actors] }
    }

    pub(crate) fn submit(&mut self, actor: usize, planned_on: usize, record: R) {
        self.attempts[actor] = Some(Attempt { planned_on, record, landed: false });
    }

    /// Each log in which one more of the attempts has landed.
    pub(crate) fn landings(&self) -> Vec<Self> {
        let able = |actor: &usize| {
            self.attempts[*actor].as_ref().is_some_and(|a| !a.landed && a.planned_on == self.records.len())
        };
        (0..self.attempts.len()).filter(able).map(|actor| self.with_landed(actor)).collect()
    }

    fn with_landed(&self, actor: usize) -> Self {
        let mut next = self.clone();
        if let Some(attempt) = &mut next.attempts[actor] {
            attempt.landed = true;
            next.records.push(attempt.record.clone());
        }
        next
    }

    /// Forgets the attempt once it is decided; `None` while it is not.
    pub(crate) fn learn(&mut self, actor: usize) -> Option<Verdict> {
        let attempt = self.attempts[actor].as_ref()?;
        let (landed, planned_on) = (attempt.landed, attempt.planned_on);
        if !landed && planned_on == self.records.len() {
            return None;
        }
        self.attempts[actor] = None;
        Some(if landed { Verdict::Won(planned_on + 1) } else { Verdict::Lost(self.records.len()) })
    }
}
