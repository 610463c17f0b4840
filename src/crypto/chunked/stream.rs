//! Sealing and opening as the bytes come.

use core::fmt;

use super::{
    Aead, CHUNK_LEN, CHUNKS_MAX, ChaCha20Poly1305, Expand, HkdfSha256, OpenError, PREFIX_LEN, SALT_LEN,
    TAG_LEN,
    engine::{Engine, TooLong},
};
use crate::{
    env::{Entropy, EntropyError, random},
    secret::SecretBytes,
};
use core::marker::PhantomData;

/// Seals a message piece by piece, holding one chunk.
///
/// Write [`Sealer::prefix`] first, then what each [`Sealer::push`] appends, then what
/// [`Sealer::finish`] appends. Without `finish` the message is truncated, and no reader opens it whole.
///
/// # Security
///
/// Its salt is drawn once. It must not go on in two copies of a process, after a fork or from a snapshot of the machine:
/// different bytes would be sealed with one key and nonce.
pub struct Sealer<A = ChaCha20Poly1305, H = HkdfSha256> {
    engine: Engine<A>,
    prefix: [u8; PREFIX_LEN],
    next: u64,
    pending: SecretBytes,
    hash: PhantomData<fn() -> H>,
}

impl<A, H> fmt::Debug for Sealer<A, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("next", &self.next).finish_non_exhaustive()
    }
}

impl<A: Aead, H: Expand> Sealer<A, H> {
    /// Starts a message under a fresh salt.
    ///
    /// # Errors
    ///
    /// [`EntropyError`] if no salt could be drawn, or `key` has not the AEAD's length.
    ///
    /// # Security
    ///
    /// `key` must be uniformly random.
    pub fn new(key: &[u8], context: &[u8], entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let salt = random::<SALT_LEN>(entropy)?;
        let (engine, commitment) = Engine::derive::<H>(key, context, &salt).ok_or(EntropyError)?;
        let mut prefix = [0; PREFIX_LEN];
        prefix.iter_mut().zip(salt.iter().chain(&commitment)).for_each(|(to, from)| *to = *from);
        let pending = SecretBytes::new(Vec::with_capacity(CHUNK_LEN));
        Ok(Self { engine, prefix, next: 0, pending, hash: PhantomData })
    }

    /// The bytes before the first chunk.
    #[must_use]
    pub fn prefix(&self) -> &[u8; PREFIX_LEN] {
        &self.prefix
    }

    /// Seals what fills chunks, appending them to `sealed`.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the message would exceed [`CHUNKS_MAX`] chunks; it cannot be finished then.
    pub fn push(&mut self, mut plaintext: &[u8], sealed: &mut Vec<u8>) -> Result<(), OpenError> {
        while !plaintext.is_empty() {
            let room = CHUNK_LEN.saturating_sub(self.pending.len());
            let (now, later) = plaintext.split_at_checked(room).unwrap_or((plaintext, &[]));
            self.pending.extend_from_slice(now);
            plaintext = later;
            if self.pending.len() == CHUNK_LEN {
                self.seal_pending(sealed)?;
            }
        }
        Ok(())
    }

    /// Seals the last, short chunk, appending it to `sealed`.
    ///
    /// # Errors
    ///
    /// As [`Sealer::push`].
    pub fn finish(mut self, sealed: &mut Vec<u8>) -> Result<(), OpenError> {
        self.seal_pending(sealed)
    }

    fn seal_pending(&mut self, sealed: &mut Vec<u8>) -> Result<(), OpenError> {
        let pending = core::mem::take(&mut self.pending);
        let done = self.chunk(&pending, sealed).map_err(|TooLong| OpenError);
        self.pending = pending;
        self.pending.clear();
        done
    }

    /// Appends the next chunk, sealed.
    pub(super) fn chunk(&mut self, chunk: &[u8], sealed: &mut Vec<u8>) -> Result<(), TooLong> {
        let start = sealed.len();
        sealed.extend_from_slice(chunk);
        let buffer = sealed.get_mut(start..).unwrap_or_default();
        match self.engine.seal_chunk(self.next, buffer) {
            Ok(tag) => {
                sealed.extend_from_slice(&tag);
                self.next += 1;
                Ok(())
            }
            Err(error) => {
                sealed.truncate(start);
                Err(error)
            }
        }
    }
}

/// Opens a message piece by piece, holding one chunk and releasing authenticated bytes only.
///
/// After an error it gives that error for ever.
pub struct Opener<A = ChaCha20Poly1305, H = HkdfSha256> {
    state: State<A>,
    key: SecretBytes,
    context: Vec<u8>,
    chunks_max: u64,
    hash: PhantomData<fn() -> H>,
}

enum State<A> {
    Prefix(Vec<u8>),
    Chunks { engine: Engine<A>, next: u64, pending: Vec<u8> },
    Failed,
}

impl<A, H> fmt::Debug for Opener<A, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("chunks_max", &self.chunks_max).finish_non_exhaustive()
    }
}

