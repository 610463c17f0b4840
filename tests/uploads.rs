//! Uploads that are given up, go on twice, or are interrupted while they finish.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, reason = "tests")]

mod common;

use std::{pin::pin, sync::Arc, time::Duration};

use common::{block_on, vault, vault_on};
use docvault::{
    CaseId, ErrorKind, NewDocument, NoSleep, OperationId, Outcome, SealedUpload, Session, UploadToken, Vault,
    VaultOptions,
    keys::LocalKey,
    storage::{
        MemoryStorage, Storage,
        testing::{CrashStorage, FaultyStorage, InFlight},
    },
};
use sha2::{Digest as _, Sha256};

const PART: usize = 8 << 20;
const BIG: usize = PART + 100;

/// Two processes went on with one upload. What one of them finished, the other must not destroy by
/// giving up.
#[test]
fn giving_up_an_upload_that_another_finished_is_refused_and_deletes_nothing() {
    block_on(async {
        let (vault, _kept) = vault().await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let mut first = desk.upload(case, NewDocument::named("big")).await.unwrap();
        let token = first.token().unwrap();
        first.write(&vec![7; BIG]).await.unwrap();
        let second = desk.resume_upload(&token).await.unwrap();
        let stored = first.finish().await.unwrap();
        assert_eq!(second.abort().await.unwrap_err().kind(), ErrorKind::Denied);
        assert_eq!(desk.retrieve(stored.document).await.unwrap(), vec![7; BIG]);
    });
}

/// Once given up, an upload cannot finish: its parts are gone.
#[test]
fn an_upload_that_another_gave_up_cannot_finish() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, _kept) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let mut first = desk.upload(case, NewDocument::named("big")).await.unwrap();
        let token = first.token().unwrap();
        first.write(&vec![7; BIG]).await.unwrap();
        desk.resume_upload(&token).await.unwrap().abort().await.unwrap();
        assert!(storage.list("part/", None, 10).await.unwrap().is_empty());
        assert_eq!(first.finish().await.unwrap_err().kind(), ErrorKind::Denied);
        assert_eq!(desk.resume_upload(&token).await.unwrap_err().kind(), ErrorKind::Denied);
        assert!(desk.documents(case, None).await.unwrap().documents.is_empty());
        vault.audit().verify_from_genesis().await.unwrap();
    });
}

/// The process dies at each storage call of `finish`. The upload then goes on by its token and
/// finishes, or had finished.
#[test]
fn an_upload_interrupted_while_it_finishes_goes_on_by_its_token() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let (pin, objects) = (vault.pin(), storage.snapshot());
        let key = || Arc::new(LocalKey::load(folder.path().join("key")).unwrap());
        let options = || VaultOptions::default().sleeper(NoSleep::default());
        let plain = || NewDocument::named("x");
        let hashed = || plain().with_sha256();
        for (document, content) in
            [(plain(), vec![1; 1000]), (hashed(), vec![1; 1000]), (hashed(), vec![2; BIG])]
        {
            let sha256 = (document == hashed()).then(|| <[u8; 32]>::from(Sha256::digest(&content)));
            let mut crashed_at = Vec::new();
            for nth in 0.. {
                let crashing = Arc::new(CrashStorage::new(&objects, nth));
                let mut token = None;
                let mut stored = None;
                if let Ok(vault) = Vault::open_with(crashing.clone(), key(), &pin, options()).await {
                    let desk = vault.session("a").purpose("p").begin().unwrap();
                    if let Ok(mut upload) = desk.upload(case, document.clone()).await {
                        token = Some(upload.token().unwrap());
                        if upload.write(&content).await.is_ok() {
                            stored = upload.finish().await.ok();
                        }
                    }
                }
                if !crashing.crashed() {
                    break;
                }
                let Some(token) = token else { continue };
                crashed_at.push(nth);
                for in_flight in InFlight::BOTH {
                    let found = Arc::new(crashing.recover(in_flight).await.unwrap());
                    let vault = Vault::open_with(found, key(), &pin, options()).await.unwrap();
                    let desk = vault.session("a").purpose("p").begin().unwrap();
                    match desk.resume_upload(&token).await {
                        Ok(mut upload) => {
                            let from = usize::try_from(upload.position()).unwrap();
                            upload.write(&content[from..]).await.unwrap();
                            upload.finish().await.unwrap();
                        }
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Denied, "it had finished"),
                    }
                    let documents = desk.documents(case, None).await.unwrap().documents;
                    assert_eq!(documents.len(), 1, "crash at call {nth}, {in_flight:?}");
                    assert_eq!(desk.retrieve(documents[0].document).await.unwrap(), content);
                    let described = desk.describe(documents[0].document).await.unwrap();
                    assert_eq!(described.pages[0].sha256, sha256);
                    assert!(stored.is_none());
                }
            }
            assert!(crashed_at.len() >= 2, "{crashed_at:?}");
        }
    });
}

