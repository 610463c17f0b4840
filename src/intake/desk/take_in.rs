//! Taking in what was deposited for a request.

use std::sync::Arc;

use super::{
    CaseFile, Desk, IntakeError, NewFile, NewSubmission, Result, Submitted, TRIES, source::Deposited,
};
use crate::{
    CaseId, ErrorKind, Statement,
    deposit::{Inbox, IncomingDeposit, Promise, Verdict},
    intake::{Change, Command, Date, Event, Form, Key, Origin, Refusal, Requirement, case::COMMENT_CAP},
};

impl Desk {
    /// Takes in a deposit, or sets it aside: inspected and decided as by [`Desk::submit`], and sealed anew, under
    /// a key that its client never had. What the client remarked becomes a comment. Then [`Desk::answer`] it.
    ///
    /// # Errors
    ///
    /// [`Refusal::AlreadyTaken`] if it was dealt with before;
    /// [`IntakeError::ForeignDeposit`]; corrupt if it is not what its client sealed; as [`Desk::submit`]. What its client
    /// sealed so that nobody can read it is set aside, and refused.
    ///
    /// # Cancellation
    ///
    /// As [`Desk::submit`]; do it again: [`Refusal::AlreadyTaken`] then says that it has happened, and what the client
    /// remarked is a comment, once, also if it had been left out.
    pub async fn take_in(&self, case: CaseId, inbox: &Inbox, promise: &Promise) -> Result<Submitted> {
        let file = self.case(case).await?;
        let requirement = requirement_of(&file, promise)?;
        let deposit = match inbox.deposit(promise).await {
            Err(error) if error.kind() == ErrorKind::Unreadable => {
                return self.refuse_deposit(file, &requirement, promise).await;
            }
            opened => Arc::new(opened?),
        };
        let taken = self.take_deposit(file, &requirement, &deposit).await;
        match &taken {
            Ok(Submitted::Accepted(accepted)) => {
                self.remark(accepted.file.clone(), &requirement, &deposit).await?;
            }
            // It may have been taken in by somebody who did not come to the remark.
            Err(IntakeError::Refused(Refusal::AlreadyTaken)) => {
                self.remark_missing(case, &requirement, &deposit).await?;
            }
            _ => {}
        }
        taken
    }

    async fn take_deposit(
        &self,
        file: CaseFile,
        requirement: &Key,
        deposit: &Arc<IncomingDeposit>,
    ) -> Result<Submitted> {
        // Its parts may be gone, and need not be read.
        not_taken(&file, deposit.promise())?;
        let rule = file.template().requirement(requirement.as_str());
        let submission = submission(rule.ok_or(IntakeError::ForeignDeposit(deposit.id()))?, deposit);
        let case = file.case();
        let claims = |verdict| {
            let now = self.session.vault().now();
            let claim = deposit.claim(case, requirement.as_str(), verdict, now);
            Ok((claim.to_bytes()?, claim.content_digest()))
        };
        self.hand_in(file, requirement, &submission, Some(&claims)).await
    }

    /// Sets a deposit aside that its client has sealed so that nobody can open it.
    async fn refuse_deposit(
        &self,
        file: CaseFile,
        requirement: &Key,
        promise: &Promise,
    ) -> Result<Submitted> {
        not_taken(&file, promise)?;
        let (case, said) = (file.case(), NewSubmission::from(origin(promise)));
        let claims = |_| {
            let claim =
                promise.refusal(case, requirement.as_str(), Verdict::UNREADABLE, self.session.vault().now());
            Ok((claim.to_bytes()?, claim.content_digest()))
        };
        self.refuse_unreadable(file, requirement, &said, &claims).await
    }

