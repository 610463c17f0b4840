//! Processes that write into one vault at once.

use core::{sync::atomic::Ordering, time::Duration};
use std::sync::{Arc, Mutex};

use docvault::{
    DocumentId, ErrorKind, NewDocument, Pin, Result, Session, Sleeper, Vault, VaultOptions,
    keys::LocalKey,
    storage::{MemoryStorage, testing::VirtualTime},
};
use futures_util::future::join_all;

use super::link::{Link, Seeded};

pub(crate) fn header() {
    println!(
        "| processes | tasks each | slow ones | operations/s | commits/s | lost per commit | requests per operation | \
         p50 / p99 ms | least / median / most | slow one's share, p50 / p99 ms | contended |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
}

/// How many processes, each with how many tasks that do one thing after the other, half of it storing 1 KiB and
/// half of it retrieving; how many times slower the last one's link is.
pub(crate) struct Scenario {
    pub(crate) writers: u64,
    pub(crate) tasks: u64,
    pub(crate) slow: Option<u64>,
    /// Whether the storage keeps the line in which processes wait for their turn.
    pub(crate) line: bool,
}

/// One process.
struct Writer {
    link: Arc<Link>,
    desk: Session,
    seed: Seeded,
    /// How long each operation took.
    done: Mutex<Vec<Duration>>,
    contended: Mutex<u64>,
}

impl Scenario {
    pub(crate) fn report(&self) -> Result<()> {
        let time = VirtualTime::default();
        let writers = time.block_on(async {
            let writers = self.open(&time).await?;
            let end = time.elapsed() + MEASURED;
            join_all(writers.iter().map(|writer| writer.run(&time, end, self.tasks))).await;
            Ok::<_, docvault::Error>(writers)
        })?;
        self.print(&writers);
        Ok(())
    }

    /// The processes, each with a case of its own.
    async fn open(&self, time: &VirtualTime) -> Result<Vec<Arc<Writer>>> {
        let bucket = Arc::new(MemoryStorage::default());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("vault.key");
        let key = Arc::new(LocalKey::create(&path)?);
        let seed = Seeded::new(self.writers * 1000 + self.tasks);
        let options = |seed: u64| {
            VaultOptions::default().entropy(Seeded::new(seed)).sleeper(time.clone()).clock(time.clone())
        };
        let vault = Vault::create_with(bucket.clone(), key.clone(), options(seed.draw())).await?;
        let pin: Pin = vault.pin();
        let mut writers = Vec::new();
        for number in 0..self.writers {
            let times = self.slow.filter(|_| number + 1 == self.writers).unwrap_or(1);
            let link = Link::new(bucket.clone(), time.clone(), Seeded::new(seed.draw()), times);
            let link = Arc::new(if self.line { link } else { link.without_line() });
            let vault = Vault::open_with(link.clone(), key.clone(), &pin, options(seed.draw())).await?;
            let desk = vault.session(format!("process:{number}")).purpose("simulation").begin()?;
            let seed = Seeded::new(seed.draw());
            writers.push(Arc::new(Writer {
                link,
                desk,
                seed,
                done: Mutex::default(),
                contended: Mutex::default(),
            }));
        }
        Ok(writers)
    }

    fn print(&self, writers: &[Arc<Writer>]) {
        let Self { writers: count, tasks, slow, .. } = self;
        let sum = |of: fn(&Link) -> u64| writers.iter().map(|writer| of(&writer.link)).sum::<u64>();
        let won = sum(|link| link.won.load(Ordering::Relaxed)).max(1);
        let lost = sum(|link| link.lost.load(Ordering::Relaxed));
        let requests = sum(|link| link.writes.load(Ordering::Relaxed) + link.reads.load(Ordering::Relaxed));
        let (fast, slowest) = writers.split_at(writers.len() - usize::from(slow.is_some()));
        let mut shares: Vec<usize> = fast.iter().map(|writer| writer.latencies().len()).collect();
        shares.sort_unstable();
        let all: usize = writers.iter().map(|writer| writer.latencies().len()).sum();
        let contended: u64 = writers.iter().map(|writer| *writer.contended.lock().expect("whole")).sum();
        let seconds = MEASURED.as_secs();
        let of_slow = slowest.first().map_or_else(
            || "-".to_owned(),
            |slow| format!("{}, {}", slow.latencies().len(), percentiles(slow.latencies())),
        );
        let fast: Vec<Duration> = fast.iter().flat_map(|writer| writer.latencies()).collect();
        println!(
            "| {count} | {tasks} | {} | {:.0} | {:.1} | {:.2} | {:.2} | {} | {} / {} / {} | {of_slow} | {contended} |",
            slow.map_or_else(|| "-".to_owned(), |times| format!("one, {times} ×")),
            ratio(all, seconds),
            ratio(won, seconds),
            ratio(lost, won),
            ratio(requests, all.max(1)),
            percentiles(fast),
            shares.first().copied().unwrap_or_default(),
            shares.get(shares.len() / 2).copied().unwrap_or_default(),
            shares.last().copied().unwrap_or_default(),
        );
    }
}

impl Writer {
    async fn run(&self, time: &VirtualTime, end: Duration, tasks: u64) {
        join_all((0..tasks).map(|_| self.task(time, end))).await;
    }

    async fn task(&self, time: &VirtualTime, end: Duration) {
        let mut last = None;
        let case = loop {
            match self.desk.create_case("one of many").await {
                Ok(case) => break case,
                Err(error) => self.note(&error),
            }
            if time.elapsed() >= end {
                return;
            }
        };
        // Nobody begins at the very instant at which another does.
        time.sleep(Duration::from_micros(self.seed.draw() % 100_000)).await;
        while time.elapsed() < end {
            let began = time.elapsed();
            let worked = match last {
                Some(document) if self.seed.draw().is_multiple_of(2) => {
                    self.desk.retrieve(document).await.map(drop)
                }
                _ => self.store(case).await.map(|stored| last = Some(stored)),
            };
            match worked {
                Ok(()) if time.elapsed() < end => {
                    self.done.lock().expect("whole").push(time.elapsed() - began);
                }
                Ok(()) => {}
                Err(error) => self.note(&error),
            }
        }
    }

    async fn store(&self, case: docvault::CaseId) -> Result<DocumentId> {
        let stored = self.desk.store(case, NewDocument::named("one of many"), vec![7; 1024]).await?;
        Ok(stored.document)
    }

    fn note(&self, error: &docvault::Error) {
        assert_eq!(error.kind(), ErrorKind::Contended, "{error}");
        *self.contended.lock().expect("whole") += 1;
    }

    fn latencies(&self) -> Vec<Duration> {
        self.done.lock().expect("whole").clone()
    }
}

fn percentiles(mut latencies: Vec<Duration>) -> String {
    latencies.sort_unstable();
    let at = |percent: usize| {
        let found = latencies.get(latencies.len() * percent / 100);
        found.map_or_else(|| "-".to_owned(), |found| found.as_millis().to_string())
    };
    format!("{} / {}", at(50), at(99))
}

#[allow(clippy::as_conversions, clippy::cast_precision_loss, reason = "figures to be read, far below 2⁵³")]
fn ratio<T: TryInto<u64>, U: TryInto<u64>>(of: T, to: U) -> f64 {
    of.try_into().unwrap_or_default() as f64 / to.try_into().unwrap_or(1) as f64
}

/// Virtual time that is measured.
const MEASURED: Duration = Duration::from_secs(30);
