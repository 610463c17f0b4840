//! Statements about a case: what an application puts on record, sealed like everything else.

use super::Session;
use crate::{
    document::ContentDigest,
    env::{Timestamp, random},
    error::{Error, ErrorKind, Result},
    ids::{CaseId, OperationId},
    log::{
        row::{Row, RowKey},
        topic::{self, TOPIC_CAP},
    },
    observe,
    plan::{self, Browsed, CLAIM_CAP, Follows, MakeStatement, PAYLOAD_CAP, Said},
    secret::SecretBytes,
    wire::Malformed,
};

/// A statement about to be made about a case.
///
/// It has a *topic*, which an auditor sees; a *payload*, which only the case's key opens and which is erased
/// with the case; and, if outsiders are to be shown something of it, a *claim*: [`Session::receipt`] proves its
/// SHA-256, and the digest of the content it is about, to whoever is given the claim's bytes.
#[derive(Debug)]
#[non_exhaustive]
pub struct NewStatement {
    topic: String,
    payload: SecretBytes,
    claim: Vec<u8>,
    digest: Option<ContentDigest>,
    follows: Follows,
    /// Whether a layer of this crate makes it, which alone may use a reserved topic.
    internal: bool,
}

impl NewStatement {
    /// A statement with this topic: 1 to 64 of `a`–`z`, `0`–`9`, `.` and `-`. It must name nobody. Those that begin with
    /// `intake.` are the case files' own.
    #[must_use]
    pub fn on(topic: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            payload: SecretBytes::default(),
            claim: Vec::new(),
            digest: None,
            follows: Follows::Any,
            internal: false,
        }
    }

    /// A statement of a layer of this crate, on a topic that is reserved for it.
    #[cfg(feature = "intake")]
    pub(crate) fn of_this_crate(topic: &str) -> Self {
        Self { internal: true, ..Self::on(topic) }
    }

    /// A statement as a modified program makes it, on a topic that is not its own.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    #[must_use]
    pub fn forged(topic: impl Into<String>) -> Self {
        Self { internal: true, ..Self::on(topic) }
    }

    /// What it says; 48 KiB at most.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.payload = SecretBytes::new(payload.into());
        self
    }

    /// What a receipt can prove that it says; 4 KiB at most. Until somebody is given it, it is sealed like the
    /// payload.
    #[must_use]
    pub fn claim(mut self, claim: impl Into<Vec<u8>>) -> Self {
        self.claim = claim.into();
        self
    }

    /// The content that the claim is about, which a receipt names.
    #[must_use]
    pub const fn content(mut self, digest: ContentDigest) -> Self {
        self.digest = Some(digest);
        self
    }

    /// Lets it be made only if `newest` is the newest statement about the case, or none is: what was decided
    /// on one state is not put on another.
    #[must_use]
    pub const fn follows(mut self, newest: Option<OperationId>) -> Self {
        self.follows = Follows::Newest(newest);
        self
    }

    fn check(&self) -> Result<()> {
        if !topic::is_topic(&self.topic) {
            return Err(Error::invalid(format!("a topic is 1 to {TOPIC_CAP} of a-z, 0-9, '.' and '-'")));
        }
        if self.topic.starts_with(topic::RESERVED) && !self.internal {
            let reserved = topic::RESERVED;
            return Err(Error::invalid(format!(
                "topics that begin with `{reserved}` are the case files' own: use another topic"
            )));
        }
        for (what, len, cap) in
            [("claim", self.claim.len(), CLAIM_CAP), ("payload", self.payload.len(), PAYLOAD_CAP)]
        {
            if len > cap {
                return Err(Error::invalid(format!("the {what} has {len} bytes; at most {cap} are kept")));
            }
        }
        Ok(())
    }
}

/// A statement that stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MadeStatement {
    /// The statement.
    pub id: OperationId,
    /// The record's number.
    pub seq: u64,
    /// The record's time.
    pub time: Timestamp,
}

/// A statement as it was made.
#[derive(Debug)]
#[non_exhaustive]
pub struct Statement {
    /// The case it is about.
    pub case: CaseId,
    /// The statement, its record's number and time.
    pub made: MadeStatement,
    /// The newest statement about the case before it.
    pub previous: Option<OperationId>,
    /// By whom.
    pub actor: String,
    /// What for.
    pub purpose: String,
    /// Its topic.
    pub topic: String,
    /// What it says.
    pub payload: SecretBytes,
    /// What a receipt proves that it says; empty if nothing.
    pub claim: Vec<u8>,
    /// The content that the claim is about.
    pub content: Option<ContentDigest>,
}

