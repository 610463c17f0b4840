//! What is answered about a case that was erased, to those who had it open as well.

use super::*;

/// A case that was erased, and everything that was under way about it.
struct Erased {
    storage: Arc<MemoryStorage>,
    desk: Session,
    case: CaseId,
    stored: Stored,
    recipient: Recipient,
    grant: GrantId,
    readers: [Reader; 2],
    deliveries: [Delivery; 2],
    upload: Upload,
    erasure: Erasure,
    _folders: [TempDir; 2],
}

async fn erased() -> Erased {
    let storage = Arc::new(MemoryStorage::default());
    let (vault, kept) = vault_on(storage.clone()).await;
    let desk = vault.session("a").purpose("p").begin().unwrap();
    let (case, stored) = stored(&desk, "Juan Pérez", b"small").await;
    let large = desk.store(case, NewDocument::named("large"), vec![7; 9 << 20]).await.unwrap();
    let better = NewDocument::named("x");
    desk.store_version(stored.document, better, "better", b"smaller".to_vec()).await.unwrap();
    let (notary, file) = identity();
    let recipient = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
    let grant = desk.grant(case, &recipient, Terms::read().purpose("p")).await.unwrap();
    let mut readers =
        [desk.reader(large.document).await.unwrap(), desk.reader(stored.document).await.unwrap()];
    readers[0].next().await.unwrap().unwrap();
    // What the second gives is in a head, and so in memory: no object is missed there.
    let one = desk.grant(stored.document, &recipient, Terms::read().purpose("p")).await.unwrap();
    let deliveries = [desk.deliver(grant).await.unwrap(), desk.deliver(one).await.unwrap()];
    let mut upload = desk.upload(case, NewDocument::named("late")).await.unwrap();
    upload.write(&vec![1; 9 << 20]).await.unwrap();
    desk.close_case(case, "done").await.unwrap();

    let before = objects_of(&*storage, case).await.len();
    let erasure = desk.erase_case(case).await.unwrap();
    assert_eq!((erasure.case, erasure.level), (case, ErasureLevel::Deleted));
    assert_eq!((usize::try_from(erasure.objects_deleted).unwrap(), before), (before, 10));
    assert!(objects_of(&*storage, case).await.is_empty());
    let _folders = [kept, file];
    Erased { storage, desk, case, stored, recipient, grant, readers, deliveries, upload, erasure, _folders }
}

#[test]
fn nothing_is_done_about_an_erased_case() {
    block_on(async {
        let Erased { storage, desk, case, stored, recipient, grant, upload, erasure, _folders, .. } =
            erased().await;
        let (document, new) = (stored.document, || NewDocument::named("y"));
        let token = upload.token().unwrap();
        let answers = [
            kind(desk.store(case, new(), b"y".to_vec()).await),
            kind(desk.store_version(document, new(), "why", b"y".to_vec()).await),
            kind(desk.upload(case, new()).await),
            kind(desk.upload_version(document, new(), "why").await),
            kind(desk.resume_upload(&token).await),
            kind(upload.finish().await),
            kind(desk.grant(case, &recipient, Terms::read().purpose("p")).await),
            kind(desk.grant(document, &recipient, Terms::read().purpose("p")).await),
            kind(desk.deliver(grant).await),
            kind(desk.revoke(grant).await),
            kind(desk.close_case(case, "again").await),
            kind(desk.reopen_case(case, "again").await),
            kind(desk.erase_case(case).await),
        ];
        assert_eq!(answers, [ErrorKind::Erased; 13]);
        // The upload that finished too late left parts and a head behind. They go, and without a record.
        assert_eq!(desk.erasure(case).await.unwrap().level, ErasureLevel::Unfinished);
        assert_eq!(desk.collect_garbage().await.unwrap().objects_deleted, 2);
        assert!(objects_of(&*storage, case).await.is_empty());
        desk.vault().audit().verify_from_genesis().await.unwrap();
        let records = desk.auditor().records(&RecordFilter::all().case(case)).await.unwrap();
        assert_eq!(records.last().map(|last| (last.seq, last.kind)), Some((erasure.seq, Kind::CaseErased)));
    });
}

#[test]
fn nothing_of_an_erased_case_is_released() {
    block_on(async {
        let Erased { desk, case, stored, readers, deliveries, _folders, .. } = erased().await;
        let (document, [mut large, inline], [all, one]) = (stored.document, readers, deliveries);
        let answers = [
            kind(desk.retrieve(document).await),
            kind(desk.retrieve_range(document, 0..1).await),
            kind(desk.reader(document).await),
            kind(desk.reader_of(document, stored.version).await),
            kind(desk.describe(document).await),
            kind(desk.history(document).await),
            kind(desk.who_can_open(document).await),
            kind(desk.documents(case, None).await),
            kind(desk.describe_case(case).await),
            kind(large.next().await),
            kind(large.next().await),
            kind(inline.range(0..1).await),
            kind(all.collect().await),
            kind(one.collect().await),
        ];
        assert_eq!(answers, [ErrorKind::Erased; 14]);
    });
}

#[test]
fn an_erased_case_is_listed_without_a_name_and_the_others_are_as_before() {
    block_on(async {
        let Erased { desk, case, erasure, _folders, .. } = erased().await;
        let (other, kept) = stored(&desk, "other", b"other").await;
        let cases = desk.cases(None).await.unwrap().cases;
        let listed = cases.iter().find(|listed| listed.id == case).unwrap();
        assert!(listed.erased && listed.closed && listed.title.is_empty() && listed.attributes.is_empty());
        assert_eq!(listed.changed, erasure.time);
        assert!(cases.iter().any(|listed| listed.id == other && !listed.erased && listed.title == "other"));
        assert_eq!(desk.retrieve(kept.document).await.unwrap(), b"other".as_slice());
        assert_eq!(desk.erasure(case).await.unwrap().seq, erasure.seq);
    });
}
