//! The vault's operations on memory and on a folder, and the log's verification.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark")]

use std::sync::Arc;

use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use docvault::{
    CaseId, Identity, NewDocument, Recipient, Session, Terms, Vault,
    keys::LocalKey,
    storage::{FsStorage, MemoryStorage, Storage},
};
use futures_lite::future::block_on;

fn session(storage: Arc<dyn Storage>, folder: &std::path::Path) -> (Session, CaseId) {
    block_on(async {
        let key = LocalKey::create(folder.join("key")).unwrap();
        let vault = Vault::create(storage, key).await.unwrap();
        let desk = vault.session("bench").purpose("bench").begin().unwrap();
        let case = desk.create_case("bench").await.unwrap();
        (desk, case)
    })
}

fn operations(group: &mut BenchmarkGroup<'_, WallTime>, desk: &Session, case: CaseId, recipient: &Recipient) {
    for len in [1usize << 10, 100 << 10, 8 << 20] {
        let content = bytes::Bytes::from(vec![1u8; len]);
        let store = || block_on(desk.store(case, NewDocument::named("x"), content.clone())).unwrap();
        let stored = store();
        group.throughput(Throughput::Bytes(len.try_into().unwrap()));
        group.bench_function(format!("store {len}"), |b| b.iter(store));
        group.bench_function(format!("retrieve {len}"), |b| {
            b.iter(|| block_on(desk.retrieve(stored.document)).unwrap());
        });
    }
    group.throughput(Throughput::Elements(1));
    let large = block_on(desk.store(case, NewDocument::named("x"), vec![1u8; 32 << 20])).unwrap();
    let reader = block_on(desk.reader(large.document)).unwrap();
    group.bench_function("64 KiB range of an open reader", |b| {
        b.iter(|| block_on(reader.range(20_000_000..20_065_536)).unwrap());
    });
    let grant = || block_on(desk.grant(large.document, recipient, Terms::read().purpose("bench"))).unwrap();
    group.bench_function("grant", |b| b.iter(grant));
    group.bench_function("revoke", |b| {
        b.iter_batched(grant, |grant| block_on(desk.revoke(grant)).unwrap(), BatchSize::SmallInput);
    });
}

fn vault(c: &mut Criterion) {
    pin_threads();
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::create(folder.path().join("identity")).unwrap();
    let fingerprint = identity.fingerprint().to_string();
    let recipient = Recipient::verify(&identity.recipient_bytes(), &fingerprint).unwrap();

    let mut group = c.benchmark_group("memory");
    group.sample_size(20);
    let (desk, case) = session(Arc::new(MemoryStorage::default()), folder.path());
    operations(&mut group, &desk, case, &recipient);
    group.finish();

    let mut group = c.benchmark_group("folder");
    group.sample_size(10);
    let place = tempfile::tempdir().unwrap();
    let storage = FsStorage::create(place.path().join("vault")).unwrap();
    let (desk, case) = session(Arc::new(storage), place.path());
    operations(&mut group, &desk, case, &recipient);
    group.finish();
}

fn log(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let (desk, case) = session(Arc::new(MemoryStorage::default()), folder.path());
    let mut group = c.benchmark_group("log");
    group.sample_size(10);
    group.throughput(Throughput::Elements(1));
    group.bench_function("append, one at a time", |b| b.iter(|| block_on(desk.describe_case(case)).unwrap()));
    group.throughput(Throughput::Elements(1024));
    group.bench_function("append, 1,024 at once", |b| {
        b.iter(|| {
            let all = (0..1024).map(|_| desk.describe_case(case));
            block_on(futures_util::future::try_join_all(all)).unwrap()
        });
    });
    let audit = desk.vault().audit();
    let size = block_on(audit.verify_from_genesis()).unwrap().checked;
    group.throughput(Throughput::Elements(size));
    group
        .bench_function("verify from genesis", |b| b.iter(|| block_on(audit.verify_from_genesis()).unwrap()));
    group.finish();
}

/// Binds each sealing thread to a core: some kernels leave them all on one.
fn pin_threads() {
    let cores = core_affinity::get_core_ids().unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(cores.len());
    let pin = move |index: usize| assert!(core_affinity::set_for_current(cores[index]));
    pool.start_handler(pin).build_global().unwrap();
}

criterion_group!(benches, vault, log);
criterion_main!(benches);
