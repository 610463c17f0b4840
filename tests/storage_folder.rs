//! The folder backend among other processes, without rights, without space, and after a crash.
#![cfg(all(feature = "fs", unix))]
#![allow(clippy::unwrap_used, clippy::unwrap_in_result, clippy::expect_used, reason = "helpers of tests")]

#[path = "common/strace.rs"]
mod strace;

use std::{
    collections::BTreeSet,
    env,
    error::Error as _,
    fs,
    io::{self, Read, Write},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use docvault::storage::{Creation, FsStorage, ObjectKey, Storage, StorageError, StorageErrorKind};
use futures_lite::future::block_on;
use tempfile::TempDir;

fn vault() -> (TempDir, PathBuf, FsStorage) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("vault");
    let storage = FsStorage::create(&path).expect("a folder");
    (directory, path, storage)
}

fn key(name: &str) -> ObjectKey {
    name.parse().expect("a key")
}

fn create(storage: &FsStorage, name: &str, bytes: Vec<u8>) -> Creation {
    block_on(storage.create(&key(name), bytes.into())).expect("creates")
}

fn read(storage: &FsStorage, name: &str) -> Option<Bytes> {
    block_on(storage.read(&key(name), None)).expect("reads")
}

fn list(storage: &FsStorage) -> Vec<String> {
    let keys = block_on(storage.list("", None, usize::MAX)).expect("lists");
    keys.iter().map(ObjectKey::to_string).collect()
}

/// All files and folders below `path`, itself included.
fn below(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    if path.is_dir() {
        found.extend(fs::read_dir(path).unwrap().flat_map(|entry| below(&entry.unwrap().path())));
    }
    found
}

#[test]
fn only_the_owner_has_access() {
    let (_directory, path, storage) = vault();
    create(&storage, "log/fffffffffffffffe-00112233445566778899aabbccddeeff", vec![1]);
    let all = below(&path);
    assert_eq!(all.iter().filter(|path| path.is_file()).count(), 2, "the marker and the object");
    for path in all {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, expected, "{path:?}");
    }
}

#[test]
fn an_empty_folder_becomes_the_owners_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    FsStorage::create(directory.path()).expect("an empty folder will do");
    assert_eq!(fs::metadata(directory.path()).unwrap().permissions().mode() & 0o7777, 0o700);
}

#[test]
fn what_is_no_vault_is_neither_made_nor_opened() {
    let (directory, path, _storage) = vault();
    let file = directory.path().join("file");
    fs::write(&file, "a file").unwrap();
    let refused = |result: Result<FsStorage, StorageError>| result.map(drop).expect_err("refused").kind();
    assert_eq!(refused(FsStorage::create(&path)), StorageErrorKind::NotAVault, "there is a vault");
    assert_eq!(refused(FsStorage::create(directory.path())), StorageErrorKind::NotAVault, "not empty");
    assert_eq!(refused(FsStorage::create(&file)), StorageErrorKind::NotAVault, "a file");
    assert_eq!(refused(FsStorage::create(path.join("no/such"))), StorageErrorKind::NotAVault, "no parent");
    assert_eq!(refused(FsStorage::open(directory.path())), StorageErrorKind::NotAVault, "no marker");
    assert_eq!(refused(FsStorage::open(path.join("absent"))), StorageErrorKind::NotAVault, "nothing");
    assert_eq!(refused(FsStorage::open(&file)), StorageErrorKind::NotAVault, "a file");
    FsStorage::open(&path).expect("still a vault");

    fs::write(path.join("docvault-folder"), "docvault folder 2\n").unwrap();
    assert_eq!(refused(FsStorage::open(&path)), StorageErrorKind::Unsupported, "a newer one");
    fs::write(path.join("docvault-folder"), "something else").unwrap();
    assert_eq!(refused(FsStorage::open(&path)), StorageErrorKind::NotAVault, "another marker");
}

