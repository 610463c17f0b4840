//! Objects as the files of a folder.

use core::ops::Range;
use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Creation, OBJECT_CAP, ObjectKey, Storage, StorageError, StorageErrorKind, WHOLE};
use crate::{
    env::{self, SystemEntropy},
    file,
    ids::Hex,
};

mod durable;
mod failure;
mod memory;
mod path;
mod temporary;
mod walk;

use durable::{Directories, Directory};
use memory::Buffers;
use temporary::{Temporary, names_of, remove_stale};

/// A folder of one file per object, on a local file system with hard links.
///
/// An object is written to a temporary file, synced, and linked to its final name, which fails if
/// the name is taken; then the directory is synced. So any number of processes may share the
/// folder, and a crash at any point leaves an object whole or absent. Network file systems that do
/// not make links atomic, or do not sync, break these promises.
///
/// The folder is for its owner alone (0700, files 0600). The names in it are identifiers and
/// counters. Directories emptied by [`Storage::delete`] stay: removing one could lose an object
/// that another process is just writing into it. An object that is deleted goes under its temporary name, too, if its
/// writer was killed with that there.
///
/// An object that is read while its writer has not done, or after it was killed, is made durable first.
///
/// A file that could not be synced never gets a name. Once a directory could not be, everything is refused until
/// the folder is opened anew: its newest names can be seen and may still be lost.
///
/// All file operations of the [`Storage`] calls run on the threads of the `blocking` crate. The memory of up to
/// seven large objects that were read is kept for the next ones.
#[derive(Debug, Clone)]
pub struct FsStorage(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    objects: PathBuf,
    temporary: PathBuf,
    directories: Directories,
    buffers: Buffers,
}

impl FsStorage {
    /// Makes a folder for a new vault at `path`, where there is nothing, an empty folder, or what a
    /// creation left that was cut short.
    ///
    /// Blocks for a few file operations.
    ///
    /// # Errors
    ///
    /// [`StorageErrorKind::NotAVault`] if there is something at `path`; the kinds of
    /// [`Storage::create`] otherwise.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        let path = path.as_ref();
        claim(path)?;
        lay_out(path).map_err(|cause| failure::error("make the vault's folder", cause))?;
        Ok(Self::at(path))
    }

    /// Opens the folder that [`FsStorage::create`] made at `path`.
    ///
    /// A folder without write permission opens; writing then fails with
    /// [`StorageErrorKind::Denied`]. Blocks for a few file operations, makes the folder itself durable, and removes the
    /// temporary files that crashed processes left more than a day ago.
    ///
    /// # Errors
    ///
    /// [`StorageErrorKind::NotAVault`] if there is no vault's folder, or what should be folders in it are links, and
    /// [`StorageErrorKind::Unsupported`] if a newer docvault made it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        let path = path.as_ref();
        check_marker(path)?;
        check_folders(path)?;
        settle(path).map_err(|cause| failure::error("make the vault's folder durable", cause))?;
        let storage = Self::at(path);
        remove_stale(&storage.0.temporary);
        Ok(storage)
    }

    fn at(path: &Path) -> Self {
        let (objects, temporary) = (path.join(OBJECTS), path.join(TEMPORARY));
        Self(Arc::new(Folder {
            objects,
            temporary,
            directories: Directories::default(),
            buffers: Buffers::default(),
        }))
    }

    async fn run<T: Send + 'static>(
        &self,
        attempt: &'static str,
        call: impl FnOnce(&Folder) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let folder = Arc::clone(&self.0);
        blocking::unblock(move || {
            folder.directories.check().map_err(failure::stopped)?;
            call(&folder).map_err(|cause| failure::error(attempt, cause))
        })
        .await
    }
}

#[async_trait]
impl Storage for FsStorage {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        let (folder, key) = (Arc::clone(&self.0), key.clone());
        blocking::unblock(move || folder.create(&key, &bytes)).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let path = path::of(key);
        self.run("read an object", move |folder| folder.read(&path, range)).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let path = path::of(key);
        self.run("delete an object", move |folder| folder.delete(&path)).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        let (prefix, after) = (prefix.to_owned(), after.cloned());
        let call = move |folder: &Folder| walk::page(&folder.objects, &prefix, after.as_ref(), limit);
        self.run("list the objects", call).await
    }
}

