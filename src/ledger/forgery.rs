//! Logs made by who holds signing keys and means to deceive, down to the last byte.

mod ends;
mod first;
pub(crate) mod folded;
mod forger;
pub(crate) mod lying;
mod tail;

use std::sync::Arc;

use bytes::Bytes;
use futures_lite::future::block_on;

pub(crate) use forger::{Forger, VAULT, genesis, key};

use super::{
    authentic::Trusted,
    lookup::Pages,
    open::load,
    state::State,
    verify::{Signatures, Verified, walk},
};
use crate::{
    crypto::sign::SigningKey,
    env::Timestamp,
    error::{ErrorKind, Result},
    ids::{CaseId, OperationId, VaultId},
    log::{
        commit::{Commit, Draft, Entry, Hashed, body_commitment},
        leaf::{BodyForm, Kind, Leaf, padded},
        merkle::Frontier,
        signing::LogKey,
        statement::{Statement, origin},
    },
    secret::Secret,
    storage::{MemoryStorage, ObjectKey, Storage},
};

/// immudb's "linear fake": states 2, 3 and 5 are shown, and then 2 with another record in it, by a
/// tree that leaves the chain aside.
#[test]
fn linear_tail_fake() {
    let mut log = Forger::new();
    let mut pins = vec![log.trusted()];
    for mark in 1..6 {
        log.add(Kind::Read, mark, &key(1));
        pins.push(log.trusted());
    }
    for trusted in &pins {
        assert_eq!(log.seen_from(trusted).expect("the honest log").head.size, 6);
    }
    // The same chain; the last commit's root is over a tree in which one inner record is another.
    for altered in 1..5u64 {
        let mut fake = Forger::new();
        let mut tree = Frontier::default();
        tree.push(fake.state.head.hash);
        for mark in 1..5u8 {
            fake.add(Kind::Read, mark, &key(1));
            let other = Hashed::new(Leaf { effect: [8; 32], ..fake.leaf(Kind::Read, mark) }).hash;
            tree.push(if u64::from(mark) == altered { other } else { fake.state.head.hash });
        }
        fake.add_to(Kind::Read, 5, &key(1), &tree);
        for trusted in pins.iter().take(5) {
            assert_eq!(fake.refused_from(trusted), ErrorKind::Corrupt, "record {altered}");
        }
    }
    // Their sequence, by one reader who keeps what it has verified: shown 2, 3 and 5 records, it does not go back to 2, be it
    // the honest ones or with another second record, nor on from there.
    let mut kept = log.up_to(2).seen_from(pins.first().expect("genesis")).expect("2");
    for size in [3, 5] {
        kept = log.up_to(size).seen_from(&Trusted::from(&kept.pin())).expect("goes on");
        assert_eq!(kept.head.size, u64::try_from(size).expect("small"));
    }
    let trusted = Trusted::from(&kept.pin());
    assert_eq!(log.up_to(2).refused_from(&trusted), ErrorKind::RolledBack);
    let mut again = Forger::new();
    again.add(Kind::Read, 99, &key(1));
    assert_eq!(again.refused_from(&trusted), ErrorKind::RolledBack, "as if nothing had been shown");
    again.grow(3, &key(1));
    assert_eq!(again.refused_from(&trusted), ErrorKind::Forked, "5 again");
    again.grow(3, &key(1));
    assert_eq!(again.refused_from(&trusted), ErrorKind::Forked, "more than 5");
    // A chain that does continue from the altered record contradicts every pin behind it.
    let mut other = Forger::new();
    other.add(Kind::Read, 1, &key(1));
    other.add(Kind::Read, 99, &key(1));
    other.grow(5, &key(1));
    for (at, trusted) in pins.iter().enumerate() {
        let seen = other.seen_from(trusted);
        assert_eq!(seen.is_ok(), at < 2, "pin {at}");
    }
}

