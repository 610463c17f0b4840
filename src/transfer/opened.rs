//! A delivery in its recipient's hands: opened with no vault at all (FORMAT §8).

use std::io::Read;

use super::parcel::{
    ENVELOPE_LEN, Envelope, Item, Manifest, item_context, item_key, malformed, manifest_key,
};
use crate::{
    crypto::{
        chunked::{self, OpenError},
        digest::sha256,
        schedule, wrap,
    },
    document::VersionMeta,
    env::Timestamp,
    error::{Error, Result},
    grant::Terms,
    head::{HeadId, HeadKey, HeadType},
    ids::{GrantId, OperationId, Scope, VaultId},
    padding,
    recipient::{Identity, Sender},
    secret::Secret,
    wire::{Malformed, Writer},
};

mod document;
mod framed;

pub use document::OpenedDocument;

use framed::{read_bytes, read_exact, unreadable};

impl Identity {
    /// Opens a delivery, read from `sealed`, that `sender` made for this identity.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied) if another vault made it or it is for another recipient; corrupt if it is
    /// not whole and authentic; storage if it cannot be read.
    ///
    /// # Security
    ///
    /// `sender` must come from a fingerprint that was checked: the delivery itself proves only that
    /// whoever holds the key within it made it. An older delivery can be shown again: its
    /// time and operation tell.
    pub fn open<R: Read>(&self, mut sealed: R, sender: &Sender) -> Result<Opened<R>> {
        let mut start = vec![0; ENVELOPE_LEN];
        read_exact(&mut sealed, &mut start)?;
        let envelope = Envelope::parse(&start).map_err(|Malformed| malformed())?;
        let manifest = read_bytes(&mut sealed, MANIFEST_CAP)?;
        let mut signature = [0; 64];
        read_exact(&mut sealed, &mut signature)?;
        check_sender(&envelope, &start, &manifest, &signature, sender)?;
        if envelope.recipient != *self.id() {
            return Err(Error::denied("the delivery is for another recipient"));
        }
        let opened = self.open_manifest(&envelope, &start, &manifest).map_err(|OpenError| malformed())?;
        let (grant_key, manifest) = opened;
        let framed = Vec::new();
        Ok(Opened { sealed, envelope, grant_key, manifest, next: 0, reading: false, failed: false, framed })
    }

    fn open_manifest(
        &self,
        envelope: &Envelope,
        start: &[u8],
        sealed: &[u8],
    ) -> Result<(Secret<32>, Manifest), OpenError> {
        let grant_key = self.secret_key().open(&envelope.info, &[], &envelope.sealed_key)?;
        let grant_key = Secret::copy_from(&grant_key).ok_or(OpenError)?;
        let context = schedule::context(schedule::DELIVERY_MANIFEST, &[start]);
        let padded = chunked::open(&manifest_key(&grant_key, envelope.operation), &context, sealed)?;
        let contents = padding::unpad(&padded).and_then(Manifest::parse).map_err(|Malformed| OpenError)?;
        let grant = HeadId {
            vault: envelope.vault,
            case: contents.case,
            object: contents.object,
            operation: envelope.grant,
            of: HeadType::Grant,
        };
        if contents.terms.info(&grant, &envelope.recipient) != envelope.info {
            return Err(OpenError);
        }
        Ok((grant_key, contents))
    }
}

/// A delivery whose sender, recipient and terms are checked; its documents follow one by one.
pub struct Opened<R> {
    sealed: R,
    envelope: Envelope,
    grant_key: Secret<32>,
    manifest: Manifest,
    next: usize,
    reading: bool,
    /// Something was not authentic, and nothing more is released.
    failed: bool,
    /// The part read last, for its memory.
    framed: Vec<u8>,
}

impl<R> core::fmt::Debug for Opened<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Opened")
            .field("vault", &self.envelope.vault)
            .field("operation", &self.envelope.operation)
            .field("documents", &self.manifest.items.len())
            .finish_non_exhaustive()
    }
}

