//! Granting, revoking, and who can open what.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Session, browse::AT_ONCE};
use crate::{
    document::{REASON_CAP, within},
    env::{Timestamp, random},
    error::{Error, Result},
    grant::{GrantMeta, Mode, SealedTerms, Terms},
    head::{HeadKey, HeadType},
    ids::{DocumentId, GrantId, OperationId, Scope, VersionId},
    keyring::random_secret,
    ledger::State,
    log::{
        leaf::Kind,
        row::{Row, RowKey},
    },
    observe,
    plan::{self, Browsed},
    recipient::{Fingerprint, Recipient},
    vault::{Looked, NewHead, SlotInfo, slots_of},
};

/// Someone who can open a document by a grant, and on what terms.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Opener {
    /// The grant.
    pub grant: GrantId,
    /// Whom it is for.
    pub recipient: Fingerprint,
    /// Its terms' purpose.
    pub purpose: String,
    /// Which versions it reaches.
    pub mode: Mode,
    /// When it begins.
    pub not_before: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// When it was revoked: what had been delivered by then stays open to the recipient.
    pub revoked: Option<Timestamp>,
    /// Deliveries made.
    pub deliveries: u64,
}

/// Who can open a document, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct WhoCanOpen {
    /// Root keys that open the whole vault, recovery keys included.
    pub slots: Vec<SlotInfo>,
    /// Grants on the document and on its case, revoked ones too if something was delivered.
    pub grants: Vec<Opener>,
}

/// What a revocation has ended, and what it could not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RevocationReport {
    /// The grant.
    pub grant: GrantId,
    /// From this instant on nothing is delivered.
    pub revoked: Timestamp,
    /// The record of the revocation.
    pub seq: u64,
    /// When something was delivered before, oldest first: its recipient can open it for ever.
    pub delivered: Vec<Timestamp>,
    /// Versions that were delivered, or could have been, and so may stay exposed. Re-keying would not
    /// take back what was delivered, and what was not delivered needs none.
    pub exposed: Vec<(DocumentId, VersionId)>,
}

impl Session {
    /// Grants `recipient` a document or a whole case on `terms`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for terms without purpose, or that have ended by this
    /// machine's clock or the log's time; not found; denied for a closed case; the storage's.
    ///
    /// # Security
    ///
    /// The recipient's key seals a fresh grant key, never a case key: it opens what is delivered
    /// under the grant and nothing else.
    ///
    /// # Cancellation
    ///
    /// The grant may be made or not: [`Session::who_can_open`] tells.
    pub async fn grant(
        &self,
        scope: impl Into<Scope>,
        recipient: &Recipient,
        terms: Terms,
    ) -> Result<GrantId> {
        let scope = scope.into();
        observe::operation("Session::grant", (self.vault.id(), scope), async {
            terms.check()?;
            let case_key = self.known_case_key(scope.case()).await?;
            if let Scope::Document(document) = scope {
                self.document_row(document).await?;
            }
            let floor = self.vault.ledger().state().head.size;
            let (entropy, operation) = (self.vault.ledger().entropy(), self.operation()?);
            let id = self.vault.head_id(scope.case(), scope.object(), operation, HeadType::Grant);
            let (terms, key) = (SealedTerms { terms, floor }, random_secret(entropy)?);
            let info = terms.info(&id, recipient.id());
            let meta = GrantMeta {
                blind: random(entropy)?,
                recipient: Box::new(recipient.public_key().to_bytes()),
                sealed_key: recipient.public_key().seal(&info, &[], key.expose(), entropy)?,
                terms,
                key,
            };
            let head = NewHead {
                id,
                key: &HeadKey::generate(entropy)?,
                case_key: &case_key,
                meta: &meta.encode(),
                inline: &[],
                blind: &meta.blind,
                content_digest: &[0; 32],
            };
            let effect = self.vault.put_head(head).await?;
            let (origin, grant) = (self.origin.clone(), GrantId::new(scope, operation));
            let recipient = *recipient.id();
            let (terms, since) = (meta.terms, floor);
            let command = plan::Grant { origin, id: grant, recipient, terms, effect, case_key, since };
            self.commit(operation, command).await?;
            Ok(grant)
        })
        .await
    }

