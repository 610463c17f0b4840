//! A pin in a file.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;

use super::{Pin, PinStore};
use crate::{
    env::{SystemEntropy, random},
    error::{Error, ErrorKind, Result},
    file,
    ids::Hex,
};

/// Keeps the pin in a file of its own: its line and a newline.
///
/// A new pin is written to a temporary file beside it, synced, and renamed over the old one. All
/// file operations run on the threads of the `blocking` crate.
///
/// A pin that a store did not write, or could not make durable, its next save writes again.
///
/// A save never replaces a pin with one of smaller size. Clones share a lock to that end; two
/// stores of one file, or two processes, do not, so let each have a file of its own.
///
/// # Security
///
/// As for a [`Pin`]: put the file on a medium of which those who run the storage have no backup to
/// restore, and to which they cannot write.
///
/// A pin that no log can share with the saved one is refused, and the saved one stays: another log of
/// its size, a longer one under older signing keys, or under other keys of the same epoch. That a
/// longer one goes on from the saved one, two lines cannot tell: a vault proves it when it is opened with this store.
///
/// What survives a power cut is claimed of Unix: elsewhere a directory cannot be synced.
#[derive(Debug, Clone)]
pub struct FilePinStore(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// The pin that this store made durable in the file; held while saving.
    durable: Mutex<Option<Pin>>,
}

impl FilePinStore {
    /// The store in the file at `path`, which the first save makes; its directory must exist: without it
    /// nothing is made, opened or saved.
    ///
    /// Touches no file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(Arc::new(Shared { path: path.into(), durable: Mutex::new(None) }))
    }
}

#[async_trait]
impl PinStore for FilePinStore {
    async fn load(&self) -> Result<Option<Pin>> {
        let shared = Arc::clone(&self.0);
        blocking::unblock(move || read(&shared.path)).await
    }

    async fn save(&self, pin: &Pin) -> Result<()> {
        let (shared, pin) = (Arc::clone(&self.0), pin.clone());
        blocking::unblock(move || {
            let mut durable = shared.durable.lock().unwrap_or_else(PoisonError::into_inner);
            let saved = read(&shared.path)?;
            let kept = match saved {
                Some(saved) if !pin.supersedes(&saved)? => saved,
                _ => pin,
            };
            if durable.as_ref() != Some(&kept) {
                *durable = None;
                replace(&shared.path, format!("{kept}\n").as_bytes())?;
                *durable = Some(kept);
            }
            Ok(())
        })
        .await
    }
}

/// A missing file is `None`. A missing directory is not: it may be a medium that is not mounted, with a pin on it.
fn read(path: &Path) -> Result<Option<Pin>> {
    let file = match File::open(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            return fs::metadata(file::parent(path)).map(|_| None).map_err(|cause| failure("read", cause));
        }
        opened => opened.map_err(|cause| failure("read", cause))?,
    };
    let mut content = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut content).map_err(|cause| failure("read", cause))?;
    let line = core::str::from_utf8(&content).ok().and_then(|text| text.strip_suffix('\n'));
    let pin = line.and_then(|line| line.parse().ok()).ok_or_else(|| {
        Error::new(
            ErrorKind::Corrupt,
            "the pin's file does not hold a pin; restore it from a source you trust",
        )
    })?;
    Ok(Some(pin))
}

fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let suffix: [u8; 8] = random(&SystemEntropy)?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", Hex(&suffix)));
    let written = file::write_file(temporary.as_ref(), content).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.and_then(|()| file::sync_parent(path)).map_err(|cause| failure("save", cause))
}

/// `attempt` is what could not be done with the pin's file.
#[cold]
fn failure(attempt: &str, cause: io::Error) -> Error {
    let (kind, advice) = match cause.kind() {
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "its directory does not exist; make it first"),
        io::ErrorKind::PermissionDenied => (
            ErrorKind::Denied,
            "permission denied; file and directory must belong to the user of this process",
        ),
        _ => (ErrorKind::Storage, "the file system failed; its cause is this error's source"),
    };
    Error::new(kind, format!("could not {attempt} the pin: {advice}")).caused(cause)
}

