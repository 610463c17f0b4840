//! How a case stands at an instant.

use serde::{Deserialize, Serialize};

use super::{
    refusal::Refusal,
    state::{CaseState, RequirementState, Stage},
    submission::Origin,
};
use crate::{
    Timestamp,
    intake::{Attestation, Date, Key, Requirement, Rule, Template, TemplateHash, UtcOffset},
};

/// How a case stands at an instant: what the office sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// The instant.
    pub at: Timestamp,
    /// The template that the case was opened with.
    pub template: TemplateHash,
    /// When the case was opened.
    pub opened: Timestamp,
    /// How much of what is required is met: 0 to 100, and 100 only if all of it is.
    pub percent: u8,
    /// Whether everything required is approved, attested and valid now.
    pub complete: bool,
    /// When the case was stated to be complete, if that still stands.
    pub completed: Option<Timestamp>,
    /// How often a complete case was opened again.
    pub reopened: u32,
    /// Comments.
    pub comments: u32,
    /// How many requirements stand how.
    pub totals: Totals,
    /// Each requirement, in the template's order.
    pub requirements: Vec<RequirementStatus>,
    /// Each rule, in the template's order.
    pub rules: Vec<RuleStatus>,
}

/// How many requirements stand how; of those that are missing, only the ones required are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[allow(missing_docs, reason = "each is the number of those that its name says")]
#[non_exhaustive]
pub struct Totals {
    pub required: u32,
    pub missing: u32,
    pub submitted: u32,
    pub approved: u32,
    pub rejected: u32,
    pub expired: u32,
    pub late: u32,
    pub overdue: u32,
}

/// How a requirement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Standing {
    /// Approved and valid.
    Approved,
    /// Approved once, and no longer valid.
    Expired,
    /// Nothing is there.
    Missing,
    /// What is there was rejected.
    Rejected,
    /// What is there is to be reviewed.
    Submitted,
}

/// Whether a requirement is in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Timeliness {
    /// Handed in by the day it was due.
    InTime,
    /// Due, in the days of grace.
    Late,
    /// Handed in after the day it was due.
    HandedInLate,
    /// Not due yet, or never.
    NotDue,
    /// Due, and the days of grace have passed.
    Overdue,
}

/// How one requirement stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RequirementStatus {
    /// The requirement.
    pub requirement: Key,
    /// Whether it has to be met, as the answers stand.
    pub required: bool,
    /// How it stands.
    pub standing: Standing,
    /// Whether it counts: approved, attested and valid.
    pub met: bool,
    /// Why it was rejected or asked for anew.
    pub reason: Option<String>,
    /// How many more people must approve what is there.
    pub approvals_lacking: u32,
    /// What is yet to be attested.
    pub attestations_lacking: Vec<Attestation>,
    /// The day it is due, if it is required.
    pub due: Option<Date>,
    /// Whether it is in time.
    pub timeliness: Timeliness,
    /// The last day on which what is there is valid.
    pub valid_until: Option<Date>,
    /// How what is there came.
    pub origin: Option<Origin>,
    /// How many submissions came from outside, ever.
    pub imports: u32,
    /// Whether only its reviewers may open it.
    pub confidential: bool,
    /// Submissions quarantined or refused.
    pub set_aside: u32,
    /// How often an approval was overtaken or taken back.
    pub reopened: u32,
    /// Comments.
    pub comments: u32,
}

/// How one rule stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RuleStatus {
    /// The rule.
    pub rule: Key,
    /// How many of its requirements are met.
    pub met: u32,
    /// How many must be.
    pub at_least: u32,
}

impl RuleStatus {
    /// Whether enough are met.
    #[must_use]
    pub fn is_satisfied(&self) -> bool {
        self.met >= self.at_least
    }
}

impl CaseState {
    /// How the case stands now, under the template it was opened with.
    ///
    /// # Errors
    ///
    /// [`Refusal::OtherTemplate`].
    pub fn status(&self, template: &Template, now: Timestamp) -> Result<Status, Refusal> {
        if template.hash() != self.template {
            return Err(Refusal::OtherTemplate);
        }
        let view = View { state: self, template, now, today: Date::at(now, template.utc_offset()) };
        Ok(view.status())
    }
}

/// A case, looked at on a day.
struct View<'a> {
    state: &'a CaseState,
    template: &'a Template,
    now: Timestamp,
    today: Date,
}

