//! Following what others commit.

use std::sync::{Arc, PoisonError};

use futures_util::{
    FutureExt,
    future::BoxFuture,
    stream::{self, StreamExt, TryStreamExt},
};

use super::{
    commits::{next, signed, verified},
    state::{Head, State},
    writer::Ledger,
};
use crate::{
    error::{Error, Result},
    ids::VaultId,
    log::{
        Hash,
        commit::{COMMIT_CAP, Commit},
        signing::LogKey,
    },
    storage::{ObjectKey, beyond, layout},
};

impl Ledger {
    /// Reads what others have committed.
    ///
    /// # Errors
    ///
    /// Corrupt, or the storage's.
    pub(crate) fn sync(self: &Arc<Self>) -> BoxFuture<'_, Result<Arc<State>>> {
        Box::pin(async {
            let catch_up = || {
                let ledger = self.clone();
                async move { ledger.catch_up().await }.boxed()
            };
            self.leading.run(catch_up).await?;
            Ok(self.state())
        })
    }

    async fn catch_up(self: &Arc<Self>) -> Result<()> {
        let mut work = self.work.lock().await;
        // Whoever commits lets others run first, and so would come after those who follow for ever.
        if work.attempt.is_some() || !work.batch.is_empty() || !self.queue.is_empty() {
            self.lead(&mut work).await;
        }
        self.follow(LEAPS).await
    }

    /// Applies the commits that follow the state, with at most so many listings: nothing is left out if others hold
    /// back. Of the manifests on the way the newest must be there: one before it may have been superseded, and
    /// deleted, while this process slept.
    pub(super) async fn follow(&self, listings: u32) -> Result<()> {
        let (mut steps, mut left) = (NEAR, listings);
        while !self.step(steps).await? && left > 0 {
            let near = self.leap().await?;
            steps = if near { NEAR } else { FAR };
            left -= u32::from(near);
        }
        // If there are more, others commit faster than this process can follow: what was there when it began, it has seen.
        Ok(())
    }

    /// Applies up to so many commits, each by the one name it can have, and tells whether there are no more.
    pub(super) async fn step(&self, steps: usize) -> Result<bool> {
        let mut loaded = self.load_manifest().await;
        for _ in 0..steps {
            let (End { vault, head, log_key }, unloaded) = (self.end(), self.state().unloaded());
            match next(self.storage(), vault, &head).await? {
                Some(commit) => self.apply(signed(&log_key, commit)?)?,
                None => return loaded.map(|()| true),
            }
            if self.state().unloaded() != unloaded {
                loaded = self.load_manifest().await;
            }
        }
        Ok(false)
    }

    fn end(&self) -> End {
        let state = self.state();
        End { vault: state.vault, head: state.head, log_key: state.log_key }
    }

    /// Applies the commits that a listing shows, read at once, and tells whether it reached back to this state. What it
    /// leaves out is followed by name.
    async fn leap(&self) -> Result<bool> {
        let (size, storage) = (self.state().head.size, self.storage());
        let names = storage.list(layout::LOG, None, LISTED).await?;
        let is_newer = |name: &ObjectKey| layout::first_of_commit(name).is_some_and(|first| first >= size);
        if names.len() == LISTED && names.iter().all(is_newer) {
            return Ok(false);
        }
        let newer = names.into_iter().rev().filter(is_newer);
        let reads = newer.map(|name| async move {
            let read = storage.read(&name, Some(beyond(COMMIT_CAP))).await;
            read.map(|read| (name, read))
        });
        let mut reads = stream::iter(reads).buffered(AHEAD);
        let mut tried = self.state().unloaded();
        while let Some((name, read)) = reads.try_next().await? {
            let End { vault, head, log_key } = self.end();
            let follows = name == layout::commit(head.size, &head.hash);
            let Some(bytes) = read.filter(|_| follows) else { break };
            self.apply(verified(vault, &log_key, &name, &bytes)?)?;
            self.shorten(&mut tried).await;
        }
        Ok(true)
    }

    /// Loads the manifest that the tail names if it has become long, once: one on the way may have been superseded, and
    /// deleted, and then the next is tried.
    async fn shorten(&self, tried: &mut Option<(u64, Hash)>) {
        let (unloaded, kept) = {
            let state = self.state();
            (state.unloaded(), state.kept())
        };
        if kept > LONG && unloaded != *tried {
            *tried = unloaded;
            drop(self.load_manifest().await);
        }
    }

    /// Takes a commit's records into the state, which is copied only if others hold it: it may have thousands of records,
    /// and thousands of commits may follow.
    pub(super) fn apply(&self, commit: Commit) -> Result<()> {
        let state = self.state();
        let ordered = commit.leaves.first().is_some_and(|first| first.leaf.time >= state.head.time);
        // Its name holds half of the hash before it.
        let follows = *commit.previous() == state.head.hash;
        let after = state.frontier.followed_by(commit.leaves.iter().map(|record| record.hash));
        drop(state);
        if !follows || !ordered || after.root() != *commit.root() {
            return Err(Error::corrupt(format!("commit {}", commit.name())));
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut state).append(commit.leaves, after);
        Ok(())
    }

    /// Loads the manifest that the newest Index record names, and shortens the tail.
    pub(super) async fn load_manifest(&self) -> Result<()> {
        let Some((covered, digest)) = self.state().unloaded() else { return Ok(()) };
        let manifest = self.pages().manifest(covered, &digest).await?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut state).rebase(manifest);
        Ok(())
    }
}

