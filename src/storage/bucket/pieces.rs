//! An object's content as it comes in.

use bytes::Bytes;

/// A body's pieces as they leave the socket, the small ones joined: each piece holds the whole buffer that it was read
/// into, 8 KiB at least and some 400 at most.
#[derive(Default)]
pub(super) struct Joined {
    pieces: Vec<Bytes>,
    small: Vec<u8>,
    len: u64,
}

impl Joined {
    /// Bytes so far.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn with(mut self, piece: Bytes) -> Self {
        self.len = self.len.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if piece.len() >= KEPT_PIECE {
            self.close();
            self.pieces.push(piece);
            return self;
        }
        self.small.extend_from_slice(&piece);
        if self.small.len() >= JOINED_PIECE {
            self.close();
        }
        self
    }

    fn close(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(core::mem::take(&mut self.small).into());
        }
    }

    pub(super) fn finish(mut self) -> Vec<Bytes> {
        self.close();
        self.pieces
    }
}

/// A piece of this length is kept as it came.
const KEPT_PIECE: usize = 64 * 1024;
/// Small pieces are joined up to this length.
const JOINED_PIECE: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pieces_are_joined_and_none_is_empty() {
        let large = Bytes::from(vec![9; KEPT_PIECE]);
        for lens in
            [vec![], vec![0], vec![1; 700_000], vec![0, 5, KEPT_PIECE, 0, KEPT_PIECE, 7, 8], vec![65_535; 9]]
        {
            let pieces: Vec<Bytes> = lens.iter().map(|len| large.slice(..*len)).collect();
            let joined = pieces.iter().cloned().fold(Joined::default(), Joined::with).finish();
            assert_eq!(joined.concat(), pieces.concat());
            assert!(joined.iter().all(|piece| !piece.is_empty()));
            // Of two that follow each other one is long.
            assert!(joined.windows(2).all(|two| two.iter().any(|piece| piece.len() >= KEPT_PIECE)));
        }
    }
}
