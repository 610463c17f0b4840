//! Content on its way to where it is sealed: out of memory, or by whoever can read it.

use core::fmt;
use std::io;

/// Puts the content from a byte on into a place of some length, on whichever thread asks.
pub(crate) type ReadAt<'a> = dyn Fn(u64, &mut [u8]) -> io::Result<()> + Send + Sync + 'a;

/// Content that follows what a draft has gathered.
#[derive(Clone, Copy)]
pub(crate) enum Rest<'a> {
    Bytes(&'a [u8]),
    /// `len` bytes from `at` on.
    Read {
        at: u64,
        len: usize,
        read: &'a ReadAt<'a>,
    },
}

impl fmt::Debug for Rest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Rest<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Read { len, .. } => *len,
        }
    }

    /// Puts the bytes from `from` on into `place`, and zeros where there are none left.
    pub(super) fn put(&self, from: usize, place: &mut [u8]) -> io::Result<()> {
        let left = self.len().saturating_sub(from).min(place.len());
        let (place, zeros) = place.split_at_mut(left);
        zeros.fill(0);
        match self {
            _ if left == 0 => Ok(()),
            Self::Bytes(bytes) => {
                place.copy_from_slice(bytes.get(from..from + left).unwrap_or_default());
                Ok(())
            }
            Self::Read { at, read, .. } => {
                read(at.saturating_add(u64::try_from(from).unwrap_or(u64::MAX)), place)
            }
        }
    }
}
