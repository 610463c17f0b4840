//! What somebody wants done to a case, and who.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::submission::{Origin, Submission};
use crate::{
    ContentDigest, RequestId, Timestamp, VersionId,
    intake::{Attestation, Date, Key, Language},
};

/// Who acts: an opaque id, as for [`Vault::session`](crate::Vault::session), and the roles the application gives.
///
/// # Security
///
/// The application authenticates people and says which roles they have; nothing here checks that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    pub(super) id: String,
    pub(super) roles: BTreeSet<Key>,
}

impl Actor {
    /// An actor without roles; the id has 1 to 128 bytes, or every command is refused.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), roles: BTreeSet::new() }
    }

    /// Adds a role.
    #[must_use]
    pub fn with_role(mut self, role: Key) -> Self {
        self.roles.insert(role);
        self
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether the actor has this role.
    #[must_use]
    pub fn has_role(&self, role: &Key) -> bool {
        self.roles.contains(role)
    }
}

/// Somebody to be told and asked about a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Contact {
    /// What the contact is called in commands; unique in the case.
    pub id: Key,
    /// The name; at most 200 bytes.
    pub name: String,
    /// Where messages go: an address or a number; at most 254 bytes.
    pub address: String,
    /// The language to write in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
}

impl Contact {
    /// A contact who is written to in the case's language.
    #[must_use]
    pub fn new(id: Key, name: impl Into<String>, address: impl Into<String>) -> Self {
        Self { id, name: name.into(), address: address.into(), language: None }
    }

    /// Sets the language to write in.
    #[must_use]
    pub fn language(mut self, language: Language) -> Self {
        self.language = Some(language);
        self
    }
}

/// For whom a case is opened, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Opening {
    /// The client, by the application's own opaque id; 1 to 128 bytes.
    pub client: String,
    /// The client's language; the template's unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// Whom to tell and ask; at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<Contact>,
}

impl Opening {
    /// A case for this client, in the template's language, without contacts.
    #[must_use]
    pub fn new(client: impl Into<String>) -> Self {
        Self { client: client.into(), language: None, contacts: Vec::new() }
    }

    /// Sets the client's language.
    #[must_use]
    pub fn language(mut self, language: Language) -> Self {
        self.language = Some(language);
        self
    }

    /// Adds a contact.
    #[must_use]
    pub fn contact(mut self, contact: Contact) -> Self {
        self.contacts.push(contact);
        self
    }
}

/// Who may read a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Audience {
    /// The client and the office.
    Everyone,
    /// The office alone.
    Office,
}

/// Why a submission was not taken into the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Kept aside for a closer look.
    Quarantined,
    /// Not kept.
    Refused,
}

/// What somebody wants done; [`CaseState::decide`](super::CaseState::decide) says whether it happens.
///
/// Reasons have 1 to 300 bytes, comments 1 to 4,000. What is decided on names the exact version and digest that
/// was looked at: if a newer one came meanwhile, the decision is refused.
///
/// [`Command::IssueRequest`], [`Command::Remark`], [`Command::SeeNewerVersion`], [`Command::SetAside`] and
/// [`Command::Submit`] say what was stored, found, signed or sent. A [`Desk`](crate::intake::Desk) makes them itself, when it was, and takes them from nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Command {
    /// Approve a submission; by the requirement's reviewer. Where it takes two, the second says the dates that stand.
    Approve {
        /// The requirement.
        requirement: Key,
        /// The version looked at.
        version: VersionId,
        /// Its digest.
        digest: ContentDigest,
        /// When the document was issued, if the reviewer says so; for the first to approve otherwise as handed in.
        issued: Option<Date>,
        /// Its last day of validity, if the reviewer says so; for the first to approve otherwise as handed in.
        valid_until: Option<Date>,
    },
    /// Ask for a requirement anew, whatever was decided on it; by its reviewer.
    AskAgain {
        /// The requirement.
        requirement: Key,
        /// Why, for the client.
        reason: String,
        /// Until when; unchanged without.
        due: Option<Date>,
    },
    /// Attest something about a submission; by the role that attests.
    Attest {
        /// The requirement.
        requirement: Key,
        /// The version looked at.
        version: VersionId,
        /// Its digest.
        digest: ContentDigest,
        /// What is attested.
        attestation: Attestation,
    },
    /// Close a request: nothing handed in for it is taken any more.
    CloseRequest {
        /// The request.
        request: RequestId,
    },
    /// Comment on the case or one of its requirements.
    Comment {
        /// The requirement, if it is about one.
        requirement: Option<Key>,
        /// The comment.
        text: String,
        /// Who may read it.
        audience: Audience,
    },
    /// State that the case is complete now.
    Complete,
    /// Put it on record that something was asked for by a link.
    IssueRequest {
        /// The request.
        request: RequestId,
        /// What is asked for.
        requirements: Vec<Key>,
        /// The last instant at which something may be handed in.
        expires: Timestamp,
        /// How many deposits are taken, at most 64.
        uses: u32,
        /// The contact who got the link, if any.
        to: Option<Key>,
    },
    /// Reject a submission, also one that was approved; by the requirement's reviewer.
    Reject {
        /// The requirement.
        requirement: Key,
        /// The version looked at.
        version: VersionId,
        /// Its digest.
        digest: ContentDigest,
        /// Why, for the client.
        reason: String,
        /// Until when another is due; unchanged without.
        due: Option<Date>,
    },
    /// Put on record what a client remarked on what they handed in: a comment for everyone, in words that are the client's.
    Remark {
        /// The requirement.
        requirement: Key,
        /// The remark.
        text: String,
        /// How it came.
        origin: Origin,
    },
    /// Remove a contact.
    RemoveContact {
        /// The contact.
        contact: Key,
    },
    /// Take back that the case is complete.
    Reopen {
        /// Why.
        reason: String,
    },
    /// Take note of a version that was stored outside intake: it is to be reviewed.
    SeeNewerVersion {
        /// The requirement.
        requirement: Key,
        /// The newest version of its document.
        version: VersionId,
        /// Its digest.
        digest: ContentDigest,
    },
    /// Put it on record that a submission was not taken into the case.
    SetAside {
        /// The requirement.
        requirement: Key,
        /// What was done with it.
        verdict: Verdict,
        /// Why.
        reason: String,
        /// Its digest, if it was read to the end.
        digest: Option<ContentDigest>,
        /// Its files' bytes.
        bytes: u64,
        /// How it came.
        origin: Origin,
    },
    /// Add a contact, or replace the one with this id.
    SetContact(Contact),
    /// Set when a requirement is due, at the end of the day; without, as in the template.
    SetDue {
        /// The requirement.
        requirement: Key,
        /// The day.
        due: Option<Date>,
    },
    /// Hand something in.
    Submit {
        /// The requirement.
        requirement: Key,
        /// What is handed in.
        submission: Submission,
    },
}

impl Command {
    /// The method of a desk that alone makes this command, if there is one: it states a fact of the vault, which whoever
    /// sends commands could invent.
    pub(in crate::intake) const fn made_by(&self) -> Option<&'static str> {
        match self {
            Self::IssueRequest { .. } => Some("request"),
            Self::SeeNewerVersion { .. } => Some("case"),
            Self::Remark { .. } | Self::SetAside { .. } => Some("take_in"),
            Self::Submit { .. } => Some("submit"),
            _ => None,
        }
    }
}