/// More than a pin has, so that a longer file does not parse.
const MAX_FILE: u64 = 512;

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::pin::tests::{keyed, pin};

    fn store() -> (tempfile::TempDir, FilePinStore) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = FilePinStore::new(folder.path().join("pin"));
        (folder, store)
    }

    fn loaded(store: &FilePinStore) -> Option<Pin> {
        block_on(store.load()).expect("loads")
    }

    #[test]
    fn the_greatest_pin_saved_is_loaded_and_nothing_else_stays() {
        let (folder, store) = store();
        assert_eq!(loaded(&store), None);
        for (size, kept) in [(5, 5), (5, 5), (4, 5), (9, 9), (1, 9), (10, 10)] {
            block_on(store.save(&pin(1, size, u8::try_from(size).expect("small")))).expect("saves");
            assert_eq!(loaded(&store).map(|pin| pin.size()), Some(kept));
        }
        let fresh = FilePinStore::new(folder.path().join("pin"));
        assert_eq!(loaded(&fresh), Some(pin(1, 10, 10)));
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    }

    #[test]
    fn saves_that_overtake_each_other_leave_the_greatest() {
        let (_folder, store) = store();
        std::thread::scope(|scope| {
            for size in (1..=16).rev() {
                let store = store.clone();
                scope.spawn(move || block_on(store.save(&pin(1, size, 0))).expect("saves"));
            }
        });
        assert_eq!(loaded(&store), Some(pin(1, 16, 0)));
    }

    /// What another process wrote may not be durable yet.
    #[cfg(unix)]
    #[test]
    fn a_pin_that_another_store_wrote_is_written_again() {
        use std::os::unix::fs::MetadataExt;
        let (folder, store) = store();
        let file = || fs::metadata(folder.path().join("pin")).expect("there").ino();
        block_on(store.save(&pin(1, 5, 5))).expect("saves");
        let own = file();
        block_on(store.save(&pin(1, 5, 5))).expect("saves");
        assert_eq!(file(), own);
        block_on(FilePinStore::new(folder.path().join("pin")).save(&pin(1, 9, 9))).expect("saves");
        let others = file();
        block_on(store.save(&pin(1, 9, 9))).expect("saves");
        assert_ne!(file(), others);
    }

    #[test]
    fn another_vaults_pin_and_another_log_of_this_size_are_refused() {
        let (_folder, store) = store();
        block_on(store.save(&pin(1, 5, 0))).expect("saves");
        let other = block_on(store.save(&pin(2, 6, 0))).expect_err("another vault");
        assert_eq!(other.kind(), ErrorKind::Invalid);
        let fork = block_on(store.save(&pin(1, 5, 7))).expect_err("another log");
        assert_eq!(fork.kind(), ErrorKind::Forked);
        assert_eq!(loaded(&store), Some(pin(1, 5, 0)));
    }

    #[test]
    fn keys_only_go_forward() {
        let saved = keyed(pin(1, 50, 0), 3, 1);
        // What a storage could have a vault save that was opened by an older pin, with a stolen seed.
        let refused = [(60, 2, 1), (60, 3, 2), (51, 5, 2), (50, 4, 2), (50, 3, 2), (40, 4, 2), (40, 3, 2)];
        for (size, epoch, key) in refused {
            let (_folder, store) = store();
            block_on(store.save(&saved)).expect("saves");
            let other = block_on(store.save(&keyed(pin(1, size, 0), epoch, key))).expect_err("another log");
            assert_eq!(other.kind(), ErrorKind::Forked, "{size} {epoch} {key}");
            assert_eq!(loaded(&store), Some(saved.clone()));
        }
        for (size, epoch, key, kept) in
            [(51, 4, 2, true), (60, 3, 1, true), (60, 13, 9, true), (40, 2, 7, false)]
        {
            let (_folder, store) = store();
            block_on(store.save(&saved)).expect("saves");
            let next = keyed(pin(1, size, 0), epoch, key);
            block_on(store.save(&next)).expect("of the same log, or an older one");
            assert_eq!(loaded(&store), Some(if kept { next } else { saved.clone() }));
        }
    }

    #[test]
    fn a_file_that_is_no_pin_is_an_error_and_stays() {
        let (folder, store) = store();
        let line = pin(1, 5, 0).to_string();
        let long = format!("{line}\n").repeat(3);
        for content in ["", "\n", &line, &long, "docvault-pin-1 \n"] {
            fs::write(folder.path().join("pin"), content).expect("written");
            assert_eq!(block_on(store.load()).expect_err("no pin").kind(), ErrorKind::Corrupt, "{content:?}");
            assert_eq!(block_on(store.save(&pin(1, 9, 0))).expect_err("no pin").kind(), ErrorKind::Corrupt);
            assert_eq!(fs::read_to_string(folder.path().join("pin")).expect("readable"), content);
        }
    }

    #[test]
    fn where_something_else_stands_in_the_way_no_pin_is_missing_and_none_is_saved() {
        let (folder, store) = store();
        block_on(store.save(&pin(1, 5, 0))).expect("saves");
        let below_a_file = FilePinStore::new(folder.path().join("pin").join("pin"));
        fs::create_dir(folder.path().join("directory")).expect("made");
        let a_directory = FilePinStore::new(folder.path().join("directory"));
        for store in [below_a_file, a_directory] {
            assert_eq!(block_on(store.load()).expect_err("no file").kind(), ErrorKind::Storage);
            assert_eq!(block_on(store.save(&pin(1, 9, 0))).expect_err("no file").kind(), ErrorKind::Storage);
        }
        // Where it came after the look, too.
        let failed = replace(&folder.path().join("directory"), b"a pin").expect_err("a directory");
        assert_eq!(failed.kind(), ErrorKind::Storage);
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 2, "nothing else stays");
    }

    #[test]
    fn a_missing_directory_is_told_and_no_missing_pin() {
        let (folder, _) = store();
        let store = FilePinStore::new(folder.path().join("missing").join("pin"));
        let saved = block_on(store.save(&pin(1, 5, 0))).expect_err("no directory");
        let loaded = block_on(store.load()).expect_err("no directory");
        assert_eq!([saved.kind(), loaded.kind()], [ErrorKind::NotFound; 2]);
        assert!(loaded.to_string().contains("directory"), "{loaded}");
    }
}
