//! Taking in what was deposited for a request.

use std::sync::Arc;

use super::{Desk, IntakeError, NewFile, NewSubmission, Result, Submitted, source::Deposited};
use crate::{
    CaseId,
    deposit::{Inbox, IncomingDeposit, Promise},
    intake::{Audience, Command, Date, Form, Key, Origin, Requirement},
};

impl Desk {
    /// Takes in a deposit, or sets it aside: inspected and decided as by [`Desk::submit`], and sealed anew, under
    /// a key that its client never had. What the client remarked becomes a comment. Then [`Desk::answer`] it.
    ///
    /// # Errors
    ///
    /// [`Refusal::AlreadyTaken`](crate::intake::Refusal::AlreadyTaken) if it was dealt with before;
    /// [`IntakeError::ForeignDeposit`]; corrupt if it is not what its client sealed; as [`Desk::submit`].
    ///
    /// # Cancellation
    ///
    /// As [`Desk::submit`]; do it again.
    pub async fn take_in(&self, case: CaseId, inbox: &Inbox, promise: &Promise) -> Result<Submitted> {
        let file = self.case(case).await?;
        let requirement = requirement_of(&file, promise)?;
        let deposit = Arc::new(inbox.deposit(promise).await?);
        let rule = file.template().requirement(requirement.as_str());
        let submission = submission(rule.ok_or(IntakeError::ForeignDeposit(promise.deposit()))?, &deposit);
        let claims = |verdict| {
            let now = self.session.vault().now();
            let claim = deposit.claim(case, requirement.as_str(), verdict, now);
            Ok((claim.to_bytes()?, claim.content_digest()))
        };
        let submitted = self.hand_in(file, &requirement, &submission, Some(&claims)).await?;
        let remark = deposit.comment().trim();
        if remark.is_empty() || matches!(submitted, Submitted::SetAside { .. }) {
            return Ok(submitted);
        }
        let (requirement, text) = (Some(requirement), remark.to_owned());
        let comment = Command::Comment { requirement, text, audience: Audience::Everyone };
        match self.act_on(submitted.file().clone(), comment).await {
            // A remark that cannot be kept keeps no document out.
            Ok(_) | Err(IntakeError::Refused(_)) => Ok(submitted),
            Err(error) => Err(error),
        }
    }
}

/// What the slot of a deposit is for.
fn requirement_of(file: &super::CaseFile, promise: &Promise) -> Result<Key> {
    let foreign = || IntakeError::ForeignDeposit(promise.deposit());
    let asked = file.state().requests().get(&promise.request()).ok_or_else(foreign)?;
    asked.requirements.iter().nth(usize::from(promise.deposit().slot())).cloned().ok_or_else(foreign)
}

fn submission(rule: &Requirement, deposit: &Arc<IncomingDeposit>) -> NewSubmission {
    let origin = Origin::Deposit {
        request: deposit.promise().request(),
        deposit: deposit.id(),
        received_at: deposit.promise().time(),
    };
    let mut new = NewSubmission::from(origin);
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
