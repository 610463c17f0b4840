//! Another vault in the place of this one.

use std::sync::Arc;

use docvault::{ErrorKind, Freshness, Pin, Vault, storage::MemoryStorage};

use super::toolkit::*;
use crate::common::block_on;

#[test]
fn vault_substitution() {
    block_on(async {
        let (mine, other) = (World::new().await, World::new().await);
        let pin = mine.vault.pin();
        let storage = Arc::new(MemoryStorage::default());
        let twin = Vault::create_with(storage.clone(), mine.key(), options()).await.unwrap();
        assert_ne!(twin.id(), mine.vault.id());
        // Another vault of the same owner, opened by the same key: an empty one, as it is when documents are first put
        // in, one of as many records, one of more.
        for size in [1, pin.size(), pin.size() + 3] {
            while twin.pin().size() < size {
                session(&twin).create_case("case").await.unwrap();
            }
            let swapped = mine.open_at(storage.clone(), &pin).await.unwrap_err();
            assert_eq!(swapped.kind(), ErrorKind::Corrupt, "{size} records");
            // Nothing but the pin refuses it.
            let unpinned = Vault::open_unpinned(storage.clone(), mine.key(), options()).await.unwrap();
            assert_eq!((unpinned.pin(), unpinned.freshness()), (twin.pin(), Freshness::Unverified));
            assert_eq!(mine.open_at(storage.clone(), &twin.pin()).await.unwrap().id(), twin.id());
        }
        let swapped = mine.open_at(other.storage.clone(), &pin).await.unwrap_err();
        assert_eq!(swapped.kind(), ErrorKind::Corrupt);
        let empty = Arc::new(MemoryStorage::default());
        assert_eq!(mine.open_at(empty, &pin).await.unwrap_err().kind(), ErrorKind::NotFound);
        // Unpinned, another owner's vault is opened by no key of one's own.
        let theirs = Vault::open_unpinned(other.storage.clone(), mine.key(), options()).await;
        assert_eq!(theirs.unwrap_err().kind(), ErrorKind::Locked);
    });
}

#[test]
fn a_pin_with_one_field_of_another_vaults_opens_nothing() {
    block_on(async {
        let (mine, other) = (World::new().await, World::new().await);
        other.desk.rotate_signing_keys().await.unwrap();
        let texts = [&mine, &other].map(|world| world.vault.pin().to_string());
        let [honest, theirs] = texts.each_ref().map(|pin| pin.split(' ').collect::<Vec<_>>());
        let refused = [
            ("vault", ErrorKind::Corrupt),
            ("signing epoch", ErrorKind::Corrupt),
            ("commit key", ErrorKind::Corrupt),
            ("size", ErrorKind::RolledBack),
            ("newest leaf hash", ErrorKind::Forked),
            ("root", ErrorKind::Forked),
        ];
        assert_eq!(honest.len(), refused.len() + 1);
        for (at, (field, kind)) in (1..).zip(refused) {
            let mut mixed = honest.clone();
            mixed[at] = theirs[at];
            assert_ne!(mixed, honest, "{field}");
            let told = used(&mine, &mixed.join(" ").parse().unwrap()).await.unwrap_err();
            assert_eq!(told.kind(), kind, "{field}");
        }
        used(&mine, &mine.vault.pin()).await.unwrap();
    });
}

/// Opens a vault by this pin and looks at its case: an epoch too many tells when a record is to be signed.
async fn used(world: &World, pin: &Pin) -> docvault::Result<()> {
    let vault = world.open_at(world.storage.clone(), pin).await?;
    session(&vault).describe_case(world.case).await.map(drop)
}
