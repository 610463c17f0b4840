//! Copying a vault: what the copy holds at every instant, what it takes over, what it refuses.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{block_on, identity, vault_on};
use docvault::{
    CaseId, CheckDepth, CopyReport, DocumentId, ErrorKind, NewDocument, NoSleep, Pin, Recipient, Session,
    Terms, Vault, VaultOptions,
    keys::LocalKey,
    storage::{
        MemoryStorage, ObjectKey, Storage,
        testing::{CrashStorage, Fault, FaultyStorage, InFlight, OverwritingStorage},
    },
};
use tempfile::TempDir;

async fn keys(storage: &dyn Storage, prefix: &str) -> Vec<ObjectKey> {
    storage.list(prefix, None, 100_000).await.unwrap()
}

fn opened(folder: &TempDir) -> LocalKey {
    LocalKey::load(folder.path().join("key")).unwrap()
}

async fn open(storage: Arc<dyn Storage>, folder: &TempDir, pin: &Pin) -> Result<Vault, docvault::Error> {
    let options = VaultOptions::default().sleeper(NoSleep::default());
    Vault::open_with(storage, Arc::new(opened(folder)), pin, options).await
}

fn desk(vault: &Vault) -> Session {
    vault.session("actor").purpose("purpose").begin().unwrap()
}

async fn grow(desk: &Session, case: CaseId, size: u64) {
    while desk.vault().pin().size() < size {
        desk.describe_case(case).await.unwrap();
    }
}

/// A source with everything in it, and what its documents hold.
struct Source {
    storage: Arc<MemoryStorage>,
    vault: Vault,
    folder: TempDir,
    case: CaseId,
    contents: Vec<(DocumentId, Vec<u8>)>,
}

async fn source() -> Source {
    let storage = Arc::new(MemoryStorage::default());
    let (vault, folder) = vault_on(storage.clone()).await;
    let desk = desk(&vault);
    let case = desk.create_case("title").await.unwrap();
    let mut contents = Vec::new();
    for content in [b"small".to_vec(), vec![3; 300 << 10]] {
        let stored = desk.store(case, NewDocument::named("n"), content.clone()).await.unwrap();
        contents.push((stored.document, content));
    }
    let (notary, _file) = identity();
    let notary = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
    desk.grant(case, &notary, Terms::read().purpose("p")).await.unwrap();
    Source { storage, vault, folder, case, contents }
}

/// Everything is there, authentic and readable.
async fn assert_whole(copy: Arc<MemoryStorage>, source: &Source, report: &CopyReport) {
    let vault = open(copy, &source.folder, &report.pin).await.unwrap();
    assert_eq!(vault.pin(), report.pin);
    let checked = vault.check(CheckDepth::Content).await.unwrap().run(&mut |_| {}).await.unwrap();
    assert!(checked.is_sound() && checked.findings.is_empty(), "{checked:?}");
    for (document, content) in &source.contents {
        assert_eq!(desk(&vault).retrieve(*document).await.unwrap(), *content);
    }
}