#[test]
fn what_was_created_is_there_when_opened_again() {
    let (_directory, path, storage) = vault();
    create(&storage, "a/b", vec![7; 10]);
    drop(storage);
    let storage = FsStorage::open(&path).expect("opens");
    assert_eq!(read(&storage, "a/b"), Some(vec![7; 10].into()));
    assert_eq!(create(&storage, "a/b", vec![8]), Creation::Exists);
}

#[test]
fn strays_and_links_are_not_listed() {
    let (directory, path, storage) = vault();
    create(&storage, "log/real", vec![1]);
    let objects = path.join("objects");
    fs::write(objects.join("log/NOTES.txt"), "stray").unwrap();
    fs::write(objects.join("log/no-suffix"), "stray").unwrap();
    fs::create_dir(objects.join("log/ab+")).unwrap();
    fs::write(objects.join("log/ab+/c.o"), "cut where no key is cut").unwrap();
    symlink(objects.join("log/real.o"), objects.join("log/link.o")).unwrap();
    fs::create_dir_all(directory.path().join("elsewhere")).unwrap();
    fs::write(directory.path().join("elsewhere/x.o"), "outside").unwrap();
    symlink(directory.path().join("elsewhere"), objects.join("linked")).unwrap();
    symlink(&objects, objects.join("loop")).unwrap();
    #[cfg(target_os = "linux")]
    fs::write(objects.join("log").join(no_text()), "stray").unwrap();
    assert_eq!(list(&storage), ["log/real"]);
}

#[cfg(target_os = "linux")]
fn no_text() -> &'static std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(b"\xff.o")
}

