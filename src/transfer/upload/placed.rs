//! Content put into the very memory in which it is sealed.

use std::io;

use super::{PART_USIZE, Upload, unsealed};
use crate::{
    crypto::{
        chunked::{ReadAt, Rest, SealError},
        pieces,
    },
    error::{Error, Result},
    observe,
    padding::padme,
    secret::SecretBytes,
};

impl Upload {
    /// Takes the next `len` bytes of the page at hand, which `read` puts where they are sealed, just before they
    /// are.
    ///
    /// `read` is told where in the `len` bytes a piece begins and must fill it, 16 KiB at most, from a file at an
    /// offset for example. With feature `parallel` the threads of the current rayon pool ask for pieces, in any
    /// order and several at once: that spares the copy of [`Upload::write`] and shares the reading out. The calling
    /// thread waits for a part of 8 MiB to be read and sealed, so a slow source needs a thread that may block.
    ///
    /// A document [with SHA-256](crate::NewDocument::with_sha256) is read a part at a time, in order, and copied.
    ///
    /// ```no_run
    /// # #[cfg(unix)]
    /// # async fn example(mut upload: docvault::Upload) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::os::unix::fs::FileExt;
    ///
    /// let scan = std::fs::File::open("scan.tiff")?;
    /// upload.write_from(scan.metadata()?.len(), |at, piece| scan.read_exact_at(piece, at)).await?;
    /// upload.finish().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if `read` fails, its error being the source; and as
    /// [`Upload::write`]. The upload can then be resumed by its token, and takes nothing more.
    ///
    /// # Cancellation
    ///
    /// As [`Upload::write`].
    pub async fn write_from(
        &mut self,
        len: u64,
        read: impl Fn(u64, &mut [u8]) -> io::Result<()> + Send + Sync,
    ) -> Result<()> {
        observe::operation("Upload::write_from", self.subject(), self.take_from(len, &read)).await
    }

    async fn take_from(&mut self, len: u64, read: &ReadAt<'_>) -> Result<()> {
        self.check_usable()?;
        // SHA-256 takes the content in order, before it is sealed.
        let copied = self.page.sha256.is_some().then_some(PART_USIZE);
        let mut buffer = SecretBytes::new(copied.map(pieces::memory).unwrap_or_default());
        let mut at = 0;
        while at < len {
            let now = usize::try_from(len.saturating_sub(at)).unwrap_or(usize::MAX).min(self.room());
            match buffer.get_mut(..now) {
                Some(place) => {
                    self.broken = true;
                    read(at, place).map_err(unread)?;
                    self.broken = false;
                    self.take_piece(Rest::Bytes(place)).await?;
                }
                None => self.take_piece(Rest::Read { at, len: now, read }).await?,
            }
            at = at.saturating_add(u64::try_from(now).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// Keeps bytes that do not complete a part.
    pub(super) fn gather(&mut self, piece: Rest<'_>) -> Result<()> {
        let len = self.page.draft.len().saturating_add(piece.len());
        if !self.page.draft.holds(len) {
            // All of it may have come; if more comes it may be little; and then a whole part's size.
            let room = match self.page.draft.len() {
                0 => u64::try_from(len).map(padme).ok().and_then(|room| usize::try_from(room).ok()),
                _ => (len <= SMALL).then_some(SMALL),
            };
            let room = room.filter(|room| *room <= SMALL).unwrap_or(PART_USIZE);
            self.page.draft.move_to(core::mem::take(&mut self.spare), room);
        }
        // Whatever reads may panic: all of the piece is counted, and some of it not there.
        self.broken = true;
        self.page.draft.push(piece).map_err(unread)?;
        self.broken = false;
        Ok(())
    }
}

fn unread(cause: io::Error) -> Error {
    unsealed(SealError::Read(cause))
}

/// A first allocation for content that may turn out small.
const SMALL: usize = 256 * 1024;
