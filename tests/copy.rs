//! Copying a vault: what the copy holds at every instant, what it takes over, what it refuses.
#![cfg(feature = "testing")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::unwrap_in_result,
    reason = "tests"
)]

#[path = "copy/changes.rs"]
mod changes;
mod common;
#[path = "copy/endless.rs"]
mod endless;
#[path = "copy/falsehoods.rs"]
mod falsehoods;
#[path = "copy/faults.rs"]
mod faults;
#[path = "common/interrupted.rs"]
mod interrupted;
#[path = "copy/lagging.rs"]
mod lagging;
#[path = "copy/signers.rs"]
mod signers;
#[path = "kit_writer/mod.rs"]
mod writer;

use core::time::Duration;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use common::{block_on, identity, vault_on};
use docvault::{
    CaseId, CheckDepth, CopyReport, DocumentId, ErrorKind, NewDocument, NoSleep, Pin, Recipient, Session,
    Sleeper, Terms, Vault, VaultOptions,
    keys::LocalKey,
    storage::{
        MemoryStorage, ObjectKey, Storage,
        testing::{
            CrashStorage, DelayedStorage, EvilStorage, Fault, FaultyStorage, InFlight, OverwritingStorage,
            Verb, VirtualTime,
        },
    },
};
use futures_lite::future::zip;
use futures_util::future::try_join_all;
use tempfile::TempDir;

async fn keys(storage: &dyn Storage, prefix: &str) -> Vec<ObjectKey> {
    storage.list(prefix, None, 100_000).await.unwrap()
}

