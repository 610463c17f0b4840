//! A case without people: what other systems may know.

use serde::Serialize;

use super::{
    refusal::Refusal,
    state::CaseState,
    status::{RequirementStatus, RuleStatus, Standing, Timeliness, Totals},
};
use crate::{
    Timestamp,
    intake::{Date, Key, Template, TemplateHash},
};

/// A case's status without names, contacts, comments, reasons, answers, actors or content.
///
/// What is in it comes from the template, counts, states and dates: a customer database may hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "each member is that of `Status`")]
#[non_exhaustive]
pub struct Projection {
    pub at: Timestamp,
    pub template: Key,
    pub template_version: u32,
    pub template_hash: TemplateHash,
    pub opened: Timestamp,
    pub percent: u8,
    pub complete: bool,
    pub completed: Option<Timestamp>,
    pub reopened: u32,
    pub totals: Totals,
    pub requirements: Vec<ProjectedRequirement>,
    pub rules: Vec<RuleStatus>,
}

/// One requirement of a [`Projection`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "each member is that of `RequirementStatus`")]
#[non_exhaustive]
pub struct ProjectedRequirement {
    pub requirement: Key,
    pub required: bool,
    pub standing: Standing,
    pub met: bool,
    pub due: Option<Date>,
    pub timeliness: Timeliness,
    pub valid_until: Option<Date>,
}

impl CaseState {
    /// The case's status as other systems may know it.
    ///
    /// # Errors
    ///
    /// [`Refusal::OtherTemplate`].
    pub fn projection(&self, template: &Template, now: Timestamp) -> Result<Projection, Refusal> {
        let status = self.status(template, now)?;
        Ok(Projection {
            at: status.at,
            template: template.name().clone(),
            template_version: template.version(),
            template_hash: status.template,
            opened: status.opened,
            percent: status.percent,
            complete: status.complete,
            completed: status.completed,
            reopened: status.reopened,
            totals: status.totals,
            requirements: status.requirements.into_iter().map(ProjectedRequirement::from).collect(),
            rules: status.rules,
        })
    }
}

impl From<RequirementStatus> for ProjectedRequirement {
    fn from(status: RequirementStatus) -> Self {
        Self {
            requirement: status.requirement,
            required: status.required,
            standing: status.standing,
            met: status.met,
            due: status.due,
            timeliness: status.timeliness,
            valid_until: status.valid_until,
        }
    }
}
