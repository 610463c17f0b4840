//! Memory of large objects, taken back when their last reader lets go of it.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Buffers that large objects were read into and that nobody holds any more.
///
/// A fresh buffer's pages cost more than reading into them; and read on many threads, buffers would stay
/// behind in the allocator's memory of each.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// A buffer for `len` bytes, empty.
    pub(super) fn take(&self, len: usize) -> Vec<u8> {
        let kept = (len >= LARGE).then(|| self.0.lock().unwrap_or_else(PoisonError::into_inner).pop());
        let mut buffer = kept.flatten().unwrap_or_default();
        buffer.clear();
        buffer.reserve_exact(len);
        buffer
    }

    /// What was read, as bytes whose memory comes back here if it is large.
    pub(super) fn lend(&self, buffer: Vec<u8>) -> Bytes {
        if buffer.len() < LARGE {
            return buffer.into();
        }
        Bytes::from_owner(Lent { buffer, home: self.clone() })
    }
}

struct Lent {
    buffer: Vec<u8>,
    home: Buffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut kept = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(core::mem::take(&mut self.buffer));
        }
    }
}

/// Smaller buffers are the allocator's affair.
const LARGE: usize = 1 << 20;
/// Buffers kept, of the size of the largest object read: a stream that reads six parts ahead uses seven.
const KEPT: usize = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_memory_comes_back_once_it_is_dropped() {
        let buffers = Buffers::default();
        let read = |len: usize, byte| {
            let mut buffer = buffers.take(len);
            buffer.resize(len, byte);
            let place = buffer.as_ptr().addr();
            (buffers.lend(buffer), place)
        };
        let (one, first) = read(2 * LARGE, 1);
        let (other, second) = read(2 * LARGE, 2);
        assert_ne!(first, second);
        let kept = one.slice(5..10);
        drop(one);
        assert!(kept.iter().all(|byte| *byte == 1));
        drop(kept);
        let (again, third) = read(LARGE, 3);
        assert_eq!((first, again.len()), (third, LARGE));
        assert!(again.iter().all(|byte| *byte == 3) && other.iter().all(|byte| *byte == 2));
    }

    #[test]
    fn few_buffers_are_kept() {
        let buffers = Buffers::default();
        let lent: Vec<Bytes> = (0..10).map(|_| buffers.lend(vec![0; LARGE])).collect();
        drop(lent);
        drop(buffers.lend(vec![0; 10]));
        assert_eq!(buffers.0.lock().expect("no panic").len(), KEPT);
    }
}
