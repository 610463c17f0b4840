//! Tails that are put together otherwise than a writer does, and listings by which they are found.

use core::sync::atomic::{AtomicUsize, Ordering};

use super::{folded::told, lying::Lying, *};
use crate::{
    env::NoSleep,
    error::Error,
    ledger::fold::fold,
    log::manifest::{FOLD, Manifest, Table},
    storage::layout,
};

impl Forger {
    /// Adds so many records in one commit, which copies the last `copies` of the records before.
    fn add_batch(&mut self, count: u16, copies: usize) {
        let mut entries: Vec<Entry> = Vec::new();
        for position in 0..count {
            let leaf = self.leaf(Kind::Read, 1);
            let previous = entries.last().map_or(leaf.previous, |last| last.record.hash);
            let seq = leaf.seq + u64::from(position);
            let record = Hashed::new(Leaf { position, seq, previous, ..leaf });
            entries.push(Entry { record, body: Bytes::from_static(b"body") });
        }
        let size = self.state.head.size;
        let copied = size - u64::try_from(copies).expect("few")..size;
        let recent = copied.map(|seq| self.state.tail_record(seq).expect("in the tail").encoded.clone());
        let (recent, before) = (recent.collect::<Vec<_>>(), self.state.frontier.clone());
        self.add_entries(entries, &recent, [count.to_be_bytes()[1]; 16], &key(1), &before);
    }
}

/// What comes of opening this log by a pin of its first record, where what is listed behind a name is this.
fn opened(
    log: &Forger,
    behind: impl Fn(&ObjectKey) -> Option<Vec<ObjectKey>> + Send + Sync + 'static,
) -> Result<u64, Error> {
    block_on(async {
        let lists = move |prefix: &str, after: Option<&ObjectKey>| {
            behind(after.filter(|_| prefix == layout::LOG)?).map(Ok)
        };
        let shown = Lying::about(log.stored().await).listing(lists);
        let opened = load(&Forger::new().trusted(), &Pages::new(Arc::new(shown))).await;
        opened.map(|state| state.expect("a log").head.size)
    })
}

/// What nobody has folded would have no end, and nothing of it is authentic before its start.
#[test]
fn a_log_that_was_never_folded_is_none_once_it_is_long() {
    for (commits, refused) in [(3, false), (5, true)] {
        let mut log = Forger::new();
        (0..commits).for_each(|_| log.add_batch(4096, 0));
        let opened = opened(&log, |_| None);
        assert_eq!(opened.is_err(), refused, "{commits} commits");
        let fault = opened.err().map(|error| error.to_string().contains("the log's tail"));
        assert!(fault.is_none_or(|tail| tail));
    }
}

#[test]
fn copies_that_begin_within_a_commit_are_gone_on_from_there() {
    for copies in 0..=3 {
        let mut log = Forger::new();
        log.add_batch(3, 1);
        log.add_batch(1, copies);
        assert_eq!(opened(&log, |_| None).expect("a log"), 5, "{copies}");
    }
}

/// Of a commit without copies the one before it is looked for in a listing.
#[test]
fn the_commit_before_is_found_though_the_listing_lags_and_is_no_other() {
    let mut log = Forger::new();
    (0..3).for_each(|_| log.add_batch(1, 0));
    let name = |log: &Forger, at: usize| log.objects.get(at).expect("added").0.clone();
    let (newest, lagging) = (name(&log, 3), name(&log, 1));
    assert_eq!(opened(&log, |_| None).expect("a log"), 4);
    let behind = move |after: &ObjectKey| (*after == newest).then(|| vec![lagging.clone()]);
    assert_eq!(opened(&log, behind).expect("what is left out follows"), 4);
    // Another history's, which is sound.
    let mut other = Forger::new();
    other.add(Kind::Read, 9, &key(1));
    other.add_batch(1, 0);
    let (newest, theirs) = (name(&log, 3), name(&other, 2));
    log.objects.push(other.objects.swap_remove(2));
    let behind = move |after: &ObjectKey| (*after == newest).then(|| vec![theirs.clone()]);
    let refused = opened(&log, behind).expect_err("another record");
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert!(refused.to_string().contains("before record 3"), "{refused}");
}

