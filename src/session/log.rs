//! The log in a session's hands: checkpoints kept, records exported.

use std::io::Write;

use super::Session;
use crate::{
    anchor::TimeAnchor,
    crypto::digest::sha256,
    error::{Error, ErrorKind, Result},
    export::{self, Form},
    log::{
        checkpoint::Checkpoint,
        kept::{AUTHORITY_CAP, Kept, TOKEN_CAP, TOKENS_CAP, TimeToken, ascending, text_digest},
    },
    observe,
    plan::{KeepCheckpoint, LogReading, ReadLog},
    storage::layout,
    verification::{self, KeptCheckpoint},
};

impl Session {
    /// Keeps a checkpoint of this log, with the cosignatures in `note` and a token from each of
    /// `anchors` (16 at most, of different names). The record of it commits to all of these.
    ///
    /// [`Audit::checkpoint`](crate::Audit::checkpoint) gives the note; have it cosigned by witnesses first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] if `note` is no checkpoint that this log signed, [`ErrorKind::RolledBack`] if
    /// it is about more records than there are, [`ErrorKind::Forked`] if it is about others;
    /// [`ErrorKind::Invalid`] for names or tokens beyond their limits; [`ErrorKind::Storage`] if an authority
    /// gives no token: then nothing is kept. As any commit.
    ///
    /// # Security
    ///
    /// Tokens are kept unseen: who relies on one verifies it with the authority's key.
    ///
    /// # Cancellation
    ///
    /// It may be kept or not; [`Audit::checkpoints`](crate::Audit::checkpoints) tells.
    pub async fn keep_checkpoint(&self, note: &str, anchors: &[&dyn TimeAnchor]) -> Result<KeptCheckpoint> {
        observe::operation("Session::keep_checkpoint", self.vault.id(), async {
            let ledger = self.vault.ledger();
            let state = ledger.sync().await?;
            let size = verification::check(ledger.pages(), &state, note).await?.size();
            let kept = Kept { note: note.to_owned(), tokens: stamps(note, anchors).await? };
            let object = kept.encode();
            let effect = sha256(&[&object]);
            ledger.put(&layout::checkpoint(size, &effect), object).await?;
            let operation = self.operation()?;
            let keep = KeepCheckpoint { origin: self.origin.clone(), operation, size, effect };
            let committed = self.commit(operation, keep).await?;
            let Kept { note, tokens } = kept;
            Ok(KeptCheckpoint { seq: committed.seq, time: committed.time, operation, size, note, tokens })
        })
        .await
    }

    /// Writes every record up to now to `out` as JSON Lines (FORMAT §9.4), the checkpoint that covers them
    /// last; gives that checkpoint. [`verify_exported_records`](crate::verify_exported_records) checks it.
    ///
    /// That is up to now as far as the storage shows; the checkpoint says how many records it is.
    ///
    /// The whole log is verified on the way; memory does not grow with it. `out` is written to from the
    /// executor's thread: give it a buffer.
    ///
    /// # Errors
    ///
    /// Corrupt at the first fault; [`ErrorKind::Storage`] if `out` fails. If the head's pin cannot be saved, or the export
    /// cannot be put on record, nothing is written.
    ///
    /// # Cancellation
    ///
    /// The export may be on record, and some of it written; without its last line it is none.
    pub async fn export_records(&self, out: &mut (dyn Write + Send)) -> Result<Checkpoint> {
        observe::operation("Session::export_records", self.vault.id(), self.export(Form::JsonLines, out))
            .await
    }

    /// [`Session::export_records`] for people: a line of English a record, and the checkpoint.
    ///
    /// # Errors
    ///
    /// As [`Session::export_records`].
    ///
    /// # Cancellation
    ///
    /// Likewise.
    pub async fn export_text(&self, out: &mut (dyn Write + Send)) -> Result<Checkpoint> {
        observe::operation("Session::export_text", self.vault.id(), self.export(Form::Text, out)).await
    }

    async fn export(&self, form: Form, out: &mut (dyn Write + Send)) -> Result<Checkpoint> {
        let ledger = self.vault.ledger();
        let (state, checkpoint, note) = self.vault.newest_checkpoint().await?;
        let (origin, operation, range) = (self.origin.clone(), self.operation()?, 0..state.head.size);
        self.commit(operation, ReadLog { origin, operation, what: LogReading::Export, range }).await?;
        export::records(ledger.pages(), &state, ledger.audit(), &note, form, out).await?;
        Ok(checkpoint)
    }
}

/// A token from each authority, ascending by its name.
async fn stamps(note: &str, anchors: &[&dyn TimeAnchor]) -> Result<Vec<TimeToken>> {
    let digest = text_digest(note)?;
    let mut tokens = Vec::with_capacity(anchors.len());
    for anchor in anchors {
        let authority = anchor.authority().to_owned();
        let token = anchor.stamp(&digest).await.map_err(|error| {
            let reason = format!("the time authority {authority} gave no token, so nothing was kept");
            Error::new(ErrorKind::Storage, reason).caused(error)
        })?;
        tokens.push(TimeToken { authority, token: token.into() });
    }
    tokens.sort_by(|a, b| a.authority.cmp(&b.authority));
    let within = |token: &TimeToken| {
        (1..=AUTHORITY_CAP).contains(&token.authority.len()) && token.token.len() <= TOKEN_CAP
    };
    if tokens.len() <= TOKENS_CAP && ascending(&tokens) && tokens.iter().all(within) {
        Ok(tokens)
    } else {
        Err(Error::invalid(
            "at most 16 time authorities, each of another name of 1 to 128 bytes, with tokens of 64 KiB at most",
        ))
    }
}
