//! The types that hold key bytes and plaintext.

use core::{
    fmt,
    ops::{Deref, DerefMut},
};

use zeroize::{Zeroize, Zeroizing};

use crate::ids::CaseId;

/// Who holds something that opens what is in cases, and lets it go when a case was erased.
pub(crate) trait Holder: Send + Sync {
    /// Forgets what it holds of a case.
    fn forget(&self, case: CaseId);

    /// The case of which it gives something without the vault being asked whether it was erased.
    fn gives_unasked(&self) -> Option<CaseId> {
        None
    }
}

/// `N` secret bytes: on the heap, wiped when dropped, never printed.
///
/// It has no `Clone`, `PartialEq` or serialization, so a key is copied or compared only where the
/// code says so; [`Secret::expose`] is the one way to its bytes.
///
/// # Security
///
/// Wiping covers the heap buffer this value owns. Copies that the compiler spills to the stack or
/// to registers, swap and core dumps are out of its reach.
pub struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// All zero bytes, to be filled in place by [`Secret::expose_mut`].
    pub(crate) fn zeroed() -> Self {
        Self(Box::new([0; N]))
    }

    /// Copies `bytes`, or `None` if there are not exactly `N`.
    ///
    /// The caller still owns, and has to wipe, the bytes it passed.
    #[must_use]
    pub fn copy_from(bytes: &[u8]) -> Option<Self> {
        let mut secret = Self::zeroed();
        if bytes.len() != N {
            return None;
        }
        secret.0.copy_from_slice(bytes);
        Some(secret)
    }

    /// Moves `bytes` in and wipes the array it came from.
    pub(crate) fn take(mut bytes: [u8; N]) -> Self {
        let mut secret = Self::zeroed();
        secret.0.copy_from_slice(&bytes);
        bytes.zeroize();
        secret
    }

    /// The secret bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// The secret bytes, to be filled.
    pub(crate) fn expose_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }

    /// A second holder of the same bytes.
    pub(crate) fn duplicate(&self) -> Self {
        let mut secret = Self::zeroed();
        secret.0.copy_from_slice(self.0.as_slice());
        secret
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret<{N}>([REDACTED])")
    }
}

/// Secret bytes of a length known only at run time, wiped when dropped, never printed.
///
/// Like [`Secret`] it has no `Clone`, `PartialEq` or serialization; its bytes are those of the vector
/// that it stands for.
///
/// # Security
///
/// A vector that grows leaves its old buffer behind unwiped: give it its final capacity first.
#[derive(Default)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes `bytes` over, to be wiped when dropped.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl Deref for SecretBytes {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for SecretBytes {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes([REDACTED])")
    }
}

/// What must not compile: `Trait` for each type that holds a secret, and, to show that the question is
/// asked rightly, for a type that holds none.
///
/// ```
/// fn is<T: Clone + PartialEq + std::fmt::Debug>() {}
/// is::<docvault::Pin>();
/// is::<docvault::UploadToken>();
/// ```
///
/// ```compile_fail,E0277
/// fn is<T: Clone>() {}
/// is::<docvault::Secret<32>>();
/// ```
///
/// ```compile_fail,E0277
/// fn is<T: PartialEq>() {}
/// is::<docvault::Secret<32>>();
/// ```
///
/// ```compile_fail,E0277
/// fn is<T: std::fmt::Display>() {}
/// is::<docvault::Secret<32>>();
/// ```
///
/// ```compile_fail,E0277
/// fn is<T: Clone>() {}
/// is::<docvault::SecretBytes>();
/// ```
///
/// ```compile_fail,E0277
/// fn is<T: PartialEq>() {}
/// is::<docvault::SecretBytes>();
/// ```
///
/// ```compile_fail,E0277
/// fn is<T: Clone>() {}
/// is::<docvault::Identity>();
/// ```
///
/// ```compile_fail,E0277
/// fn is<T: PartialEq>() {}
/// is::<docvault::Identity>();
/// ```
///
/// ```compile_fail,E0277
/// fn is<T: Clone>() {}
/// is::<docvault::keys::LocalKey>();
/// ```
///
/// ```compile_fail,E0277
/// fn is<T: PartialEq>() {}
/// is::<docvault::keys::LocalKey>();
/// ```
///
/// ```compile_fail,E0277
/// fn is<T: Clone>() {}
/// is::<docvault::keys::Passphrase>();
/// ```
///
/// ```compile_fail,E0277
/// fn is<T: PartialEq>() {}
/// is::<docvault::keys::Passphrase>();
/// ```
///
/// An upload has one driver, or two would seal for one place:
///
/// ```compile_fail,E0277
/// fn is<T: Clone>() {}
/// is::<docvault::Upload>();
/// ```
///
/// A sealed message takes no nonce:
///
/// ```compile_fail,E0061
/// use docvault::{Secret, SystemEntropy, chunked};
/// chunked::seal(&Secret::copy_from(&[1; 32]).unwrap(), b"", b"", &[0; 12], &SystemEntropy::default());
/// ```
///
/// ```
/// use docvault::{Secret, SystemEntropy, chunked};
/// chunked::seal(&Secret::copy_from(&[1; 32]).unwrap(), b"", b"", &SystemEntropy::default()).unwrap();
/// ```
#[cfg(doctest)]
struct P21SecretsDoNotLeak;

/// With the feature `serde` ids serialize, and nothing that holds a secret:
///
/// ```
/// fn is<T: serde::Serialize>() {}
/// is::<docvault::CaseId>();
/// ```
///
/// ```compile_fail,E0277
/// fn is<T: serde::Serialize>() {}
/// is::<docvault::Secret<32>>();
/// ```
///
/// ```compile_fail,E0277
/// fn is<T: serde::Serialize>() {}
/// is::<docvault::SecretBytes>();
/// ```
///
/// ```compile_fail,E0277
/// fn is<T: serde::Serialize>() {}
/// is::<docvault::Identity>();
/// ```
#[cfg(all(doctest, feature = "serde"))]
struct P21SecretsDoNotSerialize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p21_debug_shows_no_byte() {
        let secret = Secret::take([0xAB; 32]);
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret<32>([REDACTED]) Secret<32>([REDACTED])");
    }

    #[test]
    fn p21_debug_of_bytes_shows_none() {
        let secret = SecretBytes::new(vec![0xAB; 32]);
        assert_eq!(format!("{secret:?} {secret:#?}"), "SecretBytes([REDACTED]) SecretBytes([REDACTED])");
    }

    #[test]
    fn copy_needs_the_exact_length() {
        assert!(Secret::<32>::copy_from(&[0; 31]).is_none());
        assert!(Secret::<32>::copy_from(&[0; 33]).is_none());
        assert_eq!(Secret::<4>::copy_from(&[1, 2, 3, 4]).map(|s| *s.expose()), Some([1, 2, 3, 4]));
    }
}
