//! How many calls of the storage each operation takes, and how many of them wait for each other: counted, for logs of
//! several lengths, and held against the bounds that docs/SCALING.md states.
//!
//! `cargo test --release --all-features --test storage_calls -- --nocapture` prints the tables.
#![cfg(all(feature = "intake", feature = "testing"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use core::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use std::sync::Arc;

use docvault::{
    CaseId, DocumentId, Identity, NewDocument, NewStatement, Pin, Recipient, Session, SystemEntropy, Terms,
    Vault, VaultOptions,
    deposit::Verdict,
    keys::LocalKey,
    storage::{
        MemoryStorage,
        testing::{CountingStorage, Counts, DelayedStorage, VirtualTime},
    },
};
use futures_util::future::join_all;
use tempfile::TempDir;

mod common;
#[path = "common/intake.rs"]
mod intake;
use intake::*;

/// What an operation cost: calls, and how many of them were made one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    counts: Counts,
    trips: u128,
}

impl core::fmt::Display for Cost {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Counts { create, read, delete, list, .. } = self.counts;
        let calls = [(create, 'c'), (read, 'r'), (list, 'l'), (delete, 'd')];
        let calls: Vec<String> = calls
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, verb)| format!("{count}{verb}"))
            .collect();
        write!(
            f,
            "{} · **{}**",
            if calls.is_empty() { "none".to_owned() } else { calls.join(" ") },
            self.trips
        )
    }
}

impl Cost {
    fn calls(&self) -> u64 {
        let Counts { create, read, delete, list, .. } = self.counts;
        create + read + delete + list
    }
}

/// A storage of which each call takes one unit of virtual time.
struct Bench {
    counting: Arc<CountingStorage>,
    storage: Arc<DelayedStorage>,
    time: VirtualTime,
    key: Arc<LocalKey>,
    seeds: AtomicU64,
    rows: Vec<(&'static str, Cost)>,
    folder: TempDir,
}

const UNIT: Duration = Duration::from_millis(1);

impl Bench {
    fn new() -> Self {
        let counting = Arc::new(CountingStorage::new(Arc::new(MemoryStorage::default())));
        let time = VirtualTime::default();
        let storage = Arc::new(DelayedStorage::new(counting.clone(), time.clone(), |_| UNIT));
        let folder = tempfile::tempdir().unwrap();
        let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
        Self { counting, storage, time, key, seeds: AtomicU64::new(0), rows: Vec::new(), folder }
    }

    fn options(&self) -> VaultOptions {
        let entropy = Seeded::new(self.seeds.fetch_add(1, Ordering::SeqCst) + 1);
        VaultOptions::default().clock(self.time.clone()).sleeper(self.time.clone()).entropy(entropy)
    }

    async fn count<T>(&mut self, name: &'static str, operation: impl Future<Output = T> + Send) -> T {
        self.counting.take();
        let began = self.time.elapsed();
        let output = operation.await;
        let trips = (self.time.elapsed() - began).as_millis() / UNIT.as_millis();
        self.rows.push((name, Cost { counts: self.counting.take(), trips }));
        output
    }

