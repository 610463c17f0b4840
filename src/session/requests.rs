//! Requests for documents to people without an account.

use super::Session;
use crate::{
    deposit::{RequestId, RequestSecrets, RequestTerms, SignedRequest},
    env,
    error::Result,
    ids::CaseId,
    observe,
    plan::Browsed,
};

impl Session {
    /// Signs a request, to be published to its carrier, and makes the link for its client.
    ///
    /// It puts nothing on record: who asks for what is the application's to state.
    ///
    /// # Errors
    ///
    /// Invalid; erased, or not found, for another case; denied if there are no 19 MiB of memory for a passphrase; no
    /// randomness; the storage's.
    pub async fn sign_request(&self, terms: RequestTerms) -> Result<SignedRequest> {
        observe::operation("Session::sign_request", (self.vault.id(), terms.case()), async {
            let ledger = self.vault.ledger();
            // No record is planned here, which would look whether another process has erased the case.
            ledger.sync().await?;
            let request = RequestId::from_bytes(env::random(ledger.entropy())?);
            let secrets = self.secrets_of(terms.case(), request).await?;
            let key = self.vault.keyring().keys.delivery_key();
            terms.sign(self.vault.id(), request, &secrets, &key, (ledger.entropy(), ledger.now()))
        })
        .await
    }

    /// The secrets of a request for documents of `case`, for its [`Inbox`](crate::deposit::Inbox).
    ///
    /// They follow from the case's key and are kept nowhere: once the case is erased, what was deposited for it
    /// opens no more, wherever a copy is, and what was opened with them before gives nothing more: at once if this
    /// vault erased it, or a clone, and after another process has with the next [`Vault::sync`](crate::Vault::sync), as
    /// long as this vault is held. They open all that came in and that comes in: it is on record once,
    /// before they are released, and not for each deposit.
    ///
    /// # Errors
    ///
    /// Erased, or not found; the storage's.
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn request_secrets(&self, case: CaseId, request: RequestId) -> Result<RequestSecrets> {
        observe::operation("Session::request_secrets", (self.vault.id(), (case, request)), async {
            let secrets = self.secrets_of(case, request).await?;
            // Before the record, behind which the case may be erased at any time.
            self.vault.tell_of_erasures(secrets.holder());
            self.browse(Browsed::Deposits(case), 1).await?;
            Ok(secrets)
        })
        .await
    }

    async fn secrets_of(&self, case: CaseId, request: RequestId) -> Result<RequestSecrets> {
        let case_key = self.vault.case_key(case).await?;
        Ok(RequestSecrets::derive(&case_key, self.vault.id(), case, request))
    }
}
