//! Checking a vault: every fault is found and named, every orphan has its class, and another process goes on.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use common::{block_on, identity, vault_on};
use docvault::{
    CheckCursor, CheckDepth, CheckReport, Clock, ErrorKind, NewDocument, Recipient, Session, Standing, Terms,
    Timestamp, Vault, VaultOptions,
    keys::LocalKey,
    storage::{MemoryStorage, ObjectKey, Storage},
};
use tempfile::TempDir;

async fn keys(storage: &dyn Storage, prefix: &str) -> Vec<ObjectKey> {
    storage.list(prefix, None, 100_000).await.unwrap()
}

async fn check(vault: &Vault, depth: CheckDepth) -> CheckReport {
    vault.check(depth).await.unwrap().run(&mut |_| {}).await.unwrap()
}

fn found(report: &CheckReport) -> BTreeSet<String> {
    report.findings.iter().map(|found| found.object.to_string()).collect()
}

fn standings(report: &CheckReport, standing: Standing) -> Vec<String> {
    let found = report.findings.iter().filter(|found| found.standing == standing);
    found.map(|found| found.object.to_string()).collect()
}

/// A vault with everything in it: inline and large contents, two versions, grants, a kept checkpoint, an erased
/// case, a fold with its tiles.
async fn full(storage: Arc<MemoryStorage>) -> (Vault, Session, TempDir) {
    let (vault, folder) = vault_on(storage).await;
    let desk = vault.session("actor").purpose("purpose").begin().unwrap();
    let case = desk.create_case("title").await.unwrap();
    let small = desk.store(case, NewDocument::named("small"), b"content".to_vec()).await.unwrap();
    desk.store_version(small.document, NewDocument::named("x"), "why", b"more".to_vec()).await.unwrap();
    desk.store(case, NewDocument::named("large"), vec![7; 9 << 20]).await.unwrap();
    let (notary, _file) = identity();
    let notary = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
    desk.grant(small.document, &notary, Terms::read().purpose("p")).await.unwrap();
    desk.grant(case, &notary, Terms::read().purpose("p")).await.unwrap();
    let erased = desk.create_case("erased").await.unwrap();
    desk.store(erased, NewDocument::named("gone"), b"gone".to_vec()).await.unwrap();
    desk.close_case(erased, "done").await.unwrap();
    desk.erase_case(erased).await.unwrap();
    let note = vault.audit().checkpoint().await.unwrap();
    desk.keep_checkpoint(&note, &[]).await.unwrap();
    while vault.pin().size() < 600 {
        desk.describe_case(case).await.unwrap();
    }
    (vault, desk, folder)
}

#[test]
fn a_whole_vault_is_sound_and_counted() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, desk, _folder) = full(storage.clone()).await;
        desk.collect_garbage().await.unwrap();
        let before = vault.pin();
        for depth in [CheckDepth::Structure, CheckDepth::Content] {
            let report = check(&vault, depth).await;
            assert!(report.is_sound() && report.findings.is_empty(), "{report:?}");
            let counts = report.counts;
            assert_eq!((counts.records, report.size), (vault.pin().size(), vault.pin().size()));
            assert_eq!((counts.cases, counts.erased_cases, counts.keys), (1, 1, 1));
            assert_eq!((counts.documents, counts.versions, counts.grants), (2, 3, 2));
            assert_eq!((counts.parts, counts.named), (4, 2));
            assert_eq!(counts.bytes > 9 << 20, depth == CheckDepth::Content);
            assert!(counts.tiles >= 5 && counts.index >= 2, "{counts:?}");
            let all = keys(&*storage, "").await.len();
            assert_eq!(counts.listed, u64::try_from(all).unwrap());
        }
        assert_eq!(vault.pin(), before, "a check leaves no record");
    });
}

