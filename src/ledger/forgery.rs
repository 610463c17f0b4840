//! Logs made by who holds signing keys and means to deceive, down to the last byte.

mod first;
pub(crate) mod folded;

use std::sync::Arc;

use bytes::Bytes;
use futures_lite::future::block_on;

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
        commit::{Draft, Entry, Hashed, body_commitment},
        leaf::{BodyForm, Kind, Leaf, padded},
        merkle::Frontier,
        signing::LogKey,
        statement::{Statement, origin},
    },
    secret::Secret,
    storage::{MemoryStorage, ObjectKey, Storage},
};

const VAULT: VaultId = VaultId::from_bytes([1; 16]);

fn key(epoch: u8) -> SigningKey {
    SigningKey::from_seed(Secret::take([epoch; 32]))
}

/// What the first record states of this vault, with the key of this number for the first epoch.
fn genesis(number: u8, vault: VaultId) -> Bytes {
    let [commit, delivery, checkpoint] = [number, 101, 201].map(|seed| key(seed).verifying_key());
    Statement { commit, delivery, checkpoint, origin: origin(vault) }.encode()
}

/// Whether it is a change of the keyring, which is about no object.
fn names_nothing(kind: Kind) -> bool {
    matches!(kind, Kind::Keyring | Kind::SigningKeys)
}

/// A log under construction, a record a commit, with nothing behind it but keys and a storage.
#[derive(Clone)]
struct Forger {
    state: State,
    objects: Vec<(ObjectKey, Bytes)>,
}

impl Forger {
    fn new() -> Self {
        Self::begun_with(1, genesis(1, VAULT))
    }

    /// Whose first record, signed by the key of this number, states this.
    fn begun_with(number: u8, statement: Bytes) -> Self {
        let signer = key(number);
        let state = State::empty(VAULT, LogKey::first(signer.verifying_key()));
        let mut forger = Self { state, objects: Vec::new() };
        let first = Leaf { body: body_commitment(&statement), ..forger.leaf(Kind::Genesis, 0) };
        forger.add_entry(first, statement, &signer, &Frontier::default());
        forger
    }

    fn leaf(&self, kind: Kind, mark: u8) -> Leaf {
        let next = self.state.log_key.epoch.saturating_add(1);
        let fresh = key(u8::try_from(next).expect("few epochs"));
        let stated = if kind == Kind::SigningKeys { fresh.verifying_key().to_bytes() } else { [0; 32] };
        let read = kind == Kind::Read;
        Leaf {
            kind,
            form: if kind == Kind::Genesis { BodyForm::Plain } else { BodyForm::Outer },
            position: 0,
            seq: self.state.head.size,
            time: Timestamp::from_millis(1000),
            previous: self.state.head.hash,
            case: CaseId::from_bytes([u8::from(read); 16]),
            object: match kind {
                Kind::Genesis => *VAULT.as_bytes(),
                _ if names_nothing(kind) => [0; 16],
                _ => [mark | 0x80; 16],
            },
            auxiliary: if read { padded(&[mark | 0x80; 16]) } else { stated },
            operation: OperationId::from_bytes([mark.wrapping_add(1); 16]),
            key_epoch: self.state.log_key.epoch,
            process: [0; 12],
            body: body_commitment(b"body"),
            effect: if read { [0; 32] } else { [9; 32] },
            state_root: stated,
        }
    }

    /// Adds a record as an honest writer does, but for who signs it.
    fn add(&mut self, kind: Kind, mark: u8, signer: &SigningKey) {
        let before = self.state.frontier.clone();
        self.add_to(kind, mark, signer, &before);
    }

    /// Adds a record under the root of another tree than the chain's.
    fn add_to(&mut self, kind: Kind, mark: u8, signer: &SigningKey, before: &Frontier) {
        self.add_entry(self.leaf(kind, mark), Bytes::from_static(b"body"), signer, before);
    }

    fn add_entry(&mut self, leaf: Leaf, body: Bytes, signer: &SigningKey, before: &Frontier) {
        let nonce = [leaf.operation.as_bytes()[0]; 16];
        let entries = vec![Entry { record: Hashed::new(leaf), body }];
        let recent = self.state.recent(1);
        let draft = Draft { vault: VAULT, before, recent: &recent, entries, nonce };
        let sealed = draft.seal(signer).expect("one entry");
        let after = self.state.frontier.followed_by(sealed.records.iter().map(|record| record.hash));
        self.state.append(sealed.records, after);
        self.objects.push((sealed.key, sealed.bytes));
    }

    fn grow(&mut self, count: u8, signer: &SigningKey) {
        (0..count).for_each(|mark| self.add(Kind::Read, mark, signer));
    }

    fn trusted(&self) -> Trusted {
        Trusted::from(&self.state.pin())
    }

    async fn stored(&self) -> Arc<MemoryStorage> {
        let storage = Arc::new(MemoryStorage::default());
        for (key, bytes) in &self.objects {
            storage.create(key, bytes.clone()).await.expect("memory");
        }
        storage
    }

    /// The log as it was when it had so many records.
    fn up_to(&self, size: usize) -> Self {
        let mut shorter = self.clone();
        shorter.objects.truncate(size);
        shorter
    }

    /// What a reader with this pin makes of the log: by opening it, and by walking it from the pin.
    fn seen_from(&self, trusted: &Trusted) -> Result<State> {
        block_on(async {
            let storage = self.stored().await;
            let pages = Pages::new(storage.clone());
            let opened = load(trusted, &pages).await?.expect("there is a log");
            let from = Verified::trusted(trusted.size, trusted.head, trusted.log_key);
            for signatures in [Signatures::Each, Signatures::EndsOfEpochs] {
                walk(&*storage, VAULT, from.clone(), opened.head, signatures, &mut |_: &_| Ok(())).await?;
            }
            Ok(opened)
        })
    }

    fn refused_from(&self, trusted: &Trusted) -> ErrorKind {
        self.seen_from(trusted).map(|state| state.head).expect_err("a forgery").kind()
    }
}

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

impl Forger {
    /// The leaf hash of a record, a record being a commit.
    fn objects_hash(&self, record: u64) -> [u8; 32] {
        let at = usize::try_from(record).expect("small");
        let (_, bytes) = self.objects.get(at).expect("added");
        let commit = crate::log::commit::Commit::parse(VAULT, bytes).expect("sealed");
        commit.leaves.first().expect("one").hash
    }
}
