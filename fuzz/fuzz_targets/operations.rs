//! Operations on a vault whose storage fails by a seed: what was acknowledged stays, the log verifies.
#![no_main]

use std::sync::{Arc, OnceLock};

use docvault::{
    NewDocument, NoSleep, Vault, VaultOptions,
    keys::LocalKey,
    storage::{MemoryStorage, testing::FaultyStorage},
};
use futures_lite::future::block_on;

/// A fresh vault, made once.
fn template() -> &'static (MemoryStorage, docvault::Pin, tempfile::TempDir) {
    static TEMPLATE: OnceLock<(MemoryStorage, docvault::Pin, tempfile::TempDir)> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let key = LocalKey::create(folder.path().join("key")).unwrap();
        let storage = Arc::new(MemoryStorage::default());
        let vault = block_on(Vault::create(storage.clone(), key)).unwrap();
        (storage.snapshot(), vault.pin(), folder)
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((seed, script)) = data.split_first_chunk::<8>() else { return };
    let (objects, pin, folder) = template();
    let objects = Arc::new(objects.snapshot());
    let key = || Arc::new(LocalKey::load(folder.path().join("key")).unwrap());
    let options = || VaultOptions::default().sleeper(NoSleep::default());
    block_on(async {
        let faulty = Arc::new(FaultyStorage::seeded(objects.clone(), u64::from_be_bytes(*seed), 8));
        let mut stored = Vec::new();
        let mut cases = Vec::new();
        if let Ok(vault) = Vault::open_with(faulty.clone(), key(), pin, options()).await {
            let desk = vault.session("a").purpose("p").begin().unwrap();
            for operation in script.iter().take(24) {
                let case = cases.get(usize::from(operation >> 3) % cases.len().max(1)).copied();
                match (operation & 7, case) {
                    (0 | 1, _) | (_, None) => cases.extend(desk.create_case("case").await),
                    (2 | 3, Some(case)) => {
                        let content = vec![*operation; usize::from(*operation)];
                        if let Ok(done) = desk.store(case, NewDocument::named("x"), content.clone()).await {
                            stored.push((done.document, content));
                        }
                    }
                    (4, Some(case)) => drop(desk.close_case(case, "r").await),
                    (5, Some(case)) => drop(desk.reopen_case(case, "r").await),
                    (6, _) => drop(desk.rotate_epoch().await),
                    _ => drop(desk.collect_garbage().await),
                }
            }
        }
        faulty.land().await.unwrap();
        let vault = Vault::open_with(objects, key(), pin, options()).await.unwrap();
        vault.audit().verify_from_genesis().await.unwrap();
        let desk = vault.session("b").purpose("q").begin().unwrap();
        for (document, content) in stored {
            assert_eq!(desk.retrieve(document).await.unwrap(), content);
        }
        for case in cases {
            desk.describe_case(case).await.unwrap();
        }
    });
});
