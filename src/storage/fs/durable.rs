//! Directories and files that survive a power cut.

use std::{
    collections::HashSet,
    fs::{self, DirBuilder},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

pub(super) use crate::file::{sync_directory, write_file};

/// Makes a directory that only its owner can enter; `AlreadyExists` if it is there.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// The directories below a root that this process knows to be durable.
///
/// Another process may have made a directory and not have synced it yet: what is not in here is
/// synced before it is relied upon. Nothing ever removes a directory.
#[derive(Debug, Default)]
pub(super) struct Directories(Mutex<HashSet<PathBuf>>);

impl Directories {
    /// Makes `directory` and those between it and `root`.
    pub(super) fn make(&self, root: &Path, directory: &Path) -> io::Result<()> {
        for missing in self.unknown(root, directory).iter().rev() {
            match make_directory(missing) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes the entries of `directory`, and the way to it from `root`, durable.
    pub(super) fn sync(&self, root: &Path, directory: &Path) -> io::Result<()> {
        let unknown = self.unknown(root, directory);
        sync_directory(directory)?;
        unknown.iter().filter_map(|made| made.parent()).try_for_each(sync_directory)?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > MAX_KNOWN {
            known.clear();
        }
        known.extend(unknown);
        Ok(())
    }

    /// `directory` and its ancestors below `root`, innermost first, up to one known to be durable.
    fn unknown(&self, root: &Path, directory: &Path) -> Vec<PathBuf> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let below = directory.ancestors().take_while(|ancestor| *ancestor != root);
        below.take_while(|ancestor| !known.contains(*ancestor)).map(Path::to_owned).collect()
    }
}

/// Removes the file when dropped; what cannot be removed is removed when the folder is next opened.
pub(super) struct Temporary(pub(super) PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A bound on memory, about 2 MB: beyond it directories are synced once more.
const MAX_KNOWN: usize = 8192;
