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

use std::collections::BTreeMap;

use commands::{Step, actors, steps};
use docvault::{
    ContentDigest, OperationId, Timestamp,
    intake::{CaseState, Change, Event, Opening, Stage, Standing, Statement, Status, Template},
};
use proptest::prelude::*;
use reference::{Fact, Model};

const OPENING: OperationId = OperationId::from_bytes([7; 16]);
/// 2026-01-01T00:00:00Z.
const START: u64 = 1_767_225_600_000;

fn template() -> Template {
    Template::from_toml(include_str!("intake_model/case.toml")).unwrap()
}

/// A case under random commands.
struct Run {
    template: Template,
    state: CaseState,
    events: Vec<Event>,
    now: u64,
}

impl Run {
    fn new() -> Self {
        let template = template();
        let opening = Opening::new("client");
        let event = CaseState::open(&template, opening, Timestamp::from_millis(START), &actors()[0]).unwrap();
        let state = CaseState::begin(&event).unwrap();
        Self { template, state, events: vec![event], now: START }
    }

    /// Does a step: what it was, and what became of it.
    fn step(&mut self, step: &Step, serial: usize) -> (docvault::intake::Command, Option<Event>) {
        self.now += step.hours * 3_600_000;
        let command = step.command(&self.state, self.now, u8::try_from(serial + 10).unwrap());
        let now = Timestamp::from_millis(self.now);
        let event = self.state.decide(&self.template, command.clone(), now, &actors()[step.actor]).ok();
        if let Some(event) = &event {
            self.state.apply(&self.template, event);
            self.events.push(event.clone());
        }
        (command, event)
    }

    fn status(&self) -> Status {
        self.state.status(&self.template, Timestamp::from_millis(self.now)).unwrap()
    }
}

fn same(model: &Model, run: &Run) -> Result<(), TestCaseError> {
    let status = run.status();
    let (met, all) = model.progress(Some(run.now));
    let (completed, reopened) = model.completion();
    prop_assert_eq!(usize::from(status.percent), 100 * met / all);
    prop_assert_eq!(status.complete, met == all);
    prop_assert_eq!(status.completed.map(Timestamp::as_millis), completed);
    prop_assert_eq!(status.reopened, reopened);
    for one in &status.requirements {
        let key = one.requirement.as_str();
        prop_assert_eq!(one.standing, model.standing(key, run.now), "{}", key);
        prop_assert_eq!(one.required, model.required(key), "{}", key);
        prop_assert_eq!(one.met, model.met(key, Some(run.now)), "{}", key);
        prop_assert_eq!(one.reopened as usize, model.reopened(key), "{}", key);
        prop_assert_eq!(one.imports as usize, model.imports(key), "{}", key);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn the_state_machine_and_the_model_agree(steps in steps(60)) {
        let mut run = Run::new();
        let mut model = Model { opened: START, facts: Vec::new() };
        for (serial, step) in steps.iter().enumerate() {
            let (command, event) = run.step(step, serial);
            let actor = &actors()[step.actor];
            prop_assert_eq!(event.is_some(), model.accepts(&command, run.now, actor), "{:?}", command);
            if event.is_some() {
                model.facts.push(Fact { at: run.now, by: actor.id().to_owned(), command });
            }
            same(&model, &run)?;
        }
    }

    #[test]
    fn no_sequence_of_commands_breaks_an_invariant(steps in steps(60)) {
        let mut run = Run::new();
        let mut newest: BTreeMap<String, ContentDigest> = BTreeMap::new();
        let mut approved: BTreeMap<String, ContentDigest> = BTreeMap::new();
        let mut confidential = false;
        for (serial, step) in steps.iter().enumerate() {
            let before = run.state.clone();
            let (_, event) = run.step(step, serial);
            let Some(event) = event else { continue };
            match &event.change {
                Change::Submitted { requirement, submission } => {
                    newest.insert(requirement.to_string(), submission.digest);
                }
                Change::NewerVersionSeen { requirement, digest, .. } => {
                    newest.insert(requirement.to_string(), *digest);
                }
                Change::Approved { requirement, digest, .. } => {
                    approved.insert(requirement.to_string(), *digest);
                }
                _ => {}
            }
            for (key, state) in ["form", "id", "income", "extra"].map(|key| (key, run.state.requirement(key))) {
                let Some(state) = state else { continue };
                let current = state.current.as_ref().map(|current| current.digest);
                prop_assert!(current.is_none() || current == newest.get(key).copied());
                if state.stage == Stage::Approved {
                    prop_assert_eq!(current, approved.get(key).copied());
                }
            }
            let now_confidential = run.state.requirement("income").is_some_and(|state| state.confidential);
            prop_assert!(now_confidential || !confidential);
            confidential |= now_confidential || newest.contains_key("income");
            prop_assert_eq!(confidential, now_confidential);

            let status = run.status();
            prop_assert!(status.percent <= 100);
            prop_assert_eq!(status.percent == 100, status.complete);
            if status.complete {
                let valid = |one: &docvault::intake::RequirementStatus| {
                    !one.required || (one.standing == Standing::Approved && one.attestations_lacking.is_empty())
                };
                prop_assert!(status.requirements.iter().all(valid));
                prop_assert!(status.rules.iter().all(docvault::intake::RuleStatus::is_satisfied));
            }
            let statement = Statement::following(&before, &run.template, OPENING, event);
            let payload = statement.to_json();
            prop_assert!(payload.len() <= 48 * 1024);
            prop_assert_eq!(Statement::parse(&payload), Ok(statement));
        }
        prop_assert_eq!(CaseState::replay(&run.template, &run.events), Some(run.state));
    }
}

/// The comparison is worth something only if the random commands reach what it is about.
#[test]
fn random_commands_reach_completion_and_every_kind_of_event() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut topics: BTreeMap<&str, u32> = BTreeMap::new();
    let mut reopened = 0;
    for _ in 0..1500 {
        let steps = steps(60).new_tree(&mut runner).unwrap().current();
        let mut run = Run::new();
        for (serial, step) in steps.iter().enumerate() {
            if let (_, Some(event)) = run.step(step, serial) {
                *topics.entry(event.change.topic()).or_default() += 1;
            }
        }
        reopened += run.state.reopened();
    }
    assert_eq!(topics.len(), 15, "{topics:?}");
    assert!(topics["intake.completed"] > 5 && reopened > 5, "{topics:?} {reopened}");
}
