//! Cases in a vault: each command is decided on the newest state and put on record, or refused.

mod answer;
mod error;
mod file;
mod inspect;
mod listing;
mod request;
mod source;
mod submission;
mod submit;
mod take_in;

use core::fmt;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

pub use error::IntakeError;
pub use file::CaseFile;
pub use inspect::{Examined, Inspection, Inspector, MediaTypes};
pub use listing::{CaseFilePage, CaseHistory, PastEvent};
pub use request::NewRequest;
pub use source::{Chunks, Content, NewFile};
pub use submission::{AcceptedSubmission, NewSubmission, Submitted};

use crate::{
    CaseId, ContentDigest, DocumentId, ErrorKind, NewCase, NewStatement, OperationId, Reader, Session,
    intake::{
        Actor, CaseState, Command, Key, Opening, Refusal, Statement, StatementError, Template, TemplateHash,
    },
};

/// The result of an operation of a [`Desk`].
pub(super) type Result<T, E = IntakeError> = core::result::Result<T, E>;

/// The case files of a vault, in the hands of one actor for one purpose: a [`Session`] that knows what a case
/// needs.
///
/// Everything it does is a statement in the vault's log; nothing is kept elsewhere. Several desks, in several
/// processes, may work on a case at once: what is decided on a state that others have changed is decided anew.
///
/// # Examples
///
/// ```
/// # futures_lite::future::block_on(async {
/// use docvault::{Vault, intake::{Command, Desk, NewFile, NewSubmission, Opening, Template}, keys::LocalKey, storage::MemoryStorage};
///
/// # let folder = tempfile::tempdir()?;
/// # let key = LocalKey::create(folder.path().join("vault.key"))?;
/// let vault = Vault::create(MemoryStorage::default(), key).await?;
/// let template = Template::from_toml(r#"
///     format = 1
///     name = "membership"
///     version = 1
///     language = "en"
///     title = { en = "Membership" }
///
///     [[requirements]]
///     key = "form"
///     title = { en = "Signed form" }
///     files = { media_types = ["application/pdf"], max_bytes = 1_000_000 }
/// "#)?;
/// let executive = Desk::new(vault.session("user:7").purpose("membership").begin()?);
/// let case = executive.open_case("Juan Pérez", &template, Opening::new("client:42")).await?;
///
/// let form = NewFile::from_memory("form.pdf", "application/pdf", b"%PDF-1.7 ...".to_vec());
/// let handed_in = NewSubmission::direct().file(form);
/// let submitted = executive.submit(case, &"form".parse()?, handed_in).await?.accepted().expect("it is a PDF");
///
/// let reviewer = Desk::new(vault.session("user:9").purpose("membership").begin()?).role("reviewer".parse()?);
/// reviewer.act(case, submitted.approve()).await?;
/// let done = reviewer.act(case, Command::Complete).await?;
/// assert_eq!(done.status(vault.now())?.percent, 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Desk {
    session: Session,
    actor: Actor,
    inspectors: Vec<Arc<dyn Inspector>>,
    templates: Arc<Mutex<BTreeMap<TemplateHash, Arc<Template>>>>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("session", &self.session)
            .field("actor", &self.actor)
            .finish_non_exhaustive()
    }
}

impl Desk {
    /// The cases of the session's vault, as its actor, who has no role yet.
    #[must_use]
    pub fn new(session: Session) -> Self {
        let actor = Actor::new(session.actor());
        Self { session, actor, inspectors: vec![Arc::new(MediaTypes)], templates: Arc::default() }
    }

    /// Gives the actor a role.
    ///
    /// # Security
    ///
    /// As for [`Actor`]: the application says who has which.
    #[must_use]
    pub fn role(mut self, role: Key) -> Self {
        self.actor = self.actor.with_role(role);
        self
    }

    /// Adds an inspector, behind those there are.
    #[must_use]
    pub fn inspector(mut self, inspector: impl Inspector + 'static) -> Self {
        self.inspectors.push(Arc::new(inspector));
        self
    }

