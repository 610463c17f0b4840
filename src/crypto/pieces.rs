//! Work shared out over the threads of the caller's current rayon pool: one function applied to every piece of a
//! buffer, or all of it while the caller's task goes on.

use futures_util::{
    FutureExt,
    future::{self, BoxFuture},
};

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

/// Work on `len` bytes, done while the caller's task does something else if they are many.
///
/// On a thread of a pool it is done when it is waited for: the pool may have no other.
pub(crate) fn aside<T: Send + 'static>(
    len: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> BoxFuture<'static, T> {
    #[cfg(feature = "parallel")]
    if len >= SHARED_OUT && rayon::current_thread_index().is_none() {
        // Whoever waits gets a panic, too; and nothing is begun of what nobody waits for any more.
        let (work, done) = async move { work() }.remote_handle();
        rayon::spawn(move || _ = work.now_or_never());
        return done.boxed();
    }
    #[cfg(not(feature = "parallel"))]
    let _ = len;
    future::lazy(|_| work()).boxed()
}

/// Memory of `len` bytes, all of which will be written.
///
/// Touching it first costs as much as a good cipher, by the allocator's clearing or the kernel's: that is
/// shared out too.
pub(crate) fn memory(len: usize) -> Vec<u8> {
    #[cfg(feature = "parallel")]
    if len >= SHARED_OUT {
        let pages =
            rayon::iter::repeat_n([0u8; PAGE], len.div_ceil(PAGE)).with_min_len(SHARED_OUT / PAGE / 2);
        let mut bytes = pages.collect::<Vec<_>>().into_flattened();
        bytes.truncate(len);
        return bytes;
    }
    vec![0; len]
}

#[cfg(feature = "parallel")]
use rayon::prelude::*;

#[cfg(feature = "parallel")]
const PAGE: usize = 4096;

/// Pieces that one thread takes at a time: few, so that a thread that loses its core holds up little.
#[cfg(feature = "parallel")]
const GROUP: usize = 8;
/// Below this waking another thread takes longer than it saves.
#[cfg(feature = "parallel")]
const SHARED_OUT: usize = 512 * 1024;
