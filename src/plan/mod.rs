//! Commands: each looks up what its decision rests on, and decides, anew for every state (DESIGN
//! "How a commit happens"). Nothing is released and nothing written here.

mod cases;
mod content;
mod documents;
mod grants;
mod housekeeping;
mod keyring;
mod log;
mod statements;

use std::sync::Arc;

pub(crate) use cases::{EraseCase, OpenCase, SetCase, case_head, case_of, epoch_of_erasure};
pub(crate) use content::{Browse, Browsed, Items, Read};
pub(crate) use documents::{Store, ordinal, previous_version, reason, version};
pub(crate) use grants::{Deliver, Grant, Revoke};
pub(crate) use housekeeping::{Announce, Condemn, Fate, GivenUp};
pub(crate) use keyring::{ChangeKeyring, Genesis, KeyringChange};
pub(crate) use log::{KeepCheckpoint, LogReading, ReadLog};
pub(crate) use statements::{CLAIM_CAP, Follows, MakeStatement, PAYLOAD_CAP, Said};

use crate::{
    error::Result,
    ids::{CaseId, OperationId},
    ledger::{Draft, DraftBody, View},
    log::{Hash, body::Outer, leaf::Kind, row::RowKey},
    policy,
    secret::{Secret, SecretBytes},
};

/// Who does something, what for, and under which request.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) actor: Arc<str>,
    pub(crate) purpose: Arc<str>,
    pub(crate) request: Option<Arc<str>>,
}

impl Origin {
    fn outer(&self, details: Vec<u8>) -> Outer {
        Outer {
            actor: self.actor.as_ref().to_owned(),
            purpose: self.purpose.as_ref().to_owned(),
            request: self.request.as_deref().map(str::to_owned),
            details,
        }
    }
}

/// A record of `kind` by `operation` that touches nothing yet.
fn draft(origin: &Origin, kind: Kind, operation: OperationId, details: Vec<u8>) -> Draft {
    Draft {
        kind,
        case: NO_CASE,
        object: NO_OBJECT,
        auxiliary: [0; 32],
        operation,
        effect: NO_HASH,
        state_root: NO_HASH,
        body: DraftBody::Sealed { outer: origin.outer(details), personal: None },
    }
}

/// Refuses a case that is not there or was erased.
async fn case_stands(view: &View<'_>, case: CaseId) -> Result<()> {
    policy::case_stands(case, view.row(&RowKey::case(case)).await?.as_ref())
}

/// Adds what is personal to a draft.
fn with_personal(mut draft: Draft, key: &Arc<Secret<32>>, bytes: &[u8]) -> Draft {
    if let DraftBody::Sealed { personal, .. } = &mut draft.body {
        *personal = Some((key.clone(), SecretBytes::new(bytes.to_vec())));
    }
    draft
}

const NO_CASE: CaseId = CaseId::from_bytes([0; 16]);
const NO_OBJECT: [u8; 16] = [0; 16];
const NO_HASH: Hash = [0; 32];