/// Where the log ends, without holding the state, of which a change would then be a copy.
struct End {
    vault: VaultId,
    head: Head,
    log_key: LogKey,
}

/// Commits followed one by one before a listing is asked for more: a commit or two, mostly, are all there is.
const NEAR: usize = 2;
/// Likewise, when a listing did not reach back to where this process is.
const FAR: usize = LISTED / 2;
/// Listings after which others' newest commits are left to the next time.
const LEAPS: u32 = 32;
/// Commits listed at once.
const LISTED: usize = 1000;
/// Commits read at once.
const AHEAD: usize = 32;
/// Records of the tail beyond which the manifests on the way are loaded: as many as two full commits have.
const LONG: usize = 8192;

#[cfg(test)]
mod tests {
    use core::{ops::Range, sync::atomic::AtomicUsize};
    use std::sync::{Mutex, OnceLock, Weak, atomic::Ordering};

    use async_trait::async_trait;
    use bytes::Bytes;
    use futures_lite::future::block_on;
    use futures_util::future::try_join_all;

    use super::*;
    use crate::{
        Session,
        env::Timestamp,
        error::ErrorKind,
        ids::CaseId,
        keys::LocalKey,
        ledger::forgery::lying::Lying,
        log::{
            commit::{Draft, Entry, Hashed, Sealed, body_commitment},
            leaf::{Kind, Leaf, padded},
            merkle::Frontier,
        },
        storage::{MemoryStorage, Storage, StorageError, around::Around},
        vault::Vault,
    };

    /// Looks at each read how long the tail of a ledger is.
    #[derive(Debug, Default)]
    struct Watching {
        objects: Arc<MemoryStorage>,
        ledger: OnceLock<Weak<Ledger>>,
        longest: AtomicUsize,
    }

    #[async_trait]
    impl Around for Watching {
        fn objects(&self) -> &dyn Storage {
            &*self.objects
        }

        async fn read(
            &self,
            key: &ObjectKey,
            range: Option<Range<u64>>,
        ) -> Result<Option<Bytes>, StorageError> {
            if let Some(ledger) = self.ledger.get().and_then(Weak::upgrade) {
                self.longest.fetch_max(ledger.state().kept(), Ordering::SeqCst);
            }
            self.objects.read(key, range).await
        }
    }