impl View<'_> {
    fn status(&self) -> Status {
        let progress = self.state.progress(self.template, Some(self.today));
        let requirements: Vec<_> =
            self.template.requirements().iter().map(|one| self.requirement(one)).collect();
        Status {
            at: self.now,
            template: self.state.template,
            opened: self.state.opened,
            percent: progress.percent(),
            complete: progress.is_complete(),
            completed: self.state.completed,
            reopened: self.state.reopened,
            comments: self.state.comments,
            totals: Totals::of(&requirements),
            requirements,
            rules: self.template.rules().iter().map(|rule| self.rule(rule)).collect(),
        }
    }

    fn requirement(&self, rule: &Requirement) -> RequirementStatus {
        let untouched = RequirementState::default();
        let state = self.state.requirements.get(rule.key()).unwrap_or(&untouched);
        let standing = self.standing(rule, state);
        let due = self.due(rule, standing);
        RequirementStatus {
            requirement: rule.key().clone(),
            required: self.state.is_required(rule),
            standing,
            met: self.state.is_met(rule, Some(self.today)),
            reason: state.reason.clone(),
            approvals_lacking: approvals_lacking(rule, state),
            attestations_lacking: attestations_lacking(rule, state),
            due,
            timeliness: due.map_or(Timeliness::NotDue, |due| self.timeliness(rule, state, standing, due)),
            valid_until: state.current.as_ref().and_then(|current| current.valid_until),
            origin: state.current.as_ref().map(|current| current.origin.clone()),
            imports: state.imports,
            confidential: state.confidential,
            set_aside: state.set_aside,
            reopened: state.reopened,
            comments: state.comments,
        }
    }

    fn standing(&self, rule: &Requirement, state: &RequirementState) -> Standing {
        match state.stage {
            Stage::Approved if self.state.is_expired(rule.key(), self.today) => Standing::Expired,
            Stage::Approved => Standing::Approved,
            Stage::Missing => Standing::Missing,
            Stage::Rejected => Standing::Rejected,
            Stage::Submitted => Standing::Submitted,
        }
    }

    /// What has expired was due to be renewed by its last day of validity.
    fn due(&self, rule: &Requirement, standing: Standing) -> Option<Date> {
        if !self.state.is_required(rule) {
            return None;
        }
        if standing == Standing::Expired {
            self.state.valid_until(rule.key())
        } else {
            self.state.due(rule, self.offset())
        }
    }

    fn timeliness(
        &self,
        rule: &Requirement,
        state: &RequirementState,
        standing: Standing,
        due: Date,
    ) -> Timeliness {
        let received = state.current.as_ref().map(|current| current.received);
        match (standing, received) {
            (Standing::Approved | Standing::Submitted, Some(received))
                if received < due.end(self.offset()) =>
            {
                Timeliness::InTime
            }
            (Standing::Approved | Standing::Submitted, _) => Timeliness::HandedInLate,
            _ if self.today <= due => Timeliness::NotDue,
            _ if self.today <= due.plus_days(rule.grace_days()) => Timeliness::Late,
            _ => Timeliness::Overdue,
        }
    }

    fn rule(&self, rule: &Rule) -> RuleStatus {
        let met = self.state.met_of(rule, self.template, Some(self.today));
        RuleStatus { rule: rule.key().clone(), met: count(met), at_least: rule.at_least().into() }
    }

    fn offset(&self) -> UtcOffset {
        self.template.utc_offset()
    }
}

impl CaseState {
    /// The day a requirement is due: as it was set, or else as the template counts from the opening.
    pub(super) fn due(&self, rule: &Requirement, offset: UtcOffset) -> Option<Date> {
        let set = self.requirements.get(rule.key()).and_then(|state| state.due);
        set.or_else(|| Some(Date::at(self.opened, offset).plus_days(rule.due_days()?)))
    }
}

impl Totals {
    fn of(all: &[RequirementStatus]) -> Self {
        let count =
            |wanted: &dyn Fn(&RequirementStatus) -> bool| count(all.iter().filter(|one| wanted(one)).count());
        Self {
            required: count(&|one| one.required),
            missing: count(&|one| one.required && one.standing == Standing::Missing),
            submitted: count(&|one| one.standing == Standing::Submitted),
            approved: count(&|one| one.standing == Standing::Approved),
            rejected: count(&|one| one.standing == Standing::Rejected),
            expired: count(&|one| one.standing == Standing::Expired),
            late: count(&|one| one.timeliness == Timeliness::Late),
            overdue: count(&|one| one.timeliness == Timeliness::Overdue),
        }
    }
}

fn approvals_lacking(rule: &Requirement, state: &RequirementState) -> u32 {
    if state.stage == Stage::Submitted {
        count(rule.approvals_needed().saturating_sub(state.approvals.len()))
    } else {
        0
    }
}

fn attestations_lacking(rule: &Requirement, state: &RequirementState) -> Vec<Attestation> {
    let attested = |wanted: &Attestation| state.attestations.iter().any(|found| found.attestation == *wanted);
    rule.attestations().iter().filter(|wanted| !attested(wanted)).cloned().collect()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
