//! Clocks that are wrong, one's own or another writer's.

use core::time::Duration;

use docvault::{ErrorKind, NewDocument, RecordFilter, Terms, Timestamp, Vault, VaultOptions};

use super::toolkit::*;
use crate::common::block_on;

const MINUTE: u64 = 60 * 1000;
const DAY: u64 = 24 * 60 * MINUTE;

#[test]
fn clock_regression_refused() {
    block_on(async {
        let hands = Hands::at(100 * DAY);
        let options = VaultOptions::default().clock(hands.clone()).upload_expiry(Duration::from_millis(DAY));
        let world = World::with(options).await;
        let stored = world.store("x", b"one".to_vec()).await;
        let notary = recipient(&identity(1));
        let terms = Terms::read().purpose("p").until(Timestamp::from_millis(101 * DAY));
        let grant = world.desk.grant(stored.document, &notary, terms.clone()).await.unwrap();
        let until = |millis| terms.clone().until(Timestamp::from_millis(millis));
        let last = 102 * DAY - 2 * MINUTE;
        let late = world.desk.grant(stored.document, &notary, until(last)).await.unwrap();
        let mut abandoned = world.desk.upload(world.case, NewDocument::named("y")).await.unwrap();
        abandoned.write(&vec![7; 9 << 20]).await.unwrap();
        drop(abandoned);
        world.desk.deliver(grant).await.unwrap();
        // The grant has ended; its holder turns the clock back to have it delivered once more.
        hands.set(102 * DAY);
        assert_eq!(world.desk.deliver(grant).await.unwrap_err().kind(), ErrorKind::Denied);
        world.store("x", b"two".to_vec()).await;
        for back in [100 * DAY, 102 * DAY - 6 * MINUTE, 0] {
            hands.set(back);
            assert_eq!(world.desk.deliver(grant).await.unwrap_err().kind(), ErrorKind::Denied);
            let new = world.desk.grant(stored.document, &notary, terms.clone()).await;
            assert_eq!(new.unwrap_err().kind(), ErrorKind::Invalid);
        }
        // However far back: the log's time decides, for it is later. By this clock alone the grant that
        // ended two minutes before has two minutes left, or days.
        for back in [102 * DAY - 4 * MINUTE, 102 * DAY - 6 * MINUTE, 0] {
            hands.set(back);
            let ended = world.desk.deliver(late).await.unwrap_err();
            assert_eq!(ended.kind(), ErrorKind::Denied);
            assert!(ended.to_string().contains("ended at"), "{ended}");
            let new = world.desk.grant(stored.document, &notary, until(last)).await.unwrap_err();
            assert_eq!(new.kind(), ErrorKind::Invalid);
        }
        // What begins by the own clock begins later by one that was turned back.
        let tomorrow = until(104 * DAY).not_before(Timestamp::from_millis(103 * DAY));
        hands.set(102 * DAY);
        let tomorrow = world.desk.grant(stored.document, &notary, tomorrow).await.unwrap();
        for early in [0, 102 * DAY, 103 * DAY - 1] {
            hands.set(early);
            let begins = world.desk.deliver(tomorrow).await.unwrap_err();
            assert!(begins.to_string().contains("begins at"), "{begins}");
        }
        // What does not depend on time goes on, and the log's time never goes back.
        hands.set(0);
        world.store("x", b"three".to_vec()).await;
        let records = session(&world.vault).auditor().records(&RecordFilter::all()).await.unwrap();
        assert!(records.is_sorted_by_key(|record| record.time));
        assert!(records.last().unwrap().time >= Timestamp::from_millis(102 * DAY));
        // By the log's time the upload has expired, but that may be another's clock: only the own one gives it up.
        for (now, parts) in [(0, 1), (101 * DAY - 1, 1), (102 * DAY, 0)] {
            hands.set(now);
            world.desk.collect_garbage().await.unwrap();
            assert_eq!(objects(&*world.storage, "part/").await.len(), parts, "{now}");
        }
        world.vault.audit().verify_from_genesis().await.unwrap();
    });
}

