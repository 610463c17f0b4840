//! A case's state machine against a second implementation of its rules, and what no sequence of commands breaks.
#![cfg(feature = "intake")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

#[path = "intake_model/calendar.rs"]
mod calendar;
#[path = "intake_model/commands.rs"]
mod commands;
#[path = "intake_model/reference.rs"]
mod reference;
#[path = "intake_model/run.rs"]
mod run;

use std::collections::BTreeMap;

use commands::steps;
use docvault::intake::Stage;
use proptest::prelude::*;
use run::Run;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn the_state_machine_and_the_model_agree(steps in steps(60)) {
        run::agree(&steps);
    }

    #[test]
    fn no_sequence_of_commands_breaks_an_invariant(steps in steps(60)) {
        run::hold(&steps);
    }
}

/// The comparison is worth something only if the random commands reach what it is about.
#[test]
fn random_commands_reach_completion_and_every_kind_of_event() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut topics: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut reopened, mut by_two) = (0, 0);
    for _ in 0..1500 {
        let steps = steps(60).new_tree(&mut runner).unwrap().current();
        let mut run = Run::new();
        for (serial, step) in steps.iter().enumerate() {
            if let (_, Some(event)) = run.step(step, serial) {
                *topics.entry(event.change.topic()).or_default() += 1;
            }
        }
        reopened += run.state.reopened();
        let approved = run.state.requirement("income").is_some_and(|income| income.stage == Stage::Approved);
        by_two += u32::from(approved);
    }
    assert_eq!(topics.len(), 15, "{topics:?}");
    assert!(topics["intake.completed"] > 5 && reopened > 5 && by_two > 5, "{topics:?} {reopened} {by_two}");
}
