//! The AEAD of docvault's suite as four libraries have it, and BLAKE3, on one core, on 16 KiB chunks.
//!
//! `cargo run --release --bin primitives`; for RustCrypto's AVX-512 path `RUSTFLAGS="--cfg chacha20_avx512"`.

use std::{hint::black_box, time::Instant};

const CHUNK: usize = 16 * 1024;
const TOTAL: usize = 8 << 20;

/// Best of several passes over a part of 8 MiB, in GB/s.
fn rate(mut pass: impl FnMut(&mut [u8])) -> f64 {
    let mut part = vec![7u8; TOTAL];
    let mut best = f64::MAX;
    for _ in 0..25 {
        let start = Instant::now();
        part.chunks_mut(CHUNK).for_each(&mut pass);
        best = best.min(start.elapsed().as_secs_f64());
    }
    black_box(&part);
    TOTAL as f64 / best / 1e9
}

fn rustcrypto() -> f64 {
    use chacha20poly1305::{ChaCha20Poly1305, KeyInit, aead::{AeadInOut, inout::InOutBuf}};
    let aead = ChaCha20Poly1305::new(&[7; 32].into());
    rate(|chunk| {
        black_box(aead.encrypt_inout_detached(&[0; 12].into(), &[], InOutBuf::from(chunk)).unwrap());
    })
}

fn aws_lc() -> f64 {
    use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &[7; 32]).unwrap());
    rate(|chunk| {
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let _ = black_box(key.seal_in_place_separate_tag(nonce, Aad::empty(), chunk).unwrap());
    })
}

fn ring() -> f64 {
    use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &[7; 32]).unwrap());
    rate(|chunk| {
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let _ = black_box(key.seal_in_place_separate_tag(nonce, Aad::empty(), chunk).unwrap());
    })
}

/// OpenSSL has no sealing in place in its safe interface, so this writes to a second buffer.
fn openssl() -> f64 {
    use openssl::{cipher::Cipher, cipher_ctx::CipherCtx};
    let mut context = CipherCtx::new().unwrap();
    let mut out = vec![0; CHUNK];
    rate(|chunk| {
        context.encrypt_init(Some(Cipher::chacha20_poly1305()), Some(&[7; 32]), Some(&[0; 12])).unwrap();
        context.cipher_update(chunk, Some(&mut out)).unwrap();
        context.cipher_final(&mut []).unwrap();
        let mut tag = [0; 16];
        context.tag(&mut tag).unwrap();
        black_box(tag);
    })
}

fn main() {
    let blake3 = rate(|chunk| {
        black_box(blake3::hash(chunk));
    });
    println!("ChaCha20-Poly1305  RustCrypto {:.2} GB/s", rustcrypto());
    println!("                   aws-lc-rs  {:.2} GB/s", aws_lc());
    println!("                   ring       {:.2} GB/s", ring());
    println!("                   OpenSSL    {:.2} GB/s", openssl());
    println!("BLAKE3             {blake3:.2} GB/s ({})", if cfg!(feature = "pure") { "Rust" } else { "assembly" });
    let mut other = vec![0u8; CHUNK];
    let copy = rate(|chunk| {
        other.copy_from_slice(chunk);
        black_box(&other);
    });
    println!("copy into a cached chunk {copy:.1} GB/s");
}
