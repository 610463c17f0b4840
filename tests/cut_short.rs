//! What a process leaves that is killed between writing and making durable: whoever goes on from it makes it durable first,
//! or what it then acknowledges would be gone with it, were the power to fail.
#![cfg(all(feature = "fs", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "helpers of tests")]

#[path = "common/strace.rs"]
mod strace;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use docvault::{
    FilePinStore, FileWitnessStore, Pin, PinStore, TreeHead, Vault, WitnessStore,
    keys::LocalKey,
    storage::{FsStorage, MemoryStorage, ObjectKey, Storage},
};
use futures_lite::future::block_on;
use tempfile::TempDir;

/// What another process said that did `part` in `folder`, and the paths there that it synced, those that failed included;
/// none without strace. The sync of number `failing` fails.
fn traced(part: &str, folder: &TempDir, failing: Option<u32>) -> Option<(String, Vec<String>)> {
    if !strace::is_there() {
        return None;
    }
    let outside = tempfile::tempdir().unwrap();
    let trace = outside.path().join("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-e", "trace=fsync,fdatasync", "-o"]).arg(&trace);
    if let Some(failing) = failing {
        command.args(["-e", &format!("inject=fsync:error=EIO:when={failing}")]);
    }
    command.arg(env::current_exe().unwrap()).args(["--exact", "other_process", "--ignored", "--nocapture"]);
    command.env("DOCVAULT_TEST_PART", part).env("DOCVAULT_TEST_FOLDER", folder.path());
    // One thread for files: what fails by its number fails there.
    command.env("BLOCKING_MAX_THREADS", "1");
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    Some((said, synced(&fs::read_to_string(&trace).unwrap(), &folder.path().canonicalize().unwrap())))
}

fn synced(trace: &str, place: &Path) -> Vec<String> {
    let calls = trace.lines().filter(|line| line.contains("sync(") && !line.contains("resumed>"));
    let paths = calls.map(|line| Path::new(line.split(['<', '>']).nth(1).unwrap()));
    paths.map(|path| path.strip_prefix(place).unwrap().to_str().unwrap().to_owned()).collect()
}

fn folder_with_an_object() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let storage = FsStorage::create(folder.path().join("vault")).unwrap();
    block_on(storage.create(&object(), vec![1; 10].into())).unwrap();
    let file = folder.path().join("vault/objects/a/b.o");
    assert!(file.exists());
    (folder, file)
}

fn object() -> ObjectKey {
    "a/b".parse().unwrap()
}

const OPENED: [&str; 3] = ["vault/docvault-folder", "vault", ""];

#[test]
fn a_folder_that_is_opened_is_made_durable() {
    let (folder, _) = folder_with_an_object();
    let Some((said, synced)) = traced("read", &folder, None) else { return };
    assert!(said.contains("\nread 10"), "{said}");
    assert_eq!(synced, OPENED, "what its writer made durable needs nothing");
}

#[test]
fn an_object_whose_writer_did_not_end_is_made_durable_when_it_is_read() {
    let (folder, file) = folder_with_an_object();
    fs::hard_link(file, folder.path().join("vault/tmp").join("0".repeat(32))).unwrap();
    let Some((said, synced)) = traced("read", &folder, None) else { return };
    assert!(said.contains("\nread 10"), "{said}");
    assert_eq!(synced, [&OPENED[..], &["vault/objects", "vault/objects/a"]].concat());
}

/// strace counts for each thread: in that of the read, the first three syncs are of an object that is created before.
#[test]
fn an_object_that_cannot_be_made_durable_is_not_read() {
    let (folder, file) = folder_with_an_object();
    fs::hard_link(file, folder.path().join("vault/tmp").join("0".repeat(32))).unwrap();
    let Some((said, synced)) = traced("create and read", &folder, Some(5)) else { return };
    assert!(said.contains("\nfailed Unavailable"), "{said}");
    assert_eq!(synced.last().unwrap(), "vault/objects/a");
}

#[test]
fn a_key_that_is_loaded_is_made_durable() {
    let folder = tempfile::tempdir().unwrap();
    LocalKey::create(folder.path().join("key")).unwrap();
    let Some((_, synced)) = traced("key", &folder, None) else { return };
    assert_eq!(synced, ["key", ""]);
}

/// The first save writes it, renames it, and fails to sync the directory: the second must not take it for saved.
#[test]
fn a_pin_that_was_not_made_durable_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let key = LocalKey::create(folder.path().join("key")).unwrap();
    let vault = block_on(Vault::create(MemoryStorage::new(), key)).unwrap();
    fs::write(folder.path().join("line"), vault.pin().to_string()).unwrap();
    let Some((said, synced)) = traced("pin", &folder, Some(2)) else { return };
    assert!(said.contains("\nsaved false true true"), "{said}");
    let (files, directories): (Vec<_>, Vec<_>) = synced.iter().partition(|path| path.starts_with("pin."));
    assert_eq!((files.len(), directories.len()), (2, 2), "{synced:?}");
}

