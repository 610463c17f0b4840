//! Directories and files that survive a power cut.

use std::{
    collections::HashSet,
    fs::DirBuilder,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use crate::file::tolerant;
pub(super) use crate::file::{Directory, sync_directory, write_file};

/// Makes a directory that only its owner can enter; `AlreadyExists` if it is there.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// The directories below a root, and which of them this process knows to be durable.
///
/// Another process may have made a directory and not have synced it yet: what is not known is
/// synced before it is relied upon. Nothing ever removes a directory.
///
/// After a sync that failed, none is asked for again: the kernel drops what it could not write, says so once,
/// and the next sync succeeds without it (Rebello et al., "Can Applications Recover from fsync Failures?",
/// USENIX ATC 2020), while the entry can still be seen.
#[derive(Debug, Default)]
pub(super) struct Directories {
    known: Mutex<HashSet<PathBuf>>,
    failed: OnceLock<io::ErrorKind>,
}

impl Directories {
    /// Makes `directory` and the way to it from `root`, durably, and opens it for [`Directories::sync`].
    pub(super) fn make(&self, root: &Path, directory: &Path) -> io::Result<Directory> {
        let unknown = self.unknown(root, directory);
        for missing in unknown.iter().rev() {
            match make_directory(missing) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        let parents = unknown.iter().filter_map(|made| made.parent());
        parents.map(Directory::open).try_for_each(|parent| self.sync(&parent?))?;
        self.remember(unknown);
        Directory::open(directory)
    }

    /// Makes the entries of `directory` durable. Fails also if any sync did before.
    pub(super) fn sync(&self, directory: &Directory) -> io::Result<()> {
        self.check()?;
        directory.sync().inspect_err(|cause| _ = self.failed.set(cause.kind()))?;
        // One that failed meanwhile may have been this one's.
        self.check()
    }

    /// Makes what is in `directory` durable, and the way to it from `root`, for one who reads: where nothing can be synced,
    /// nothing was written.
    pub(super) fn settle(&self, root: &Path, directory: &Path) -> io::Result<()> {
        let unknown = self.unknown(root, directory);
        let parents = unknown.iter().rev().filter_map(|made| made.parent());
        for directory in parents.chain([directory]).map(Directory::open) {
            self.check()?;
            let synced = tolerant(directory?.sync());
            synced.inspect_err(|cause| _ = self.failed.set(cause.kind()))?;
        }
        // As in [`Directories::sync`].
        self.check()?;
        self.remember(unknown);
        Ok(())
    }

    /// An error if a sync failed.
    pub(super) fn check(&self) -> io::Result<()> {
        self.failed.get().map_or(Ok(()), |kind| Err((*kind).into()))
    }

    fn remember(&self, synced: Vec<PathBuf>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > MAX_KNOWN {
            known.clear();
        }
        known.extend(synced);
    }

    /// `directory` and its ancestors below `root`, innermost first, up to one known to be durable.
    fn unknown(&self, root: &Path, directory: &Path) -> Vec<PathBuf> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let below = directory.ancestors().take_while(|ancestor| *ancestor != root);
        below.take_while(|ancestor| !known.contains(*ancestor)).map(Path::to_owned).collect()
    }
}

/// A bound on memory, about 2 MB: beyond it directories are synced once more.
const MAX_KNOWN: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_a_bound_directories_are_synced_once_more() {
        let (directories, root) = (Directories::default(), Path::new("objects"));
        let path = |number: usize| root.join(number.to_string());
        let unknown = |number| directories.unknown(root, &path(number)).len();
        directories.remember((0..=MAX_KNOWN).map(path).collect());
        assert_eq!([0, MAX_KNOWN, MAX_KNOWN + 1].map(unknown), [0, 0, 1]);
        directories.remember(vec![path(MAX_KNOWN + 1)]);
        assert_eq!([0, MAX_KNOWN, MAX_KNOWN + 1].map(unknown), [1, 1, 0]);
    }
}
