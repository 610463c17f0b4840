//! Reading the log: its records, and whether it is whole.

use crate::{
    crypto::chunked::OpenError,
    env::Timestamp,
    error::{Error, Result},
    ids::{CaseId, DocumentId, OperationId, VersionId},
    ledger::{self, Verified},
    log::{
        body::{self, Outer},
        checkpoint::Checkpoint,
        commit::{Commit, Hashed},
        leaf::{BodyForm, Kind},
        signing::LogKey,
        statement::origin,
    },
    pin::Pin,
    vault::Vault,
    verification::{self, VerifiedLog},
};

/// The log of a vault, for who reads and verifies it.
#[derive(Debug, Clone)]
pub struct Audit {
    vault: Vault,
}

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

    fn accepts(&self, record: &AuditRecord) -> bool {
        self.case.is_none_or(|case| record.case == Some(case))
            && self.document.is_none_or(|document| record.document == Some(document))
            && self.actor.as_ref().is_none_or(|actor| record.actor == *actor)
            && self.from.is_none_or(|from| record.time >= from)
            && self.until.is_none_or(|until| record.time < until)
    }
}

impl Audit {
    pub(crate) fn new(vault: Vault) -> Self {
        Self { vault }
    }

    /// Verifies everything committed after `pin`, up to the newest head: names, contiguity, chain,
    /// times, signing epochs and signatures.
    ///
    /// # Errors
    ///
    /// Corrupt at the first fault, naming the object. A log that ends before the pin, or is another
    /// one, is no error here: [`VerifiedLog::freshness`] says so.
    pub async fn verify(&self, pin: &Pin) -> Result<VerifiedLog> {
        let state = self.vault.ledger().sync().await?;
        verification::verify(self.vault.ledger().pages(), &state, pin, &mut |_, _| {}).await
    }

    /// Verifies the whole log, the Merkle root of every commit included.
    ///
    /// # Errors
    ///
    /// As [`Audit::verify`].
    pub async fn verify_from_genesis(&self) -> Result<VerifiedLog> {
        self.verify_with_progress(&mut |_, _| {}).await
    }

    /// [`Audit::verify_from_genesis`], telling after each commit how many records of how many are checked.
    ///
    /// # Errors
    ///
    /// As [`Audit::verify`].
    pub async fn verify_with_progress(
        &self,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<VerifiedLog> {
        let state = self.vault.ledger().sync().await?;
        let (verified, keys) =
            verification::verify_all(self.vault.ledger().pages(), &state, progress).await?;
        let held = &self.vault.current_keyring().await?.keys;
        let same = keys.delivery == held.delivery_key().verifying_key()
            && keys.checkpoint == held.checkpoint_key().verifying_key();
        if same { Ok(verified) } else { Err(Error::corrupt("the keys that the log states")) }
    }

    /// The records that pass `filter`, oldest first.
    ///
    /// Reads the log from its beginning, verifying it on the way, and holds only what passes.
    ///
    /// # Errors
    ///
    /// As [`Audit::verify`]; corrupt if a body does not open.
    pub async fn records(&self, filter: &RecordFilter) -> Result<Vec<AuditRecord>> {
        let head = self.vault.ledger().sync().await?.head;
        let mut found = Vec::new();
        let mut visit = |commit: &Commit| {
            for (position, record) in commit.leaves.iter().enumerate() {
                let record = self.open(commit, position, record)?;
                if filter.accepts(&record) {
                    found.push(record);
                }
            }
            Ok(())
        };
        let (trusted, statement) = ledger::claimed(self.vault.ledger().storage()).await?;
        let from = Verified::genesis(LogKey::first(statement.commit));
        let storage = self.vault.ledger().storage();
        ledger::walk(storage, trusted.vault, from, head, &mut visit).await?;
        Ok(found)
    }

    /// A signed checkpoint of the newest head, as a C2SP signed note.
    ///
    /// # Errors
    ///
    /// Corrupt; the storage's.
    pub async fn checkpoint(&self) -> Result<String> {
        let state = self.vault.ledger().sync().await?;
        let keyring = self.vault.current_keyring().await?;
        let checkpoint = Checkpoint::new(&origin(self.vault.id()), state.head.size, state.frontier.root())?;
        Ok(checkpoint.sign(&keyring.keys.checkpoint_key()))
    }

    fn open(&self, commit: &Commit, position: usize, record: &Hashed) -> Result<AuditRecord> {
        let leaf = &record.leaf;
        let corrupt = || Error::corrupt(format!("the body of record {}", leaf.seq));
        let body = commit.body(position).ok_or_else(corrupt)?;
        let outer = if leaf.form == BodyForm::Plain {
            Outer { actor: String::new(), purpose: String::new(), request: None, details: Vec::new() }
        } else {
            let audit = &self.vault.keyring().keys.audit;
            body::open(self.vault.id(), leaf, audit, body).map_err(|OpenError| corrupt())?.0
        };
        let case = (leaf.case.as_bytes() != &[0; 16]).then_some(leaf.case);
        let has_document = case.is_some() && leaf.object != [0; 16];
        let names_version = matches!(leaf.kind, Kind::Read | Kind::Stored);
        let version = VersionId::of(leaf.auxiliary_operation());
        Ok(AuditRecord {
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
        })
    }
}
