//! What operations cost as a document, a case, a vault and its history grow: tables that `scripts/series.py` draws.
//! Storage in memory, calls of it counted.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use docvault::{
    CaseId, DocumentId, NewDocument, Pin, Session, Vault, keys::LocalKey, storage::testing::CountingStorage,
};
use futures_lite::future::block_on;
use futures_util::future::try_join_all;

use crate::measure::{Failure, Raw, Waiting, append};

/// Asked at once while a vault is filled: as many as one commit takes.
const BATCH: u64 = 4096;
/// Each figure is the median of so many rounds.
const ROUNDS: usize = 9;
/// Documents of a case, where the vault grows and not the case.
const PER_CASE: u64 = 1000;

/// A vault on counted calls.
struct Growing {
    storage: Arc<CountingStorage>,
    key: PathBuf,
    first: Pin,
    desk: Session,
    case: CaseId,
}

impl Growing {
    fn new(folder: &Path) -> Result<Self, Failure> {
        let storage = Arc::new(CountingStorage::new(Arc::new(Waiting::yielding())));
        let key = tempfile::tempdir_in(folder)?.keep().join("key");
        let vault = block_on(Vault::create(storage.clone(), LocalKey::create(&key)?))?;
        let desk = vault.session("performance").purpose("growth").begin()?;
        let case = block_on(desk.create_case("grows"))?;
        Ok(Self { storage, key, first: vault.pin(), desk, case })
    }

    /// Microseconds that `work` takes, and the calls of the storage that it makes.
    fn cost<T, F: Future<Output = docvault::Result<T>>>(
        &self,
        work: impl Fn() -> F,
    ) -> Result<(f64, u64), Failure> {
        let (mut times, mut calls) = (Vec::new(), 0);
        for _ in 0..ROUNDS {
            self.storage.take();
            let start = Instant::now();
            block_on(work())?;
            times.push(start.elapsed());
            let counts = self.storage.take();
            calls = counts.create + counts.read + counts.delete + counts.list;
        }
        times.sort();
        Ok((micros(times.get(ROUNDS / 2).copied().unwrap_or_default()), calls))
    }

    /// What opening takes, by the head's pin and by the first one.
    fn opening(&self) -> Result<[(f64, u64); 2], Failure> {
        let head = self.desk.vault().pin();
        let open = async |pin: &Pin| Vault::open(self.storage.clone(), LocalKey::load(&self.key)?, pin).await;
        Ok([self.cost(|| open(&head))?, self.cost(|| open(&self.first))?])
    }

    async fn store(&self, case: CaseId) -> docvault::Result<DocumentId> {
        Ok(self.desk.store(case, NewDocument::named("x"), vec![7; 1000]).await?.document)
    }

    /// Stores so many documents; gives the last one.
    fn fill(&self, case: CaseId, count: u64) -> Result<Option<DocumentId>, Failure> {
        let mut last = None;
        for begun in (0..count).step_by(usize::try_from(BATCH)?) {
            let stored = (begun..count.min(begun + BATCH)).map(|_| self.store(case));
            last = block_on(try_join_all(stored))?.pop();
        }
        Ok(last)
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Powers of ten, from `first` to `last`.
fn decades(first: u64, last: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(first), |size| size.checked_mul(10)).take_while(move |size| *size <= last)
}

/// One core's primitives, storing and retrieving whole, by the document's size.
pub(crate) fn document(folder: &Path) -> Result<(), Failure> {
    println!("bytes\tprimitives, one core\tstore\tretrieve");
    let growing = Growing::new(folder)?;
    for len in (10..=28).step_by(2).map(|power| 1usize << power) {
        let mut raw = Raw::new(len, ["", ""])?;
        (0..ROUNDS).for_each(|_| raw.round());
        let content = bytes::Bytes::from(vec![7; len]);
        let store = || growing.desk.store(growing.case, NewDocument::named("x"), content.clone());
        let stored = block_on(store())?.document;
        let (store, _) = growing.cost(store)?;
        let (retrieve, _) = growing.cost(|| growing.desk.retrieve(stored))?;
        println!("{len}\t{:.1}\t{store:.1}\t{retrieve:.1}", micros(raw.median()));
    }
    Ok(())
}

/// One case that all documents are in.
pub(crate) fn case(folder: &Path, most: u64) -> Result<(), Failure> {
    println!("documents\tstore 1 KB\tdescribe a document\tlist a page\tcalls of the listing");
    let (growing, mut filled) = (Growing::new(folder)?, 0);
    for size in decades(10, most) {
        let last = growing.fill(growing.case, size - filled)?.ok_or("at least one was stored")?;
        filled = size + u64::try_from(ROUNDS)?;
        let (store, _) = growing.cost(|| growing.store(growing.case))?;
        let (describe, _) = growing.cost(|| growing.desk.describe(last))?;
        let (list, calls) = growing.cost(|| growing.desk.documents(growing.case, None))?;
        println!("{size}\t{store:.1}\t{describe:.1}\t{list:.1}\t{calls}");
    }
    Ok(())
}

/// Cases of a thousand documents each.
pub(crate) fn vault(folder: &Path, most: u64) -> Result<(), Failure> {
    println!(
        "documents\topen, head's pin\tcalls\topen, first pin\tcalls\tstore 1 KB\tretrieve 1 KB\tnewest version"
    );
    let (growing, mut filled) = (Growing::new(folder)?, 0);
    for size in decades(100, most) {
        let mut last = None;
        while filled < size {
            let case = block_on(growing.desk.create_case("one of many"))?;
            last = growing.fill(case, PER_CASE.min(size - filled))?;
            filled += PER_CASE.min(size - filled);
        }
        let last = last.ok_or("at least one was stored")?;
        let [(head, head_calls), (first, first_calls)] = growing.opening()?;
        let (store, _) = growing.cost(|| growing.store(last.case()))?;
        let (retrieve, _) = growing.cost(|| growing.desk.retrieve(last))?;
        let newest = [last];
        let (newest, _) = growing.cost(|| growing.desk.newest_versions(&newest))?;
        println!(
            "{size}\t{head:.1}\t{head_calls}\t{first:.1}\t{first_calls}\t{store:.1}\t{retrieve:.1}\t{newest:.1}"
        );
    }
    Ok(())
}

/// Records without documents.
pub(crate) fn history(folder: &Path, most: u64) -> Result<(), Failure> {
    println!(
        "records\topen, head's pin\tcalls\topen, first pin\tcalls\tappend\tverify what is new\tprove inclusion"
    );
    let growing = Growing::new(folder)?;
    let (desk, audit) = (&growing.desk, growing.desk.vault().audit());
    for size in decades(100, most) {
        while desk.vault().pin().size() < size {
            let missing = size - desk.vault().pin().size();
            block_on(append(desk, usize::try_from(missing.min(BATCH))?))?;
        }
        let [(head, head_calls), (first, first_calls)] = growing.opening()?;
        let newest = desk.vault().pin();
        let (append, _) = growing.cost(|| append(desk, 1))?;
        let (verify, _) = growing.cost(|| audit.verify(&newest))?;
        let log = block_on(audit.log())?;
        let (prove, _) = growing.cost(|| log.prove_inclusion(size / 2))?;
        println!(
            "{size}\t{head:.1}\t{head_calls}\t{first:.1}\t{first_calls}\t{append:.1}\t{verify:.1}\t{prove:.1}"
        );
    }
    Ok(())
}