#[test]
fn a_copy_is_the_vault_and_a_second_one_takes_what_is_new() {
    block_on(async {
        let mut source = source().await;
        let desk = desk(&source.vault);
        let note = source.vault.audit().checkpoint().await.unwrap();
        desk.keep_checkpoint(&note, &[]).await.unwrap();
        grow(&desk, source.case, 600).await;
        let copy = Arc::new(MemoryStorage::default());
        let first = source.vault.copy_to(copy.clone()).await.unwrap();
        assert_eq!((first.from, first.pin.clone()), (0, source.vault.pin()));
        assert_eq!((first.records, first.heads, first.parts, first.keys), (first.pin.size(), 4, 1, 1));
        assert_eq!((first.tiles_left_out, first.erased_cases, first.deleted), (0, 0, 0));
        assert_whole(Arc::new(copy.snapshot()), &source, &first).await;

        let nothing = source.vault.copy_to(copy.clone()).await.unwrap();
        assert_eq!((nothing.from, nothing.records, nothing.heads), (first.pin.size(), 0, 0));

        let stored = desk.store(source.case, NewDocument::named("new"), b"new".to_vec()).await.unwrap();
        source.contents.push((stored.document, b"new".to_vec()));
        desk.rotate_signing_keys().await.unwrap();
        desk.rotate_epoch().await.unwrap();
        grow(&desk, source.case, 1200).await;
        desk.collect_garbage().await.unwrap();
        let second = source.vault.copy_to(copy.clone()).await.unwrap();
        assert_eq!((second.from, second.heads, second.present), (first.pin.size(), 1, 0));
        assert_eq!(second.records, second.pin.size() - first.pin.size());
        assert_whole(Arc::new(copy.snapshot()), &source, &second).await;
        // An older pin opens it, too, and what both have is the same.
        open(copy.clone(), &source.folder, &first.pin).await.unwrap();
        for key in keys(&*copy, "").await {
            let (there, here) =
                (copy.read(&key, None).await.unwrap(), source.storage.read(&key, None).await.unwrap());
            assert_eq!(there, here, "{key}");
        }
        assert_eq!(keys(&*copy, "").await, keys(&*source.storage, "").await);

        // The newest commit that the copy has is of a later signing epoch now.
        let stored = desk.store(source.case, NewDocument::named("newer"), b"newer".to_vec()).await.unwrap();
        source.contents.push((stored.document, b"newer".to_vec()));
        desk.rotate_signing_keys().await.unwrap();
        let third = source.vault.copy_to(copy.clone()).await.unwrap();
        assert_eq!((third.from, third.heads), (second.pin.size(), 1));
        assert_eq!(third.pin.signing_epoch(), 3);
        assert_whole(copy, &source, &third).await;
    });
}

#[test]
fn an_index_of_several_pages_is_copied() {
    block_on(async {
        let source = source().await;
        let desk = desk(&source.vault);
        for _ in 0..300 {
            desk.store(source.case, NewDocument::named("n"), b"x".to_vec()).await.unwrap();
        }
        let size = source.vault.pin().size();
        grow(&desk, source.case, size.next_multiple_of(512) + 600).await;
        let copy = Arc::new(MemoryStorage::default());
        let report = source.vault.copy_to(copy.clone()).await.unwrap();
        let pages = keys(&*copy, "index/").await.len();
        assert!(pages > 4, "{pages} pages: an inner one, and rows of several");
        assert_whole(copy, &source, &report).await;
    });
}

#[test]
fn a35_an_erasure_is_carried() {
    block_on(async {
        let mut source = source().await;
        let desk = desk(&source.vault);
        let gone = desk.create_case("gone").await.unwrap();
        let stored = desk.store(gone, NewDocument::named("x"), vec![9; 300 << 10]).await.unwrap();
        let copy = Arc::new(MemoryStorage::default());
        source.vault.copy_to(copy.clone()).await.unwrap();
        let of_gone = |key: &ObjectKey| key.as_str().contains(&gone.to_string());
        assert_eq!(keys(&*copy, "").await.iter().filter(|key| of_gone(key)).count(), 4);
        desk.close_case(gone, "done").await.unwrap();
        desk.erase_case(gone).await.unwrap();
        let second = source.vault.copy_to(copy.clone()).await.unwrap();
        assert_eq!((second.erased_cases, second.deleted), (1, 4));
        assert_eq!(keys(&*copy, "").await.iter().filter(|key| of_gone(key)).count(), 0);
        let opened = open(copy.clone(), &source.folder, &second.pin).await.unwrap();
        let error = self::desk(&opened).retrieve(stored.document).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Erased);
        let fresh = Arc::new(MemoryStorage::default());
        let whole = source.vault.copy_to(fresh.clone()).await.unwrap();
        source.contents.truncate(2);
        assert_whole(fresh, &source, &whole).await;
    });
}