    /// Puts on record what a client remarked, in `file`, in which there is none yet, unless somebody else does.
    async fn remark(&self, file: CaseFile, requirement: &Key, deposit: &IncomingDeposit) -> Result<()> {
        let Some(comment) = remark_of(requirement, deposit) else { return Ok(()) };
        match self.put_on_record(&file, comment, None).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => self.remark_missing(file.case, requirement, deposit).await,
            // A remark that cannot be kept keeps no document out.
            Err(IntakeError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// [`Desk::remark`] if the deposit is in the case and its remark is not.
    async fn remark_missing(&self, case: CaseId, requirement: &Key, deposit: &IncomingDeposit) -> Result<()> {
        let Some(comment) = remark_of(requirement, deposit) else { return Ok(()) };
        for _ in 0..TRIES {
            let file = self.case(case).await?;
            if !self.lacks_remark(case, deposit).await? {
                return Ok(());
            }
            match self.put_on_record(&file, comment.clone(), None).await {
                Ok(None) => {}
                Ok(Some(_)) | Err(IntakeError::Refused(_)) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Err(IntakeError::Contended)
    }

    /// Whether the deposit is in the case, and behind it no remark that came with it.
    async fn lacks_remark(&self, case: CaseId, deposit: &IncomingDeposit) -> Result<bool> {
        let promise = deposit.promise();
        let lacks = |_: &Statement, event: &Event| match &event.change {
            Change::Commented { origin: Some(origin), .. } => came_by(origin, promise).then_some(false),
            Change::Submitted { submission, .. } => came_by(&submission.origin, promise).then_some(true),
            Change::SetAside { origin, .. } => came_by(origin, promise).then_some(false),
            _ => None,
        };
        Ok(self.find_past(case, lacks).await? == Some(true))
    }
}

/// Whether something was handed in by the deposit that was promised: ids are the clients' choice, and two requests may
/// have had the same one.
pub(super) fn came_by(origin: &Origin, promise: &Promise) -> bool {
    let of = (promise.request(), promise.deposit());
    matches!(origin, Origin::Deposit { request, deposit, .. } if (*request, *deposit) == of)
}

/// The command that puts on record what a client remarked, if they did.
fn remark_of(requirement: &Key, deposit: &IncomingDeposit) -> Option<Command> {
    let (requirement, text) = (requirement.clone(), as_comment(deposit.comment()));
    let origin = origin(deposit.promise());
    (!text.is_empty()).then_some(Command::Remark { requirement, text, origin })
}

/// A client's remark as a comment of the case: a manifest takes a text with controls, and a longer one.
fn as_comment(remark: &str) -> String {
    let visible = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    let text: String = remark.replace("\r\n", "\n").chars().map(visible).collect();
    let text = text.trim();
    if text.len() <= COMMENT_CAP {
        return text.to_owned();
    }
    let most = COMMENT_CAP - CUT.len();
    let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= most).last();
    format!("{}{CUT}", text.get(..end.unwrap_or_default()).unwrap_or_default())
}

/// Behind what was cut.
const CUT: &str = " …";

/// What the slot of a deposit is for.
fn requirement_of(file: &CaseFile, promise: &Promise) -> Result<Key> {
    let foreign = || IntakeError::ForeignDeposit(promise.deposit());
    let asked = file.state().requests().get(&promise.request()).ok_or_else(foreign)?;
    asked.requirements.iter().nth(usize::from(promise.deposit().slot())).cloned().ok_or_else(foreign)
}

/// A deposit is dealt with once.
fn not_taken(file: &CaseFile, promise: &Promise) -> Result<(), Refusal> {
    let asked = file.state().requests().get(&promise.request());
    if asked.is_some_and(|asked| asked.deposits.contains(&promise.deposit())) {
        return Err(Refusal::AlreadyTaken);
    }
    Ok(())
}

fn origin(promise: &Promise) -> Origin {
    Origin::Deposit { request: promise.request(), deposit: promise.deposit(), received_at: promise.time() }
}

fn submission(rule: &Requirement, deposit: &Arc<IncomingDeposit>) -> NewSubmission {
    let mut new = NewSubmission::from(origin(deposit.promise()));
    for (page, described) in (0..).zip(deposit.pages()) {
        let content = Deposited { deposit: deposit.clone(), page };
        new = new.file(NewFile::new(described.file.name.clone(), described.file.media_type.clone(), content));
    }
    let day = |name: &str| deposit.form().get(name).and_then(|day| day.parse::<Date>().ok());
    (new.issued, new.valid_until) = (day(ISSUED), day(VALID_UNTIL));
    let answers =
        deposit.form().iter().filter(|(key, _)| key.as_str() != ISSUED && key.as_str() != VALID_UNTIL);
    // It was promised, so it is answered: what is wrong with it is a reason to set it aside.
    match Form::from_text(rule, answers) {
        Ok(form) => new.form(form),
        Err(refusal) => NewSubmission { no_form: Some(refusal), ..new },
    }
}

/// The answer that says when a document was issued; no field of a template has a key like it (FORMAT §12.6).
const ISSUED: &str = "@issued";
/// The answer that says until when it is valid.
const VALID_UNTIL: &str = "@valid-until";
