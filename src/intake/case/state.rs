//! What stands about a case after its events: small, and enough to decide the next one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{command::Contact, is_zero, submission::Origin};
use crate::{
    ContentDigest, DepositId, DocumentId, RequestId, Timestamp, VersionId,
    intake::{Attestation, Date, Key, Language, TemplateHash},
};

/// How far a case has come: the fold of its events (FORMAT §12.4).
///
/// It holds no history, no comment and no form but the answers that conditions look at: all that is in the
/// events. With every event comes the state after it, so the newest statement of a case is enough to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseState {
    pub(super) template: TemplateHash,
    pub(super) opened: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) events: u32,
    pub(super) client: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) language: Option<Language>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) contacts: Vec<Contact>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) requirements: BTreeMap<Key, RequirementState>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) requests: BTreeMap<RequestId, OpenRequest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) completed: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) reopened: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) comments: u32,
}

impl CaseState {
    /// The template that the case was opened with.
    #[must_use]
    pub fn template(&self) -> TemplateHash {
        self.template
    }

    /// When the case was opened.
    #[must_use]
    pub fn opened(&self) -> Timestamp {
        self.opened
    }

    /// When the newest event happened.
    #[must_use]
    pub fn updated(&self) -> Timestamp {
        self.updated
    }

    /// How many events there were.
    #[must_use]
    pub fn events(&self) -> u32 {
        self.events
    }

    /// The client, by the application's own id.
    #[must_use]
    pub fn client(&self) -> &str {
        &self.client
    }

    /// The client's language, if it is not the template's.
    #[must_use]
    pub fn language(&self) -> Option<Language> {
        self.language
    }

    /// Whom to tell and ask.
    #[must_use]
    pub fn contacts(&self) -> &[Contact] {
        &self.contacts
    }

    /// What stands about a requirement; none if nothing ever happened to it.
    #[must_use]
    pub fn requirement(&self, key: &str) -> Option<&RequirementState> {
        self.requirements.iter().find(|(found, _)| **found == *key).map(|(_, requirement)| requirement)
    }

    /// What stands about each requirement to which anything ever happened.
    pub(in crate::intake) const fn requirements(&self) -> &BTreeMap<Key, RequirementState> {
        &self.requirements
    }

    /// The requests that were issued and not closed.
    #[must_use]
    pub fn requests(&self) -> &BTreeMap<RequestId, OpenRequest> {
        &self.requests
    }

    /// When the case was stated to be complete, if that still stands.
    #[must_use]
    pub fn completed(&self) -> Option<Timestamp> {
        self.completed
    }

    /// How often a complete case was opened again.
    #[must_use]
    pub fn reopened(&self) -> u32 {
        self.reopened
    }

    /// How many comments there are.
    #[must_use]
    pub fn comments(&self) -> u32 {
        self.comments
    }

    pub(super) fn stage(&self, requirement: &Key) -> Stage {
        self.requirements.get(requirement).map_or(Stage::Missing, |requirement| requirement.stage)
    }
}

/// How far a requirement has come, as decided; what time makes of it is a [`Standing`](super::Standing).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stage {
    /// Approved by as many people as it takes.
    Approved,
    /// Nothing is there, or it was asked for anew.
    #[default]
    Missing,
    /// What is there was rejected.
    Rejected,
    /// What is there is to be reviewed.
    Submitted,
}

/// What stands about one requirement.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RequirementState {
    /// How far it has come.
    pub stage: Stage,
    /// Its document, from the first submission on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentId>,
    /// What is there; none while it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<CurrentSubmission>,
    /// Who has approved what is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// What was attested about what is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attestations: Vec<Attested>,
    /// Why it was rejected or asked for anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it came to rest on what is there, or on nothing; or, after that, when its day was set. None if that was
    /// when the case was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When it is due, if not as the template says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Date>,
    /// Whether only its reviewers may open it; once so, always so.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub confidential: bool,
    /// Submissions taken into the case.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub submissions: u32,
    /// Those among them that came from outside: never forgotten, whatever follows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub imports: u32,
    /// Submissions quarantined or refused.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub set_aside: u32,
    /// Comments.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub comments: u32,
    /// How often an approval was overtaken or taken back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reopened: u32,
}

impl RequirementState {
    /// Whether what is there counts, so that conditions may look at its answers.
    pub(super) fn counts(&self) -> bool {
        matches!(self.stage, Stage::Approved | Stage::Submitted)
    }
}

/// The submission that a requirement rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CurrentSubmission {
    /// The version.
    pub version: VersionId,
    /// Its digest.
    pub digest: ContentDigest,
    /// When it was received.
    pub received: Timestamp,
    /// Who handed it in, or took it in.
    pub by: String,
    /// How it came.
    pub origin: Origin,
    /// How many files it has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub files: u32,
    /// Bytes of all files.
    pub bytes: u64,
    /// When the document was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<Date>,
    /// Its last day of validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Date>,
    /// The answers that conditions look at, as text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answers: BTreeMap<Key, String>,
}

/// That somebody has approved a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Approval {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// That somebody has attested something about a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Attested {
    /// What.
    pub attestation: Attestation,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A request for documents that is not closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OpenRequest {
    /// What is asked for.
    pub requirements: BTreeSet<Key>,
    /// The last instant at which something may be handed in.
    pub expires: Timestamp,
    /// How many deposits are taken.
    pub uses: u32,
    /// The deposits that were taken or set aside: each is one use.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub deposits: BTreeSet<DepositId>,
    /// The contact who got the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Key>,
}
