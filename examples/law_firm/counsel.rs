//! The other side of a grant.

use std::error::Error;

use docvault::{ErrorKind, GrantId, Identity, Sender, Session};

/// The text of the one document in a delivery, opened with no vault.
pub(crate) fn opened_by(
    identity: &Identity,
    sealed: &[u8],
    sender: &Sender,
) -> Result<String, Box<dyn Error>> {
    let mut opened = identity.open(sealed, sender)?;
    let content = opened.next_document()?.ok_or("a delivery of one document")?.content()?;
    assert!(opened.next_document()?.is_none(), "nothing else was delivered");
    Ok(String::from_utf8(content)?)
}

/// After a revocation nothing is delivered any more.
pub(crate) async fn open_refused(session: &Session, grant: GrantId) -> Result<(), Box<dyn Error>> {
    match session.deliver(grant).await {
        Err(error) if error.kind() == ErrorKind::Denied => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err("a revoked grant was delivered".into()),
    }
}
