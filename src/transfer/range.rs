//! Reading a stored part at random: every chunk is shown to belong to the page's digest (FORMAT §7.4).

use core::ops::Range;

use super::part::{Part, outlined};
use crate::{
    crypto::{
        chunked::{self, OpenError, PREFIX_LEN, RangeOpener},
        digest::{self, Chaining, PADDING, PIECE, PIECE_U64, PartDigest},
    },
    document::{PART_LEN, Page},
    secret::SecretBytes,
};

/// Opens ranges of one part.
pub(super) struct PartRangeOpener {
    opener: RangeOpener,
    index: u32,
    /// Of the part's pieces that hold content; none if the part has but one.
    outline: Vec<Chaining>,
}

impl PartRangeOpener {
    /// Takes the start of the stored part and its outline, which must be that of the page's digest.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub(super) fn new(
        part: &Part<'_>,
        page: &Page,
        prefix: &[u8],
        outline: &[u8],
    ) -> Result<Self, OpenError> {
        let len = page.part_len(part.index);
        let prefix = prefix.first_chunk::<PREFIX_LEN>().ok_or(OpenError)?;
        let sealed_len = chunked::sealed_len(len).ok_or(OpenError)?;
        let opener = RangeOpener::new(part.key.expose(), &part.context(), prefix, sealed_len)?;
        let pieces = outlined(usize::try_from(len).map_err(|_| OpenError)?);
        let outline = if pieces == 0 { Vec::new() } else { open_outline(part, page, pieces, outline)? };
        Ok(Self { opener, index: part.index, outline })
    }

    /// The content of all chunks that hold `range`, from exactly their sealed bytes, and where in it the range is.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; no byte is released.
    pub(super) fn open(
        &self,
        page: &Page,
        range: &Range<u64>,
        sealed: &[u8],
    ) -> Result<(SecretBytes, Range<usize>), OpenError> {
        let (opened, within) = self.opener.open_chunks(range, sealed)?;
        let first = range.start.min(self.opener.claimed_len()) / PIECE_U64;
        let content = page.content_in(self.index).saturating_sub(first * PIECE_U64);
        let content = usize::try_from(content).map_or(opened.len(), |content| content.min(opened.len()));
        for (chunk, at) in opened.get(..content).ok_or(OpenError)?.chunks(PIECE).zip(first..) {
            let offset = u64::from(self.index) * PART_LEN + at * PIECE_U64;
            if !self.holds(page, at, digest::part_digest(offset, chunk)) {
                return Err(OpenError);
            }
        }
        Ok((opened, within))
    }

    fn holds(&self, page: &Page, piece: u64, digest: PartDigest) -> bool {
        if self.outline.is_empty() {
            return page.has(self.index, Some(digest));
        }
        let expected = usize::try_from(piece).ok().and_then(|piece| self.outline.get(piece));
        expected == Some(&digest::contribution(Some(digest)))
    }
}

/// The chaining values of the pieces that hold content, which together belong to the page's digest.
fn open_outline(
    part: &Part<'_>,
    page: &Page,
    pieces: usize,
    sealed: &[u8],
) -> Result<Vec<Chaining>, OpenError> {
    let opened = part.open_outline(sealed)?;
    let (chaining, rest) = opened.as_chunks::<32>();
    let content = usize::try_from(page.content_in(part.index).div_ceil(PIECE_U64)).map_err(|_| OpenError)?;
    let (content, padding) = chaining.split_at_checked(content).ok_or(OpenError)?;
    let whole = chaining.len() == pieces && rest.is_empty() && padding.iter().all(|value| *value == PADDING);
    if whole && page.holds(part.index, content) { Ok(content.to_vec()) } else { Err(OpenError) }
}

/// Where the outline is in a stored part of `padded` bytes; empty if it has none.
pub(super) fn outline_range(padded: u64) -> Option<Range<u64>> {
    let start = chunked::sealed_len(padded)?;
    Some(start..stored_len(padded)?)
}

/// Bytes of a stored part of `padded` bytes, its outline included.
pub(super) fn stored_len(padded: u64) -> Option<u64> {
    let pieces = u64::try_from(outlined(usize::try_from(padded).ok()?)).ok()?;
    let outline = if pieces == 0 { 0 } else { chunked::sealed_len(pieces * 32)? };
    chunked::sealed_len(padded)?.checked_add(outline)
}
