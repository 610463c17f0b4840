//! Clocks that are wrong, one's own or another writer's.

use docvault::{ErrorKind, NewDocument, RecordFilter, Terms, Timestamp, Vault, VaultOptions};

use super::toolkit::*;
use crate::common::block_on;

const MINUTE: u64 = 60 * 1000;
const DAY: u64 = 24 * 60 * MINUTE;

#[test]
fn clock_regression_refused() {
    block_on(async {
        let hands = Hands::at(100 * DAY);
        let world = World::with(VaultOptions::default().clock(hands.clone())).await;
        let stored = world.store("x", b"one".to_vec()).await;
        let notary = recipient(&identity(1));
        let terms = Terms::read().purpose("p").until(Timestamp::from_millis(101 * DAY));
        let grant = world.desk.grant(stored.document, &notary, terms.clone()).await.unwrap();
        let until = |millis| terms.clone().until(Timestamp::from_millis(millis));
        let last = 102 * DAY - 2 * MINUTE;
        let late = world.desk.grant(stored.document, &notary, until(last)).await.unwrap();
        let abandoned = world.desk.upload(world.case, NewDocument::named("y")).await.unwrap();
        world.desk.deliver(grant).await.unwrap();
        // The grant has ended; its holder turns the clock back to have it delivered once more.
        hands.set(102 * DAY);
        assert_eq!(world.desk.deliver(grant).await.unwrap_err().kind(), ErrorKind::Denied);
        world.store("x", b"two".to_vec()).await;
        for back in [100 * DAY, 102 * DAY - 6 * MINUTE, 0] {
            hands.set(back);
            assert_eq!(world.desk.deliver(grant).await.unwrap_err().kind(), ErrorKind::Denied);
            let new = world.desk.grant(stored.document, &notary, terms.clone()).await;
            assert!(matches!(new.unwrap_err().kind(), ErrorKind::Denied | ErrorKind::Invalid));
        }
        // Within the five minutes that clocks may differ the log's time decides, for it is later: by this clock
        // alone the grant that ended two minutes before has two minutes left.
        hands.set(102 * DAY - 4 * MINUTE);
        let ended = world.desk.deliver(late).await.unwrap_err();
        assert_eq!(ended.kind(), ErrorKind::Denied);
        assert!(ended.to_string().contains("ended at"), "{ended}");
        let new = world.desk.grant(stored.document, &notary, until(last)).await;
        assert!(matches!(new.unwrap_err().kind(), ErrorKind::Denied | ErrorKind::Invalid));
        // What does not depend on time goes on, and the log's time never goes back.
        hands.set(0);
        world.store("x", b"three".to_vec()).await;
        let records = session(&world.vault).auditor().records(&RecordFilter::all()).await.unwrap();
        assert!(records.is_sorted_by_key(|record| record.time));
        assert!(records.last().unwrap().time >= Timestamp::from_millis(102 * DAY));
        // Nothing is given up by a clock that the log contradicts.
        let report = world.desk.collect_garbage().await.unwrap();
        assert_eq!((report.condemned, report.objects_deleted), (0, 0));
        drop(abandoned);
        world.vault.audit().verify_from_genesis().await.unwrap();
    });
}

#[test]
fn fast_clock_poisons_nothing() {
    block_on(async {
        let hands = Hands::at(100 * DAY);
        let world = World::with(VaultOptions::default().clock(hands.clone())).await;
        let stored = world.store("x", b"one".to_vec()).await;
        let notary = recipient(&identity(1));
        let terms = Terms::read().purpose("p").until(Timestamp::from_millis(200 * DAY));
        let lasting = world.desk.grant(stored.document, &notary, terms).await.unwrap();
        // A colleague's clock is a year ahead, and they work and collect garbage.
        let fast = options().clock(Hands::at(465 * DAY));
        let fast =
            Vault::open_with(world.storage.clone(), world.key(), &world.vault.pin(), fast).await.unwrap();
        let colleague = session(&fast);
        let theirs = colleague.store(world.case, NewDocument::named("y"), b"two".to_vec()).await.unwrap();
        colleague.collect_garbage().await.unwrap();
        assert_eq!(
            colleague.deliver(lasting).await.unwrap_err().kind(),
            ErrorKind::Denied,
            "ended, they think"
        );
        // Everybody else reads, stores, browses, closes, reopens, revokes and verifies.
        let desk = &world.desk;
        assert_eq!(desk.retrieve(theirs.document).await.unwrap(), b"two".as_slice());
        assert_eq!(desk.retrieve(stored.document).await.unwrap(), b"one".as_slice());
        let third = world.store("z", b"three".to_vec()).await;
        let mut upload = desk.upload(world.case, NewDocument::named("u")).await.unwrap();
        upload.write(b"four").await.unwrap();
        let fourth = upload.finish().await.unwrap();
        desk.close_case(world.case, "r").await.unwrap();
        desk.reopen_case(world.case, "r").await.unwrap();
        desk.rotate_epoch().await.unwrap();
        assert_eq!(desk.documents(world.case, None).await.unwrap().documents.len(), 4);
        world.vault.audit().verify_from_genesis().await.unwrap();
        // Nothing that depends on time is decided until the clocks agree: neither that the grant has
        // ended nor that it has not, and nothing is given up.
        let waiting = desk.deliver(lasting).await.unwrap_err();
        assert_eq!(waiting.kind(), ErrorKind::Denied);
        assert!(waiting.to_string().contains("until they agree"), "{waiting}");
        let report = desk.collect_garbage().await.unwrap();
        assert_eq!((report.condemned, report.objects_deleted), (0, 0));
        // Then everything goes on. A grant that lasts longer than the error is delivered.
        hands.set(465 * DAY);
        let terms = Terms::read().purpose("p").until(Timestamp::from_millis(500 * DAY));
        let grant = desk.grant(third.document, &notary, terms).await.unwrap();
        assert!(desk.deliver(grant).await.is_ok());
        desk.revoke(lasting).await.unwrap();
        assert_eq!(desk.retrieve(fourth.document).await.unwrap(), b"four".as_slice());
    });
}
