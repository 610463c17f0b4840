//! 64 MiB sealed and opened in memory: docvault's chunked encryption, the `age` crate, tink's streaming AEAD.
//!
//! `cargo run --release --bin in_memory [--features fast]`. docvault's `seal` and `open` use all cores (threads not
//! bound to them); its `Sealer`, and the others, use one.

use std::{
    hint::black_box,
    io::{Cursor, Read, Write},
    sync::{Arc, Mutex},
    time::Instant,
};

use docvault::{Secret, SystemEntropy, chunked};

const LEN: usize = 64 << 20;
const ROUNDS: usize = 7;

/// The best of several rounds.
fn show<T>(name: &str, mut work: impl FnMut() -> T) {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        black_box(work());
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{name:40} {:.2} GB/s", LEN as f64 / best / 1e9);
}

fn docvault_chunked(content: &[u8]) {
    let key = Secret::copy_from(&[7; 32]).unwrap();
    let entropy = SystemEntropy::default();
    show("docvault seal, all cores", || chunked::seal(&key, b"", content, &entropy).unwrap());
    let sealed = chunked::seal(&key, b"", content, &entropy).unwrap();
    show("docvault open, all cores", || chunked::open(&key, b"", &sealed).unwrap());
    show("docvault Sealer, one core", || {
        let mut sealed = Vec::with_capacity(LEN + LEN / 512);
        let mut sealer: chunked::Sealer = chunked::Sealer::new(key.expose(), b"", &entropy).unwrap();
        sealer.push(content, &mut sealed).unwrap();
        sealer.finish(&mut sealed).unwrap();
        sealed
    });
}

fn age_crate(content: &[u8]) {
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public();
    show("age crate, seal", || age::encrypt(&recipient, content).unwrap());
    let sealed = age::encrypt(&recipient, content).unwrap();
    show("age crate, open", || age::decrypt(&identity, &sealed).unwrap());
}

/// tink takes its writer by value, so what it wrote is shared.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn tink(content: &[u8]) {
    tink_streaming_aead::init();
    let template = tink_streaming_aead::aes256_gcm_hkdf_1mb_key_template();
    let handle = tink_core::keyset::Handle::new(&template).unwrap();
    let aead = tink_streaming_aead::new(&handle).unwrap();
    let seal = || {
        let sealed = Shared::default();
        let mut writer = aead.new_encrypting_writer(Box::new(sealed.clone()), b"").unwrap();
        writer.write_all(content).unwrap();
        writer.close().unwrap();
        drop(writer);
        std::mem::take(&mut *sealed.0.lock().unwrap())
    };
    show("tink AES256-GCM-HKDF 1 MB, seal", seal);
    let sealed = seal();
    show("tink AES256-GCM-HKDF 1 MB, open", || {
        let mut content = Vec::with_capacity(LEN);
        let mut reader = aead.new_decrypting_reader(Box::new(Cursor::new(sealed.clone())), b"").unwrap();
        reader.read_to_end(&mut content).unwrap();
        content
    });
}

fn main() {
    let content = vec![7u8; LEN];
    docvault_chunked(&content);
    age_crate(&content);
    tink(&content);
}
