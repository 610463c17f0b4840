//! Documents and cases: names, metadata, pages (FORMAT §7.2). Pure.

use std::collections::BTreeMap;

use crate::{
    crypto::{
        digest::{self, Chaining, PartDigest},
        schedule,
    },
    error::{Error, Result},
    secret::SecretBytes,
    wire::{Malformed, Reader, Writer},
};

/// The caller's own metadata, sealed like content: names and values.
///
/// At most 64, each name at most 128 bytes, each value at most 4,096.
pub type Attributes = BTreeMap<String, String>;

/// A document about to be stored: what its content is called.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewDocument {
    pub(crate) name: String,
    pub(crate) media_type: String,
    pub(crate) attributes: Attributes,
    pub(crate) sha256: bool,
}

impl NewDocument {
    /// A document of this name, at most 1,024 bytes; any characters, for it never reaches a path.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            media_type: "application/octet-stream".into(),
            attributes: Attributes::new(),
            sha256: false,
        }
    }

    /// Sets the media type, at most 256 bytes; `application/octet-stream` unless set.
    #[must_use]
    pub fn media_type(mut self, media_type: impl Into<String>) -> Self {
        self.media_type = media_type.into();
        self
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// Asks for the SHA-256 of each page beside its digest, as notaries and time-stampers expect; taken in the same
    /// pass, on one core.
    #[must_use]
    pub fn with_sha256(mut self) -> Self {
        self.sha256 = true;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        within("the document's name", &self.name, NAME_CAP)?;
        within("the media type", &self.media_type, MEDIA_TYPE_CAP)?;
        check_attributes(&self.attributes)
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.text(&self.name).text(&self.media_type);
        write_attributes(w, &self.attributes);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            name: r.text(NAME_CAP)?.to_owned(),
            media_type: r.text(MEDIA_TYPE_CAP)?.to_owned(),
            attributes: read_attributes(r)?,
            sha256: false,
        })
    }
}

/// The digest of a version's content.
///
/// For a version of one page it is the BLAKE3 hash of the page, so `b3sum` gives the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentDigest([u8; 32]);

impl ContentDigest {
    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest of content made of these pages.
    pub(crate) fn of_pages(pages: &[Page]) -> Self {
        Self::of_page_digests(pages.iter().map(Page::content_digest))
    }

    /// The digest of content whose pages have these digests, in order (FORMAT §7.2); for one page it is the page's.
    #[must_use]
    pub fn of_page_digests(pages: impl IntoIterator<Item = Self>) -> Self {
        let pages: Vec<Self> = pages.into_iter().collect();
        match pages.as_slice() {
            [only] => *only,
            pages => {
                let digests: Vec<&[u8]> = pages.iter().map(|page| page.0.as_slice()).collect();
                Self(schedule::context(schedule::PAGES, &digests))
            }
        }
    }

    /// The digest of a one-page content in memory.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self(digest::of_page(content))
    }
}

impl core::fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", crate::ids::Hex(&self.0))
    }
}

impl core::fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ContentDigest({self})")
    }
}

#[cfg(feature = "serde")]
crate::ids::serialize_as_text!(ContentDigest);

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for ContentDigest {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(d)?;
        crate::ids::parse_hex(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Parts sealed by one attempt, in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) attempt: [u8; 16],
    pub(crate) first: u32,
    pub(crate) parts: u32,
}

/// Where a page's content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the head.
    Inline,
    /// In parts, in runs that follow each other from part 0.
    Parts(Vec<Run>),
}

/// One page (a file, a side, a photographed sheet).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) len: u64,
    pub(crate) digest: [u8; 32],
    /// If the writer was asked for it.
    pub(crate) sha256: Option<[u8; 32]>,
    pub(crate) place: Place,
    /// Of its parts, if they are two or more; zeros for padding alone.
    pub(crate) chaining: Vec<Chaining>,
}