/// A page of statements.
#[derive(Debug)]
#[non_exhaustive]
pub struct StatementPage<Next> {
    /// Up to 1,000 statements.
    pub statements: Vec<Statement>,
    /// Where the next page begins; none after the last.
    pub next: Option<Next>,
}

impl Session {
    /// Puts a statement about an open case on record.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Superseded`] if the case's newest statement is not the one it has to follow; invalid if
    /// something is too long, or the topic is reserved; [`ErrorKind::NotFound`], [`ErrorKind::Denied`] if the case is closed; the storage's;
    /// see [`Session::outcome`].
    ///
    /// # Cancellation
    ///
    /// It may be made or not.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use docvault::{ErrorKind, NewStatement, Vault, keys::LocalKey, storage::MemoryStorage};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let key = LocalKey::create(folder.path().join("vault.key"))?;
    /// let vault = Vault::create(MemoryStorage::default(), key).await?;
    /// let desk = vault.session("user:1").purpose("review").begin()?;
    /// let case = desk.create_case("Juan Pérez, crédito 0042").await?;
    ///
    /// let first = NewStatement::on("review.approved").payload("income is plausible").follows(None);
    /// let made = desk.make_statement(case, first).await?;
    ///
    /// // Decided on a state that is no longer: refused.
    /// let late = desk.make_statement(case, NewStatement::on("review.rejected").follows(None)).await;
    /// assert_eq!(late.unwrap_err().kind(), ErrorKind::Superseded);
    ///
    /// let newest = desk.newest_statement(case).await?.expect("one was made");
    /// assert_eq!((newest.made.id, newest.payload.as_slice()), (made.id, b"income is plausible".as_slice()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn make_statement(&self, case: CaseId, statement: NewStatement) -> Result<MadeStatement> {
        observe::operation("Session::make_statement", (self.vault.id(), case), async {
            let command = self.statement(case, statement).await?;
            let id = command.operation;
            let committed = self.commit(id, command).await?;
            Ok(MadeStatement { id, seq: committed.seq, time: committed.time })
        })
        .await
    }

    /// The command that makes a statement.
    pub(crate) async fn statement(&self, case: CaseId, new: NewStatement) -> Result<MakeStatement> {
        new.check()?;
        let case_key = self.known_case_key(case).await?;
        let NewStatement { topic, payload, claim, digest, follows, .. } = new;
        let said = Said { blind: random(self.vault.ledger().entropy())?, digest, claim, payload };
        let (origin, operation) = (self.origin.clone(), self.operation()?);
        Ok(MakeStatement { origin, operation, case, case_key, topic, said, follows })
    }

    /// The newest statement about a case.
    ///
    /// # Errors
    ///
    /// Not found or erased for the case; corrupt; the storage's. If the look cannot be put on record, nothing is
    /// released.
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn newest_statement(&self, case: CaseId) -> Result<Option<Statement>> {
        observe::operation("Session::newest_statement", (self.vault.id(), case), async {
            self.known_case_key(case).await?;
            self.browse(Browsed::Statements(Some(case)), 1).await?;
            match self.vault.row(&self.vault.ledger().state(), &RowKey::newest_statement(case)).await? {
                Some(row) => self.read_statement(case, &row).await.map(Some),
                None => Ok(None),
            }
        })
        .await
    }

    /// One statement about a case.
    ///
    /// # Errors
    ///
    /// Not found if there is no such statement about this case; as [`Session::newest_statement`].
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn one_statement(&self, case: CaseId, id: OperationId) -> Result<Statement> {
        observe::operation("Session::one_statement", (self.vault.id(), case), async {
            self.known_case_key(case).await?;
            self.browse(Browsed::Statements(Some(case)), 1).await?;
            let missing = || Error::not_found(format!("statement {id} about case {case}"));
            let state = self.vault.ledger().state();
            let made = self.vault.row(&state, &RowKey::operation(id)).await?.ok_or_else(missing)?;
            let row = self.vault.row(&state, &RowKey::statement(case, made.seq)).await?;
            self.read_statement(case, &row.filter(|row| row.operation == id).ok_or_else(missing)?).await
        })
        .await
    }

    /// A page of the statements about a case, the newest first, from record `start` on downwards.
    ///
    /// # Errors
    ///
    /// As [`Session::newest_statement`].
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn statements(&self, case: CaseId, start: Option<u64>) -> Result<StatementPage<u64>> {
        observe::operation("Session::statements", (self.vault.id(), case), async {
            self.known_case_key(case).await?;
            let from = start.map_or(RowKey::statements(case), |seq| RowKey::statement(case, seq));
            let read = |row: Row| async move { self.read_statement(case, &row).await };
            let (statements, next) =
                self.page(&from, Browsed::Statements(Some(case)), |_| case, read).await?;
            Ok(StatementPage { statements, next: next.map(|row| row.seq) })
        })
        .await
    }

    /// A page of the newest statements about all cases that have one, by case, from `start` on; those of erased
    /// cases are left out.
    ///
    /// # Errors
    ///
    /// As [`Session::cases`].
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn newest_statements(&self, start: Option<CaseId>) -> Result<StatementPage<CaseId>> {
        observe::operation("Session::newest_statements", self.vault.id(), async {
            let from = start.map_or(RowKey::newest_statements(), RowKey::newest_statement);
            let read = |row: Row| async move {
                match self.read_statement(plan::case_of(&row), &row).await {
                    Err(error) if error.kind() == ErrorKind::Erased => Ok(None),
                    read => read.map(Some),
                }
            };
            let (read, next) = self.page(&from, Browsed::Statements(None), plan::case_of, read).await?;
            let statements = read.into_iter().flatten().collect();
            Ok(StatementPage { statements, next: next.as_ref().map(plan::case_of) })
        })
        .await
    }

    async fn read_statement(&self, case: CaseId, row: &Row) -> Result<Statement> {
        let corrupt = |Malformed| Error::corrupt(format!("record {}", row.seq));
        let (outer, personal) = self.vault.opened(case, row).await?;
        let said = Said::parse(&personal).map_err(corrupt)?;
        let topic = topic::topic(&outer.details).map_err(corrupt)?;
        if said.effect() != row.effect {
            return Err(corrupt(Malformed));
        }
        let previous = crate::log::leaf::auxiliary_operation(&row.auxiliary);
        let made = MadeStatement { id: row.operation, seq: row.seq, time: row.time };
        Ok(Statement {
            case,
            made,
            previous: (previous.as_bytes() != &[0; 16]).then_some(previous),
            actor: outer.actor,
            purpose: outer.purpose,
            topic,
            payload: said.payload,
            claim: said.claim,
            content: said.digest,
        })
    }

    /// What a statement's effect commitment was made of.
    pub(super) async fn said(&self, case: CaseId, seq: u64) -> Result<Said> {
        let row = self.vault.fresh_row(&RowKey::statement(case, seq)).await?;
        let row = row.ok_or_else(|| Error::corrupt(format!("record {seq}")))?;
        let personal = self.vault.personal(case, &row).await?;
        Said::parse(&personal).map_err(|Malformed| Error::corrupt(format!("record {seq}")))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use futures_lite::future::block_on;

    use super::*;
    use crate::{
        Vault,
        keys::LocalKey,
        ledger::{Command, Draft, View},
        plan::{Follows, MakeStatement},
        storage::MemoryStorage,
    };

    /// A statement whose record commits to something else than its body says.
    struct Otherwise(MakeStatement, [u8; 32]);

    #[async_trait]
    impl Command for Otherwise {
        async fn plan(&self, view: &View<'_>) -> Result<Draft> {
            Ok(Draft { effect: self.1, ..self.0.plan(view).await? })
        }
    }

    /// By who has every key, and would show an outsider, who is shown the commitment, another claim than the office.
    #[test]
    fn a_statement_is_what_its_record_commits_to() {
        for (effect, refused) in [(None, None), (Some([9; 32]), Some(ErrorKind::Corrupt))] {
            block_on(async {
                let folder = tempfile::tempdir().expect("a folder");
                let root = LocalKey::create(folder.path().join("key")).expect("a key");
                let vault = Vault::create(Arc::<MemoryStorage>::default(), root).await.expect("a vault");
                let desk = vault.session("a").purpose("p").begin().expect("a session");
                let case = desk.create_case("c").await.expect("a case");
                let (origin, operation) = (desk.origin().clone(), desk.operation().expect("entropy"));
                let (case_key, topic) = (vault.case_key(case).await.expect("its key"), "t".to_owned());
                let payload = SecretBytes::new(Vec::new());
                let said = Said { blind: [1; 32], digest: None, claim: b"claim".to_vec(), payload };
                let effect = effect.unwrap_or(said.effect());
                let follows = Follows::Any;
                let made = MakeStatement { origin, operation, case, case_key, topic, said, follows };
                vault.commit(operation, Otherwise(made, effect)).await.expect("it is signed");
                let kinds = [
                    desk.newest_statement(case).await.map(drop),
                    desk.statements(case, None).await.map(drop),
                    desk.newest_statements(None).await.map(drop),
                ];
                let kinds = kinds.map(|read| read.err().map(|error| error.kind()));
                assert_eq!(kinds, [refused; 3]);
            });
        }
    }
}