#[test]
fn whatever_is_missing_or_altered_is_named() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, desk, folder) = full(storage.clone()).await;
        desk.collect_garbage().await.unwrap();
        let (pin, newest) = (vault.pin(), keys(&*storage, "log/").await.swap_remove(0));
        let mut kinds = BTreeSet::new();
        for key in keys(&*storage, "").await {
            let kind = key.as_str().split('/').next().unwrap().to_owned();
            // The newest commit, some of the others, and everything else.
            if kind == "log" && key != newest && !key.as_str().ends_with(['0', '7', 'f']) {
                continue;
            }
            let sound = storage.read(&key, None).await.unwrap().unwrap();
            let mut flipped = sound.to_vec();
            *flipped.last_mut().unwrap() ^= 1;
            for (standing, instead) in [(Standing::Missing, None), (Standing::False, Some(flipped))] {
                storage.delete(&key).await.unwrap();
                if let Some(bytes) = instead {
                    storage.create(&key, bytes.into()).await.unwrap();
                }
                let named = name_of_fault(&vault, &storage, &folder, &pin, &key, standing).await;
                assert!(named, "{standing:?} {key}");
                storage.delete(&key).await.unwrap();
                storage.create(&key, sound.clone()).await.unwrap();
            }
            kinds.insert(kind);
        }
        let all = ["checkpoint", "head", "index", "key", "keyring", "log", "part", "tile"];
        assert!(kinds.iter().eq(all), "{kinds:?}");
        assert!(check(&vault, CheckDepth::Content).await.is_sound());
    });
}

/// Whether the check of a vault opened anew names the object, as a finding or in the error that ends it.
async fn name_of_fault(
    vault: &Vault,
    storage: &Arc<MemoryStorage>,
    folder: &TempDir,
    pin: &docvault::Pin,
    key: &ObjectKey,
    standing: Standing,
) -> bool {
    let root = LocalKey::load(folder.path().join("key")).unwrap();
    let opened = match Vault::open(storage.clone(), root, pin).await {
        Ok(opened) => opened,
        // Without the newest commit it is an older copy, and the pin says so before anything is checked.
        Err(error) if error.kind() == ErrorKind::RolledBack => {
            let newest = storage.list("log/", None, 1).await.unwrap().swap_remove(0);
            return standing == Standing::Missing && *key < newest;
        }
        // What opening needs: a process that has it open can still check.
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{key}: {error}");
            vault.clone()
        }
    };
    let mut check = match opened.check(CheckDepth::Content).await {
        Ok(check) => check,
        Err(error) => return error.to_string().contains(key.as_str()),
    };
    let ran = check.run(&mut |_| {}).await;
    let found =
        check.report().findings.iter().any(|found| (&found.object, found.standing) == (key, standing));
    match ran {
        Ok(report) => found && !report.is_sound(),
        Err(error) => {
            // The chain tells that a commit is missing by the record before it, or that it is the first.
            let text = error.to_string();
            found
                || text.contains(key.as_str())
                || (key.as_str().starts_with("log/")
                    && (text.contains("commit") || text.contains("first record")))
        }
    }
}

#[test]
fn structure_finds_what_is_missing_or_cut_without_reading_it() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, _desk, _folder) = full(storage.clone()).await;
        for key in keys(&*storage, "part/").await {
            let sound = storage.read(&key, None).await.unwrap().unwrap();
            let longer: Bytes = [&sound[..], &[0]].concat().into();
            let wrong = [None, Some(sound.slice(..sound.len() - 1)), Some(longer)];
            for instead in wrong {
                storage.delete(&key).await.unwrap();
                let standing = if instead.is_some() { Standing::False } else { Standing::Missing };
                if let Some(bytes) = instead {
                    storage.create(&key, bytes).await.unwrap();
                }
                let report = check(&vault, CheckDepth::Structure).await;
                assert_eq!(standings(&report, standing), [key.to_string()], "{report:?}");
                storage.delete(&key).await.unwrap();
            }
            storage.create(&key, sound).await.unwrap();
        }
    });
}