/// A page of a version, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SealedPage {
    /// Bytes of content.
    pub len: u64,
    /// The content's digest: its BLAKE3 hash.
    pub digest: ContentDigest,
    /// The SHA-256 of the content, if it was [asked for](NewDocument::with_sha256); hexadecimal where it is serialized.
    #[cfg_attr(feature = "serde", serde(serialize_with = "in_hex"))]
    pub sha256: Option<[u8; 32]>,
}

impl SealedPage {
    pub(crate) const fn of(page: &Page) -> Self {
        Self { len: page.len, digest: page.content_digest(), sha256: page.sha256 }
    }
}

#[cfg(feature = "serde")]
fn in_hex<S: serde::Serializer>(sha256: &Option<[u8; 32]>, s: S) -> Result<S::Ok, S::Error> {
    match sha256 {
        Some(sha256) => s.collect_str(&crate::ids::Hex(sha256)),
        None => s.serialize_none(),
    }
}

impl Page {
    /// The digest of this page's content alone.
    pub(crate) const fn content_digest(&self) -> ContentDigest {
        ContentDigest(self.digest)
    }

    /// The attempt that sealed part `index`.
    pub(crate) fn attempt(&self, index: u32) -> Option<[u8; 16]> {
        let Place::Parts(runs) = &self.place else { return None };
        let run =
            runs.iter().find(|run| index.checked_sub(run.first).is_some_and(|into| into < run.parts))?;
        Some(run.attempt)
    }

    /// Parts the page is cut into; at least one.
    pub(crate) fn parts(&self) -> u32 {
        let padded = crate::padding::padme(self.len);
        u32::try_from(padded.div_ceil(PART_LEN).max(1)).unwrap_or(u32::MAX)
    }

    /// Zeros behind the content.
    pub(crate) fn padding(&self) -> u64 {
        crate::padding::padme(self.len).saturating_sub(self.len)
    }

    /// Padded bytes in part `index`.
    pub(crate) fn part_len(&self, index: u32) -> u64 {
        crate::padding::padme(self.len).saturating_sub(u64::from(index) * PART_LEN).min(PART_LEN)
    }

    /// Bytes of content in part `index`.
    pub(crate) fn content_in(&self, index: u32) -> u64 {
        self.len.saturating_sub(u64::from(index) * PART_LEN).min(PART_LEN)
    }

    /// Whether the content of part `index`, in pieces with these chaining values, belongs to the page's digest.
    pub(crate) fn holds(&self, index: u32, pieces: &[Chaining]) -> bool {
        self.is_part(index, || digest::joined(pieces), || Some(digest::root(pieces)))
    }

    /// Whether a part's digest, none if it is padding alone, is that of part `index`.
    pub(crate) fn has(&self, index: u32, part: Option<PartDigest>) -> bool {
        let root = || part.map(|part| digest::page_digest(&[part]));
        self.is_part(index, || digest::contribution(part), root)
    }

    /// Whether part `index` contributes this to the page's digest, or, as the only one, is all of it.
    fn is_part(
        &self,
        index: u32,
        chaining: impl FnOnce() -> Chaining,
        root: impl FnOnce() -> Option<[u8; 32]>,
    ) -> bool {
        match usize::try_from(index).ok().and_then(|index| self.chaining.get(index)) {
            Some(expected) => chaining() == *expected,
            None => index == 0 && root() == Some(self.digest),
        }
    }

    /// Whether the chaining values are one for each of two parts or more, and come to the digest.
    fn is_outlined(&self) -> bool {
        let parts = usize::try_from(self.parts()).unwrap_or(usize::MAX);
        if self.place == Place::Inline || parts == 1 {
            return self.chaining.is_empty();
        }
        let content = usize::try_from(self.len.div_ceil(PART_LEN)).unwrap_or(usize::MAX);
        let Some((content, padding)) = self.chaining.split_at_checked(content) else { return false };
        self.chaining.len() == parts
            && digest::root(content) == self.digest
            && padding.iter().all(|chaining| *chaining == digest::PADDING)
    }
}

