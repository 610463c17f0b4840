//! What is to be committed: commands, and the records they decide on.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{lookup::View, state::State};
use crate::{
    env::Timestamp,
    error::{Error, Result},
    ids::{CaseId, OperationId},
    log::{Hash, body::Outer, leaf::Kind, manifest::Manifest},
    secret::{Secret, SecretBytes},
};

/// Something that is to happen, decided anew for every state it might happen in.
#[async_trait]
pub(crate) trait Command: Send + Sync {
    /// Decides on the record, or that it must not happen.
    async fn plan(&self, view: &View<'_>) -> Result<Draft>;
}

/// A record as decided, before it has a place in the log.
pub(crate) struct Draft {
    pub(crate) kind: Kind,
    pub(crate) case: CaseId,
    pub(crate) object: [u8; 16],
    pub(crate) auxiliary: [u8; 32],
    pub(crate) operation: OperationId,
    pub(crate) effect: Hash,
    pub(crate) state_root: Hash,
    pub(crate) body: DraftBody,
}

/// A record's body before it is sealed.
pub(crate) enum DraftBody {
    /// The genesis statement, not to be sealed.
    Plain(Bytes),
    Sealed {
        outer: Outer,
        personal: Option<(Arc<Secret<32>>, SecretBytes)>,
    },
}

/// A record that stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) seq: u64,
    pub(crate) time: Timestamp,
}

/// The record that names a fold's manifest.
pub(super) struct Index {
    /// The manifest that the fold began from, some of whose tables it took over.
    pub(super) base: Arc<Manifest>,
    pub(super) covered: u64,
    pub(super) digest: Hash,
    pub(super) operation: OperationId,
}

impl Index {
    /// Whether the fold began from the newest manifest. Of any other, tables that it took over may have been superseded
    /// and deleted, now or when somebody collects garbage.
    pub(super) fn follows(&self, state: &State) -> bool {
        state.unloaded().is_none() && state.manifest == self.base
    }
}

#[async_trait]
impl Command for Index {
    async fn plan(&self, view: &View<'_>) -> Result<Draft> {
        if !self.follows(view.state) {
            return Err(Error::denied("somebody else has folded"));
        }
        let outer =
            Outer { actor: "docvault".into(), purpose: "index".into(), request: None, details: Vec::new() };
        Ok(Draft {
            kind: Kind::Index,
            case: CaseId::from_bytes([0; 16]),
            object: [0; 16],
            auxiliary: crate::log::leaf::padded(&self.covered.to_be_bytes()),
            operation: self.operation,
            effect: [0; 32],
            state_root: self.digest,
            body: DraftBody::Sealed { outer, personal: None },
        })
    }
}
