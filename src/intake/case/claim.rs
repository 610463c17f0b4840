//! What the statements of a case claim toward outsiders (FORMAT §12.5).

use serde::{Deserialize, Serialize};

use super::{
    event::{Change, Event},
    submission::Origin,
};
use crate::{
    ContentDigest, Timestamp, VersionId,
    intake::{Attestation, Date, Key, TemplateHash},
};

/// That something was handed in, approved or attested: what, by whom and when.
///
/// The statement of the event commits to it, so a receipt for that statement proves it to whoever is shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Claimed {
    /// What was done.
    pub statement: ClaimedKind,
    /// The requirement.
    pub requirement: Key,
    /// The version.
    pub version: VersionId,
    /// Its digest.
    pub digest: ContentDigest,
    /// By whom, by the application's own id.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// When the document was issued, as stated then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<Date>,
    /// Its last day of validity, as stated then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Date>,
    /// What was attested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<Attestation>,
    /// How it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// What a [`Claimed`] says was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClaimedKind {
    /// A submission was approved, by one person.
    Approved,
    /// Something was attested about a submission.
    Attested,
    /// A version was found that was stored outside intake.
    NewerVersionSeen,
    /// Something was handed in.
    Submitted,
}

impl ClaimedKind {
    /// The topic of its statement.
    pub(in crate::intake) const fn topic(self) -> &'static str {
        match self {
            Self::Approved => "intake.approved",
            Self::Attested => "intake.attested",
            Self::NewerVersionSeen => "intake.newer-version-seen",
            Self::Submitted => "intake.submitted",
        }
    }
}

impl Claimed {
    /// The claim's bytes: JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("structs of texts are JSON")
    }

    fn new(
        statement: ClaimedKind,
        event: &Event,
        requirement: &Key,
        seen: (VersionId, ContentDigest),
    ) -> Self {
        let (by, at, requirement) = (event.by.clone(), event.at, requirement.clone());
        let (version, digest) = seen;
        let (issued, valid_until, attestation, origin) = (None, None, None, None);
        Self { statement, requirement, version, digest, by, at, issued, valid_until, attestation, origin }
    }
}

/// What an opening claims: when it was, and with which template, and so what is asked for and how many must approve.
pub(in crate::intake) fn opened(at: Timestamp, template: TemplateHash) -> String {
    #[derive(Serialize)]
    struct Claim<'a> {
        statement: &'a str,
        at: Timestamp,
        template: TemplateHash,
    }

    serde_json::to_string(&Claim { statement: "opened", at, template }).expect("structs of texts are JSON")
}

impl Event {
    /// What the event says about a version that is in the case, for outsiders; none if it is about anything else.
    #[must_use]
    pub fn claimed(&self) -> Option<Claimed> {
        let new = |kind, requirement, version: &VersionId, digest: &ContentDigest| {
            Claimed::new(kind, self, requirement, (*version, *digest))
        };
        Some(match &self.change {
            Change::Approved { requirement, version, digest, issued, valid_until } => {
                let (issued, valid_until) = (*issued, *valid_until);
                Claimed { issued, valid_until, ..new(ClaimedKind::Approved, requirement, version, digest) }
            }
            Change::Attested { requirement, version, digest, attestation } => {
                let attestation = Some(attestation.clone());
                Claimed { attestation, ..new(ClaimedKind::Attested, requirement, version, digest) }
            }
            Change::NewerVersionSeen { requirement, version, digest } => {
                new(ClaimedKind::NewerVersionSeen, requirement, version, digest)
            }
            Change::Submitted { requirement, submission: s } => Claimed {
                issued: s.issued,
                valid_until: s.valid_until,
                origin: Some(s.origin.clone()),
                ..new(ClaimedKind::Submitted, requirement, &s.version, &s.digest)
            },
            _ => return None,
        })
    }

    /// What a receipt for the event's statement can prove that it says; empty if nothing.
    #[must_use]
    pub fn claim(&self) -> String {
        match &self.change {
            Change::Completed(completion) => completion.claim(),
            Change::Opened { template, .. } => opened(self.at, *template),
            _ => self.claimed().map(|claimed| claimed.to_json()).unwrap_or_default(),
        }
    }
}
