//! A root key in the wrong hands: who has opened a keyring can write themselves into the next.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use docvault::{ErrorKind, Terms, Vault, keys::LocalKey};

use super::toolkit::*;
use crate::{common::block_on, interrupted::Interrupted};

/// A rekeying before whose call of this number the thief adds one more slot: whether that was still possible; none if it has
/// fewer calls.
async fn rekeyed(nth: usize) -> Option<bool> {
    let world = World::new().await;
    let stored = world.store("x", b"content".to_vec()).await;
    world.desk.add_slot(&recovery(), "a colleague's, whose laptop was stolen").await.unwrap();
    let pin = world.vault.pin();
    let thiefs =
        Vault::open_with(world.storage.clone(), Arc::new(recovery()), &pin, options()).await.unwrap();
    let thief = session(&thiefs);
    let own = world.folder.path().join("thief's");
    thief.add_slot(&LocalKey::create(&own).unwrap(), "office").await.unwrap();

    let place = Arc::new(Interrupted::new(world.storage.clone()));
    let owner = session(&world.open(place.clone()).await.unwrap());
    let again = thief.clone();
    let added_again = Arc::new(AtomicBool::new(false));
    let done = added_again.clone();
    place.interrupt_at(nth, move || {
        done.store(block_on(again.add_slot(&recovery(), "again")).is_ok(), Ordering::SeqCst);
    });
    let fresh = world.folder.path().join("fresh");
    owner.rekey(&LocalKey::create(&fresh).unwrap(), "office").await.unwrap();
    place.interrupted()?;

    let pin = owner.vault().pin();
    assert_eq!(pin.to_string().split(' ').nth(2), Some("2"), "the log is signed by fresh keys");
    let stolen: [Arc<dyn docvault::keys::KeyWrap>; 2] =
        [Arc::new(recovery()), Arc::new(LocalKey::load(&own).unwrap())];
    for key in stolen {
        let opened = Vault::open_with(world.storage.clone(), key, &pin, options()).await;
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::Locked, "{nth}");
    }
    let added = thief.add_slot(&recovery(), "once more").await.unwrap_err();
    let granted =
        thief.grant(world.case, &recipient(&identity(1)), Terms::read().purpose("p")).await.unwrap_err();
    assert_eq!([added.kind(), granted.kind()], [ErrorKind::Locked; 2], "{nth}");

    let key = Arc::new(LocalKey::load(&fresh).unwrap());
    let vault = Vault::open_with(world.storage.clone(), key, &pin, options()).await.unwrap();
    let slots = vault.slots().await.unwrap();
    assert!(slots.len() == 1 && slots[0].label == "office", "{nth}: {slots:?}");
    assert_eq!(objects(&*world.storage, "keyring/").await.len(), 1, "{nth}");
    vault.audit().verify_from_genesis().await.unwrap();
    let desk = session(&vault);
    desk.add_slot(&recovery(), "the colleague's new one").await.unwrap();
    assert_eq!(desk.rotate_epoch().await.unwrap(), 1);
    assert_eq!(desk.retrieve(stored.document).await.unwrap(), b"content".as_slice());
    Some(added_again.load(Ordering::SeqCst))
}

/// Taking the leaked slot away leaves those that the thief has added; replacing all at once, with the keys that sign the
/// log, leaves none, whenever the thief adds another.
#[test]
fn who_has_a_leaked_root_key_is_shut_out_at_once() {
    block_on(async {
        let (mut calls, mut added) = (0, 0);
        while let Some(again) = rekeyed(calls).await {
            calls += 1;
            added += usize::from(again);
        }
        assert!(calls > 6 && added > 0, "{calls} {added}");
    });
}