/// Everybody to whom the version is given has the key that opens them.
#[test]
fn a_page_that_was_not_meant_goes_with_the_next_collection() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, _folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let mut upload = desk.upload(case, NewDocument::named("two sides")).await.unwrap();
        let first = vec![1; PART + 9];
        upload.write(&first).await.unwrap();
        let token = upload.token().unwrap();
        upload.next_page().await.unwrap();
        upload.write(&vec![9; PART + 1]).await.unwrap();
        upload.next_page().await.unwrap();
        drop(upload);
        let parts = async || storage.list("part/", None, 100).await.unwrap();
        assert_eq!(parts().await.len(), 4);

        let mut upload = desk.resume_upload(&token).await.unwrap();
        let from = usize::try_from(upload.position()).unwrap();
        assert!(from > 0);
        upload.write(&first[from..]).await.unwrap();
        upload.next_page().await.unwrap();
        upload.write(b"the other side").await.unwrap();
        let stored = upload.finish().await.unwrap();
        assert_eq!(parts().await.len(), 6);
        assert_eq!(desk.collect_garbage().await.unwrap().objects_deleted, 3);
        let left = parts().await;
        assert_eq!(left.len(), 3);
        assert_eq!(desk.collect_garbage().await.unwrap().objects_deleted, 0);
        assert_eq!(parts().await, left);
        let content = [first, b"the other side".to_vec()].concat();
        assert_eq!(desk.retrieve(stored.document).await.unwrap(), content);
    });
}

/// The file changed between a crash while finishing and going on: what was on the way is not mixed
/// with it.
#[test]
fn a_changed_file_does_not_finish_what_another_one_began_to() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let (pin, objects) = (vault.pin(), storage.snapshot());
        let key = || Arc::new(LocalKey::load(folder.path().join("key")).unwrap());
        let options = || VaultOptions::default().sleeper(NoSleep::default());
        let (mut went_on, mut denied) = (0, 0);
        for nth in 0.. {
            let crashing = Arc::new(CrashStorage::new(&objects, nth));
            let mut token = None;
            if let Ok(vault) = Vault::open_with(crashing.clone(), key(), &pin, options()).await {
                let desk = vault.session("a").purpose("p").begin().unwrap();
                if let Ok(mut upload) = desk.upload(case, NewDocument::named("x")).await {
                    token = Some(upload.token().unwrap());
                    upload.write(b"before").await.unwrap();
                    drop(upload.finish().await);
                }
            }
            if !crashing.crashed() {
                break;
            }
            let Some(token) = token else { continue };
            let found = Arc::new(crashing.recover(InFlight::Landed).await.unwrap());
            let vault = Vault::open_with(found, key(), &pin, options()).await.unwrap();
            let desk = vault.session("a").purpose("p").begin().unwrap();
            let finished = match desk.resume_upload(&token).await {
                Ok(mut upload) => {
                    upload.write(b"changed").await.unwrap();
                    upload.finish().await
                }
                Err(error) => Err(error),
            };
            let documents = desk.documents(case, None).await.unwrap().documents;
            let content = match documents.first() {
                Some(document) => Some(desk.retrieve(document.document).await.unwrap()),
                None => None,
            };
            match finished {
                Ok(_) => {
                    assert_eq!(content.unwrap(), b"changed".as_slice());
                    went_on += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
                    assert!(content.is_none_or(|content| content == b"before".as_slice()));
                    denied += 1;
                }
            }
        }
        assert!(went_on > 0 && denied > 0, "{went_on} {denied}");
    });
}

#[test]
fn padding_of_a_closed_page_is_not_taken_for_content() {
    const PART: usize = 8 * 1024 * 1024;
    block_on(async {
        let (vault, _folder) = vault().await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        // Just short of a part, which padding fills; and zeros at the end that are content.
        for (len, kept) in [(PART - 5, 0), (PART + 1, PART), (2 * PART - 5, PART)] {
            let mut content: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect();
            content[PART.min(len) - 1] = 1;
            let mut upload = desk.upload(case, NewDocument::named("x")).await.unwrap();
            let token = upload.token().unwrap();
            upload.write(&content).await.unwrap();
            upload.next_page().await.unwrap();
            drop(upload);
            let mut upload = desk.resume_upload(&token).await.unwrap();
            assert_eq!(upload.position(), u64::try_from(kept).unwrap(), "{len}");
            upload.write(&content[kept..]).await.unwrap();
            let stored = upload.finish().await.unwrap();
            assert_eq!(desk.retrieve(stored.document).await.unwrap(), content, "{len}");
        }
    });
}

/// What a part's outline says of its padding tells it from content that is zeros.
#[test]
fn content_that_ends_in_zeros_is_told_from_padding() {
    block_on(async {
        let (vault, _folder) = vault().await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        // Padded to a whole part: by less than a chunk, and by more.
        for (len, kept) in [(2 * PART, 2), (2 * PART - 5, 1), (2 * PART - 20_000, 1), (PART - 20_000, 0)] {
            let mut upload = desk.upload(case, NewDocument::named("x")).await.unwrap();
            let token = upload.token().unwrap();
            upload.write(&vec![0; len]).await.unwrap();
            upload.next_page().await.unwrap();
            drop(upload);
            let mut upload = desk.resume_upload(&token).await.unwrap();
            assert_eq!(upload.position(), (kept * PART) as u64, "{len}");
            upload.write(&vec![0; len - kept * PART]).await.unwrap();
            let stored = upload.finish().await.unwrap();
            assert_eq!(desk.retrieve(stored.document).await.unwrap(), vec![0; len], "{len}");
        }
    });
}

