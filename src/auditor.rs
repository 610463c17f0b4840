//! An auditor: verifies everything, reads what the audit key opens, and can open nothing else.

use core::ops::Range;
use std::sync::Arc;

use crate::{
    audit::Verifier,
    crypto::chunked::OpenError,
    disclosure::Disclosure,
    error::{Error, Result},
    ids::VaultId,
    log::{
        commit::{Commit, Hashed},
        record::{AuditRecord, RecordFilter},
    },
    observe,
    pin::{Pin, PinStore},
    plan::{LogReading, Origin, ReadLog},
    vault::Vault,
    verification::VerifiedLog,
};

/// Verifies a vault's log and reads its records, as one actor, for one purpose.
///
/// It holds the log, the audit key and public keys. It has no way to a document, a name, or the personal
/// part of a record: hand it to who may see what was done, and not what it was done to.
///
/// Reading the log is itself on the log: what an auditor is shown is on record before it is shown, and if
/// that cannot be committed, nothing is.
#[derive(Debug, Clone)]
pub struct Auditor {
    verifier: Verifier,
    origin: Origin,
    pin_store: Option<Arc<dyn PinStore>>,
}

/// Records that were added to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changes {
    /// Up to 1,000 records, in order and without a gap.
    pub records: Vec<AuditRecord>,
    /// The number to ask for next.
    pub next: u64,
}

impl Auditor {
    pub(crate) fn new(vault: &Vault, origin: Origin) -> Self {
        Self { verifier: Verifier::new(vault), origin, pin_store: vault.options().pin_store.clone() }
    }

    /// Who acts.
    #[must_use]
    pub fn actor(&self) -> &str {
        &self.origin.actor
    }

    /// What for.
    #[must_use]
    pub fn purpose(&self) -> &str {
        &self.origin.purpose
    }

    /// Verifies everything committed after `pin`, as [`Audit::verify`](crate::Audit::verify) does. Shows no
    /// record, so it is not on record.
    ///
    /// # Errors
    ///
    /// As [`Audit::verify`](crate::Audit::verify).
    pub async fn verify(&self, pin: &Pin) -> Result<VerifiedLog> {
        observe::operation("Auditor::verify", self.vault(), self.verifier.verify(pin)).await
    }

    /// Verifies the whole log, the Merkle root of every commit included.
    ///
    /// # Errors
    ///
    /// As [`Auditor::verify`].
    pub async fn verify_from_genesis(&self) -> Result<VerifiedLog> {
        observe::operation(
            "Auditor::verify_from_genesis",
            self.vault(),
            self.verifier.verify_from_genesis(&mut |_, _| {}),
        )
        .await
    }

    /// The records that pass `filter`, oldest first: all those before the one that puts this on record.
    ///
    /// Reads the log from its beginning, verifying it on the way, and holds only what passes.
    ///
    /// # Errors
    ///
    /// As [`Auditor::verify`]; corrupt if a body does not open. If the reading cannot be put on record,
    /// nothing is shown.
    ///
    /// # Cancellation
    ///
    /// At most the reading is on record.
    pub async fn records(&self, filter: &RecordFilter) -> Result<Vec<AuditRecord>> {
        observe::operation("Auditor::records", self.vault(), async {
            // Its commit proves which records are before it, whatever the storage showed until then.
            let own = self.put_on_record(LogReading::Records, 0..u64::MAX).await?;
            let state = self.verifier.ledger().state();
            let mut found = Vec::new();
            let mut visit = |commit: &Commit| {
                let before = commit.leaves.iter().take_while(|record| record.leaf.seq < own);
                for (position, record) in before.enumerate() {
                    let body = commit.body(position).ok_or_else(|| unreadable(record))?;
                    let record = self.open(record, body)?;
                    if filter.accepts(&record) {
                        found.push(record);
                    }
                }
                Ok(())
            };
            self.verifier.walk(&state, &mut visit).await?;
            Ok(found)
        })
        .await
    }