impl<R: Read> Opened<R> {
    /// The vault that made it.
    #[must_use]
    pub fn vault(&self) -> VaultId {
        self.envelope.vault
    }

    /// The grant it was made under.
    #[must_use]
    pub fn grant(&self) -> GrantId {
        GrantId::new(Scope::from_parts(self.manifest.case, self.manifest.object), self.envelope.grant)
    }

    /// The operation that delivered it, as the vault's log names it.
    #[must_use]
    pub fn operation(&self) -> OperationId {
        self.envelope.operation
    }

    /// When it was made, by the vault's clock.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.manifest.time
    }

    /// The grant's purpose.
    #[must_use]
    pub fn purpose(&self) -> &str {
        &self.manifest.terms.terms.purpose
    }

    /// The grant's terms.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.manifest.terms.terms
    }

    /// Documents in the delivery.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.manifest.items.len()
    }

    /// The next document; none after the last.
    ///
    /// # Errors
    ///
    /// Corrupt; invalid while the document before it is not read to its end.
    pub fn next_document(&mut self) -> Result<Option<OpenedDocument<'_, R>>> {
        if self.failed {
            return Err(malformed());
        }
        if self.reading {
            return Err(Error::invalid("read the document before this one to its end first"));
        }
        let Some(item) = self.manifest.items.get(self.next).cloned() else {
            let end = self.expect_end();
            self.failed = end.is_err();
            return end.map(|()| None);
        };
        let opened = self.read_item(&item);
        self.failed = opened.is_err();
        let (head, key, meta) = opened?;
        self.next += 1;
        self.reading = true;
        let ids = (self.manifest.document(&item), item.version);
        Ok(Some(OpenedDocument::new(self, ids, (&head, key), meta)))
    }

    fn read_item(&mut self, item: &Item) -> Result<(HeadId, HeadKey, VersionMeta)> {
        let sealed_meta = read_bytes(&mut self.sealed, META_CAP)?;
        self.open_item(item, &sealed_meta).map_err(|OpenError| malformed())
    }

    fn open_item(
        &self,
        item: &Item,
        sealed_meta: &[u8],
    ) -> Result<(HeadId, HeadKey, VersionMeta), OpenError> {
        if sha256(&[sealed_meta]) != item.meta {
            return Err(OpenError);
        }
        let (vault, case, object) = (self.envelope.vault, self.manifest.case, item.object);
        let ids = (case, object, item.version);
        let key = wrap::unwrap(
            &item_key(&self.grant_key, ids),
            &item_context(vault, ids, &item.key_id),
            &item.wrapped,
        )?;
        let head = HeadId { vault, case, object, operation: item.version.operation(), of: HeadType::Version };
        let key = HeadKey { id: item.key_id, key };
        let meta = key.open_meta(&head, sealed_meta)?;
        let meta = VersionMeta::parse(&meta).map_err(|Malformed| OpenError)?;
        Ok((head, key, meta))
    }

    fn expect_end(&mut self) -> Result<()> {
        match self.sealed.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(malformed()),
            Err(error) => Err(unreadable(error)),
        }
    }
}

fn check_sender(
    envelope: &Envelope,
    start: &[u8],
    manifest: &[u8],
    signature: &[u8; 64],
    sender: &Sender,
) -> Result<()> {
    let key = sender.delivery_key();
    if envelope.vault != sender.vault() || envelope.sender != key.to_bytes() {
        return Err(Error::denied("the delivery is from another sender than the one that was checked"));
    }
    let mut w = Writer::with_capacity(start.len() + manifest.len() + 4);
    w.fixed(start).bytes(manifest);
    key.verify(schedule::SIGN_DELIVERY, w.as_slice(), signature).map_err(|_| malformed())
}

const MANIFEST_CAP: u32 = 64 * 1024 * 1024;
const META_CAP: u32 = 1024 * 1024;
