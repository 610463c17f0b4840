//! Changes of the keyring that others have overtaken leave no keyring.

use super::*;
use docvault::{Error, SlotId};

/// A vault with a spare slot, and the two keys.
async fn with_a_spare() -> (Arc<MemoryStorage>, Session, SlotId, TempDir) {
    let storage = Arc::new(MemoryStorage::default());
    let (vault, folder) = vault_on(storage.clone()).await;
    let desk = vault.session("a").purpose("p").begin().unwrap();
    desk.create_case("c").await.unwrap();
    let slot = desk.add_slot(&LocalKey::create(folder.path().join("spare")).unwrap(), "spare").await.unwrap();
    (storage, desk, slot, folder)
}

async fn another(storage: Arc<dyn Storage>, of: &Session, folder: &TempDir) -> Session {
    let key = LocalKey::load(folder.path().join("key")).unwrap();
    let vault = Vault::open(storage, key, &of.vault().pin()).await.unwrap();
    vault.session("b").purpose("q").begin().unwrap()
}

/// What comes of a rotation of the epoch before whose call of this number another process removes a slot, its own or the
/// spare; none if it has fewer.
async fn rotated(nth: usize, own: bool) -> Option<Result<u64, Error>> {
    let (storage, desk, spare, folder) = with_a_spare().await;
    let place = Arc::new(Interrupted::new(storage.clone()));
    let other = another(place.clone(), &desk, &folder).await;
    let slots = desk.vault().slots().await.unwrap().into_iter().map(|slot| slot.id);
    let slot = if own { slots.into_iter().find(|slot| *slot != spare).unwrap() } else { spare };
    let remover = desk.clone();
    place.interrupt_at(nth, move || block_on(remover.remove_slot(slot)).unwrap());
    let rotated = other.rotate_epoch().await;
    place.interrupted()?;
    let left = storage.list("keyring/", None, 10).await.unwrap();
    assert_eq!(left.len(), 1, "{nth}: {rotated:?}");
    Some(rotated)
}

/// The keyring that was to be has the removed slot; a process whose own it was is locked out.
#[test]
fn a_keyring_that_another_change_overtook_does_not_stay() {
    block_on(async {
        for (own, refusal) in [(false, ErrorKind::Denied), (true, ErrorKind::Locked)] {
            let (mut calls, mut refused) = (0, 0);
            while let Some(rotated) = rotated(calls, own).await {
                let told = rotated.map_err(|error| error.kind());
                assert!(told == Ok(1) || told == Err(refusal), "{calls}: {told:?}");
                refused += usize::from(told.is_err());
                calls += 1;
            }
            assert!(refused > 3, "{refused} of {calls}");
        }
    });
}

/// Others were quicker, as often as they were.
#[test]
fn a_keyring_that_is_replaced_whenever_it_is_read_is_not_corrupt() {
    block_on(async {
        for (times, outcome) in [(1, Ok(())), (2, Ok(())), (5, Ok(())), (100, Err(ErrorKind::Contended))] {
            let (storage, desk, _, folder) = with_a_spare().await;
            let place = Arc::new(Interrupted::new(storage.clone()));
            let behind = another(place.clone(), &desk, &folder).await;
            desk.rotate_signing_keys().await.unwrap();
            let mut left = times;
            place.interrupt(move |call, name| {
                if call == Call::Read && name.starts_with("keyring/") {
                    block_on(desk.rotate_signing_keys()).unwrap();
                    left -= 1;
                }
                left == 0
            });
            let changed = behind.rotate_signing_keys().await.map_err(|error| error.kind());
            assert_eq!(changed, outcome, "{times}");
        }
    });
}

#[test]
fn a_keyring_that_was_not_to_be_and_stays_is_told_of() {
    block_on(async {
        let (storage, desk, slot, folder) = with_a_spare().await;
        let keeping = Through(Keeping { objects: storage.clone(), ..Keeping::default() });
        let place = Arc::new(Interrupted::new(Arc::new(keeping)));
        let behind = another(place.clone(), &desk, &folder).await;
        let remover = desk.clone();
        place.interrupt(move |call, name| {
            let puts = call == Call::Create && name.starts_with("keyring/");
            puts && block_on(remover.remove_slot(slot)).map(|()| true).unwrap()
        });
        let told = behind.remove_slot(slot).await.unwrap_err();
        assert_eq!(told.kind(), ErrorKind::Denied, "the other removed it, and the last slot stays");
        assert!(told.to_string().contains("was not deleted"), "{told}");
        assert_eq!(storage.list("keyring/", None, 10).await.unwrap().len(), 2);
        desk.rotate_signing_keys().await.unwrap();
        assert_eq!(storage.list("keyring/", None, 10).await.unwrap().len(), 1);
    });
}
