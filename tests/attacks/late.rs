//! A record whose storage keeps the answer back: what it releases may have ended by then.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::{
    DocumentId, ErrorKind, Personal, RecordFilter, Session, Terms, Vault,
    storage::{Creation, ObjectKey, Storage, StorageError},
};
use futures_util::future::BoxFuture;

use super::{
    running::{Keeping, NOW, SECOND, shown},
    toolkit::*,
};
use crate::common::{around::*, block_on};

/// A storage that shows what was deleted, and answers the next commit ten minutes after it has made it.
struct Late {
    shown: Through<Keeping>,
    hands: Hands,
    /// What is done by somebody else before it answers.
    meanwhile: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl std::fmt::Debug for Late {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Late")
    }
}

#[async_trait]
impl Around for Late {
    fn objects(&self) -> &dyn Storage {
        &self.shown
    }

    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        let made = self.shown.create(key, bytes).await;
        if key.as_str().starts_with("log/") && matches!(made, Ok(Creation::Created)) {
            let meanwhile = self.meanwhile.lock().unwrap().take();
            if let Some(meanwhile) = meanwhile {
                meanwhile.await;
                self.hands.set(NOW + 600 * SECOND);
            }
        }
        made
    }
}

/// An office, a closed case with a document, and another process, whose next commit is answered late.
struct Office {
    world: World,
    document: DocumentId,
    other: Session,
    storage: Arc<Through<Late>>,
}

impl Office {
    async fn new() -> Self {
        let hands = Hands::at(NOW);
        let world = World::with(options().clock(hands.clone())).await;
        let document = world.store("x", vec![7; 9 << 20]).await.document;
        let (shown, meanwhile) = (shown(&world), Mutex::default());
        let storage = Arc::new(Through(Late { shown, hands: hands.clone(), meanwhile }));
        let options = options().clock(hands);
        let other =
            Vault::open_with(storage.clone(), world.key(), &world.vault.pin(), options).await.unwrap();
        let other = session(&other);
        // With everything that makes the next call short.
        other.retrieve_range(document, 0..9).await.unwrap();
        Self { world, document, other, storage }
    }

    fn meanwhile(&self, done: impl Future<Output = ()> + Send + 'static) {
        *self.storage.meanwhile.lock().unwrap() = Some(Box::pin(done));
    }

    /// The case is erased before the next commit is answered.
    async fn erased_meanwhile() -> Self {
        let office = Self::new().await;
        office.world.desk.close_case(office.world.case, "done").await.unwrap();
        let (desk, case) = (office.world.desk.clone(), office.world.case);
        office.meanwhile(async move {
            desk.erase_case(case).await.unwrap();
        });
        office
    }
}

#[test]
fn what_is_on_record_and_answered_late_is_not_given_after_an_erasure() {
    block_on(async {
        let office = Office::erased_meanwhile().await;
        assert_eq!(office.other.describe(office.document).await.unwrap_err().kind(), ErrorKind::Erased);
        let office = Office::erased_meanwhile().await;
        let described = office.other.describe_case(office.world.case).await.unwrap();
        assert_eq!((described.erased, &*described.title), (true, ""));
        let office = Office::erased_meanwhile().await;
        assert_eq!(office.other.history(office.document).await.unwrap_err().kind(), ErrorKind::Erased);
        let office = Office::erased_meanwhile().await;
        let range = office.other.retrieve_range(office.document, 0..9).await;
        assert_eq!(range.unwrap_err().kind(), ErrorKind::Erased);
        let office = Office::erased_meanwhile().await;
        let mut reader = office.other.reader(office.document).await.unwrap();
        let next = reader.next().await.map(|part| part.map(|part| part.len()));
        assert_eq!(next.unwrap_err().kind(), ErrorKind::Erased);
    });
}

#[test]
fn what_is_personal_in_a_record_is_not_given_after_an_erasure() {
    block_on(async {
        let office = Office::erased_meanwhile().await;
        let records = session(&office.world.vault).auditor().records(&RecordFilter::all()).await.unwrap();
        let closed = records.iter().find(|record| record.kind == docvault::Kind::CaseClosed).unwrap().seq;
        let opened = office.world.desk.open_record(closed).await.unwrap();
        assert_eq!(opened.personal, Personal::Reason("done".to_owned()));
        let opened = office.other.open_record(closed).await.unwrap();
        assert!(matches!(opened.personal, Personal::Erased { .. }), "{opened:?}");
    });
}

#[test]
fn what_is_on_record_and_answered_late_is_not_delivered_after_a_revocation() {
    block_on(async {
        let office = Office::new().await;
        let terms = Terms::read().purpose("p");
        let desk = &office.world.desk;
        let grant = desk.grant(office.document, &recipient(&identity(1)), terms).await.unwrap();
        office.other.describe_case(office.world.case).await.unwrap();
        let desk = desk.clone();
        office.meanwhile(async move {
            desk.revoke(grant).await.unwrap();
        });
        let mut delivery = office.other.deliver(grant).await.unwrap();
        let refused = delivery.next().await.map(|given| given.map(|bytes| bytes.len())).unwrap_err();
        assert!(refused.to_string().contains("was revoked"), "{refused}");
    });
}

/// How long content is: sealed, and padded, so that its length is metadata. Refusals tell it.
#[test]
fn a_refusal_that_tells_a_length_is_on_record() {
    block_on(async {
        let world = World::with(options().whole_limit(1000)).await;
        let document = world.store("x", vec![7; 2345]).await.document;
        let before = world.vault.pin().size();
        let refused = world.desk.retrieve(document).await.unwrap_err();
        assert!(refused.to_string().contains("2345"), "{refused}");
        assert_eq!(world.vault.pin().size(), before + 1);
        let refused = world.desk.retrieve_range(document, 2340..2346).await.unwrap_err();
        assert!(refused.to_string().contains("2345"), "{refused}");
        assert_eq!(world.vault.pin().size(), before + 2);
        let records = session(&world.vault).auditor().records(&RecordFilter::all()).await.unwrap();
        let told: Vec<_> = records.iter().filter(|record| record.seq >= before).collect();
        assert!(
            told.len() == 2 && told.iter().all(|record| record.kind == docvault::Kind::Browsed),
            "{told:?}"
        );
    });
}
