use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_lite::future::block_on;

use super::*;
use crate::{
    ledger::forgery::{Forger, VAULT, folded::with_another_record_behind, genesis, key, lying::Lying},
    log::{leaf::Kind, manifest::Manifest, merkle::Frontier},
};

/// It opens by its tiles, which prove a tree for the pin and for the change of keys, and no other record.
#[test]
fn what_is_verified_is_the_tree_of_the_records_that_are_walked() {
    for (altered, refused) in [(None, None), (Some(40), Some(ErrorKind::Corrupt))] {
        let verified = block_on(async {
            let (storage, pin) = with_another_record_behind(altered).await;
            let reader = LogReader::open(storage, &pin).await.expect("it opens");
            let from_the_first = reader.verify_from_genesis(&mut |_, _| {}).await.map(drop);
            (reader.verify(&pin).await.map(|verified| verified.freshness), from_the_first)
        });
        let (by_pin, from_the_first) = verified;
        assert_eq!(by_pin.as_ref().err().map(Error::kind), refused);
        assert!(by_pin.is_err() || by_pin.is_ok_and(|fresh| fresh == Freshness::FreshByPin));
        assert_eq!(from_the_first.err().map(|error| error.kind()), refused);
    }
}

/// A reader of this log, by a pin of its end, and what it is told to look at: the first record is shown as `theirs` is, once
/// or for good.
async fn told_of_another(mut log: Forger, theirs: &Forger, once: bool) -> (LogReader, Arc<AtomicBool>) {
    log.grow(3, &key(1));
    let (name, bytes) = theirs.objects.first().expect("genesis").clone();
    let looks = Arc::new(AtomicBool::new(false));
    let shown = looks.clone();
    let lying = Lying::about(log.stored().await).reading(move |_, read| {
        let lies = *read == name && shown.fetch_and(!once, Ordering::SeqCst);
        lies.then(|| Ok(Some(bytes.clone())))
    });
    (LogReader::open(Arc::new(lying), &log.state.pin()).await.expect("it opens"), looks)
}

/// A first record that the key of number 1 signs, of which this number's key signs deliveries.
fn stating(delivery: u8) -> Bytes {
    let [commit, delivery, checkpoint] = [1, delivery, 201].map(|number| key(number).verifying_key());
    Statement { commit, delivery, checkpoint, origin: statement::origin(VAULT) }.encode()
}

/// By who has the first epoch's key, which may be superseded, and shows another first record to whoever looks first.
#[test]
fn what_the_first_record_states_is_of_the_record_that_is_walked() {
    let theirs = Forger::begun_with(1, stating(50));
    for (lies, refused) in [(false, None), (true, Some(ErrorKind::Corrupt))] {
        block_on(async {
            let (reader, looks) = told_of_another(Forger::new(), &theirs, true).await;
            looks.store(lies, Ordering::SeqCst);
            let verified = verify_all(&reader.pages, &reader.state, &mut |_, _| {}).await;
            let delivery = verified.map(|(_, stated)| stated.delivery);
            assert_eq!(delivery.as_ref().err().map(Error::kind), refused);
            assert!(delivery.is_err() || delivery.is_ok_and(|stated| stated == key(101).verifying_key()));
        });
    }
}

/// A log of one's own making, down to a first record that is about another vault, whose name it would sign under.
#[test]
fn a_log_whose_first_record_is_another_vaults_states_nothing() {
    let elsewhere = VaultId::from_bytes([2; 16]);
    let statement = || genesis(1, elsewhere);
    let theirs = Forger::begun_as(elsewhere, elsewhere, 1, statement());
    for (lies, once) in [(false, false), (true, false), (true, true)] {
        block_on(async {
            let log = Forger::begun_as(VAULT, elsewhere, 1, statement());
            let (reader, looks) = told_of_another(log, &theirs, once).await;
            looks.store(lies, Ordering::SeqCst);
            let key = reader.checkpoint_key().await.map(drop);
            looks.store(lies, Ordering::SeqCst);
            let verified = reader.verify_from_genesis(&mut |_, _| {}).await.map(drop);
            let kinds = [key, verified].map(|told| told.err().map(|error| error.kind()));
            assert_eq!(kinds, [Some(ErrorKind::Corrupt); 2], "{lies}, {once}");
        });
    }
}

/// What a pin says of the key is looked at where the log goes on. At its own head, it may say what it likes.
#[test]
fn the_key_that_a_pin_says_is_the_one_that_the_log_states() {
    let mut log = Forger::new();
    log.grow(3, &key(1));
    log.add(Kind::SigningKeys, 2, &key(1));
    for (number, refused) in [(2, None), (7, Some(ErrorKind::Corrupt))] {
        log.state.log_key.key = key(number).verifying_key();
        let verified = block_on(async {
            let reader = LogReader::open(log.stored().await, &log.state.pin()).await.expect("it opens");
            reader.verify_from_genesis(&mut |_, _| {}).await
        });
        assert_eq!(verified.err().map(|error| error.kind()), refused, "{number}");
    }
}

#[test]
fn a_manifest_of_another_tree_is_found_where_tiles_are_compared() {
    block_on(async {
        let (storage, pin) = with_another_record_behind(None).await;
        let reader = LogReader::open(storage, &pin).await.expect("it opens");
        reader.check_tiles(&mut |_, _| {}).await.expect("whole");
        let covered = reader.state.manifest.covered();
        let frontier = Frontier::from_roots(covered, vec![[5; 32]]).expect("one tree");
        let manifest = Manifest { frontier, ..(*reader.state.manifest).clone() };
        let mut state = (*reader.state).clone();
        state.manifest = Arc::new(manifest);
        let altered = LogReader::of(&reader.pages, Arc::new(state));
        let found = altered.check_tiles(&mut |_, _| {}).await.expect_err("another tree");
        assert_eq!(found.kind(), ErrorKind::Corrupt);
    });
}
