//! A record as the audit key opens it, and which records are wanted.

use super::{
    body::{self, Outer, SealedInner},
    leaf::{BodyForm, Kind, Leaf},
    topic::topic,
};
use crate::{
    crypto::chunked::OpenError,
    env::Timestamp,
    ids::{CaseId, DocumentId, OperationId, VaultId, VersionId},
    secret::Secret,
};

/// A record, as far as the audit key opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct AuditRecord {
    /// Its number, from 0.
    pub seq: u64,
    /// When.
    pub time: Timestamp,
    /// What happened.
    pub kind: Kind,
    /// In which case.
    pub case: Option<CaseId>,
    /// To which document.
    pub document: Option<DocumentId>,
    /// Which version was read or replaced.
    pub version: Option<VersionId>,
    /// By which operation.
    pub operation: OperationId,
    /// By whom; empty for the vault's birth.
    pub actor: String,
    /// What for.
    pub purpose: String,
    /// Under which request of the application.
    pub request: Option<String>,
    /// Which topic a statement has.
    pub topic: Option<String>,
}

impl AuditRecord {
    /// Opens a record's body, and gives its inner layer still sealed; none for the vault's birth, whose
    /// body is not sealed.
    ///
    /// # Errors
    ///
    /// [`OpenError`] for a body of another record or anything altered.
    pub(crate) fn open(
        vault: VaultId,
        audit: &Secret<32>,
        leaf: &Leaf,
        body: &[u8],
    ) -> Result<(Self, Option<SealedInner>), OpenError> {
        if leaf.form == BodyForm::Plain {
            return Ok((Self::new(leaf, Outer::default()), None));
        }
        let (outer, inner) = body::open(vault, leaf, audit, body)?;
        let record = Self::new(leaf, outer);
        if (leaf.kind == Kind::Stated) == record.topic.is_none() {
            return Err(OpenError);
        }
        Ok((record, Some(inner)))
    }

    pub(crate) fn new(leaf: &Leaf, outer: Outer) -> Self {
        let case = (leaf.case.as_bytes() != &[0; 16]).then_some(leaf.case);
        let has_document = case.is_some() && leaf.object != [0; 16];
        let names_version = matches!(leaf.kind, Kind::Read | Kind::Stored);
        let version = VersionId::of(leaf.auxiliary_operation());
        Self {
            seq: leaf.seq,
            time: leaf.time,
            kind: leaf.kind,
            case,
            document: has_document.then(|| DocumentId::new(leaf.case, leaf.object)),
            version: (names_version && version.as_bytes() != &[0; 16]).then_some(version),
            operation: leaf.operation,
            actor: outer.actor,
            purpose: outer.purpose,
            request: outer.request,
            topic: (leaf.kind == Kind::Stated).then(|| topic(&outer.details).ok()).flatten(),
        }
    }
}

/// Which records are wanted; all of them unless narrowed.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RecordFilter {
    case: Option<CaseId>,
    document: Option<DocumentId>,
    actor: Option<String>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl RecordFilter {
    /// All records.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Only those about this case or its documents.
    #[must_use]
    pub fn case(mut self, case: CaseId) -> Self {
        self.case = Some(case);
        self
    }

    /// Only those about this document.
    #[must_use]
    pub fn document(mut self, document: DocumentId) -> Self {
        self.document = Some(document);
        self
    }

    /// Only those by this actor.
    #[must_use]
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Only those at or after this instant.
    #[must_use]
    pub fn from(mut self, instant: impl Into<Timestamp>) -> Self {
        self.from = Some(instant.into());
        self
    }

    /// Only those before this instant.
    #[must_use]
    pub fn until(mut self, instant: impl Into<Timestamp>) -> Self {
        self.until = Some(instant.into());
        self
    }

    pub(crate) fn accepts(&self, record: &AuditRecord) -> bool {
        self.case.is_none_or(|case| record.case == Some(case))
            && self.document.is_none_or(|document| record.document == Some(document))
            && self.actor.as_ref().is_none_or(|actor| record.actor == *actor)
            && self.from.is_none_or(|from| record.time >= from)
            && self.until.is_none_or(|until| record.time < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{env::SystemEntropy, log::leaf::tests::sample};

    #[test]
    fn a_statement_has_a_topic_whatever_else_its_body_says() {
        let (vault, audit) = (VaultId::from_bytes([1; 16]), Secret::take([2; 32]));
        let opens = |kind, details: &[u8]| {
            let leaf = Leaf { kind, form: BodyForm::Outer, ..sample(3, [0; 32]) };
            let (actor, purpose) = ("clerk".to_owned(), String::new());
            let outer = Outer { actor, purpose, request: None, details: details.to_vec() };
            let body = body::seal(vault, &leaf, &audit, &outer, None, &SystemEntropy).expect("entropy");
            AuditRecord::open(vault, &audit, &leaf, &body).map(|(record, _)| record.topic)
        };
        assert_eq!(opens(Kind::Stated, b"\0\0\0\x01t").expect("opens"), Some("t".to_owned()));
        assert!(opens(Kind::Stated, b"").is_err());
        assert!(opens(Kind::Stated, b"\0\0\0\x01T").is_err());
        assert_eq!(opens(Kind::Stored, b"").expect("opens"), None);
    }

    #[test]
    fn a_record_is_accepted_if_each_condition_is_met() {
        let (purpose, details) = (String::new(), Vec::new());
        let outer = Outer { actor: "clerk".to_owned(), purpose, request: None, details };
        let record = AuditRecord::new(&sample(5, [0; 32]), outer);
        let (case, document) = (record.case.expect("a case"), record.document.expect("a document"));
        let (time, other) = (record.time, CaseId::from_bytes([9; 16]));
        let later = Timestamp::from_millis(time.as_millis() + 1);
        for conditions in 0..3usize.pow(5) {
            let each = [0, 1, 2, 3, 4].map(|at| conditions / 3usize.pow(at) % 3);
            let [of_case, of_document, by, from, until] = each;
            // Not set, met, not met.
            let mut filter = RecordFilter::all();
            filter = [filter.clone(), filter.clone().case(case), filter.case(other)][of_case].clone();
            let elsewhere = DocumentId::new(other, [2; 16]);
            filter = [filter.clone(), filter.clone().document(document), filter.document(elsewhere)]
                [of_document]
                .clone();
            filter = [filter.clone(), filter.clone().actor("clerk"), filter.actor("other")][by].clone();
            filter = [filter.clone(), filter.clone().from(time), filter.from(later)][from].clone();
            filter = [filter.clone(), filter.clone().until(later), filter.until(time)][until].clone();
            assert_eq!(filter.accepts(&record), !each.contains(&2), "{filter:?}");
        }
    }
}
