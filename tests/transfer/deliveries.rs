//! Deliveries: how long they go on, and in which order they are read.

use std::sync::Arc;

use docvault::{
    Clock, DocumentId, ErrorKind, GrantId, Identity, NewDocument, Recipient, Secret, Session, Terms,
    Timestamp, Vault, VaultOptions, keys::LocalKey, storage::MemoryStorage,
};
use futures_lite::future::block_on;

use crate::{PART, desk, message};

/// A clock that stands still.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }
}

fn notary() -> Identity {
    Identity::from_seed(Secret::copy_from(&[7; 32]).unwrap())
}

async fn granted(desk: &Session, document: DocumentId) -> GrantId {
    let notary = notary();
    let recipient = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
    desk.grant(document, &recipient, Terms::read().purpose("p")).await.unwrap()
}

/// Sessions of two processes.
async fn two_processes() -> [Session; 2] {
    let storage = Arc::new(MemoryStorage::default());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let (key, options) =
        (Arc::new(LocalKey::create(&path).unwrap()), || VaultOptions::default().clock(Still));
    let one = Vault::create_with(storage.clone(), key, options()).await.unwrap();
    let key = Arc::new(LocalKey::load(&path).unwrap());
    let other = Vault::open_with(storage, key, &one.pin(), options()).await.unwrap();
    [one, other].map(|vault| vault.session("a").purpose("p").begin().unwrap())
}

/// However fast it goes: another process has revoked the grant.
#[test]
fn a_delivery_that_is_revoked_ends_after_64_mib_though_no_time_passes() {
    block_on(async {
        let [desk, other] = two_processes().await;
        let case = desk.create_case("c").await.unwrap();
        let stored = desk.store(case, NewDocument::named("x"), message(9 * PART)).await.unwrap();
        let grant = granted(&desk, stored.document).await;
        let mut delivery = desk.deliver(grant).await.unwrap();
        other.revoke(grant).await.unwrap();
        let mut given = 0;
        let ended = loop {
            match delivery.next().await {
                Ok(piece) => given += piece.unwrap().len(),
                Err(ended) => break ended,
            }
        };
        assert_eq!(ended.kind(), ErrorKind::Denied, "{ended}");
        assert!((8 * PART..9 * PART).contains(&given), "{given}");
    });
}

#[test]
fn a_document_is_read_to_its_end_before_the_next() {
    block_on(async {
        let (_, desk, case) = desk().await;
        let stored = desk.store(case, NewDocument::named("x"), message(PART + 9)).await.unwrap();
        let grant = granted(&desk, stored.document).await;
        let sealed = desk.deliver(grant).await.unwrap().collect().await.unwrap();
        for parts in 0..=2 {
            let notary = notary();
            let mut opened = notary.open(&sealed[..], &desk.vault().sender()).unwrap();
            let mut document = opened.next_document().unwrap().unwrap();
            for _ in 0..parts {
                assert!(document.next_part().unwrap().is_some());
            }
            drop(document);
            for _ in 0..2 {
                let refused = opened.next_document().map(|next| next.is_some()).map_err(|error| error.kind());
                let expected = if parts == 2 { Ok(false) } else { Err(ErrorKind::Invalid) };
                assert_eq!(refused, expected, "{parts}");
            }
        }
    });
}