/// A log that ends with an Index record of this manifest, as if it covered so many records.
async fn indexed(log: &Forger, state: &State, manifest: &Manifest, covered: u64) -> Result<Option<State>> {
    let (storage, digest) = (log.stored().await, manifest.digest());
    let name = layout::index(covered, &digest);
    storage.create(&name, manifest.encode()).await.expect("memory");
    let leaf =
        Leaf { auxiliary: padded(&covered.to_be_bytes()), object: [0; 16], ..log.leaf(Kind::Index, 0) };
    let leaf = Leaf { effect: [0; 32], case: CaseId::from_bytes([0; 16]), state_root: digest, ..leaf };
    let mut log = Forger { state: state.clone(), objects: Vec::new() };
    log.add_entry(leaf, Bytes::from_static(b"body"), &key(1), &state.frontier);
    let (key, bytes) = log.objects.pop().expect("added");
    storage.create(&key, bytes).await.expect("memory");
    load(&log.trusted(), &Pages::new(storage)).await
}

/// By who has the key that signs the log.
#[test]
fn an_index_record_names_a_manifest_of_what_it_says_is_covered() {
    let mut log = Forger::new();
    while log.state.head.size < FOLD {
        log.add(Kind::Read, 3, &key(1));
    }
    let state = told(&log, None);
    block_on(async {
        let (manifest, _) = fold(&state, &Pages::new(log.stored().await), &NoSleep).await.expect("memory");
        for (covered, refused) in [(FOLD, None), (0, Some(ErrorKind::Corrupt))] {
            let opened = indexed(&log, &state, &manifest, covered).await;
            assert_eq!(opened.err().map(|error| error.kind()), refused, "{covered}");
        }
    });
}

#[test]
fn a_manifest_of_more_than_there_is_stands_for_nothing() {
    let mut log = Forger::new();
    log.grow(3, &key(1));
    let mut frontier = Frontier::default();
    (0..FOLD).for_each(|_| frontier.push([5; 32]));
    let (written, root) = (FOLD, [0; 32]);
    let table = Table { level: 0, from: 0, to: FOLD, written, rows: 0, height: 0, root };
    let manifest = Manifest { frontier, keyring: [9; 32], tables: vec![table] };
    let opened = block_on(indexed(&log, &log.state, &manifest, FOLD));
    let refused = opened.expect_err("of records that are not there");
    assert!(refused.kind() == ErrorKind::Corrupt && refused.to_string().contains("tail"), "{refused}");
}

/// How often a storage is asked for names before a walk over 2,101 records, of which it shows none, is given up. Each
/// page has as many as were asked for, the first of them this far behind where it was to begin.
fn asked_for_names(step: usize) -> usize {
    let mut log = Forger::new();
    log.add_batch(2100, 0);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let lists = move |_: &str, _: Option<&ObjectKey>| {
        let nth = counted.fetch_add(1, Ordering::SeqCst);
        let names = (0..1000).map(|at| {
            let number = u32::try_from(nth * step + at).expect("few").to_be_bytes();
            layout::commit(1, &padded(&number))
        });
        Some(Ok(if nth < 100 { names.collect() } else { Vec::new() }))
    };
    let walked = block_on(async {
        let shown = Lying::about(log.stored().await).listing(lists);
        let from = Verified::genesis(LogKey::first(key(1).verifying_key()));
        walk(&shown, VAULT, from, log.state.head, Signatures::Each, &mut |_: &_| Ok(())).await
    });
    assert_eq!(walked.expect_err("made up").kind(), ErrorKind::Corrupt);
    asked.load(Ordering::SeqCst)
}

/// A commit has a record at least, so there is an end of pages; one that does not go on is the last.
#[test]
fn names_without_an_end_are_given_up() {
    assert_eq!(asked_for_names(1000), 4);
    assert_eq!(asked_for_names(0), 3);
}
