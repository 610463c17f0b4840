//! A root key in a file (FORMAT §4.3).

use core::fmt;
use std::path::Path;

use async_trait::async_trait;

use super::{KeyError, KeyWrap, SlotKind};
use crate::{
    crypto::{
        schedule::{LOCAL_SLOT, context},
        wrap,
    },
    env::SystemEntropy,
    error::Result,
    secret::Secret,
    secret_file,
};

/// A root key of 32 random bytes in a file of its owner, or wherever else its owner keeps them.
///
/// Whoever loses the only key loses the vault: [`Session::add_slot`](crate::Session::add_slot) takes another.
///
/// # Security
///
/// Who can read the file, or a backup of it, can open every vault with a slot for it. Keep it, and
/// its backups, apart from the vault's storage.
pub struct LocalKey(Secret<32>);

impl LocalKey {
    /// Makes a new key, and a new file for it that only its owner can read (mode 0600).
    ///
    /// The key is durable when this returns. Blocks for a few file operations.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if there is something at `path`: a key is never
    /// overwritten. Otherwise as [`LocalKey::load`], and
    /// [`Entropy`](crate::ErrorKind::Entropy).
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        secret_file::create(path.as_ref(), HEADER).map(Self)
    }

    /// Loads the key that [`LocalKey::create`] made. `path` may be a symbolic link to the file.
    ///
    /// Blocks for a few file operations.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no file,
    /// [`Denied`](crate::ErrorKind::Denied) if this process may not read it or, on Unix, if group
    /// or others may use it, [`Invalid`](crate::ErrorKind::Invalid) if it is no key file, and
    /// [`Storage`](crate::ErrorKind::Storage) if the file system fails.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        secret_file::load(path.as_ref(), HEADER).map(Self)
    }
}

impl LocalKey {
    /// The key of 32 bytes that the caller keeps elsewhere, such as in a secret manager.
    ///
    /// # Security
    ///
    /// They must come from a cryptographically secure generator: what can be guessed, such as the hash of a password,
    /// opens everything ([`Passphrase`](super::Passphrase) is for those). And they must be stored durably first.
    #[must_use]
    pub const fn from_seed(seed: Secret<32>) -> Self {
        Self(seed)
    }
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalKey([REDACTED])")
    }
}

#[async_trait]
impl KeyWrap for LocalKey {
    fn kind(&self) -> SlotKind {
        SlotKind::Local
    }

    async fn wrap(&self, slot: &[u8; 32], secret: &Secret<32>) -> Result<Vec<u8>, KeyError> {
        let bound = context(LOCAL_SLOT, &[slot]);
        Ok(wrap::wrap(&self.0, &bound, secret, &SystemEntropy)?.to_vec())
    }

    async fn unwrap(&self, slot: &[u8; 32], wrapped: &[u8]) -> Result<Secret<32>, KeyError> {
        let bound = context(LOCAL_SLOT, &[slot]);
        wrap::unwrap(&self.0, &bound, wrapped).map_err(|_| KeyError::Refused)
    }
}

const HEADER: &str = "docvault local key 1";

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;

    #[test]
    fn a_loaded_key_unwraps_what_the_created_one_wrapped() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let secret = Secret::take([7; 32]);
        let wrapped =
            block_on(LocalKey::create(&path).expect("created").wrap(&[1; 32], &secret)).expect("wraps");
        let loaded = LocalKey::load(&path).expect("loads");
        let unwrapped = block_on(loaded.unwrap(&[1; 32], &wrapped)).expect("unwraps");
        assert_eq!(unwrapped.expose(), secret.expose());
        let kept_elsewhere = LocalKey::from_seed(loaded.0.duplicate());
        assert_eq!(
            block_on(kept_elsewhere.unwrap(&[1; 32], &wrapped)).expect("unwraps").expose(),
            secret.expose()
        );
        let refused = |result| matches!(result, Err(KeyError::Refused));
        assert!(refused(block_on(loaded.unwrap(&[2; 32], &wrapped))));
        assert!(refused(block_on(loaded.unwrap(&[1; 32], &wrapped[1..]))));
        let other = LocalKey::create(folder.path().join("other")).expect("created");
        assert!(refused(block_on(other.unwrap(&[1; 32], &wrapped))));
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", LocalKey(Secret::take([0xAB; 32]))), "LocalKey([REDACTED])");
    }
}
