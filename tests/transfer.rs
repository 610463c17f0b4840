//! Content on its way in and out: in whatever pieces, pipelined with the storage, failing or cut short.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    io,
    ops::Range,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::{
    CaseId, DocumentId, ErrorKind, Identity, NewDocument, Recipient, Session, Terms, Upload, Vault,
    keys::LocalKey,
    storage::{Creation, MemoryStorage, ObjectKey, Storage, StorageError, StorageErrorKind},
};
use futures_lite::future::{block_on, yield_now};

const PART: usize = 8 << 20;

/// A storage in memory whose parts can be held back or refused, and whose reads of parts are counted.
#[derive(Debug, Default)]
struct Watched {
    memory: MemoryStorage,
    hold: AtomicBool,
    refuse: AtomicBool,
    /// Reads take more than one poll.
    slow: AtomicBool,
    /// Into how long pieces a part that is read is cut, 0 for not at all.
    cut: AtomicUsize,
    /// The last piece is lost.
    short: AtomicBool,
    writes: AtomicUsize,
    reads: AtomicUsize,
    finished: AtomicUsize,
    /// The most reads of parts that were under way at a time.
    most: AtomicUsize,
}

/// A part that is held back is on its way: given up, it is stored all the same, as by a server that has the
/// request already.
struct OnItsWay<'a>(Option<(&'a MemoryStorage, &'a ObjectKey, Bytes)>);

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        if let Some((memory, key, bytes)) = self.0.take() {
            block_on(memory.create(key, bytes)).unwrap();
        }
    }
}

#[async_trait]
impl Storage for Watched {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        if key.as_str().starts_with("part/") {
            self.writes.fetch_add(1, SeqCst);
            if self.refuse.load(SeqCst) {
                return Err(StorageError::new(StorageErrorKind::Full, "no space is left"));
            }
            let mut given_up = OnItsWay(Some((&self.memory, key, bytes.clone())));
            poll_fn(|_| if self.hold.load(SeqCst) { Poll::Pending } else { Poll::Ready(()) }).await;
            given_up.0 = None;
        }
        self.memory.create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        if key.as_str().starts_with("part/") {
            let reads = self.reads.fetch_add(1, SeqCst) + 1;
            self.most.fetch_max(reads - self.finished.load(SeqCst), SeqCst);
            if self.refuse.load(SeqCst) {
                return Err(StorageError::new(StorageErrorKind::Unavailable, "try later"));
            }
            if self.slow.load(SeqCst) {
                yield_now().await;
            }
            self.finished.fetch_add(1, SeqCst);
        }
        self.memory.read(key, range).await
    }

    async fn read_in_pieces(&self, key: &ObjectKey) -> Result<Option<Vec<Bytes>>, StorageError> {
        let whole = self.read(key, None).await?;
        let cut = self.cut.load(SeqCst);
        Ok(whole.map(|whole| {
            if cut == 0 {
                return vec![whole];
            }
            let mut pieces: Vec<Bytes> = whole.chunks(cut).map(|piece| whole.slice_ref(piece)).collect();
            pieces.insert(pieces.len() / 2, Bytes::new());
            if self.short.load(SeqCst) {
                pieces.pop();
            }
            pieces
        }))
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.memory.delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        self.memory.list(prefix, after, limit).await
    }
}

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

#[test]
fn a_stream_reads_six_parts_ahead_and_no_more() {
    block_on(async {
        let (storage, desk, case) = desk().await;
        let stored = desk.store(case, NewDocument::named("x"), message(9 * PART)).await.unwrap();
        let mut reader = desk.reader(stored.document).await.unwrap();
        for reads in [7, 8, 9, 9, 9, 9, 9, 9, 9] {
            assert!(reader.next().await.unwrap().is_some());
            assert_eq!(storage.reads.load(SeqCst), reads);
        }
        assert!(reader.next().await.unwrap().is_none());
    });
}

#[test]
fn a_stream_has_four_reads_under_way_and_no_more() {
    block_on(async {
        let (storage, desk, document, content) = stored(9 * PART).await;
        storage.slow.store(true, SeqCst);
        assert!(streamed(&desk, document).await == content);
        assert_eq!(storage.most.load(SeqCst), 4);
        assert!(desk.retrieve(document).await.unwrap() == content);
        assert_eq!((storage.most.load(SeqCst), storage.reads.load(SeqCst)), (4, 18));
    });
}

/// No thread of the pool is free to open the first part.
#[test]
#[cfg(feature = "parallel")]
fn parts_are_read_while_one_is_opened_and_a_call_given_up_loses_none() {
    let (storage, desk, document, content) = block_on(stored(9 * PART));
    let mut reader = block_on(desk.reader(document)).unwrap();
    storage.slow.store(true, SeqCst);
    let gate = Arc::new(std::sync::Mutex::new(()));
    let shut = gate.lock().unwrap();
    for _ in 0..rayon::current_num_threads() {
        let gate = Arc::clone(&gate);
        rayon::spawn(move || drop(gate.lock()));
    }
    for _ in 0..4 {
        assert!(ready_at_once(reader.next()).is_none());
    }
    assert_eq!(storage.finished.load(SeqCst), 7);
    drop(shut);
    let mut out = Vec::new();
    while let Some(part) = block_on(reader.next()).unwrap() {
        out.extend_from_slice(&part);
    }
    assert!(out == content);
}

#[test]
#[cfg(feature = "parallel")]
fn the_only_thread_of_a_pool_may_read() {
    let (_, desk, document, content) = block_on(stored(PART + 1));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert!(pool.install(|| block_on(streamed(&desk, document))) == content);
    assert!(pool.install(|| block_on(desk.retrieve(document))).unwrap() == content);
}

#[test]
fn a_stream_goes_on_after_the_storage_failed() {
    block_on(async {
        let (storage, desk, document, content) = stored(7 * PART + 1).await;
        let mut reader = desk.reader(document).await.unwrap();
        let mut out = reader.next().await.unwrap().unwrap().to_vec();
        storage.refuse.store(true, SeqCst);
        let mut failures = 0;
        loop {
            match reader.next().await {
                Ok(Some(part)) => out.extend_from_slice(&part),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Storage);
                    failures += 1;
                    storage.refuse.store(failures < 2, SeqCst);
                }
            }
        }
        assert_eq!(failures, 2);
        assert!(out == content);
    });
}

#[test]
fn memory_comes_back_only_once_the_part_is_dropped() {
    block_on(async {
        let (_, desk, document, content) = stored(6 * PART).await;
        let mut held = Vec::new();
        let mut reader = desk.reader(document).await.unwrap();
        while let Some(part) = reader.next().await.unwrap() {
            held.push(part);
        }
        assert!(held.concat() == content, "what is held is never overwritten");
        let mut reader = desk.reader(document).await.unwrap();
        let mut places = std::collections::BTreeSet::new();
        while let Some(part) = reader.next().await.unwrap() {
            places.insert(part.as_ptr().addr());
        }
        assert_eq!(places.len(), 1, "what is dropped serves again");
    });
}

#[test]
fn a_range_takes_one_round_trip_and_later_ones_one_read() {
    block_on(async {
        let (storage, desk, document, content) = stored(2 * PART).await;
        let reader = desk.reader(document).await.unwrap();
        for (range, reads) in [(100..70_000, 3), (500_000..500_001, 4), (9_000_000..9_100_000, 7)] {
            assert!(reader.range(range.clone()).await.unwrap() == content[usize_range(&range)]);
            assert_eq!(storage.reads.load(SeqCst), reads);
        }
    });
}

fn usize_range(range: &Range<u64>) -> Range<usize> {
    usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()
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
