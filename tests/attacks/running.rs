//! What runs on after it should have ended.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::{
    CaseId, Clock, Delivery, DocumentId, Error, ErrorKind, Session, Terms, Timestamp, Vault,
    storage::{MemoryStorage, ObjectKey, Storage, StorageError},
};

use super::toolkit::*;
use crate::common::{around::*, block_on};

pub(crate) const SECOND: u64 = 1000;
pub(crate) const NOW: u64 = 100 * 24 * 3600 * SECOND;
const PART: usize = 8 << 20;

/// A vault whose clock is set, and a delivery of three parts, of which the first is out.
async fn running(until: u64) -> (World, Hands, Delivery) {
    let hands = Hands::at(NOW);
    let world = World::with(options().clock(hands.clone())).await;
    let stored = world.store("x", vec![7; 2 * PART + 1]).await;
    let terms = Terms::read().purpose("p").until(Timestamp::from_millis(until));
    let grant = world.desk.grant(stored.document, &recipient(&identity(1)), terms).await.unwrap();
    let mut delivery = world.desk.deliver(grant).await.unwrap();
    while delivery.next().await.unwrap().unwrap().len() < PART {}
    (world, hands, delivery)
}

/// The error of whoever reads on.
async fn refused(delivery: &mut Delivery) -> Error {
    delivery.next().await.map(|given| given.map(|bytes| bytes.len())).unwrap_err()
}

/// A recipient reads slowly, so that the grant's time is over before the end.
#[test]
fn a_delivery_ends_when_its_grants_time_is_over() {
    block_on(async {
        let until = NOW + 20 * SECOND;
        let (world, hands, mut delivery) = running(until).await;
        hands.set(until - 1);
        delivery.next().await.unwrap().unwrap();
        for now in [until, until + 1, until + 100 * SECOND] {
            hands.set(now);
            let ended = refused(&mut delivery).await;
            assert_eq!(ended.kind(), ErrorKind::Denied);
            assert!(ended.to_string().contains("ended at"), "{ended}");
        }
        // The own clock turned back is no way around: by the log's time it is over.
        world.desk.describe_case(world.case).await.unwrap();
        hands.set(NOW);
        assert_eq!(refused(&mut delivery).await.kind(), ErrorKind::Denied);
    });
}

/// Another process revokes; what has been given is far less than what is looked after by length.
#[test]
fn a_delivery_looks_for_a_revocation_by_time() {
    block_on(async {
        let (world, hands, mut delivery) = running(u64::MAX).await;
        let other = options().clock(hands.clone());
        let other =
            Vault::open_with(world.storage.clone(), world.key(), &world.vault.pin(), other).await.unwrap();
        session(&other).revoke(delivery.grant()).await.unwrap();
        hands.set(NOW + 30 * SECOND - 1);
        delivery.next().await.unwrap().unwrap();
        hands.set(NOW + 30 * SECOND);
        for _ in 0..2 {
            let revoked = refused(&mut delivery).await;
            assert_eq!(revoked.kind(), ErrorKind::Denied);
            assert!(revoked.to_string().contains("was revoked"), "{revoked}");
        }
    });
}

/// The storage goes on to show this process what another one has erased and deleted.
#[test]
fn a_reader_looks_for_an_erasure_by_time() {
    block_on(async {
        let hands = Hands::at(NOW);
        let world = World::with(options().clock(hands.clone())).await;
        let small = world.store("x", vec![7; 100]).await;
        let large = world.store("y", vec![7; 2 * PART + 1]).await;
        let kept: Arc<dyn Storage> = Arc::new(shown(&world));
        let reading = options().clock(hands.clone());
        let reading = Vault::open_with(kept, world.key(), &world.vault.pin(), reading).await.unwrap();
        let reading = session(&reading);
        let small = reading.reader(small.document).await.unwrap();
        let mut large = reading.reader(large.document).await.unwrap();
        world.desk.close_case(world.case, "done").await.unwrap();
        world.desk.erase_case(world.case).await.unwrap();
        hands.set(NOW + 30 * SECOND - 1);
        assert_eq!(small.range(0..9).await.unwrap().len(), 9);
        assert_eq!(large.next().await.unwrap().unwrap().len(), PART);
        hands.set(NOW + 30 * SECOND);
        assert_eq!(small.range(0..9).await.unwrap_err().kind(), ErrorKind::Erased);
        let next = large.next().await.map(|part| part.map(|part| part.len()));
        assert_eq!(next.unwrap_err().kind(), ErrorKind::Erased);
    });
}

