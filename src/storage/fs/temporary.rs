//! The names under which objects are written, and what of them a writer that was killed has left.

use core::time::Duration;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{MARKER, or_absent};

/// Removes the file when dropped; what cannot be removed is removed when the folder is next opened.
pub(super) struct Temporary(pub(super) PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// How many names a file has: an object has two until its writer has deleted the temporary one.
#[cfg(unix)]
pub(super) fn names_of(file: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(file)
}

// A directory cannot be synced there.
#[cfg(not(unix))]
pub(super) fn names_of(_: &fs::Metadata) -> u64 {
    1
}

/// Deletes the temporary names that a file has in `directory`. A writer that is at work finds its own gone, and goes on.
pub(super) fn delete_others(directory: &Path, file: &fs::Metadata) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if !is_ours(&entry.file_name()) {
            continue;
        }
        match entry.metadata() {
            // With one name it would be a new file, which has the number of one that is gone.
            Ok(other) if is_same(&other, file) && names_of(&other) > 1 => {
                or_absent(fs::remove_file(entry.path()))?;
            }
            other => or_absent(other.map(drop))?,
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_same(file: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (file.dev(), file.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    false
}

/// A process that has slept through a day finds its temporary file gone, and has written nothing.
pub(super) fn remove_stale(directory: &Path) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| is_ours(&entry.file_name()) && is_stale(entry).unwrap_or(false)) {
        let _ = fs::remove_file(entry.path());
    }
}

/// Whether a temporary file has a name that is given here.
fn is_ours(name: &std::ffi::OsStr) -> bool {
    let hexadecimal = |name: &str| name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.to_str().is_some_and(|name| name == MARKER || hexadecimal(name))
}

fn is_stale(entry: &fs::DirEntry) -> io::Result<bool> {
    let age = entry.metadata()?.modified()?.elapsed();
    Ok(age.is_ok_and(|age| age > STALE))
}

const STALE: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// The object that had its number has gone between the look at it and this one.
    #[test]
    fn a_temporary_file_that_has_no_other_name_is_not_taken_for_an_objects() {
        let folder = tempfile::tempdir().expect("a directory");
        let (temporary, object) =
            (folder.path().join("0123456789abcdef0123456789abcdef"), folder.path().join("object"));
        fs::write(&temporary, "being written").expect("written");
        let found = fs::metadata(&temporary).expect("there");
        delete_others(folder.path(), &found).expect("looked through");
        assert!(temporary.exists());
        fs::hard_link(&temporary, &object).expect("linked");
        delete_others(folder.path(), &found).expect("looked through");
        assert!(!temporary.exists() && object.exists());
    }
}