/// A copy that dies at each of its calls: what is there opens, by the head before or the new one, and the next
/// copy finishes it.
async fn dies_anywhere(source: &Source, before: Option<&CopyReport>, start: &MemoryStorage) {
    let mut crashes = 0;
    for at in 0.. {
        let crashing = Arc::new(CrashStorage::new(start, at));
        let done = source.vault.copy_to(crashing.clone()).await;
        if !crashing.crashed() {
            done.unwrap();
            break;
        }
        assert!(done.is_err() || at > 0);
        for in_flight in InFlight::BOTH {
            let found = Arc::new(crashing.recover(in_flight).await.unwrap());
            if let Some(before) = before {
                let opened = open(found.clone(), &source.folder, &before.pin).await.unwrap();
                let (known, new) = (opened.pin().size(), source.vault.pin().size());
                // In between stands the commit that holds the new head's tail, at most 16 records before it.
                assert!(known == before.pin.size() || (new - 16..=new).contains(&known), "{at}: {known}");
                let (document, content) = &source.contents[0];
                assert_eq!(
                    desk(&open(Arc::new(found.snapshot()), &source.folder, &before.pin).await.unwrap())
                        .retrieve(*document)
                        .await
                        .unwrap(),
                    *content
                );
            }
            let report = source.vault.copy_to(found.clone()).await.unwrap();
            for probe in keys(&*found, "probe/").await {
                found.delete(&probe).await.unwrap();
            }
            assert_whole(found, source, &report).await;
        }
        crashes += 1;
    }
    assert!(crashes > 40, "{crashes}");
}

#[test]
fn a_first_copy_dies_anywhere_and_goes_on() {
    block_on(async {
        let source = source().await;
        dies_anywhere(&source, None, &MemoryStorage::default()).await;
    });
}

#[test]
fn a_later_copy_dies_anywhere_and_opens_throughout() {
    block_on(async {
        let mut source = source().await;
        let desk = desk(&source.vault);
        let gone = desk.create_case("gone").await.unwrap();
        desk.store(gone, NewDocument::named("x"), b"gone".to_vec()).await.unwrap();
        let copy = Arc::new(MemoryStorage::default());
        let first = source.vault.copy_to(copy.clone()).await.unwrap();
        let stored = desk.store(source.case, NewDocument::named("new"), vec![4; 300 << 10]).await.unwrap();
        source.contents.push((stored.document, vec![4; 300 << 10]));
        desk.close_case(gone, "done").await.unwrap();
        desk.erase_case(gone).await.unwrap();
        desk.rotate_epoch().await.unwrap();
        grow(&desk, source.case, 300).await;
        for _ in 0..20 {
            desk.describe_case(source.case).await.unwrap();
        }
        desk.collect_garbage().await.unwrap();
        dies_anywhere(&source, Some(&first), &copy).await;
    });
}

#[test]
fn every_fault_of_the_destination_is_an_error_or_nothing() {
    block_on(async {
        let source = source().await;
        for fault in Fault::ALLOWED {
            for at in 16..60 {
                let place = Arc::new(MemoryStorage::default());
                let faulty = FaultyStorage::script(place.clone(), at, fault);
                let done = source.vault.copy_with_progress(Arc::new(faulty), &mut |_| {}).await;
                if let Err(error) = &done {
                    assert_eq!(error.kind(), ErrorKind::Storage, "{fault:?} at {at}: {error}");
                }
                let report = source.vault.copy_to(place.clone()).await.unwrap();
                for probe in keys(&*place, "probe/").await {
                    place.delete(&probe).await.unwrap();
                }
                assert_whole(place, &source, &report).await;
            }
        }
    });
}