/// The sealed metadata of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionMeta {
    pub(crate) blind: [u8; 32],
    pub(crate) document: NewDocument,
    pub(crate) content_digest: ContentDigest,
    pub(crate) pages: Vec<Page>,
}

impl VersionMeta {
    pub(crate) fn encode(&self) -> SecretBytes {
        let mut w = Writer::with_capacity(META_CAPACITY);
        w.fixed(&self.blind);
        self.document.write(&mut w);
        w.fixed(&self.content_digest.0);
        write_pages(&mut w, &self.pages);
        w.into_secret()
    }

    /// Parses the metadata of a version.
    ///
    /// # Errors
    ///
    /// [`Malformed`] also if runs leave a gap, or the digest is not that of the pages.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let blind = r.array()?;
        let document = NewDocument::read(&mut r)?;
        let content_digest = ContentDigest(r.array()?);
        let pages = read_pages(&mut r)?;
        r.finish()?;
        let inline = pages.iter().any(|page| page.place == Place::Inline);
        if pages.is_empty()
            || (inline && pages.len() != 1)
            || ContentDigest::of_pages(&pages) != content_digest
        {
            return Err(Malformed);
        }
        Ok(Self { blind, document, content_digest, pages })
    }

    /// Bytes of content over all pages.
    pub(crate) fn len(&self) -> u64 {
        content_len(&self.pages)
    }
}

/// Bytes of content over these pages.
pub(crate) fn content_len(pages: &[Page]) -> u64 {
    pages.iter().fold(0, |sum, page| sum.saturating_add(page.len))
}

pub(crate) fn write_pages(w: &mut Writer, pages: &[Page]) {
    w.u32(u32::try_from(pages.len()).unwrap_or(u32::MAX));
    for page in pages {
        w.u64(page.len).fixed(&page.digest);
        w.optional(page.sha256.as_ref(), |w, sha256| {
            w.fixed(sha256);
        });
        let (code, runs) = match &page.place {
            Place::Inline => (0, [].as_slice()),
            Place::Parts(runs) => (1, runs.as_slice()),
        };
        w.u8(code).u32(u32::try_from(runs.len()).unwrap_or(u32::MAX));
        for run in runs {
            w.fixed(&run.attempt).u32(run.first).u32(run.parts);
        }
        for chaining in &page.chaining {
            w.fixed(chaining);
        }
    }
}

pub(crate) fn read_pages(r: &mut Reader<'_>) -> Result<Vec<Page>, Malformed> {
    let count = r.count(PAGES_CAP)?;
    let pages = (0..count).map(|_| read_page(r)).collect::<Result<Vec<_>, _>>()?;
    if content_len(&pages) <= CONTENT_CAP { Ok(pages) } else { Err(Malformed) }
}

fn read_page(r: &mut Reader<'_>) -> Result<Page, Malformed> {
    let (len, digest) = (r.u64()?, r.array()?);
    let (sha256, code) = (r.optional(Reader::array)?, r.u8()?);
    let (runs, parts) = read_runs(r)?;
    let place = match code {
        0 if runs.is_empty() && crate::padding::padme(len) <= crate::head::INLINE_CAP => Place::Inline,
        1 => Place::Parts(runs),
        _ => return Err(Malformed),
    };
    let mut page = Page { len, digest, sha256, place, chaining: Vec::new() };
    if len > CONTENT_CAP || (page.place != Place::Inline && page.parts() != parts) {
        return Err(Malformed);
    }
    if parts > 1 {
        let count = usize::try_from(parts).map_err(|_| Malformed)?;
        let (chaining, _) = r.take(count.checked_mul(32).ok_or(Malformed)?)?.as_chunks::<32>();
        page.chaining = chaining.to_vec();
    }
    if page.is_outlined() { Ok(page) } else { Err(Malformed) }
}