#[test]
fn two_processes_never_both_win() {
    let (_directory, path, storage) = vault();
    let mut racers: Vec<Child> = (0..2).map(|racer| helper("race", &path, racer)).collect();
    for racer in &mut racers {
        racer.stdin.take().expect("piped").write_all(b"go").expect("starts");
    }
    let wins: Vec<Vec<String>> = racers.into_iter().map(wins).collect();
    for number in 0..32 {
        let name = format!("race/{number}");
        let winners: Vec<u8> = (0..2).filter(|racer| wins[usize::from(*racer)].contains(&name)).collect();
        assert_eq!(winners.len(), 1, "{name}: {winners:?}");
        assert_eq!(read(&storage, &name), Some(vec![winners[0]; 1000].into()), "{name}");
    }
    assert_eq!(fs::read_dir(path.join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_killed_process_leaves_whole_objects_only() {
    let (_directory, path, storage) = vault();
    for round in 0..4 {
        let mut writer = helper("write", &path, round);
        writer.stdin.take().expect("piped").write_all(b"go").expect("starts");
        thread::sleep(Duration::from_millis(60 + 37 * u64::from(round)));
        writer.kill().expect("killed");
        writer.wait().expect("ended");
    }
    let names = list(&storage);
    assert!(!names.is_empty(), "the writers were killed before they wrote anything");
    for name in names {
        let bytes = read(&storage, &name).expect("listed");
        assert!(bytes.len() == BIG && bytes.iter().all(|byte| Some(byte) == bytes.first()), "{name} is torn");
    }
}

#[test]
fn temporary_files_are_invisible_and_removed_after_a_day() {
    let (_directory, path, storage) = vault();
    // The marker's is left where making the folder was cut short just before its end.
    let named = [(FRESH, 23), (STALE, 25), ("somebody's", 25), (SOMEBODYS, 25), ("docvault-folder", 25)];
    for (name, age) in named {
        let file = fs::File::create(path.join("tmp").join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age * 3600)).unwrap();
    }
    assert!(list(&storage).is_empty());
    FsStorage::open(&path).expect("opens");
    let left: BTreeSet<_> =
        fs::read_dir(path.join("tmp")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [FRESH, "somebody's", SOMEBODYS].map(Into::into).into());
}

/// A writer that is killed between its link and the deletion of its temporary file leaves both.
#[test]
fn what_is_deleted_is_gone_under_its_temporary_name_too() {
    let (_directory, path, storage) = vault();
    for name in ["a/b", "a/c"] {
        create(&storage, name, vec![1]);
    }
    let names = || {
        let entries = fs::read_dir(path.join("tmp")).unwrap().map(|entry| entry.unwrap().file_name());
        entries.collect::<BTreeSet<_>>()
    };
    // A name that no writer gives is somebody else's, and stays.
    for (object, temporary) in [("b", FRESH), ("c", STALE), ("c", SOMEBODYS)] {
        fs::hard_link(path.join(format!("objects/a/{object}.o")), path.join("tmp").join(temporary)).unwrap();
    }
    block_on(storage.delete(&key("a/b"))).unwrap();
    let left = [STALE, SOMEBODYS].map(Into::into).into();
    assert_eq!((list(&storage), names()), (vec!["a/c".to_owned()], left));
    block_on(storage.delete(&key("a/c"))).unwrap();
    assert!(list(&storage).is_empty() && names() == [SOMEBODYS.into()].into());
    block_on(storage.delete(&key("a/c"))).unwrap();
}

#[test]
fn a_read_only_folder_can_be_read() {
    let Some(mount) = Mount::new("1m") else { return };
    let storage = FsStorage::create(mount.0.path().join("vault")).expect("a folder");
    create(&storage, "a/b", vec![1]);
    // Its writer was killed before it was done, so whoever reads it makes it durable.
    let vault = mount.0.path().join("vault");
    fs::hard_link(vault.join("objects/a/b.o"), vault.join("tmp").join(FRESH)).unwrap();
    assert!(mount.run("mount", &["-o", "remount,ro"]), "remounts");
    let storage = FsStorage::open(mount.0.path().join("vault")).expect("opens");
    assert_eq!(read(&storage, "a/b"), Some(vec![1].into()));
    assert_eq!(list(&storage), ["a/b"]);
    let error = block_on(storage.create(&key("a/c"), Bytes::new())).expect_err("read-only");
    assert_eq!(error.kind(), StorageErrorKind::Denied);
    assert!(error.to_string().contains("read-only"), "{error}");
    let error = block_on(storage.delete(&key("a/b"))).expect_err("read-only");
    assert_eq!(error.kind(), StorageErrorKind::Denied);
}

#[test]
fn a_full_disk_takes_nothing_and_loses_nothing() {
    let Some(mount) = Mount::new("512k") else { return };
    let path = mount.0.path().join("vault");
    let storage = FsStorage::create(&path).expect("a folder");
    let attempt =
        |number: u8| block_on(storage.create(&key(&format!("a/{number}")), vec![number; 65_536].into()));
    let outcomes: Vec<_> = (0..12).map(attempt).collect();
    let full = outcomes.iter().position(Result::is_err).expect("it fills up");
    assert!(full > 2, "{full} objects fit");
    for (number, outcome) in (0..).zip(&outcomes) {
        let expected = outcome.is_ok().then(|| Bytes::from(vec![number; 65_536]));
        assert_eq!(read(&storage, &format!("a/{number}")), expected);
        assert!(outcome.as_ref().err().is_none_or(|error| error.kind() == StorageErrorKind::Full));
    }
    assert_eq!(fs::read_dir(path.join("tmp")).unwrap().count(), 0);
    block_on(storage.delete(&key("a/0"))).expect("deletes");
    assert_eq!(create(&storage, "a/0", vec![9; 65_536]), Creation::Created);
}

/// strace counts for each thread: three syncs open the folder, and in another thread three make what is created first.
/// The fourth is that of the file, the fifth that of the directory it was linked into.
#[test]
fn a_failed_sync_is_an_error_before_the_link_and_unknown_after_it() {
    if !strace::is_there() {
        return;
    }
    for (failing, expected, visible) in [(4, "failed Unavailable", false), (5, "answered Unknown", true)] {
        let (directory, path, storage) = vault();
        let inject = format!("inject=fsync:error=EIO:when={failing}");
        let mut command = Command::new("strace");
        command.args(["-f", "-o"]).arg(directory.path().join("trace"));
        command.args(["-e", "trace=fsync", "-e", &inject]).arg(env::current_exe().expect("this test"));
        let output = as_helper(command, "once", &path, 0).stdin(Stdio::null()).output().expect("runs");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(text.lines().any(|line| line == expected), "{text}");
        assert_eq!(read(&storage, "once").is_some(), visible);
        assert_eq!(fs::read_dir(path.join("tmp")).unwrap().count(), 0);
    }
}

/// A name that no sync makes durable is gone after a power cut, and one whose removal none does is back.
#[test]
fn what_is_linked_made_or_removed_is_synced_in_order() {
    if !strace::is_there() {
        return;
    }
    let (directory, path, _storage) = vault();
    let trace = directory.path().join("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-e", "trace=fsync,fdatasync", "-o"]).arg(&trace);
    command.arg(env::current_exe().expect("this test"));
    let output = as_helper(command, "durable", &path, 0).stdin(Stdio::null()).output().expect("runs");
    assert!(output.status.success(), "{output:?}");
    let synced = synced(&fs::read_to_string(&trace).unwrap(), &directory.path().canonicalize().unwrap());
    let opened = ["vault/docvault-folder", "vault", ""];
    let made = ["new", "new/tmp/docvault-folder", "new", ""];
    // The file, the entry of the directory it needed, its own entry.
    let created = ["vault/tmp/*", "vault/objects", "vault/objects/a"];
    // What is known to be durable is not synced again.
    let beside = ["vault/tmp/*", "vault/objects/a"];
    // The second delete finds nothing; an earlier one may have ended before its sync.
    let deleted = ["vault/objects/a", "vault/objects/a"];
    assert_eq!(synced, [&opened[..], &made, &created, &beside, &deleted].concat());
}

/// The paths below `place` that a trace shows synced, those of temporary files without their random names.
fn synced(trace: &str, place: &Path) -> Vec<String> {
    let calls = trace.lines().filter(|line| line.contains("sync(") && !line.contains("resumed>"));
    let paths = calls.map(|line| line.split(['<', '>']).nth(1).expect("a path"));
    let names = paths.map(|path| Path::new(path).strip_prefix(place).expect("below").to_str().expect("text"));
    let random = |name: &str| name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let named = |name: &str| match name.rsplit_once('/') {
        Some((folder, file)) if random(file) => format!("{folder}/*"),
        _ => name.to_owned(),
    };
    names.map(named).collect()
}

/// What the other process of a test does; started by [`helper`].
#[test]
#[ignore = "the other process of other tests"]
fn other_process() {
    let Ok(path) = env::var("DOCVAULT_TEST_FOLDER") else { return };
    let racer: u8 = env::var("DOCVAULT_TEST_RACER").unwrap().parse().unwrap();
    let storage = FsStorage::open(&path).expect("opens");
    io::stdin().read_to_string(&mut String::new()).expect("the start");
    match env::var("DOCVAULT_TEST_PART").unwrap().as_str() {
        "race" => {
            for name in (0..32).map(|number| format!("race/{number}")) {
                if create(&storage, &name, vec![racer; 1000]) == Creation::Created {
                    println!("\nwon {name}");
                }
            }
        }
        "durable" => {
            FsStorage::create(Path::new(&path).with_file_name("new")).expect("a folder");
            create(&storage, "a/b", vec![1]);
            create(&storage, "a/c", vec![2]);
            for _ in 0..2 {
                block_on(storage.delete(&key("a/b"))).expect("deletes");
            }
        }
        "once" => {
            create(&storage, "first/one", vec![1]);
            match block_on(storage.create(&key("once"), vec![racer; 1000].into())) {
                Ok(creation) => println!("\nanswered {creation:?}"),
                Err(error) => println!("\nfailed {:?}", error.kind()),
            }
        }
        _ => {
            for number in 0.. {
                create(&storage, &format!("written/{racer}-{number}"), vec![racer + 1; BIG]);
            }
        }
    }
}

fn helper(part: &str, folder: &Path, racer: u8) -> Child {
    let command = Command::new(env::current_exe().expect("this test"));
    as_helper(command, part, folder, racer).stdin(Stdio::piped()).spawn().expect("starts")
}

fn as_helper(mut command: Command, part: &str, folder: &Path, racer: u8) -> Command {
    command.args(["--exact", "other_process", "--ignored", "--nocapture"]);
    command.env("DOCVAULT_TEST_PART", part).env("DOCVAULT_TEST_FOLDER", folder);
    command.env("DOCVAULT_TEST_RACER", racer.to_string());
    // One thread for files: what fails by its number fails there.
    command.env("BLOCKING_MAX_THREADS", "1");
    command.stdout(Stdio::piped());
    command
}

fn wins(racer: Child) -> Vec<String> {
    let output = racer.wait_with_output().expect("ends");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().filter_map(|line| line.strip_prefix("won ")).map(str::to_owned).collect()
}

/// A small file system of its own, unmounted when dropped.
struct Mount(TempDir);

impl Mount {
    /// `None`, with the reason printed, where this process may not mount.
    fn new(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let options = format!("size={size},mode=0700");
        let path = directory.path().to_str().expect("text");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs", path]).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(directory));
        }
        println!("skipped: this needs the right to mount a tmpfs");
        None
    }

    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let status = Command::new(program).args(arguments).arg(self.0.path()).status();
        status.is_ok_and(|status| status.success())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if !self.run("umount", &["-l"]) {
            println!("{:?} stays mounted", self.0.path());
        }
    }
}

