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
            GivenUp::Expired => self.has_expired(row.as_ref(), view.now)?,
            GivenUp::ByUploader => policy::may_commit(self.condemned, row.as_ref())?,
        }
        let condemned = draft(&self.origin, Kind::Condemned, self.operation, Vec::new());
        let auxiliary = auxiliary_from(self.condemned.as_bytes());
        Ok(Draft { case: self.case, auxiliary, ..condemned })
    }
}

impl Condemn {
    /// `now` is by the own clock: that of another writer, which the log's time may be, gives nothing up.
    fn has_expired(&self, row: Option<&Row>, now: Timestamp) -> Result<()> {
        if matches!(Fate::of(self.condemned, row, now), Fate::Condemn) {
            return Ok(());
        }
        Err(Error::denied(format!("operation {} is not abandoned", self.condemned)))
    }
}

/// What is to be done with an operation's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const OPERATION: OperationId = OperationId::from_bytes([1; 16]);
    const ANOTHER: OperationId = OperationId::from_bytes([2; 16]);

    /// What `by` wrote about the operation, which expires at 10 if it was announced.
    fn row(kind: Kind, by: OperationId) -> Row {
        let key = RowKey::operation(OPERATION);
        let (time, auxiliary) = (Timestamp::from_millis(1), padded(&10u64.to_be_bytes()));
        let (effect, leaf, commit_previous) = ([0; 32], [0; 32], [0; 16]);
        Row { key, seq: 3, kind, time, operation: by, auxiliary, effect, leaf, position: 0, commit_previous }
    }

    #[test]
    fn what_becomes_of_an_operation_follows_from_its_newest_row_and_the_time() {
        let condemn = Condemn {
            origin: Origin { actor: "a".into(), purpose: "p".into(), request: None },
            operation: ANOTHER,
            case: CaseId::from_bytes([3; 16]),
            condemned: OPERATION,
            because: GivenUp::Expired,
        };
        let of = |row: Option<Row>, now| {
            let (row, now) = (row.as_ref(), Timestamp::from_millis(now));
            let given_up = condemn.has_expired(row, now).map_err(|error| error.kind());
            (Fate::of(OPERATION, row, now), given_up)
        };
        let denied = Err(ErrorKind::Denied);
        let announced = || Some(row(Kind::UploadAnnounced, OPERATION));
        assert_eq!(of(None, 20), (Fate::Announce, denied));
        assert_eq!(of(announced(), 9), (Fate::Wait, denied));
        assert_eq!(of(announced(), 10), (Fate::Condemn, Ok(())));
        assert_eq!(of(Some(row(Kind::UploadAnnounced, ANOTHER)), 10), (Fate::Condemn, Ok(())));
        for by in [OPERATION, ANOTHER] {
            assert_eq!(of(Some(row(Kind::Stored, by)), 20), (Fate::Keep, denied));
        }
        assert_eq!(of(Some(row(Kind::Condemned, ANOTHER)), 20), (Fate::Delete, denied));
        // One that condemned another is itself committed.
        assert_eq!(of(Some(row(Kind::Condemned, OPERATION)), 20), (Fate::Keep, denied));
    }
}
