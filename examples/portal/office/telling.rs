//! Telling a client what review has decided: a second receipt, through the carrier that cannot read it.
//!
//! The first answer to a deposit says that it is in the case. Once it is reviewed the office states, on its log,
//! `accepted` again or `refused` with a code, and leaves the receipt of that as the next answer: the newest counts.

use docvault::{
    CaseId, NewStatement, SystemEntropy,
    deposit::{DepositReceipt, Verdict},
    intake::{CurrentSubmission, Key, Origin},
};

use super::{Office, failure::Failure, people::Visitor};

impl Office {
    /// States a verdict on what was submitted, and leaves its receipt; nothing to do if it came by no link.
    pub(super) async fn tell(
        &self,
        visitor: &Visitor,
        case: CaseId,
        requirement: &Key,
        submitted: &CurrentSubmission,
        verdict: Verdict,
    ) -> Result<(), Failure> {
        let Origin::Deposit { request, deposit, .. } = submitted.origin else { return Ok(()) };
        let inbox = self.inbox(case, request).await?;
        let promises = inbox.promises().await?;
        let Some(promise) = promises.into_iter().find(|promise| promise.deposit() == deposit) else {
            return Ok(());
        };
        let incoming = inbox.deposit(&promise).await?;
        let claim = incoming.claim(case, requirement.as_str(), verdict, self.vault.now());
        let bytes = claim.to_bytes()?;
        let session = visitor.desk.session();
        let statement = NewStatement::on(TOPIC).claim(bytes.clone()).content(claim.content_digest());
        let made = session.make_statement(case, statement).await?;
        let note = self.vault.audit().checkpoint().await?;
        let receipt = DepositReceipt::new(bytes, promise, session.receipt(made.seq, &note).await?)?;
        inbox.answer(&incoming, &receipt, &SystemEntropy::default()).await?;
        Ok(())
    }
}

const TOPIC: &str = "portal.reviewed";
