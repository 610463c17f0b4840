//! Two processes on one storage: what one was told has happened, the other sees.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{block_on, vault_on};
use docvault::{
    NewDocument, Vault,
    keys::{Bounds, LocalKey, Passphrase},
    storage::MemoryStorage,
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