const BIG: usize = 1 << 20;

#[test]
fn a_creation_that_was_cut_short_is_taken_up() {
    let place = tempfile::tempdir().unwrap();
    let whole = place.path().join("whole");
    FsStorage::create(&whole).unwrap();
    for left in [vec!["objects"], vec!["objects", "tmp"], vec!["objects", "tmp", "tmp/docvault-folder"]] {
        let cut = tempfile::tempdir_in(place.path()).unwrap();
        for name in &left {
            if name.contains('/') {
                fs::write(cut.path().join(name), "docvault fol").unwrap();
            } else {
                fs::create_dir(cut.path().join(name)).unwrap();
            }
        }
        assert!(FsStorage::open(cut.path()).is_err());
        FsStorage::create(cut.path()).unwrap();
        FsStorage::open(cut.path()).unwrap();
    }
    for something in ["objects/something", "tmp/something", "something/docvault-folder"] {
        let other = tempfile::tempdir_in(place.path()).unwrap();
        fs::create_dir_all(other.path().join(something)).unwrap();
        assert_eq!(FsStorage::create(other.path()).unwrap_err().kind(), StorageErrorKind::NotAVault);
    }
}

/// What the file system itself said, behind an error that says so.
fn cause(error: &StorageError) -> io::ErrorKind {
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    error.source().unwrap().downcast_ref::<io::Error>().unwrap().kind()
}

