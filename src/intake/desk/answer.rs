//! Answering deposits: the client's receipt for what was stated.

use super::{Desk, IntakeError, Result, take_in::came_by};
use crate::{
    CaseId, ErrorKind, Statement, SystemEntropy,
    deposit::{DepositReceipt, Inbox, Promise},
    intake::{Change, Event, Verdict},
};

impl Desk {
    /// Makes the receipt for a deposit that was taken in or set aside, under the checkpoint `note`, leaves it with
    /// the carrier for the client, and has the carrier forget the sealed parts, unless they are in quarantine.
    ///
    /// **Of a deposit that does not open nothing can be left with the carrier**: keep the receipt, and give it to the client
    /// by another way, or the promise is all that they can show. [`Inbox`](crate::deposit::Inbox) has an example.
    ///
    /// [`Audit::checkpoint`](crate::Audit::checkpoint) gives the note; have it cosigned by the witnesses of the
    /// policy that the request holds. It can be called again, under a later note.
    ///
    /// # Errors
    ///
    /// [`IntakeError::ForeignDeposit`] if nothing was stated about the deposit; as
    /// [`Session::receipt`](crate::Session::receipt).
    ///
    /// # Cancellation
    ///
    /// The answer may be there or not; answer again.
    pub async fn answer(
        &self,
        case: CaseId,
        inbox: &Inbox,
        promise: &Promise,
        note: &str,
    ) -> Result<DepositReceipt> {
        let (seq, claim, keep) = self.stated(case, promise).await?;
        let receipt = DepositReceipt::new(claim, promise.clone(), self.session.receipt(seq, note).await?)?;
        match inbox.deposit(promise).await {
            // Nobody has a key to seal the answer by.
            Err(error) if error.kind() == ErrorKind::Unreadable => {}
            deposit => drop(inbox.answer(&deposit?, &receipt, &SystemEntropy::default()).await?),
        }
        if !keep {
            inbox.clear(promise.deposit()).await?;
        }
        Ok(receipt)
    }

    /// The record about a deposit, its claim, and whether the carrier is to keep it.
    async fn stated(&self, case: CaseId, promise: &Promise) -> Result<(u64, Vec<u8>, bool)> {
        let stated = |stated: &Statement, event: &Event| {
            let (origin, keep) = match &event.change {
                Change::Submitted { submission, .. } => (&submission.origin, false),
                Change::SetAside { origin, verdict, .. } => (origin, *verdict == Verdict::Quarantined),
                _ => return None,
            };
            came_by(origin, promise).then(|| (stated.made.seq, stated.claim.clone(), keep))
        };
        let found = self.find_past(case, stated).await?;
        found.ok_or(IntakeError::ForeignDeposit(promise.deposit()))
    }
}