#[test]
fn reseal_old_with_new_key() {
    for (before, after) in [(3, 3), (20, 40), (300, 300)] {
        let mut log = Forger::new();
        log.add(Kind::Read, 77, &key(1));
        let early = log.trusted();
        let honest_start = log.clone();
        (0..before).for_each(|_| log.add(Kind::Read, 1, &key(1)));
        log.add(Kind::SigningKeys, 2, &key(1));
        let changed = log.trusted();
        (0..after).for_each(|_| log.add(Kind::Read, 3, &key(2)));
        for trusted in [&early, &changed] {
            assert!(log.seen_from(trusted).is_ok(), "the honest log opens across the change");
        }
        // Who has the new key only writes everything behind the early pin anew, and signs it.
        for signer in [key(2), key(3)] {
            let mut fake = honest_start.clone();
            (0..before).for_each(|_| fake.add(Kind::Read, 66, &signer));
            fake.add(Kind::SigningKeys, 2, &signer);
            (0..after).for_each(|_| fake.add(Kind::Read, 3, &key(2)));
            assert_eq!(fake.refused_from(&early), ErrorKind::Corrupt);
        }
        // The change itself is the honest one, and the tree above it holds another record before it.
        let mut fake = log.clone();
        let mut tree = Frontier::default();
        for record in 0..log.state.head.size {
            let hash = fake.objects_hash(record);
            tree.push(if record == 2 { [5; 32] } else { hash });
        }
        fake.add_to(Kind::Read, 4, &key(2), &tree);
        assert_eq!(fake.refused_from(&early), ErrorKind::Corrupt);
        // Who has the old key only, stolen after it was replaced, contradicts a pin from after that.
        let mut fake = honest_start;
        (0..before + after + 10).for_each(|_| fake.add(Kind::Read, 66, &key(1)));
        assert!(matches!(fake.refused_from(&changed), ErrorKind::Forked | ErrorKind::Corrupt));
        assert!(fake.seen_from(&early).is_ok(), "which a pin from before it cannot tell");
    }
}

/// Whoever was removed keeps the seed that the keyring of before had, and would name a keyring of their own: that is what
/// keys are rotated for.
#[test]
fn a_superseded_seed_names_no_keyring_after_the_rotation() {
    let mut log = Forger::new();
    log.grow(3, &key(1));
    let before = log.trusted();
    let mut fake = log.clone();
    fake.add(Kind::Keyring, 9, &key(1));
    assert!(fake.seen_from(&before).is_ok(), "until then it is the vault's own");
    log.add(Kind::SigningKeys, 2, &key(1));
    let after = log.trusted();
    assert_eq!(fake.refused_from(&after), ErrorKind::Forked, "in the rotation's place");
    for behind in [0, 5] {
        log.grow(behind, &key(2));
        for epoch in [1, 2] {
            let mut fake = log.clone();
            fake.state.log_key.epoch = epoch;
            fake.add(Kind::Keyring, 9, &key(1));
            for trusted in [&before, &after] {
                assert_eq!(fake.refused_from(trusted), ErrorKind::Corrupt, "{behind} behind, epoch {epoch}");
            }
        }
    }
    log.add(Kind::Keyring, 9, &key(2));
    assert!(log.seen_from(&after).is_ok(), "the newest seed names one");
}

