//! Sealing and opening by size, against the bare AEAD in the same run. Sealing threads are bound to a core each.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark")]

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{AeadInOut, inout::InOutBuf},
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use docvault::{Secret, SystemEntropy, chunked};

fn sealing(c: &mut Criterion) {
    pin_threads();
    let key = Secret::copy_from(&[7; 32]).unwrap();
    let raw = ChaCha20Poly1305::new(&[7; 32].into());
    let entropy = SystemEntropy::default();
    let mut group = c.benchmark_group("sealing");
    group.sample_size(20);
    for len in [1 << 10, 100 << 10, 8 << 20] {
        let content = vec![1u8; len];
        group.throughput(Throughput::Bytes(len.try_into().unwrap()));
        group.bench_function(BenchmarkId::new("bare AEAD, 16 KiB chunks", len), |b| {
            let mut buffer = content.clone();
            b.iter(|| {
                for chunk in buffer.chunks_mut(chunked::CHUNK_LEN) {
                    raw.encrypt_inout_detached(&[0; 12].into(), &[], InOutBuf::from(chunk)).unwrap();
                }
            });
        });
        group.bench_function(BenchmarkId::new("seal", len), |b| {
            b.iter(|| chunked::seal(&key, b"context", &content, &entropy).unwrap());
        });
        let sealed = chunked::seal(&key, b"context", &content, &entropy).unwrap();
        group.bench_function(BenchmarkId::new("open", len), |b| {
            b.iter(|| chunked::open(&key, b"context", &sealed).unwrap());
        });
        group.bench_function(BenchmarkId::new("content digest", len), |b| {
            b.iter(|| docvault::ContentDigest::of(&content));
        });
    }
    group.finish();
}

/// Binds each sealing thread to a core: some kernels leave them all on one.
fn pin_threads() {
    let cores = core_affinity::get_core_ids().unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(cores.len());
    let pin = move |index: usize| assert!(core_affinity::set_for_current(cores[index]));
    pool.start_handler(pin).build_global().unwrap();
}

criterion_group!(benches, sealing);
criterion_main!(benches);
