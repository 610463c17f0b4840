//! Reading a sealed message at random.

use core::{fmt, marker::PhantomData, ops::Range};

use super::{
    Aead, CHUNK_LEN, CHUNK_U64, ChaCha20Poly1305, Expand, HkdfSha256, OpenError, PREFIX_LEN, PREFIX_U64,
    TAG_LEN, TAG_U64, engine::Engine, plain_len,
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
        let (first, last) = self.chunks(range);
        let start = PREFIX_U64 + first * (CHUNK_U64 + TAG_U64);
        let end = PREFIX_U64 + last * (CHUNK_U64 + TAG_U64) + self.chunk_len(last) + TAG_U64;
        start..end
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
        let (first, last) = self.chunks(range);
        let wanted = self.sealed_range(range);
        if u64::try_from(sealed.len()) != Ok(wanted.end - wanted.start) {
            return Err(OpenError);
        }
        let mut plaintext = SecretBytes::new(Vec::with_capacity(sealed.len()));
        for (counter, chunk) in (first..=last).zip(sealed.chunks(CHUNK_LEN + TAG_LEN)) {
            self.engine.open_chunk_onto(counter, chunk, &mut plaintext)?;
        }
        let (start, end) = (range.start.min(self.len), range.end.min(self.len));
        let skip = usize::try_from(start.saturating_sub(first * CHUNK_U64)).map_err(|_| OpenError)?;
        let take = usize::try_from(end.saturating_sub(start)).map_err(|_| OpenError)?;
        plaintext.truncate(skip.saturating_add(take));
        let skip = skip.min(plaintext.len());
        plaintext.drain(..skip);
        Ok(plaintext)
    }

    /// First and last chunk that hold `range`; at least one.
    fn chunks(&self, range: &Range<u64>) -> (u64, u64) {
        let (start, end) = (range.start.min(self.len), range.end.min(self.len));
        let first = start / CHUNK_U64;
        let last = end.saturating_sub(1).max(start) / CHUNK_U64;
        (first, last)
    }

    fn chunk_len(&self, chunk: u64) -> u64 {
        self.len.saturating_sub(chunk * CHUNK_U64).min(CHUNK_U64)
    }
}
