//! An erasure whose objects cannot be deleted: it stands, and is told of as what the storage refused.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use docvault::{
    Pin, PinStore,
    storage::{StorageError, StorageErrorKind},
};

use super::*;
use crate::common::around::{Around, Through};

/// Deletes nothing, and keeps no pin, while it is told to refuse.
#[derive(Debug, Default)]
struct Refusing {
    objects: MemoryStorage,
    deletions: AtomicBool,
    pins: AtomicBool,
}

fn unless(refused: &AtomicBool) -> Result<(), StorageError> {
    if refused.load(Ordering::SeqCst) {
        return Err(StorageError::new(StorageErrorKind::Denied, "refused"));
    }
    Ok(())
}

#[async_trait]
impl Around for Refusing {
    fn objects(&self) -> &dyn Storage {
        &self.objects
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        unless(&self.deletions)?;
        self.objects.delete(key).await
    }
}

#[derive(Debug)]
struct Pins(Arc<Through<Refusing>>);

#[async_trait]
impl PinStore for Pins {
    async fn load(&self) -> Result<Option<Pin>, Error> {
        Ok(None)
    }

    async fn save(&self, _: &Pin) -> Result<(), Error> {
        Ok(unless(&self.0.pins)?)
    }
}

#[test]
fn an_erasure_whose_objects_stay_stands_and_says_that_the_storage_failed() {
    block_on(async {
        for unsaved in [false, true] {
            let (place, folder) = (Arc::new(Through::<Refusing>::default()), tempfile::tempdir().unwrap());
            let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
            let options = VaultOptions::default().pin_store(Pins(place.clone()));
            let vault = Vault::create_with(place.clone(), key, options).await.unwrap();
            let desk = vault.session("a").purpose("p").begin().unwrap();
            let (case, stored) = stored(&desk, "c", b"content").await;
            desk.close_case(case, "done").await.unwrap();
            place.deletions.store(true, Ordering::SeqCst);
            place.pins.store(unsaved, Ordering::SeqCst);
            let told = desk.erase_case(case).await.unwrap_err();
            assert_eq!((told.kind(), told.storage()), (ErrorKind::Storage, Some(StorageErrorKind::Denied)));
            assert_eq!(told.to_string().contains("the pin was not saved"), unsaved, "{told}");
            place.pins.store(false, Ordering::SeqCst);
            assert_eq!(desk.erasure(case).await.unwrap().level, ErasureLevel::Unfinished);
            assert_eq!(kind(desk.erase_case(case).await), ErrorKind::Erased);
            assert_eq!(kind(desk.retrieve(stored.document).await), ErrorKind::Erased);
            place.deletions.store(false, Ordering::SeqCst);
            assert_eq!(desk.collect_garbage().await.unwrap().objects_deleted, 3);
            assert_eq!(desk.erasure(case).await.unwrap().level, ErasureLevel::Deleted);
        }
    });
}
