//! Reading: the record that must stand before anything is released.

use core::ops::Range;

use async_trait::async_trait;

use super::{NO_CASE, NO_OBJECT, Origin, case_stands, draft};
use crate::{
    error::{Error, Result},
    ids::{CaseId, DocumentId, OperationId, Scope, VersionId},
    ledger::{Command, Draft, View},
    log::{
        leaf::{Kind, auxiliary_from},
        row::RowKey,
    },
    wire::Writer,
};

/// Releases content of a version.
pub(crate) struct Read {
    pub(crate) origin: Origin,
    pub(crate) operation: OperationId,
    pub(crate) document: DocumentId,
    pub(crate) version: VersionId,
    /// The caller asked for the newest version, so it must be that still.
    pub(crate) newest: bool,
    /// Bytes of content.
    pub(crate) range: Range<u64>,
}

#[async_trait]
impl Command for Read {
    async fn plan(&self, view: &View<'_>) -> Result<Draft> {
        case_stands(view, self.document.case()).await?;
        let key = if self.newest {
            RowKey::document(self.document)
        } else {
            RowKey::version(self.document, self.version)
        };
        let row = view.row(&key).await?;
        let row = row.ok_or_else(|| Error::not_found(format!("document {}", self.document)))?;
        if VersionId::of(row.operation) != self.version {
            return Err(Error::denied(format!("document {} has a newer version", self.document)));
        }
        let mut w = Writer::new();
        w.u64(self.range.start).u64(self.range.end);
        let read = draft(&self.origin, Kind::Read, self.operation, w.into_vec());
        let auxiliary = auxiliary_from(self.version.as_bytes());
        Ok(Draft { case: self.document.case(), object: *self.document.own(), auxiliary, ..read })
    }
}

/// What names and metadata are released, or deposits that are not taken in yet.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Browsed {
    Cases,
    Documents(CaseId),
    Document(DocumentId),
    Versions(DocumentId),
    WhoCanOpen(DocumentId),
    Case(CaseId),
    Outcome,
    Receipt(Scope),
    Statements(Option<CaseId>),
    Newest,
    Revocation(Scope),
    #[cfg(feature = "intake")]
    Deposits(CaseId),
}

impl Browsed {
    const fn code(self) -> u8 {
        match self {
            Self::Cases => 1,
            Self::Documents(_) => 2,
            Self::Document(_) => 3,
            Self::Versions(_) => 4,
            Self::WhoCanOpen(_) => 5,
            Self::Case(_) => 6,
            Self::Outcome => 7,
            Self::Receipt(_) => 8,
            Self::Statements(_) => 9,
            Self::Newest => 10,
            Self::Revocation(_) => 11,
            #[cfg(feature = "intake")]
            Self::Deposits(_) => 12,
        }
    }

    const fn about(self) -> (CaseId, [u8; 16]) {
        match self {
            Self::Cases | Self::Outcome | Self::Newest | Self::Statements(None) => (NO_CASE, NO_OBJECT),
            Self::Documents(case) | Self::Case(case) | Self::Statements(Some(case)) => (case, NO_OBJECT),
            #[cfg(feature = "intake")]
            Self::Deposits(case) => (case, NO_OBJECT),
            Self::Receipt(scope) | Self::Revocation(scope) => (scope.case(), scope.object()),
            Self::Document(document) | Self::Versions(document) | Self::WhoCanOpen(document) => {
                (document.case(), *document.own())
            }
        }
    }
}

/// How many items are released.
pub(crate) enum Items {
    /// So many were asked for.
    Asked(usize),
    /// Those from this one on that have its parent, up to so many: counted in the log that the record follows.
    From(RowKey, usize),
}

impl Items {
    async fn count(&self, view: &View<'_>) -> Result<u32> {
        let count = match self {
            Self::Asked(count) => *count,
            Self::From(first, most) => view.children(first, *most).await?.len(),
        };
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

/// Releases names and metadata, or what opens deposits.
pub(crate) struct Browse {
    pub(crate) origin: Origin,
    pub(crate) operation: OperationId,
    pub(crate) what: Browsed,
    pub(crate) items: Items,
}

#[async_trait]
impl Command for Browse {
    async fn plan(&self, view: &View<'_>) -> Result<Draft> {
        let (case, object) = self.what.about();
        if case != NO_CASE {
            case_stands(view, case).await?;
        }
        let mut w = Writer::new();
        w.u8(self.what.code()).u32(self.items.count(view).await?);
        let browsed = draft(&self.origin, Kind::Browsed, self.operation, w.into_vec());
        Ok(Draft { case, object, ..browsed })
    }
}