/// A storage that shows what was deleted.
#[derive(Debug)]
pub(crate) struct Keeping(Arc<MemoryStorage>, MemoryStorage);

/// What there is now is shown for good.
pub(crate) fn shown(world: &World) -> Through<Keeping> {
    Through(Keeping(world.storage.clone(), world.storage.snapshot()))
}

#[async_trait]
impl Around for Keeping {
    fn objects(&self) -> &dyn Storage {
        &*self.0
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        match self.0.read(key, range.clone()).await? {
            None => self.1.read(key, range).await,
            found => Ok(found),
        }
    }
}

/// A storage that holds each part back once it is told so, while the clock goes on; and shows what was deleted.
#[derive(Debug)]
struct Holding {
    shown: Through<Keeping>,
    hands: Hands,
    until: AtomicU64,
    /// What it holds back, by the start of its name.
    held: Mutex<String>,
    /// The case that is erased meanwhile, and by whom.
    erased: Mutex<Option<(Session, CaseId)>>,
}

#[async_trait]
impl Around for Holding {
    fn objects(&self) -> &dyn Storage {
        &self.shown
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let until = self.until.load(Ordering::Relaxed);
        if until > 0 && key.as_str().starts_with(&*self.held.lock().unwrap()) {
            for _ in 0..100 {
                futures_lite::future::yield_now().await;
            }
            let erased = self.erased.lock().unwrap().take();
            if let Some((desk, case)) = erased {
                desk.erase_case(case).await.unwrap();
            }
            self.hands.set(until);
        }
        self.shown.read(key, range).await
    }
}

/// An office, a document of one part that is no head's, and another process over a storage that holds back.
async fn holding() -> (World, Hands, Arc<Through<Holding>>, Session, DocumentId) {
    holding_back("part/").await
}

async fn holding_back(held: &str) -> (World, Hands, Arc<Through<Holding>>, Session, DocumentId) {
    let hands = Hands::at(NOW);
    let world = World::with(options().clock(hands.clone())).await;
    let document = world.store("x", vec![7; PART]).await.document;
    let shown = shown(&world);
    let holding = Arc::new(Through(Holding {
        shown,
        hands: hands.clone(),
        until: AtomicU64::new(0),
        held: Mutex::new(held.to_owned()),
        erased: Mutex::default(),
    }));
    let other = options().clock(hands.clone());
    let other = Vault::open_with(holding.clone(), world.key(), &world.vault.pin(), other).await.unwrap();
    (world, hands, holding, session(&other), document)
}

/// What the storage holds back is not given when an erasure has come meanwhile.
#[test]
fn a_part_that_is_held_back_is_given_no_more_after_an_erasure() {
    block_on(async {
        let (world, hands, holding, reading, document) = holding().await;
        let ranges = reading.reader(document).await.unwrap();
        let mut stream = reading.reader(document).await.unwrap();
        let mut late = reading.reader(document).await.unwrap();
        world.desk.close_case(world.case, "done").await.unwrap();
        world.desk.erase_case(world.case).await.unwrap();
        hands.set(NOW + 29 * SECOND);
        holding.until.store(NOW + 30 * SECOND - 1, Ordering::Relaxed);
        assert_eq!(late.next().await.unwrap().unwrap().len(), PART);
        holding.until.store(NOW + 600 * SECOND, Ordering::Relaxed);
        assert_eq!(ranges.range(0..9).await.unwrap_err().kind(), ErrorKind::Erased);
        hands.set(NOW + 29 * SECOND);
        for _ in 0..2 {
            let next = stream.next().await.map(|part| part.map(|part| part.len()));
            assert_eq!(next.unwrap_err().kind(), ErrorKind::Erased);
        }
    });
}