/// Records left out, from the inside and from the end, by who holds every key and signs what is left as if it were all; and
/// signing epochs in which nothing happened, which are as much a part of the log as any other.
#[test]
fn gaps_and_empty_epochs_are_noticed() {
    let mut log = Forger::new();
    let early = log.trusted();
    log.grow(3, &key(1));
    for epoch in 1..4 {
        log.add(Kind::SigningKeys, epoch, &key(epoch));
    }
    log.grow(3, &key(4));
    let newest = log.trusted();
    assert_eq!(log.seen_from(&early).expect("epochs 2 and 3 are empty").log_key.epoch, 4);
    // A commit left out, an empty epoch's among them.
    for left_out in 1..log.objects.len() - 1 {
        let mut fake = log.clone();
        fake.objects.remove(left_out);
        assert_eq!(fake.refused_from(&early), ErrorKind::Corrupt, "record {left_out}");
    }
    // Cut off behind or within the changes of keys: an older log to a pin from after that.
    for size in 1..log.objects.len() {
        let cut = log.up_to(size);
        assert_eq!(cut.refused_from(&newest), ErrorKind::RolledBack, "{size} records");
        assert!(cut.seen_from(&early).is_ok());
    }
    // Numbers that jump over records that are not there, and an epoch whose key was never stated.
    let mut jumped = log.clone();
    jumped.state.head.size += 1;
    jumped.add(Kind::Read, 7, &key(4));
    assert_eq!(jumped.refused_from(&newest), ErrorKind::Corrupt);
    for (epoch, signer) in [(5, key(5)), (5, key(4)), (3, key(3)), (3, key(4)), (4, key(3))] {
        let mut fake = log.clone();
        fake.state.log_key.epoch = epoch;
        fake.add(Kind::Read, 7, &signer);
        assert_eq!(fake.refused_from(&newest), ErrorKind::Corrupt, "epoch {epoch}");
        assert_eq!(fake.refused_from(&early), ErrorKind::Corrupt, "epoch {epoch}");
    }
}

/// A root that is signed and false, with true ones before and behind it: who comes from a pin has no tree to compare it with.
#[test]
fn a_false_root_within_is_found_by_who_begins_at_the_first_record() {
    let mut honest = Forger::new();
    honest.grow(3, &key(1));
    let (mut fake, mut tree) = (honest.clone(), Frontier::default());
    (0..honest.state.head.size).for_each(|_| tree.push([5; 32]));
    honest.add(Kind::Read, 9, &key(1));
    fake.add_to(Kind::Read, 9, &key(1), &tree);
    for (mut log, refused) in [(honest, false), (fake, true)] {
        let named = log.objects.last().expect("added").0.clone();
        log.grow(3, &key(1));
        for signatures in [Signatures::Each, Signatures::EndsOfEpochs] {
            let from = Verified::genesis(LogKey::first(key(1).verifying_key()));
            let walked = block_on(async {
                let storage = log.stored().await;
                walk(&*storage, VAULT, from, log.state.head, signatures, &mut |_: &_| Ok(())).await
            });
            let fault = walked.err().map(|fault| (fault.kind(), fault.to_string().contains(named.as_str())));
            assert_eq!(fault, refused.then_some((ErrorKind::Corrupt, true)), "{signatures:?}");
        }
    }
}

/// The chain binds a commit whose own signature is false, and the walk that checks each names it.
#[test]
fn a_false_signature_within_an_epoch_is_bound_by_the_chain_and_named_by_the_full_walk() {
    let mut log = Forger::new();
    let trusted = log.trusted();
    log.add(Kind::Read, 1, &key(1));
    let (name, _) = log.objects.get(1).expect("added").clone();
    log.add(Kind::Read, 2, &key(1));
    log.grow(5, &key(1));
    let mut fake = Forger::new();
    fake.add(Kind::Read, 1, &key(2));
    let (_, unsigned) = fake.objects.get(1).expect("added").clone();
    let mut other = Forger::new();
    other.add(Kind::Read, 99, &key(2));
    let (_, altered) = other.objects.get(1).expect("added").clone();
    for (bytes, bound) in [(unsigned, true), (altered, false)] {
        let mut shown = log.clone();
        shown.objects.get_mut(1).expect("added").1 = bytes;
        block_on(async {
            let storage = shown.stored().await;
            let from = Verified::trusted(trusted.size, trusted.head, trusted.log_key);
            let mut every = |_: &_| Ok(());
            for signatures in [Signatures::Each, Signatures::EndsOfEpochs] {
                let to = shown.state.head;
                let walked = walk(&*storage, VAULT, from.clone(), to, signatures, &mut every).await;
                match walked {
                    Ok(walked) => assert_eq!(
                        (walked.head.hash, signatures, bound),
                        (to.hash, Signatures::EndsOfEpochs, true)
                    ),
                    Err(fault) => {
                        assert!(signatures == Signatures::Each || !bound);
                        assert!(fault.to_string().contains(name.as_str()), "{fault}");
                    }
                }
            }
        });
    }
}
