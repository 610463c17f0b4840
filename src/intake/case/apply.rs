//! From an event to the state after it. Total: every event that was decided applies, others change little.

use std::collections::BTreeMap;

use super::{
    event::{Change, Event, Reopens},
    state::{Approval, Attested, CaseState, CurrentSubmission, OpenRequest, RequirementState, Stage},
    submission::{Origin, Submission},
};
use crate::{
    ContentDigest, Timestamp, VersionId,
    intake::{Attestation, Date, Key, Template},
};

impl CaseState {
    /// The state after a case was opened; none if the event is another.
    #[must_use]
    pub fn begin(event: &Event) -> Option<Self> {
        let Change::Opened { template, opening } = &event.change else { return None };
        Some(Self {
            template: *template,
            opened: event.at,
            updated: event.at,
            events: 1,
            client: opening.client.clone(),
            language: opening.language,
            contacts: opening.contacts.clone(),
            requirements: BTreeMap::new(),
            requests: BTreeMap::new(),
            completed: None,
            reopened: 0,
            comments: 0,
        })
    }

    /// The state after these events of one case, from its opening on; none if they do not begin with it.
    #[must_use]
    pub fn replay<'a>(template: &Template, events: impl IntoIterator<Item = &'a Event>) -> Option<Self> {
        let mut events = events.into_iter();
        let mut state = Self::begin(events.next()?)?;
        events.for_each(|event| state.apply(template, event));
        Some(state)
    }

    /// Applies an event, under the template that the case was opened with.
    pub fn apply(&mut self, template: &Template, event: &Event) {
        self.updated = self.updated.max(event.at);
        self.events = self.events.saturating_add(1);
        self.apply_change(template, event);
        self.apply_reopens(event);
    }

    pub(super) fn apply_reopens(&mut self, event: &Event) {
        if event.reopens.contains(&Reopens::Case) {
            self.completed = None;
            self.reopened = self.reopened.saturating_add(1);
        }
        if let Some(key) =
            event.change.requirement().filter(|_| event.reopens.contains(&Reopens::Requirement))
        {
            let requirement = self.of(key);
            requirement.reopened = requirement.reopened.saturating_add(1);
        }
    }

    fn apply_change(&mut self, template: &Template, event: &Event) {
        match &event.change {
            Change::Approved { requirement, issued, valid_until, .. } => {
                let needed = template.requirement(requirement.as_str()).map_or(1, |r| r.approvals_needed());
                self.of(requirement).approve(event, needed, *issued, *valid_until);
            }
            Change::AskedAgain { requirement, reason, due } => {
                let state = self.of(requirement);
                state.settle(event.at, Stage::Missing, None);
                state.explain(reason, due.as_ref());
            }
            Change::Attested { requirement, attestation, .. } => {
                self.of(requirement).attest(event, attestation);
            }
            Change::Commented { requirement, .. } => self.count_comment(requirement.as_ref()),
            Change::Completed(completion) => self.completed = Some(completion.at),
            Change::ContactRemoved { contact } => self.contacts.retain(|other| other.id != *contact),
            Change::ContactSet(contact) => {
                self.contacts.retain(|other| other.id != contact.id);
                self.contacts.push(contact.clone());
            }
            Change::DueSet { requirement, due } => self.of(requirement).set_due(event.at, *due),
            Change::NewerVersionSeen { requirement, version, digest } => {
                let current = seen(event, *version, *digest);
                self.of(requirement).settle(event.at, Stage::Submitted, Some(current));
            }
            Change::Opened { .. } | Change::Reopened { .. } => {}
            Change::Rejected { requirement, reason, due, .. } => {
                let state = self.of(requirement);
                let current = state.current.take();
                state.settle(event.at, Stage::Rejected, current);
                state.explain(reason, due.as_ref());
            }
            Change::RequestClosed { request } => {
                self.requests.remove(request);
            }
            Change::RequestIssued { request, requirements, expires, uses, to } => {
                let requirements = requirements.iter().cloned().collect();
                let (expires, uses, to) = (*expires, *uses, to.clone());
                let open = OpenRequest { requirements, expires, uses, deposits: [].into(), to };
                self.requests.insert(*request, open);
            }
            Change::SetAside { requirement, origin, .. } => {
                let state = self.of(requirement);
                state.set_aside = state.set_aside.saturating_add(1);
                self.use_request(origin);
            }
            Change::Submitted { requirement, submission } => {
                self.take_in(template, event, requirement, submission);
            }
        }
    }

    fn take_in(&mut self, template: &Template, event: &Event, requirement: &Key, submission: &Submission) {
        let current = handed_in(template, event, requirement, submission);
        let confidential = template.requirement(requirement.as_str()).is_some_and(|r| r.is_confidential());
        let state = self.of(requirement);
        state.settle(event.at, Stage::Submitted, Some(current));
        state.document = Some(submission.document);
        state.confidential |= confidential;
        state.submissions = state.submissions.saturating_add(1);
        if matches!(submission.origin, Origin::External { .. }) {
            state.imports = state.imports.saturating_add(1);
        }
        self.use_request(&submission.origin);
    }

    fn use_request(&mut self, origin: &Origin) {
        let Some((request, deposit)) = origin.deposit() else { return };
        if let Some(open) = self.requests.get_mut(&request) {
            open.deposits.insert(deposit);
        }
    }

    fn count_comment(&mut self, requirement: Option<&Key>) {
        self.comments = self.comments.saturating_add(1);
        if let Some(key) = requirement {
            let state = self.of(key);
            state.comments = state.comments.saturating_add(1);
        }
    }

    fn of(&mut self, requirement: &Key) -> &mut RequirementState {
        self.requirements.entry(requirement.clone()).or_default()
    }
}

