//! Content on its way in and out: in whatever pieces, pipelined with the storage, failing or cut short.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[path = "transfer/deliveries.rs"]
mod deliveries;
#[path = "transfer/pages.rs"]
mod pages;
#[path = "transfer/streams.rs"]
mod streams;
#[path = "transfer/watched.rs"]
mod watched;

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::{Arc, atomic::Ordering::SeqCst},
    task::Poll,
};

use docvault::{
    CaseId, DocumentId, ErrorKind, Identity, NewDocument, Recipient, Session, Terms, Upload, Vault,
    keys::LocalKey, storage::Storage,
};
use futures_lite::future::block_on;
use watched::Watched;

const PART: usize = 8 << 20;

async fn desk() -> (Arc<Watched>, Session, CaseId) {
    let storage = Arc::new(Watched::default());
    let folder = tempfile::tempdir().unwrap();
    let key = LocalKey::create(folder.path().join("key")).unwrap();
    let vault = Vault::create(Arc::clone(&storage), key).await.unwrap();
    let desk = vault.session("test").purpose("test").begin().unwrap();
    let case = desk.create_case("test").await.unwrap();
    (storage, desk, case)
}

/// A document of `len` bytes that is stored, and these.
async fn stored(len: usize) -> (Arc<Watched>, Session, DocumentId, Vec<u8>) {
    let (storage, desk, case) = desk().await;
    let content = message(len);
    let stored = desk.store(case, NewDocument::named("x"), content.clone()).await.unwrap();
    (storage, desk, stored.document, content)
}

fn message(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

async fn upload(desk: &Session, case: CaseId) -> Upload {
    desk.upload(case, NewDocument::named("x")).await.unwrap()
}

async fn streamed(desk: &Session, document: DocumentId) -> Vec<u8> {
    let mut reader = desk.reader(document).await.unwrap();
    let mut content = Vec::new();
    while let Some(part) = reader.next().await.unwrap() {
        content.extend_from_slice(&part);
    }
    content
}

/// Whether the future is ready at its first poll.
fn ready_at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    block_on(poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => Poll::Ready(None),
    }))
}

#[test]
fn transfers_may_cross_threads() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>(future: T) -> T {
        future
    }
    shared::<Upload>();
    shared::<docvault::Reader>();
    shared::<docvault::Delivery>();
    block_on(async {
        let (_, desk, case) = desk().await;
        let mut upload = sent(desk.upload(case, NewDocument::named("x"))).await.unwrap();
        let token = upload.token().unwrap();
        let taken_up = sent(async { desk.resume_upload(&token).await.map(|upload| upload.position()) });
        assert_eq!(taken_up.await.unwrap(), 0);
        sent(upload.write(b"con")).await.unwrap();
        sent(upload.write_from(4, reading(b"tent"))).await.unwrap();
        let stored = sent(upload.finish()).await.unwrap();
        let mut reader = sent(desk.reader(stored.document)).await.unwrap();
        assert_eq!(sent(reader.range(0..3)).await.unwrap(), b"con".as_slice());
        assert_eq!(sent(reader.next()).await.unwrap().unwrap(), b"content".as_slice());
    });
}

#[test]
fn whatever_the_pieces_the_content_comes_back() {
    block_on(async {
        let (_, desk, case) = desk().await;
        let all = message(2 * PART + 3_000_000);
        for len in [0, 1, 200_000, 300_000, PART - 1, PART, PART + 1, 2 * PART, all.len()] {
            for piece in [70_001, 262_144, 3_000_000, PART, PART + 5, all.len()] {
                let content = &all[..len];
                let mut upload = upload(&desk, case).await;
                for piece in content.chunks(piece) {
                    upload.write(piece).await.unwrap();
                }
                let stored = upload.finish().await.unwrap();
                assert_eq!(stored.digest.as_bytes(), blake3::hash(content).as_bytes(), "{len} by {piece}");
                assert!(streamed(&desk, stored.document).await == content, "{len} by {piece}");
                assert!(desk.retrieve(stored.document).await.unwrap() == content, "{len} by {piece}");
            }
        }
    });
}

