//! What somebody should be reminded of.

use serde::Serialize;

use super::{
    refusal::Refusal,
    state::CaseState,
    status::{RequirementStatus, Standing},
};
use crate::{
    Timestamp,
    intake::{Date, Key, Necessity, Requirement, Template, UtcOffset},
};

/// Something to remind of: the latest there is about a requirement.
///
/// `since` is the same in every call until something newer is to be said: an application that sends what has
/// `since` after its last run sends each reminder once, however often or seldom it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Reminder {
    /// The requirement.
    pub requirement: Key,
    /// From when on this is to be said.
    pub since: Timestamp,
    /// What is to be said.
    pub kind: ReminderKind,
}

/// What a [`Reminder`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReminderKind {
    /// It is due on that day, which comes within the days that the template says.
    Due(Date),
    /// What is there was valid until that day.
    Expired(Date),
    /// What is there is valid until that day, which comes within the days that the template says.
    Expiring(Date),
    /// It was due on that day; the days of grace run.
    Late(Date),
    /// It was due on that day, and the days of grace have passed.
    Overdue(Date),
}

/// An approved document that is about to expire, or has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Expiring {
    /// The requirement.
    pub requirement: Key,
    /// Its last day of validity.
    pub valid_until: Date,
    /// Days left; negative if it has expired.
    pub days_left: i64,
}

impl CaseState {
    /// What is to be reminded of now, in the template's order; at most one thing a requirement.
    ///
    /// # Errors
    ///
    /// [`Refusal::OtherTemplate`].
    pub fn due_reminders(&self, template: &Template, now: Timestamp) -> Result<Vec<Reminder>, Refusal> {
        let status = self.status(template, now)?;
        let reminder = |one| reminder(template, one, self.since(template, one), now);
        Ok(status.requirements.iter().filter_map(reminder).collect())
    }

    /// The approved documents that have expired, or will within the template's notice, the first to go first.
    ///
    /// # Errors
    ///
    /// [`Refusal::OtherTemplate`].
    pub fn expiring(&self, template: &Template, now: Timestamp) -> Result<Vec<Expiring>, Refusal> {
        let today = Date::at(now, template.utc_offset());
        let expiring = |one: RequirementStatus| {
            let approved = matches!(one.standing, Standing::Approved | Standing::Expired);
            let valid_until = one.valid_until.filter(|_| approved)?;
            let days_left = valid_until.days_since(today);
            let soon = days_left <= i64::from(template.expiry_notice_days());
            soon.then_some(Expiring { requirement: one.requirement, valid_until, days_left })
        };
        let mut found: Vec<_> =
            self.status(template, now)?.requirements.into_iter().filter_map(expiring).collect();
        found.sort_by_key(|one| one.valid_until);
        Ok(found)
    }

    /// From when on a requirement stands as it does. Nothing is said of the time before: what the dates alone would
    /// have said then was not to be said, and would never be sent.
    fn since(&self, template: &Template, status: &RequirementStatus) -> Timestamp {
        let settled = |key: &Key| self.requirement(key.as_str()).and_then(|state| state.since);
        let approved = self
            .requirement(status.requirement.as_str())
            .and_then(|state| state.approvals.last())
            .map(|approval| approval.at);
        let rule = template.requirement(status.requirement.as_str());
        let required = match rule.map(Requirement::necessity) {
            Some(Necessity::If(condition)) => settled(condition.requirement()),
            _ => None,
        };
        let latest = [settled(&status.requirement), approved, required].into_iter().flatten().max();
        latest.unwrap_or(self.opened).max(self.opened)
    }
}

fn reminder(
    template: &Template,
    status: &RequirementStatus,
    stands_since: Timestamp,
    now: Timestamp,
) -> Option<Reminder> {
    let offset = template.utc_offset();
    let stages = match status.standing {
        Standing::Missing | Standing::Rejected => due(template, status, offset),
        Standing::Approved | Standing::Expired => expiry(template, status, offset),
        Standing::Submitted => Vec::new(),
    };
    let said_from = |(since, kind): (Timestamp, _)| (since.max(stands_since), kind);
    let (since, kind) = stages.into_iter().map(said_from).rfind(|(since, _)| *since <= now)?;
    Some(Reminder { requirement: status.requirement.clone(), since, kind })
}

/// What is said about something due, from when on, in order.
fn due(template: &Template, status: &RequirementStatus, offset: UtcOffset) -> Vec<(Timestamp, ReminderKind)> {
    let Some(due) = status.due else { return Vec::new() };
    let grace = template.requirement(status.requirement.as_str()).map_or(0, |rule| rule.grace_days());
    let before = template.remind_days().iter();
    let mut stages: Vec<_> =
        before.map(|days| (due.minus_days(u32::from(*days)).start(offset), ReminderKind::Due(due))).collect();
    stages.push((due.end(offset), ReminderKind::Late(due)));
    stages.push((due.plus_days(grace).end(offset), ReminderKind::Overdue(due)));
    stages
}

/// What is said about something valid until a day, from when on, in order.
fn expiry(
    template: &Template,
    status: &RequirementStatus,
    offset: UtcOffset,
) -> Vec<(Timestamp, ReminderKind)> {
    let Some(last) = status.valid_until else { return Vec::new() };
    let notice = last.minus_days(u32::from(template.expiry_notice_days()));
    vec![
        (notice.start(offset), ReminderKind::Expiring(last)),
        (last.end(offset), ReminderKind::Expired(last)),
    ]
}
