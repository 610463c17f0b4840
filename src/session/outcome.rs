//! What became of an operation whose answer was lost.

use super::Session;
use crate::{
    env::Timestamp,
    error::Result,
    ids::OperationId,
    log::{leaf::Kind, row::RowKey},
    observe,
    plan::Browsed,
};

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Outcome {
    /// Its record stands in the log.
    Committed {
        /// The record's number.
        seq: u64,
        /// What it did.
        kind: Kind,
        /// When.
        time: Timestamp,
    },
    /// It had not happened when this question was put on record. It will not, if its call had ended by then, with an
    /// error or by being dropped.
    NotCommitted,
    /// It is an upload that was announced and had not finished. A call of
    /// [`Upload::finish`](crate::Upload::finish) or [`SealedUpload::publish`](crate::SealedUpload::publish) that had
    /// ended by then finishes it no more; going on with it does.
    Announced,
}

impl Session {
    /// What became of an operation, by the id in
    /// [`ErrorKind::OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown); reads leave no trace here.
    ///
    /// # Errors
    ///
    /// The storage's, while it is still unknown.
    ///
    /// # Security
    ///
    /// The question is itself a record: once it stands, a write that was under way before it can no
    /// longer follow the same head, and nobody plans it on another one for a call that has ended. So for such a call
    /// the answer is final, whichever process it was made in. A call that still runs is planned anew behind the question,
    /// and may commit: end it first.
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn outcome(&self, operation: OperationId) -> Result<Outcome> {
        observe::operation("Session::outcome", self.vault.id(), async {
            self.browse(Browsed::Outcome, 1).await?;
            let row = self.vault.row(&self.vault.ledger().state(), &RowKey::operation(operation)).await?;
            Ok(match row.map(|row| (row.kind, row.seq, row.time, row.operation)) {
                None => Outcome::NotCommitted,
                Some((Kind::Condemned, _, _, by)) if by != operation => Outcome::NotCommitted,
                Some((Kind::UploadAnnounced, ..)) => Outcome::Announced,
                Some((kind, seq, time, _)) => Outcome::Committed { seq, kind, time },
            })
        })
        .await
    }
}
