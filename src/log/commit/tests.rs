//! Commits: what comes back, and what is refused.

use super::*;
use crate::{
    env::Timestamp,
    ids::CaseId,
    log::leaf::{BodyForm, tests::sample},
    secret::Secret,
};

fn vault() -> VaultId {
    VaultId::from_bytes([1; 16])
}

/// Entries from record `first` on with these bodies, and the tree and the encoded leaves before them.
fn entries(first: u64, bodies: Vec<Bytes>) -> (Frontier, Vec<Bytes>, Vec<Entry>) {
    let (mut frontier, mut previous, mut before) = (Frontier::default(), [0; 32], Vec::new());
    for seq in 0..first {
        let record = Hashed::new(sample(seq, previous));
        previous = record.hash;
        frontier.push(previous);
        before.push(record.encoded);
    }
    let entries = (first..).zip(0..).zip(bodies).map(|((seq, position), body)| {
        let mut leaf = sample(seq, previous);
        (leaf.body, leaf.position) = (body_commitment(&body), position);
        let record = Hashed::new(leaf);
        previous = record.hash;
        Entry { record, body }
    });
    let entries = entries.collect();
    (frontier, before, entries)
}

fn key() -> SigningKey {
    SigningKey::from_seed(Secret::take([9; 32]))
}

fn signed(count: u16, recent: usize) -> (Bytes, LogKey) {
    let (before, encoded, entries) = entries(10, vec![Bytes::from(vec![7; 20]); count.into()]);
    let recent = &encoded[10 - recent..];
    let draft = Draft { vault: vault(), before: &before, recent, entries, nonce: [2; 16] };
    (draft.seal(&key()).expect("entries").bytes, LogKey::first(key().verifying_key()))
}

