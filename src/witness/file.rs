//! A witness's heads in a folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::store::{TreeHead, WitnessStore};
use crate::{
    crypto::digest::sha256,
    env::{SystemEntropy, random},
    error::{Error, ErrorKind, Result},
    file,
    ids::{Hex, parse_hex},
};

/// Keeps heads in a folder, safe for several processes at once.
///
/// Each log has a directory with one file, and the file's *name* is the head. Renaming it is the
/// compare-and-set: of those who rename the same old name one succeeds, for then it is gone, and no
/// name comes twice, since each begins with a number that only grows. There is no lock to be left
/// behind by a crash. What is written is synced before a head counts as kept, the directory's own name too, each time:
/// who made it may have been killed before. Once that could not be done, the store refuses until it is opened anew.
///
/// # Security
///
/// Never restore the folder from a backup: the witness would have forgotten what it has cosigned. For the same reason a folder
/// that is missing is not made anew. Run it on Unix: elsewhere no directory can be synced, and a power cut may put a head back.
#[derive(Debug, Clone)]
pub struct FileWitnessStore {
    heads: PathBuf,
    failed: Arc<AtomicBool>,
}

impl FileWitnessStore {
    /// Makes a store in `folder` for a key that has cosigned nothing yet, and `folder` itself if its parent exists.
    ///
    /// If it is to be on a medium of its own, mount that first: a store that is made beneath is opened when it is not mounted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if there is one; [`ErrorKind::Storage`] if the file system fails.
    pub fn create(folder: impl AsRef<Path>) -> Result<Self> {
        let (folder, heads) = (folder.as_ref(), folder.as_ref().join(HEADS));
        match fs::create_dir(folder) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => return Err(failure(cause)),
            _ => {}
        }
        match fs::create_dir(&heads) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => return Err(exists()),
            made => made.map_err(failure)?,
        }
        Self::settled(folder, heads)
    }

    /// Opens the store that [`FileWitnessStore::create`] made in `folder`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none, as where a medium is not mounted; [`ErrorKind::Storage`] if the file system
    /// fails.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let (folder, heads) = (folder.as_ref(), folder.as_ref().join(HEADS));
        match fs::read_dir(&heads) {
            Err(cause) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(missing());
            }
            found => drop(found.map_err(failure)?),
        }
        Self::settled(folder, heads)
    }

    /// Whoever made the directories may have been killed before their names were durable.
    fn settled(folder: &Path, heads: PathBuf) -> Result<Self> {
        // Of `.` or a link the name stands elsewhere.
        let named = folder.canonicalize().and_then(|named| file::sync_parent(&named));
        named.and_then(|()| file::sync_directory(folder)).map_err(failure)?;
        Ok(Self { heads, failed: Arc::default() })
    }

    /// Makes the names in a directory durable, or has the store refuse from now on.
    fn sync(&self, directory: &Path) -> Result<()> {
        let synced = file::sync_directory(directory);
        synced.inspect_err(|_| self.failed.store(true, Ordering::SeqCst)).map_err(failure)
    }

    fn directory(&self, origin: &str) -> PathBuf {
        self.heads.join(Hex(&sha256(&[origin.as_bytes()])).to_string())
    }

    /// Makes the log's directory, with its first head inside, in one step. `false` if there is one.
    fn begin(&self, origin: &str, state: &State) -> Result<bool> {
        let suffix: [u8; 16] = random(&SystemEntropy)?;
        let draft = self.heads.join(format!("draft-{}", Hex(&suffix)));
        fs::create_dir(&draft).map_err(failure)?;
        file::write_file(&draft.join(state.name()), format!("{origin}\n").as_bytes()).map_err(failure)?;
        self.sync(&draft)?;
        // POSIX rename: a directory that exists is replaced only if it is empty, and this one never is.
        let begun = fs::rename(&draft, self.directory(origin));
        if begun.is_err() {
            let _ = fs::remove_dir_all(&draft);
        }
        match begun {
            Ok(()) => Ok(true),
            Err(_) if self.directory(origin).is_dir() => Ok(false),
            Err(cause) => Err(failure(cause)),
        }
    }
}

