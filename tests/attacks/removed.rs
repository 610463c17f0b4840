//! Who was let in once, and is no more.

use std::sync::Arc;

use docvault::{ErrorKind, NewDocument, Session, Terms, Vault, VaultOptions, storage::Storage};

use super::toolkit::*;
use crate::common::block_on;

#[test]
fn share_key_reinsert() {
    block_on(async {
        let world = World::new().await;
        let stored = world.store("x", b"content".to_vec()).await;
        let slot = world.desk.add_slot(&recovery(), "colleague").await.unwrap();
        let grant = {
            let to = recipient(&identity(1));
            world.desk.grant(stored.document, &to, Terms::read().purpose("p").following()).await.unwrap()
        };
        let before = objects(&*world.storage, "").await;
        let colleague = Arc::new(recovery());
        let pin = world.vault.pin();
        assert!(Vault::open_with(world.storage.clone(), colleague.clone(), &pin, options()).await.is_ok());
        world.desk.remove_slot(slot).await.unwrap();
        world.desk.rotate_epoch().await.unwrap();
        world.desk.revoke(grant).await.unwrap();
        // Storage puts back everything that was deleted since, the old keyring and case key among it.
        let evil = world.evil();
        for (key, bytes) in before {
            evil.create(&key, bytes).await.unwrap();
        }
        let opened = Vault::open_with(evil.clone(), colleague.clone(), &world.vault.pin(), options()).await;
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::Locked);
        let unpinned = Vault::open_unpinned(evil.clone(), colleague, VaultOptions::default()).await;
        assert_eq!(unpinned.unwrap_err().kind(), ErrorKind::Locked);
        let desk = session(&world.open(evil.clone()).await.unwrap());
        assert_eq!(desk.deliver(grant).await.unwrap_err().kind(), ErrorKind::Denied);
        assert_eq!(desk.vault().slots().await.unwrap().len(), 1);
        assert_eq!(desk.retrieve(stored.document).await.unwrap(), b"content".as_slice());
    });
}

/// They have the vault open, and with it the keyring of before with all its keys.
#[test]
fn a_colleague_who_was_removed_lets_nobody_in_again() {
    block_on(async {
        let world = World::new().await;
        let owners = world.vault.slots().await.unwrap()[0].id;
        let slot = world.desk.add_slot(&recovery(), "colleague").await.unwrap();
        let (key, pin) = (Arc::new(recovery()), world.vault.pin());
        let vault = Vault::open_with(world.storage.clone(), key.clone(), &pin, options()).await.unwrap();
        let colleague = session(&vault);
        // While they are let in, all of it is theirs to do.
        let slot = colleague.rotate_root(slot, &recovery()).await.unwrap();
        let friend = colleague.add_slot(&recovery(), "friend").await.unwrap();
        colleague.remove_slot(friend).await.unwrap();
        assert_eq!(granted_and_stored(&world, &colleague).await, [None, None]);

        let shown_before = Arc::new(world.storage.snapshot());
        world.desk.remove_slot(slot).await.unwrap();
        let on_record = objects(&*world.storage, "log/").await;
        let keyrings = objects(&*world.storage, "keyring/").await;
        for _ in 0..2 {
            let locked = Some(ErrorKind::Locked);
            assert_eq!(granted_and_stored(&world, &colleague).await, [locked, locked]);
            let again = colleague.add_slot(&recovery(), "again").await.unwrap_err();
            let owner = colleague.rotate_root(owners, &recovery()).await.unwrap_err();
            assert_eq!([again.kind(), owner.kind()], [ErrorKind::Locked; 2]);
        }
        assert_eq!(objects(&*world.storage, "log/").await, on_record, "nothing of it");
        assert_eq!(objects(&*world.storage, "keyring/").await, keyrings);

        // A storage that shows them the log of before has them go on there, and nobody else.
        let vault = Vault::open_with(shown_before.clone(), key, &pin, options()).await.unwrap();
        assert_eq!(granted_and_stored(&world, &session(&vault)).await, [None, None]);
        assert_eq!(world.open(shown_before).await.unwrap_err().kind(), ErrorKind::Forked);
    });
}

/// Why a grant and a document in the world's case are refused; none if they are not.
async fn granted_and_stored(world: &World, desk: &Session) -> [Option<ErrorKind>; 2] {
    let granted = desk.grant(world.case, &recipient(&identity(1)), Terms::read().purpose("p")).await;
    let stored = desk.store(world.case, NewDocument::named("x"), b"x".to_vec()).await;
    [granted.err(), stored.err()].map(|refused| refused.map(|error| error.kind()))
}