impl Folder {
    fn create(&self, key: &ObjectKey, bytes: &[u8]) -> Result<Creation, StorageError> {
        self.directories.check().map_err(failure::stopped)?;
        let path = self.objects.join(path::of(key));
        let directory = path.parent().unwrap_or(&self.objects);
        let written = |cause| failure::error("write an object", cause);
        let temporary = self.new_temporary()?;
        durable::write_file(&temporary.0, bytes).map_err(written)?;
        let directory = self.directories.make(&self.objects, directory).map_err(written)?;
        let creation = match fs::hard_link(&temporary.0, &path) {
            Ok(()) => Creation::Created,
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Creation::Exists,
            Err(cause) => failure::link("write an object", cause).map_or(Ok(Creation::Unknown), Err)?,
        };
        // Whoever finds that the object exists may rely on it, so the winner's link is synced too.
        let synced = self.directories.sync(&directory);
        Ok(synced.map_or(Creation::Unknown, |()| creation))
    }

    /// Missing is `None`.
    fn read(&self, path: &Path, range: Option<Range<u64>>) -> io::Result<Option<Bytes>> {
        let path = self.objects.join(path);
        let mut file = match File::open(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return self.is_there().map(|()| None),
            opened => opened?,
        };
        let (range, metadata) = (range.unwrap_or(WHOLE), file.metadata()?);
        self.settle(&path, &metadata)?;
        let start = range.start.min(metadata.len());
        let wanted = range.end.min(metadata.len()).saturating_sub(start);
        file.seek(SeekFrom::Start(start))?;
        // Grows as bytes arrive: a length that the disk claims is no reason to reserve memory.
        let mut bytes = self.buffers.take(usize::try_from(wanted.min(OBJECT_CAP)).unwrap_or_default());
        file.take(wanted).read_to_end(&mut bytes)?;
        Ok(Some(self.buffers.lend(bytes)))
    }

    /// Makes a name durable that its writer may not have made so yet: the temporary file, under which it was written, is
    /// still there. Whoever has read the object builds on it, also where the writer is killed, and then the power fails.
    fn settle(&self, path: &Path, found: &fs::Metadata) -> io::Result<()> {
        if names_of(found) < 2 {
            return Ok(());
        }
        self.directories.settle(&self.objects, path.parent().unwrap_or(&self.objects))
    }

    fn delete(&self, path: &Path) -> io::Result<()> {
        let path = self.objects.join(path);
        match fs::symlink_metadata(&path) {
            // Its writer was killed before it deleted the name under which it wrote: what is deleted would stay under that.
            // It goes first, for it is found by the other.
            Ok(found) if names_of(&found) > 1 => {
                temporary::delete_others(&self.temporary, &found)?;
                self.directories.sync(&Directory::open(&self.temporary)?)?;
            }
            found => or_absent(found.map(drop))?,
        }
        or_absent(fs::remove_file(&path))?;
        // Also when it was absent: an earlier delete may have ended right here.
        match Directory::open(path.parent().unwrap_or(&self.objects)) {
            Ok(directory) => self.directories.sync(&directory),
            Err(cause) => or_absent(Err(cause)).and_then(|()| self.is_there()),
        }
    }

    /// Of a disk that was taken out, or a folder that was moved, nothing is known.
    fn is_there(&self) -> io::Result<()> {
        fs::symlink_metadata(&self.objects).map(drop)
    }

    fn new_temporary(&self) -> Result<Temporary, StorageError> {
        let unavailable = |cause| {
            let message = "could not write an object: the source of randomness failed";
            StorageError::new(StorageErrorKind::Unavailable, message).caused(cause)
        };
        let name: [u8; 16] = env::random(&SystemEntropy).map_err(unavailable)?;
        Ok(Temporary(self.temporary.join(Hex(&name).to_string())))
    }
}

fn or_absent(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Makes `path` an empty directory of ours.
fn claim(path: &Path) -> Result<(), StorageError> {
    let attempt = "make the vault's folder";
    match durable::make_directory(path) {
        Ok(()) => return Ok(()),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            return Err(not_a_vault(
                "the folder to make the vault's folder in does not exist; make it first",
            ));
        }
        Err(cause) => return Err(failure::error(attempt, cause)),
    }
    let empty = match fs::read_dir(path) {
        Ok(entries) => entries.flatten().all(|entry| is_unfinished(path, &entry.file_name())),
        Err(cause) if cause.kind() == io::ErrorKind::NotADirectory => false,
        Err(cause) => return Err(failure::error(attempt, cause)),
    };
    if !empty {
        return Err(not_a_vault(
            "a new vault needs a new or empty folder, and this one is not empty; if it is a vault's, open it",
        ));
    }
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .map_err(|cause| failure::error(attempt, cause))?;
    Ok(())
}

