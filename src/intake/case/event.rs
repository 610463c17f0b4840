//! What has happened to a case.

use serde::{Deserialize, Serialize};

use super::{
    claim::ClaimedKind,
    command::{Audience, Contact, Opening, Verdict},
    completion::Completion,
    submission::{Origin, Submission},
};
use crate::{
    ContentDigest, RequestId, Timestamp, VersionId,
    intake::{Attestation, Date, Key, TemplateHash},
};

/// One thing that has happened to a case; the payload of one statement (FORMAT §12.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Event {
    /// When; never earlier than the event before it.
    pub at: Timestamp,
    /// Who did it.
    pub by: String,
    /// What was done.
    pub change: Change,
    /// What it opened again that had been settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reopens: Vec<Reopens>,
}

/// What an event opens again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reopens {
    /// A case that had been complete.
    Case,
    /// A requirement that had been approved.
    Requirement,
}

/// What an event changes. The members are those of the [`Command`](super::Command) that led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the members of each variant are those of its command")]
#[non_exhaustive]
pub enum Change {
    /// A submission was approved, by one person.
    Approved {
        requirement: Key,
        version: VersionId,
        digest: ContentDigest,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        issued: Option<Date>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        valid_until: Option<Date>,
    },
    /// A requirement was asked for anew.
    AskedAgain {
        requirement: Key,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due: Option<Date>,
    },
    /// Something was attested about a submission.
    Attested { requirement: Key, version: VersionId, digest: ContentDigest, attestation: Attestation },
    /// Somebody commented; with an `origin` they are a client's words, and who did it has only taken them in.
    Commented {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requirement: Option<Key>,
        text: String,
        audience: Audience,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
    },
    /// The case was complete.
    Completed(Completion),
    /// A contact was removed.
    ContactRemoved { contact: Key },
    /// A contact was added or replaced.
    ContactSet(Contact),
    /// It was set when a requirement is due.
    DueSet {
        requirement: Key,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due: Option<Date>,
    },
    /// A version was found that was stored outside intake.
    NewerVersionSeen { requirement: Key, version: VersionId, digest: ContentDigest },
    /// The case was opened.
    Opened { template: TemplateHash, opening: Opening },
    /// A submission was rejected.
    Rejected {
        requirement: Key,
        version: VersionId,
        digest: ContentDigest,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due: Option<Date>,
    },
    /// That the case is complete was taken back.
    Reopened { reason: String },
    /// A request was closed.
    RequestClosed { request: RequestId },
    /// A request was issued.
    RequestIssued {
        request: RequestId,
        requirements: Vec<Key>,
        expires: Timestamp,
        uses: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Key>,
    },
    /// A submission was not taken into the case.
    SetAside {
        requirement: Key,
        verdict: Verdict,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<ContentDigest>,
        bytes: u64,
        origin: Origin,
    },
    /// Something was handed in.
    Submitted { requirement: Key, submission: Submission },
}

impl Change {
    /// The requirement it is about.
    #[must_use]
    pub fn requirement(&self) -> Option<&Key> {
        match self {
            Self::Approved { requirement, .. }
            | Self::AskedAgain { requirement, .. }
            | Self::Attested { requirement, .. }
            | Self::DueSet { requirement, .. }
            | Self::NewerVersionSeen { requirement, .. }
            | Self::Rejected { requirement, .. }
            | Self::SetAside { requirement, .. }
            | Self::Submitted { requirement, .. } => Some(requirement),
            Self::Commented { requirement, .. } => requirement.as_ref(),
            Self::Completed(_)
            | Self::ContactRemoved { .. }
            | Self::ContactSet(_)
            | Self::Opened { .. }
            | Self::Reopened { .. }
            | Self::RequestClosed { .. }
            | Self::RequestIssued { .. } => None,
        }
    }

    /// What happened, in one word: the topic of its statement (FORMAT §12.2), which auditors may see.
    #[must_use]
    pub fn topic(&self) -> &'static str {
        match self {
            Self::Approved { .. } => ClaimedKind::Approved.topic(),
            Self::AskedAgain { .. } => "intake.asked-again",
            Self::Attested { .. } => ClaimedKind::Attested.topic(),
            Self::Commented { .. } => "intake.commented",
            Self::Completed(_) => COMPLETED,
            Self::ContactRemoved { .. } => "intake.contact-removed",
            Self::ContactSet(_) => "intake.contact-set",
            Self::DueSet { .. } => "intake.due-set",
            Self::NewerVersionSeen { .. } => ClaimedKind::NewerVersionSeen.topic(),
            Self::Opened { .. } => OPENED,
            Self::Rejected { .. } => "intake.rejected",
            Self::Reopened { .. } => "intake.reopened",
            Self::RequestClosed { .. } => "intake.request-closed",
            Self::RequestIssued { .. } => "intake.request-issued",
            Self::SetAside { .. } => "intake.set-aside",
            Self::Submitted { .. } => ClaimedKind::Submitted.topic(),
        }
    }
}

/// The topic of a completion.
pub(in crate::intake) const COMPLETED: &str = "intake.completed";
/// The topic of an opening.
pub(in crate::intake) const OPENED: &str = "intake.opened";
