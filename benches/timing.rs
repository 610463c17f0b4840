//! Whether the time of a refusal tells where a secret and a guess differ: t values after dudect (Reparaz, Balasch,
//! Verbauwhede, "Dude, is my code constant time?", DATE 2017).
//!
//! `cargo bench --bench timing -- [SAMPLES]`, on a machine that does nothing else. Guesses that differ in the first byte and guesses that
//! differ in the last are refused in random order, and Welch's t says how surely their mean times differ: beyond 10
//! there is a leak, beyond 4.5 more samples are needed. Each row has a control, the same call followed by a
//! comparison that stops at the first difference: if that is not seen, the row proves nothing. Fails on either.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark"
)]

use std::{hint::black_box, process::ExitCode, time::Instant};

use docvault::{
    Recipient, Secret, SecretBytes, SystemEntropy,
    chunked::{Aead, ChaCha20Poly1305, HkdfSha256, Opener, PREFIX_LEN, Sealer},
};

fn main() -> ExitCode {
    let samples = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    println!("{:28} {:>9} {:>12} {:>12}   of {samples} samples", "", "ns", "t", "t, control");
    let rows = [commitment(samples), tag(samples), fingerprint(samples / 10)];
    if rows.into_iter().all(|row| row) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The key commitment before any chunk, which whoever writes to the storage may guess at.
fn commitment(samples: usize) -> bool {
    let key = Secret::<32>::copy_from(&[7; 32]).unwrap();
    let sealer: Sealer = Sealer::new(key.expose(), b"context", &SystemEntropy::default()).unwrap();
    let right = *sealer.prefix();
    let refuse = |guess: &[u8; PREFIX_LEN]| {
        let mut opener = Opener::<ChaCha20Poly1305, HkdfSha256>::new(key.expose(), b"context");
        assert!(opener.push(black_box(guess), &mut SecretBytes::default()).is_err());
    };
    row(
        "key commitment",
        samples,
        [differing(&right, 24), differing(&right, PREFIX_LEN - 1)],
        &right,
        &refuse,
    )
}

/// The tag of a chunk without content.
fn tag(samples: usize) -> bool {
    let cipher = <ChaCha20Poly1305 as Aead>::new(&[7; 32]).unwrap();
    let right = cipher.seal(&[1; 12], &mut []);
    let refuse = |guess: &[u8; 16]| assert!(!cipher.open(&[1; 12], &mut [], black_box(guess)));
    row("tag", samples, [differing(&right, 0), differing(&right, 15)], &right, &refuse)
}

/// A fingerprint that somebody was told.
fn fingerprint(samples: usize) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let identity = docvault::Identity::create(folder.path().join("key")).unwrap();
    let (bytes, told) = (identity.recipient_bytes(), identity.fingerprint().to_string());
    let right: [u8; 32] = {
        let mut padded = [b' '; 32];
        padded[..told.len()].copy_from_slice(told.as_bytes());
        padded
    };
    // The same characters in both, for looking them up takes as long as each of them takes.
    let exchanged = |mut at: core::ops::Range<usize>, from_end: bool| {
        let differ = |at: &usize| right[*at] != right[at + 1] && ![right[*at], right[at + 1]].contains(&b'-');
        let at = if from_end { at.rfind(differ) } else { at.find(differ) }.unwrap();
        let mut guess = right;
        guess.swap(at, at + 1);
        guess
    };
    let pairs = 0..told.len() - 1;
    let guesses = [exchanged(pairs.clone(), false), exchanged(pairs, true)];
    let refuse = |guess: &[u8; 32]| {
        let text = core::str::from_utf8(black_box(guess)).unwrap();
        assert!(Recipient::verify(&bytes, text).is_err());
    };
    row("fingerprint", samples, guesses, &right, &refuse)
}

fn differing<const N: usize>(right: &[u8; N], at: usize) -> [u8; N] {
    let mut guess = *right;
    guess[at] ^= 1;
    guess
}

/// Prints how surely the two guesses are told apart by the time of their refusal, and by a comparison that stops early.
fn row<const N: usize>(
    name: &str,
    samples: usize,
    guesses: [[u8; N]; 2],
    right: &[u8; N],
    refuse: &dyn Fn(&[u8; N]),
) -> bool {
    let stopping = |guess: &[u8; N]| {
        refuse(guess);
        black_box(guess.iter().zip(black_box(right)).take_while(|(a, b)| black_box(a == b)).count());
    };
    let times = measure(samples, &guesses, refuse);
    let (t, control) = (greatest_t(&times), greatest_t(&measure(samples, &guesses, &stopping)));
    let median = times.iter().map(|(_, nanos)| *nanos).collect::<Vec<_>>();
    println!("{name:28} {:9} {t:12.2} {control:12.2}", percentile(median, 50));
    t.abs() < LEAK && control.abs() > LEAK
}

/// Nanoseconds of each call, with which guess it was.
fn measure<const N: usize>(
    samples: usize,
    guesses: &[[u8; N]; 2],
    call: &dyn Fn(&[u8; N]),
) -> Vec<(usize, u64)> {
    let (mut chance, mut guess) = (0x9E37_79B9_7F4A_7C15u64, [0; N]);
    (0..samples)
        .map(|_| {
            // Marsaglia, "Xorshift RNGs".
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            let which = (chance >> 32) as usize & 1;
            // One place for both, so that they differ in nothing but their bytes.
            guess.copy_from_slice(&guesses[which]);
            let begun = Instant::now();
            call(black_box(&guess));
            (which, begun.elapsed().as_nanos() as u64)
        })
        .collect()
}

/// The t value that is farthest from 0 of all measurements, and of those up to some percentiles: what interrupts a call
/// takes long, and hides small differences.
fn greatest_t(times: &[(usize, u64)]) -> f64 {
    let all: Vec<u64> = times.iter().map(|(_, nanos)| *nanos).collect();
    let cuts = [100, 99, 95, 90, 75, 50].map(|percent| percentile(all.clone(), percent));
    let t = |cut: u64| {
        welch([0, 1].map(|class| {
            let of_class = times.iter().filter(|(which, nanos)| *which == class && *nanos <= cut);
            of_class.map(|(_, nanos)| *nanos as f64).collect()
        }))
    };
    cuts.map(t).into_iter().fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a })
}

fn percentile(mut values: Vec<u64>, percent: usize) -> u64 {
    let at = (values.len() * percent / 100).min(values.len() - 1);
    *values.select_nth_unstable(at).1
}

/// Welch's t of two samples.
fn welch(samples: [Vec<f64>; 2]) -> f64 {
    let [(a, of_a), (b, of_b)] = samples.map(|sample| {
        let count = sample.len() as f64;
        let mean = sample.iter().sum::<f64>() / count;
        let variance = sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    });
    (a - b) / (of_a + of_b).sqrt()
}

/// The t value that dudect takes for a leak for certain.
const LEAK: f64 = 10.0;
