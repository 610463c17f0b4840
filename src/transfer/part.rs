//! One part of a page: sealed, opened and hashed in the same pass (FORMAT §7.2, §7.4).

use core::ops::Range;

use crate::{
    crypto::{
        chunked::{self, ChaCha20Poly1305, Draft, HkdfSha256, OpenError, Rest, Rope, SealError},
        digest::{self, PIECE, PartDigest},
        schedule,
    },
    document::PART_LEN,
    env::Entropy,
    secret::{Secret, SecretBytes},
};

/// Which part, and what it is sealed under.
pub(super) struct Part<'a> {
    pub(super) key: &'a Secret<32>,
    pub(super) content_context: &'a [u8; 32],
    pub(super) attempt: [u8; 16],
    pub(super) page: u32,
    pub(super) index: u32,
    /// It stays in its head, and has no outline.
    pub(super) inline: bool,
}

impl Part<'_> {
    /// What a part is bound to.
    pub(super) fn context(&self) -> Vec<u8> {
        let (page, part) = (self.page.to_be_bytes(), self.index.to_be_bytes());
        [self.content_context.as_slice(), &self.attempt, &page, &part].concat()
    }

    /// Where in its page the part starts.
    pub(super) fn offset(&self) -> u64 {
        u64::from(self.index) * PART_LEN
    }

    /// Seals what `draft` gathered, then `rest`, then zeros up to `padded` bytes.
    ///
    /// # Errors
    ///
    /// No randomness; what reading `rest` says.
    pub(super) fn seal(
        &self,
        draft: Draft,
        rest: Rest<'_>,
        padded: usize,
        entropy: &dyn Entropy,
    ) -> Result<(Vec<u8>, Option<PartDigest>), SealError> {
        let content = draft.len().saturating_add(rest.len());
        let see = |index, chunk: &[u8]| self.digest(content, index, chunk);
        let (mut sealed, pieces) = draft.seal((self.key, &self.context()), rest, padded, entropy, see)?;
        let outline = self.outline(&pieces, padded);
        if !outline.is_empty() {
            sealed.extend_from_slice(&chunked::seal(self.key, &self.outline_context(), &outline, entropy)?);
        }
        Ok((sealed, self.join(content, &pieces)))
    }

    /// Opens a part into `padded`, which must have its length; `content` bytes of it are no padding.
    ///
    /// # Errors
    ///
    /// [`OpenError`], also if the padding is not zero or the outline is another; nothing may be released then.
    pub(super) fn open(
        &self,
        sealed: &Rope<'_>,
        content: usize,
        padded: &mut [u8],
    ) -> Result<Option<PartDigest>, OpenError> {
        let split = sealed.split_at_checked(chunked::sealed_capacity(padded.len()));
        let (sealed, outline) = split.ok_or(OpenError)?;
        let see = |index, chunk: &[u8]| self.digest(content, index, chunk);
        let context = self.context();
        let key = (self.key.expose().as_slice(), context.as_slice());
        let pieces = chunked::open_into::<ChaCha20Poly1305, HkdfSha256, _>(key, &sealed, padded, see)?;
        let padding = padded.get(content..).ok_or(OpenError)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(OpenError);
        }
        self.check_outline(&outline, &self.outline(&pieces, padded.len()))?;
        Ok(self.join(content, &pieces))
    }

    fn check_outline(&self, sealed: &Rope<'_>, expected: &[u8]) -> Result<(), OpenError> {
        let len = if expected.is_empty() { 0 } else { chunked::sealed_capacity(expected.len()) };
        // Whatever stands behind the part is not even copied.
        let same = sealed.len() == len && (len == 0 || *self.open_outline(&sealed.joined())? == expected);
        if same { Ok(()) } else { Err(OpenError) }
    }

    /// The chaining values of the part's pieces, padding included.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub(super) fn open_outline(&self, sealed: &[u8]) -> Result<SecretBytes, OpenError> {
        chunked::open(self.key, &self.outline_context(), sealed)
    }

    /// What the outline of these pieces holds; nothing if there is none.
    fn outline(&self, pieces: &[Option<PartDigest>], padded: usize) -> Vec<u8> {
        let outlined = if self.inline { 0 } else { outlined(padded) };
        let pieces = pieces.iter().take(outlined);
        pieces.flat_map(|piece| digest::contribution(*piece)).collect()
    }

    fn outline_context(&self) -> [u8; 32] {
        schedule::context(schedule::OUTLINE, &[&self.context()])
    }

    /// Digests what is content in a chunk of the part.
    fn digest(&self, content: usize, index: usize, chunk: &[u8]) -> Option<PartDigest> {
        let start = index * PIECE;
        let chunk = chunk.get(..content.checked_sub(start)?.min(chunk.len()))?;
        let offset = self.offset().saturating_add(u64::try_from(start).ok()?);
        (!chunk.is_empty()).then(|| digest::part_digest(offset, chunk))
    }

    fn join(&self, content: usize, digests: &[Option<PartDigest>]) -> Option<PartDigest> {
        if content == 0 {
            return (self.index == 0).then(|| digest::part_digest(0, &[]));
        }
        let digests: Vec<PartDigest> = digests.iter().flatten().copied().collect();
        Some(digest::of_pieces(self.offset(), &digests))
    }
}

/// Pieces in the outline of a part of `padded` bytes; none if it has but one.
pub(super) const fn outlined(padded: usize) -> usize {
    let pieces = padded.div_ceil(PIECE);
    if pieces < 2 { 0 } else { pieces }
}

/// A range of a buffer of this length; none if it is not within.
pub(super) fn within(len: usize, range: &Range<u64>) -> Option<Range<usize>> {
    let (start, end) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
    (start <= end && end <= len).then_some(start..end)
}

// A chunk of a seal is a piece of the digest, so that both take one pass.
const _: () = assert!(PIECE == chunked::CHUNK_LEN);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_is_not_within_a_buffer_is_none_of_it() {
        for (start, end) in [(0, 0), (0, 5), (2, 3), (5, 5)] {
            let expected = usize::try_from(start).expect("small")..usize::try_from(end).expect("small");
            assert_eq!(within(5, &Range { start, end }), Some(expected));
        }
        for (start, end) in [(0, 6), (6, 6), (3, 2), (0, u64::MAX)] {
            assert_eq!(within(5, &Range { start, end }), None, "{start}..{end}");
        }
    }
}
