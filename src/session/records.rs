//! One record, with what is personal in it.

use super::Session;
use crate::{
    auditor::Auditor,
    crypto::chunked::OpenError,
    document::{ContentDigest, REASON_CAP},
    error::{Error, ErrorKind, Result},
    log::{
        body::{PURPOSE_CAP, SealedInner},
        commit::Hashed,
        leaf::{Kind, Leaf},
        record::AuditRecord,
        row::RowKey,
    },
    observe,
    plan::{LogReading, ReadLog, Said},
    secret::SecretBytes,
    vault::Looked,
    wire::{Malformed, Reader},
};

/// A record, opened whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct OpenedRecord {
    /// What the audit key opens.
    pub record: AuditRecord,
    /// What the key of its case opens.
    pub personal: Personal,
}

/// What is personal in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Personal {
    /// Nothing is, in records of this kind.
    None,
    /// Why a case was closed or reopened, or a grant revoked.
    Reason(String),
    /// Why a version was stored, empty for a first one, and the digest of its content.
    Version {
        /// Why.
        reason: String,
        /// Of what.
        digest: ContentDigest,
    },
    /// What was stated.
    Statement {
        /// What only the case's key opens.
        payload: Vec<u8>,
        /// What a receipt can prove.
        claim: Vec<u8>,
    },
    /// What a grant is for.
    Purpose(String),
    /// It was erased with its case.
    Erased {
        /// The record of the erasure.
        by: u64,
    },
}

impl Session {
    /// An auditor under this session's actor and purpose.
    #[must_use]
    pub fn auditor(&self) -> Auditor {
        Auditor::new(&self.vault, self.origin.clone())
    }

    /// One record of the log, with what is personal in it; on record before it is released.
    ///
    /// # Errors
    ///
    /// Not found; [`ErrorKind::BodyMissing`] if the key of the record's case is missing though the log holds no
    /// erasure of the case; corrupt; the storage's. If the reading cannot be put on record, nothing is released.
    ///
    /// # Cancellation
    ///
    /// At most the reading is on record.
    pub async fn open_record(&self, seq: u64) -> Result<OpenedRecord> {
        observe::operation("Session::open_record", self.vault.id(), async {
            let looked = Looked::at(self.vault.now());
            self.read_record(seq, LogReading::OneRecord).await?;
            let ledger = self.vault.ledger();
            let open = |found: &Hashed, body: &[u8]| {
                let outer = AuditRecord::open(self.vault.id(), ledger.audit(), &found.leaf, body);
                let (record, inner) = outer.map_err(|OpenError| corrupt(seq))?;
                Ok((record, found.leaf.clone(), inner))
            };
            let (record, leaf, inner) = ledger.record(&ledger.state(), seq, open).await?;
            let personal = match inner.filter(|inner| !inner.is_empty()) {
                Some(inner) => self.personal(&leaf, &inner, &looked).await?,
                None => Personal::None,
            };
            Ok(OpenedRecord { record, personal })
        })
        .await
    }

    /// Puts on record that one record is read, if there is one.
    pub(super) async fn read_record(&self, seq: u64, what: LogReading) -> Result<()> {
        if self.vault.ledger().sync().await?.head.size <= seq {
            return Err(Error::not_found(format!("record {seq}")));
        }
        let (origin, operation, range) = (self.origin.clone(), self.operation()?, seq..seq.saturating_add(1));
        self.commit(operation, ReadLog { origin, operation, what, range }).await.map(drop)
    }

    /// The inner layer of a record; that it was erased only on the word of the log.
    async fn personal(&self, leaf: &Leaf, inner: &SealedInner, looked: &Looked) -> Result<Personal> {
        match self.opened(leaf, inner, looked).await {
            Err(error) if error.kind() == ErrorKind::Erased => {
                let erased = self.vault.row(&self.vault.ledger().state(), &RowKey::case(leaf.case)).await?;
                let by = erased.filter(|row| row.kind == Kind::CaseErased).ok_or(error)?.seq;
                Ok(Personal::Erased { by })
            }
            opened => read(leaf.kind, &opened?).map_err(|Malformed| corrupt(leaf.seq)),
        }
    }

    /// Opened, if the case still stands then: the storage may have held back anything of it, for any time.
    async fn opened(&self, leaf: &Leaf, inner: &SealedInner, looked: &Looked) -> Result<SecretBytes> {
        let case_key = self.vault.kept_case_key(leaf.case).await?.ok_or_else(|| missing(leaf))?;
        let opened = inner.open(self.vault.id(), leaf, &case_key).map_err(|OpenError| corrupt(leaf.seq))?;
        self.vault.still_stands(leaf.case, looked).await?;
        Ok(opened)
    }
}

// FORMAT §5.4, "personal".
fn read(kind: Kind, personal: &[u8]) -> Result<Personal, Malformed> {
    if kind == Kind::Stated {
        let said = Said::parse(personal)?;
        return Ok(Personal::Statement { payload: said.payload.to_vec(), claim: said.claim });
    }
    let mut r = Reader::new(personal);
    let read = match kind {
        Kind::CaseClosed | Kind::CaseReopened | Kind::Revoked => {
            Personal::Reason(r.text(REASON_CAP)?.to_owned())
        }
        Kind::Stored => {
            let reason = r.text(REASON_CAP)?.to_owned();
            Personal::Version { reason, digest: ContentDigest::from_bytes(r.array()?) }
        }
        Kind::Granted => Personal::Purpose(r.text(PURPOSE_CAP)?.to_owned()),
        _ => return Err(Malformed),
    };
    r.finish()?;
    Ok(read)
}

fn corrupt(seq: u64) -> Error {
    Error::corrupt(format!("record {seq}"))
}

fn missing(leaf: &Leaf) -> Error {
    let text = format!(
        "what is personal in record {} cannot be opened: the key of case {} is missing, and no erasure of it is on record",
        leaf.seq, leaf.case
    );
    Error::new(ErrorKind::BodyMissing, text)
}