#[test]
fn the_pin_of_an_earlier_process_is_made_durable_by_the_first_save() {
    let folder = tempfile::tempdir().unwrap();
    let key = LocalKey::create(folder.path().join("key")).unwrap();
    let vault = block_on(Vault::create(MemoryStorage::new(), key)).unwrap();
    fs::write(folder.path().join("line"), vault.pin().to_string()).unwrap();
    fs::write(folder.path().join("pin"), format!("{}\n", vault.pin())).unwrap();
    let Some((said, synced)) = traced("pin", &folder, None) else { return };
    assert!(said.contains("\nsaved true true true"), "{said}");
    assert_eq!(synced.len(), 2, "{synced:?}");
}

#[test]
fn the_directory_of_a_witness_is_made_durable_with_each_head() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileWitnessStore::create(folder.path().join("witness")).unwrap();
    assert_eq!(store.advance("log", None, &head(1)).unwrap(), None);
    let Some((said, synced)) = traced("witness", &folder, None) else { return };
    assert!(said.contains("\nkept true false"), "{said}");
    let of_log = |path: &str| path.starts_with("witness/heads/");
    let named = |path: &String| if of_log(path) { "*".to_owned() } else { path.clone() };
    let synced: Vec<_> = synced.iter().map(named).collect();
    assert_eq!(synced, ["", "witness", "*", "witness/heads", "*", "witness/heads"]);
}

#[test]
fn a_witness_is_made_durable_when_it_is_made_or_opened() {
    let folder = tempfile::tempdir().unwrap();
    let Some((said, synced)) = traced("create witness", &folder, None) else { return };
    assert!(said.contains("\nmade true"), "{said}");
    assert_eq!(synced, ["", "witness"]);
    for failing in [1, 2] {
        let (said, _) = traced("open witness", &folder, Some(failing)).unwrap();
        assert!(said.contains("\nopened false"), "{failing}: {said}");
    }
}

/// The first two syncs are of the names of the folder and of the directory in it, the third of the head's, the fourth of the
/// name of the log's directory.
#[test]
fn a_witness_that_could_not_keep_a_head_answers_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileWitnessStore::create(folder.path().join("witness")).unwrap();
    assert_eq!(store.advance("log", None, &head(1)).unwrap(), None);
    for failing in [3, 4] {
        let Some((said, _)) = traced("witness", &folder, Some(failing)) else { return };
        assert!(said.contains("\nkept false true"), "{failing}: {said}");
        let again = FileWitnessStore::open(folder.path().join("witness")).unwrap();
        assert_eq!(again.advance("log", Some(&head(2)), &head(1)).unwrap(), None, "opened anew");
    }
}

fn head(size: u8) -> TreeHead {
    TreeHead::new(size.into(), [size; 32])
}

/// What the other process of a test does; started by [`traced`].
#[test]
#[ignore = "the other process of other tests"]
fn other_process() {
    let Ok(folder) = env::var("DOCVAULT_TEST_FOLDER").map(PathBuf::from) else { return };
    match &*env::var("DOCVAULT_TEST_PART").unwrap() {
        part @ ("read" | "create and read") => {
            let storage = FsStorage::open(folder.join("vault")).unwrap();
            if part != "read" {
                block_on(storage.create(&"first/one".parse().unwrap(), vec![1].into())).unwrap();
            }
            match block_on(storage.read(&object(), None)) {
                Ok(read) => println!("\nread {}", read.unwrap().len()),
                Err(error) => println!("\nfailed {:?}", error.kind()),
            }
        }
        "key" => drop(LocalKey::load(folder.join("key")).unwrap()),
        "pin" => {
            let pin: Pin = fs::read_to_string(folder.join("line")).unwrap().parse().unwrap();
            let store = FilePinStore::new(folder.join("pin"));
            let saved = [(); 3].map(|()| block_on(store.save(&pin)).is_ok());
            println!("\nsaved {} {} {}", saved[0], saved[1], saved[2]);
        }
        "create witness" => println!("\nmade {}", FileWitnessStore::create(folder.join("witness")).is_ok()),
        "open witness" => println!("\nopened {}", FileWitnessStore::open(folder.join("witness")).is_ok()),
        _ => {
            let store = FileWitnessStore::open(folder.join("witness")).unwrap();
            let kept = store.advance("log", Some(&head(1)), &head(2)).is_ok();
            let refuses = store.advance("log", Some(&head(2)), &head(3)).is_err();
            println!("\nkept {kept} {refuses}");
        }
    }
}
