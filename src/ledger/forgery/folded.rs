//! Logs whose start is folded: of what it covers, the tree is what the manifest says.

use core::sync::atomic::{AtomicUsize, Ordering};

use super::{lying::Lying, *};
use crate::{env::NoSleep, ledger::fold::fold, log::manifest::FOLD, pin::Pin, storage::layout};

/// The log as its fold takes it, with another record in the tree where `altered` is.
pub(super) fn told(log: &Forger, altered: Option<u64>) -> State {
    let mut state = State::empty(VAULT, LogKey::first(key(1).verifying_key()));
    for (_, bytes) in &log.objects {
        let mut records = Commit::parse(VAULT, bytes).expect("sealed").leaves;
        let other = records.iter_mut().find(|record| Some(record.leaf.seq) == altered);
        other.into_iter().for_each(|record| record.hash = [5; 32]);
        let after = state.frontier.followed_by(records.iter().map(|record| record.hash));
        state.append(records, after);
    }
    state
}

/// A log that a fold can take, of 30 records of the first key behind Genesis and all others of the second; and a pin from
/// just before the key was changed.
pub(super) fn rotated() -> (Forger, Pin) {
    let mut log = Forger::new();
    log.grow(30, &key(1));
    let early = log.state.pin();
    log.add(Kind::SigningKeys, 2, &key(1));
    while log.state.head.size < FOLD {
        log.add(Kind::Read, 3, &key(2));
    }
    (log, early)
}

/// What a storage shows of the log, with an index of it by who has the key of epoch 2.
async fn folded(log: &Forger, altered: Option<u64>) -> Pages {
    Pages::new(stored(log, altered, altered, &key(2)).await.0)
}

/// The same, and the name of its last commit, which claims the tree of `claims`.
pub(super) async fn stored(
    log: &Forger,
    altered: Option<u64>,
    claims: Option<u64>,
    signer: &SigningKey,
) -> (Arc<MemoryStorage>, ObjectKey) {
    let state = told(log, altered);
    let (storage, operation) = (log.stored().await, OperationId::from_bytes([9; 16]));
    let pages = Pages::new(storage.clone());
    let (manifest, digest) = fold(&state, &pages, &NoSleep).await.expect("memory");
    let (case, object, auxiliary) =
        (CaseId::from_bytes([0; 16]), [0; 16], padded(&manifest.covered().to_be_bytes()));
    let leaf = Leaf { case, object, auxiliary, operation, effect: [0; 32], ..log.leaf(Kind::Index, 0) };
    let record = Hashed::new(Leaf { state_root: digest, ..leaf });
    let entries = vec![Entry { record, body: Bytes::from_static(b"body") }];
    let (before, recent) = (&told(log, claims).frontier, state.recent(1));
    let draft = Draft { vault: VAULT, before, recent: &recent, entries, nonce: [9; 16] };
    let sealed = draft.seal(signer).expect("one entry");
    storage.create(&sealed.key, sealed.bytes).await.expect("memory");
    (storage, sealed.key)
}

/// Who has the new key alone can keep the commit that states it, and what the chain is before it, under another tree. If
/// one commit is gone, the tree is all that a reader from before has; if none is, the tree that all of them make.
#[test]
fn a_change_of_keys_is_of_the_tree_that_the_old_key_signed() {
    let mut log = Forger::new();
    let early = log.trusted();
    log.grow(3, &key(1));
    log.add(Kind::SigningKeys, 2, &key(1));
    while log.state.head.size < FOLD {
        log.add(Kind::Read, 3, &key(2));
    }
    let (gone, _) = log.objects.get(100).expect("added").clone();
    for (altered, refused) in [(None, None), (Some(2), Some(ErrorKind::Corrupt))] {
        for lost in [Some(&gone), None] {
            let found = block_on(async {
                let pages = folded(&log, altered).await;
                if let Some(lost) = lost {
                    pages.storage().delete(lost).await.expect("memory");
                }
                load(&early, &pages).await
            });
            let found = found.map(|state| state.expect("a log").head.size);
            assert_eq!(found.map_err(|error| error.kind()).err(), refused, "{altered:?}, without {lost:?}");
        }
    }
}

