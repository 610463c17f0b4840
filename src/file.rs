//! Files that survive a power cut.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// Writes a new file that only its owner can read, and waits until its bytes are durable.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes what is in the file that is open, and its name, durable: whoever wrote it may have been cut short in between.
///
/// What cannot be synced, or only by its owner, has no disk behind it, or is not for this process to make durable.
pub(crate) fn settle(file: &File, path: &Path) -> io::Result<()> {
    tolerant(file.sync_all())?;
    settle_name(path)
}

/// As [`settle`], of the name alone.
pub(crate) fn settle_name(path: &Path) -> io::Result<()> {
    tolerant(sync_parent(path))
}

/// What was synced, or cannot be in this place. Where nothing can be written a sync succeeds: ext4 says that the file
/// system is read-only once it gave up its journal (`ext4_sync_file`), and what can be read then need not be on the disk.
pub(crate) fn tolerant(synced: io::Result<()>) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    match synced.as_ref().map_err(io::Error::kind) {
        Err(InvalidInput | PermissionDenied | Unsupported) => Ok(()),
        _ => synced,
    }
}

/// A directory that is open, so that syncing it can fail for no other reason than the disk's.
#[derive(Debug)]
pub(crate) struct Directory(Option<File>);

impl Directory {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // Elsewhere a directory cannot be opened, and its entries are the file system's own affair.
        Ok(Self(if cfg!(unix) { Some(File::open(path)?) } else { None }))
    }

    /// Makes what was linked into, or removed from, the directory durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), File::sync_all)
    }
}

/// Makes what was linked into, or removed from, the directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    Directory::open(path)?.sync()
}

/// Makes the directory entry of the file at `path` durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    sync_directory(parent(path))
}

/// The directory that the file at `path` is in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_synced_in_its_place_is_let_be_and_what_a_disk_refused_is_not() {
        use io::ErrorKind::{
            InvalidInput, Other, PermissionDenied, ReadOnlyFilesystem, StorageFull, Unsupported,
        };
        for kind in [InvalidInput, PermissionDenied, Unsupported] {
            assert!(tolerant(Err(kind.into())).is_ok(), "{kind}");
        }
        for kind in [ReadOnlyFilesystem, StorageFull, Other] {
            let told = tolerant(Err(kind.into())).expect_err("it may be lost");
            assert_eq!(told.kind(), kind);
        }
    }
}
