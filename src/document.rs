//! Documents and cases: names, metadata, pages (FORMAT §7.2). Pure.

use std::collections::BTreeMap;

use crate::{
    crypto::{digest, schedule},
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
}

impl NewDocument {
    /// A document of this name, at most 1,024 bytes; any characters, for it never reaches a path.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            media_type: "application/octet-stream".into(),
            attributes: Attributes::new(),
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
impl serde::Serialize for ContentDigest {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

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
    pub(crate) place: Place,
}

impl Page {
    /// The digest of this page's content alone.
    pub(crate) const fn content_digest(&self) -> ContentDigest {
        ContentDigest(self.digest)
    }

    /// The attempt that sealed part `index`.
    pub(crate) fn attempt(&self, index: u32) -> Option<[u8; 16]> {
        let Place::Parts(runs) = &self.place else { return None };
        let run = runs.iter().find(|run| index >= run.first && index - run.first < run.parts)?;
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
        self.pages.iter().fold(0, |sum, page| sum.saturating_add(page.len))
    }
}

pub(crate) fn write_pages(w: &mut Writer, pages: &[Page]) {
    w.u32(u32::try_from(pages.len()).unwrap_or(u32::MAX));
    for page in pages {
        w.u64(page.len).fixed(&page.digest);
        let (code, runs) = match &page.place {
            Place::Inline => (0, [].as_slice()),
            Place::Parts(runs) => (1, runs.as_slice()),
        };
        w.u8(code).u32(u32::try_from(runs.len()).unwrap_or(u32::MAX));
        for run in runs {
            w.fixed(&run.attempt).u32(run.first).u32(run.parts);
        }
    }
}

pub(crate) fn read_pages(r: &mut Reader<'_>) -> Result<Vec<Page>, Malformed> {
    let count = r.count(PAGES_CAP)?;
    (0..count).map(|_| read_page(r)).collect()
}

fn read_page(r: &mut Reader<'_>) -> Result<Page, Malformed> {
    let (len, digest, code) = (r.u64()?, r.array()?, r.u8()?);
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
    let place = match code {
        0 if runs.is_empty() && crate::padding::padme(len) <= crate::head::INLINE_CAP => Place::Inline,
        1 => Place::Parts(runs),
        _ => return Err(Malformed),
    };
    let page = Page { len, digest, place };
    if len > PAGE_LEN_CAP || (page.place != Place::Inline && page.parts() != next) {
        Err(Malformed)
    } else {
        Ok(page)
    }
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
const RUNS_CAP: usize = 1024;
/// Bytes of a page, at most: so many that its parts are counted in 32 bits, padding included.
pub(crate) const PAGE_LEN_CAP: u64 = 1 << 54;
const META_CAPACITY: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> VersionMeta {
        let run = |attempt, first, parts| Run { attempt: [attempt; 16], first, parts };
        let page = |len, place| Page { len, digest: [4; 32], place };
        let pages = vec![
            page(20 << 20, Place::Parts(vec![run(1, 0, 2), run(2, 2, 1)])),
            page(0, Place::Parts(vec![run(2, 0, 1)])),
        ];
        VersionMeta {
            blind: [1; 32],
            document: NewDocument::named("INE.pdf").attribute("b", "2").attribute("a", "1"),
            content_digest: ContentDigest::of_pages(&pages),
            pages,
        }
    }

    #[test]
    fn metadata_comes_back() {
        assert_eq!(VersionMeta::parse(&meta().encode()), Ok(meta()));
        let case = CaseMeta { blind: [1; 32], title: "Juan".into(), attributes: Attributes::new() };
        assert_eq!(CaseMeta::parse(&case.encode()), Ok(case));
    }

    #[test]
    fn gaps_between_runs_and_missing_parts_are_refused() {
        for runs in [
            vec![Run { attempt: [1; 16], first: 0, parts: 2 }],
            vec![Run { attempt: [1; 16], first: 1, parts: 3 }],
            vec![Run { attempt: [1; 16], first: 0, parts: 4 }],
            vec![],
        ] {
            let mut meta = meta();
            meta.pages[0].place = Place::Parts(runs);
            assert_eq!(VersionMeta::parse(&meta.encode()), Err(Malformed));
        }
        let mut meta = meta();
        meta.pages.clear();
        meta.content_digest = ContentDigest::of_pages(&[]);
        assert_eq!(VersionMeta::parse(&meta.encode()), Err(Malformed));
    }

    #[test]
    fn each_part_has_its_attempt_and_length() {
        let page = &meta().pages[0];
        assert_eq!(page.parts(), 3);
        assert_eq!([0, 1, 2, 3].map(|i| page.attempt(i).map(|a| a[0])), [Some(1), Some(1), Some(2), None]);
        assert_eq!([0, 2, 3].map(|i| page.part_len(i)), [8 << 20, 4 << 20, 0]);
    }
}