async fn objects(storage: &dyn Storage) -> BTreeMap<ObjectKey, Bytes> {
    let mut found = BTreeMap::new();
    for key in keys(storage, "").await {
        let bytes = storage.read(&key, None).await.unwrap().unwrap();
        found.insert(key, bytes);
    }
    found
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

/// The same in few commits.
async fn grow_at_once(desk: &Session, case: CaseId, size: u64) {
    while desk.vault().pin().size() < size {
        let missing = (size - desk.vault().pin().size()).min(200);
        try_join_all((0..missing).map(|_| desk.describe_case(case))).await.unwrap();
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
    let left_out = |key: &ObjectKey| report.tiles_left_out > 0 && key.as_str().starts_with("tile/");
    assert!(checked.is_sound() || report.tiles_left_out > 0, "{checked:?}");
    assert!(checked.findings.iter().all(|finding| left_out(&finding.object)), "{checked:?}");
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

#[test]
fn other_vaults_forks_and_unfit_backends_are_refused() {
    block_on(async {
        let source = source().await;
        let other = Arc::new(MemoryStorage::default());
        let (longer, _folder) = vault_on(other.clone()).await;
        let longer_case = desk(&longer).create_case("another's").await.unwrap();
        let before = keys(&*other, "").await;
        let refused = source.vault.copy_to(other.clone()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert_eq!(keys(&*other, "").await, before);
        let size = source.vault.pin().size();
        grow(&desk(&longer), longer_case, size + 1).await;
        let refused = source.vault.copy_to(other.clone()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);

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

/// The only object under `prefix` that was not there before.
async fn added(source: &Source, prefix: &str, before: &[ObjectKey]) -> ObjectKey {
    let mut found = keys(&*source.storage, prefix).await;
    found.retain(|key| !before.contains(key));
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// No copy has an upload that is under way.
#[test]
fn an_upload_does_not_go_on_where_its_finished_pages_are_not() {
    block_on(async {
        let source = source().await;
        let before = keys(&*source.storage, "part/").await;
        let mut upload =
            desk(&source.vault).upload(source.case, NewDocument::named("two pages")).await.unwrap();
        upload.write(b"one").await.unwrap();
        let begun = upload.token().unwrap();
        upload.next_page().await.unwrap();
        let finished = upload.token().unwrap();
        let copy = Arc::new(MemoryStorage::default());
        let report = source.vault.copy_to(copy.clone()).await.unwrap();
        let moved = desk(&open(copy, &source.folder, &report.pin).await.unwrap());
        let refused = moved.resume_upload(&finished).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Corrupt);
        assert!(refused.to_string().contains("upload the document anew"), "{refused}");
        // Of the page at hand nothing is taken to be there.
        let mut again = moved.resume_upload(&begun).await.unwrap();
        assert_eq!(again.position(), 0);
        again.write(b"one").await.unwrap();
        let stored = again.finish().await.unwrap();
        assert_eq!(moved.retrieve(stored.document).await.unwrap(), b"one".as_slice());
        // Where it was begun it goes on, unless a part has lost a byte.
        let back = desk(&source.vault);
        back.resume_upload(&finished).await.unwrap();
        let part = &added(&source, "part/", &before).await;
        let bytes = source.storage.read(part, None).await.unwrap().unwrap();
        source.storage.delete(part).await.unwrap();
        assert_eq!(back.resume_upload(&finished).await.unwrap_err().kind(), ErrorKind::Corrupt);
        source.storage.create(part, bytes.slice(1..)).await.unwrap();
        assert_eq!(back.resume_upload(&finished).await.unwrap_err().kind(), ErrorKind::Corrupt);
    });
}

/// The vault moved while a version was sealed and not published; its former place becomes that of its copies.
#[test]
fn a_head_that_was_never_published_is_not_taken_for_the_versions() {
    block_on(async {
        let source = source().await;
        let mut upload = desk(&source.vault).upload(source.case, NewDocument::named("x")).await.unwrap();
        let token = upload.token().unwrap();
        upload.write(&vec![5; 300 << 10]).await.unwrap();
        let copy = Arc::new(MemoryStorage::default());
        let report = source.vault.copy_to(copy.clone()).await.unwrap();
        let before = keys(&*source.storage, "head/").await;
        let orphan = upload.seal().await.unwrap();
        let moved = open(copy, &source.folder, &report.pin).await.unwrap();
        let mut again = desk(&moved).resume_upload(&token).await.unwrap();
        again.write(&vec![5; 300 << 10]).await.unwrap();
        again.finish().await.unwrap();
        let refused = moved.copy_to(source.storage.clone()).await.unwrap_err();
        let head = &added(&source, "head/", &before).await;
        assert!(
            refused.kind() == ErrorKind::Corrupt && refused.to_string().contains(head.as_str()),
            "{refused}"
        );
        source.storage.delete(head).await.unwrap();
        moved.copy_to(source.storage.clone()).await.unwrap();
        let back = open(source.storage.clone(), &source.folder, &moved.pin()).await.unwrap();
        assert_eq!(desk(&back).retrieve(orphan.document()).await.unwrap(), vec![5; 300 << 10]);
    });
}

#[test]
fn a_head_that_an_interrupted_copy_left_is_opened_with_all_that_it_holds() {
    block_on(async {
        let source = source().await;
        let small = {
            let before = keys(&*source.storage, "head/").await;
            desk(&source.vault).store(source.case, NewDocument::named("s"), b"small".to_vec()).await.unwrap();
            added(&source, "head/", &before).await
        };
        let whole = source.storage.read(&small, None).await.unwrap().unwrap();
        let mut flipped = whole.to_vec();
        *flipped.last_mut().unwrap() ^= 1;
        let longer = [&whole[..], &[0]].concat();
        for false_head in [flipped, longer, whole[..whole.len() - 17].to_vec()] {
            let copy = Arc::new(MemoryStorage::default());
            copy.create(&small, false_head.into()).await.unwrap();
            let refused = source.vault.copy_to(copy.clone()).await.unwrap_err();
            assert!(
                refused.kind() == ErrorKind::Corrupt && refused.to_string().contains(small.as_str()),
                "{refused}"
            );
        }
        let copy = Arc::new(MemoryStorage::default());
        copy.create(&small, whole).await.unwrap();
        assert_eq!(source.vault.copy_to(copy).await.unwrap().present, 1);
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