    async fn open(&self, pin: &Pin) -> Vault {
        Vault::open_with(self.storage.clone(), self.key.clone(), pin, self.options()).await.unwrap()
    }
}

fn desk(vault: &Vault) -> Session {
    vault.session("user:1").purpose("counting").begin().unwrap()
}

async fn store(desk: &Session, case: CaseId, len: usize) -> DocumentId {
    let content = vec![7; len];
    desk.store(case, NewDocument::named("INE.pdf"), content).await.unwrap().document
}

/// Brings the log to `records`, a quarter of them stored documents in cases of a hundred.
async fn fill(desk: &Session, records: u64) {
    let mut case = desk.create_case("filled").await.unwrap();
    while desk.vault().pin().size() < records {
        let work = (0..100).map(|number| async move {
            match number % 4 {
                0 => drop(store(desk, case, 100).await),
                _ => drop(desk.describe_case(case).await.unwrap()),
            }
        });
        join_all(work).await;
        case = desk.create_case("filled").await.unwrap();
    }
}

/// Every operation on a log that has at least so many records.
async fn everything(mut bench: Bench, records: u64) -> Vec<(&'static str, Cost)> {
    let (storage, key, options) = (bench.storage.clone(), bench.key.clone(), bench.options());
    let vault = bench.count("create the vault", Vault::create_with(storage, key, options)).await.unwrap();
    let first = vault.pin();
    let office = desk(&vault);
    let case = office.create_case("old").await.unwrap();
    let documents = [store(&office, case, 1024).await, store(&office, case, 20 << 20).await];
    fill(&office, records).await;
    cold(&mut bench, &vault, &first, documents).await;
    let vault = bench.open(&vault.sync().await.unwrap()).await;
    let office = desk(&vault);
    office.retrieve(documents[0]).await.unwrap();
    warm(&mut bench, &office, documents).await;
    sharing(&mut bench, &office, documents[0]).await;
    evidence(&mut bench, &office, documents[0]).await;
    ends(&mut bench, &office).await;
    bench.rows
}

/// What a process pays that has just begun.
async fn cold(bench: &mut Bench, vault: &Vault, first: &Pin, [small, large]: [DocumentId; 2]) {
    let (storage, key) = (bench.storage.clone(), bench.key.clone());
    for (name, pin) in [("open, by the head's pin", vault.pin()), ("open, by the first pin", first.clone())] {
        let open = Vault::open_with(storage.clone(), key.clone(), &pin, bench.options());
        bench.count(name, open).await.unwrap();
    }
    for (name, document) in
        [("retrieve 1 KiB, as its first", small), ("retrieve 20 MiB, as its first", large)]
    {
        let office = desk(&bench.open(&vault.sync().await.unwrap()).await);
        bench.count(name, office.retrieve(document)).await.unwrap();
    }
    let office = desk(&bench.open(&vault.sync().await.unwrap()).await);
    bench.count("store 1 KiB, as its first", store(&office, small.case(), 1024)).await;
}

/// Cases and documents.
async fn warm(bench: &mut Bench, office: &Session, [small, large]: [DocumentId; 2]) {
    let case = bench.count("open a case", office.create_case("new")).await.unwrap();
    let new = bench.count("store 1 KiB", store(office, case, 1024)).await;
    bench.count("store 100 KiB", store(office, case, 100 << 10)).await;
    bench.count("store 20 MiB", store(office, case, 20 << 20)).await;
    let described = NewDocument::named("INE.pdf");
    let version = office.store_version(new, described, "readable", vec![8; 1024]);
    bench.count("store a version, 1 KiB", version).await.unwrap();
    bench.count("retrieve 1 KiB", office.retrieve(new)).await.unwrap();
    bench.count("retrieve 20 MiB", office.retrieve(large)).await.unwrap();
    bench.count("retrieve a range of 20 MiB", office.retrieve_range(large, 5..500)).await.unwrap();
    let reader = bench.count("reader of 20 MiB", office.reader(large)).await.unwrap();
    bench.count("its first range", reader.range(5..500)).await.unwrap();
    bench.count("its next range of the same part", reader.range(70_000..70_500)).await.unwrap();
    bench.count("describe a document", office.describe(small)).await.unwrap();
    bench.count("describe a case", office.describe_case(case)).await.unwrap();
    bench.count("list a case's 3 documents", office.documents(case, None)).await.unwrap();
    bench.count("history of 2 versions", office.history(new)).await.unwrap();
    bench.count("close a case", office.close_case(case, "done")).await.unwrap();
    bench.count("look for what others wrote", office.vault().sync()).await.unwrap();
}

async fn sharing(bench: &mut Bench, office: &Session, document: DocumentId) {
    let identity = Identity::create(bench.folder.path().join("identity")).unwrap();
    let (bytes, fingerprint) = (identity.recipient_bytes(), identity.fingerprint().to_string());
    let recipient = Recipient::verify(&bytes, &fingerprint).unwrap();
    let terms = Terms::read().purpose("opinion");
    let grant = bench.count("grant", office.grant(document, &recipient, terms)).await.unwrap();
    let delivery = async { office.deliver(grant).await.unwrap().collect().await };
    bench.count("deliver 1 KiB", delivery).await.unwrap();
    bench.count("who can open", office.who_can_open(document)).await.unwrap();
    bench.count("revoke", office.revoke(grant)).await.unwrap();
}

async fn evidence(bench: &mut Bench, office: &Session, document: DocumentId) {
    let statement = NewStatement::on("review.approved").payload("fine");
    bench.count("make a statement", office.make_statement(document.case(), statement)).await.unwrap();
    bench.count("newest statement", office.newest_statement(document.case())).await.unwrap();
    let audit = office.vault().audit();
    let note = bench.count("checkpoint", audit.checkpoint()).await.unwrap();
    let seq = office.describe(document).await.unwrap().seq;
    bench.count("receipt", office.receipt(seq, &note)).await.unwrap();
    bench.count("keep a checkpoint", office.keep_checkpoint(&note, &[])).await.unwrap();
}

/// What ends something, and what keeps the house.
async fn ends(bench: &mut Bench, office: &Session) {
    let case = office.create_case("short").await.unwrap();
    store(office, case, 1024).await;
    office.close_case(case, "done").await.unwrap();
    bench.count("erase a case of 1 document", office.erase_case(case)).await.unwrap();
    let key = LocalKey::create(bench.folder.path().join("other")).unwrap();
    let slot = bench.count("add a root key", office.add_slot(&key, "recovery")).await.unwrap();
    bench.count("remove a root key", office.remove_slot(slot)).await.unwrap();
    bench.count("rotate the signing keys", office.rotate_signing_keys()).await.unwrap();
    bench.count("rotate the epoch", office.rotate_epoch()).await.unwrap();
    bench.count("collect garbage", office.collect_garbage()).await.unwrap();
}

/// Handing in by a link: the calls are those of the carrier's storage.
async fn deposits(mut bench: Bench) -> Vec<(&'static str, Cost)> {
    let intake = Intake::new().await;
    let signed = intake.request().await;
    let descriptor = signed.descriptor.to_bytes();
    let carrier = intake.carrier_on(bench.storage.clone());
    bench.count("carrier: publish a request", carrier.publish(descriptor)).await.unwrap();
    let (opened, contents) = (intake.open(&signed), [content(1, 600_000)]);
    let mut client = begin(&opened, &contents);
    for (name, place) in [("carrier: the first part of a deposit", 0), ("carrier: another part", 1)] {
        let place = client.places()[place];
        let part = seal(&mut client, &contents, place);
        bench.count(name, carrier.receive(part)).await.unwrap();
    }
    let promise = bench.count("carrier: manifest, and the promise", finish(&carrier, &client)).await.unwrap();
    let inbox = bench.count("office: open the inbox", intake.inbox_on(bench.storage.clone(), &signed)).await;
    bench.count("office: new deposits", inbox.promises()).await.unwrap();
    let incoming = bench.count("office: open a deposit", inbox.deposit(&promise)).await.unwrap();
    bench.count("office: read its 2 parts", incoming.read(0).unwrap().collect()).await.unwrap();
    let receipt = intake.answer(&incoming, "official-id", Verdict::Accepted).await;
    let entropy = SystemEntropy::default();
    bench.count("office: answer", inbox.answer(&incoming, &receipt, &entropy)).await.unwrap();
    bench.rows
}

/// Calls of many operations, what folding costs included.
async fn amortized(bench: Bench, tasks: usize) -> (u64, Counts) {
    let (storage, key) = (bench.storage.clone(), bench.key.clone());
    let vault = Vault::create_with(storage, key, bench.options()).await.unwrap();
    let office = desk(&vault);
    let case = office.create_case("one").await.unwrap();
    bench.counting.take();
    let work = |_| async {
        for _ in 0..OPERATIONS / tasks {
            store(&office, case, 1024).await;
        }
    };
    join_all((0..tasks).map(work)).await;
    (vault.pin().size(), bench.counting.take())
}

const OPERATIONS: usize = 10_000;

fn table() -> String {
    let histories = HISTORIES.map(|records| run(|bench| everything(bench, records)));
    let mut table =
        String::from("| operation | new vault | 300 records | 5,200 records |\n|---|---|---|---|\n");
    for (at, (name, few)) in histories[0].iter().enumerate() {
        let (folded, many) = (histories[1][at].1, histories[2][at].1);
        writeln!(table, "| {name} | {few} | {folded} | {many} |").unwrap();
        check(name, &[*few, folded, many]);
    }
    table
}

/// On the bench's own time.
fn run<T, F: Future<Output = T>>(work: impl FnOnce(Bench) -> F) -> T {
    let bench = Bench::new();
    let time = bench.time.clone();
    time.block_on(work(bench))
}

/// Records at least: no fold, one, and so many that tables of the second level are there.
const HISTORIES: [u64; 3] = [0, 300, 5200];

/// The bounds that are promised, whatever the history.
fn check(name: &str, costs: &[Cost]) {
    for cost in costs {
        let (creates, calls, trips) = match name {
            "store 1 KiB" | "store 100 KiB" => (3, 3, 2),
            "retrieve 1 KiB" => (1, 2, 2),
            "retrieve 20 MiB" => (1, 5, 3),
            "retrieve 1 KiB, as its first" => (18, u64::MAX, 4),
            "open, by the head's pin" => (0, 6, 6),
            _ => continue,
        };
        let within = cost.counts.create <= creates && cost.calls() <= calls && cost.trips <= trips;
        assert!(within, "{name}: {cost}");
    }
}

#[test]
fn every_operation_is_counted() {
    println!("{}", table());
    let deposits = run(deposits);
    for (name, cost) in deposits {
        println!("| {name} | {cost} |");
    }
    for tasks in [1, 16] {
        println!("{tasks}: {:?}", run(|bench| amortized(bench, tasks)));
    }
}
