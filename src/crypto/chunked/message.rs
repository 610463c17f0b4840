//! A whole message in one buffer: sealed and opened in one pass, its chunks shared out over the threads.

use core::fmt;
use std::io;

use super::{
    Aead, CHUNK_LEN, ChaCha20Poly1305, Expand, HkdfSha256, OpenError, PREFIX_LEN, SALT_LEN, TAG_LEN,
    engine::{Engine, TooLong},
    plain_len,
    rest::Rest,
    rope::Rope,
    sealed_capacity,
};
use crate::{
    crypto::pieces,
    env::{Entropy, EntropyError, random},
    secret::{Secret, SecretBytes},
};

/// Content gathered at the very places where its ciphertext will stand, so that sealing copies nothing.
#[derive(Default)]
pub(crate) struct Draft {
    /// Laid out as a sealed message; beyond what is filled it holds whatever was there before.
    buffer: SecretBytes,
    filled: usize,
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("filled", &self.filled).finish_non_exhaustive()
    }
}

impl Draft {
    /// Bytes of content gathered.
    pub(crate) fn len(&self) -> usize {
        self.filled
    }

    /// Whether `content` bytes in all find room.
    pub(crate) fn holds(&self, content: usize) -> bool {
        sealed_capacity(content) <= self.buffer.len()
    }

    /// Moves to `spare`, or to memory of its own if that is too short, with room for `content` bytes,
    /// and as capacity for a 256th of them to be appended once sealed.
    ///
    /// What `spare` held does not matter.
    pub(crate) fn move_to(&mut self, spare: Vec<u8>, content: usize) {
        let len = sealed_capacity(content).max(self.buffer.len());
        let room = len.saturating_add(len / 256);
        let mut buffer = if spare.capacity() < room { pieces::memory(room) } else { spare };
        buffer.resize(len, 0);
        let used = self.buffer.get(..position(self.filled)).unwrap_or(&self.buffer);
        buffer.get_mut(..used.len()).unwrap_or_default().copy_from_slice(used);
        self.buffer = SecretBytes::new(buffer);
    }

    /// Gathers more content, which must find room.
    ///
    /// # Errors
    ///
    /// What reading it says, or that it finds no room; some of it may be gathered.
    pub(crate) fn push(&mut self, content: Rest<'_>) -> io::Result<()> {
        let mut taken = 0;
        while taken < content.len() {
            let now = (CHUNK_LEN - self.filled % CHUNK_LEN).min(content.len() - taken);
            let start = position(self.filled);
            let place = self.buffer.get_mut(start..start.saturating_add(now));
            content.put(taken, place.ok_or(io::ErrorKind::StorageFull)?)?;
            self.filled += now;
            taken += now;
        }
        Ok(())
    }

    /// Seals what was gathered, then `rest`, then zeros up to `len` bytes.
    ///
    /// `see` gets every chunk's index and content before it is sealed; what it gives comes back in order.
    ///
    /// # Errors
    ///
    /// No randomness; what reading `rest` says.
    pub(crate) fn seal<T: Send>(
        mut self,
        (key, context): (&Secret<32>, &[u8]),
        rest: Rest<'_>,
        len: usize,
        entropy: &dyn Entropy,
        see: impl Fn(usize, &[u8]) -> T + Send + Sync,
    ) -> Result<(Vec<u8>, Vec<T>), SealError> {
        if !self.holds(len) {
            self.move_to(Vec::new(), len);
        }
        let Self { mut buffer, filled } = self;
        buffer.truncate(sealed_capacity(len));
        let fill = |index: usize, chunk: &mut [u8]| {
            let start = index * CHUNK_LEN;
            let gathered = filled.saturating_sub(start).min(chunk.len());
            let (_, open) = chunk.split_at_mut(gathered);
            rest.put((start + gathered).saturating_sub(filled), open)?;
            Ok(see(index, chunk))
        };
        let key = key.expose();
        let seen = seal_in::<ChaCha20Poly1305, HkdfSha256, _>(key, context, &mut buffer, entropy, fill)?;
        let seen = seen.into_iter().collect::<io::Result<_>>()?;
        // Every byte of it is ciphertext now.
        Ok((core::mem::take(&mut *buffer), seen))
    }
}

/// Why a draft could not be sealed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error("the content could not be read")]
    Read(#[from] io::Error),
}

/// Where in a sealed message the content byte `at` stands.
fn position(at: usize) -> usize {
    (at / CHUNK_LEN).saturating_mul(SEALED_CHUNK).saturating_add(PREFIX_LEN + at % CHUNK_LEN)
}

/// Seals a message in a buffer of its sealed length; `fill` writes each chunk's content into its place.
pub(super) fn seal_in<A: Aead, H: Expand, T: Send>(
    key: &[u8],
    context: &[u8],
    buffer: &mut [u8],
    entropy: &dyn Entropy,
    fill: impl Fn(usize, &mut [u8]) -> T + Send + Sync,
) -> Result<Vec<T>, EntropyError> {
    let salt = random::<SALT_LEN>(entropy)?;
    let (engine, commitment) = Engine::<A>::derive::<H>(key, context, &salt).ok_or(EntropyError)?;
    let (prefix, chunks) = buffer.split_first_chunk_mut::<PREFIX_LEN>().ok_or(EntropyError)?;
    prefix.iter_mut().zip(salt.iter().chain(&commitment)).for_each(|(to, from)| *to = *from);
    let sealed = pieces::map_mut(chunks, SEALED_CHUNK, |index, chunk| {
        let (content, tag) = chunk.split_last_chunk_mut::<TAG_LEN>().ok_or(TooLong)?;
        let filled = fill(index, content);
        *tag = engine.seal_chunk(counter(index), content)?;
        Ok(filled)
    });
    // A message that fits in memory has fewer than 2³⁸ chunks, so no chunk can be refused.
    sealed.into_iter().collect::<Result<_, TooLong>>().map_err(|TooLong| EntropyError)
}

