//! From a command to an event, or a refusal. Pure: what is not decided here does not happen.

mod contacts;
mod requests;
mod review;
mod submit;

pub(in crate::intake) use contacts::COMMENT_CAP;
pub(in crate::intake) use requests::USES_OF_A_REQUEST;

use super::{
    command::{Actor, Audience, Command, Opening},
    completion::Completion,
    event::{Change, Event, Reopens},
    refusal::Refusal,
    state::{CaseState, CurrentSubmission, Stage},
};
use crate::{
    ContentDigest, Timestamp, VersionId,
    intake::{Date, Key, Requirement, Template},
};

impl CaseState {
    /// Opens a case: the event that its state begins with.
    ///
    /// # Errors
    ///
    /// [`Refusal::Text`], [`Refusal::TooMany`] and [`Refusal::TooLarge`] for what does not fit.
    pub fn open(
        template: &Template,
        opening: Opening,
        now: Timestamp,
        actor: &Actor,
    ) -> Result<Event, Refusal> {
        text("actor", actor.id(), ID_CAP)?;
        text("client", &opening.client, ID_CAP)?;
        contacts::check_all(&opening.contacts)?;
        let change = Change::Opened { template: template.hash(), opening };
        let event = Event { at: now, by: actor.id.clone(), change, reopens: Vec::new() };
        fits(json_len(&event), json_len(&Self::begin(&event)), template.to_canonical_json().len())?;
        Ok(event)
    }

    /// Decides whether a command happens: the event to apply, or why not.
    ///
    /// The same arguments give the same answer. If the clock went back, or another's was ahead, the event bears the
    /// time of the one before it; rules go by `now`, whatever another's clock has written.
    ///
    /// # Errors
    ///
    /// [`Refusal`], which says what to do; the case is as it was.
    ///
    /// # Security
    ///
    /// Of rights, only the roles that the template names are checked: who may see a case, hand something in,
    /// issue requests or complete it is the application's to say.
    pub fn decide(
        &self,
        template: &Template,
        command: Command,
        now: Timestamp,
        actor: &Actor,
    ) -> Result<Event, Refusal> {
        if template.hash() != self.template {
            return Err(Refusal::OtherTemplate);
        }
        text("actor", actor.id(), ID_CAP)?;
        let desk = Decision { state: self, template, now, actor };
        let change = desk.change(command)?;
        desk.event(change)
    }
}

/// Everything that a decision rests on.
struct Decision<'a> {
    state: &'a CaseState,
    template: &'a Template,
    now: Timestamp,
    actor: &'a Actor,
}

impl<'a> Decision<'a> {
    fn change(&self, command: Command) -> Result<Change, Refusal> {
        match command {
            Command::Approve { requirement, version, digest, issued, valid_until } => {
                self.approve(requirement, (version, digest), issued, valid_until)
            }
            Command::AskAgain { requirement, reason, due } => self.ask_again(requirement, reason, due),
            Command::Attest { requirement, version, digest, attestation } => {
                self.attest(requirement, (version, digest), attestation)
            }
            Command::CloseRequest { request } => self.close_request(request),
            Command::Comment { requirement, text, audience } => {
                self.comment(requirement, text, audience, None)
            }
            Command::Complete => self.complete(),
            Command::IssueRequest { request, requirements, expires, uses, to } => {
                self.issue_request(request, requirements, expires, uses, to)
            }
            Command::Reject { requirement, version, digest, reason, due } => {
                self.reject(requirement, (version, digest), reason, due)
            }
            Command::Remark { requirement, text, origin } => {
                self.comment(Some(requirement), text, Audience::Everyone, Some(origin))
            }
            Command::RemoveContact { contact } => self.remove_contact(contact),
            Command::Reopen { reason } => self.reopen(reason),
            Command::SeeNewerVersion { requirement, version, digest } => {
                self.see_newer_version(requirement, version, digest)
            }
            Command::SetAside { requirement, verdict, reason, digest, bytes, origin } => {
                self.rule(&requirement)?;
                text("reason", &reason, REASON_CAP)?;
                self.check_deposit(&requirement, &origin)?;
                Ok(Change::SetAside { requirement, verdict, reason, digest, bytes, origin })
            }
            Command::SetContact(contact) => self.set_contact(contact),
            Command::SetDue { requirement, due } => {
                self.rule(&requirement)?;
                Ok(Change::DueSet { requirement, due })
            }
            Command::Submit { requirement, submission } => self.submit(requirement, submission),
        }
    }