    /// The records from number `seq` on, 1,000 at most: to follow the log, ask again from
    /// [`Changes::next`].
    ///
    /// What is new is on record before it is shown, and that record is itself among the changes, in this
    /// page if nothing came between. While nothing is new, nothing is shown and nothing recorded, so one
    /// who follows the log does not make it grow by waiting; two who follow it show each other theirs.
    ///
    /// # Errors
    ///
    /// Corrupt; the storage's. If the reading cannot be put on record, nothing is shown.
    ///
    /// # Cancellation
    ///
    /// At most the reading is on record.
    pub async fn changes_since(&self, seq: u64) -> Result<Changes> {
        observe::operation("Auditor::changes_since", self.vault(), async {
            let known = self.verifier.ledger().sync().await?.head.size;
            let mut next = known.min(seq.saturating_add(PAGE));
            if next <= seq {
                return Ok(Changes { records: Vec::new(), next: seq });
            }
            let own = self.put_on_record(LogReading::Changes, seq..next).await?;
            if own == next && next - seq < PAGE {
                next += 1;
            }
            let mut records = Vec::new();
            let mut visit = |record: &Hashed, body: &[u8]| {
                records.push(self.open(record, body)?);
                Ok(())
            };
            let ledger = self.verifier.ledger();
            ledger.records(&ledger.state(), seq..next, &mut visit).await?;
            Ok(Changes { records, next })
        })
        .await
    }

    /// One record for somebody who has no key: when, what, by whom and what for.
    ///
    /// # Errors
    ///
    /// Not found; invalid for record 0, which is not sealed; corrupt; the storage's. If the disclosure
    /// cannot be put on record, nothing is disclosed.
    ///
    /// # Cancellation
    ///
    /// At most the disclosure is on record.
    pub async fn disclose(&self, seq: u64) -> Result<Disclosure> {
        observe::operation("Auditor::disclose", self.vault(), async {
            let ledger = self.verifier.ledger();
            if seq == 0 {
                return Err(Error::invalid("the first record is not sealed: there is nothing to disclose"));
            }
            if ledger.sync().await?.head.size <= seq {
                return Err(Error::not_found(format!("record {seq}")));
            }
            self.put_on_record(LogReading::Disclosure, seq..seq.saturating_add(1)).await?;
            let state = ledger.state();
            let disclose = |record: &Hashed, body: &[u8]| {
                let disclosure = Disclosure::new(state.vault, ledger.audit(), record, body);
                disclosure.map_err(|OpenError| unreadable(record))
            };
            ledger.record(&state, seq, disclose).await
        })
        .await
    }

    /// Commits the record that must stand before anything is shown; gives its number.
    async fn put_on_record(&self, what: LogReading, range: Range<u64>) -> Result<u64> {
        let ledger = self.verifier.ledger();
        let (origin, operation) = (self.origin.clone(), ledger.operation()?);
        let committed =
            ledger.commit(operation, vec![Arc::new(ReadLog { origin, operation, what, range })]).await?;
        if let Some(store) = &self.pin_store {
            let saved = store.save(&ledger.state().pin()).await;
            saved.map_err(|error| Error::pin_not_saved(operation, error))?;
        }
        Ok(committed.seq)
    }

    fn vault(&self) -> VaultId {
        self.verifier.ledger().state().vault
    }

    fn open(&self, record: &Hashed, body: &[u8]) -> Result<AuditRecord> {
        let ledger = self.verifier.ledger();
        let opened = AuditRecord::open(ledger.state().vault, ledger.audit(), &record.leaf, body);
        opened.map(|(record, _)| record).map_err(|OpenError| unreadable(record))
    }
}

fn unreadable(record: &Hashed) -> Error {
    Error::corrupt(format!("the body of record {}", record.leaf.seq))
}

/// Records in one page of changes, at most.
const PAGE: u64 = 1000;