    #[test]
    fn who_follows_many_commits_of_many_records_keeps_a_short_tail() {
        block_on(async {
            let folder = tempfile::tempdir().expect("a directory");
            let path = folder.path().join("key");
            let place = Arc::new(Watching::default());
            let key = LocalKey::create(&path).expect("a key");
            let writer = Vault::create(place.objects.clone(), key).await.expect("a vault");
            let desk = writer.session("a").purpose("p").begin().expect("a session");
            let case = desk.create_case("c").await.expect("a case");
            let key = LocalKey::load(&path).expect("the key");
            let other = Vault::open(place.clone(), key, &writer.pin()).await.expect("it opens");
            place.ledger.set(Arc::downgrade(other.ledger())).expect("once");
            for _ in 0..12 {
                try_join_all((0..3000).map(|_| desk.describe_case(case))).await.expect("records");
            }
            assert_eq!(other.sync().await.expect("it follows"), writer.pin());
            let (longest, left) = (place.longest.load(Ordering::SeqCst), other.ledger().state().kept());
            assert!(longest < LONG + 2 * 4096 && left < 2 * 4096, "{longest}, and {left} in the end");
        });
    }

    /// By who has the log's key: a commit behind `state`, like the newest record but for this.
    async fn forged(vault: &Vault, state: &State, before: &Frontier, alter: impl Fn(&mut Leaf)) -> Sealed {
        let newest = state.tail_record(state.head.size - 1).expect("a record").leaf.clone();
        let body = Bytes::from_static(b"body");
        let (seq, position, commitment) = (state.head.size, 0, body_commitment(&body));
        let mut leaf = Leaf { seq, position, previous: state.head.hash, body: commitment, ..newest };
        alter(&mut leaf);
        let entries = vec![Entry { record: Hashed::new(leaf), body }];
        let draft = Draft { vault: state.vault, before, recent: &[], entries, nonce: [0; 16] };
        let keyring = vault.current_keyring().await.expect("a keyring");
        draft.seal(&keyring.keys.commit_key()).expect("one entry")
    }

    /// Under the one name that can follow `state`, and after another record.
    async fn beside(vault: &Vault, state: &State) -> Sealed {
        forged(vault, state, &state.frontier, |leaf| leaf.previous[31] ^= 1).await
    }

