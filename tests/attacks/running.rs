//! What runs on after it should have ended.

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::{
    Delivery, Error, ErrorKind, Terms, Timestamp, Vault,
    storage::{Creation, MemoryStorage, ObjectKey, Storage, StorageError},
};

use super::toolkit::*;
use crate::common::block_on;

const SECOND: u64 = 1000;
const NOW: u64 = 100 * 24 * 3600 * SECOND;
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
        let kept: Arc<dyn Storage> = Arc::new(Keeping(world.storage.clone(), world.storage.snapshot()));
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
struct Keeping(Arc<MemoryStorage>, MemoryStorage);

#[async_trait]
impl Storage for Keeping {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        self.0.create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        match self.0.read(key, range.clone()).await? {
            None => self.1.read(key, range).await,
            found => Ok(found),
        }
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.0.delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        self.0.list(prefix, after, limit).await
    }
}
