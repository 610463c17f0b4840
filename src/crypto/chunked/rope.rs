//! Sealed bytes on their way to where they are opened: in one piece, or in those that a storage had them in.

use core::fmt;
use std::borrow::Cow;

use bytes::Bytes;

/// Bytes in pieces that follow each other.
pub(crate) struct Rope<'a> {
    /// Apart, so that one piece alone takes no memory.
    first: &'a [u8],
    /// Where each of the others ends, and the piece; none is empty.
    rest: Vec<(usize, &'a [u8])>,
}

impl fmt::Debug for Rope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rope").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<'a> Rope<'a> {
    pub(crate) fn new(pieces: &'a [Bytes]) -> Self {
        Self::of(pieces.iter().map(|piece| piece.as_ref()))
    }

    fn of(pieces: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut pieces = pieces.filter(|piece| !piece.is_empty());
        let first = pieces.next().unwrap_or_default();
        let mut end = first.len();
        let rest = pieces.map(|piece| {
            end = end.saturating_add(piece.len());
            (end, piece)
        });
        Self { first, rest: rest.collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.rest.last().map_or(self.first.len(), |(end, _)| *end)
    }

    /// The pieces from the one that holds byte `start` on, and where each ends.
    fn pieces(&self, start: usize) -> impl Iterator<Item = (usize, &'a [u8])> + Clone {
        let first = (start < self.first.len()).then_some((self.first.len(), self.first));
        let skipped = self.rest.partition_point(|(end, _)| *end <= start);
        first.into_iter().chain(self.rest.iter().skip(skipped).copied())
    }

    /// Both sides of byte `at`; none if there are fewer.
    pub(crate) fn split_at_checked(&self, at: usize) -> Option<(Self, Self)> {
        let sides = self.pieces(0).map(|(end, piece)| {
            let start = end - piece.len();
            piece.split_at(at.saturating_sub(start).min(piece.len()))
        });
        let (before, after) = (sides.clone().map(|(before, _)| before), sides.map(|(_, after)| after));
        (at <= self.len()).then(|| (Self::of(before), Self::of(after)))
    }

    /// Copies the bytes from `start` on into `place`; none if there are fewer.
    pub(super) fn copy_to(&self, start: usize, place: &mut [u8]) -> Option<()> {
        let (mut place, mut at) = (place, start);
        for (end, piece) in self.pieces(start) {
            let rest = piece.get(piece.len() - (end - at)..)?;
            let (now, later) = place.split_at_mut(rest.len().min(place.len()));
            now.copy_from_slice(rest.get(..now.len())?);
            if later.is_empty() {
                return Some(());
            }
            (place, at) = (later, end);
        }
        (place.is_empty() && at <= self.len()).then_some(())
    }

    /// The bytes from `start` on, `LEN` of them; none if there are fewer.
    pub(super) fn array<const LEN: usize>(&self, start: usize) -> Option<[u8; LEN]> {
        let mut bytes = [0; LEN];
        self.copy_to(start, &mut bytes).map(|()| bytes)
    }

    /// All of it, copied together unless it is one piece.
    pub(crate) fn joined(&self) -> Cow<'a, [u8]> {
        if self.rest.is_empty() {
            return Cow::Borrowed(self.first);
        }
        let pieces: Vec<&[u8]> = self.pieces(0).map(|(_, piece)| piece).collect();
        Cow::Owned(pieces.concat())
    }
}

impl<'a> From<&'a [u8]> for Rope<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::of(core::iter::once(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes 0 to 11, cut after each byte whose bit is set.
    fn cut(cuts: u16) -> Vec<Bytes> {
        let mut pieces = vec![Vec::new()];
        for at in 0..12u8 {
            pieces.last_mut().expect("one").push(at);
            if cuts >> at & 1 == 1 {
                pieces.push(Vec::new());
            }
        }
        pieces.into_iter().map(Bytes::from).collect()
    }

    #[test]
    fn however_it_is_cut_a_rope_is_its_bytes() {
        let all: Vec<u8> = (0..12).collect();
        for cuts in 0..1 << 12 {
            let pieces = cut(cuts);
            let rope = Rope::new(&pieces);
            assert_eq!((rope.len(), rope.joined().to_vec()), (12, all.clone()));
            for start in 0..14 {
                for len in 0..14 {
                    let mut place = vec![0; len];
                    let copied = rope.copy_to(start, &mut place).map(|()| place.as_slice());
                    assert_eq!(copied, all.get(start..start + len), "{cuts:b} {start} {len}");
                }
                let split =
                    rope.split_at_checked(start).map(|(a, b)| (a.joined().to_vec(), b.joined().to_vec()));
                let expected = all.split_at_checked(start).map(|(a, b)| (a.to_vec(), b.to_vec()));
                assert_eq!(split, expected, "{cuts:b} {start}");
            }
        }
        assert_eq!(Rope::from(all.as_slice()).array(3), Some([3, 4, 5]));
        assert_eq!(Rope::new(&[]).len(), 0);
        assert_eq!(Rope::from([].as_slice()).copy_to(0, &mut []), Some(()));
    }
}