    /// The session.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Who acts.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Opens a case in the vault and makes it a case file.
    ///
    /// # Errors
    ///
    /// [`IntakeError::Refused`] for what does not fit; the vault's.
    ///
    /// # Cancellation
    ///
    /// The vault's case may be there, and no case file yet: [`Desk::open_in`] makes it one.
    pub async fn open_case(
        &self,
        case: impl Into<NewCase>,
        template: &Template,
        opening: Opening,
    ) -> Result<CaseId> {
        // Refused before anything is there.
        CaseState::open(template, opening.clone(), self.session.vault().now(), &self.actor)?;
        let case = self.session.create_case(case).await?;
        self.open_in(case, template, opening).await?;
        Ok(case)
    }

    /// Makes a case of the vault a case file.
    ///
    /// # Errors
    ///
    /// As [`Desk::open_case`]; [`ErrorKind::Superseded`] if something was stated about the case already.
    ///
    /// # Cancellation
    ///
    /// It may be one or not.
    pub async fn open_in(&self, case: CaseId, template: &Template, opening: Opening) -> Result<CaseFile> {
        let event = CaseState::open(template, opening, self.session.vault().now(), &self.actor)?;
        let statement = Statement::opening(template, event).ok_or(StatementError)?;
        let made = self.session.make_statement(case, new_statement(&statement).follows(None)).await?;
        let template = self.remember(template.clone());
        let (opening, newest, seq) = (made.id, made.id, made.seq);
        Ok(CaseFile { case, state: statement.state, template, opening, newest, seq })
    }

    /// The case as it is now.
    ///
    /// A document that was changed outside intake, since it was handed in, is taken note of first: a requirement
    /// that rests on other bytes than those that were approved is to be reviewed again.
    ///
    /// # Errors
    ///
    /// [`IntakeError::NoCaseFile`]; [`IntakeError::Statement`] if its newest statement is none of this crate's;
    /// [`IntakeError::Contended`]; the vault's, [`ErrorKind::NotFound`] if there is no such case.
    ///
    /// # Cancellation
    ///
    /// That a document was changed may be on record, as the looks; nothing was released.
    pub async fn case(&self, case: CaseId) -> Result<CaseFile> {
        for _ in 0..TRIES {
            let file = self.load(case).await?;
            let Some(command) = self.overtaken(&file).await? else { return Ok(file) };
            self.put_on_record(&file, command, None).await?;
        }
        Err(IntakeError::Contended)
    }

    /// Does what `command` says, or says why not; gives the case after it.
    ///
    /// It takes what people decide and say. What a desk has to store, find or sign itself, it does by
    /// [`Desk::submit`], [`Desk::take_in`], [`Desk::case`] and [`Desk::request`] alone.
    ///
    /// What is decided on a version names it, so nothing is approved that was not looked at. Everything else is
    /// decided anew, here, if others change the case meanwhile.
    ///
    /// # Errors
    ///
    /// [`IntakeError::Refused`], with [`Refusal::NotByHand`] if another method does it; as [`Desk::case`].
    ///
    /// # Cancellation
    ///
    /// It may have happened or not: [`Desk::case`] tells.
    pub async fn act(&self, case: CaseId, command: Command) -> Result<CaseFile> {
        if let Some(method) = command.made_by() {
            return Err(Refusal::NotByHand { method: method.to_owned() }.into());
        }
        self.act_on(self.case(case).await?, command).await
    }

    /// [`Desk::act`] on a case that was just read.
    async fn act_on(&self, mut file: CaseFile, command: Command) -> Result<CaseFile> {
        for _ in 0..TRIES {
            if let Some(after) = self.put_on_record(&file, command.clone(), None).await? {
                return Ok(after);
            }
            file = self.case(file.case).await?;
        }
        Err(IntakeError::Contended)
    }