/// A colleague's clock is a year ahead, once. What they wrote stands, and the log's time with it; nobody
/// is kept from anything but from delivering by grants that end before it.
#[test]
fn fast_clock_poisons_nothing() {
    block_on(async {
        let hands = Hands::at(100 * DAY);
        let world = World::with(VaultOptions::default().clock(hands.clone())).await;
        let desk = &world.desk;
        let stored = world.store("x", b"one".to_vec()).await;
        let notary = recipient(&identity(1));
        let until = |days: u64| Terms::read().purpose("p").until(Timestamp::from_millis(days * DAY));
        let lasting = desk.grant(stored.document, &notary, until(500)).await.unwrap();
        let endless = Terms::read().purpose("p");
        let endless = desk.grant(stored.document, &notary, endless).await.unwrap();
        let over = desk.grant(stored.document, &notary, until(200)).await.unwrap();
        let mut running = desk.deliver(lasting).await.unwrap();
        running.next().await.unwrap().unwrap();
        let fast = options().clock(Hands::at(465 * DAY));
        let fast =
            Vault::open_with(world.storage.clone(), world.key(), &world.vault.pin(), fast).await.unwrap();
        let colleague = session(&fast);
        let theirs = colleague.store(world.case, NewDocument::named("y"), b"two".to_vec()).await.unwrap();
        colleague.collect_garbage().await.unwrap();
        assert_eq!(colleague.deliver(over).await.unwrap_err().kind(), ErrorKind::Denied, "ended, they think");
        // Everybody else reads, stores, browses, closes, reopens, rotates and verifies.
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
        // They deliver, and what runs goes on; they grant and revoke.
        while running.next().await.unwrap().is_some() {}
        for grant in [lasting, endless] {
            assert!(desk.deliver(grant).await.is_ok());
        }
        let new = desk.grant(third.document, &notary, until(466)).await.unwrap();
        assert!(desk.deliver(new).await.is_ok());
        desk.revoke(new).await.unwrap();
        // What ends before the log's time is over. The error tells both clocks, and what to do.
        let ended = desk.deliver(over).await.unwrap_err();
        assert_eq!(ended.kind(), ErrorKind::Denied);
        let short = desk.grant(third.document, &notary, until(465)).await.unwrap_err();
        assert_eq!(short.kind(), ErrorKind::Invalid);
        for told in [ended, short].map(|error| error.to_string()) {
            assert!(told.contains("by the log's time, which is 1971-04-11"), "{told}");
            assert!(told.contains("this machine's, 1970-04-11") && told.contains("ends later"), "{told}");
        }
        assert_eq!(desk.retrieve(fourth.document).await.unwrap(), b"four".as_slice());
    });
}

/// Uploads are given up by the own clock, neither sooner nor later for what another's was.
#[test]
fn fast_clock_gives_nothing_up_for_others() {
    block_on(async {
        let hands = Hands::at(100 * DAY);
        let world = World::with(options().clock(hands.clone())).await;
        let desk = &world.desk;
        let stored = world.store("x", b"one".to_vec()).await;
        let mut abandoned = desk.upload(world.case, NewDocument::named("y")).await.unwrap();
        abandoned.write(&vec![7; 9 << 20]).await.unwrap();
        drop(abandoned);
        let fast = options().clock(Hands::at(465 * DAY));
        let fast =
            Vault::open_with(world.storage.clone(), world.key(), &world.vault.pin(), fast).await.unwrap();
        session(&fast).describe_case(world.case).await.unwrap();
        // Eight hours before the upload expires, and when it does.
        hands.set(107 * DAY - DAY / 3);
        let report = desk.collect_garbage().await.unwrap();
        assert_eq!((report.kept, report.condemned, report.objects_deleted), (1, 0, 0));
        hands.set(107 * DAY);
        let report = desk.collect_garbage().await.unwrap();
        assert_eq!((report.kept, report.condemned, report.objects_deleted), (0, 1, 1));
        // Theirs never takes what was committed.
        session(&fast).collect_garbage().await.unwrap();
        assert_eq!(desk.retrieve(stored.document).await.unwrap(), b"one".as_slice());
    });
}

/// No clock is later than the last instant there is: from then on, grants end when they are revoked.
#[test]
fn a_clock_at_the_end_of_time_leaves_grants_without_end() {
    block_on(async {
        let world = World::with(options().clock(Hands::at(100 * DAY))).await;
        let stored = world.store("x", b"one".to_vec()).await;
        let last = options().clock(Hands::at(u64::MAX));
        let last =
            Vault::open_with(world.storage.clone(), world.key(), &world.vault.pin(), last).await.unwrap();
        session(&last).describe_case(world.case).await.unwrap();
        let (desk, notary) = (&world.desk, recipient(&identity(1)));
        let ends = Terms::read().purpose("p").until(Timestamp::from_millis(u64::MAX - 1));
        let ended = desk.grant(stored.document, &notary, ends).await.unwrap_err();
        assert_eq!(ended.kind(), ErrorKind::Invalid);
        let grant = desk.grant(stored.document, &notary, Terms::read().purpose("p")).await.unwrap();
        assert!(desk.deliver(grant).await.is_ok());
        assert!(session(&last).deliver(grant).await.is_ok());
        desk.revoke(grant).await.unwrap();
        assert_eq!(desk.deliver(grant).await.unwrap_err().kind(), ErrorKind::Denied);
        world.vault.audit().verify_from_genesis().await.unwrap();
    });
}
