//! What an erasure is worth against caches and backups.

use super::*;

/// Puts back whatever `backup` has of a case.
async fn restore(backup: &MemoryStorage, storage: &MemoryStorage, case: CaseId) {
    for key in objects_of(backup, case).await {
        let bytes = backup.read(&key, None).await.unwrap().unwrap();
        storage.create(&key, bytes).await.unwrap();
    }
}

/// P22: a key in the cache of a process is no way around what the log says.
#[test]
fn p22_an_erased_case_is_never_served_from_cache() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let (case, stored) = stored(&desk, "c", b"content").await;
        let key = || LocalKey::load(folder.path().join("key")).unwrap();
        let mut others = Vec::new();
        for _ in 0..4 {
            let other = Vault::open(storage.clone(), key(), &vault.pin()).await.unwrap();
            let other = other.session("b").purpose("q").begin().unwrap();
            other.retrieve(stored.document).await.unwrap();
            // Now it keeps the version as opened, too.
            other.retrieve_range(stored.document, 0..3).await.unwrap();
            others.push(other);
        }
        desk.close_case(case, "done").await.unwrap();
        let backup = storage.snapshot();
        desk.erase_case(case).await.unwrap();
        // It does not know yet, and what it looks for is missing.
        assert_eq!(kind(others[0].retrieve(stored.document).await), ErrorKind::Erased);
        // It does not know yet, and the storage shows everything as before.
        restore(&backup, &storage, case).await;
        assert_eq!(kind(others[1].retrieve(stored.document).await), ErrorKind::Erased);
        assert_eq!(kind(others[3].retrieve_range(stored.document, 0..3).await), ErrorKind::Erased);
        assert_eq!(kind(others[3].retrieve_range(stored.document, 3..5).await), ErrorKind::Erased);
        // It has heard of it, and the storage shows everything as before; also many folds later.
        others[2].vault().sync().await.unwrap();
        assert_eq!(kind(others[2].describe(stored.document).await), ErrorKind::Erased);
        // No plan stands in the way of a listing or of a record: the key itself must not be had.
        let listed = others[2].cases(None).await.unwrap().cases.remove(0);
        assert!(listed.erased && listed.title.is_empty());
        let opened = others[2].open_record(stored.seq).await.unwrap();
        assert!(matches!(opened.personal, Personal::Erased { .. }));
        for _ in 0..8 {
            let all = (0..100).map(|_| others[2].cases(None));
            futures_util::future::try_join_all(all).await.unwrap();
        }
        assert_eq!(kind(others[2].retrieve(stored.document).await), ErrorKind::Erased);
        assert_eq!(
            kind(others[2].store(case, NewDocument::named("x"), b"y".to_vec()).await),
            ErrorKind::Erased
        );
    });
}

/// A35: crypto-shredding undone by a backup.
#[test]
fn erased_from_old_backup() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let (case, stored) = stored(&desk, "c", b"content").await;
        let (other, kept) = self::stored(&desk, "other", b"other").await;
        desk.close_case(case, "done").await.unwrap();
        let backup = storage.snapshot();
        assert_eq!(desk.erase_case(case).await.unwrap().level, ErasureLevel::Deleted);

        // Its objects come back from a backup: the log still says that they are nothing, and the report
        // that they are there.
        restore(&backup, &storage, case).await;
        assert_eq!(desk.erasure(case).await.unwrap().level, ErasureLevel::Unfinished);
        let key = || LocalKey::load(folder.path().join("key")).unwrap();
        let again = Vault::open(storage.clone(), key(), &vault.pin()).await.unwrap();
        let again = again.session("b").purpose("q").begin().unwrap();
        assert_eq!(kind(again.retrieve(stored.document).await), ErrorKind::Erased);
        let deleted = again.collect_garbage().await.unwrap().objects_deleted;
        assert_eq!((deleted, again.erasure(case).await.unwrap().level), (3, ErasureLevel::Deleted));

        // One case is left to wrap anew. From here on no copy of the key opens under the keyring.
        vault.sync().await.unwrap();
        assert_eq!(desk.rotate_epoch().await.unwrap(), 1);
        restore(&backup, &storage, case).await;
        assert_eq!(desk.erasure(case).await.unwrap().level, ErasureLevel::EpochRotated);
        assert_eq!(kind(desk.retrieve(stored.document).await), ErrorKind::Erased);
        assert_eq!(desk.retrieve(kept.document).await.unwrap(), b"other".as_slice());
        assert_eq!(desk.describe_case(other).await.unwrap().title, "other");

        // What no level promises: the whole old copy, and a root key that opens its keyring.
        let old = Vault::open_unpinned(Arc::new(backup.snapshot()), Arc::new(key()), VaultOptions::default());
        let old = old.await.unwrap().session("thief").purpose("t").begin().unwrap();
        assert_eq!(old.retrieve(stored.document).await.unwrap(), b"content".as_slice());
        // Replacing the root key, and destroying the old one, ends that; the pin refuses the copy at once.
        assert_eq!(kind(Vault::open(backup.snapshot(), key(), &vault.pin()).await), ErrorKind::RolledBack);
        let slot = vault.slots().await.unwrap()[0].id;
        desk.rotate_root(slot, &LocalKey::create(folder.path().join("new")).unwrap()).await.unwrap();
        let new = LocalKey::load(folder.path().join("new")).unwrap();
        let old = Vault::open_unpinned(Arc::new(backup), Arc::new(new), VaultOptions::default()).await;
        assert_eq!(kind(old), ErrorKind::Locked);
    });
}

#[test]
fn an_erasure_after_the_newest_rotation_is_not_called_rotated() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, _kept) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let (case, _) = stored(&desk, "c", b"content").await;
        desk.close_case(case, "done").await.unwrap();
        assert_eq!(desk.rotate_epoch().await.unwrap(), 1);
        assert_eq!(desk.erase_case(case).await.unwrap().level, ErasureLevel::Deleted);
        assert_eq!(desk.erasure(case).await.unwrap().level, ErasureLevel::Deleted);
        assert_eq!(desk.rotate_epoch().await.unwrap(), 0);
        assert_eq!(desk.erasure(case).await.unwrap().level, ErasureLevel::EpochRotated);
    });
}