    /// Opens what was handed in for a requirement, the newest version, unless it is confidential and the actor no
    /// reviewer; on record as every reading.
    ///
    /// # Errors
    ///
    /// [`Refusal::Confidential`], [`Refusal::NothingThere`]; as [`Session::reader`].
    ///
    /// # Security
    ///
    /// The roles are the application's word, and [`Session::reader`] asks for none: hand out desks, and keep
    /// sessions.
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn read(&self, case: CaseId, requirement: &Key) -> Result<Reader> {
        let file = self.case(case).await?;
        file.state.may_open(&file.template, requirement, &self.actor)?;
        let missing = || Refusal::NothingThere { requirement: requirement.clone() };
        Ok(self.session.reader(file.document_of(requirement).ok_or_else(missing)?).await?)
    }

    /// Decides a command on `file` and puts it on record; none if the case has changed since. `claim` is what is
    /// claimed of it, if it is not what the event says itself.
    async fn put_on_record(
        &self,
        file: &CaseFile,
        command: Command,
        claim: Option<ClaimedContent>,
    ) -> Result<Option<CaseFile>> {
        let statement = self.decided(file, command)?;
        match self.session.make_statement(file.case, stating(&statement, file, claim)).await {
            Err(error) if error.kind() == ErrorKind::Superseded => Ok(None),
            made => {
                let made = made?;
                Ok(Some(file.after(statement, made.id, made.seq)))
            }
        }
    }

    /// The statement of what `command` does to `file`.
    fn decided(&self, file: &CaseFile, command: Command) -> Result<Statement, Refusal> {
        let now = self.session.vault().now();
        Ok(file.following(file.state.decide(&file.template, command, now, &self.actor)?))
    }

    /// The case as its newest statement of intake has it. An application may state other things about it.
    async fn load(&self, case: CaseId) -> Result<CaseFile> {
        let missing = || IntakeError::NoCaseFile(case);
        let newest = self.session.newest_statement(case).await?.ok_or_else(missing)?;
        let follows = newest.made.id;
        let found = self.latest_of_intake(newest).await?.ok_or_else(missing)?;
        self.file_of(&found, follows).await
    }

    async fn latest_of_intake(&self, mut newest: crate::Statement) -> Result<Option<crate::Statement>> {
        while !newest.topic.starts_with(TOPICS) {
            let Some(previous) = newest.previous else { return Ok(None) };
            newest = self.session.one_statement(newest.case, previous).await?;
        }
        Ok(Some(newest))
    }

    /// The case that a statement tells of, behind which the newest one may be another's.
    async fn file_of(&self, found: &crate::Statement, newest: OperationId) -> Result<CaseFile> {
        let statement = own(found)?;
        let opening = statement.opening.unwrap_or(found.made.id);
        let template = match statement.template {
            Some(template) => self.remember(template),
            None => self.template(found.case, opening, statement.state.template()).await?,
        };
        let (case, state, seq) = (found.case, statement.state, found.made.seq);
        Ok(CaseFile { case, state, template, opening, newest, seq })
    }

    /// A template by its hash, which authenticates it, from memory or from the statement that opened a case.
    async fn template(
        &self,
        case: CaseId,
        opening: OperationId,
        hash: TemplateHash,
    ) -> Result<Arc<Template>> {
        let known = self.templates.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned();
        if let Some(template) = known {
            return Ok(template);
        }
        let opened = self.session.one_statement(case, opening).await?;
        let template = own(&opened)?.template.filter(|found| found.hash() == hash);
        Ok(self.remember(template.ok_or(StatementError)?))
    }

    fn remember(&self, template: Template) -> Arc<Template> {
        let mut templates = self.templates.lock().unwrap_or_else(PoisonError::into_inner);
        if templates.len() >= TEMPLATES {
            templates.clear();
        }
        templates.entry(template.hash()).or_insert_with(|| Arc::new(template)).clone()
    }

