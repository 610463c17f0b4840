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
        Hash,
        checkpoint::Checkpoint,
        commit::Commit,
        kept::TimeToken,
        tiling::{Piece, Place, Tiling},
    },
    text::json_string as string,
    verification::{self, walk_all},
};

/// Writes what the checkpoint `note` covers into `folder`, which may be served: beside what is there, until all of it is
/// shown to be the log's, and the checkpoint last.
///
/// # Errors
///
/// Corrupt at the first fault in the log; as [`verification::check`]; storage if the folder fails.
pub(crate) async fn tiles(pages: &Pages, state: &State, note: &str, folder: &Path) -> Result<Checkpoint> {
    let checkpoint = verification::check(pages, state, note).await?;
    let (tiling, folder) = (Tiling::default(), folder.to_owned());
    let mut export = Export { folder, size: checkpoint.size(), tiling, replaced: Vec::new() };
    let written = export.write_all(pages, state, checkpoint.root()).await;
    let Export { folder, replaced, .. } = export;
    let beside = folder.clone();
    let mut paths = replaced.into_iter().map(move |place| beside.join(place.path()));
    if written.is_err() {
        blocking::unblock(move || paths.for_each(discard)).await;
        return written.map(|()| checkpoint);
    }
    blocking::unblock(move || paths.try_for_each(put_in_place)).await.map_err(unwritten)?;
    write(folder.join("checkpoint"), note.as_bytes().to_vec().into()).await?;
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
    /// Whose files have a new content beside them.
    replaced: Vec<Place>,
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
    /// What the walk shows is the log's when it has come to its end.
    async fn write_all(&mut self, pages: &Pages, state: &State, root: &Hash) -> Result<()> {
        walk_all(pages, state, self).await?;
        if self.tiling.frontier().root() != *root {
            return Err(Error::corrupt("the log's Merkle root"));
        }
        self.write(self.tiling.partial()).await
    }

    async fn write(&mut self, pieces: Vec<Piece>) -> Result<()> {
        for Piece { place, bytes } in pieces {
            let path = self.folder.join(place.path());
            self.replaced.push(place);
            if !blocking::unblock(move || write_beside(&path, &bytes)).await.map_err(unwritten)? {
                self.replaced.pop();
            }
        }
        Ok(())
    }
}

/// Gives a file this content, whole or not at all.
async fn write(path: PathBuf, bytes: Bytes) -> Result<()> {
    let written = move || if write_beside(&path, &bytes)? { put_in_place(path) } else { Ok(()) };
    blocking::unblock(written).await.map_err(unwritten)
}

/// Writes a file's new content beside it, unless it has it.
fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    if fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(false);
    }
    path.parent().map(fs::create_dir_all).transpose()?;
    fs::write(beside(path), bytes).map(|()| true)
}

fn put_in_place(path: PathBuf) -> io::Result<()> {
    fs::rename(beside(&path), path)
}

/// What cannot be deleted is not served, for no tile has its name.
fn discard(path: PathBuf) {
    drop(fs::remove_file(beside(&path)));
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension("new")
}
