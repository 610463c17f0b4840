//! One document of a delivery, read part by part.

use std::io::{Read, Write};

use super::{
    Opened,
    framed::{read_bytes_into, unreadable},
};
use crate::{
    crypto::chunked::OpenError,
    document::{Attributes, ContentDigest, Place, VersionMeta},
    error::Result,
    head::{HeadId, HeadKey},
    ids::{DocumentId, VersionId},
    secret::SecretBytes,
    transfer::{parcel::malformed, part::Part, reader::Walk, source::content_len},
};

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

impl<'a, R> OpenedDocument<'a, R> {
    pub(super) fn new(
        delivery: &'a mut Opened<R>,
        (document, version): (DocumentId, VersionId),
        (head, key): (&HeadId, HeadKey),
        meta: VersionMeta,
    ) -> Self {
        let context = key.content_context(head);
        Self { delivery, document, version, key, context, meta, walk: Walk::default() }
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
    /// Corrupt, from then on for ever. Every part belongs to the content digest that the vault signed for.
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
        let inline = described.place == Place::Inline;
        let part = Part { key: &self.key.key, content_context: &self.context, attempt, page, index, inline };
        let len = content_len(described, index).map_err(|OpenError| malformed())?;
        let padded = usize::try_from(described.part_len(index)).map_err(|_| malformed())?;
        if content.capacity() < padded {
            // Growing would leave an unwiped copy behind.
            *content = SecretBytes::new(vec![0; padded]);
        }
        content.resize(padded, 0);
        let digest = part.open(&sealed.into(), len, content).map_err(|OpenError| malformed())?;
        content.truncate(len);
        if !described.has(index, digest) {
            return Err(malformed());
        }
        self.walk.step(&self.meta.pages);
        *reading = self.walk.at(&self.meta.pages).is_some();
        Ok(true)
    }
}

const PART_CAP: u32 = 8 * 1024 * 1024 + 513 * 16 + 56 + 16 * 1024 + 2 * 16 + 56;
