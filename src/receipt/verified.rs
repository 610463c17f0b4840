//! What a receipt has proven, for programs and for people.

use core::fmt;

use super::Opening;
use crate::{
    document::ContentDigest,
    env::Timestamp,
    ids::{CaseId, DocumentId, Hex, OperationId, VersionId},
    log::{
        checkpoint::Checkpoint,
        leaf::{Kind, Leaf},
        trust::{CheckedCheckpoint, Cosignature},
    },
    text::json_string as string,
};

/// What a [`Receipt`](crate::Receipt) has proven.
///
/// Identifiers are random: they name nobody to who has no vault. `Display` says it in plain words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedReceipt {
    /// The record's number in the log, from 0.
    pub record: u64,
    /// When, by the vault's clock.
    pub time: Timestamp,
    /// What has happened.
    pub kind: Kind,
    /// The operation that did it.
    pub operation: OperationId,
    /// In which case.
    pub case: Option<CaseId>,
    /// With which document.
    pub document: Option<DocumentId>,
    /// With which version of it.
    pub version: Option<VersionId>,
    /// The digest of the version's content, or of the content that a statement's claim is about, if the receipt
    /// states it.
    pub content: Option<ContentDigest>,
    /// SHA-256 of the statement's claim, which is not part of the receipt.
    pub claim: Option<[u8; 32]>,
    /// Who did it and why, if the receipt discloses it.
    pub disclosed: Option<DisclosedActor>,
    /// The head of the log that holds the record.
    pub checkpoint: Checkpoint,
    /// The witnesses that cosigned this head.
    pub witnesses: Vec<Cosignature>,
}

/// What a record says of who acted, as the application named them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DisclosedActor {
    /// Who.
    pub actor: String,
    /// What for.
    pub purpose: String,
    /// The application's own request.
    pub request: Option<String>,
}

impl VerifiedReceipt {
    pub(super) fn new(
        leaf: &Leaf,
        opening: Option<&Opening>,
        disclosed: Option<DisclosedActor>,
        checked: CheckedCheckpoint,
    ) -> Self {
        let case = (*leaf.case.as_bytes() != [0; 16]).then_some(leaf.case);
        let document = case.filter(|_| leaf.object != [0; 16]).map(|case| DocumentId::new(case, leaf.object));
        let version = match leaf.kind {
            Kind::Stored => Some(VersionId::of(leaf.operation)),
            Kind::Read => Some(VersionId::of(leaf.auxiliary_operation())),
            _ => None,
        };
        let stated = opening.filter(|_| leaf.kind == Kind::Stated);
        let content = opening.filter(|opening| opening.content_digest != [0; 32]);
        Self {
            record: leaf.seq,
            time: leaf.time,
            kind: leaf.kind,
            operation: leaf.operation,
            case,
            document,
            version,
            content: content.map(|opening| ContentDigest::from_bytes(opening.content_digest)),
            claim: stated.map(|opening| opening.head_digest),
            disclosed,
            checkpoint: checked.checkpoint,
            witnesses: checked.witnesses,
        }
    }

    /// The same as one JSON object (RFC 8259), its members in a fixed order; what is not known is null.
    ///
    /// Times are milliseconds since 1970, identifiers and hashes hexadecimal.
    #[must_use]
    pub fn to_json(&self) -> String {
        let witnesses: Vec<String> = self.witnesses.iter().map(witness_json).collect();
        let members = [
            ("record", self.record.to_string()),
            ("time", self.time.as_millis().to_string()),
            ("kind", string(self.kind.name())),
            ("operation", string(&self.operation.to_string())),
            ("case", optional(self.case)),
            ("document", optional(self.document)),
            ("version", optional(self.version)),
            ("content", optional(self.content)),
            ("claim", optional(self.claim.as_ref().map(|claim| Hex(claim)))),
            ("actor", optional(self.disclosed.as_ref().map(|disclosed| &disclosed.actor))),
            ("purpose", optional(self.disclosed.as_ref().map(|disclosed| &disclosed.purpose))),
            ("request", optional(self.disclosed.as_ref().and_then(|disclosed| disclosed.request.as_ref()))),
            ("origin", string(self.checkpoint.origin())),
            ("size", self.checkpoint.size().to_string()),
            ("root", string(&Hex(self.checkpoint.root()).to_string())),
            ("witnesses", format!("[{}]", witnesses.join(","))),
        ];
        object(&members)
    }
}

impl fmt::Display for VerifiedReceipt {
    /// A sentence a line, in English. What the application wrote is quoted and escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Record {} of the log {:?}: {}.",
            self.record,
            self.checkpoint.origin(),
            words(self.kind)
        )?;
        writeln!(f, "It was recorded at {}, by the vault's clock.", self.time)?;
        line(f, "The case is", self.case)?;
        line(f, "The document is", self.document)?;
        line(f, "The version is", self.version)?;
        line(f, "The digest of its content is", self.content)?;
        line(f, "The SHA-256 of its claim is", self.claim.as_ref().map(|claim| Hex(claim)))?;
        if let Some(DisclosedActor { actor, purpose, request }) = &self.disclosed {
            writeln!(f, "It was done by {actor:?}, for {purpose:?}.")?;
            line(f, "The request was", request.as_ref().map(|request| format!("{request:?}")))?;
        }
        writeln!(
            f,
            "The log has signed that it held {} records, this one among them.",
            self.checkpoint.size()
        )?;
        if self.witnesses.is_empty() {
            return writeln!(f, "No witness is asked for: others may have been shown another log.");
        }
        self.witnesses.iter().try_for_each(|cosignature| writeln!(f, "{cosignature}"))
    }
}

fn line(f: &mut fmt::Formatter<'_>, begin: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| writeln!(f, "{begin} {value}."))
}

/// Completes "Record 7: …".
const fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Genesis => "the vault was created",
        Kind::Keyring => "the vault's keyring was changed",
        Kind::CaseOpened => "a case was opened",
        Kind::CaseClosed => "a case was closed",
        Kind::CaseReopened => "a case was reopened",
        Kind::Stored => "a version of a document was stored",
        Kind::Read => "content of a document was released",
        Kind::Browsed => "names and descriptions were released",
        Kind::UploadAnnounced => "an upload was begun",
        Kind::Condemned => "an operation that never completed was given up",
        Kind::Granted => "access was granted",
        Kind::Delivered => "documents were delivered to a recipient",
        Kind::Revoked => "access was revoked",
        Kind::Index => "the log's index was brought up to date",
        Kind::SigningKeys => "the keys that sign the log were replaced",
        Kind::LogRead => "records of the log were released",
        Kind::Checkpointed => "a checkpoint of the log was kept",
        Kind::CaseErased => "a case was erased",
        Kind::Stated => "a statement about a case was put on record",
    }
}

fn witness_json(cosignature: &Cosignature) -> String {
    let [first, time] = [cosignature.first, cosignature.time].map(|time| time.as_millis().to_string());
    object(&[("name", string(&cosignature.witness)), ("first", first), ("time", time)])
}

fn object(members: &[(&str, String)]) -> String {
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("{}:{value}", string(name))).collect();
    format!("{{{}}}", members.join(","))
}

fn optional(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| string(&value.to_string()))
}
