//! One function applied to every piece of a buffer, on all threads of the caller's current rayon pool.

/// What `each` gives for every `len` bytes of `bytes`, in order; it gets the piece's index too.
pub(crate) fn map_mut<T: Send>(
    bytes: &mut [u8],
    len: usize,
    each: impl Fn(usize, &mut [u8]) -> T + Send + Sync,
) -> Vec<T> {
    #[cfg(feature = "parallel")]
    if bytes.len() >= SHARED_OUT {
        let pieces = bytes.par_chunks_mut(len).enumerate().with_max_len(GROUP);
        return pieces.map(|(index, piece)| each(index, piece)).collect();
    }
    bytes.chunks_mut(len).enumerate().map(|(index, piece)| each(index, piece)).collect()
}

/// [`map_mut`] of bytes that are only read.
pub(crate) fn map<T: Send>(
    bytes: &[u8],
    len: usize,
    each: impl Fn(usize, &[u8]) -> T + Send + Sync,
) -> Vec<T> {
    #[cfg(feature = "parallel")]
    if bytes.len() >= SHARED_OUT {
        let pieces = bytes.par_chunks(len).enumerate().with_max_len(GROUP);
        return pieces.map(|(index, piece)| each(index, piece)).collect();
    }
    bytes.chunks(len).enumerate().map(|(index, piece)| each(index, piece)).collect()
}

#[cfg(feature = "parallel")]
use rayon::prelude::*;

/// Pieces that one thread takes at a time: few, so that a thread that loses its core holds up little.
#[cfg(feature = "parallel")]
const GROUP: usize = 8;
/// Below this waking another thread takes longer than it saves.
#[cfg(feature = "parallel")]
const SHARED_OUT: usize = 512 * 1024;
