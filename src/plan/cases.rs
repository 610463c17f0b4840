//! Opening, closing, reopening and erasing cases.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Origin, draft, with_personal};
use crate::{
    error::{Error, Result},
    ids::{CaseId, OperationId},
    ledger::{Command, Draft, View},
    log::{
        Hash,
        leaf::{Kind, auxiliary_from, padded},
        row::{Row, RowKey},
    },
    policy,
    secret::Secret,
    wire::Writer,
};

/// Opens a case whose key is wrapped under the current epoch of one keyring.
pub(crate) struct OpenCase {
    pub(crate) origin: Origin,
    pub(crate) operation: OperationId,
    pub(crate) case: CaseId,
    pub(crate) effect: Hash,
    /// The keyring whose current epoch wraps the case's key.
    pub(crate) keyring: Hash,
    /// Records in the log when the operation was made up.
    pub(crate) since: u64,
}

#[async_trait]
impl Command for OpenCase {
    async fn plan(&self, view: &View<'_>) -> Result<Draft> {
        // An epoch is dropped only when every case the log knows is wrapped under a newer one, so a
        // case wrapped under an older keyring's epoch must not come after it.
        if view.keyring() != self.keyring {
            return Err(Error::denied("the keyring changed: wrap the case's key again"));
        }
        let known = view.row_since(&RowKey::operation(self.operation), self.since).await?;
        policy::may_commit(self.operation, known.as_ref())?;
        let opened = draft(&self.origin, Kind::CaseOpened, self.operation, Vec::new());
        Ok(Draft { case: self.case, effect: self.effect, ..opened })
    }
}

/// Closes or reopens a case.
pub(crate) struct SetCase {
    pub(crate) origin: Origin,
    pub(crate) operation: OperationId,
    pub(crate) case: CaseId,
    /// CaseClosed or CaseReopened.
    pub(crate) kind: Kind,
    pub(crate) case_key: Arc<Secret<32>>,
    pub(crate) reason: String,
}

#[async_trait]
impl Command for SetCase {
    async fn plan(&self, view: &View<'_>) -> Result<Draft> {
        let row = standing(view, self.case).await?;
        if (row.kind == Kind::CaseClosed) == (self.kind == Kind::CaseClosed) {
            let state = if row.kind == Kind::CaseClosed { "closed" } else { "open" };
            return Err(Error::denied(format!("case {} is {state} already", self.case)));
        }
        let mut w = Writer::new();
        w.text(&self.reason);
        let set = draft(&self.origin, self.kind, self.operation, Vec::new());
        let opened_by = case_head(&row);
        let auxiliary = auxiliary_from(opened_by.as_bytes());
        let set = Draft { case: self.case, auxiliary, effect: row.effect, ..set };
        Ok(with_personal(set, &self.case_key, w.as_slice()))
    }
}

/// Erases a closed case: nothing about it can be planned after this.
pub(crate) struct EraseCase {
    pub(crate) origin: Origin,
    pub(crate) operation: OperationId,
    pub(crate) case: CaseId,
    /// The keyring of which `epoch` is the newest.
    pub(crate) keyring: Hash,
    pub(crate) epoch: u32,
}

#[async_trait]
impl Command for EraseCase {
    async fn plan(&self, view: &View<'_>) -> Result<Draft> {
        let row = standing(view, self.case).await?;
        policy::case_may_be_erased(self.case, Some(&row))?;
        // No wrap of the case's key is under a later epoch than the newest one at this record.
        if view.keyring() != self.keyring {
            return Err(Error::denied("the keyring changed: look up its newest epoch again"));
        }
        let mut w = Writer::new();
        w.fixed(case_head(&row).as_bytes()).u32(self.epoch);
        let erased = draft(&self.origin, Kind::CaseErased, self.operation, Vec::new());
        Ok(Draft { case: self.case, auxiliary: padded(w.as_slice()), effect: row.effect, ..erased })
    }
}

/// The newest row about a case that is there and was not erased.
async fn standing(view: &View<'_>, case: CaseId) -> Result<Row> {
    let row = view.row(&RowKey::case(case)).await?;
    policy::case_stands(case, row.as_ref())?;
    row.ok_or_else(|| Error::not_found(format!("case {case}")))
}

/// The newest epoch of the keyring when a case was erased, from the row of its erasure.
pub(crate) fn epoch_of_erasure(row: &Row) -> u32 {
    let bytes = row.auxiliary.get(16..20).and_then(|bytes| bytes.first_chunk()).copied();
    u32::from_be_bytes(bytes.unwrap_or_default())
}

/// The case that a row of a case, or of its newest statement, is about.
pub(crate) fn case_of(row: &Row) -> CaseId {
    CaseId::from_bytes(row.key.child_id())
}

/// The operation that created a case's head.
pub(crate) fn case_head(row: &Row) -> OperationId {
    match row.kind {
        Kind::CaseOpened => row.operation,
        _ => crate::log::leaf::auxiliary_operation(&row.auxiliary),
    }
}
