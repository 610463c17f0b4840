//! Statements about a case (FORMAT §5.4, "Stated").

use std::sync::Arc;

use async_trait::async_trait;

use super::{Origin, draft, with_personal};
use crate::{
    document::ContentDigest,
    error::{Error, ErrorKind, Result},
    head,
    ids::{CaseId, OperationId},
    ledger::{Command, Draft, View},
    log::{
        Hash,
        leaf::{Kind, auxiliary_from},
        row::RowKey,
    },
    policy,
    secret::{Secret, SecretBytes},
    wire::{Malformed, Reader, Writer},
};

/// What a statement has to come after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    /// Whatever was stated before.
    Any,
    /// Exactly this as the newest statement about the case; none if it is the first.
    Newest(Option<OperationId>),
}

/// Puts a statement about a case on record.
pub(crate) struct MakeStatement {
    pub(crate) origin: Origin,
    pub(crate) operation: OperationId,
    pub(crate) case: CaseId,
    pub(crate) case_key: Arc<Secret<32>>,
    pub(crate) topic: String,
    pub(crate) said: Said,
    pub(crate) follows: Follows,
}

/// What is personal in a statement.
pub(crate) struct Said {
    pub(crate) blind: [u8; 32],
    pub(crate) digest: Option<ContentDigest>,
    pub(crate) claim: Vec<u8>,
    pub(crate) payload: SecretBytes,
}

impl Said {
    pub(crate) fn encode(&self) -> SecretBytes {
        let mut w = Writer::with_capacity(128 + self.claim.len() + self.payload.len());
        w.fixed(&self.blind).fixed(self.digested());
        w.bytes(&self.claim).bytes(&self.payload);
        w.into_secret()
    }

    /// Parses what [`MakeStatement`] sealed.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub(crate) fn parse(personal: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(personal);
        let (blind, digest) = (r.array()?, r.array()?);
        let said = Self {
            blind,
            digest: (digest != [0; 32]).then(|| ContentDigest::from_bytes(digest)),
            claim: r.bytes(CLAIM_CAP)?.to_vec(),
            payload: SecretBytes::new(r.bytes(PAYLOAD_CAP)?.to_vec()),
        };
        r.finish()?;
        Ok(said)
    }

    /// SHA-256 of the claim.
    pub(crate) fn claimed(&self) -> Hash {
        crate::crypto::digest::sha256(&[&self.claim])
    }

    // FORMAT §7.3: effect = context("effect", blind, SHA-256(claim), content digest).
    pub(crate) fn effect(&self) -> Hash {
        head::effect(&self.blind, &self.claimed(), self.digested())
    }

    fn digested(&self) -> &[u8; 32] {
        self.digest.as_ref().map_or(&[0; 32], ContentDigest::as_bytes)
    }
}

#[async_trait]
impl Command for MakeStatement {
    async fn plan(&self, view: &View<'_>) -> Result<Draft> {
        policy::case_is_open(self.case, view.row(&RowKey::case(self.case)).await?.as_ref())?;
        let newest = view.row(&RowKey::newest_statement(self.case)).await?.map(|row| row.operation);
        if self.follows != Follows::Any && self.follows != Follows::Newest(newest) {
            let reason = format!("case {} has a newer statement; read it and decide anew", self.case);
            return Err(Error::new(ErrorKind::Superseded, reason));
        }
        let mut details = Writer::new();
        details.text(&self.topic);
        let stated = draft(&self.origin, Kind::Stated, self.operation, details.into_vec());
        let auxiliary = newest.map_or([0; 32], |newest| auxiliary_from(newest.as_bytes()));
        let stated = Draft { case: self.case, auxiliary, effect: self.said.effect(), ..stated };
        Ok(with_personal(stated, &self.case_key, &self.said.encode()))
    }
}

/// Bytes of a claim, at most.
pub(crate) const CLAIM_CAP: usize = 4 * 1024;
/// Bytes of a payload, at most: with claim and actor it fits a body.
pub(crate) const PAYLOAD_CAP: usize = 48 * 1024;
