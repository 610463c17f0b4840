//! A crash at every storage call of an erasure.

use super::*;

/// Erased is erased, and what is left of it goes; not erased is whole.
async fn check_erasure(template: &Template, storage: Arc<MemoryStorage>, acknowledged: bool) -> ErasureLevel {
    let (case, document) = (template.case, template.document);
    let vault = template.open(storage.clone(), "old", &template.pin).await.unwrap();
    let desk = vault.session("b").purpose("q").begin().unwrap();
    let Ok(erasure) = desk.erasure(case).await else {
        assert!(!acknowledged && desk.describe_case(case).await.unwrap().closed);
        assert_eq!(desk.retrieve(document).await.unwrap(), b"first".as_slice());
        return desk.erase_case(case).await.unwrap().level;
    };
    assert_eq!(desk.retrieve(document).await.unwrap_err().kind(), ErrorKind::Erased);
    assert_eq!(desk.reopen_case(case, "no").await.unwrap_err().kind(), ErrorKind::Erased);
    assert_eq!(desk.erase_case(case).await.unwrap_err().kind(), ErrorKind::Erased);
    assert!(desk.cases(None).await.unwrap().cases.iter().all(|listed| listed.erased));
    let left = objects_of(&*storage, case).await.len();
    assert_eq!(erasure.level == ErasureLevel::Unfinished, left > 0);
    assert!(!acknowledged || left == 0);
    assert_eq!(desk.collect_garbage().await.unwrap().objects_deleted, left as u64);
    assert_eq!(desk.erasure(case).await.unwrap().level, ErasureLevel::Deleted);
    assert!(objects_of(&*storage, case).await.is_empty());
    desk.rotate_epoch().await.unwrap();
    assert_eq!(desk.erasure(case).await.unwrap().level, ErasureLevel::EpochRotated);
    vault.audit().verify_from_genesis().await.unwrap();
    erasure.level
}

#[test]
fn a_crash_at_any_storage_call_of_an_erasure_leaves_a_case_whole_or_erased() {
    block_on(async {
        let mut template = Template::new().await;
        let storage = Arc::new(template.objects.snapshot());
        let vault = template.open(storage.clone(), "old", &template.pin).await.unwrap();
        let desk = vault.session("a").purpose("p").begin().unwrap();
        desk.store(template.case, NewDocument::named("large"), vec![7; (8 << 20) + 5]).await.unwrap();
        desk.close_case(template.case, "done").await.unwrap();
        (template.objects, template.pin) = (storage.snapshot(), vault.pin());
        let (mut crashes, mut unfinished) = (0, 0);
        for nth in 0.. {
            let storage = Arc::new(CrashStorage::new(&template.objects, nth));
            let run = match template.open(storage.clone(), "old", &template.pin).await {
                Ok(vault) => {
                    vault.session("a").purpose("p").begin().unwrap().erase_case(template.case).await.map(drop)
                }
                Err(error) => Err(error),
            };
            if !storage.crashed() {
                run.unwrap();
                break;
            }
            crashes += 1;
            for in_flight in InFlight::BOTH {
                let found = Arc::new(storage.recover(in_flight).await.unwrap());
                let level = check_erasure(&template, found, run.is_ok()).await;
                unfinished += u32::from(level == ErasureLevel::Unfinished);
            }
        }
        println!("{crashes} storage calls crashed at, {unfinished} erasures left unfinished");
        assert!(crashes > 10 && unfinished > 5);
    });
}
