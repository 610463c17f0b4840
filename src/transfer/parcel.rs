//! A delivery as it is sealed: a self-contained stream for one recipient (FORMAT §8).

use bytes::Bytes;

use super::source::ContentSource;
use crate::{
    FORMAT, SUITE,
    crypto::{
        chunked,
        digest::sha256,
        schedule,
        wrap::{self, WRAPPED_LEN},
    },
    env::Timestamp,
    error::{Error, Result},
    grant::SealedTerms,
    ids::{CaseId, DocumentId, OperationId, VaultId, VersionId},
    padding,
    secret::{Secret, SecretBytes},
    vault::{GrantHead, Vault, VersionHead},
    wire::{Malformed, Reader, Writer},
};

/// A delivery, sealed, before it is on record.
pub(crate) struct Parcel {
    pub(super) start: Bytes,
    effect: [u8; 32],
    pub(super) sources: Vec<ContentSource>,
}

impl Parcel {
    /// Seals the keys of `contents` for the grant's recipient and signs the whole.
    ///
    /// # Errors
    ///
    /// No randomness.
    pub(crate) fn seal(
        vault: &Vault,
        grant: &GrantHead,
        operation: OperationId,
        contents: Vec<VersionHead>,
    ) -> Result<Self> {
        let keyring = vault.keyring();
        let signer = keyring.keys.delivery_key();
        let entropy = vault.ledger().entropy();
        let mut items = Vec::with_capacity(contents.len());
        for head in &contents {
            items.push(Item::seal(&grant.meta.key, head, vault)?);
        }
        let terms = grant.meta.terms.clone();
        let manifest = Manifest {
            case: grant.id.case,
            object: grant.id.object,
            terms,
            time: vault.ledger().now(),
            items,
        };
        let recipient = crate::recipient::recipient_id(&grant.meta.recipient);
        let envelope = Envelope {
            vault: vault.id(),
            operation,
            grant: grant.id.operation,
            recipient,
            sender: signer.verifying_key().to_bytes(),
            info: grant.meta.terms.info(&grant.id, &recipient),
            sealed_key: grant.meta.sealed_key.clone(),
        };
        let mut w = Writer::with_capacity(4096);
        envelope.write(&mut w);
        let context = schedule::context(schedule::DELIVERY_MANIFEST, &[w.as_slice()]);
        let key = manifest_key(&grant.meta.key, operation);
        let sealed = chunked::seal(&key, &context, &padding::pad(&manifest.encode()), entropy)?;
        w.bytes(&sealed);
        let signature = signer.sign(schedule::SIGN_DELIVERY, w.as_slice());
        w.fixed(&signature);
        let effect = schedule::context(schedule::DELIVERED, &[&sealed]);
        let sources = contents.into_iter().map(|head| ContentSource::new(vault.clone(), head)).collect();
        Ok(Self { start: w.into_vec().into(), effect, sources })
    }

    /// Refuses more documents than a recipient takes.
    ///
    /// # Errors
    ///
    /// Invalid.
    pub(crate) fn check_number(documents: usize) -> Result<()> {
        if documents <= ITEMS_CAP {
            return Ok(());
        }
        let many = format!("a delivery has {ITEMS_CAP} documents at most: grant some of them at a time");
        Err(Error::invalid(many))
    }

    pub(crate) fn effect(&self) -> [u8; 32] {
        self.effect
    }

    pub(crate) fn documents(&self) -> u32 {
        u32::try_from(self.sources.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.sources.iter().fold(0, |sum, source| sum.saturating_add(source.len()))
    }
}

impl core::fmt::Debug for Parcel {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Parcel").field("documents", &self.documents()).finish_non_exhaustive()
    }
}

/// The clear start of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) vault: VaultId,
    pub(crate) operation: OperationId,
    pub(crate) grant: OperationId,
    pub(crate) recipient: [u8; 32],
    pub(crate) sender: [u8; 32],
    pub(crate) info: [u8; 32],
    pub(crate) sealed_key: Vec<u8>,
}

impl Envelope {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.fixed(b"dvdl").u8(FORMAT).u8(SUITE).u16(0).fixed(self.vault.as_bytes());
        w.fixed(self.operation.as_bytes()).fixed(self.grant.as_bytes()).fixed(&self.recipient);
        w.fixed(&self.sender).fixed(&self.info).fixed(&self.sealed_key);
    }

    /// Parses exactly [`ENVELOPE_LEN`] bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        r.expect(b"dvdl")?;
        r.expect(&[FORMAT, SUITE, 0, 0])?;
        let envelope = Self {
            vault: VaultId::read(&mut r)?,
            operation: OperationId::read(&mut r)?,
            grant: OperationId::read(&mut r)?,
            recipient: r.array()?,
            sender: r.array()?,
            info: r.array()?,
            sealed_key: r.take(crate::grant::SEALED_KEY_LEN)?.to_vec(),
        };
        r.finish()?;
        Ok(envelope)
    }
}