#[test]
fn a_commit_comes_back_verified() {
    for (count, recent) in [(1, 0), (3, 2), (20, 10)] {
        let (bytes, key) = signed(count, recent);
        let commit = Commit::parse(vault(), &bytes).expect("what was sealed parses");
        commit.verify(&key).expect("what was signed verifies");
        assert_eq!((commit.leaves.len(), commit.recent.len()), (usize::from(count), recent));
        assert_eq!(commit.first(), 10);
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let (bytes, key) = signed(2, 1);
    for offset in 0..bytes.len() {
        for bit in 0..8 {
            let mut altered = bytes.to_vec();
            altered[offset] ^= 1 << bit;
            let accepted = Commit::parse(vault(), &altered.into()).and_then(|commit| commit.verify(&key));
            assert_eq!(accepted, Err(Malformed), "offset {offset} bit {bit}");
        }
    }
}

#[test]
fn every_truncation_and_an_appended_byte_are_refused() {
    let (bytes, _) = signed(2, 1);
    for len in 0..bytes.len() {
        assert!(Commit::parse(vault(), &bytes.slice(..len)).is_err());
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert!(Commit::parse(vault(), &longer.into()).is_err());
}

#[test]
fn another_vault_or_key_is_refused() {
    let (bytes, _) = signed(1, 0);
    assert!(Commit::parse(VaultId::from_bytes([2; 16]), &bytes).is_err());
    let other = LogKey::first(SigningKey::from_seed(Secret::take([8; 32])).verifying_key());
    assert!(Commit::parse(vault(), &bytes).expect("well-formed").verify(&other).is_err());
}

/// The bytes of an altered commit, signed anew.
fn resigned(mut commit: Commit) -> Bytes {
    let hash = |record: &mut Hashed| *record = Hashed::new(record.leaf.clone());
    commit.leaves.iter_mut().chain(&mut commit.recent).for_each(hash);
    let mut bodies = Writer::new();
    commit.bodies.iter().for_each(|body| {
        bodies.bytes(body);
    });
    commit.statement.bodies = sha256(&[bodies.as_slice()]);
    commit.statement.count = u32::try_from(commit.leaves.len()).expect("few");
    commit.statement.last = commit.leaves.last().expect("a record").hash;
    commit.signature = key().sign(schedule::SIGN_COMMIT, &commit.statement.encode());
    commit.encode().into()
}

/// Whether a commit of three records is taken that `alter` changes before it is signed anew.
fn is_taken(first: u64, alter: impl FnOnce(&mut Commit)) -> bool {
    let (before, recent, entries) = entries(first, vec![Bytes::from_static(b"body"); 3]);
    let draft = Draft { vault: vault(), before: &before, recent: &recent, entries, nonce: [2; 16] };
    let mut commit = Commit::parse(vault(), &draft.seal(&key()).expect("entries").bytes).expect("sealed");
    alter(&mut commit);
    let parsed = Commit::parse(vault(), &resigned(commit));
    parsed.and_then(|commit| commit.verify(&LogKey::first(key().verifying_key()))).is_ok()
}

#[test]
fn a_signature_makes_no_chain_of_what_is_none() {
    for first in [0, 2] {
        assert!(is_taken(first, |_| ()));
        // The number and the hash that the name is made of.
        assert!(!is_taken(first, |commit| commit.statement.first += 1));
        assert!(!is_taken(first, |commit| commit.statement.previous = [3; 32]));
        // What the records say.
        assert!(!is_taken(first, |commit| commit.leaves[0].leaf.seq += 1));
        assert!(!is_taken(first, |commit| commit.leaves[0].leaf.previous = [3; 32]));
        let late = |commit: &mut Commit| commit.leaves[2].leaf.time = Timestamp::from_millis(1);
        assert!(!is_taken(first, late));
        assert!(!is_taken(first, |commit| commit.leaves[2].leaf.position = 1));
        assert!(!is_taken(first, |commit| commit.bodies[2] = Bytes::from_static(b"other")));
        assert!(!is_taken(first, |commit| commit.leaves[2].leaf.key_epoch = 2));
    }
}

#[test]
fn one_record_alone_follows_what_it_says() {
    let alone = |commit: &mut Commit| {
        commit.recent.clear();
        commit.leaves.truncate(1);
        commit.bodies.truncate(1);
    };
    let orphaned = |commit: &mut Commit| {
        alone(commit);
        commit.statement.previous = [3; 32];
        commit.leaves[0].leaf.previous = [3; 32];
    };
    for first in [0, 2] {
        assert!(is_taken(first, alone));
        let renamed = |commit: &mut Commit| {
            alone(commit);
            commit.statement.previous = [3; 32];
        };
        assert!(!is_taken(first, renamed));
    }
    // Whether there is such a record is seen by who has it; before the first of all there is none.
    assert!(is_taken(2, orphaned));
    assert!(!is_taken(0, orphaned));
}

#[test]
fn signing_keys_are_sound_and_stated_last() {
    let (sound, unsound) = (key().verifying_key().to_bytes(), [2; 32]);
    for (at, commit_key, checkpoint_key, taken) in [
        (2, sound, sound, true),
        (1, sound, sound, false),
        (0, sound, sound, false),
        (2, unsound, sound, false),
        (2, sound, unsound, false),
    ] {
        let stated = |commit: &mut Commit| {
            let leaf = &mut commit.leaves[at].leaf;
            (leaf.kind, leaf.form) = (Kind::SigningKeys, BodyForm::Outer);
            (leaf.auxiliary, leaf.state_root) = (commit_key, checkpoint_key);
            (leaf.case, leaf.object) = (CaseId::from_bytes([0; 16]), [0; 16]);
            for next in at + 1..3 {
                let previous = Hashed::new(commit.leaves[next - 1].leaf.clone()).hash;
                commit.leaves[next].leaf.previous = previous;
            }
        };
        assert_eq!(is_taken(2, stated), taken, "record {at}");
    }
}

#[test]
fn a_commit_says_the_epoch_of_its_records() {
    let (before, _, mut entries) = entries(0, vec![Bytes::from_static(b"body")]);
    entries[0].record.leaf.key_epoch = 7;
    entries[0].record = Hashed::new(entries[0].record.leaf.clone());
    let draft = Draft { vault: vault(), before: &before, recent: &[], entries, nonce: [2; 16] };
    let commit = Commit::parse(vault(), &draft.seal(&key()).expect("one").bytes).expect("sealed");
    assert_eq!(commit.epoch(), 7);
    assert_eq!((commit.check_epoch(7), commit.check_epoch(6)), (Ok(()), Err(Malformed)));
}

/// FORMAT §5.3: 124 bytes before the leaves, 280 a leaf, 4 before each body, 64 of signature; 4 MiB in all.
#[test]
fn a_commit_has_four_mebibytes_at_most() {
    const CAP: usize = 4 << 20;
    let sealed = |len: usize| {
        let mut left = len - 124 - 64 - 2 * 280 - 70 * 284;
        let bodies = (0..70).map(|_| {
            let body = left.min(60 << 10);
            left -= body;
            Bytes::from(vec![7; body])
        });
        let (before, recent, entries) = entries(2, bodies.collect());
        let draft = Draft { vault: vault(), before: &before, recent: &recent, entries, nonce: [2; 16] };
        draft.seal(&key()).map(|sealed| sealed.bytes)
    };
    for len in [CAP - 1, CAP] {
        let bytes = sealed(len).expect("short enough");
        assert_eq!(bytes.len(), len);
        assert_eq!(Commit::parse(vault(), &bytes).expect("short enough").leaves.len(), 70);
    }
    assert_eq!(sealed(CAP + 1).err(), Some(Malformed));
    let mut longer = Commit::parse(vault(), &sealed(CAP).expect("short enough")).expect("short enough");
    let body = Bytes::from(vec![7; longer.bodies[69].len() + 1]);
    longer.leaves[69].leaf.body = body_commitment(&body);
    longer.bodies[69] = body;
    let longer = resigned(longer);
    assert_eq!((longer.len(), Commit::parse(vault(), &longer).err()), (CAP + 1, Some(Malformed)));
}

#[test]
fn a_commit_has_4096_records_and_repeats_8192_at_most() {
    let sealed = |first: u16, count: usize| {
        let (before, recent, entries) = entries(first.into(), vec![Bytes::new(); count]);
        let draft = Draft { vault: vault(), before: &before, recent: &recent, entries, nonce: [2; 16] };
        draft.seal(&key()).map(|sealed| sealed.bytes)
    };
    for (first, count) in [(1, 4096), (8192, 1)] {
        let bytes = sealed(first, count).expect("as many as are read");
        let commit = Commit::parse(vault(), &bytes).expect("as many as are read");
        assert_eq!((commit.recent.len(), commit.leaves.len()), (first.into(), count));
    }
    for (first, count) in [(1, 4097), (1, 4098), (8193, 1), (8194, 1)] {
        assert_eq!(sealed(first, count).err(), Some(Malformed), "{count} behind {first}");
    }
}
