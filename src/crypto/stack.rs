//! What computations on secrets leave on the stack.

/// Calls `work`, then writes zeros over the stack that its calls have used, `REACHED` bytes at most.
///
/// The KEM hands its coins and shared secrets on by value, and signatures their seed. What lies there afterwards nobody
/// would wipe, and a future that is moved to the heap takes along what lay in its place before.
pub(crate) fn wiped<const REACHED: usize, T>(work: impl FnOnce() -> T) -> T {
    let result = called(work);
    overwrite::<REACHED>();
    result
}

/// In a frame of its own, that of [`overwrite`] being in the same place.
#[inline(never)]
fn called<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn overwrite<const REACHED: usize>() {
    core::hint::black_box(&mut [0u8; REACHED]);
}

/// More than the KEM reaches, which a test measures: 60 KiB optimized, 63 not.
pub(super) const KEM: usize = 80 << 10;
/// More than a signature reaches, which a test measures, too.
pub(super) const SIGNATURE: usize = 24 << 10;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{fs::File, hint::black_box, os::unix::fs::FileExt, thread};

    use super::*;
    use crate::{
        crypto::{hpke::SecretKey, sign::SigningKey},
        env::SystemEntropy,
        secret::Secret,
    };

    const LOOKED_AT: usize = 1 << 20;
    const PAINT: u8 = 0xA5;

    #[inline(never)]
    fn paint() {
        black_box(&mut [PAINT; LOOKED_AT]);
    }

    /// What lies below the caller's frame once `work` has returned.
    #[inline(never)]
    fn left_by(work: impl FnOnce()) -> Vec<u8> {
        let (here, mut below) = (0u8, vec![0; LOOKED_AT]);
        paint();
        work();
        let lowest = (&raw const here).addr() - LOOKED_AT;
        let memory = File::open("/proc/self/mem").expect("Linux has it");
        memory.read_exact_at(&mut below, u64::try_from(lowest).expect("of 64 bits")).expect("mapped");
        below
    }

    /// Calls `work` so far down that nothing which looks for its traces gets there.
    #[inline(never)]
    fn deep(work: impl FnOnce()) {
        let above = black_box([0u8; 64 << 10]);
        work();
        black_box(&above);
    }

    fn has(below: &[u8], byte: u8) -> bool {
        below.windows(32).any(|place| place == [byte; 32])
    }

    /// How far below the caller's frame `work` has written.
    fn reached_by(work: impl FnOnce()) -> usize {
        let below = left_by(|| called(work));
        let painted = below.windows(64).position(|place| place == [PAINT; 64]).expect("deeper than any work");
        let untouched = below.iter().skip(painted).take_while(|byte| **byte == PAINT).count();
        LOOKED_AT - painted - untouched
    }

    /// Tests' threads have 2 MiB, of which one is looked at.
    fn on_a_large_stack(test: impl FnOnce() + Send + 'static) {
        let thread = thread::Builder::new().stack_size(8 << 20).spawn(test);
        thread.expect("a thread").join().expect("the test's answer");
    }

    #[test]
    fn what_work_has_left_is_written_over() {
        on_a_large_stack(|| {
            let work = || {
                black_box(&mut [0x5Au8; 4096]);
            };
            assert!(has(&left_by(|| called(work)), 0x5A));
            assert!(!has(&left_by(|| wiped::<KEM, _>(work)), 0x5A));
        });
    }

    #[test]
    fn a_seed_is_nowhere_below_who_signs() {
        on_a_large_stack(|| {
            let seed = Secret::take([0x3C; 32]);
            let below = left_by(|| {
                deep(|| {
                    let key = Box::new(black_box(SigningKey::from_seed(seed.duplicate())));
                    black_box(key.sign("a", b"message"));
                });
            });
            assert!(!has(&below, 0x3C));
        });
    }

    #[test]
    fn a_signature_reaches_no_further_than_is_written_over() {
        on_a_large_stack(|| {
            let (seed, key) = ([1; 32], ed25519_dalek::SigningKey::from_bytes(&[1; 32]));
            let reached = [
                reached_by(|| {
                    black_box(Box::new(ed25519_dalek::SigningKey::from_bytes(black_box(&seed))));
                }),
                reached_by(|| {
                    black_box(ed25519_dalek::Signer::sign(&key, black_box(&[7; 300])));
                }),
            ];
            println!("{reached:?} of {SIGNATURE}");
            assert!(reached.into_iter().all(|len| (1 << 9..SIGNATURE).contains(&len)), "{reached:?}");
        });
    }

    #[test]
    fn the_kem_reaches_no_further_than_is_written_over() {
        on_a_large_stack(|| {
            let key = SecretKey::from_seed(&Secret::take([1; 32]));
            let public = key.public();
            let sealed = public.seal(b"", b"", b"secret", &SystemEntropy).expect("entropy");
            let reached = [
                reached_by(|| {
                    black_box(SecretKey::seeded(&Secret::take([1; 32])));
                }),
                reached_by(|| {
                    black_box(key.to_public());
                }),
                reached_by(|| {
                    black_box(public.seal_plainly(b"", b"", b"secret", &SystemEntropy)).expect("entropy");
                }),
                reached_by(|| {
                    black_box(key.open_plainly(b"", b"", &sealed)).expect("opens");
                }),
            ];
            println!("{reached:?} of {KEM}");
            assert!(reached.into_iter().all(|len| (1 << 12..KEM).contains(&len)), "{reached:?}");
        });
    }
}
