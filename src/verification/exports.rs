//! The log as files for others to serve and verify.

use std::path::Path;

use super::{KeptCheckpoint, LogReader};
use crate::{error::Result, export, log::checkpoint::Checkpoint, observe};

impl LogReader {
    /// Writes the records that the checkpoint `note` is about into `folder`, as a static log of
    /// c2sp.org/tlog-tiles that stock clients verify: `checkpoint`, `tile/<level>/…` and
    /// `tile/entries/…`, entries being leaves of FORMAT §5.1.
    ///
    /// Every record up to the checkpoint is verified on the way. What is in the folder already is
    /// compared, and what differs is written beside it, in files whose names end in `.new`, which take its place once all
    /// are shown to be the log's; the file `checkpoint` comes last, so that a folder that is being served never promises
    /// what is not there.
    ///
    /// # Errors
    ///
    /// As [`LogReader::verify`]; corrupt, rolled back or forked if `note` is no checkpoint of this log
    /// or of a longer or another one; [`ErrorKind::Storage`](crate::ErrorKind::Storage) if the folder cannot be written.
    ///
    /// # Security
    ///
    /// Leaves show kinds, times and random identifiers, and bind everything else by hash only.
    ///
    /// # Cancellation
    ///
    /// Some files may be there, and others beside their names; the next export completes them.
    pub async fn export_tiles(&self, folder: impl AsRef<Path>, note: &str) -> Result<Checkpoint> {
        observe::operation(
            "LogReader::export_tiles",
            self.vault(),
            export::tiles(&self.pages, &self.state, note, folder.as_ref()),
        )
        .await
    }

    /// [`LogReader::export_tiles`] for a kept checkpoint, and the tokens of time authorities with it:
    /// `checkpoint.token.0` and so on, and `checkpoint.tokens`, a line of JSON for each with its file and
    /// its authority (FORMAT §9.4).
    ///
    /// # Errors
    ///
    /// As [`LogReader::export_tiles`].
    ///
    /// # Cancellation
    ///
    /// As [`LogReader::export_tiles`]; `checkpoint.tokens` comes last.
    pub async fn export_kept(&self, folder: impl AsRef<Path>, kept: &KeptCheckpoint) -> Result<Checkpoint> {
        let folder = folder.as_ref();
        observe::operation("LogReader::export_kept", self.vault(), async {
            let checkpoint = export::tiles(&self.pages, &self.state, &kept.note, folder).await?;
            export::tokens(&kept.tokens, folder).await?;
            Ok(checkpoint)
        })
        .await
    }
}
