//! A delivery that follows, and a storage that withholds one answer.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::{collections::BTreeSet, sync::Arc};

use common::{block_on, identity};
use docvault::{
    DocumentId, GrantId, NewDocument, NoSleep, Pin, Scope, Session, Terms, Vault, VaultOptions,
    keys::LocalKey,
    storage::{
        MemoryStorage,
        testing::{Fault, FaultyStorage},
    },
};

fn options() -> VaultOptions {
    VaultOptions::default().sleeper(NoSleep::default())
}

fn desk(vault: &Vault) -> Session {
    vault.session("a").purpose("p").begin().unwrap()
}

/// Another process on the same storage, which meets a read that finds nothing at the call of this number; counted are
/// those after it has read and written once.
async fn other(
    objects: &Arc<MemoryStorage>,
    key: &Arc<LocalKey>,
    (pin, document): (&Pin, DocumentId),
    nth: usize,
) -> Vault {
    let counted = Arc::new(FaultyStorage::scripted(objects.clone(), []));
    let vault = Vault::open_with(counted.clone(), key.clone(), pin, options()).await.unwrap();
    desk(&vault).describe(document).await.unwrap();
    let storage = FaultyStorage::script(objects.clone(), counted.calls() + nth, Fault::StaleRead);
    let vault = Vault::open_with(Arc::new(storage), key.clone(), pin, options()).await.unwrap();
    desk(&vault).describe(document).await.unwrap();
    vault
}

/// What is delivered by `other` under this grant, if it is: the contents of its documents.
async fn delivered(other: &Vault, grant: GrantId, to: &docvault::Identity) -> Option<BTreeSet<Vec<u8>>> {
    let sealed = desk(other).deliver(grant).await.ok()?.collect().await.ok()?;
    let (mut opened, mut found) = (to.open(&*sealed, &other.sender()).unwrap(), BTreeSet::new());
    while let Some(document) = opened.next_document().unwrap() {
        found.insert(document.content().unwrap());
    }
    Some(found)
}

async fn stored(desk: &Session) -> DocumentId {
    let case = desk.create_case("c").await.unwrap();
    desk.store(case, NewDocument::named("d"), b"old".to_vec()).await.unwrap().document
}

/// What a grant is on, by the document that is delivered.
type ScopeOf = fn(DocumentId) -> Scope;

/// What changes before the delivery is asked for, in another process.
#[derive(Debug, Clone, Copy)]
enum Change {
    AnotherVersion,
    AnotherDocument,
}

/// Which of the other process's reads, by their number, may find nothing and what had been replaced is delivered.
async fn stale(scope_of: ScopeOf, change: Change, wanted: &[&[u8]]) -> Vec<usize> {
    let folder = tempfile::tempdir().unwrap();
    let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
    let (notary, _file) = identity();
    let to = docvault::Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string());
    let (to, wanted) = (to.unwrap(), wanted.iter().map(|content| content.to_vec()).collect());
    let (mut stale, mut made) = (Vec::new(), 0);
    for nth in 0..20 {
        let objects = Arc::new(MemoryStorage::default());
        let vault = Vault::create_with(objects.clone(), key.clone(), options()).await.unwrap();
        let desk = desk(&vault);
        let document = stored(&desk).await;
        let terms = Terms::read().purpose("p").following();
        let grant = desk.grant(scope_of(document), &to, terms).await.unwrap();
        let other = other(&objects, &key, (&vault.pin(), document), nth).await;
        let new = NewDocument::named("d");
        match change {
            Change::AnotherVersion => desk.store_version(document, new, "r", b"new".to_vec()).await.unwrap(),
            Change::AnotherDocument => desk.store(document.case(), new, b"new".to_vec()).await.unwrap(),
        };
        let Some(found) = delivered(&other, grant, &notary).await else { continue };
        made += 1;
        if found != wanted {
            stale.push(nth);
        }
    }
    assert!(made > 15, "{made} deliveries were made");
    stale
}

/// The content is chosen by a log that was read before, and the record of the delivery follows a newer one, in which
/// another version, or document, had been stored before anything was asked.
#[test]
fn a_following_delivery_is_of_the_log_that_its_record_follows() {
    let on_case: ScopeOf = |document| document.case().into();
    let cases: [(ScopeOf, Change, &[&[u8]]); 3] = [
        (Scope::from, Change::AnotherVersion, &[b"new"]),
        (on_case, Change::AnotherVersion, &[b"new"]),
        (on_case, Change::AnotherDocument, &[b"new", b"old"]),
    ];
    for (scope_of, change, wanted) in cases {
        let stale = block_on(stale(scope_of, change, wanted));
        assert!(stale.is_empty(), "{change:?}: what had been was delivered, without the answers {stale:?}");
    }
}
