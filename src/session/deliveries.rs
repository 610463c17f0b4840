//! Delivering: what a grant opens, sealed for its recipient.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Session, browse::AT_ONCE, content::RETRIES};
use crate::{
    error::{Error, ErrorKind, Result},
    grant::Mode,
    ids::{CaseId, DocumentId, GrantId, Scope},
    ledger::State,
    log::{
        leaf::Kind,
        row::{Row, RowKey},
    },
    observe, plan,
    transfer::{Delivery, Parcel},
    vault::{Extent, GrantHead, Looked},
};

impl Session {
    /// Delivers what a grant opens: a stream for its recipient, on record before its first byte.
    ///
    /// Under a following grant that is the newest version of each document in the log that the record follows.
    ///
    /// # Errors
    ///
    /// Denied if the grant is revoked, not begun, or ended by this machine's clock or the log's time, whichever
    /// is later; not found; invalid for more than 100,000 documents; corrupt; the storage's. [`ErrorKind::Contended`] if what a following grant opens kept
    /// changing.
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn deliver(&self, grant: GrantId) -> Result<Delivery> {
        observe::operation("Session::deliver", (self.vault.id(), grant), async {
            for _ in 0..RETRIES {
                // Syncing first makes a revocation by another process count before anything is sealed; the
                // record's own plan decides.
                let state = self.vault.ledger().sync().await?;
                let row = self.grant_row(&state, grant).await?;
                let head = self.vault.grant_head(grant, &row).await?;
                let versions = self.versions_in(&state, grant, &row, head.meta.terms.terms.mode).await?;
                match self.release(grant, &head, &versions).await {
                    Err(error) if self.overtaken(grant, &row, &head, &versions, &error).await? => {}
                    released => return released,
                }
            }
            Err(Error::new(
                ErrorKind::Contended,
                format!("what grant {grant} opens kept changing; try again"),
            ))
        })
        .await
    }

    /// Seals these versions and puts their delivery on record.
    async fn release(
        &self,
        grant: GrantId,
        head: &GrantHead,
        versions: &[(DocumentId, Row)],
    ) -> Result<Delivery> {
        Parcel::check_number(versions.len())?;
        let heads: Vec<_> = versions
            .iter()
            .map(|(document, row)| self.vault.version_head(*document, row, Extent::Whole))
            .collect();
        let mut held = 0;
        let contents = stream::iter(heads).buffered(AT_ONCE).map_ok(|head| {
            held += head.inline.len();
            if held > HELD { head.without_inline() } else { head }
        });
        let contents = contents.try_collect().await?;
        let (operation, terms) = (self.operation()?, head.meta.terms.terms.clone());
        let parcel = Parcel::seal(&self.vault, head, operation, contents)?;
        let newest = versions.iter().map(|(document, row)| (*document, plan::version(row)));
        let command = plan::Deliver {
            origin: self.origin.clone(),
            operation,
            grant,
            newest: (terms.mode == Mode::Following).then(|| newest.collect()),
            terms: terms.clone(),
            effect: parcel.effect(),
            documents: parcel.documents(),
            bytes: parcel.bytes(),
        };
        // From before the record is made: its answer may be long in coming.
        let looked = Looked::at(self.vault.now());
        self.commit(operation, command).await?;
        Ok(Delivery::new(self.clone(), (grant, terms), parcel, looked))
    }

    /// Whether the error is due to a state that has passed, in which a following grant reached other versions.
    async fn overtaken(
        &self,
        grant: GrantId,
        row: &Row,
        head: &GrantHead,
        versions: &[(DocumentId, Row)],
        error: &Error,
    ) -> Result<bool> {
        let mode = head.meta.terms.terms.mode;
        if mode == Mode::Snapshot || !matches!(error.kind(), ErrorKind::Denied | ErrorKind::Corrupt) {
            return Ok(false);
        }
        let state = self.vault.ledger().sync().await?;
        Ok(self.versions_in(&state, grant, row, mode).await? != versions)
    }

    /// Whether a grant and its case still stand, what others have committed included.
    pub(crate) async fn still_stands(&self, grant: GrantId) -> Result<()> {
        let state = self.vault.ledger().sync().await?;
        self.vault.case_stands(grant.scope().case()).await?;
        let row = self.vault.row(&state, &RowKey::grant(grant)).await?;
        crate::policy::grant_stands(grant, row.as_ref())
    }

    async fn grant_row(&self, state: &State, grant: GrantId) -> Result<Row> {
        let row = self.vault.row(state, &RowKey::grant(grant)).await?;
        crate::policy::grant_stands(grant, row.as_ref())?;
        row.ok_or_else(|| Error::not_found(format!("grant {grant}")))
    }

    /// The versions that a grant reaches: for a snapshot, those newest when it was made.
    pub(super) async fn versions_in(
        &self,
        state: &State,
        grant: GrantId,
        row: &Row,
        mode: Mode,
    ) -> Result<Vec<(DocumentId, Row)>> {
        let made = match mode {
            Mode::Following => u64::MAX,
            Mode::Snapshot => self.made_at(state, grant, row).await?,
        };
        // A state that has superseded the one that is asked may be what shows the grant: of versions that were stored before
        // it was made the other one knows the older ones alone.
        let newest = self.vault.ledger().state();
        let state = if mode == Mode::Snapshot { &newest } else { state };
        let documents = match grant.scope() {
            Scope::Document(document) => {
                self.vault.row(state, &RowKey::document(document)).await?.into_iter().collect()
            }
            Scope::Case(case) => self.vault.all_rows(state, RowKey::documents(case)).await?,
        };
        let case = grant.scope().case();
        let versions: Vec<_> =
            documents.into_iter().map(|newest| self.version_at(state, case, newest, made)).collect();
        let versions: Vec<_> = stream::iter(versions).buffered(AT_ONCE).try_collect().await?;
        Ok(versions.into_iter().flatten().collect())
    }

    /// A document of which `newest` is the newest version, and the version that it had at record `made`.
    async fn version_at(
        &self,
        state: &State,
        case: CaseId,
        newest: Row,
        made: u64,
    ) -> Result<Option<(DocumentId, Row)>> {
        let document = DocumentId::new(case, newest.key.child_id());
        if newest.seq <= made {
            return Ok(Some((document, newest)));
        }
        let all = self.vault.all_rows(state, RowKey::versions(document)).await?;
        let then = all.into_iter().filter(|row| row.seq <= made).max_by_key(|row| row.seq);
        Ok(then.map(|row| (document, row)))
    }

    /// The record that made the grant, also when the newest row about it is its revocation.
    async fn made_at(&self, state: &State, grant: GrantId, row: &Row) -> Result<u64> {
        if row.kind == Kind::Granted {
            return Ok(row.seq);
        }
        let made = self.vault.row(state, &RowKey::operation(grant.operation())).await?;
        made.map(|made| made.seq).ok_or_else(|| Error::not_found(format!("grant {grant}")))
    }
}

/// Bytes of small documents that a delivery has in memory; of others they are read when they are given.
const HELD: usize = 16 << 20;
