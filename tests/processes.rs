//! Two processes on one storage: what one was told has happened, the other sees.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    around::{Around, Through},
    block_on, vault_on,
};
use docvault::{
    NewDocument, Session, Sleeper, Vault, VaultOptions,
    keys::{Bounds, LocalKey, Passphrase},
    storage::{Creation, MemoryStorage, ObjectKey, Storage, StorageError},
};

/// Every answer of a process that slept is as new as what another one was told before it asked.
#[test]
fn an_answer_is_never_older_than_what_another_process_was_told() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let document = desk.store(case, NewDocument::named("one"), b"1".to_vec()).await.unwrap().document;
        let sleeper = async || {
            let key = LocalKey::load(folder.path().join("key")).unwrap();
            Vault::open(storage.clone(), key, &vault.pin()).await.unwrap()
        };
        let session = |vault: &Vault| vault.session("b").purpose("q").begin().unwrap();
        let asleep = [sleeper().await, sleeper().await, sleeper().await, sleeper().await, sleeper().await];
        let [describes, history, describes_case, lists, slots] = &asleep;
        desk.store_version(document, NewDocument::named("two"), "r", b"2".to_vec()).await.unwrap();
        desk.close_case(case, "done").await.unwrap();
        let mut bounds = Bounds::default();
        (bounds.min_memory_kib, bounds.min_passes) = (8, 1);
        let recovery = Passphrase::new("words").bounds(bounds).cost(64, 1, 1);
        desk.add_slot(&recovery, "recovery").await.unwrap();
        assert_eq!(session(describes).describe(document).await.unwrap().name, "two");
        assert_eq!(session(history).history(document).await.unwrap().len(), 2);
        assert!(session(describes_case).describe_case(case).await.unwrap().closed);
        assert_eq!(session(lists).documents(case, None).await.unwrap().documents[0].name, "two");
        assert_eq!(slots.slots().await.unwrap().len(), 2);
    });
}

/// A storage on which another process commits just before each of the first few commits.
#[derive(Debug)]
struct Overtaken {
    storage: Arc<MemoryStorage>,
    rival: Session,
    left: AtomicUsize,
    tried: AtomicUsize,
}

#[async_trait]
impl Around for Overtaken {
    fn objects(&self) -> &dyn Storage {
        &*self.storage
    }

    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        let fewer = |left: usize| left.checked_sub(1);
        self.tried.fetch_add(usize::from(key.as_str().starts_with("log/")), Ordering::SeqCst);
        let overtakes = key.as_str().starts_with("log/")
            && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok();
        if overtakes {
            self.rival.create_case("before").await.unwrap();
        }
        self.storage.create(key, bytes).await
    }
}

/// A time of waiting in which another process commits.
#[derive(Debug)]
struct Overtaking(Session);

#[async_trait]
impl Sleeper for Overtaking {
    async fn sleep(&self, _: Duration) {
        self.0.create_case("meanwhile").await.unwrap();
    }
}

/// Whoever lost races and waits in line does not lose the next one by having waited.
#[test]
fn what_is_committed_while_a_loser_waits_costs_it_no_race() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let rival = vault.session("rival").purpose("p").begin().unwrap();
        let options = VaultOptions::default().sleeper(Overtaking(rival.clone()));
        let somebody: ObjectKey = format!("turn/{:016x}-{:024x}", 0, 1).parse().unwrap();
        storage.create(&somebody, Bytes::new()).await.unwrap();
        let (left, tried) = (AtomicUsize::new(2), AtomicUsize::new(0));
        let overtaken = Arc::new(Through(Overtaken { storage, rival: rival.clone(), left, tried }));
        let key = Arc::new(LocalKey::load(folder.path().join("key")).unwrap());
        let slow = Vault::open_with(overtaken.clone(), key, &vault.pin(), options).await.unwrap();
        slow.session("slow").purpose("p").begin().unwrap().create_case("mine").await.unwrap();
        let cases = rival.cases(None).await.unwrap().cases;
        let titled = |title: &str| cases.iter().filter(|case| case.title == title).count();
        assert_eq!((titled("before"), titled("mine")), (2, 1));
        assert!(titled("meanwhile") > 0, "it waited");
        assert_eq!(
            overtaken.tried.load(Ordering::SeqCst),
            3,
            "two were overtaken, and none was lost by waiting"
        );
    });
}
