//! What is handed in.

use serde::{Deserialize, Serialize};

use super::form::Form;
use crate::{
    ContentDigest, DepositId, DocumentId, RequestId, Timestamp, VersionId,
    intake::{Date, Key, extension::extension_of},
};

/// What was handed in for a requirement: one version of one document, and what is said about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Submission {
    /// The requirement's document; the same for every submission to it.
    pub document: DocumentId,
    /// The version that holds this submission.
    pub version: VersionId,
    /// The digest of that version: files, and the form as its last page.
    pub digest: ContentDigest,
    /// The files, in the order in which they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<SubmittedFile>,
    /// The form's answers.
    #[serde(default, skip_serializing_if = "Form::is_empty")]
    pub form: Form,
    /// When the document was issued, as whoever handed it in says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<Date>,
    /// Its last day of validity, as whoever handed it in says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Date>,
    /// How it came.
    pub origin: Origin,
}

impl Submission {
    /// A submission of this version, which came this way.
    #[must_use]
    pub fn new(document: DocumentId, version: VersionId, digest: ContentDigest, origin: Origin) -> Self {
        let (files, form) = (Vec::new(), Form::new());
        Self { document, version, digest, files, form, issued: None, valid_until: None, origin }
    }

    /// Adds the next file.
    #[must_use]
    pub fn file(mut self, media_type: impl Into<String>, bytes: u64, digest: ContentDigest) -> Self {
        self.files.push(SubmittedFile { media_type: media_type.into(), bytes, digest });
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
    pub fn issued(mut self, day: Date) -> Self {
        self.issued = Some(day);
        self
    }

    /// Says until when the document is valid.
    #[must_use]
    pub fn valid_until(mut self, day: Date) -> Self {
        self.valid_until = Some(day);
        self
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }
}

/// One file of a submission: a page of the version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SubmittedFile {
    /// The media type: the one that the content shows, or else the declared one, in lower case and without
    /// parameters.
    pub media_type: String,
    /// The length.
    pub bytes: u64,
    /// The digest of this page alone.
    pub digest: ContentDigest,
}

impl SubmittedFile {
    /// How a name for it ends, without the dot, by its media type: `bin` if the type is not known, or if such a
    /// file can run when it is opened. What the file was called is its client's word.
    #[must_use]
    pub fn extension(&self) -> &'static str {
        extension_of(&self.media_type)
    }
}

/// How a submission came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Origin {
    /// Through a request's link, from somebody without an account.
    Deposit {
        /// The request.
        request: RequestId,
        /// The deposit.
        deposit: DepositId,
        /// When the carrier promised that it had it.
        received_at: Timestamp,
    },
    /// The actor's own, under an account.
    Direct,
    /// Outside any channel of the application: by messenger, by mail, on paper.
    External {
        /// How it came, such as `whatsapp` or `paper`.
        channel: Key,
        /// When it came.
        received_at: Timestamp,
        /// Who received it.
        by: String,
    },
    /// From the actor, who does it for the client or a contact.
    OnBehalf {
        /// The client, or the contact's id.
        of: String,
    },
    /// Found in the vault: a version that was not handed in through intake.
    Vault,
}

impl Origin {
    /// When it was received, if not at the time of the event.
    #[must_use]
    pub fn received_at(&self) -> Option<Timestamp> {
        match self {
            Self::Deposit { received_at, .. } | Self::External { received_at, .. } => Some(*received_at),
            Self::Direct | Self::OnBehalf { .. } | Self::Vault => None,
        }
    }

    /// The request and the deposit that it came by.
    pub(super) fn deposit(&self) -> Option<(RequestId, DepositId)> {
        match self {
            Self::Deposit { request, deposit, .. } => Some((*request, *deposit)),
            _ => None,
        }
    }
}
