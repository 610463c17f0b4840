//! Granting, delivering and revoking.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Origin, case_stands, documents::version, draft, with_personal};
use crate::{
    error::{Error, Result},
    grant::{SealedTerms, Terms},
    ids::{DocumentId, GrantId, OperationId, Scope, VersionId},
    ledger::{Command, Draft, View},
    log::{
        Hash,
        leaf::{Kind, auxiliary_from},
        row::RowKey,
    },
    policy::{self, Clocks},
    secret::Secret,
    wire::Writer,
};

/// Makes a grant whose head exists.
pub(crate) struct Grant {
    pub(crate) origin: Origin,
    pub(crate) id: GrantId,
    pub(crate) recipient: [u8; 32],
    pub(crate) terms: SealedTerms,
    pub(crate) effect: Hash,
    pub(crate) case_key: Arc<Secret<32>>,
    /// Records in the log when the operation was made up.
    pub(crate) since: u64,
}

#[async_trait]
impl Command for Grant {
    async fn plan(&self, view: &View<'_>) -> Result<Draft> {
        let (scope, operation) = (self.id.scope(), self.id.operation());
        policy::case_is_open(scope.case(), view.row(&RowKey::case(scope.case())).await?.as_ref())?;
        if let Scope::Document(document) = scope {
            let row = view.row(&RowKey::document(document)).await?;
            row.ok_or_else(|| Error::not_found(format!("document {document}")))?;
        }
        let known = view.row_since(&RowKey::operation(operation), self.since).await?;
        policy::may_commit(operation, known.as_ref())?;
        policy::may_grant(&self.terms.terms, clocks(view))?;
        let mut w = Writer::new();
        w.text(&self.terms.terms.purpose);
        let granted = draft(&self.origin, Kind::Granted, operation, self.terms.details());
        let granted = Draft {
            case: scope.case(),
            object: scope.object(),
            auxiliary: self.recipient,
            effect: self.effect,
            ..granted
        };
        Ok(with_personal(granted, &self.case_key, w.as_slice()))
    }
}

/// The clocks that a plan's decisions about time rest on.
fn clocks(view: &View<'_>) -> Clocks {
    Clocks { own: view.now, log: view.state.head.time }
}

/// Releases a delivery.
pub(crate) struct Deliver {
    pub(crate) origin: Origin,
    pub(crate) operation: OperationId,
    pub(crate) grant: GrantId,
    pub(crate) terms: Terms,
    pub(crate) effect: Hash,
    /// The caller delivers what a following grant reaches, so these must be the newest versions still.
    pub(crate) newest: Option<Vec<(DocumentId, VersionId)>>,
    pub(crate) documents: u32,
    pub(crate) bytes: u64,
}

#[async_trait]
impl Command for Deliver {
    async fn plan(&self, view: &View<'_>) -> Result<Draft> {
        case_stands(view, self.grant.scope().case()).await?;
        let row = view.row(&RowKey::grant(self.grant)).await?;
        policy::grant_delivers(self.grant, row.as_ref(), &self.terms, clocks(view))?;
        if let Some(newest) = &self.newest
            && *newest != self.newest_in(view, newest.len()).await?
        {
            return Err(Error::denied(format!("what grant {} opens has changed", self.grant)));
        }
        let mut w = Writer::new();
        w.u32(self.documents).u64(self.bytes);
        let delivered = draft(&self.origin, Kind::Delivered, self.operation, w.into_vec());
        let auxiliary = auxiliary_from(self.grant.operation().as_bytes());
        let scope = self.grant.scope();
        Ok(Draft { case: scope.case(), object: scope.object(), auxiliary, effect: self.effect, ..delivered })
    }
}

impl Deliver {
    /// The newest version of each document that the grant is on, and of one more than there should be.
    async fn newest_in(&self, view: &View<'_>, expected: usize) -> Result<Vec<(DocumentId, VersionId)>> {
        let rows = match self.grant.scope() {
            Scope::Document(document) => view.row(&RowKey::document(document)).await?.into_iter().collect(),
            Scope::Case(case) => view.children(&RowKey::documents(case), expected.saturating_add(1)).await?,
        };
        let case = self.grant.scope().case();
        Ok(rows.iter().map(|row| (DocumentId::new(case, row.key.child_id()), version(row))).collect())
    }
}

/// Revokes a grant.
pub(crate) struct Revoke {
    pub(crate) origin: Origin,
    pub(crate) operation: OperationId,
    pub(crate) grant: GrantId,
    pub(crate) case_key: Arc<Secret<32>>,
    pub(crate) reason: String,
}

#[async_trait]
impl Command for Revoke {
    async fn plan(&self, view: &View<'_>) -> Result<Draft> {
        case_stands(view, self.grant.scope().case()).await?;
        let row = view.row(&RowKey::grant(self.grant)).await?;
        policy::grant_stands(self.grant, row.as_ref())?;
        let mut w = Writer::new();
        w.text(&self.reason);
        let revoked = draft(&self.origin, Kind::Revoked, self.operation, Vec::new());
        let scope = self.grant.scope();
        let auxiliary = auxiliary_from(self.grant.operation().as_bytes());
        let effect = row.map(|row| row.effect).unwrap_or_default();
        let revoked = Draft { case: scope.case(), object: scope.object(), auxiliary, effect, ..revoked };
        Ok(with_personal(revoked, &self.case_key, w.as_slice()))
    }
}
