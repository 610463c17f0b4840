//! Reading the log: on record like any other release.

use core::ops::Range;

use async_trait::async_trait;

use super::{Origin, draft};
use crate::{
    error::Result,
    ids::OperationId,
    ledger::{Command, Draft, View},
    log::leaf::Kind,
    wire::Writer,
};

/// What of the log is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogReading {
    Records,
    Changes,
    OneRecord,
    Disclosure,
}

impl LogReading {
    const fn code(self) -> u8 {
        match self {
            Self::Records => 1,
            Self::Changes => 2,
            Self::OneRecord => 3,
            Self::Disclosure => 5,
        }
    }
}

/// Releases records.
pub(crate) struct ReadLog {
    pub(crate) origin: Origin,
    pub(crate) operation: OperationId,
    pub(crate) what: LogReading,
    /// Record numbers.
    pub(crate) range: Range<u64>,
}

#[async_trait]
impl Command for ReadLog {
    async fn plan(&self, _: &View<'_>) -> Result<Draft> {
        let mut w = Writer::new();
        w.u8(self.what.code()).u64(self.range.start).u64(self.range.end);
        Ok(draft(&self.origin, Kind::LogRead, self.operation, w.into_vec()))
    }
}