/// Asked for once, it is taken of every page, and by whoever goes on with the upload.
#[test]
fn sha256_is_taken_on_request_over_interruptions_too() {
    let sha256 = |content: &[u8]| -> [u8; 32] { Sha256::digest(content).into() };
    block_on(async {
        let (vault, _kept) = vault().await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let front: Vec<u8> = (0..2 * BIG).map(|i| u8::try_from(i % 251).unwrap() + 1).collect();
        let mut first = desk.upload(case, NewDocument::named("deed").with_sha256()).await.unwrap();
        let token = first.token().unwrap().to_bytes();
        first.write(&front[..BIG + 5]).await.unwrap();
        drop(first);
        let token = UploadToken::from_bytes(&token).unwrap();
        let mut second = desk.resume_upload(&token).await.unwrap();
        let taken = usize::try_from(second.position()).unwrap();
        assert_eq!(taken, 8 << 20);
        second.write(&front[taken..]).await.unwrap();
        second.next_page().await.unwrap();
        second.write(b"back").await.unwrap();
        let stored = second.finish().await.unwrap();
        let pages = desk.describe(stored.document).await.unwrap().pages;
        let found: Vec<_> = pages.iter().map(|page| (page.len, page.sha256)).collect();
        assert_eq!(found, [(front.len() as u64, Some(sha256(&front))), (4, Some(sha256(b"back")))]);
        // Small enough for its head, and not asked for.
        let asked =
            desk.store(case, NewDocument::named("note").with_sha256(), b"note".to_vec()).await.unwrap();
        let plain = desk.store(case, NewDocument::named("note"), b"note".to_vec()).await.unwrap();
        let of = async |document| desk.describe(document).await.unwrap().pages[0].sha256;
        assert_eq!(of(asked.document).await, Some(sha256(b"note")));
        assert_eq!(of(plain.document).await, None);
        assert_eq!(asked.digest, plain.digest);
    });
}

/// An office in which whoever calls the storage waits, and another process of it.
struct TwoProcesses {
    slow: Arc<FaultyStorage>,
    desk: Session,
    other: Session,
    case: CaseId,
    upload: SealedUpload,
}

async fn two_processes(seed: u64) -> TwoProcesses {
    let storage = Arc::new(MemoryStorage::default());
    let (vault, folder) = vault_on(storage.clone()).await;
    let key = LocalKey::load(folder.path().join("key")).unwrap();
    let slow = FaultyStorage::scripted(storage, []).with_latency(seed, Duration::from_millis(2));
    let slow = Arc::new(slow);
    let ours = Vault::open(slow.clone(), key, &vault.pin()).await.unwrap();
    let begin = |vault: &Vault| vault.session("a").purpose("p").begin().unwrap();
    let (desk, other) = (begin(&ours), begin(&vault));
    let case = desk.create_case("c").await.unwrap();
    let mut upload = desk.upload(case, NewDocument::named("x")).await.unwrap();
    upload.write(b"x").await.unwrap();
    let upload = upload.seal().await.unwrap();
    vault.sync().await.unwrap();
    TwoProcesses { slow, desk, other, case, upload }
}

/// Publishes, and gives up after so many polls; the other process commits something on the way if it is told to.
/// Gives whether it was too late to give up.
async fn given_up(office: &TwoProcesses, polls: usize, lost_after: Option<usize>) -> bool {
    let mut publish = pin!(office.upload.publish());
    for poll in 0..polls {
        if lost_after == Some(poll) {
            office.other.describe_case(office.case).await.unwrap();
        }
        if let Some(published) = futures_lite::future::poll_once(publish.as_mut()).await {
            published.unwrap();
            return true;
        }
    }
    false
}

/// What was asked of another process when it had been given up: from then on the answer stands.
#[test]
fn what_did_not_happen_once_it_was_given_up_never_does() {
    let mut seen = [0; 2];
    for seed in 0..3 {
        for lost_after in [None, Some(0), Some(3), Some(6)] {
            for polls in 0.. {
                let late = block_on(async {
                    let office = two_processes(seed).await;
                    let late = given_up(&office, polls, lost_after).await;
                    let operation = OperationId::from_bytes(*office.upload.version().as_bytes());
                    let told = office.other.outcome(operation).await.unwrap();
                    assert!(!late || matches!(told, Outcome::Committed { .. }), "{told:?}");
                    office.slow.land().await.unwrap();
                    office.desk.describe_case(office.case).await.unwrap();
                    let again = office.other.outcome(operation).await.unwrap();
                    assert_eq!(told, again, "given up after {polls} polls, {lost_after:?}");
                    seen[usize::from(matches!(told, Outcome::Committed { .. }))] += 1;
                    late
                });
                if late {
                    break;
                }
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 12), "{seen:?}");
}