#[test]
fn parts_that_come_in_any_pieces_are_the_same_content() {
    block_on(async {
        let (storage, desk, case) = desk().await;
        let content = message(2 * PART + 300_000);
        let mut upload = upload(&desk, case).await;
        let token = upload.token().unwrap();
        upload.write(&content).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let notary = Identity::create(folder.path().join("identity")).unwrap();
        let fingerprint = notary.fingerprint().to_string();
        let recipient = Recipient::verify(&notary.recipient_bytes(), &fingerprint).unwrap();
        // The parts that are stored are read in pieces here, too.
        storage.cut.store(97, SeqCst);
        storage.short.store(true, SeqCst);
        assert_eq!(desk.resume_upload(&token).await.unwrap().position(), 0);
        storage.short.store(false, SeqCst);
        let mut upload = desk.resume_upload(&token).await.unwrap();
        assert_eq!(upload.position(), u64::try_from(2 * PART).unwrap());
        upload.write(&content[2 * PART..]).await.unwrap();
        let stored = upload.finish().await.unwrap().document;
        for cut in [97, 16_400, 100_003] {
            storage.cut.store(cut, SeqCst);
            assert!(streamed(&desk, stored).await == content, "{cut}");
            assert!(desk.retrieve(stored).await.unwrap() == content, "{cut}");
            let grant = desk.grant(stored, &recipient, Terms::read().purpose("check")).await.unwrap();
            let delivery = desk.deliver(grant).await.unwrap().collect().await.unwrap();
            let mut opened = notary.open(&delivery[..], &desk.vault().sender()).unwrap();
            let delivered = opened.next_document().unwrap().unwrap().content().unwrap();
            assert!(delivered == content, "{cut}");
            storage.short.store(true, SeqCst);
            assert_eq!(desk.retrieve(stored).await.unwrap_err().kind(), ErrorKind::Corrupt, "{cut}");
            storage.short.store(false, SeqCst);
        }
    });
}

/// Puts what `content` has from a byte on.
fn reading(content: &[u8]) -> impl Fn(u64, &mut [u8]) -> io::Result<()> + Send + Sync {
    |at, piece| {
        let at = usize::try_from(at).unwrap();
        piece.copy_from_slice(&content[at..at + piece.len()]);
        Ok(())
    }
}

#[test]
fn content_read_where_it_is_sealed_comes_back() {
    block_on(async {
        let (_, desk, case) = desk().await;
        let all = message(2 * PART + 3_000_000);
        for document in [NewDocument::named("x"), NewDocument::named("x").with_sha256()] {
            // How much is written before, and how much is then read.
            for (written, read) in [(0, 0), (5, 200_000), (100_001, PART), (PART, PART + 300_000)] {
                let (content, end) = (&all[..written + read], &all[written + read..][..13]);
                let mut upload = desk.upload(case, document.clone()).await.unwrap();
                upload.write(&content[..written]).await.unwrap();
                let len = u64::try_from(read).unwrap();
                upload.write_from(len, reading(&content[written..])).await.unwrap();
                assert_eq!(upload.position(), u64::try_from(content.len()).unwrap());
                upload.write(end).await.unwrap();
                let stored = upload.finish().await.unwrap();
                let content = [content, end].concat();
                assert_eq!(stored.digest.as_bytes(), blake3::hash(&content).as_bytes(), "{written}, {read}");
                assert!(desk.retrieve(stored.document).await.unwrap() == content, "{written}, {read}");
            }
        }
    });
}

#[test]
fn content_that_cannot_be_read_ends_the_upload_and_its_token_resumes_it() {
    block_on(async {
        let (_, desk, case) = desk().await;
        let content = message(PART + 300_000);
        let len = u64::try_from(content.len()).unwrap();
        for document in [NewDocument::named("x"), NewDocument::named("x").with_sha256()] {
            // Where a part is complete, and where it is not.
            for (lost, taken) in [(100_000, 0), (PART + 280_000, PART)] {
                let failing = |at: u64, piece: &mut [u8]| {
                    let from = usize::try_from(at).unwrap();
                    if (from..from + piece.len()).contains(&lost) {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    reading(&content)(at, piece)
                };
                let mut upload = desk.upload(case, document.clone()).await.unwrap();
                let error = upload.write_from(len, failing).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Invalid);
                let source = std::error::Error::source(&error).unwrap();
                assert_eq!(source.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::UnexpectedEof);
                assert_eq!(upload.write(b"x").await.unwrap_err().kind(), ErrorKind::Invalid);
                let token = upload.token().unwrap();
                assert_eq!(upload.finish().await.unwrap_err().kind(), ErrorKind::Invalid);
                let mut upload = desk.resume_upload(&token).await.unwrap();
                assert_eq!(upload.position(), u64::try_from(taken).unwrap());
                upload.write_from(len - upload.position(), reading(&content[taken..])).await.unwrap();
                let stored = upload.finish().await.unwrap();
                assert!(desk.retrieve(stored.document).await.unwrap() == content);
            }
        }
    });
}

