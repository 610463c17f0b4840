//! A delivery in its recipient's hands: opened with no vault at all (FORMAT §8).

use std::io::{self, Read, Write};

use super::{
    delivery::{ENVELOPE_LEN, Envelope, Item, Manifest, item_context, item_key, malformed, manifest_key},
    part::Part,
    reader::Walk,
    source::content_len,
};
use crate::{
    crypto::{
        chunked::{self, OpenError},
        digest::sha256,
        schedule,
        sign::VerifyingKey,
        wrap,
    },
    document::{Attributes, ContentDigest, Place, VersionMeta},
    env::Timestamp,
    error::{Error, ErrorKind, Result},
    grant::Terms,
    head::{HeadId, HeadKey, HeadType},
    ids::{DocumentId, GrantId, OperationId, Scope, VaultId, VersionId},
    padding,
    recipient::{Identity, Sender},
    secret::{Secret, SecretBytes},
    wire::{Malformed, Writer},
};

impl Identity {
    /// Opens a delivery, read from `sealed`, that `sender` made for this identity.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Denied`] if another vault made it or it is for another recipient; corrupt if it is
    /// not whole and authentic; storage if it cannot be read.
    ///
    /// # Security
    ///
    /// `sender` must come from a fingerprint that was checked: the delivery itself proves only that
    /// whoever holds the key within it made it.
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
        let document = self.manifest.document(&item);
        let context = key.content_context(&head);
        Ok(Some(OpenedDocument {
            delivery: self,
            document,
            version: item.version,
            key,
            context,
            meta,
            walk: Walk::default(),
        }))
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

/// A document of a delivery.
pub struct OpenedDocument<'a, R> {
    delivery: &'a mut Opened<R>,
    document: DocumentId,
    version: VersionId,
    key: HeadKey,
    context: [u8; 32],
    meta: VersionMeta,
    walk: Walk,
}

impl<R> core::fmt::Debug for OpenedDocument<'_, R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("OpenedDocument")
            .field("document", &self.document)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl<R: Read> OpenedDocument<'_, R> {
    /// The document.
    #[must_use]
    pub fn id(&self) -> DocumentId {
        self.document
    }

    /// The version that was delivered.
    #[must_use]
    pub fn version(&self) -> VersionId {
        self.version
    }

    /// The document's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.meta.document.name
    }

    /// The media type.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.meta.document.media_type
    }

    /// The attributes.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.meta.document.attributes
    }

    /// The content's digest.
    #[must_use]
    pub fn digest(&self) -> ContentDigest {
        self.meta.content_digest
    }

    /// Bytes of content.
    #[must_use]
    pub fn content_len(&self) -> u64 {
        self.meta.len()
    }

    /// The next part of the content, 8 MiB at most; none at the end.
    ///
    /// # Errors
    ///
    /// Corrupt, from then on for ever. At the end of each page its digest is compared.
    ///
    /// # Security
    ///
    /// What came before the end of its page is authentic under the version's key, which everyone holds
    /// to whom the version was delivered. That it is the content that the vault signed for is certain
    /// once its page has ended: [`OpenedDocument::content`] gives nothing sooner.
    pub fn next_part(&mut self) -> Result<Option<Vec<u8>>> {
        let mut content = SecretBytes::default();
        Ok(self.part_into(&mut content)?.then(|| core::mem::take(&mut *content)))
    }

    /// Writes the content to `target`; gives the number of bytes.
    ///
    /// # Errors
    ///
    /// As [`OpenedDocument::next_part`]; storage if `target` cannot be written. Discard what was
    /// written then.
    pub fn copy_to(mut self, mut target: impl Write) -> Result<u64> {
        let mut content = SecretBytes::default();
        while self.part_into(&mut content)? {
            target.write_all(&content).map_err(unreadable)?;
        }
        Ok(self.meta.len())
    }

    /// The content, in memory.
    ///
    /// # Errors
    ///
    /// As [`OpenedDocument::next_part`].
    pub fn content(self) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        self.copy_to(&mut content)?;
        Ok(content)
    }

    /// Replaces `content` by the next part; tells whether there was one.
    fn part_into(&mut self, content: &mut SecretBytes) -> Result<bool> {
        if self.delivery.failed {
            return Err(malformed());
        }
        let read = self.read_part_into(content);
        self.delivery.failed = read.is_err();
        read
    }

    fn read_part_into(&mut self, content: &mut SecretBytes) -> Result<bool> {
        let Some((page, index)) = self.walk.at(&self.meta.pages) else {
            self.delivery.reading = false;
            return Ok(false);
        };
        let described = self.meta.pages.get(page).ok_or_else(malformed)?;
        let Opened { sealed, framed, reading, .. } = &mut *self.delivery;
        read_bytes_into(sealed, PART_CAP, framed)?;
        let (attempt, sealed) = match described.place {
            Place::Inline => framed.split_first_chunk::<16>().map(|(attempt, sealed)| (*attempt, sealed)),
            Place::Parts(_) => described.attempt(index).map(|attempt| (attempt, framed.as_slice())),
        }
        .ok_or_else(malformed)?;
        let page = u32::try_from(page).map_err(|_| malformed())?;
        let part = Part { key: &self.key.key, content_context: &self.context, attempt, page, index };
        let len = content_len(described, index).map_err(|OpenError| malformed())?;
        let padded = usize::try_from(described.part_len(index)).map_err(|_| malformed())?;
        if chunked::sealed_len(described.part_len(index)) != u64::try_from(sealed.len()).ok() {
            return Err(malformed());
        }
        if content.capacity() < padded {
            // Growing would leave an unwiped copy behind.
            *content = SecretBytes::new(vec![0; padded]);
        }
        content.resize(padded, 0);
        let digest = part.open(sealed, len, content).map_err(|OpenError| malformed())?;
        content.truncate(len);
        self.walk.step(&self.meta.pages, digest).map_err(|OpenError| malformed())?;
        *reading = self.walk.at(&self.meta.pages).is_some();
        Ok(true)
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
    let key: &VerifyingKey = key;
    key.verify(schedule::SIGN_DELIVERY, w.as_slice(), signature).map_err(|_| malformed())
}

/// A length of at most `cap`, and as many bytes; grows as they come, whatever length is declared.
fn read_bytes(source: &mut impl Read, cap: u32) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_bytes_into(source, cap, &mut bytes)?;
    Ok(bytes)
}

/// [`read_bytes`] into memory that is there.
fn read_bytes_into(source: &mut impl Read, cap: u32, bytes: &mut Vec<u8>) -> Result<()> {
    let mut len = [0; 4];
    read_exact(source, &mut len)?;
    let len = u32::from_be_bytes(len);
    if len > cap {
        return Err(malformed());
    }
    bytes.clear();
    let read = source.take(len.into()).read_to_end(bytes).map_err(unreadable)?;
    if u32::try_from(read) == Ok(len) { Ok(()) } else { Err(malformed()) }
}

fn read_exact(source: &mut impl Read, bytes: &mut [u8]) -> Result<()> {
    source.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => malformed(),
        _ => unreadable(error),
    })
}

fn unreadable(error: io::Error) -> Error {
    Error::new(ErrorKind::Storage, "the delivery could not be read or written").caused(error)
}

const MANIFEST_CAP: u32 = 64 * 1024 * 1024;
const META_CAP: u32 = 1024 * 1024;
const PART_CAP: u32 = 8 * 1024 * 1024 + 513 * 16 + 56;