/// A clock that a test sets.
#[derive(Debug, Clone, Default)]
struct Hands(Arc<AtomicU64>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

#[test]
fn orphans_are_told_apart() {
    block_on(async {
        let (storage, hands) = (Arc::new(MemoryStorage::default()), Hands::default());
        let folder = tempfile::tempdir().unwrap();
        let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
        let options = VaultOptions::default().clock(hands.clone());
        let vault = Vault::create_with(storage.clone(), key, options).await.unwrap();
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let gone = desk.create_case("gone").await.unwrap();
        let gone_key = &keys(&*storage, &format!("key/{gone}")).await[0];
        let gone_bytes = storage.read(gone_key, None).await.unwrap().unwrap();
        desk.close_case(gone, "done").await.unwrap();
        desk.erase_case(gone).await.unwrap();
        let stored = desk.store(case, NewDocument::named("large"), vec![1; 9 << 20]).await.unwrap();
        let mut upload = desk.upload(case, NewDocument::named("slow")).await.unwrap();
        upload.write(&vec![1; 17 << 20]).await.unwrap();
        let under_way: BTreeSet<String> = {
            let own = format!("part/{case}/{}", stored.version);
            let parts = keys(&*storage, "part/").await;
            parts.iter().map(ToString::to_string).filter(|key| !key.starts_with(&own)).collect()
        };
        assert!(!under_way.is_empty());

        let fresh = "0123456789abcdef0123456789abcdef";
        let put = async |name: String| {
            let key: ObjectKey = name.parse().unwrap();
            storage.create(&key, Bytes::from_static(b"x")).await.unwrap();
            name
        };
        let unknown = put(format!("head/{case}/{fresh}")).await;
        let unused = put(format!("part/{case}/{}/0000000000000000-{fresh}", stored.version)).await;
        let wrap = put(format!("key/{case}/000000ff")).await;
        let probe = put(format!("probe/{fresh}")).await;
        let keyring = put(format!("keyring/{fresh}{fresh}")).await;
        let foreign = put("something/else".to_owned()).await;
        let deposit = put(format!("deposit/{fresh}/request")).await;
        storage.create(gone_key, gone_bytes).await.unwrap();

        let report = check(&vault, CheckDepth::Structure).await;
        assert!(report.is_sound(), "{report:?}");
        let unfinished: BTreeSet<String> = standings(&report, Standing::Unfinished).into_iter().collect();
        assert_eq!(unfinished, under_way);
        assert_eq!(standings(&report, Standing::Unknown), [unknown]);
        assert_eq!(standings(&report, Standing::Erased), [gone_key.to_string()]);
        assert_eq!(standings(&report, Standing::Foreign), [foreign]);
        let unused_found: BTreeSet<String> = standings(&report, Standing::Unused).into_iter().collect();
        assert_eq!(unused_found, [unused, wrap, probe, keyring].into());
        assert_eq!(report.counts.deposits, 1);
        assert!(!found_any(&report, &deposit));

        hands.0.fetch_add(Duration::from_secs(8 * 86_400).as_millis().try_into().unwrap(), Ordering::SeqCst);
        let report = check(&vault, CheckDepth::Structure).await;
        let collectable: BTreeSet<String> = standings(&report, Standing::Collectable).into_iter().collect();
        assert_eq!(collectable, under_way);
        desk.collect_garbage().await.unwrap();
        let report = check(&vault, CheckDepth::Structure).await;
        assert_eq!((report.counts.collectable, report.counts.erased), (0, 0), "{report:?}");
    });
}

fn found_any(report: &CheckReport, name: &str) -> bool {
    report.findings.iter().any(|found| found.object.as_str() == name)
}

#[test]
fn another_process_goes_on_from_the_text_of_a_cursor() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, desk, folder) = full(storage.clone()).await;
        let case = desk.create_case("many").await.unwrap();
        for i in 0..40u8 {
            desk.store(case, NewDocument::named("n"), vec![i]).await.unwrap();
        }
        let whole = check(&vault, CheckDepth::Content).await;
        let pin = vault.pin();
        let mut text = vault.check(CheckDepth::Content).await.unwrap().cursor().to_string();
        let mut steps = 0;
        let report = loop {
            let root = LocalKey::load(folder.path().join("key")).unwrap();
            let next = Vault::open(storage.clone(), root, &pin).await.unwrap();
            let cursor: CheckCursor = text.parse().unwrap();
            assert!(text.len() <= 700, "{text}");
            let mut check = next.resume_check(&cursor).await.unwrap();
            let more = check.step(&mut |_| {}).await.unwrap();
            // The log moves on meanwhile.
            desk.describe_case(case).await.unwrap();
            text = check.cursor().to_string();
            steps += 1;
            if !more {
                break check.report().clone();
            }
        };
        assert!(steps > 8, "{steps}");
        assert!(report.is_sound());
        let (mut counts, mut expected) = (report.counts, whole.counts);
        (counts.listed, counts.records, counts.tiles, counts.index) = (0, 0, 0, 0);
        (counts.collectable, expected.collectable) = (0, 0);
        (expected.listed, expected.records, expected.tiles, expected.index) = (0, 0, 0, 0);
        assert_eq!(counts, expected);

        for bad in ["", "docvault-check-1", "docvault-check-2 content log 0 x", &text.replace(',', ";")] {
            assert_eq!(bad.parse::<CheckCursor>().unwrap_err().kind(), ErrorKind::Invalid, "{bad}");
        }
        let (other, _other_folder) = common::vault().await;
        let error = other.resume_check(&text.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    });
}