#[test]
fn a_folder_that_cannot_be_made_is_no_folder_that_is_taken() {
    let place = tempfile::tempdir().unwrap();
    let made = |name: &str| cause(&FsStorage::create(place.path().join(name)).unwrap_err());
    fs::write(place.path().join("file"), "a file").unwrap();
    assert_eq!(made("file/vault"), io::ErrorKind::NotADirectory);
    symlink(place.path().join("nowhere"), place.path().join("link")).unwrap();
    assert_eq!(made("link"), io::ErrorKind::NotFound);
    fs::create_dir_all(place.path().join("cut/tmp/docvault-folder")).unwrap();
    assert_ne!(made("cut"), io::ErrorKind::AlreadyExists, "what is in the way could not be removed");
    assert!(!place.path().join("cut/docvault-folder").exists(), "nothing that is not whole has the marker");
}

/// Of what is there nothing is known, and least that it is not.
#[test]
fn where_a_file_stands_for_a_folder_nothing_is_said_of_what_is_in_it() {
    let (_directory, path, storage) = vault();
    fs::write(path.join("objects/a"), "a file").unwrap();
    let key = key("a/b/c");
    block_on(async {
        assert_eq!(cause(&storage.read(&key, None).await.unwrap_err()), io::ErrorKind::NotADirectory);
        assert_eq!(cause(&storage.delete(&key).await.unwrap_err()), io::ErrorKind::NotADirectory);
        let refused = storage.create(&key, Bytes::new()).await.unwrap_err();
        assert_eq!(cause(&refused), io::ErrorKind::NotADirectory);
        assert_eq!(fs::read_dir(path.join("tmp")).unwrap().count(), 0);
        // What could not be made is not taken for made.
        fs::remove_file(path.join("objects/a")).unwrap();
        assert_eq!(storage.create(&key, Bytes::new()).await.unwrap(), Creation::Created);
    });
}

