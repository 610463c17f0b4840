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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_is_put_and_then_zeros_and_nothing_is_read_that_is_not_there() {
        let read = |at: u64, place: &mut [u8]| {
            let start = usize::try_from(at).expect("small");
            let from = b"0123456789".get(start..start + place.len()).filter(|from| !from.is_empty());
            place.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        };
        for rest in [Rest::Bytes(b"3456789"), Rest::Read { at: 3, len: 7, read: &read }] {
            for (from, expected) in
                [(0, b"34567"), (2, b"56789"), (5, b"89\0\0\0"), (7, &[0; 5]), (9, &[0; 5])]
            {
                let mut place = [1; 5];
                rest.put(from, &mut place).expect("what is there");
                assert_eq!(place, *expected, "{rest:?} {from}");
            }
        }
    }
}
