//! Commits that lost their race: signed like those that won, under the same names, and the storage has seen them.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::{
    ErrorKind, NewDocument, Session,
    storage::{Creation, ObjectKey, Storage, StorageError, testing::EvilStorage},
};
use futures_util::future::BoxFuture;

use super::toolkit::*;
use crate::common::{around::*, block_on};

/// The last commit of a process that is shown no other's.
async fn lost(world: &World, deed: impl AsyncFnOnce(Session)) -> (ObjectKey, Bytes) {
    let fork = Arc::new(world.storage.snapshot());
    deed(session(&world.open(fork.clone()).await.unwrap())).await;
    let name = fork.list("log/", None, 1).await.unwrap().remove(0);
    let bytes = fork.read(&name, None).await.unwrap().unwrap();
    (name, bytes)
}

/// The storage, which shows a lost commit for the one that won.
async fn shown(world: &World, (name, lost): (ObjectKey, Bytes)) -> Arc<EvilStorage> {
    let evil = world.evil();
    let won = evil.read(&name, None).await.unwrap().expect("one name, two commits");
    assert_ne!(won, lost);
    evil.substitute(&name, lost);
    evil
}

/// A row names the record that it is about by its hash.
#[test]
fn a_reason_in_a_commit_that_lost_its_race_was_given_by_nobody() {
    block_on(async {
        let world = World::new().await;
        let document = world.store("x", b"one".to_vec()).await.document;
        let lost = lost(&world, async |desk| {
            let new = NewDocument::named("x");
            desk.store_version(document, new, "a false reason", b"two".to_vec()).await.unwrap();
        })
        .await;
        world.store_version(document, b"two".to_vec()).await;
        world.desk.describe_case(world.case).await.unwrap();
        let reasons = |desk: Session| async move {
            let versions = desk.history(document).await?;
            Ok::<_, docvault::Error>(versions.into_iter().map(|version| version.reason).collect::<Vec<_>>())
        };
        assert_eq!(reasons(world.desk.clone()).await.unwrap(), ["", "better"]);
        let evil = shown(&world, lost).await;
        let refused = reasons(session(&world.open(evil).await.unwrap())).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Corrupt);
    });
}

/// The tail has the hash of each of its records.
#[test]
fn a_commit_that_lost_its_race_is_not_read_for_one_of_the_tail() {
    block_on(async {
        let world = World::new().await;
        let case = world.case;
        let lost = lost(&world, async |desk| drop(desk.describe_case(case).await.unwrap())).await;
        let seq = world.vault.pin().size();
        world.desk.describe_case(case).await.unwrap();
        world.desk.describe_case(case).await.unwrap();
        assert_eq!(world.desk.open_record(seq).await.unwrap().record.seq, seq);
        let fooled = session(&world.open(shown(&world, lost).await).await.unwrap());
        assert_eq!(fooled.open_record(seq).await.unwrap_err().kind(), ErrorKind::Corrupt);
    });
}

/// A storage in which somebody else commits first, once.
struct Beaten {
    objects: Arc<dyn Storage>,
    first: Mutex<Option<BoxFuture<'static, ()>>>,
    lost: Mutex<Option<(ObjectKey, Bytes)>>,
}

impl std::fmt::Debug for Beaten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Beaten").finish_non_exhaustive()
    }
}

#[async_trait]
impl Around for Beaten {
    fn objects(&self) -> &dyn Storage {
        &*self.objects
    }

    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        let first = self.first.lock().unwrap().take_if(|_| key.as_str().starts_with("log/"));
        if let Some(first) = first {
            first.await;
            *self.lost.lock().unwrap() = Some((key.clone(), bytes.clone()));
        }
        self.objects.create(key, bytes).await
    }
}

/// Its operation has a row, for it was planned anew and won.
#[test]
fn a_commit_that_lost_its_race_is_not_read_for_what_its_operation_became() {
    block_on(async {
        let world = World::new().await;
        let seq = world.vault.pin().size();
        let (winner, case) = (world.desk.clone(), world.case);
        let first = Box::pin(async move { drop(winner.describe_case(case).await.unwrap()) });
        let (first, lost) = (Mutex::new(Some(first as _)), Mutex::default());
        let beaten = Arc::new(Through(Beaten { objects: world.storage.clone(), first, lost }));
        let other = session(&world.open(beaten.clone()).await.unwrap());
        let late = other.create_case("late").await.unwrap();
        let rows = world.desk.cases(None).await.unwrap().cases;
        assert!(rows.iter().any(|row| row.id == late), "it won behind the other");
        world.grow_to(300).await;
        assert_eq!(world.desk.open_record(seq).await.unwrap().record.kind, docvault::Kind::Browsed);
        let lost = beaten.lost.lock().unwrap().take().unwrap();
        let fooled = session(&world.open(shown(&world, lost).await).await.unwrap());
        assert_eq!(fooled.open_record(seq).await.unwrap_err().kind(), ErrorKind::Corrupt);
    });
}
