//! What an upload is for, and the token that lets it be resumed (FORMAT §9).

use std::sync::Arc;

use crate::{
    FORMAT, SUITE,
    crypto::{
        chunked::{self, OpenError},
        schedule,
        wrap::WRAPPED_LEN,
    },
    document::{NewDocument, Page, REASON_CAP},
    env::{Entropy, EntropyError},
    error::{Error, Result},
    head::{HeadId, HeadKey, HeadType},
    ids::{CaseId, DocumentId, OperationId, VaultId},
    padding,
    secret::Secret,
    vault::Vault,
    wire::{Malformed, Reader, Writer},
};

/// What an upload will become.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) head: HeadId,
    pub(crate) key: HeadKey,
    pub(crate) case_key: Arc<Secret<32>>,
    pub(crate) described: NewDocument,
    /// None for a new document.
    pub(crate) reason: Option<String>,
    /// Records in the log when the operation was made up, and the document if it is new; 0 if that is not known.
    pub(crate) since: u64,
}

impl Target {
    pub(crate) fn new(
        vault: &Vault,
        document: DocumentId,
        described: NewDocument,
        case_key: Arc<Secret<32>>,
        reason: Option<String>,
    ) -> Result<Self> {
        let ledger = vault.ledger();
        let since = ledger.state().head.size;
        let head = vault.head_id(document.case(), *document.own(), ledger.operation()?, HeadType::Version);
        Ok(Self { head, key: HeadKey::generate(ledger.entropy())?, case_key, described, reason, since })
    }

    pub(crate) fn document(&self) -> DocumentId {
        DocumentId::new(self.head.case, self.head.object)
    }

    pub(crate) fn operation(&self) -> OperationId {
        self.head.operation
    }
}

/// What resumes an upload: to be kept by the application, in any place that outlives the process.
///
/// # Security
///
/// It holds the document's key wrapped by the case's, and the document's name sealed by that key: it opens
/// nothing without the vault, but to whom the version was delivered, who has the key, it tells its name, type, attributes
/// and reason.
#[derive(Clone, PartialEq, Eq)]
pub struct UploadToken {
    vault: VaultId,
    document: DocumentId,
    operation: OperationId,
    key_id: [u8; 16],
    wrapped: [u8; WRAPPED_LEN],
    draft: Vec<u8>,
}

impl core::fmt::Debug for UploadToken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("UploadToken").field("operation", &self.operation).finish_non_exhaustive()
    }
}

impl UploadToken {
    /// The token of an upload with these pages finished.
    pub(super) fn seal(target: &Target, pages: &[Page], entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let Target { head, key, case_key, described, reason, .. } = target;
        let draft = write_draft(described, reason.as_deref(), pages);
        let context = head.bind(schedule::UPLOAD_TOKEN, &key.id, &[]);
        Ok(Self {
            vault: head.vault,
            document: target.document(),
            operation: head.operation,
            key_id: key.id,
            wrapped: key.wrap(head, case_key, entropy)?,
            draft: chunked::seal(&key.key, &context, &padding::pad(draft.as_slice()), entropy)?,
        })
    }

    /// The case that the upload is for.
    #[must_use]
    pub fn case(&self) -> CaseId {
        self.document.case()
    }

    /// The token's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(512 + self.draft.len());
        w.fixed(b"dvut").u8(FORMAT).u8(SUITE).u16(0).fixed(self.vault.as_bytes());
        w.fixed(self.case().as_bytes()).fixed(self.document.own()).fixed(self.operation.as_bytes());
        w.fixed(&self.key_id).fixed(&self.wrapped).bytes(&self.draft);
        w.into_vec()
    }

    /// The token of these bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if they are none; whether they are authentic
    /// shows when the upload is resumed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::parse(bytes).map_err(|Malformed| Error::invalid("these bytes are no upload token"))
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        r.expect(b"dvut")?;
        r.expect(&[FORMAT, SUITE, 0, 0])?;
        let vault = VaultId::read(&mut r)?;
        let document = DocumentId::new(CaseId::read(&mut r)?, r.array()?);
        let operation = OperationId::read(&mut r)?;
        let (key_id, wrapped) = (r.array()?, r.array()?);
        let draft = r.bytes(DRAFT_CAP)?.to_vec();
        r.finish()?;
        Ok(Self { vault, document, operation, key_id, wrapped, draft })
    }

    /// What the upload is for.
    ///
    /// # Errors
    ///
    /// Corrupt unless it is an authentic token of this vault.
    pub(crate) fn open(&self, vault: VaultId, case_key: Arc<Secret<32>>) -> Result<Target> {
        let (target, _) =
            self.unseal(vault, case_key).map_err(|OpenError| Error::corrupt("the upload token"))?;
        Ok(target)
    }

    /// The pages that were finished when the token was taken.
    pub(super) fn pages(&self, target: &Target) -> Result<Vec<Page>> {
        let opened = self.unseal(target.head.vault, target.case_key.clone());
        opened.map(|(_, pages)| pages).map_err(|OpenError| Error::corrupt("the upload token"))
    }

    fn unseal(&self, vault: VaultId, case_key: Arc<Secret<32>>) -> Result<(Target, Vec<Page>), OpenError> {
        let (case, object) = (self.document.case(), *self.document.own());
        if self.vault != vault {
            return Err(OpenError);
        }
        let head = HeadId { vault, case, object, operation: self.operation, of: HeadType::Version };
        let key = HeadKey::unwrap(&head, self.key_id, &case_key, &self.wrapped)?;
        let context = head.bind(schedule::UPLOAD_TOKEN, &key.id, &[]);
        let padded = chunked::open(&key.key, &context, &self.draft)?;
        let (described, reason, pages) = read_draft(&padded).map_err(|Malformed| OpenError)?;
        Ok((Target { head, key, case_key, described, reason, since: 0 }, pages))
    }
}

pub(crate) fn write_draft(described: &NewDocument, reason: Option<&str>, pages: &[Page]) -> Writer {
    let mut w = Writer::with_capacity(4096);
    described.write(&mut w);
    w.optional(reason, |w, reason| {
        w.text(reason);
    });
    w.u8(u8::from(described.sha256));
    crate::document::write_pages(&mut w, pages);
    w
}

pub(crate) fn read_draft(padded: &[u8]) -> Result<(NewDocument, Option<String>, Vec<Page>), Malformed> {
    let mut r = Reader::new(padding::unpad(padded)?);
    let mut described = NewDocument::read(&mut r)?;
    let reason = r.optional(|r| r.text(REASON_CAP).map(str::to_owned))?;
    described.sha256 = r.optional(|_| Ok(()))?.is_some();
    let pages = crate::document::read_pages(&mut r)?;
    r.finish()?;
    Ok((described, reason, pages))
}

const DRAFT_CAP: usize = 1024 * 1024;
