//! Looking at what is handed in before it is taken in.

use super::source::{Chunks, NewFile};
use crate::{
    ContentDigest, ContentHasher, Error, Result, SealedPage,
    intake::{FileRule, MediaType, Requirement},
};
use async_trait::async_trait;
use bytes::Bytes;

/// What an inspector says of a submission. Reasons are for the client: 1 to 300 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inspection {
    /// It may be taken in.
    Accept,
    /// It is kept aside for a closer look.
    Quarantine(String),
    /// It is not taken.
    Refuse(String),
}

/// One file of a submission, as far as it is known before it is taken in.
#[derive(Debug)]
#[non_exhaustive]
pub struct Examined {
    /// The name that it was handed in with.
    pub name: String,
    /// The media type that it was handed in with, in lower case and without parameters; empty if that was none.
    pub declared: String,
    /// The media type that its first bytes show, if they show one.
    pub shown: Option<&'static str>,
    /// Its length.
    pub bytes: u64,
    /// How many pages it has, where its first bytes or its kind tell: 1 for a photograph.
    pub pages: Option<u32>,
    /// What is stored has this hash, or nothing is stored.
    pub(super) digest: ContentDigest,
    file: NewFile,
}

impl Examined {
    /// The content, from its beginning: for what scans or reads it. Whoever reads it to its end has read what is stored.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being read; invalid at its end if it is another than it was before.
    pub async fn content(&self) -> Result<Box<dyn Chunks>> {
        let content = self.again().await?;
        Ok(Box::new(Unchanged { content, hasher: Some(ContentHasher::new()), digest: self.digest }))
    }

    /// The content as it is now, which may be another.
    pub(super) async fn again(&self) -> Result<Box<dyn Chunks>> {
        self.file.content.open().await
    }

    /// Reads and hashes a file to its end.
    pub(super) async fn of(file: &NewFile) -> Result<Self> {
        let (mut content, mut hasher, mut head) =
            (file.content.open().await?, ContentHasher::new(), Vec::new());
        while let Some(chunk) = content.next().await? {
            hasher.update(&chunk);
            let room = HEAD.saturating_sub(head.len());
            head.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
        }
        let (shown, bytes, digest) = (shown(&head), hasher.len(), digest(hasher));
        Ok(Self {
            name: file.name.clone(),
            declared: MediaType::essence(&file.media_type).unwrap_or_default(),
            shown,
            bytes,
            pages: shown.filter(|shown| ONE_PAGE.contains(shown)).map(|_| 1),
            digest,
            file: file.clone(),
        })
    }

    /// Whether a page that was sealed is what was examined.
    pub(super) fn is(&self, page: &SealedPage) -> bool {
        (self.bytes, self.digest) == (page.len, page.digest)
    }

    /// What it is: what its bytes show, or else what it is declared to be.
    #[must_use]
    pub fn media_type(&self) -> &str {
        self.shown.unwrap_or(&self.declared)
    }
}

/// A content that was read before, and must be the same again.
struct Unchanged {
    content: Box<dyn Chunks>,
    /// None once its end was reached.
    hasher: Option<ContentHasher>,
    digest: ContentDigest,
}

#[async_trait]
impl Chunks for Unchanged {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let chunk = self.content.next().await?;
        if let (Some(chunk), Some(hasher)) = (&chunk, &mut self.hasher) {
            hasher.update(chunk);
            return Ok(Some(chunk.clone()));
        }
        let changed = self.hasher.take().is_some_and(|hasher| digest(hasher) != self.digest);
        if changed {
            Err(Error::invalid("a file changed while it was inspected: hand it in again"))
        } else {
            Ok(None)
        }
    }
}

fn digest(hasher: ContentHasher) -> ContentDigest {
    ContentDigest::from_bytes(hasher.finish().blake3)
}

/// The media type that the first bytes of a file show.
fn shown(head: &[u8]) -> Option<&'static str> {
    infer::get(head).map(|found| found.mime_type())
}

/// Looks at a submission before it is taken in: an application's virus scanner, its OCR, its rules.
///
/// Every inspector sees every submission, in the order in which they were given, until one does not accept.
#[async_trait]
pub trait Inspector: Send + Sync {
    /// What to do with `files`, handed in for `requirement`.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from telling: the submission is then neither taken nor refused, and can be tried again.
    async fn inspect(&self, requirement: &Requirement, files: &[Examined]) -> Result<Inspection>;
}

/// Refuses files whose bytes show another media type than the requirement accepts, whatever they are called; files
/// that are declared as what their bytes would show and do not; and empty ones. Where bytes show nothing, the declared
/// type must be one that the requirement names: `image/*` accepts what bytes show alone.
///
/// Every desk has it, and looks first.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct MediaTypes;

#[async_trait]
impl Inspector for MediaTypes {
    async fn inspect(&self, requirement: &Requirement, files: &[Examined]) -> Result<Inspection> {
        let Some(rule) = requirement.files() else { return Ok(Inspection::Accept) };
        let wrong = (1..).zip(files).find_map(|(number, file): (usize, _)| {
            let problem = problem(rule, file)?;
            Some(Inspection::Refuse(format!("file {number} is {problem}")))
        });
        Ok(wrong.unwrap_or(Inspection::Accept))
    }
}

fn problem(rule: &FileRule, file: &Examined) -> Option<&'static str> {
    if file.bytes == 0 {
        return Some("empty");
    }
    let accepted = match file.shown {
        Some(shown) => rule.accepts(shown),
        None => is_named(rule, &file.declared) && !SHOWN.contains(&file.declared.as_str()),
    };
    (!accepted).then_some("not of a media type that is accepted here")
}

/// A range takes nobody's word: an SVG image is a program to a browser.
fn is_named(rule: &FileRule, declared: &str) -> bool {
    rule.media_types().iter().any(|named| named.as_str() == declared)
}

/// Bytes that are looked at to tell the media type: what `infer` looks at of a file, which for some formats calls itself
/// for every few of them.
const HEAD: usize = 8 * 1024;
/// Media types whose files are one page.
const ONE_PAGE: &[&str] = &["image/jpeg", "image/png", "image/webp", "image/heif", "image/heic", "image/bmp"];
/// Media types of which every file shows that it is one.
const SHOWN: &[&str] = &[
    "application/pdf",
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/gif",
    "image/tiff",
    "application/zip",
];

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;

    #[test]
    fn a_file_is_what_its_bytes_show() {
        let examined = |bytes: &[u8]| {
            block_on(Examined::of(&NewFile::from_memory("x.jpg", "image/jpeg", bytes.to_vec())))
                .expect("memory")
        };
        let pdf = examined(b"%PDF-1.7");
        assert_eq!((pdf.media_type(), pdf.bytes, pdf.pages), ("application/pdf", 8, None));
        let png = examined(b"\x89PNG\r\n\x1a\n");
        assert_eq!((png.media_type(), png.pages), ("image/png", Some(1)));
        assert_eq!(examined(b"words").media_type(), "image/jpeg");
        let mut content = block_on(pdf.content()).expect("memory");
        assert_eq!(block_on(content.next()).expect("memory").as_deref(), Some(b"%PDF-1.7".as_slice()));
    }
}
