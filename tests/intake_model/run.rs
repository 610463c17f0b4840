//! A case under commands: by the state machine, by the model, and what holds whatever is done.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use docvault::{
    ContentDigest, OperationId, RequestId, Timestamp,
    intake::{
        Attestation, CaseState, Change, Command, Event, Opening, RequirementStatus, RuleStatus, Stage,
        Standing, Statement, Status, Template,
    },
};

use crate::{
    calendar::number,
    commands::{Step, actors},
    reference::{Fact, Model},
};

const OPENING: OperationId = OperationId::from_bytes([7; 16]);
/// 2026-01-01T00:00:00Z.
const START: u64 = 1_767_225_600_000;

static TEMPLATE: LazyLock<Template> =
    LazyLock::new(|| Template::from_toml(include_str!("case.toml")).unwrap());

/// A case under random commands.
pub(crate) struct Run {
    template: &'static Template,
    pub(crate) state: CaseState,
    events: Vec<Event>,
    now: u64,
}

impl Run {
    pub(crate) fn new() -> Self {
        let template = &*TEMPLATE;
        let opening = Opening::new("client");
        let event = CaseState::open(template, opening, Timestamp::from_millis(START), &actors()[0]).unwrap();
        let state = CaseState::begin(&event).unwrap();
        Self { template, state, events: vec![event], now: START }
    }

    /// Does a step: what it was, and what became of it.
    pub(crate) fn step(&mut self, step: &Step, serial: usize) -> (Command, Option<Event>) {
        self.now += step.hours * 3_600_000;
        let command = step.command(&self.state, self.now, u8::try_from(serial + 10).unwrap());
        let now = Timestamp::from_millis(self.now);
        let event = self.state.decide(self.template, command.clone(), now, &actors()[step.actor]).ok();
        if let Some(event) = &event {
            self.state.apply(self.template, event);
            self.events.push(event.clone());
        }
        (command, event)
    }

    fn status(&self) -> Status {
        self.state.status(self.template, Timestamp::from_millis(self.now)).unwrap()
    }
}

fn same(model: &Model, run: &Run) {
    let status = run.status();
    let (met, all) = model.progress(Some(run.now));
    let (completed, reopened) = model.completion();
    assert_eq!(usize::from(status.percent), 100 * met / all);
    assert_eq!(status.complete, met == all);
    assert_eq!(status.completed.map(Timestamp::as_millis), completed);
    assert_eq!(status.reopened, reopened);
    let either = ["income", "extra"].into_iter().filter(|key| model.met(key, Some(run.now))).count();
    assert_eq!(status.rules.iter().map(|rule| rule.met as usize).collect::<Vec<_>>(), [either]);
    for one in &status.requirements {
        let key = one.requirement.as_str();
        same_there(model, run, key);
        assert_eq!(one.standing, model.standing(key, run.now), "{}", key);
        assert_eq!(one.required, model.required(key), "{}", key);
        assert_eq!(one.met, model.met(key, Some(run.now)), "{}", key);
        assert_eq!(one.reopened as usize, model.reopened(key), "{}", key);
        assert_eq!(one.imports as usize, model.imports(key), "{}", key);
        assert_eq!(one.set_aside as usize, model.set_aside(key), "{}", key);
        assert_eq!(one.due.map(number), model.due(key, run.now), "{}", key);
        assert_eq!(one.confidential, model.confidential(key), "{}", key);
        let lacking = (key == "id" && !model.compared()).then_some(Attestation::ComparedWithOriginal);
        assert_eq!(one.attestations_lacking, Vec::from_iter(lacking), "{}", key);
    }
    same_outside(model, run);
}

/// What a requirement rests on, and who has approved it.
fn same_there(model: &Model, run: &Run, key: &str) {
    let state = run.state.requirement(key);
    let there = model.there(key);
    let there = there.as_ref().map(|there| {
        let dates = (there.issued, there.valid_until);
        (there.version, there.digest, &there.by, &there.origin, there.received, dates)
    });
    let current = state.and_then(|state| state.current.as_ref()).map(|current| {
        let dates = (current.issued, current.valid_until);
        (current.version, current.digest, &current.by, &current.origin, current.received.as_millis(), dates)
    });
    assert_eq!(current, there, "{key}");
    assert_eq!(state.map_or(0, |state| state.comments) as usize, model.comments(key), "{key}");
    let approvals = state.map_or(&[][..], |state| &state.approvals);
    let approvals: Vec<&str> = approvals.iter().map(|approval| approval.by.as_str()).collect();
    assert_eq!(approvals, model.approvers(key), "{key}");
}

/// Whom something can be handed in for, and what each request asks for and has had.
fn same_outside(model: &Model, run: &Run) {
    let contacts = run.state.contacts().iter().map(|contact| contact.id.to_string());
    assert_eq!(contacts.chain(["client".to_owned()]).collect::<BTreeSet<_>>(), model.clients());
    for id in [0, 1].map(|number| RequestId::from_bytes([number; 16])) {
        let found = run.state.requests().get(&id).map(|open| {
            let requirements: BTreeSet<String> = open.requirements.iter().map(ToString::to_string).collect();
            let had: BTreeSet<String> = open.deposits.iter().map(ToString::to_string).collect();
            let to = open.to.as_ref().map(ToString::to_string);
            (requirements, open.expires.as_millis(), open.uses as usize, to, had)
        });
        let asked = model.request(id);
        let asked = asked.map(|open| (open.requirements, open.expires, open.uses, open.to, open.had));
        assert_eq!(found, asked, "{id}");
    }
    assert!(run.state.requests().len() <= 2);
}

/// Does all steps: the model accepts what the state machine does, and says the same of the case.
pub(crate) fn agree(steps: &[Step]) {
    let mut run = Run::new();
    let mut model = Model { opened: START, facts: Vec::new() };
    for (serial, step) in steps.iter().enumerate() {
        let (command, event) = run.step(step, serial);
        let actor = &actors()[step.actor];
        assert_eq!(event.is_some(), model.accepts(&command, run.now, actor), "{:?}", command);
        if event.is_some() {
            model.facts.push(Fact { at: run.now, by: actor.id().to_owned(), command });
        }
        same(&model, &run);
    }
}

/// Does all steps, and looks at what none of them may break.
pub(crate) fn hold(steps: &[Step]) {
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
            assert!(current.is_none() || current == newest.get(key).copied());
            if state.stage == Stage::Approved {
                assert_eq!(current, approved.get(key).copied());
            }
        }
        let now_confidential = run.state.requirement("income").is_some_and(|state| state.confidential);
        assert!(now_confidential || !confidential);
        confidential |= now_confidential || newest.contains_key("income");
        assert_eq!(confidential, now_confidential);

        let status = run.status();
        assert!(status.percent <= 100);
        assert_eq!(status.percent == 100, status.complete);
        if status.complete {
            let valid = |one: &RequirementStatus| {
                !one.required || (one.standing == Standing::Approved && one.attestations_lacking.is_empty())
            };
            assert!(status.requirements.iter().all(valid));
            assert!(status.rules.iter().all(RuleStatus::is_satisfied));
        }
        let statement = Statement::following(&before, run.template, OPENING, event);
        let payload = statement.to_json();
        assert!(payload.len() <= 48 * 1024);
        assert_eq!(Statement::parse(&payload), Ok(statement));
    }
    assert_eq!(CaseState::replay(run.template, &run.events), Some(run.state));
}