#[test]
fn a_cursor_is_refused_by_an_older_copy_of_the_log() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let (older, pin) = (Arc::new(storage.snapshot()), vault.pin());
        vault.session("a").purpose("p").begin().unwrap().create_case("c").await.unwrap();
        let cursor = vault.check(CheckDepth::Structure).await.unwrap().cursor();
        let root = LocalKey::load(folder.path().join("key")).unwrap();
        let old = Vault::open(older, root, &pin).await.unwrap();
        assert_eq!(old.resume_check(&cursor).await.unwrap_err().kind(), ErrorKind::RolledBack);
        old.session("a").purpose("p").begin().unwrap().create_case("fork").await.unwrap();
        assert_eq!(old.resume_check(&cursor).await.unwrap_err().kind(), ErrorKind::Forked);
    });
}

#[test]
fn tiles_are_made_anew() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, desk, _folder) = full(storage.clone()).await;
        desk.collect_garbage().await.unwrap();
        let tiles = keys(&*storage, "tile/").await;
        assert!(tiles.len() >= 5);
        let mut sound = Vec::new();
        for (at, key) in tiles.iter().enumerate() {
            sound.push(storage.read(key, None).await.unwrap());
            storage.delete(key).await.unwrap();
            if at % 2 == 0 {
                storage.create(key, Bytes::from_static(b"false")).await.unwrap();
            }
        }
        let report = check(&vault, CheckDepth::Structure).await;
        assert_eq!(report.counts.faults(), u64::try_from(tiles.len()).unwrap());
        assert_eq!(found(&report).len(), tiles.len());
        let repaired = vault.repair_tiles().await.unwrap();
        assert_eq!(repaired.missing + repaired.altered, u64::try_from(tiles.len()).unwrap());
        assert_eq!(repaired.checked, repaired.missing + repaired.altered);
        for (key, sound) in tiles.iter().zip(sound) {
            assert_eq!(storage.read(key, None).await.unwrap(), sound, "{key}");
        }
        assert!(check(&vault, CheckDepth::Structure).await.is_sound());
        let again = vault.repair_tiles().await.unwrap();
        assert_eq!((again.missing, again.altered), (0, 0));
    });
}
