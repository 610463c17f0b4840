//! A destination whose listings lag.

use super::*;

/// An erasure is carried out once, and each copy looks after it.
#[test]
fn a_key_that_a_listing_left_out_goes_and_one_that_is_brought_back_too() {
    block_on(async {
        let source = source().await;
        let desk = desk(&source.vault);
        let gone = desk.create_case("gone").await.unwrap();
        let key: ObjectKey = format!("key/{gone}/00000001").parse().unwrap();
        let place = Arc::new(MemoryStorage::default());
        let lagging = Arc::new(EvilStorage::over(place.clone()));
        lagging.unlist(&key);
        source.vault.copy_to(lagging.clone()).await.unwrap();
        let wrap = place.read(&key, None).await.unwrap().unwrap();
        desk.close_case(gone, "done").await.unwrap();
        desk.erase_case(gone).await.unwrap();
        assert_eq!(source.vault.copy_to(lagging).await.unwrap().erased_cases, 1);
        assert_eq!(place.read(&key, None).await.unwrap(), None);
        // Neither of the newest two commits tells of the erasure any more.
        grow(&desk, source.case, source.vault.pin().size() + 20).await;
        place.create(&key, wrap).await.unwrap();
        assert_eq!(source.vault.copy_to(place.clone()).await.unwrap().deleted, 1);
        assert_eq!(place.read(&key, None).await.unwrap(), None);
        assert_eq!(keys(&*place, "key/").await, keys(&*source.storage, "key/").await);
    });
}