/// Runs that follow each other from part 0, and how many parts they have.
fn read_runs(r: &mut Reader<'_>) -> Result<(Vec<Run>, u32), Malformed> {
    let count = r.count(RUNS_CAP)?;
    let mut runs = Vec::with_capacity(count);
    let mut next = 0u32;
    for _ in 0..count {
        let run = Run { attempt: r.array()?, first: r.u32()?, parts: r.u32()? };
        if run.first != next || run.parts == 0 {
            return Err(Malformed);
        }
        next = next.checked_add(run.parts).ok_or(Malformed)?;
        runs.push(run);
    }
    Ok((runs, next))
}

/// The sealed metadata of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CaseMeta {
    pub(crate) blind: [u8; 32],
    pub(crate) title: String,
    pub(crate) attributes: Attributes,
}

impl CaseMeta {
    pub(crate) fn encode(&self) -> SecretBytes {
        let mut w = Writer::with_capacity(META_CAPACITY);
        w.fixed(&self.blind).text(&self.title);
        write_attributes(&mut w, &self.attributes);
        w.into_secret()
    }

    /// Parses the metadata of a case.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let meta = Self {
            blind: r.array()?,
            title: r.text(NAME_CAP)?.to_owned(),
            attributes: read_attributes(&mut r)?,
        };
        r.finish()?;
        Ok(meta)
    }
}

/// Refuses a text longer than `cap` bytes.
pub(crate) fn within(what: &str, text: &str, cap: usize) -> Result<()> {
    if text.len() <= cap {
        return Ok(());
    }
    Err(Error::invalid(format!("{what} has {} bytes; at most {cap} are kept", text.len())))
}

pub(crate) fn check_attributes(attributes: &Attributes) -> Result<()> {
    if attributes.len() > ATTRIBUTES_CAP {
        return Err(Error::invalid(format!(
            "{} attributes; at most {ATTRIBUTES_CAP} are kept",
            attributes.len()
        )));
    }
    for (name, value) in attributes {
        within("an attribute's name", name, ATTRIBUTE_NAME_CAP)?;
        within("an attribute's value", value, ATTRIBUTE_VALUE_CAP)?;
    }
    Ok(())
}

pub(crate) fn write_attributes(w: &mut Writer, attributes: &Attributes) {
    w.u32(u32::try_from(attributes.len()).unwrap_or(u32::MAX));
    for (name, value) in attributes {
        w.text(name).text(value);
    }
}

pub(crate) fn read_attributes(r: &mut Reader<'_>) -> Result<Attributes, Malformed> {
    let count = r.count(ATTRIBUTES_CAP)?;
    let mut pairs: Vec<(String, String)> = Vec::with_capacity(count);
    for _ in 0..count {
        let pair = (r.text(ATTRIBUTE_NAME_CAP)?.to_owned(), r.text(ATTRIBUTE_VALUE_CAP)?.to_owned());
        if pairs.last().is_some_and(|last| last.0 >= pair.0) {
            return Err(Malformed);
        }
        pairs.push(pair);
    }
    Ok(pairs.into_iter().collect())
}

/// Bytes of padded content in every part but the last.
pub(crate) const PART_LEN: u64 = 8 * 1024 * 1024;
/// Pages of a version, at most.
pub(crate) const PAGES_CAP: usize = 1024;
/// Bytes of a name or a title, at most.
pub(crate) const NAME_CAP: usize = 1024;
/// Bytes of a reason, at most.
pub(crate) const REASON_CAP: usize = 4096;
const MEDIA_TYPE_CAP: usize = 256;
const ATTRIBUTES_CAP: usize = 64;
const ATTRIBUTE_NAME_CAP: usize = 128;
const ATTRIBUTE_VALUE_CAP: usize = 4096;
/// Runs of a page, at most.
pub(crate) const RUNS_CAP: usize = 1024;
/// Bytes of content in a version, at most: so many that the chaining values of all parts fit in a head.
pub(crate) const CONTENT_CAP: u64 = 128 << 30;
const META_CAPACITY: usize = 4096;

#[cfg(test)]
mod tests;
