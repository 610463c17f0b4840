//! Whether the time of a refusal tells where a secret and a guess differ: t values after dudect (Reparaz, Balasch,
//! Verbauwhede, "Dude, is my code constant time?", DATE 2017).
//!
//! `cargo bench --bench timing -- [SAMPLES]`, on a machine that does nothing else. Guesses that differ by a random bit pattern
//! in the first byte and guesses that differ by one in the last are refused in random order, and Welch's t says how surely
//! their mean times differ: beyond 10 there is a leak, beyond 4.5 more samples are needed. Each row has a control, the same
//! call followed by a comparison that stops at the first difference: if that is not seen, the row proves nothing. Fails on
//! either.
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
    row("key commitment", samples, &Guesses::of_bytes(right, [24, PREFIX_LEN - 1]), &refuse)
}

/// The tag of a chunk without content.
fn tag(samples: usize) -> bool {
    let cipher = <ChaCha20Poly1305 as Aead>::new(&[7; 32]).unwrap();
    let right = cipher.seal(&[1; 12], &mut []);
    let refuse = |guess: &[u8; 16]| assert!(!cipher.open(&[1; 12], &mut [], black_box(guess)));
    row("tag", samples, &Guesses::of_bytes(right, [0, 15]), &refuse)
}

/// A fingerprint that somebody was told.
fn fingerprint(samples: usize) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let found = (0..).find_map(|number: u32| {
        let identity = docvault::Identity::create(folder.path().join(number.to_string())).unwrap();
        let told = identity.fingerprint().to_string();
        let at = alike(told.as_bytes())?;
        Some((identity.recipient_bytes(), told, at))
    });
    let (bytes, told, at) = found.unwrap();
    let right: [u8; 32] = format!("{told:32}").into_bytes().try_into().unwrap();
    let others = ALPHABET.iter().map(|other| other ^ right[at[0]]).filter(|pattern| *pattern != 0);
    let guesses = Guesses { right, at, patterns: others.collect() };
    let refuse = |guess: &[u8; 32]| {
        let text = core::str::from_utf8(black_box(guess)).unwrap();
        assert!(Recipient::verify(&bytes, text).is_err());
    };
    row("fingerprint", samples, &guesses, &refuse)
}

/// One of the first five characters that is one of the last five, too: how long a character takes to be looked up
/// depends on which it is, and so whatever replaces it takes as long here as there.
fn alike(told: &[u8]) -> Option<[usize; 2]> {
    let last = told.len() - 5..told.len();
    (0..5).find_map(|early| last.clone().find(|late| told[*late] == told[early]).map(|late| [early, late]))
}

/// Guesses at a secret that differ from it in one byte: one of two, by one of these bit patterns.
struct Guesses<const N: usize> {
    right: [u8; N],
    at: [usize; 2],
    patterns: Vec<u8>,
}

impl<const N: usize> Guesses<N> {
    fn of_bytes(right: [u8; N], at: [usize; 2]) -> Self {
        Self { right, at, patterns: (1..=255).collect() }
    }

    /// The guess that differs early or late: neither a branch nor an address depends on which.
    fn make(&self, is_late: bool, random: usize) -> [u8; N] {
        let (pattern, late) =
            (self.patterns[random % self.patterns.len()], black_box(u8::from(is_late)).wrapping_neg());
        let mut guess = self.right;
        guess[self.at[0]] ^= pattern & !late;
        guess[self.at[1]] ^= pattern & late;
        guess
    }
}

/// Prints how surely the two guesses are told apart by the time of their refusal, and by a comparison that stops early.
fn row<const N: usize>(name: &str, samples: usize, guesses: &Guesses<N>, refuse: &dyn Fn(&[u8; N])) -> bool {
    let stopping = |guess: &[u8; N]| {
        refuse(guess);
        let right = black_box(&guesses.right);
        black_box(guess.iter().zip(right).take_while(|(a, b)| black_box(a == b)).count());
    };
    let times = measure(samples, guesses, refuse);
    let (t, control) = (greatest_t(&times), greatest_t(&measure(samples, guesses, &stopping)));
    let median = times.iter().map(|(_, nanos)| *nanos).collect::<Vec<_>>();
    println!("{name:28} {:9} {t:12.2} {control:12.2}", percentile(median, 50));
    t.abs() < LEAK && control.abs() > LEAK
}

/// Nanoseconds of each call, with whether its guess differed late.
fn measure<const N: usize>(
    samples: usize,
    guesses: &Guesses<N>,
    call: &dyn Fn(&[u8; N]),
) -> Vec<(bool, u64)> {
    let mut chance = 0x9E37_79B9_7F4A_7C15u64;
    (0..samples)
        .map(|_| {
            // Marsaglia, "Xorshift RNGs".
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            let is_late = (chance >> 32) & 1 == 1;
            let guess = guesses.make(is_late, (chance >> 40) as usize);
            let begun = Instant::now();
            call(black_box(&guess));
            (is_late, begun.elapsed().as_nanos() as u64)
        })
        .collect()
}

/// The t value that is farthest from 0 of all measurements, and of those up to some percentiles: what interrupts a call
/// takes long, and hides small differences.
fn greatest_t(times: &[(bool, u64)]) -> f64 {
    let all: Vec<u64> = times.iter().map(|(_, nanos)| *nanos).collect();
    let cuts = [100, 99, 95, 90, 75, 50].map(|percent| percentile(all.clone(), percent));
    let t = |cut: u64| {
        welch([false, true].map(|class| {
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

/// RFC 4648 §6, in lower case.
const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
/// The t value that dudect takes for a leak for certain.
const LEAK: f64 = 10.0;
