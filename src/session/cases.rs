//! Opening, closing and reopening cases.

use std::sync::Arc;

use super::Session;
use crate::{
    document::{Attributes, CaseMeta, NAME_CAP, REASON_CAP, check_attributes, within},
    env::random,
    error::{Error, ErrorKind, Result},
    head::{HeadKey, HeadType},
    ids::{CaseId, OperationId},
    keyring::random_secret,
    log::leaf::Kind,
    observe,
    plan::{OpenCase, SetCase},
    vault::NewHead,
};

/// A case about to be opened. A text alone is its title.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewCase {
    title: String,
    attributes: Attributes,
}

impl NewCase {
    /// A case of this title, at most 1,024 bytes.
    #[must_use]
    pub fn titled(title: impl Into<String>) -> Self {
        Self { title: title.into(), attributes: Attributes::new() }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }
}

impl From<&str> for NewCase {
    fn from(title: &str) -> Self {
        Self::titled(title)
    }
}

impl From<String> for NewCase {
    fn from(title: String) -> Self {
        Self::titled(title)
    }
}

impl Session {
    /// Opens a case.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if a text is too long; [`ErrorKind::Contended`] if the keyring kept changing; the storage's;
    /// see [`Session::outcome`].
    ///
    /// # Cancellation
    ///
    /// The case may be opened or not; [`Session::cases`] tells.
    pub async fn create_case(&self, case: impl Into<NewCase>) -> Result<CaseId> {
        let new = case.into();
        observe::operation("Session::create_case", self.vault.id(), async {
            within("the case's title", &new.title, NAME_CAP)?;
            check_attributes(&new.attributes)?;
            for _ in 0..RETRIES {
                let keyring = self.vault.current_keyring().await?;
                match self.try_create(&new, &keyring).await {
                    Err(error)
                        if error.kind() == ErrorKind::Denied && self.keyring_moved(&keyring.digest) => {}
                    done => return done,
                }
            }
            Err(Error::new(ErrorKind::Contended, "the keyring kept changing; no case was opened; try again"))
        })
        .await
    }

    pub(super) fn keyring_moved(&self, known: &[u8; 32]) -> bool {
        self.vault.ledger().state().keyring() != *known
    }

    async fn try_create(&self, new: &NewCase, keyring: &crate::vault::LoadedKeyring) -> Result<CaseId> {
        let entropy = self.vault.ledger().entropy();
        let since = self.vault.ledger().state().head.size;
        let (case, operation) = (CaseId::from_bytes(random(entropy)?), self.operation()?);
        let case_key = random_secret(entropy)?;
        let meta = CaseMeta {
            blind: random(entropy)?,
            title: new.title.clone(),
            attributes: new.attributes.clone(),
        };
        let head = NewHead {
            id: self.vault.head_id(case, [0; 16], operation, HeadType::Case),
            key: &HeadKey::generate(entropy)?,
            case_key: &case_key,
            meta: &meta.encode(),
            inline: &[],
            blind: &meta.blind,
            content_digest: &[0; 32],
        };
        // The head first: a key that nothing came to name is then found by its operation's head.
        let effect = self.vault.put_head(head).await?;
        self.vault.put_case_key(case, &case_key, keyring).await?;
        let origin = self.origin.clone();
        let open = OpenCase { origin, operation, case, effect, keyring: keyring.digest, since };
        let opened = self.commit(operation, open).await?;
        self.vault.keep_case_key(case, case_key, opened.seq);
        Ok(case)
    }

    /// Closes a case: it stays readable, and nothing is added to it until it is reopened.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Denied`] if it is closed already.
    ///
    /// # Cancellation
    ///
    /// It may be closed or not.
    pub async fn close_case(&self, case: CaseId, reason: &str) -> Result<()> {
        observe::operation(
            "Session::close_case",
            (self.vault.id(), case),
            self.set_case(case, Kind::CaseClosed, reason),
        )
        .await
    }

    /// Reopens a closed case.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Denied`] if it is open already.
    ///
    /// # Cancellation
    ///
    /// It may be reopened or not.
    pub async fn reopen_case(&self, case: CaseId, reason: &str) -> Result<()> {
        observe::operation(
            "Session::reopen_case",
            (self.vault.id(), case),
            self.set_case(case, Kind::CaseReopened, reason),
        )
        .await
    }

    async fn set_case(&self, case: CaseId, kind: Kind, reason: &str) -> Result<()> {
        within("the reason", reason, REASON_CAP)?;
        let operation: OperationId = self.operation()?;
        let case_key = self.known_case_key(case).await?;
        let (origin, reason) = (self.origin.clone(), reason.to_owned());
        self.commit(operation, SetCase { origin, operation, case, kind, case_key, reason }).await?;
        Ok(())
    }

    /// The key of a case that the log knows; looks for what others committed before it says no.
    pub(super) async fn known_case_key(&self, case: CaseId) -> Result<Arc<crate::secret::Secret<32>>> {
        self.vault
            .fresh_row(&crate::log::row::RowKey::case(case))
            .await?
            .ok_or_else(|| Error::not_found(format!("case {case}")))?;
        self.vault.case_key(case).await
    }
}

const RETRIES: u32 = 8;