    /// A process that writes about a case, and one that looks at its storage so.
    async fn two(look: impl FnOnce(Arc<MemoryStorage>) -> Arc<dyn Storage>) -> Two {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, place) = (folder.path().join("key"), Arc::new(MemoryStorage::default()));
        let key = LocalKey::create(&path).expect("a key");
        let writer = Vault::create(place.clone(), key).await.expect("a vault");
        let desk = writer.session("a").purpose("p").begin().expect("a session");
        let case = desk.create_case("c").await.expect("a case");
        let key = LocalKey::load(&path).expect("the key");
        let other = Vault::open(look(place.clone()), key, &writer.pin()).await.expect("it opens");
        Two { place, writer, desk, case, other }
    }

    struct Two {
        place: Arc<MemoryStorage>,
        writer: Vault,
        desk: Session,
        case: CaseId,
        other: Vault,
    }

    impl Two {
        async fn records(&self, count: usize) {
            for _ in 0..count {
                self.desk.describe_case(self.case).await.expect("a record");
            }
        }

        async fn at_once(&self, count: usize) {
            try_join_all((0..count).map(|_| self.desk.describe_case(self.case))).await.expect("records");
        }
    }

    /// Whoever has the log's key cannot have it go back in time, nor claim another tree: met at once, and in a listing.
    #[test]
    fn a_commit_is_followed_by_its_time_and_its_tree() {
        type Alter = (fn(&mut Leaf), fn(&mut Frontier), bool);
        let alterations: [Alter; 3] = [
            (|_| {}, |_| {}, false),
            (|leaf| leaf.time = Timestamp::from_millis(leaf.time.as_millis() - 1), |_| {}, true),
            (|_| {}, |tree| *tree = Frontier::default(), true),
        ];
        for (honest, (leaf, tree, refused)) in [0, NEAR].into_iter().flat_map(|n| alterations.map(|a| (n, a)))
        {
            block_on(async {
                let two = two(|place| place).await;
                two.records(honest).await;
                let state = two.writer.ledger().state();
                let mut before = state.frontier.clone();
                tree(&mut before);
                let forged = forged(&two.writer, &state, &before, leaf).await;
                two.place.create(&forged.key, forged.bytes).await.expect("memory");
                let followed = two.other.sync().await.err().map(|error| error.kind());
                assert_eq!(followed, refused.then_some(ErrorKind::Corrupt), "{honest}");
                assert_eq!(two.other.ledger().state().head == state.head, refused, "{honest}");
            });
        }
    }

    /// By who has the log's key, and names a manifest that a later one has superseded: what the later one covers is not given
    /// up for it.
    #[test]
    fn an_older_index_takes_no_newer_ones_place() {
        block_on(async {
            let two = two(|place| place).await;
            two.at_once(300).await;
            let older = two.writer.ledger().state().manifest.clone();
            let case = two.desk.create_case("behind it").await.expect("a case");
            two.at_once(300).await;
            two.other.sync().await.expect("it follows");
            let state = two.other.ledger().state();
            assert!(older.covered() > 0 && older.covered() < state.manifest.covered());
            let named = |leaf: &mut Leaf| {
                let none = Leaf { kind: Kind::Index, object: [0; 16], effect: [0; 32], ..leaf.clone() };
                let (case, auxiliary) = (CaseId::from_bytes([0; 16]), padded(&older.covered().to_be_bytes()));
                *leaf = Leaf { case, auxiliary, state_root: older.digest(), ..none };
            };
            let forged = forged(&two.writer, &two.writer.ledger().state(), &state.frontier, named).await;
            two.place.create(&forged.key, forged.bytes).await.expect("memory");
            two.other.sync().await.expect("it is signed");
            assert_eq!(two.other.ledger().state().manifest, state.manifest);
            let desk = two.other.session("b").purpose("q").begin().expect("a session");
            desk.describe_case(case).await.expect("it is found");
        });
    }

    #[test]
    fn who_is_further_behind_than_a_listing_shows_follows_to_the_end() {
        block_on(async {
            let two = two(|place| place).await;
            two.records(LISTED + 150).await;
            assert_eq!(two.other.sync().await.expect("it follows"), two.writer.pin());
        });
    }

    /// One that is gone is looked for once on the way, however many commits come behind it.
    #[test]
    fn a_manifest_that_is_gone_is_asked_for_once_on_the_way() {
        block_on(async {
            let asked = Arc::new(Mutex::new(Vec::new()));
            let noted = asked.clone();
            let two = two(|place| {
                Arc::new(Lying::about(place).reading(move |_, name| {
                    let index = name.as_str().starts_with(layout::INDEX);
                    index.then(|| {
                        noted.lock().expect("no panic").push(name.clone());
                        Ok(None)
                    })
                }))
            });
            let two = two.await;
            two.at_once(3 * 4096).await;
            two.records(12).await;
            let gone = two.other.sync().await.expect_err("no index");
            assert_eq!(gone.kind(), ErrorKind::Corrupt);
            let asked = asked.lock().expect("no panic");
            let last = asked.last().expect("asked for");
            // And once at the end.
            assert_eq!(asked.iter().filter(|name| *name == last).count(), 2, "{asked:?}");
        });
    }

    #[test]
    fn a_commit_follows_by_the_whole_hash_before_it() {
        block_on(async {
            // Met by its name at once, and in a listing.
            for honest in [0, NEAR] {
                let both = two(|place| place).await;
                both.records(honest).await;
                let Two { place, writer, other, .. } = both;
                let state = writer.ledger().state();
                let forged = beside(&writer, &state).await;
                assert_eq!(forged.key, layout::commit(state.head.size, &state.head.hash));
                place.create(&forged.key, forged.bytes).await.expect("memory");
                let found = next(&*place, state.vault, &state.head).await;
                assert_eq!(found.expect_err("another record").kind(), ErrorKind::Corrupt);
                assert_eq!(other.sync().await.expect_err("another record").kind(), ErrorKind::Corrupt);
                assert_eq!(other.ledger().state().head, state.head, "{honest}");
            }
        });
    }
}
