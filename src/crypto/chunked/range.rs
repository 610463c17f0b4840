//! Reading a sealed message at random.

use core::{fmt, marker::PhantomData, ops::Range};

use super::{
    Aead, CHUNK_U64, ChaCha20Poly1305, Expand, HkdfSha256, OpenError, PREFIX_LEN, PREFIX_U64, TAG_U64,
    engine::Engine, message, plain_len,
};
use crate::secret::SecretBytes;

/// Opens ranges of a message whose sealed length is known.
///
/// # Security
///
/// Every released byte is authentic and at its place. The *length* is authentic only once the last
/// chunk has been opened: a caller who counts from the end, or concludes from a range being empty,
/// opens [`RangeOpener::last_chunk`] first.
pub struct RangeOpener<A = ChaCha20Poly1305, H = HkdfSha256> {
    engine: Engine<A>,
    len: u64,
    hash: PhantomData<fn() -> H>,
}

impl<A, H> fmt::Debug for RangeOpener<A, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RangeOpener").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<A: Aead, H: Expand> RangeOpener<A, H> {
    /// Checks the commitment of the message that starts with `prefix` and has `sealed_len` bytes.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; also if no message has that length.
    pub fn new(
        key: &[u8],
        context: &[u8],
        prefix: &[u8; PREFIX_LEN],
        sealed_len: u64,
    ) -> Result<Self, OpenError> {
        let len = plain_len(sealed_len)?;
        Ok(Self { engine: Engine::open::<H>(key, context, prefix)?, len, hash: PhantomData })
    }

    /// Bytes of content, as the sealed length says.
    #[must_use]
    pub fn claimed_len(&self) -> u64 {
        self.len
    }

    /// The sealed bytes that hold `range` of the content, which is cut to the claimed length.
    #[must_use]
    pub fn sealed_range(&self, range: &Range<u64>) -> Range<u64> {
        sealed_range(self.len, range)
    }

    /// The range of content in the last chunk, possibly empty: opening it authenticates the length.
    #[must_use]
    pub fn last_chunk(&self) -> Range<u64> {
        self.len - self.len % CHUNK_U64..self.len
    }

    /// Opens `range` from exactly the bytes that [`RangeOpener::sealed_range`] names.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; no byte is released.
    pub fn open(&self, range: &Range<u64>, sealed: &[u8]) -> Result<SecretBytes, OpenError> {
        let (mut plaintext, within) = self.open_chunks(range, sealed)?;
        plaintext.truncate(within.end);
        plaintext.drain(..within.start);
        Ok(plaintext)
    }

    /// The content of all chunks that hold `range`, and where in it the range is.
    pub(crate) fn open_chunks(
        &self,
        range: &Range<u64>,
        sealed: &[u8],
    ) -> Result<(SecretBytes, Range<usize>), OpenError> {
        let (first, last) = chunks(self.len, range);
        let wanted = self.sealed_range(range);
        if u64::try_from(sealed.len()) != Ok(wanted.end - wanted.start) {
            return Err(OpenError);
        }
        let size = |bytes: u64| usize::try_from(bytes).map_err(|_| OpenError);
        let len = (last - first) * CHUNK_U64 + chunk_len(self.len, last);
        let mut plaintext = SecretBytes::new(vec![0; size(len)?]);
        message::open_chunks(&self.engine, first, (&sealed.into(), 0), &mut plaintext, |_, _| ())?;
        let within = |at: u64| size(at.min(self.len).saturating_sub(first * CHUNK_U64).min(len));
        let start = within(range.start)?;
        Ok((plaintext, start..within(range.end)?.max(start)))
    }
}

/// The sealed bytes that hold `range` of a content of `len` bytes.
pub(crate) fn sealed_range(len: u64, range: &Range<u64>) -> Range<u64> {
    let (first, last) = chunks(len, range);
    let start = PREFIX_U64 + first * (CHUNK_U64 + TAG_U64);
    let end = PREFIX_U64 + last * (CHUNK_U64 + TAG_U64) + chunk_len(len, last) + TAG_U64;
    start..end
}

/// First and last chunk that hold `range`; at least one.
fn chunks(len: u64, range: &Range<u64>) -> (u64, u64) {
    let (start, end) = (range.start.min(len), range.end.min(len));
    let first = start / CHUNK_U64;
    let last = end.saturating_sub(1).max(start) / CHUNK_U64;
    (first, last)
}

fn chunk_len(len: u64, chunk: u64) -> u64 {
    len.saturating_sub(chunk * CHUNK_U64).min(CHUNK_U64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers next to the ends of the first four chunks.
    fn near_ends() -> Vec<u64> {
        (0..4)
            .flat_map(|chunk| (0..3).map(move |more| (chunk * CHUNK_U64 + more).saturating_sub(1)))
            .collect()
    }

    /// Where the sealed bytes of chunk `chunk` of a content of `len` bytes stand.
    fn place(len: u64, chunk: u64) -> Range<u64> {
        let start = 56 + chunk * (16_384 + 16);
        start..start + 16 + (len - chunk * 16_384).min(16_384)
    }

    #[test]
    fn a_range_takes_the_chunks_that_hold_it_and_no_others() {
        for len in near_ends() {
            let last = len / CHUNK_U64;
            for start in near_ends() {
                for end in near_ends() {
                    let holding: Vec<Range<u64>> = (0..=last)
                        .filter(|chunk| {
                            let held = chunk * CHUNK_U64..((chunk + 1) * CHUNK_U64).min(len);
                            held.start.max(start) < held.end.min(end)
                        })
                        .map(|chunk| place(len, chunk))
                        .collect();
                    // An empty range takes the chunk in which it begins, the last one at most.
                    let nothing = place(len, start.min(len) / CHUNK_U64);
                    let expected = match (holding.first(), holding.last()) {
                        (Some(first), Some(last)) => first.start..last.end,
                        _ => nothing,
                    };
                    assert_eq!(sealed_range(len, &(start..end)), expected, "{start}..{end} of {len}");
                }
            }
        }
    }

    #[test]
    fn a_range_opens_from_exactly_its_sealed_bytes() {
        let key = crate::secret::Secret::<32>::copy_from(&[1; 32]).expect("32 bytes");
        let content: Vec<u8> = (0..40_000u32).map(|at| u8::try_from(at % 251).expect("small")).collect();
        let sealed = crate::crypto::chunked::seal(&key, b"", &content, &crate::env::SystemEntropy::default())
            .expect("entropy");
        let prefix = sealed.first_chunk().expect("a prefix");
        let opener: RangeOpener =
            RangeOpener::new(key.expose(), b"", prefix, u64::try_from(sealed.len()).expect("small"))
                .expect("a message");
        assert_eq!((opener.claimed_len(), opener.last_chunk()), (40_000, 32_768..40_000));
        let at = |range: Range<u64>| {
            usize::try_from(range.start).expect("small")..usize::try_from(range.end).expect("small")
        };
        for range in [0..1, 5..16_384, 16_383..16_385, 20_000..40_000, 39_999..50_000, 0..40_000] {
            let bytes = &sealed[at(opener.sealed_range(&range))];
            let opened = opener.open(&range, bytes).expect("its own bytes");
            assert_eq!(*opened, content[at(range.start..range.end.min(40_000))].to_vec());
            assert!(opener.open(&range, &bytes[..bytes.len() - 1]).is_err());
            assert!(opener.open(&range, &[bytes, &[0]].concat()).is_err());
        }
        let empty = opener.open(&(7..7), &sealed[at(opener.sealed_range(&(7..7)))]).expect("a chunk");
        assert!(empty.is_empty());
    }
}