impl WitnessStore for FileWitnessStore {
    fn latest(&self, origin: &str) -> Result<Option<TreeHead>> {
        Ok(read(&self.directory(origin))?.map(|state| state.head))
    }

    fn advance(&self, origin: &str, expected: Option<&TreeHead>, new: &TreeHead) -> Result<Option<TreeHead>> {
        if self.failed.load(Ordering::SeqCst) {
            return Err(failure(io::ErrorKind::Other.into()));
        }
        let directory = self.directory(origin);
        let found = read(&directory)?;
        if found.as_ref().map(|state| &state.head) != expected {
            return Ok(found.map(|state| state.head).or(expected.copied()));
        }
        let advanced = match found {
            None => self.begin(origin, &State { number: 0, head: *new })?,
            Some(state) => {
                let next = State { number: state.number.saturating_add(1), head: *new };
                replace(&directory, &state, &next)?
            }
        };
        if !advanced {
            return Ok(read(&directory)?.map(|state| state.head).or(Some(*new)));
        }
        self.sync(&directory)?;
        self.sync(&self.heads)?;
        Ok(None)
    }
}

/// A head, and how many came before it in this store.
struct State {
    number: u64,
    head: TreeHead,
}

impl State {
    fn name(&self) -> String {
        format!("{:016x}-{:016x}-{}", self.number, self.head.size, Hex(&self.head.root))
    }

    fn parse(name: &str) -> Option<Self> {
        let mut fields = name.split('-');
        let mut number =
            || fields.next().and_then(|field| parse_hex::<8>(field).ok()).map(u64::from_be_bytes);
        let (number, size) = (number()?, number()?);
        let root = fields.next().and_then(|field| parse_hex(field).ok())?;
        fields.next().is_none().then_some(Self { number, head: TreeHead::new(size, root) })
    }
}

/// Renames the old head to the new one, not durably yet; `false` if the old one is gone.
fn replace(directory: &Path, old: &State, new: &State) -> Result<bool> {
    match fs::rename(directory.join(old.name()), directory.join(new.name())) {
        Ok(()) => Ok(true),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(failure(cause)),
    }
}

/// The log's head; `None` if it has no directory where those of logs are: it may be on a medium that is not mounted any more.
fn read(directory: &Path) -> Result<Option<State>> {
    // A listing may miss a file that is renamed meanwhile, and shows it then under its new name.
    for _ in 0..ATTEMPTS {
        let entries = match fs::read_dir(directory) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return fs::metadata(file::parent(directory)).map(|_| None).map_err(failure);
            }
            opened => opened.map_err(failure)?,
        };
        let mut newest: Option<State> = None;
        for entry in entries {
            let name = entry.map_err(failure)?.file_name();
            let state = name.to_str().and_then(State::parse).ok_or_else(foreign)?;
            if newest.as_ref().is_none_or(|newest| newest.number < state.number) {
                newest = Some(state);
            }
        }
        if newest.is_some() {
            return Ok(newest);
        }
    }
    Err(foreign())
}

#[cold]
fn exists() -> Error {
    Error::new(ErrorKind::Invalid, "the folder has a witness's heads; open it")
}

#[cold]
fn missing() -> Error {
    let message = "there are no witness's heads in the folder; if they are on a medium that is not mounted, mount it; \
                   if they are lost, take a new key: what was cosigned is not known any more";
    Error::new(ErrorKind::NotFound, message)
}

#[cold]
fn foreign() -> Error {
    let message = "the witness's folder holds a log's directory without a head, or with a file that is none; \
                   if it was tampered with, take a new key: what was cosigned is not known any more";
    Error::new(ErrorKind::Corrupt, message)
}