    /// What takes note of the first version that was stored outside intake, if there is one.
    async fn overtaken(&self, file: &CaseFile) -> Result<Option<Command>> {
        match self.overtaken_in(core::slice::from_ref(file)).await?.into_iter().next() {
            Some((_, requirement, document)) => self.newer(requirement, document).await.map(Some),
            None => Ok(None),
        }
    }

    /// The requirements, each by the number of its case, whose document has a newer version than was handed in.
    async fn overtaken_in(&self, files: &[CaseFile]) -> Result<Vec<(usize, Key, DocumentId)>> {
        let current: Vec<_> = (0..)
            .zip(files)
            .flat_map(|(at, file): (usize, _)| file.current().into_iter().map(move |current| (at, current)))
            .collect();
        let documents: Vec<DocumentId> = current.iter().map(|(_, (_, document, _))| *document).collect();
        let newest = self.session.newest_versions(&documents).await?;
        let overtaken =
            current.into_iter().zip(newest).filter_map(|((at, (requirement, document, version)), newest)| {
                newest.is_some_and(|newest| newest != version).then_some((at, requirement, document))
            });
        Ok(overtaken.collect())
    }

    async fn newer(&self, requirement: Key, document: DocumentId) -> Result<Command> {
        let found = self.session.describe(document).await?;
        Ok(Command::SeeNewerVersion { requirement, version: found.version, digest: found.digest })
    }
}

/// A claim, and the digest of the content that it is about.
type ClaimedContent = (Vec<u8>, ContentDigest);

/// The vault's statement of one of ours, behind which nothing may have been stated since `file` was read.
fn stating(statement: &Statement, file: &CaseFile, claim: Option<ClaimedContent>) -> NewStatement {
    let new = new_statement(statement).follows(Some(file.newest));
    match claim {
        Some((claim, digest)) => new.claim(claim).content(digest),
        None => new,
    }
}

/// What a statement of the vault says of a case, if a desk of its actor has made it: whoever else writes to the log
/// decides for nobody, and brings no other case's document in.
fn own(found: &crate::Statement) -> Result<Statement, StatementError> {
    let statement = Statement::parse(&found.payload)?;
    let event = &statement.event;
    let documents = statement.state.requirements().values().filter_map(|requirement| requirement.document);
    let fits = found.topic == event.change.topic()
        && found.actor == event.by
        && documents.into_iter().all(|document| document.case() == found.case);
    if fits { Ok(statement) } else { Err(StatementError) }
}

fn new_statement(statement: &Statement) -> NewStatement {
    let event = &statement.event;
    NewStatement::of_this_crate(event.change.topic()).payload(statement.to_json()).claim(event.claim())
}

/// How often a decision is taken anew on what others have changed.
pub(super) const TRIES: u32 = 16;
/// What every topic of intake begins with (FORMAT §12.2).
pub(super) const TOPICS: &str = "intake.";
/// Templates kept in memory.
const TEMPLATES: usize = 64;

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::{Vault, keys::LocalKey, storage::MemoryStorage};

    #[test]
    fn a_desk_that_meets_ever_more_templates_remembers_so_many() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let key = LocalKey::create(folder.path().join("key")).expect("a fresh key file");
        let vault = block_on(Vault::create(MemoryStorage::default(), key)).expect("an empty storage");
        let desk = Desk::new(vault.session("user:1").purpose("loans").begin().expect("a session"));
        let loan = Template::personal_loan().to_canonical_json();
        let version = |version: usize| loan.replacen("\"version\":1,", &format!("\"version\":{version},"), 1);
        for number in 1..=2 * TEMPLATES + 1 {
            let template = Template::from_json(&version(number)).expect("a template");
            assert_eq!(*desk.remember(template.clone()), template);
            let kept = desk.templates.lock().expect("nobody panicked");
            assert!(kept.len() <= TEMPLATES && kept.contains_key(&template.hash()), "{number}");
        }
    }
}
