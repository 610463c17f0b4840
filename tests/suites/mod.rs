//! Suites and sources of randomness for tests of chunked encryption.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_in_result,
    reason = "tests"
)]
#![allow(dead_code, reason = "no test file uses all of them")]

use core::cell::{Cell, RefCell};

use aes_gcm::{AeadInOut, KeyInit};
use docvault::{
    Entropy, EntropyError,
    chunked::{Aead, ChaCha20Poly1305, Expand},
};
use hkdf::Hkdf;

macro_rules! aes_gcm_suite {
    ($name:ident, $iana:literal, $len:literal) => {
        pub(crate) struct $name(aes_gcm::$name);

        impl Aead for $name {
            const NAME: &'static str = $iana;
            const KEY_LEN: usize = $len;

            fn new(key: &[u8]) -> Option<Self> {
                aes_gcm::$name::new_from_slice(key).ok().map(Self)
            }

            fn seal(&self, nonce: &[u8; 12], buffer: &mut [u8]) -> [u8; 16] {
                self.0.encrypt_inout_detached(&(*nonce).into(), &[], buffer.into()).unwrap().into()
            }

            fn open(&self, nonce: &[u8; 12], buffer: &mut [u8], tag: &[u8; 16]) -> bool {
                self.0.decrypt_inout_detached(&(*nonce).into(), &[], buffer.into(), &(*tag).into()).is_ok()
            }
        }
    };
}

aes_gcm_suite!(Aes128Gcm, "AEAD_AES_128_GCM", 16);
aes_gcm_suite!(Aes256Gcm, "AEAD_AES_256_GCM", 32);

/// HKDF-Expand with SHA-512, also of keys shorter than a hash.
pub(crate) struct HkdfSha512;

impl Expand for HkdfSha512 {
    fn expand(key: &[u8], info: &[&[u8]], out: &mut [u8]) {
        // RFC 2104 §2: HMAC pads its key with zeros, so a padded key is the same key.
        let mut prk = [0; 64];
        prk[..key.len()].copy_from_slice(key);
        Hkdf::<sha2::Sha512>::from_prk(&prk).unwrap().expand_multi_info(info, out).unwrap();
    }
}

/// The default AEAD, counting its calls on this thread.
pub(crate) struct Counting(ChaCha20Poly1305);

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static USED: RefCell<Vec<([u8; 32], [u8; 12])>> = const { RefCell::new(Vec::new()) };
}

impl Counting {
    /// Calls of [`Counting`] on this thread while `f` runs.
    pub(crate) fn calls(f: impl FnOnce()) -> usize {
        let before = CALLS.get();
        f();
        CALLS.get() - before
    }
}

impl Aead for Counting {
    const NAME: &'static str = ChaCha20Poly1305::NAME;
    const KEY_LEN: usize = ChaCha20Poly1305::KEY_LEN;

    fn new(key: &[u8]) -> Option<Self> {
        ChaCha20Poly1305::new(key).map(Self)
    }

    fn seal(&self, nonce: &[u8; 12], buffer: &mut [u8]) -> [u8; 16] {
        CALLS.set(CALLS.get() + 1);
        self.0.seal(nonce, buffer)
    }

    fn open(&self, nonce: &[u8; 12], buffer: &mut [u8], tag: &[u8; 16]) -> bool {
        CALLS.set(CALLS.get() + 1);
        self.0.open(nonce, buffer, tag)
    }
}

/// The default AEAD but that it encrypts nothing, and notes each key and nonce used on this thread.
pub(crate) struct Recording([u8; 32]);

impl Recording {
    pub(crate) fn take() -> Vec<([u8; 32], [u8; 12])> {
        USED.take()
    }
}

impl Aead for Recording {
    const NAME: &'static str = ChaCha20Poly1305::NAME;
    const KEY_LEN: usize = ChaCha20Poly1305::KEY_LEN;

    fn new(key: &[u8]) -> Option<Self> {
        key.try_into().ok().map(Self)
    }

    fn seal(&self, nonce: &[u8; 12], _: &mut [u8]) -> [u8; 16] {
        USED.with_borrow_mut(|used| used.push((self.0, *nonce)));
        [0; 16]
    }

    fn open(&self, _: &[u8; 12], _: &mut [u8], _: &[u8; 16]) -> bool {
        false
    }
}

/// Gives these bytes, each time.
#[derive(Debug)]
pub(crate) struct Fixed(pub Vec<u8>);

impl Entropy for Fixed {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        bytes.copy_from_slice(&self.0);
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) struct Broken;

impl Entropy for Broken {
    fn fill(&self, _: &mut [u8]) -> Result<(), EntropyError> {
        Err(EntropyError)
    }
}

/// The bytes 0, 1, .. 250, 0, 1, .. of the given length.
pub(crate) fn message(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}