/// A file that the kernel lets nobody read, root included.
#[cfg(target_os = "linux")]
#[test]
fn a_marker_that_may_not_be_read_is_told_from_none() {
    const UNREADABLE: &str = "/proc/sys/vm/compact_memory";
    if !Path::new(UNREADABLE).exists() {
        println!("skipped: this needs {UNREADABLE}");
        return;
    }
    let (_directory, path, _storage) = vault();
    fs::remove_file(path.join("docvault-folder")).unwrap();
    symlink(UNREADABLE, path.join("docvault-folder")).unwrap();
    assert_eq!(FsStorage::open(&path).unwrap_err().kind(), StorageErrorKind::Denied);
}

#[test]
fn a_folder_for_which_there_is_no_room_is_not_made() {
    let Some(mount) = Mount::new("1m,nr_inodes=2") else { return };
    let refused = FsStorage::create(mount.0.path()).unwrap_err();
    assert_eq!(refused.kind(), StorageErrorKind::Full, "{refused}");
}

/// A link from one to the other cannot be made: nothing is written, and the error says why.
#[test]
fn folders_in_the_vaults_that_are_on_two_file_systems_take_nothing() {
    let Some(mount) = Mount::new("1m") else { return };
    let (_directory, path, storage) = vault();
    fs::rename(path.join("tmp"), path.join("elsewhere")).unwrap();
    symlink(mount.0.path(), path.join("tmp")).unwrap();
    let refused = block_on(storage.create(&key("a/b"), Bytes::new())).unwrap_err();
    assert_eq!(refused.kind(), StorageErrorKind::Unsupported);
    assert!(refused.to_string().contains("one file system"), "{refused}");
    assert_eq!(read(&storage, "a/b"), None);
    assert_eq!(fs::read_dir(mount.0.path()).unwrap().count(), 0);
}

const FRESH: &str = "00112233445566778899aabbccddeeff";
const STALE: &str = "ffeeddccbbaa99887766554433221100";
/// As long as the name of a temporary file.
const SOMEBODYS: &str = "somebody's file of 32 characters";

/// Whoever made the folder has put a link there, and opening clears what is old behind it.
#[test]
fn folders_in_the_vaults_that_are_links_are_refused() {
    let (_folder, path, _) = vault();
    let elsewhere = path.with_extension("elsewhere");
    for name in ["tmp", "objects"] {
        fs::rename(path.join(name), &elsewhere).unwrap();
        symlink(&elsewhere, path.join(name)).unwrap();
        assert_eq!(FsStorage::open(&path).unwrap_err().kind(), StorageErrorKind::NotAVault, "{name}");
        fs::remove_file(path.join(name)).unwrap();
        fs::rename(&elsewhere, path.join(name)).unwrap();
    }
    FsStorage::open(&path).unwrap();
}

/// That nothing is there would be an answer about the vault.
#[test]
fn of_a_folder_that_was_taken_away_nothing_is_said() {
    let (_folder, path, storage) = vault();
    let key = key("head/a/b");
    block_on(async {
        assert_eq!(storage.read(&key, None).await.unwrap(), None);
        storage.delete(&key).await.unwrap();
        fs::rename(&path, path.with_extension("moved")).unwrap();
        assert_eq!(storage.read(&key, None).await.unwrap_err().kind(), StorageErrorKind::Unavailable);
        assert_eq!(storage.delete(&key).await.unwrap_err().kind(), StorageErrorKind::Unavailable);
        fs::rename(path.with_extension("moved"), &path).unwrap();
        assert_eq!(storage.read(&key, None).await.unwrap(), None);
    });
}
