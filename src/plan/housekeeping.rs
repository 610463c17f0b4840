//! Announcing uploads, and giving up operations that never committed.

use async_trait::async_trait;

use super::{Origin, draft};
use crate::{
    env::Timestamp,
    error::{Error, Result},
    ids::{CaseId, DocumentId, OperationId},
    ledger::{Command, Draft, View},
    log::{
        leaf::{Kind, auxiliary_from, padded},
        row::{Row, RowKey},
    },
    policy,
};

/// Announces that an operation's objects are wanted until it expires.
pub(crate) struct Announce {
    pub(crate) origin: Origin,
    pub(crate) operation: OperationId,
    pub(crate) document: DocumentId,
    pub(crate) expiry: Timestamp,
    /// Only if the log knows nothing of the operation: a collector must not prolong an upload.
    pub(crate) unknown_only: bool,
    /// Records in the log when the operation was made up; 0 for another's.
    pub(crate) since: u64,
}

#[async_trait]
impl Command for Announce {
    async fn plan(&self, view: &View<'_>) -> Result<Draft> {
        let row = view.row_since(&RowKey::operation(self.operation), self.since).await?;
        policy::may_commit(self.operation, row.as_ref())?;
        if self.unknown_only && row.is_some() {
            return Err(Error::denied("the log knows this operation"));
        }
        // A collector's announcement may be about a case that was never opened, or is closed by now.
        let decide = if self.unknown_only { policy::not_erased } else { policy::case_is_open };
        let case = self.document.case();
        decide(case, view.row(&RowKey::case(case)).await?.as_ref())?;
        let announced = draft(&self.origin, Kind::UploadAnnounced, self.operation, Vec::new());
        let auxiliary = padded(&self.expiry.as_millis().to_be_bytes());
        Ok(Draft { case: self.document.case(), object: *self.document.own(), auxiliary, ..announced })
    }
}

/// Gives an operation up: from here on it cannot commit, so its objects can go.
pub(crate) struct Condemn {
    pub(crate) origin: Origin,
    pub(crate) operation: OperationId,
    pub(crate) case: CaseId,
    pub(crate) condemned: OperationId,
    pub(crate) because: GivenUp,
}

/// Why an operation is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// Its announcement expired.
    Expired,
    /// Its uploader says so.
    ByUploader,
}

#[async_trait]
impl Command for Condemn {
    async fn plan(&self, view: &View<'_>) -> Result<Draft> {
        policy::not_erased(self.case, view.row(&RowKey::case(self.case)).await?.as_ref())?;
        let row = view.row(&RowKey::operation(self.condemned)).await?;
        match self.because {
            GivenUp::Expired => self.has_expired(view, row)?,
            GivenUp::ByUploader => policy::may_commit(self.condemned, row.as_ref())?,
        }
        let condemned = draft(&self.origin, Kind::Condemned, self.operation, Vec::new());
        let auxiliary = auxiliary_from(self.condemned.as_bytes());
        Ok(Draft { case: self.case, auxiliary, ..condemned })
    }
}

impl Condemn {
    fn has_expired(&self, view: &View<'_>, row: Option<Row>) -> Result<()> {
        let row = row.filter(|row| row.kind == Kind::UploadAnnounced);
        // By the own clock: that of another writer, which the log's time may be, gives nothing up.
        if row.is_some_and(|row| view.now >= expiry(&row)) {
            return Ok(());
        }
        Err(Error::denied(format!("operation {} is not abandoned", self.condemned)))
    }
}

/// What is to be done with an operation's objects.
pub(crate) enum Fate {
    /// It committed.
    Keep,
    /// It is announced, and has time left.
    Wait,
    /// The log does not know it.
    Announce,
    /// Its time is over.
    Condemn,
    /// It was condemned.
    Delete,
}

impl Fate {
    /// The fate of an operation with this newest row about it.
    pub(crate) fn of(operation: OperationId, row: Option<&Row>, now: Timestamp) -> Self {
        match row {
            None => Self::Announce,
            Some(row) if row.kind == Kind::UploadAnnounced => {
                if now >= expiry(row) {
                    Self::Condemn
                } else {
                    Self::Wait
                }
            }
            // A Condemned row that the operation did not itself write is about the operation.
            Some(row) if row.kind == Kind::Condemned && row.operation != operation => Self::Delete,
            Some(_) => Self::Keep,
        }
    }
}

/// When an announced operation may be given up.
fn expiry(row: &Row) -> Timestamp {
    Timestamp::from_millis(u64::from_be_bytes(row.auxiliary.first_chunk().copied().unwrap_or_default()))
}