/// Opens a message into `content`, which must have its length; `see` gets every chunk of content but an
/// empty one, and what it gives comes back in order.
///
/// If that fails `content` must not be released.
pub(crate) fn open_into<A: Aead, H: Expand, T: Send>(
    (key, context): (&[u8], &[u8]),
    sealed: &Rope<'_>,
    content: &mut [u8],
    see: impl Fn(usize, &[u8]) -> T + Send + Sync,
) -> Result<Vec<T>, OpenError> {
    let len = plain_len(u64::try_from(sealed.len()).map_err(|_| OpenError)?)?;
    if u64::try_from(content.len()) != Ok(len) {
        return Err(OpenError);
    }
    let prefix = sealed.array::<PREFIX_LEN>(0).ok_or(OpenError)?;
    let engine = Engine::<A>::open::<H>(key, context, &prefix)?;
    open_chunks(&engine, 0, (sealed, PREFIX_LEN), content, see)
}

/// Opens chunks that follow each other from byte `start` of `sealed` on, the first of them number `first`.
pub(super) fn open_chunks<A: Aead, T: Send>(
    engine: &Engine<A>,
    first: u64,
    (sealed, start): (&Rope<'_>, usize),
    content: &mut [u8],
    see: impl Fn(usize, &[u8]) -> T + Send + Sync,
) -> Result<Vec<T>, OpenError> {
    let open = |index: usize, content: &mut [u8]| {
        let start = start.saturating_add(index * SEALED_CHUNK);
        sealed.copy_to(start, content).ok_or(OpenError)?;
        let tag = sealed.array(start.saturating_add(content.len())).ok_or(OpenError)?;
        engine.open_chunk(first.saturating_add(counter(index)), content, &tag)
    };
    let opened = pieces::map_mut(content, CHUNK_LEN, |index, content| {
        open(index, content)?;
        Ok(see(index, content))
    });
    // An empty last chunk is no piece of the content, and yet authenticates where it ends.
    if sealed.len().saturating_sub(start) % SEALED_CHUNK == TAG_LEN {
        open(content.len() / CHUNK_LEN, &mut [])?;
    }
    opened.into_iter().collect()
}

fn counter(index: usize) -> u64 {
    u64::try_from(index).unwrap_or(u64::MAX)
}

const SEALED_CHUNK: usize = CHUNK_LEN + TAG_LEN;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crypto::chunked, env::SystemEntropy};

    fn content() -> Vec<u8> {
        (0..=u8::MAX).cycle().take(3 * CHUNK_LEN + 5).collect()
    }

    #[test]
    fn a_draft_goes_on_in_memory_that_is_given_to_it_or_in_its_own_if_that_is_too_short() {
        let (key, content) = (Secret::take([7; 32]), content());
        let (begun, rest) = content.split_at(CHUNK_LEN + 9);
        for (capacity, goes_there) in [(2 * content.len(), true), (content.len(), false)] {
            let spare = vec![0xee; capacity];
            let place = spare.as_ptr();
            let mut draft = Draft::default();
            draft.move_to(Vec::new(), begun.len());
            draft.push(Rest::Bytes(begun)).expect("bytes");
            draft.move_to(spare, content.len() + 7);
            let (under, rest) = ((&key, &b"context"[..]), Rest::Bytes(rest));
            let sealed = draft.seal(under, rest, content.len() + 7, &SystemEntropy, |_, _| ());
            let (sealed, _) = sealed.expect("random");
            assert_eq!(core::ptr::eq(sealed.as_ptr(), place), goes_there);
            let opened = chunked::open(&key, b"context", &sealed).expect("sealed");
            assert_eq!(*opened, *[&content[..], &[0; 7]].concat());
        }
    }

    #[test]
    fn content_that_finds_no_room_in_a_draft_is_refused() {
        let content = content();
        let mut draft = Draft::default();
        draft.move_to(Vec::new(), CHUNK_LEN);
        draft.push(Rest::Bytes(&content[..CHUNK_LEN])).expect("room for a chunk");
        let refused = draft.push(Rest::Bytes(&content[..CHUNK_LEN])).expect_err("it is full");
        assert_eq!((refused.kind(), draft.len()), (io::ErrorKind::StorageFull, CHUNK_LEN));
    }

    #[test]
    fn a_message_opens_into_its_own_length_alone() {
        let (key, content) = (Secret::take([7; 32]), content());
        let sealed = chunked::seal(&key, b"context", &content, &SystemEntropy).expect("random");
        let opened = |len: usize| {
            let mut place = vec![0; len];
            let under = (&key.expose()[..], &b"context"[..]);
            let seen = open_into::<ChaCha20Poly1305, HkdfSha256, _>(
                under,
                &(&sealed[..]).into(),
                &mut place,
                |at, _| at,
            );
            seen.map(|seen| (seen, place))
        };
        assert_eq!(opened(content.len()), Ok((vec![0, 1, 2, 3], content.clone())));
        for other in [0, content.len() - 1, content.len() + 1] {
            assert_eq!(opened(other), Err(OpenError), "{other}");
        }
    }
}