/// All that it was to read is counted then, and some of it not there.
#[test]
fn an_upload_whose_reader_panicked_takes_nothing_more() {
    block_on(async {
        let (_, desk, case) = desk().await;
        let content = message(300_000);
        for document in [NewDocument::named("x"), NewDocument::named("x").with_sha256()] {
            let mut upload = desk.upload(case, document).await.unwrap();
            let short = |at: u64, piece: &mut [u8]| {
                let from = usize::try_from(at).unwrap();
                piece.copy_from_slice(&content[..100_000][from..from + piece.len()]);
                Ok(())
            };
            let writing = std::panic::AssertUnwindSafe(upload.write_from(300_000, short));
            assert!(futures_util::FutureExt::catch_unwind(writing).await.is_err());
            assert_eq!(upload.write(b"x").await.unwrap_err().kind(), ErrorKind::Invalid);
            assert_eq!(upload.finish().await.unwrap_err().kind(), ErrorKind::Invalid);
        }
    });
}

#[test]
fn pages_of_any_size_follow_each_other() {
    block_on(async {
        let (_, desk, case) = desk().await;
        let lens = [PART + 77, 0, 5, 2 * PART, 400_001];
        let mut upload = upload(&desk, case).await;
        let mut content = Vec::new();
        for (i, len) in lens.into_iter().enumerate() {
            let page = message(len);
            upload.write(&page).await.unwrap();
            content.extend(page);
            if i + 1 < lens.len() {
                upload.next_page().await.unwrap();
            }
        }
        let stored = upload.finish().await.unwrap();
        assert!(streamed(&desk, stored.document).await == content);
        assert!(desk.retrieve(stored.document).await.unwrap() == content);
        let reader = desk.reader(stored.document).await.unwrap();
        let len = reader.len();
        for (start, end) in [(0, 1), (8_388_600, 8_388_700), (8_388_684, 8_400_000), (0, len), (len, len)] {
            let wanted = &content[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
            assert!(reader.range(start..end).await.unwrap() == wanted, "{start}..{end}");
        }
    });
}

#[test]
fn two_parts_are_stored_while_the_next_is_taken() {
    block_on(async {
        let (storage, desk, case) = desk().await;
        let content = message(3 * PART + 1_000_000);
        let mut upload = upload(&desk, case).await;
        storage.hold.store(true, SeqCst);
        upload.write(&content[..2 * PART]).await.unwrap();
        assert_eq!(storage.writes.load(SeqCst), 2, "storing has begun");
        upload.write(&content[2 * PART..2 * PART + 5_000_000]).await.unwrap();
        let rest = &content[2 * PART + 5_000_000..];
        assert!(ready_at_once(upload.write(&rest[..4_000_000])).is_none(), "three parts are held, not four");
        storage.hold.store(false, SeqCst);
        // What was cut short is refused, never silently left out.
        assert_eq!(upload.write(b"x").await.unwrap_err().kind(), ErrorKind::Invalid);
        let token = upload.token().unwrap();
        assert_eq!(upload.finish().await.unwrap_err().kind(), ErrorKind::Invalid);
        let mut upload = desk.resume_upload(&token).await.unwrap();
        let position = usize::try_from(upload.position()).unwrap();
        upload.write(&content[position..]).await.unwrap();
        let stored = upload.finish().await.unwrap();
        assert!(desk.retrieve(stored.document).await.unwrap() == content);
    });
}

#[test]
fn what_was_acknowledged_by_finish_is_stored() {
    block_on(async {
        let (storage, desk, case) = desk().await;
        let mut upload = upload(&desk, case).await;
        storage.hold.store(true, SeqCst);
        upload.write(&message(PART)).await.unwrap();
        let mut finish = pin!(upload.finish());
        assert!(ready_at_once(finish.as_mut()).is_none());
        storage.hold.store(false, SeqCst);
        let stored = finish.await.unwrap();
        assert!(desk.retrieve(stored.document).await.unwrap() == message(PART));
    });
}

#[test]
fn a_refused_part_ends_the_upload_and_its_token_resumes_it() {
    block_on(async {
        let (storage, desk, case) = desk().await;
        let content = message(3 * PART);
        let mut upload = upload(&desk, case).await;
        let token = upload.token().unwrap();
        upload.write(&content[..PART]).await.unwrap();
        storage.refuse.store(true, SeqCst);
        // The failure of a part shows when its turn to be waited for comes.
        upload.write(&content[PART..2 * PART]).await.unwrap();
        upload.write(&content[2 * PART..]).await.unwrap();
        assert_eq!(upload.next_page().await.unwrap_err().kind(), ErrorKind::Storage);
        storage.refuse.store(false, SeqCst);
        assert_eq!(upload.write(b"x").await.unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(upload.next_page().await.unwrap_err().kind(), ErrorKind::Invalid);
        let mut upload = desk.resume_upload(&token).await.unwrap();
        assert_eq!(upload.position(), u64::try_from(PART).unwrap());
        upload.write(&content[PART..]).await.unwrap();
        let stored = upload.finish().await.unwrap();
        assert!(desk.retrieve(stored.document).await.unwrap() == content);
    });
}

#[test]
fn giving_up_deletes_the_part_on_its_way_too() {
    block_on(async {
        let (storage, desk, case) = desk().await;
        let mut upload = upload(&desk, case).await;
        storage.hold.store(true, SeqCst);
        upload.write(&message(PART + 1)).await.unwrap();
        assert_eq!(storage.writes.load(SeqCst), 1, "storing has begun");
        let mut abort = pin!(upload.abort());
        assert!(ready_at_once(abort.as_mut()).is_none());
        storage.hold.store(false, SeqCst);
        abort.await.unwrap();
        let left = storage.list("part/", None, 10).await.unwrap();
        assert_eq!(left, [], "what is deleted before it is stored comes back");
    });
}

/// Of a storage it is no matter what else is under a part's name, and what of it was collected.
#[test]
fn what_is_no_part_and_what_is_gone_keep_no_upload_from_going_on() {
    block_on(async {
        let (storage, desk, case) = desk().await;
        let content = message(PART + 9);
        let mut runs = vec![upload(&desk, case).await];
        let token = runs[0].token().unwrap();
        runs.push(desk.resume_upload(&token).await.unwrap());
        for run in &mut runs {
            run.write(&content[..PART]).await.unwrap();
        }
        // Both have stored the first part. In byte order the stray is before either.
        let names = storage.list("part/", None, 10).await.unwrap();
        assert_eq!(names.len(), 2);
        let (start, _) = names[0].as_str().rsplit_once('-').unwrap();
        storage.create(&format!("{start}-0").parse().unwrap(), vec![0; 9].into()).await.unwrap();
        *storage.lost.lock().unwrap() = Some(names[0].clone());
        let mut upload = desk.resume_upload(&token).await.unwrap();
        assert_eq!(upload.position(), u64::try_from(PART).unwrap());
        upload.write(&content[PART..]).await.unwrap();
        let stored = upload.finish().await.unwrap();
        assert!(desk.retrieve(stored.document).await.unwrap() == content);
    });
}

/// More small documents than a delivery keeps in memory are read when they are given.
#[test]
fn many_small_documents_are_delivered() {
    block_on(async {
        let (_storage, desk, case) = desk().await;
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::create(folder.path().join("identity")).unwrap();
        let recipient =
            Recipient::verify(&identity.recipient_bytes(), &identity.fingerprint().to_string()).unwrap();
        let mut stored = BTreeMap::new();
        for number in 0..90 {
            let content = message(200_000 + number);
            let new = NewDocument::named(format!("{number}"));
            stored.insert(desk.store(case, new, content.clone()).await.unwrap().document, content);
        }
        let grant = desk.grant(case, &recipient, Terms::read().purpose("p")).await.unwrap();
        let sealed = desk.deliver(grant).await.unwrap().collect().await.unwrap();
        let mut opened = identity.open(&sealed[..], &desk.vault().sender()).unwrap();
        while let Some(document) = opened.next_document().unwrap() {
            let expected = stored.remove(&document.id()).unwrap();
            assert_eq!(document.content().unwrap().as_slice(), expected);
        }
        assert_eq!(stored.len(), 0);
    });
}