impl<A: Aead, H: Expand> Opener<A, H> {
    /// Starts to open a message.
    #[must_use]
    pub fn new(key: &[u8], context: &[u8]) -> Self {
        Self {
            state: State::Prefix(Vec::with_capacity(PREFIX_LEN)),
            key: SecretBytes::new(key.to_vec()),
            context: context.to_vec(),
            chunks_max: CHUNKS_MAX,
            hash: PhantomData,
        }
    }

    /// Refuses a message of more than `chunks` chunks.
    #[must_use]
    pub fn at_most(mut self, chunks: u64) -> Self {
        self.chunks_max = chunks.min(CHUNKS_MAX);
        self
    }

    /// Opens the chunks that `sealed` completes, appending their content to `plaintext`.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; what was appended before it is authentic, and a prefix of the content.
    pub fn push(&mut self, mut sealed: &[u8], plaintext: &mut SecretBytes) -> Result<(), OpenError> {
        while !sealed.is_empty() {
            let step = self.step(&mut sealed, plaintext);
            if step.is_err() {
                self.state = State::Failed;
            }
            step?;
        }
        if matches!(self.state, State::Failed) { Err(OpenError) } else { Ok(()) }
    }

    /// Opens the last chunk, appending its content to `plaintext`.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the message was truncated, or failed before.
    pub fn finish(self, plaintext: &mut SecretBytes) -> Result<(), OpenError> {
        match self.state {
            // What is pending is shorter than a full chunk, which is opened at once and never the last one.
            State::Chunks { engine, next, pending } if next < self.chunks_max => {
                engine.open_chunk_onto(next, &pending, plaintext)
            }
            _ => Err(OpenError),
        }
    }

    fn step(&mut self, sealed: &mut &[u8], plaintext: &mut SecretBytes) -> Result<(), OpenError> {
        match &mut self.state {
            State::Failed => Err(OpenError),
            State::Prefix(prefix) => {
                if fill(prefix, PREFIX_LEN, sealed) {
                    let prefix = prefix.first_chunk().ok_or(OpenError)?;
                    let engine = Engine::open::<H>(&self.key, &self.context, prefix)?;
                    let pending = Vec::with_capacity(CHUNK_LEN + TAG_LEN);
                    self.state = State::Chunks { engine, next: 0, pending };
                }
                Ok(())
            }
            State::Chunks { engine, next, pending } => {
                if fill(pending, CHUNK_LEN + TAG_LEN, sealed) {
                    // A full chunk is never the last one, so one more must fit.
                    if next.saturating_add(1) >= self.chunks_max {
                        return Err(OpenError);
                    }
                    engine.open_chunk_onto(*next, pending, plaintext)?;
                    *next += 1;
                    pending.clear();
                }
                Ok(())
            }
        }
    }
}

/// Moves bytes from `source` until `target` has `len`; tells whether it has.
fn fill(target: &mut Vec<u8>, len: usize, source: &mut &[u8]) -> bool {
    let room = len.saturating_sub(target.len());
    let (now, later) = source.split_at_checked(room).unwrap_or((source, &[]));
    target.extend_from_slice(now);
    *source = later;
    target.len() == len
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::chunked::{RangeOpener, rest::Rest, rope::Rope},
        env::SystemEntropy,
    };

    fn sealer() -> Sealer {
        Sealer::new(&[7; 32], b"context", &SystemEntropy).expect("entropy")
    }

    #[test]
    fn what_comes_behind_the_last_chunk_that_a_message_may_have_is_left_nowhere_in_the_clear() {
        let (mut sealer, mut sealed) = (sealer(), b"before".to_vec());
        sealer.next = CHUNKS_MAX - 1;
        sealer.push(&[0xAB; CHUNK_LEN], &mut sealed).expect("the last one");
        let whole = sealed.clone();
        assert_eq!(whole.len(), 6 + CHUNK_LEN + TAG_LEN);
        assert_eq!(sealer.push(&[0xAB; CHUNK_LEN], &mut sealed), Err(OpenError));
        assert_eq!(sealer.push(b"more", &mut sealed), Ok(()), "it waits for its chunk");
        assert_eq!(sealer.finish(&mut sealed), Err(OpenError));
        assert_eq!(sealed, whole);
    }

    #[test]
    fn nothing_that_seals_or_opens_prints_a_key_or_what_it_holds() {
        let mut sealer = sealer();
        sealer.push(b"plaintext", &mut Vec::new()).expect("a short one");
        let opener: Opener = Opener::new(&[7; 32], b"context");
        let ranges: RangeOpener =
            RangeOpener::new(&[7; 32], b"context", sealer.prefix(), 100).expect("its own key");
        let cipher = ChaCha20Poly1305::new(&[7; 32]).expect("32 bytes");
        let pieces = [b"plaintext".to_vec().into()];
        let (rest, rope) = (Rest::Bytes(b"plaintext"), Rope::new(&pieces));
        let printed = format!("{sealer:?} {opener:?} {ranges:?} {cipher:?} {rest:?} {rope:?}");
        for secret in ["7, 7", "07", "plaintext", "112, 108"] {
            assert!(!printed.contains(secret), "{secret} in {printed}");
        }
        for named in ["Sealer", " Opener", "RangeOpener", "ChaCha20Poly1305([REDACTED])", "Rest", "Rope"] {
            assert!(printed.contains(named), "{printed}");
        }
    }
}