    /// Ends a grant, and says what stays exposed.
    ///
    /// Nothing more is begun under it; deliveries that run look before the first bytes after 64 MiB or 30
    /// seconds.
    ///
    /// # Errors
    ///
    /// Not found; denied if it was revoked before; erased, if its case is; the storage's. The last two also after the record
    /// stands, when the case is erased, or the storage fails, before the report is complete: then the grant is revoked, and
    /// [`Session::revocation`] tells the rest, if there is any.
    ///
    /// # Cancellation
    ///
    /// The grant may be revoked or not.
    pub async fn revoke(&self, grant: GrantId) -> Result<RevocationReport> {
        self.revoke_because(grant, "").await
    }

    /// [`Session::revoke`] with a reason, at most 4,096 bytes.
    ///
    /// # Errors
    ///
    /// As [`Session::revoke`].
    ///
    /// # Cancellation
    ///
    /// As [`Session::revoke`].
    pub async fn revoke_because(&self, grant: GrantId, reason: &str) -> Result<RevocationReport> {
        observe::operation("Session::revoke", (self.vault.id(), grant), async {
            within("the reason", reason, REASON_CAP)?;
            let row = self.vault.fresh_row(&RowKey::grant(grant)).await?;
            row.ok_or_else(|| Error::not_found(format!("grant {grant}")))?;
            let case_key = self.vault.case_key(grant.scope().case()).await?;
            let operation: OperationId = self.operation()?;
            let (origin, reason) = (self.origin.clone(), reason.to_owned());
            self.commit(operation, plan::Revoke { origin, operation, grant, case_key, reason }).await?;
            self.report_revocation(grant).await
        })
        .await
    }