/// Whether an entry of a folder without marker is what a creation leaves that was cut short.
fn is_unfinished(path: &Path, name: &std::ffi::OsStr) -> bool {
    let holds = |allowed: &str| {
        let entries = fs::read_dir(path.join(name)).map(|entries| entries.flatten().collect::<Vec<_>>());
        entries.is_ok_and(|entries| entries.iter().all(|entry| entry.file_name() == allowed))
    };
    (name == OBJECTS && holds("")) || (name == TEMPORARY && holds(MARKER))
}

/// The marker comes last: a folder that has it is complete.
fn lay_out(path: &Path) -> io::Result<()> {
    for directory in [OBJECTS, TEMPORARY] {
        match durable::make_directory(&path.join(directory)) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
    }
    durable::sync_directory(path)?;
    let marker = Temporary(path.join(TEMPORARY).join(MARKER));
    match fs::remove_file(&marker.0) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    durable::write_file(&marker.0, FORMAT.as_bytes())?;
    fs::hard_link(&marker.0, path.join(MARKER))?;
    durable::sync_directory(path)?;
    let parent = path.canonicalize()?.parent().map(Path::to_owned);
    parent.map_or(Ok(()), |parent| durable::sync_directory(&parent))
}

/// Whoever made the folder may have been cut short when the marker was there and not yet durable.
fn settle(path: &Path) -> io::Result<()> {
    let marker = path.join(MARKER);
    file::settle(&File::open(&marker)?, &marker)?;
    file::settle_name(&path.canonicalize()?)
}

fn check_marker(path: &Path) -> Result<(), StorageError> {
    let mut line = String::new();
    let read = File::open(path.join(MARKER)).and_then(|file| file.take(MAX_MARKER).read_to_string(&mut line));
    match read {
        Ok(_) if line == FORMAT => Ok(()),
        Ok(_) if line.starts_with(FAMILY) => Err(StorageError::new(
            StorageErrorKind::Unsupported,
            "a newer docvault made this vault's folder; open it with that version",
        )),
        Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
            Err(failure::error("open the vault's folder", cause))
        }
        Ok(_) => Err(not_a_vault("the folder's marker file is not docvault's")),
        Err(cause) => {
            Err(not_a_vault("there is no vault's folder: its marker file cannot be read").caused(cause))
        }
    }
}

/// Whoever made the folder could have put links there, and what is behind them would be read, and cleared away.
fn check_folders(path: &Path) -> Result<(), StorageError> {
    let is_folder = |name| fs::symlink_metadata(path.join(name)).is_ok_and(|found| found.is_dir());
    if [OBJECTS, TEMPORARY].into_iter().all(is_folder) {
        return Ok(());
    }
    Err(not_a_vault("the vault's folder has not the folders `objects` and `tmp`, which may be no links"))
}

#[cold]
fn not_a_vault(message: &str) -> StorageError {
    StorageError::new(StorageErrorKind::NotAVault, message)
}

const OBJECTS: &str = "objects";
const TEMPORARY: &str = "tmp";
const MARKER: &str = "docvault-folder";
const FAMILY: &str = "docvault folder ";
const FORMAT: &str = "docvault folder 1\n";
const MAX_MARKER: u64 = 64;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use futures_lite::future::block_on;

    #[test]
    fn after_a_failed_sync_everything_is_refused_until_the_folder_is_opened_anew() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("vault");
        let storage = FsStorage::create(&path).expect("a folder");
        let key: ObjectKey = "log/1".parse().expect("a key");
        let create = |storage: &FsStorage| block_on(storage.create(&key, Bytes::from_static(b"bytes")));
        assert_eq!(create(&storage).expect("it is there"), Creation::Created);

        let unsyncable = Directory::open(Path::new("/proc")).expect("it opens");
        storage.0.directories.sync(&unsyncable).expect_err("there is no disk behind it");
        let refused = [
            create(&storage).map(drop),
            block_on(storage.read(&key, None)).map(drop),
            block_on(storage.delete(&key)),
            block_on(storage.list("", None, 1)).map(drop),
        ];
        for refused in refused {
            let error = refused.expect_err("it has stopped");
            assert_eq!(error.kind(), StorageErrorKind::Unavailable);
            assert!(error.to_string().contains("open the vault's folder anew"), "{error}");
        }
        let anew = FsStorage::open(&path).expect("the folder is there");
        assert_eq!(create(&anew).expect("it works again"), Creation::Exists);
    }
}
