//! Explicit-state breadth-first search: every state reachable within the bounds is visited once, so a violation comes
//! with a shortest trace.

use std::{collections::HashSet, fmt, fmt::Debug, hash::Hash, rc::Rc, time::Instant};

/// A protocol with its environment (storage faults, crashes, other processes) as a transition system.
pub(crate) trait Model {
    type State: Clone + Eq + Hash;
    type Step: Debug;

    fn initial(&self) -> Self::State;
    /// Everything that can happen next, by whoever is able to act.
    fn steps(&self, state: &Self::State) -> Vec<(Self::Step, Self::State)>;
    /// The invariant that `state` breaks, if any.
    fn violation(&self, state: &Self::State) -> Option<&'static str>;
}

/// A shortest run into a state that breaks an invariant.
pub(crate) struct Trace {
    pub(crate) invariant: &'static str,
    pub(crate) steps: Vec<String>,
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "violates `{}` in {} steps", self.invariant, self.steps.len())?;
        self.steps.iter().enumerate().try_for_each(|(i, step)| writeln!(f, "  {:2}. {step}", i + 1))
    }
}

/// Asserts that no reachable state breaks an invariant.
pub(crate) fn assert_holds<M: Model>(name: &str, model: &M) {
    let begin = Instant::now();
    match search(model) {
        Ok(states) => println!("{name}: holds in all {states} states, {:.1?}", begin.elapsed()),
        Err((trace, states)) => panic!("{name}, after {states} states: {trace}"),
    }
}

/// Asserts that the broken `model` is caught, breaking `invariant`; prints the shortest trace.
pub(crate) fn assert_caught<M: Model>(name: &str, invariant: &str, model: &M) {
    match search(model) {
        Ok(states) => panic!("negative control `{name}` was not caught in {states} states"),
        Err((trace, states)) => {
            println!("negative control `{name}`, {states} states: {trace}");
            assert_eq!(trace.invariant, invariant, "`{name}` is caught for the wrong reason");
        }
    }
}

/// A state with the index of the state before it and the step between them.
type Reached<S, T> = (Rc<S>, Option<(usize, T)>);

/// The number of reachable states, or the first violation with the number of states seen before it.
fn search<M: Model>(model: &M) -> Result<usize, (Trace, usize)> {
    let first = Rc::new(model.initial());
    let mut seen = HashSet::from([Rc::clone(&first)]);
    let mut reached: Vec<Reached<M::State, M::Step>> = vec![(first, None)];
    let mut at = 0;
    while at < reached.len() {
        let state = Rc::clone(&reached[at].0);
        if let Some(invariant) = model.violation(&state) {
            return Err((Trace { invariant, steps: path(&reached, at) }, reached.len()));
        }
        if at == MAX_STATES {
            let invariant = "the bounds of this model are too wide";
            return Err((Trace { invariant, steps: path(&reached, at) }, reached.len()));
        }
        for (step, next) in model.steps(&state) {
            let next = Rc::new(next);
            if seen.insert(Rc::clone(&next)) {
                reached.push((next, Some((at, step))));
            }
        }
        at += 1;
    }
    Ok(reached.len())
}

fn path<S, T: Debug>(reached: &[Reached<S, T>], end: usize) -> Vec<String> {
    let mut steps = Vec::new();
    let mut at = end;
    while let Some((parent, step)) = &reached[at].1 {
        steps.push(format!("{step:?}"));
        at = *parent;
    }
    steps.reverse();
    steps
}

const MAX_STATES: usize = 3_000_000;