    /// The event of a change, with what it opens again, if all of it fits into a statement.
    fn event(&self, change: Change) -> Result<Event, Refusal> {
        let mut after = self.state.clone();
        let by = self.actor.id.clone();
        let mut event = Event { at: self.at(), by, change, reopens: Vec::new() };
        after.apply(self.template, &event);
        event.reopens = self.reopens(&event.change, &after);
        after.apply_reopens(&event);
        fits(json_len(&event), json_len(&after), 0)?;
        Ok(event)
    }

    fn reopens(&self, change: &Change, after: &CaseState) -> Vec<Reopens> {
        let lost =
            |key: &Key| self.state.stage(key) == Stage::Approved && after.stage(key) != Stage::Approved;
        let requirement = change.requirement().is_some_and(lost);
        let was_complete = self.state.completed.is_some();
        // Optional or not: the completion names every approval, and says nothing true of what is there without one.
        let case = was_complete
            && (requirement
                || matches!(change, Change::Reopened { .. })
                || !after.progress(self.template, None).is_complete());
        let both = [(case, Reopens::Case), (requirement, Reopens::Requirement)];
        both.into_iter().filter_map(|(is, reopens)| is.then_some(reopens)).collect()
    }

    fn complete(&self) -> Result<Change, Refusal> {
        if self.state.completed.is_some() {
            return Err(Refusal::AlreadyComplete);
        }
        let progress = self.state.progress(self.template, Some(self.today()));
        if !progress.is_complete() {
            return Err(Refusal::Incomplete { percent: progress.percent() });
        }
        let approved = self.state.approved(self.template, self.today());
        Ok(Change::Completed(Completion { at: self.at(), template: self.template.hash(), approved }))
    }

    fn reopen(&self, reason: String) -> Result<Change, Refusal> {
        text("reason", &reason, REASON_CAP)?;
        if self.state.completed.is_none() {
            return Err(Refusal::NotComplete);
        }
        Ok(Change::Reopened { reason })
    }

    /// What the event bears: times ascend.
    fn at(&self) -> Timestamp {
        self.now.max(self.state.updated)
    }

    fn today(&self) -> Date {
        self.day(self.now)
    }

    fn day(&self, instant: Timestamp) -> Date {
        Date::at(instant, self.template.utc_offset())
    }

    /// The requirement with this key.
    fn rule(&self, key: &Key) -> Result<&'a Requirement, Refusal> {
        self.template.requirement(key.as_str()).ok_or(Refusal::UnknownRequirement)
    }

    /// What is there, if it is what was looked at.
    fn newest(
        &self,
        requirement: &Key,
        (version, digest): (VersionId, ContentDigest),
    ) -> Result<&'a CurrentSubmission, Refusal> {
        let state = self.state.requirements.get(requirement);
        let current = state.and_then(|state| state.current.as_ref());
        let current = current.ok_or_else(|| Refusal::NothingThere { requirement: requirement.clone() })?;
        if (current.version, current.digest) == (version, digest) {
            Ok(current)
        } else {
            Err(Refusal::NotNewest { requirement: requirement.clone() })
        }
    }
}

/// Refuses a text that is empty, too long, or has control characters but line ends.
fn text(what: &str, text: &str, most: usize) -> Result<(), Refusal> {
    let visible = text.chars().all(|c| !c.is_control() || c == '\n');
    if visible && (1..=most).contains(&text.len()) {
        return Ok(());
    }
    Err(Refusal::Text { what: what.to_owned(), most })
}

fn fits(event: usize, state: usize, template: usize) -> Result<(), Refusal> {
    let sum = event.saturating_add(state).saturating_add(template);
    if sum <= STATEMENT_CAP - AROUND { Ok(()) } else { Err(Refusal::TooLarge) }
}

fn json_len<T: serde::Serialize>(value: &T) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |json| json.len())
}

/// Bytes of an actor's or a client's id, at most.
const ID_CAP: usize = 128;
const REASON_CAP: usize = 300;
/// Bytes of a statement's payload, at most (FORMAT §12.2).
const STATEMENT_CAP: usize = 48 * 1024;
/// Bytes for the names of a statement's members, and for the id of the opening one.
const AROUND: usize = 96;
