//! What is handed in, and what becomes of it.

use super::{CaseFile, source::NewFile};
use crate::{
    ContentDigest, DocumentId, Timestamp, VersionId,
    intake::{Command, Date, Form, Key, Origin, Refusal, Verdict},
};

/// Something to be handed in for a requirement.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewSubmission {
    pub(super) files: Vec<NewFile>,
    pub(super) form: Form,
    /// Why the answers that a client gave are no form.
    pub(super) no_form: Option<Refusal>,
    pub(super) issued: Option<Date>,
    pub(super) valid_until: Option<Date>,
    pub(super) origin: Origin,
}

impl NewSubmission {
    /// What the actor hands in for themselves.
    #[must_use]
    pub fn direct() -> Self {
        Self::from(Origin::Direct)
    }

    /// What the actor hands in for the client, or for a contact, by the case's id of them.
    #[must_use]
    pub fn on_behalf(of: impl Into<String>) -> Self {
        Self::from(Origin::OnBehalf { of: of.into() })
    }

    /// What arrived outside the application's own channels, such as `whatsapp` or `paper`: it is marked so for
    /// ever.
    #[must_use]
    pub fn import_external(channel: Key, received_at: Timestamp, by: impl Into<String>) -> Self {
        Self::from(Origin::External { channel, received_at, by: by.into() })
    }

    pub(super) fn from(origin: Origin) -> Self {
        Self { files: Vec::new(), form: Form::new(), no_form: None, issued: None, valid_until: None, origin }
    }

    /// Adds the next file.
    #[must_use]
    pub fn file(mut self, file: NewFile) -> Self {
        self.files.push(file);
        self
    }

    /// Sets the form's answers.
    #[must_use]
    pub fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// Says when the document was issued.
    #[must_use]
    pub const fn issued(mut self, day: Date) -> Self {
        self.issued = Some(day);
        self
    }

    /// Says until when the document is valid.
    #[must_use]
    pub const fn valid_until(mut self, day: Date) -> Self {
        self.valid_until = Some(day);
        self
    }
}

/// What became of something that was handed in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Submitted {
    /// It is in the case, to be reviewed.
    Accepted(AcceptedSubmission),
    /// It is on record, and not in the case.
    SetAside {
        /// What was done with it.
        verdict: Verdict,
        /// Why.
        reason: String,
        /// The case after it.
        file: CaseFile,
    },
}

impl Submitted {
    /// What was accepted, if it was.
    #[must_use]
    pub fn accepted(self) -> Option<AcceptedSubmission> {
        match self {
            Self::Accepted(accepted) => Some(accepted),
            Self::SetAside { .. } => None,
        }
    }

    /// The case after it.
    #[must_use]
    pub const fn file(&self) -> &CaseFile {
        match self {
            Self::Accepted(accepted) => &accepted.file,
            Self::SetAside { file, .. } => file,
        }
    }
}

/// A submission that is in the case.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AcceptedSubmission {
    /// For which requirement.
    pub requirement: Key,
    /// The document.
    pub document: DocumentId,
    /// The version.
    pub version: VersionId,
    /// The version's digest.
    pub digest: ContentDigest,
    /// The record that stored it; the one behind it states the submission.
    pub stored: u64,
    /// The case after it.
    pub file: CaseFile,
}

impl AcceptedSubmission {
    /// The command that approves it, for whoever has looked at it, with the dates that it was handed in with.
    #[must_use]
    pub fn approve(&self) -> Command {
        let state = self.file.state().requirement(self.requirement.as_str());
        let current = state.and_then(|state| state.current.as_ref());
        Command::Approve {
            requirement: self.requirement.clone(),
            version: self.version,
            digest: self.digest,
            issued: current.and_then(|current| current.issued),
            valid_until: current.and_then(|current| current.valid_until),
        }
    }

    /// The command that rejects it, and tells the client why.
    #[must_use]
    pub fn reject(&self, reason: impl Into<String>) -> Command {
        Command::Reject {
            requirement: self.requirement.clone(),
            version: self.version,
            digest: self.digest,
            reason: reason.into(),
            due: None,
        }
    }
}