#[cold]
fn failure(cause: io::Error) -> Error {
    Error::new(ErrorKind::Storage, "the file system failed where the witness's heads are kept").caused(cause)
}

/// Within the folder, so that the directory which a medium leaves where it was mounted is none (FORMAT §10.3).
const HEADS: &str = "heads";

/// Listings of a directory whose one file another process renames again and again.
const ATTEMPTS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn head(size: u64) -> TreeHead {
        TreeHead::new(size, [u8::try_from(size).expect("small"); 32])
    }

    #[test]
    fn heads_survive_and_one_file_stays_for_each_log() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = FileWitnessStore::create(folder.path()).expect("made");
        assert_eq!(store.latest("a").expect("readable"), None);
        assert_eq!(store.advance("a", None, &head(1)).expect("kept"), None);
        assert_eq!(store.advance("b", None, &head(9)).expect("kept"), None);
        for size in 1..20 {
            assert_eq!(store.advance("a", Some(&head(size)), &head(size + 1)).expect("kept"), None);
        }
        let again = FileWitnessStore::open(folder.path()).expect("there");
        assert_eq!(again.latest("a").expect("readable"), Some(head(20)));
        assert_eq!(again.latest("b").expect("readable"), Some(head(9)));
        assert_eq!(again.advance("a", Some(&head(19)), &head(30)).expect("answers"), Some(head(20)));
        assert_eq!(again.advance("a", None, &head(30)).expect("answers"), Some(head(20)));
        assert_eq!(again.advance("c", Some(&head(1)), &head(2)).expect("answers"), Some(head(1)));
        let entries = |path: &Path| fs::read_dir(path).expect("readable").count();
        assert_eq!(entries(&folder.path().join("heads")), 2);
        assert_eq!(entries(&again.directory("a")), 1);
    }

    /// Many threads, each with a store of its own as a process has, race for every step.
    #[test]
    fn of_those_who_advance_from_one_head_one_succeeds() {
        let folder = tempfile::tempdir().expect("a folder");
        FileWitnessStore::create(folder.path()).expect("made");
        let mut latest = None;
        for round in 0..40u8 {
            let proposals: Vec<TreeHead> = (0..8).map(|i| TreeHead::new(u64::from(round), [i; 32])).collect();
            let start = std::sync::Barrier::new(proposals.len());
            let race = |proposal| {
                let store = FileWitnessStore::open(folder.path()).expect("there");
                start.wait();
                store.advance("a", latest.as_ref(), proposal).expect("answers")
            };
            let answers: Vec<Option<TreeHead>> = std::thread::scope(|scope| {
                let racers: Vec<_> =
                    proposals.iter().map(|proposal| scope.spawn(|| race(proposal))).collect();
                racers.into_iter().map(|racer| racer.join().expect("no panic")).collect()
            });
            let winners: Vec<_> =
                proposals.iter().zip(&answers).filter(|(_, answer)| answer.is_none()).collect();
            assert_eq!(winners.len(), 1, "{round}");
            latest = FileWitnessStore::open(folder.path()).expect("there").latest("a").expect("readable");
            assert_eq!(latest.as_ref(), Some(winners[0].0));
            assert!(answers.iter().flatten().all(|found| Some(found) == latest.as_ref()));
        }
    }

    #[test]
    fn a_folder_that_is_missing_or_empty_is_not_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mount, medium) = (folder.path().join("mount"), folder.path().join("medium"));
        let kind = |store: Result<FileWitnessStore>| store.expect_err("refused").kind();
        assert_eq!(kind(FileWitnessStore::open(&mount)), ErrorKind::NotFound);
        assert!(!mount.exists());
        let store = FileWitnessStore::create(&mount).expect("made");
        assert_eq!(store.advance("a", None, &head(1)).expect("kept"), None);
        fs::rename(&mount, &medium).expect("unmounted");
        for at_the_mount in [|_: &Path| Ok(()), |path: &Path| fs::create_dir(path)] {
            at_the_mount(&mount).expect("made");
            assert_eq!(kind(FileWitnessStore::open(&mount)), ErrorKind::NotFound);
            assert_eq!(store.latest("a").expect_err("no heads").kind(), ErrorKind::Storage);
            assert_eq!(store.advance("a", None, &head(2)).expect_err("no heads").kind(), ErrorKind::Storage);
        }
        fs::remove_dir(&mount).expect("nothing was put there");
        fs::write(&mount, "").expect("written");
        assert_eq!(kind(FileWitnessStore::open(&mount)), ErrorKind::NotFound);
        fs::remove_file(&mount).expect("removed");
        fs::rename(&medium, &mount).expect("mounted");
        assert_eq!(kind(FileWitnessStore::create(&mount)), ErrorKind::Invalid);
        let again = FileWitnessStore::open(&mount).expect("there");
        assert_eq!(again.latest("a").expect("readable"), Some(head(1)));
    }

    #[test]
    fn where_a_file_stands_in_the_way_no_store_is_made_and_no_head_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("written");
        for place in [file.clone(), file.join("heads")] {
            assert_eq!(FileWitnessStore::create(place).expect_err("a file").kind(), ErrorKind::Storage);
        }
        let missing = folder.path().join("no").join("such");
        assert_eq!(FileWitnessStore::create(missing).expect_err("no parent").kind(), ErrorKind::Storage);
        let store = FileWitnessStore::create(folder.path().join("store")).expect("made");
        fs::write(store.directory("a"), "").expect("written");
        assert_eq!(store.latest("a").expect_err("a file").kind(), ErrorKind::Storage);
        assert_eq!(store.advance("a", None, &head(1)).expect_err("a file").kind(), ErrorKind::Storage);
        // Where it came after the look, too.
        let state = |size| State { number: size, head: head(size) };
        assert_eq!(store.begin("a", &state(1)).expect_err("a file").kind(), ErrorKind::Storage);
        assert_eq!(fs::read_dir(&store.heads).expect("readable").count(), 1, "no draft stays");
        store.advance("b", None, &head(1)).expect("kept");
        let found = read(&store.directory("b")).expect("readable").expect("kept");
        fs::create_dir(store.directory("b").join(state(2).name())).expect("made");
        let replaced = replace(&store.directory("b"), &found, &state(2));
        assert_eq!(replaced.expect_err("a directory").kind(), ErrorKind::Storage);
    }

    /// A listing may show a head beside the one that it was renamed to.
    #[test]
    fn of_several_heads_the_newest_counts_in_whatever_order_they_are_listed() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = FileWitnessStore::create(folder.path()).expect("made");
        let ascending: Vec<u64> = (1..=40).collect();
        for (origin, numbers) in [("a", ascending.clone()), ("b", ascending.into_iter().rev().collect())] {
            fs::create_dir(store.directory(origin)).expect("made");
            for number in numbers {
                // Of a longer log comes the older head: the number counts, which is the store's own.
                let state = State { number, head: head(100 - number) };
                fs::write(store.directory(origin).join(state.name()), "").expect("written");
            }
            assert_eq!(store.latest(origin).expect("readable"), Some(head(60)));
        }
    }

    #[test]
    fn a_file_that_is_no_head_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = FileWitnessStore::create(folder.path()).expect("made");
        store.advance("a", None, &head(1)).expect("kept");
        fs::write(store.directory("a").join("other"), "").expect("written");
        assert_eq!(store.latest("a").expect_err("foreign").kind(), ErrorKind::Corrupt);
        fs::remove_dir_all(store.directory("a")).expect("removed");
        fs::create_dir(store.directory("a")).expect("made");
        assert_eq!(store.latest("a").expect_err("empty").kind(), ErrorKind::Corrupt);
        assert!(store.advance("a", None, &head(1)).is_err());
    }
}