/// Names likewise.
#[test]
fn a_name_that_is_held_back_is_not_given_after_an_erasure() {
    block_on(async {
        for of_the_case in [false, true] {
            let (world, _, holding, reading, document) = holding_back("head/").await;
            world.desk.close_case(world.case, "done").await.unwrap();
            holding.until.store(NOW + 600 * SECOND, Ordering::Relaxed);
            *holding.erased.lock().unwrap() = Some((world.desk.clone(), world.case));
            if of_the_case {
                let described = reading.describe_case(world.case).await.unwrap();
                assert_eq!((described.erased, &*described.title), (true, ""));
            } else {
                assert_eq!(reading.describe(document).await.unwrap_err().kind(), ErrorKind::Erased);
            }
        }
    });
}

/// Of a page, some of which comes late, what came at once is not given either.
#[test]
fn a_page_that_is_held_back_gives_no_name_of_a_case_that_was_erased_meanwhile() {
    block_on(async {
        let (world, _, holding, reading, _) = holding_back("head/").await;
        let other = world.desk.create_case("another title").await.unwrap();
        let (late, erased) = (world.case.min(other), world.case.max(other));
        world.desk.close_case(erased, "done").await.unwrap();
        // The first head that is asked for is kept back until the other case is erased.
        *holding.held.lock().unwrap() = format!("head/{late}/");
        holding.until.store(NOW + 600 * SECOND, Ordering::Relaxed);
        *holding.erased.lock().unwrap() = Some((world.desk.clone(), erased));
        let cases = reading.cases(None).await.unwrap().cases;
        let told = |case| cases.iter().find(|told| told.id == case).unwrap();
        assert!(!told(late).erased && !told(late).title.is_empty());
        assert!(told(erased).erased && told(erased).title.is_empty(), "{:?}", told(erased));
    });
}

/// By one call likewise: between its record and its release there may be as long.
#[test]
fn one_call_that_is_held_back_gives_nothing_after_an_erasure() {
    block_on(async {
        for whole in [false, true] {
            let (world, _, holding, reading, document) = holding().await;
            world.desk.close_case(world.case, "done").await.unwrap();
            holding.until.store(NOW + 600 * SECOND, Ordering::Relaxed);
            *holding.erased.lock().unwrap() = Some((world.desk.clone(), world.case));
            let read = if whole {
                reading.retrieve(document).await
            } else {
                reading.retrieve_range(document, 0..9).await
            };
            assert_eq!(read.map(|read| read.len()).unwrap_err().kind(), ErrorKind::Erased, "{whole}");
        }
    });
}

#[test]
fn a_part_that_is_held_back_is_delivered_no_more_after_a_revocation() {
    block_on(async {
        let (world, hands, holding, delivering, document) = holding().await;
        let terms = Terms::read().purpose("p");
        let grant = world.desk.grant(document, &recipient(&identity(1)), terms).await.unwrap();
        let mut delivery = delivering.deliver(grant).await.unwrap();
        world.desk.revoke(grant).await.unwrap();
        hands.set(NOW + 29 * SECOND);
        holding.until.store(NOW + 600 * SECOND, Ordering::Relaxed);
        let refused = loop {
            match delivery.next().await {
                Ok(bytes) => {
                    assert!(hands.now().as_millis() < NOW + 30 * SECOND, "{:?}", bytes.map(|b| b.len()));
                }
                Err(error) => break error,
            }
        };
        assert!(refused.to_string().contains("was revoked"), "{refused}");
        assert!(self::refused(&mut delivery).await.to_string().contains("was revoked"));
    });
}
