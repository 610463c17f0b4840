use std::sync::{Barrier, Mutex, PoisonError};

use super::*;
use crate::{
    env::Timestamp,
    error::ErrorKind,
    log::{Hash, checkpoint::Checkpoint, leaf::leaf_hash, note::Signed},
    receipt::tests::{ORIGIN, hashes, key, leaf_hashes, policy, root},
    secret::Secret,
};

#[derive(Debug)]
struct At(u64);

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0)
    }
}

fn witness(store: impl WitnessStore) -> Witness {
    let key = WitnessKey { name: "w1.example".to_owned(), key: key(1) };
    Witness::new(key, policy("quorum none"), store).with_clock(At(1_732_406_400_999))
}

/// A log of `size` records, of which those from `fork` on are others than in the plain log.
fn log(size: u64, fork: u64) -> Vec<Hash> {
    let mut leaves = leaf_hashes(size, None);
    leaves.iter_mut().skip(usize::try_from(fork).expect("small")).for_each(|leaf| *leaf = leaf_hash(leaf));
    leaves
}

fn note(leaves: &[Hash]) -> String {
    let size = u64::try_from(leaves.len()).expect("small");
    Checkpoint::new(ORIGIN, size, root(leaves)).expect("an origin").sign(&key(100))
}

fn request(old: u64, leaves: &[Hash]) -> String {
    let size = u64::try_from(leaves.len()).expect("small");
    let proof = hashes(proof::consistency_ranges(old, size), leaves);
    WitnessRequest::new(old, proof, note(leaves)).expect("a request").to_string()
}

/// The time of the witness's cosignature in its answer.
fn cosigned(witness: &Witness, leaves: &[Hash], line: &str) -> Option<Signed> {
    let note = format!("{}{line}", note(leaves));
    Note::parse(&note).expect("a note").signed_by(&witness.verifier_key()).expect("verifies")
}

fn status(answer: Result<String, WitnessRefusal>) -> u16 {
    answer.map_or_else(|refusal| refusal.status(), |_| 200)
}

#[test]
fn a_log_that_grows_is_cosigned() {
    let witness = witness(MemoryWitnessStore::new());
    let mut old = 0;
    for size in [0, 0, 1, 5, 5, 8, 64, 65, 100] {
        let leaves = log(size, u64::MAX);
        let line = witness.add_checkpoint(&request(old, &leaves)).expect("cosigned");
        assert_eq!(cosigned(&witness, &leaves, &line), Some(Signed::At(1_732_406_400)));
        old = size;
    }
}

#[test]
fn witness_refuses_rollback() {
    let witness = witness(MemoryWitnessStore::new());
    assert_eq!(status(witness.add_checkpoint(&request(0, &log(10, u64::MAX)))), 200);
    for old in (0..=9).chain(11..14) {
        let size = old.max(5);
        let refused = witness.add_checkpoint(&request(old, &log(size, u64::MAX)));
        assert!(matches!(refused, Err(WitnessRefusal::Conflict { size: 10 })), "{old}");
    }
    let smaller = WitnessRequest::new(10, Vec::new(), note(&log(9, u64::MAX))).expect("a request");
    assert_eq!(status(witness.add_checkpoint(&smaller.to_string())), 400);
    for (size, fork, refused) in [(10, 9, 409), (10, 0, 409), (11, 9, 422), (20, 0, 422)] {
        assert_eq!(status(witness.add_checkpoint(&request(10, &log(size, fork)))), refused, "{size} {fork}");
    }
    assert_eq!(status(witness.add_checkpoint(&request(10, &log(11, 10)))), 200);
}

#[test]
fn each_refusal_has_its_status() {
    let witness = witness(MemoryWitnessStore::new());
    let leaves = log(5, u64::MAX);
    let good = request(0, &leaves);
    let signed_by = |origin, seed| {
        let head = Checkpoint::new(origin, 5, root(&leaves)).expect("an origin");
        format!("old 0\n\n{}", head.sign(&key(seed)))
    };
    for text in [
        "",
        "old 0\n\n",
        "old 0\n\nnote\n",
        "old 00\n\n",
        &good.replace("old 0", "old 6"),
        &good.replace("old", "new"),
    ] {
        assert_eq!(status(witness.add_checkpoint(text)), 400, "{text}");
    }
    assert_eq!(status(witness.add_checkpoint(&signed_by("example.com/other", 100))), 404);
    assert_eq!(status(witness.add_checkpoint(&signed_by(ORIGIN, 99))), 403);
    assert_eq!(status(witness.add_checkpoint(&good.replace("\n5\n", "\n6\n"))), 403);
    let with_proof = WitnessRequest::new(0, vec![[0; 32]], note(&leaves)).expect("a request");
    assert_eq!(status(witness.add_checkpoint(&with_proof.to_string())), 422);
    let empty = Checkpoint::new(ORIGIN, 0, [7; 32]).expect("an origin").sign(&key(100));
    assert_eq!(status(witness.add_checkpoint(&format!("old 0\n\n{empty}"))), 409);
    let conflict = witness.add_checkpoint(&request(3, &leaves)).expect_err("never seen");
    assert_eq!(
        (conflict.status(), conflict.body().as_str(), conflict.content_type()),
        (409, "0\n", "text/x.tlog.size")
    );
    assert_eq!(status(witness.add_checkpoint(&good)), 200);
    let conflict = witness.add_checkpoint(&good).expect_err("seen");
    assert_eq!((conflict.status(), conflict.body().as_str()), (409, "5\n"));
}