#[test]
fn a_vault_may_be_written_to_while_it_is_copied() {
    block_on(async {
        let source = source().await;
        let desk = desk(&source.vault);
        let gone = desk.create_case("gone").await.unwrap();
        desk.store(gone, NewDocument::named("x"), b"gone".to_vec()).await.unwrap();
        desk.close_case(gone, "done").await.unwrap();
        let copy = Arc::new(MemoryStorage::default());
        let size = source.vault.pin().size();
        let writes = async {
            desk.erase_case(gone).await.unwrap();
            desk.rotate_epoch().await.unwrap();
            for i in 0..10u8 {
                desk.store(source.case, NewDocument::named("n"), vec![i]).await.unwrap();
            }
        };
        let (report, ()) = futures_lite::future::zip(source.vault.copy_to(copy.clone()), writes).await;
        let report = report.unwrap();
        assert!(report.pin.size() >= size);
        let last = source.vault.copy_to(copy.clone()).await.unwrap();
        assert_eq!(last.pin, source.vault.pin());
        assert_whole(copy, &source, &last).await;
    });
}

#[test]
fn what_is_false_in_the_source_is_not_copied() {
    block_on(async {
        let source = source().await;
        grow(&desk(&source.vault), source.case, 600).await;
        desk(&source.vault).collect_garbage().await.unwrap();
        let pin = source.vault.pin();
        for key in keys(&*source.storage, "").await {
            if key.as_str().starts_with("log/") && !key.as_str().ends_with(['3', 'b']) {
                continue;
            }
            let evil = Arc::new(source.storage.snapshot());
            let mut bytes = evil.read(&key, None).await.unwrap().unwrap().to_vec();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            evil.delete(&key).await.unwrap();
            evil.create(&key, bytes.clone().into()).await.unwrap();
            let Ok(vault) = open(evil, &source.folder, &pin).await else { continue };
            let copy = Arc::new(MemoryStorage::default());
            match vault.copy_to(copy.clone()).await {
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{key}: {error}"),
                Ok(report) => {
                    assert!(key.as_str().starts_with("tile/"), "{key}");
                    assert!(report.tiles_left_out > 0, "{key}");
                }
            }
            let copied = copy.read(&key, None).await.unwrap();
            assert_ne!(copied, Some(Bytes::from(bytes)), "{key}");
        }
    });
}

#[test]
fn other_vaults_forks_and_unfit_backends_are_refused() {
    block_on(async {
        let source = source().await;
        let other = Arc::new(MemoryStorage::default());
        let (_other, _folder) = vault_on(other.clone()).await;
        let before = keys(&*other, "").await;
        let refused = source.vault.copy_to(other.clone()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert_eq!(keys(&*other, "").await, before);

        let copy = Arc::new(MemoryStorage::default());
        let report = source.vault.copy_to(copy.clone()).await.unwrap();
        let both = open(copy.clone(), &source.folder, &report.pin).await.unwrap();
        desk(&both).create_case("here").await.unwrap();
        let ahead = source.vault.copy_to(copy.clone()).await.unwrap_err();
        assert_eq!(ahead.kind(), ErrorKind::Forked);
        desk(&source.vault).create_case("and there").await.unwrap();
        let forked = source.vault.copy_to(copy.clone()).await.unwrap_err();
        assert_eq!(forked.kind(), ErrorKind::Forked);
        let pin = source.vault.pin();
        assert_eq!(open(copy, &source.folder, &pin).await.unwrap_err().kind(), ErrorKind::Forked);

        let unfit = OverwritingStorage::default();
        let unfit = source.vault.copy_to(unfit).await.unwrap_err();
        assert_eq!(unfit.kind(), ErrorKind::Unsupported);
    });
}

#[test]
fn something_else_in_the_destination_is_an_error_and_stays() {
    block_on(async {
        let source = source().await;
        let part = keys(&*source.storage, "part/").await.remove(0);
        let copy = Arc::new(MemoryStorage::default());
        copy.create(&part, Bytes::from_static(b"else")).await.unwrap();
        let error = source.vault.copy_to(copy.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(
            error.to_string().contains("destination") && error.to_string().contains(part.as_str()),
            "{error}"
        );
        assert_eq!(copy.read(&part, None).await.unwrap().unwrap(), b"else".as_slice());
        assert!(keys(&*copy, "log/").await.is_empty());
    });
}
