//! What a carrier reads and lists for whoever asks, and for the office that clears up: it ends.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::{
    deposit::*,
    storage::{MemoryStorage, ObjectKey, Storage, StorageError, testing::CountingStorage},
};

use crate::{
    common::{around::*, block_on},
    intake::*,
};

/// What a storage does with listings and deletions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Deletes nothing, and says that it has.
    Keeps,
    /// Begins every page of a listing with the first key.
    Repeats,
    /// Lists what lies behind what was asked for, too.
    GoesOn,
}

#[derive(Debug)]
struct Wayward {
    inner: Arc<MemoryStorage>,
    way: Way,
    lists: AtomicUsize,
}

impl Wayward {
    fn new(inner: &Arc<MemoryStorage>, way: Way) -> Arc<Through<Self>> {
        Arc::new(Through(Self { inner: inner.clone(), way, lists: AtomicUsize::new(0) }))
    }
}

#[async_trait]
impl Around for Wayward {
    fn objects(&self) -> &dyn Storage {
        &*self.inner
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        if self.way == Way::Keeps { Ok(()) } else { self.inner.delete(key).await }
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        assert!(self.lists.fetch_add(1, Ordering::SeqCst) < 100, "it goes on for ever");
        match self.way {
            Way::Keeps => self.inner.list(prefix, after, limit).await,
            Way::Repeats => self.inner.list(prefix, None, limit).await,
            Way::GoesOn => {
                let all = self.inner.list("", None, usize::MAX).await?;
                Ok(all
                    .into_iter()
                    .filter(|key| key.as_str() >= prefix && Some(key) > after)
                    .take(limit)
                    .collect())
            }
        }
    }
}

/// A deposit with one part, which lies under `more` other names, too.
async fn begun(office: &Intake, more: u32) -> (SignedRequest, DepositId) {
    let signed = office.request().await;
    let contents = [content(1, 5)];
    let mut client = begin(&office.open(&signed), &contents);
    let part = seal(&mut client, &contents, (0, 0));
    office.carrier().receive(part.clone()).await.unwrap();
    let (request, id) = (signed.descriptor.request(), client.id());
    for number in 1..=more {
        let name = format!("deposit/{request}/{id}/part-0000-{number:08x}");
        office.kept.create(&name.parse().unwrap(), part.clone()).await.unwrap();
    }
    (signed, id)
}

#[test]
fn clearing_ends_if_deletions_have_no_effect() {
    block_on(async {
        let office = Intake::new().await;
        let (signed, id) = begun(&office, 1000).await;
        for way in [Way::Keeps, Way::Repeats, Way::GoesOn] {
            let inbox = office.inbox_on(Wayward::new(&office.kept, way), &signed).await;
            drop(inbox.clear(id).await);
            let request =
                objects(&*office.kept).await.into_iter().find(|(name, _)| name.ends_with("/request"));
            assert!(request.is_some(), "{way:?}: what is no part of the deposit stays");
        }
    });
}

#[test]
fn what_is_held_of_a_deposit_ends_and_is_of_no_other() {
    block_on(async {
        let office = Intake::new().await;
        let (signed, id) = begun(&office, 1000).await;
        let request = signed.descriptor.request();
        let carrier = office.carrier_on(Wayward::new(&office.kept, Way::Repeats));
        drop(carrier.held(request, id).await);
        // Another deposit of the same request is listed behind it, or before it.
        for _ in 0..6 {
            let contents = [content(2, 5)];
            let mut client = begin(&office.open(&signed), &contents);
            office.carrier().receive(seal(&mut client, &contents, (0, 0))).await.unwrap();
        }
        let carrier = office.carrier_on(Wayward::new(&office.kept, Way::GoesOn));
        assert_eq!(carrier.held(request, id).await.unwrap().parts.len(), 1001);
    });
}

/// Whoever has the link leaves as many parts as the caps let them, and no request for them reads more.
#[test]
fn no_more_is_read_than_a_deposit_may_have() {
    block_on(async {
        let office = Intake::new().await;
        let (signed, id) = begun(&office, 17_000).await;
        let counted = Arc::new(CountingStorage::new(office.kept.clone()));
        let held = office.carrier_on(counted.clone()).held(signed.descriptor.request(), id).await.unwrap();
        assert_eq!(held.parts.len(), 16_384);
        assert!(counted.take().read < 16_400);
        for number in 0..300 {
            let name = format!("deposit/{}/{id}/answer-{number:04x}", signed.descriptor.request());
            office.kept.create(&name.parse().unwrap(), Bytes::from_static(b"an answer")).await.unwrap();
        }
        let held = office.carrier().held(signed.descriptor.request(), id).await.unwrap();
        assert_eq!(held.answers.len(), 256);
    });
}

/// What begun deposits a slot has costs nothing for a deposit that goes on.
#[test]
fn a_part_costs_the_same_however_many_deposits_were_begun() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let contents = [content(1, 1_500_000), content(2, 40)];
        let counted = Arc::new(CountingStorage::new(office.kept.clone()));
        let carrier = office.carrier_on(counted.clone());
        for begun in 0..10 {
            let mut client = begin(&office.open(&signed), &contents);
            let [first, rest @ ..] = &client.places()[..] else { panic!("no parts") };
            carrier.receive(seal(&mut client, &contents, *first)).await.unwrap();
            for place in rest {
                counted.take();
                carrier.receive(seal(&mut client, &contents, *place)).await.unwrap();
                let read = counted.take().read;
                assert!(read <= 5, "{read} reads after {begun} others");
            }
        }
    });
}