/// Or whoever has a log's older key could have any continuation of it cosigned, and lock out the log itself.
#[test]
fn a_superseded_key_of_a_log_gets_no_cosignature() {
    let line = |seed: u8| {
        let key = VerifierKey::ed25519(ORIGIN, key(seed).verifying_key()).expect("a name");
        format!("log {key}\n")
    };
    let logs = TrustPolicy::parse(&format!("{}{}quorum none\n", line(99), line(100))).expect("a policy");
    let key_of_witness = WitnessKey { name: "w1.example".to_owned(), key: key(1) };
    let witness = Witness::new(key_of_witness, logs, MemoryWitnessStore::new());
    let head = Checkpoint::new(ORIGIN, 5, root(&log(5, u64::MAX))).expect("an origin");
    let by_older = format!("old 0\n\n{}", head.sign(&key(99)));
    assert_eq!(status(witness.add_checkpoint(&by_older)), 403);
    assert_eq!(status(witness.add_checkpoint(&request(0, &log(5, u64::MAX)))), 200);
}

/// Two requests on two forks at once, again and again: one is cosigned, the other never.
fn race(store: impl Fn() -> Shared + Sync) {
    let mut base = log(6, u64::MAX);
    assert_eq!(status(witness(store()).add_checkpoint(&request(0, &base))), 200);
    for round in 0..20u8 {
        let old = u64::try_from(base.len()).expect("small");
        let forks = [b'a', b'b'].map(|fork| [&base[..], &[leaf_hash(&[fork, round])]].concat());
        let start = Barrier::new(2);
        let submit = |leaves: &[Hash]| {
            let witness = witness(store());
            start.wait();
            status(witness.add_checkpoint(&request(old, leaves)))
        };
        let answers: Vec<u16> = std::thread::scope(|scope| {
            let threads: Vec<_> = forks.iter().map(|leaves| scope.spawn(|| submit(leaves))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!(answers.iter().filter(|answer| **answer == 200).count(), 1, "{answers:?}");
        for (leaves, answer) in forks.iter().zip(&answers) {
            let later = status(witness(store()).add_checkpoint(&request(old + 1, leaves)));
            assert_eq!(later, if *answer == 200 { 200 } else { 409 });
            let from_old = status(witness(store()).add_checkpoint(&request(old, leaves)));
            assert_eq!(from_old, 409);
        }
        let [first, second] = forks;
        base = if answers[0] == 200 { first } else { second };
    }
}

/// A store that several witnesses hold.
#[derive(Debug, Clone)]
struct Shared(Arc<dyn WitnessStore>);

impl WitnessStore for Shared {
    fn latest(&self, origin: &str) -> Result<Option<TreeHead>> {
        self.0.latest(origin)
    }

    fn advance(&self, origin: &str, expected: Option<&TreeHead>, new: &TreeHead) -> Result<Option<TreeHead>> {
        self.0.advance(origin, expected, new)
    }
}

/// A store that fails after, or instead of, what it was asked to keep: a crash at that instant.
#[derive(Debug)]
struct Failing {
    inner: Shared,
    keeps: bool,
}

impl WitnessStore for Failing {
    fn latest(&self, origin: &str) -> Result<Option<TreeHead>> {
        self.inner.latest(origin)
    }

    fn advance(&self, origin: &str, expected: Option<&TreeHead>, new: &TreeHead) -> Result<Option<TreeHead>> {
        if self.keeps {
            self.inner.advance(origin, expected, new)?;
        }
        Err(Error::new(ErrorKind::Storage, "crashed"))
    }
}

/// A store in which another request always comes between the check and the keeping.
#[derive(Debug)]
struct Overtaken {
    inner: Shared,
    by: Mutex<Option<String>>,
}

impl WitnessStore for Overtaken {
    fn latest(&self, origin: &str) -> Result<Option<TreeHead>> {
        self.inner.latest(origin)
    }

    fn advance(&self, origin: &str, expected: Option<&TreeHead>, new: &TreeHead) -> Result<Option<TreeHead>> {
        if let Some(request) = self.by.lock().unwrap_or_else(PoisonError::into_inner).take() {
            assert_eq!(status(witness(self.inner.clone()).add_checkpoint(&request)), 200);
        }
        self.inner.advance(origin, expected, new)
    }
}

#[test]
fn witness_race_two_requests() {
    let memory = Shared(Arc::new(MemoryWitnessStore::new()));
    race(|| memory.clone());
    #[cfg(feature = "fs")]
    {
        let folder = tempfile::tempdir().expect("a folder");
        FileWitnessStore::create(folder.path()).expect("made");
        race(|| Shared(Arc::new(FileWitnessStore::open(folder.path()).expect("there"))));
    }
}

/// tlog-witness's own example: N is checked, N + K is checked and kept, then N would be kept.
#[test]
fn witness_race_two_requests_cannot_roll_back() {
    let inner = Shared(Arc::new(MemoryWitnessStore::new()));
    assert_eq!(status(witness(inner.clone()).add_checkpoint(&request(0, &log(4, u64::MAX)))), 200);
    for (overtaking, late) in [(log(9, u64::MAX), log(6, u64::MAX)), (log(12, 9), log(12, u64::MAX))] {
        let old = inner.latest(ORIGIN).expect("readable").expect("seen").size;
        let by = Mutex::new(Some(request(old, &overtaking)));
        let answer = witness(Overtaken { inner: inner.clone(), by }).add_checkpoint(&request(old, &late));
        let size = u64::try_from(overtaking.len()).expect("small");
        assert!(matches!(answer, Err(WitnessRefusal::Conflict { size: found }) if found == size));
        assert_eq!(inner.latest(ORIGIN).expect("readable"), Some(TreeHead::new(size, root(&overtaking))));
    }
}

/// A store that does not compare before it sets.
#[derive(Debug)]
struct Careless(Shared);

impl WitnessStore for Careless {
    fn latest(&self, origin: &str) -> Result<Option<TreeHead>> {
        self.0.latest(origin)
    }

    fn advance(&self, origin: &str, _: Option<&TreeHead>, new: &TreeHead) -> Result<Option<TreeHead>> {
        let found = self.0.latest(origin)?;
        self.0.advance(origin, found.as_ref(), new)
    }
}

/// The control of the test above: with such a store, two forks are cosigned.
#[test]
fn a_store_that_does_not_compare_loses_the_race() {
    let inner = Shared(Arc::new(MemoryWitnessStore::new()));
    let by = Mutex::new(Some(request(0, &log(9, u64::MAX))));
    let careless = Shared(Arc::new(Careless(inner)));
    let late = witness(Overtaken { inner: careless, by });
    assert_eq!(status(late.add_checkpoint(&request(0, &log(6, 3)))), 200);
}

#[test]
fn witness_race_two_requests_with_a_crash_between_keeping_and_signing() {
    let inner = Shared(Arc::new(MemoryWitnessStore::new()));
    let crashing = |keeps| witness(Failing { inner: inner.clone(), keeps });
    let (ours, fork) = (log(5, u64::MAX), log(5, 2));
    assert_eq!(status(crashing(false).add_checkpoint(&request(0, &ours))), 500);
    assert_eq!(inner.latest(ORIGIN).expect("readable"), None);
    assert_eq!(status(crashing(true).add_checkpoint(&request(0, &ours))), 500);
    // It was kept, so a fork is not cosigned any more, and the log gets its cosignature from there.
    let after = witness(inner.clone());
    assert!(matches!(after.add_checkpoint(&request(0, &fork)), Err(WitnessRefusal::Conflict { size: 5 })));
    assert_eq!(status(after.add_checkpoint(&request(5, &fork))), 409);
    assert_eq!(status(after.add_checkpoint(&request(5, &ours))), 200);
}

#[test]
fn a_witness_key_comes_back_from_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key");
    let key = WitnessKey::create(&path, "witness.example/w1").expect("made");
    let again = WitnessKey::load(&path, "witness.example/w1").expect("loads");
    assert_eq!(again.verifier_key(), key.verifier_key());
    assert_eq!(WitnessKey::create(&path, "w").expect_err("there").kind(), ErrorKind::Invalid);
    assert_eq!(WitnessKey::load(&path, "a b").expect_err("no name").kind(), ErrorKind::Invalid);
    let other = secret_file::create(&folder.path().join("other"), "docvault local key 1");
    drop::<Secret<32>>(other.expect("made"));
    assert!(WitnessKey::load(folder.path().join("other"), "w").is_err());
    assert!(!format!("{key:?}").contains("SigningKey"));
}