    /// The report of a revocation, as [`Session::revoke`] gives it, also when that could not be told any more.
    ///
    /// # Errors
    ///
    /// Not found; denied if the grant is not revoked; corrupt; the storage's.
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// # use std::sync::Arc;
    /// # use docvault::{Identity, Recipient, Terms, Vault, keys::LocalKey, storage::MemoryStorage};
    /// # let folder = tempfile::tempdir()?;
    /// # let key = LocalKey::create(folder.path().join("vault.key"))?;
    /// # let vault = Vault::create(Arc::new(MemoryStorage::default()), key).await?;
    /// # let desk = vault.session("staff:7").purpose("onboarding").begin()?;
    /// # let case = desk.create_case("a loan").await?;
    /// # let lender = Identity::create(folder.path().join("identity"))?;
    /// # let lender = Recipient::verify(&lender.recipient_bytes(), &lender.fingerprint().to_string())?;
    /// let grant = desk.grant(case, &lender, Terms::read().purpose("assessment")).await?;
    /// let told = desk.revoke(grant).await?;
    /// assert_eq!(desk.revocation(grant).await?, told);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn revocation(&self, grant: GrantId) -> Result<RevocationReport> {
        observe::operation("Session::revocation", (self.vault.id(), grant), async {
            self.browse(Browsed::Revocation(grant.scope()), 1).await?;
            self.report_revocation(grant).await
        })
        .await
    }

    async fn report_revocation(&self, grant: GrantId) -> Result<RevocationReport> {
        let state = self.vault.ledger().state();
        let row = self.vault.row(&state, &RowKey::grant(grant)).await?;
        let row = row.ok_or_else(|| Error::not_found(format!("grant {grant}")))?;
        if row.kind != Kind::Revoked {
            return Err(Error::denied(format!("grant {grant} is not revoked")));
        }
        // The row may be of a state that has superseded that one; behind it no delivery comes.
        let state = self.vault.ledger().state();
        let deliveries = self.deliveries(&state, grant).await?;
        let exposed = match deliveries.last() {
            None => Vec::new(),
            Some(last) => self.exposed(&state, grant, &row, last.seq).await?,
        };
        let delivered = deliveries.iter().map(|delivery| delivery.time).collect();
        Ok(RevocationReport { grant, revoked: row.time, seq: row.seq, delivered, exposed })
    }

    /// Versions that deliveries up to record `last` may have held.
    async fn exposed(
        &self,
        state: &State,
        grant: GrantId,
        row: &Row,
        last: u64,
    ) -> Result<Vec<(DocumentId, VersionId)>> {
        let mode = self.vault.grant_head(grant, row).await?.meta.terms.terms.mode;
        let documents = self.versions_in(state, grant, row, mode).await?;
        let versions: Vec<_> = documents
            .into_iter()
            .map(|(document, newest)| async move {
                let rows = match mode {
                    Mode::Snapshot => vec![newest],
                    Mode::Following => self.vault.all_rows(state, RowKey::versions(document)).await?,
                };
                let delivered = rows.into_iter().filter(|row| row.seq <= last);
                Ok::<Vec<_>, Error>(delivered.map(|row| (document, plan::version(&row))).collect())
            })
            .collect();
        let exposed: Vec<Vec<_>> = stream::iter(versions).buffered(AT_ONCE).try_collect().await?;
        Ok(exposed.concat())
    }

    /// Who can open a document, and why: root keys, and grants on it and on its case.
    ///
    /// # Errors
    ///
    /// Not found; corrupt; the storage's.
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn who_can_open(&self, document: DocumentId) -> Result<WhoCanOpen> {
        observe::operation("Session::who_can_open", (self.vault.id(), document), async {
            self.document_row(document).await?;
            self.browse(Browsed::WhoCanOpen(document), 1).await?;
            let state = self.vault.ledger().state();
            let slots = slots_of(&self.vault.current_keyring().await?.keys);
            let (mut grants, looked) = (Vec::new(), Looked::at(self.vault.now()));
            for scope in [Scope::Document(document), Scope::Case(document.case())] {
                let rows = self.vault.all_rows(&state, RowKey::grants(scope)).await?;
                let openers = rows.iter().map(|row| {
                    let grant = GrantId::new(scope, OperationId::from_bytes(row.key.child_id()));
                    self.opener(grant, row)
                });
                let openers: Vec<_> = openers.collect();
                let openers: Vec<Opener> = stream::iter(openers).buffered(AT_ONCE).try_collect().await?;
                let matter = |opener: &Opener| opener.revoked.is_none() || opener.deliveries > 0;
                grants.extend(openers.into_iter().filter(matter));
            }
            self.vault.still_stands(document.case(), &looked).await?;
            Ok(WhoCanOpen { slots, grants })
        })
        .await
    }

    async fn opener(&self, grant: GrantId, row: &Row) -> Result<Opener> {
        // As new as what shows the row, at least: one that shows it as revoked has all of its deliveries.
        let state = self.vault.ledger().state();
        let meta = self.vault.grant_head(grant, row).await?.meta;
        let Terms { mode, purpose, not_before, until } = meta.terms.terms;
        Ok(Opener {
            grant,
            recipient: Fingerprint::of_recipient(&meta.recipient),
            purpose,
            mode,
            not_before,
            until,
            revoked: (row.kind == Kind::Revoked).then_some(row.time),
            deliveries: u64::try_from(self.deliveries(&state, grant).await?.len()).unwrap_or(u64::MAX),
        })
    }

    /// The grant's deliveries, oldest first.
    async fn deliveries(&self, state: &State, grant: GrantId) -> Result<Vec<Row>> {
        let mut rows = self.vault.all_rows(state, RowKey::deliveries(grant)).await?;
        rows.sort_by_key(|row| row.seq);
        Ok(rows)
    }
}