/// One document of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) object: [u8; 16],
    pub(crate) version: VersionId,
    pub(crate) key_id: [u8; 16],
    pub(crate) wrapped: [u8; WRAPPED_LEN],
    pub(crate) meta: [u8; 32],
}

impl Item {
    fn seal(grant_key: &Secret<32>, head: &VersionHead, vault: &Vault) -> Result<Self> {
        let version = VersionId::of(head.id.operation);
        let ids = (head.id.case, head.id.object, version);
        let key = item_key(grant_key, ids);
        let context = item_context(vault.id(), ids, &head.key.id);
        let wrapped = wrap::wrap(&key, &context, &head.key.key, vault.ledger().entropy())?;
        let meta = sha256(&[&head.sealed_meta]);
        Ok(Self { object: head.id.object, version, key_id: head.key.id, wrapped, meta })
    }
}

/// The sealed contents of a delivery's manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) case: CaseId,
    pub(crate) object: [u8; 16],
    pub(crate) terms: SealedTerms,
    pub(crate) time: Timestamp,
    pub(crate) items: Vec<Item>,
}

impl Manifest {
    pub(crate) fn encode(&self) -> SecretBytes {
        let mut w = Writer::with_capacity(2048 + self.items.len() * 200);
        w.fixed(self.case.as_bytes()).fixed(&self.object);
        self.terms.write(&mut w);
        w.u64(self.time.as_millis()).u32(u32::try_from(self.items.len()).unwrap_or(u32::MAX));
        for item in &self.items {
            w.fixed(&item.object).fixed(item.version.as_bytes()).fixed(&item.key_id);
            w.fixed(&item.wrapped).fixed(&item.meta);
        }
        w.into_secret()
    }

    /// Parses a manifest.
    ///
    /// # Errors
    ///
    /// [`Malformed`]; also if documents are not ascending by id.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let (case, object) = (CaseId::read(&mut r)?, r.array()?);
        let (terms, time) = (SealedTerms::read(&mut r)?, Timestamp::from_millis(r.u64()?));
        let item = |r: &mut Reader<'_>| {
            Ok(Item {
                object: r.array()?,
                version: VersionId::read(r)?,
                key_id: r.array()?,
                wrapped: r.array()?,
                meta: r.array()?,
            })
        };
        let count = r.count(ITEMS_CAP)?;
        let items = (0..count).map(|_| item(&mut r)).collect::<Result<Vec<_>, Malformed>>()?;
        r.finish()?;
        let ascending = items.is_sorted_by(|a, b| a.object < b.object);
        if ascending { Ok(Self { case, object, terms, time, items }) } else { Err(Malformed) }
    }

    pub(crate) fn document(&self, item: &Item) -> DocumentId {
        DocumentId::new(self.case, item.object)
    }
}

/// The key of a delivery's manifest.
pub(crate) fn manifest_key(grant_key: &Secret<32>, delivery: OperationId) -> Secret<32> {
    schedule::subkey(grant_key, schedule::DELIVERY_MANIFEST_KEY, &[delivery.as_bytes()])
}

/// The key that wraps one document's key.
pub(crate) fn item_key(
    grant_key: &Secret<32>,
    (case, object, version): (CaseId, [u8; 16], VersionId),
) -> Secret<32> {
    let fields: [&[u8]; 3] = [case.as_bytes(), &object, version.as_bytes()];
    schedule::subkey(grant_key, schedule::DELIVERY_DOCUMENT_KEY, &fields)
}

/// What the wrap of one document's key is bound to.
pub(crate) fn item_context(
    vault: VaultId,
    (case, object, version): (CaseId, [u8; 16], VersionId),
    key_id: &[u8; 16],
) -> [u8; 32] {
    let fields: [&[u8]; 5] = [vault.as_bytes(), case.as_bytes(), &object, version.as_bytes(), key_id];
    schedule::context(schedule::DELIVERY_WRAP, &fields)
}

/// A delivery is refused as malformed.
pub(crate) fn malformed() -> Error {
    Error::corrupt("the delivery")
}

/// Bytes of an envelope.
pub(crate) const ENVELOPE_LEN: usize = 8 + 3 * 16 + 3 * 32 + crate::grant::SEALED_KEY_LEN;
/// Documents in a delivery, at most.
const ITEMS_CAP: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_delivery_has_as_many_documents_as_a_recipient_takes_and_no_more() {
        assert!(Parcel::check_number(ITEMS_CAP).is_ok());
        let refused = Parcel::check_number(ITEMS_CAP + 1).expect_err("one too many");
        assert_eq!(refused.kind(), ErrorKind::Invalid);
    }
}
