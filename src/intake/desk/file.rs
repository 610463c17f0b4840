//! A case as it is at one moment, and what people look at.

use std::sync::Arc;

use crate::{
    CaseId, DocumentId, OperationId, Timestamp, VersionId,
    intake::{
        CaseState, Digest, Event, Expiring, Key, Language, Projection, Refusal, Reminder, Statement, Status,
        Template,
    },
};

/// A case as its newest statement has it.
#[derive(Debug, Clone)]
pub struct CaseFile {
    pub(super) case: CaseId,
    pub(super) state: CaseState,
    pub(super) template: Arc<Template>,
    pub(super) opening: OperationId,
    pub(super) newest: OperationId,
    pub(super) seq: u64,
}

impl CaseFile {
    /// The case.
    #[must_use]
    pub const fn case(&self) -> CaseId {
        self.case
    }

    /// What stands about it.
    #[must_use]
    pub const fn state(&self) -> &CaseState {
        &self.state
    }

    /// The template that it was opened with.
    #[must_use]
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// The record of its newest event.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// How far it has come at an instant. See [`CaseState::status`].
    ///
    /// # Errors
    ///
    /// Never for a case that a desk gave.
    pub fn status(&self, now: Timestamp) -> Result<Status, Refusal> {
        self.state.status(&self.template, now)
    }

    /// The same without names, comments and contents. See [`CaseState::projection`].
    ///
    /// # Errors
    ///
    /// As [`CaseFile::status`].
    pub fn projection(&self, now: Timestamp) -> Result<Projection, Refusal> {
        self.state.projection(&self.template, now)
    }

    /// What the client is told every day. See [`CaseState::digest`].
    ///
    /// # Errors
    ///
    /// As [`CaseFile::status`].
    pub fn digest(&self, now: Timestamp, language: Language) -> Result<Digest, Refusal> {
        self.state.digest(&self.template, now, language)
    }

    /// Which reminders are due. See [`CaseState::due_reminders`].
    ///
    /// # Errors
    ///
    /// As [`CaseFile::status`].
    pub fn due_reminders(&self, now: Timestamp) -> Result<Vec<Reminder>, Refusal> {
        self.state.due_reminders(&self.template, now)
    }

    /// Which documents expire soon, or have. See [`CaseState::expiring`].
    ///
    /// # Errors
    ///
    /// As [`CaseFile::status`].
    pub fn expiring(&self, now: Timestamp) -> Result<Vec<Expiring>, Refusal> {
        self.state.expiring(&self.template, now)
    }

    /// A requirement's document, if anything was ever handed in for it.
    pub(super) fn document_of(&self, requirement: &Key) -> Option<DocumentId> {
        self.state.requirement(requirement.as_str())?.document
    }

    /// Each requirement that rests on a document, with it and the version.
    pub(super) fn current(&self) -> Vec<(Key, DocumentId, VersionId)> {
        let requirements = self.template.requirements().iter();
        let current = requirements.filter_map(|requirement| {
            let state = self.state.requirement(requirement.key().as_str())?;
            Some((requirement.key().clone(), state.document?, state.current.as_ref()?.version))
        });
        current.collect()
    }

    pub(super) fn following(&self, event: Event) -> Statement {
        Statement::following(&self.state, &self.template, self.opening, event)
    }

    /// The case after a statement that stands.
    pub(super) fn after(&self, statement: Statement, newest: OperationId, seq: u64) -> Self {
        let (case, template, opening) = (self.case, self.template.clone(), self.opening);
        Self { case, state: statement.state, template, opening, newest, seq }
    }
}