impl RequirementState {
    /// A new stage rests on what is there now: what was said about anything else is void.
    fn settle(&mut self, at: Timestamp, stage: Stage, current: Option<CurrentSubmission>) {
        self.since = Some(at);
        self.stage = stage;
        self.current = current;
        self.approvals.clear();
        self.attestations.clear();
        self.reason = None;
    }

    fn approve(&mut self, event: &Event, needed: usize, issued: Option<Date>, valid_until: Option<Date>) {
        if let Some(current) = &mut self.current {
            (current.issued, current.valid_until) = (issued, valid_until);
        }
        self.approvals.push(Approval { by: event.by.clone(), at: event.at });
        if self.approvals.len() >= needed {
            self.stage = Stage::Approved;
        }
    }

    /// Another day is news only while something is awaited.
    fn set_due(&mut self, at: Timestamp, due: Option<Date>) {
        if self.due != due && !self.counts() {
            self.since = Some(at);
        }
        self.due = due;
    }

    fn attest(&mut self, event: &Event, attestation: &Attestation) {
        self.attestations.retain(|found| found.attestation != *attestation);
        let (attestation, by) = (attestation.clone(), event.by.clone());
        self.attestations.push(Attested { attestation, by, at: event.at });
    }

    fn explain(&mut self, reason: &str, due: Option<&Date>) {
        self.reason = Some(reason.to_owned());
        self.due = due.copied().or(self.due);
    }
}

fn handed_in(template: &Template, event: &Event, requirement: &Key, new: &Submission) -> CurrentSubmission {
    let looked_at = new.form.iter().filter(|(field, _)| template.looks_at(requirement, field));
    let answers = looked_at.filter_map(|(field, _)| Some((field.clone(), new.form.answer_text(field)?)));
    CurrentSubmission {
        version: new.version,
        digest: new.digest,
        received: new.origin.received_at().unwrap_or(event.at).min(event.at),
        by: event.by.clone(),
        origin: new.origin.clone(),
        files: u32::try_from(new.files.len()).unwrap_or(u32::MAX),
        bytes: new.bytes(),
        issued: new.issued,
        valid_until: new.valid_until,
        answers: answers.collect(),
    }
}

fn seen(event: &Event, version: VersionId, digest: ContentDigest) -> CurrentSubmission {
    CurrentSubmission {
        version,
        digest,
        received: event.at,
        by: event.by.clone(),
        origin: Origin::Vault,
        files: 0,
        bytes: 0,
        issued: None,
        valid_until: None,
        answers: BTreeMap::new(),
    }
}
