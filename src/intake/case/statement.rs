//! What is stored of an event: it, the state after it, and with the first the template (FORMAT §12.2).

use serde::{Deserialize, Serialize};

use super::{
    event::{Change, Event},
    state::CaseState,
};
use crate::{OperationId, intake::Template};

/// The payload of a case's statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Statement {
    /// What happened.
    pub event: Event,
    /// The case after it.
    pub state: CaseState,
    /// The statement that opened the case, and holds its template; none with that event itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<OperationId>,
    /// The template, with the event that opens the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
}

/// A payload is not a statement of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a case's statement: written by another version of this crate, or not by it")]
#[non_exhaustive]
pub struct StatementError;

impl Statement {
    /// The statement that opens a case; none if the event is another, or the template is not its.
    #[must_use]
    pub fn opening(template: &Template, event: Event) -> Option<Self> {
        let state = CaseState::begin(&event).filter(|state| state.template == template.hash())?;
        Some(Self { event, state, opening: None, template: Some(template.clone()) })
    }

    /// The statement of an event decided on `before`; `opening` is the statement that opened the case.
    #[must_use]
    pub fn following(before: &CaseState, template: &Template, opening: OperationId, event: Event) -> Self {
        let mut state = before.clone();
        state.apply(template, &event);
        Self { event, state, opening: Some(opening), template: None }
    }

    /// The payload: JSON, at most 48 KiB for what was decided here.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("maps have text keys, and writing to memory does not fail")
    }

    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`StatementError`] if it is anything else, down to a member that is not known here, other spacing, a template that is
    /// not the one the case was opened with, or one that stands elsewhere than in what opens a case.
    pub fn parse(payload: &[u8]) -> Result<Self, StatementError> {
        let statement: Self = serde_json::from_slice(payload).map_err(|_| StatementError)?;
        let own = |template: &Template| template.hash() == statement.state.template;
        let fits = match (&statement.event.change, &statement.template, statement.opening) {
            (Change::Opened { .. }, Some(template), None) => own(template),
            (Change::Opened { .. }, ..) => false,
            (_, template, opening) => template.is_none() && opening.is_some(),
        };
        if fits && statement.to_json() == payload { Ok(statement) } else { Err(StatementError) }
    }
}