/// Behind a pin whose own tree no tile shows any more, the log is walked from its first record.
#[test]
fn a_log_that_lost_its_tiles_opens_by_every_commit_and_a_false_tree_of_it_does_not() {
    let (log, early) = rotated();
    let early = Trusted::from(&early);
    let elsewhere = Trusted { root: [7; 32], ..early };
    for (pin, altered, refused) in [
        (early, None, None),
        (early, Some(2), Some(ErrorKind::Corrupt)),
        (early, Some(40), Some(ErrorKind::Corrupt)),
        (elsewhere, None, Some(ErrorKind::Forked)),
    ] {
        for lost in [layout::TILES, "tile/00/"] {
            let found = block_on(async {
                let pages = folded(&log, altered).await;
                for tile in pages.storage().list(lost, None, 100).await.expect("memory") {
                    pages.storage().delete(&tile).await.expect("memory");
                }
                load(&pin, &pages).await
            });
            let found = found.map(|state| state.expect("a log").head.size);
            assert_eq!(found.map_err(|error| error.kind()).err(), refused, "{altered:?}, without {lost}");
        }
    }
}

/// Shows another object under a name at the first look, or never if there were looks before; and no tile.
fn two_faced(objects: Arc<MemoryStorage>, name: ObjectKey, first: Bytes, looks: usize) -> Lying {
    let looks = AtomicUsize::new(looks);
    Lying::about(objects).reading(move |_, key| {
        if *key == name && looks.fetch_add(1, Ordering::Relaxed) == 0 {
            return Some(Ok(Some(first.clone())));
        }
        key.as_str().starts_with(layout::TILES).then_some(Ok(None))
    })
}

/// Whoever runs the storage has no key of the log, but one of their own that their own first record states.
#[test]
fn a_first_record_that_is_shown_once_makes_nobody_a_signer() {
    let mut log = Forger::new();
    log.grow(30, &key(1));
    let early = log.trusted();
    while log.state.head.size < FOLD {
        log.add(Kind::Read, 3, &key(1));
    }
    let (name, theirs) = Forger::begun_with(9, genesis(9, VAULT)).objects.remove(0);
    for (signer, refused) in [(9, Some(ErrorKind::Corrupt)), (1, None)] {
        let found = block_on(async {
            let (objects, _) = stored(&log, None, None, &key(signer)).await;
            // An honest first commit is shown at once.
            let looks = usize::from(refused.is_none());
            let shown = two_faced(objects, name.clone(), theirs.clone(), looks);
            load(&early, &Pages::new(Arc::new(shown))).await
        });
        let found = found.map(|state| state.expect("a log").head.size);
        assert_eq!(found.map_err(|error| error.kind()).err(), refused, "signed by {signer}");
    }
}

/// The same, where the pin's own commit is signed by that key, too: a signature is in no leaf. The walk arrives at the pin's
/// head and tree, and what it would go on with is another key than the pin's.
#[test]
fn a_first_record_that_is_shown_once_leads_to_no_other_key_at_the_pin() {
    for (signer, refused) in [(9, Some(ErrorKind::Corrupt)), (1, None)] {
        let mut log = Forger::new();
        log.grow(29, &key(1));
        log.add(Kind::Read, 29, &key(signer));
        let early = log.trusted();
        while log.state.head.size < FOLD {
            log.add(Kind::Read, 3, &key(1));
        }
        let (name, theirs) = Forger::begun_with(9, genesis(9, VAULT)).objects.remove(0);
        let found = block_on(async {
            let (objects, _) = stored(&log, None, None, &key(signer)).await;
            let looks = usize::from(refused.is_none());
            load(&early, &Pages::new(Arc::new(two_faced(objects, name, theirs, looks)))).await
        });
        let found = found.map(|state| state.expect("a log").head.size);
        assert_eq!(found.map_err(|error| error.kind()).err(), refused, "signed by {signer}");
    }
}

/// Neither root nor nonce is in a leaf: who has the newest key signs one record twice, under the tree that its manifest
/// tells and under the true one, and the storage shows the former to who opens, and the latter to who walks.
#[test]
fn a_last_commit_that_is_shown_with_two_roots_opens_with_neither() {
    let (log, early) = rotated();
    let early = Trusted::from(&early);
    for (altered, refused) in [(None, None), (Some(2), Some(ErrorKind::Corrupt))] {
        let found = block_on(async {
            let (told, name) = stored(&log, altered, altered, &key(2)).await;
            let (objects, again) = stored(&log, altered, None, &key(2)).await;
            assert_eq!(again, name);
            let first = told.read(&name, None).await.expect("memory").expect("sealed");
            let shown = two_faced(objects, name, first, 0);
            load(&early, &Pages::new(Arc::new(shown))).await
        });
        let found = found.map(|state| state.expect("a log").head.size);
        assert_eq!(found.map_err(|error| error.kind()).err(), refused);
    }
}

/// A log, and a pin of its start, whose head claims a tree in which another record stands behind a change of keys: whoever
/// has the newest key can sign that, and tiles that go with it.
pub(crate) async fn with_another_record_behind(altered: Option<u64>) -> (Arc<MemoryStorage>, Pin) {
    let (log, early) = rotated();
    (stored(&log, altered, altered, &key(2)).await.0, early)
}
