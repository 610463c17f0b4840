//! Records about the log itself: that it was read, that a checkpoint of it was kept.

use core::ops::Range;

use async_trait::async_trait;

use super::{Origin, draft};
use crate::{
    error::Result,
    ids::OperationId,
    ledger::{Command, Draft, View},
    log::{
        Hash,
        leaf::{Kind, padded},
    },
    wire::Writer,
};

/// What of the log is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogReading {
    Records,
    Changes,
    OneRecord,
    Export,
    Disclosure,
}

impl LogReading {
    const fn code(self) -> u8 {
        match self {
            Self::Records => 1,
            Self::Changes => 2,
            Self::OneRecord => 3,
            Self::Export => 4,
            Self::Disclosure => 5,
        }
    }
}

/// Releases records.
pub(crate) struct ReadLog {
    pub(crate) origin: Origin,
    pub(crate) operation: OperationId,
    pub(crate) what: LogReading,
    /// Record numbers; it ends before this record at the latest.
    pub(crate) range: Range<u64>,
}

#[async_trait]
impl Command for ReadLog {
    async fn plan(&self, view: &View<'_>) -> Result<Draft> {
        let mut w = Writer::new();
        w.u8(self.what.code()).u64(self.range.start).u64(self.range.end.min(view.next));
        Ok(draft(&self.origin, Kind::LogRead, self.operation, w.into_vec()))
    }
}

/// Keeps a checkpoint whose object exists.
pub(crate) struct KeepCheckpoint {
    pub(crate) origin: Origin,
    pub(crate) operation: OperationId,
    /// Records in the tree it is about.
    pub(crate) size: u64,
    /// SHA-256 of the object.
    pub(crate) effect: Hash,
}

#[async_trait]
impl Command for KeepCheckpoint {
    async fn plan(&self, _: &View<'_>) -> Result<Draft> {
        let kept = draft(&self.origin, Kind::Checkpointed, self.operation, Vec::new());
        Ok(Draft { auxiliary: padded(&self.size.to_be_bytes()), effect: self.effect, ..kept })
    }
}
