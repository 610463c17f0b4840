//! The log as a static log: files that any web server serves and stock clients verify
//! (c2sp.org/tlog-tiles).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use bytes::Bytes;

use super::lines::unwritten;
use crate::{
    error::{Error, Result},
    ledger::{Pages, State, Visitor},
    log::{
        checkpoint::Checkpoint,
        commit::Commit,
        kept::TimeToken,
        tiling::{Piece, Tiling},
    },
    text::json_string as string,
    verification::{self, walk_proven},
};

/// Writes what the checkpoint `note` covers into `folder`, the checkpoint last.
///
/// # Errors
///
/// Corrupt at the first fault in the log; as [`verification::check`]; storage if the folder fails.
pub(crate) async fn tiles(pages: &Pages, state: &State, note: &str, folder: &Path) -> Result<Checkpoint> {
    let checkpoint = verification::check(pages, state, note).await?;
    let folder = folder.to_owned();
    let mut export = Export { folder, size: checkpoint.size(), tiling: Tiling::default() };
    // What is written may be served already, so it is the log's before the walk's end shows that.
    walk_proven(pages, state, &mut export).await?;
    if export.tiling.frontier().root() != *checkpoint.root() {
        return Err(Error::corrupt("the log's Merkle root"));
    }
    let partial = export.tiling.partial();
    export.write(partial).await?;
    write(export.folder.join("checkpoint"), note.as_bytes().to_vec().into()).await?;
    Ok(checkpoint)
}

/// Writes the tokens of time authorities beside the checkpoint that they are about: each in a file of its
/// own, as the authority gave it, and last a list of these with the authorities' names.
///
/// # Errors
///
/// Storage if the folder fails.
pub(crate) async fn tokens(tokens: &[TimeToken], folder: &Path) -> Result<()> {
    let mut list = String::new();
    for (number, TimeToken { authority, token }) in tokens.iter().enumerate() {
        let file = format!("checkpoint.token.{number}");
        list += &format!("{{\"token\":{},\"authority\":{}}}\n", string(&file), string(authority));
        write(folder.join(file), token.clone()).await?;
    }
    write(folder.join("checkpoint.tokens"), list.into_bytes().into()).await
}

struct Export {
    folder: PathBuf,
    size: u64,
    tiling: Tiling,
}

#[async_trait]
impl Visitor for Export {
    async fn visit(&mut self, commit: &Commit) -> Result<()> {
        let mut pieces = Vec::new();
        for record in commit.leaves.iter().filter(|record| record.leaf.seq < self.size) {
            self.tiling.push(record, &mut pieces);
        }
        self.write(pieces).await
    }
}

impl Export {
    async fn write(&self, pieces: Vec<Piece>) -> Result<()> {
        for Piece { place, bytes } in pieces {
            write(self.folder.join(place.path()), bytes).await?;
        }
        Ok(())
    }
}

async fn write(path: PathBuf, bytes: Bytes) -> Result<()> {
    blocking::unblock(move || replace(&path, &bytes)).await.map_err(unwritten)
}

/// Gives a file this content, whole or not at all; leaves it alone if it has it.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    path.parent().map(fs::create_dir_all).transpose()?;
    let beside = path.with_extension("new");
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path)
}
