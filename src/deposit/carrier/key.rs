//! A carrier's key (FORMAT §11.3).

use core::{fmt, str::FromStr};
use std::path::Path;

use crate::{
    crypto::sign::{SigningKey, VerifyingKey},
    error::{Error, Result},
    ids::{Hex, parse_hex},
    secret::Secret,
    secret_file,
};

/// The key with which a carrier signs its promises. It opens nothing.
///
/// # Security
///
/// Who has it can promise in the carrier's name; the office is then held to promises that nobody kept.
pub struct CarrierKey(SigningKey);

impl CarrierKey {
    /// Makes a new key, and a new file for it that only its owner can read (mode 0600).
    ///
    /// The key is durable when this returns. Blocks for a few file operations.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if there is something at `path`: a key is never overwritten.
    /// Otherwise as [`CarrierKey::load`], and [`Entropy`](crate::ErrorKind::Entropy).
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        secret_file::create(path.as_ref(), HEADER).map(Self::from_seed)
    }

    /// Loads the key that [`CarrierKey::create`] made. Blocks for a few file operations.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no file,
    /// [`Denied`](crate::ErrorKind::Denied) if this process may not read it or, on Unix, if group
    /// or others may use it, [`Invalid`](crate::ErrorKind::Invalid) if it is no carrier's key file, and
    /// [`Storage`](crate::ErrorKind::Storage) if the file system fails.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        secret_file::load(path.as_ref(), HEADER).map(Self::from_seed)
    }

    /// The key of a seed that the caller keeps elsewhere: 32 bytes of a cryptographically secure generator.
    #[must_use]
    pub fn from_seed(seed: Secret<32>) -> Self {
        Self(SigningKey::from_seed(seed))
    }

    /// The public half, for the offices that ask through this carrier.
    #[must_use]
    pub fn public(&self) -> CarrierPublicKey {
        CarrierPublicKey(self.0.verifying_key())
    }

    pub(super) const fn signing_key(&self) -> &SigningKey {
        &self.0
    }
}

impl fmt::Debug for CarrierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CarrierKey({}, [REDACTED])", self.public())
    }
}

/// The key under which a carrier's promises verify: 64 hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CarrierPublicKey(VerifyingKey);

impl CarrierPublicKey {
    pub(in crate::deposit) const fn from_key(key: VerifyingKey) -> Self {
        Self(key)
    }

    pub(in crate::deposit) const fn key(&self) -> &VerifyingKey {
        &self.0
    }
}

impl fmt::Display for CarrierPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0.to_bytes()).fmt(f)
    }
}

impl fmt::Debug for CarrierPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CarrierPublicKey({self})")
    }
}

impl FromStr for CarrierPublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid =
            || Error::invalid("a carrier's key is 64 lower-case hexadecimal digits; ask its operator");
        let bytes = parse_hex(text).map_err(|_| invalid())?;
        VerifyingKey::from_bytes(&bytes).map(Self).map_err(|_| invalid())
    }
}

const HEADER: &str = "docvault carrier key 1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn a_carriers_public_key_is_read_as_it_is_printed() {
        let key = CarrierKey::from_seed(Secret::take([7; 32])).public();
        let text = key.to_string();
        assert_eq!(text.parse::<CarrierPublicKey>().expect("a key"), key);
        assert!(text.to_uppercase().parse::<CarrierPublicKey>().is_err());
        assert!(text[1..].parse::<CarrierPublicKey>().is_err());
    }
}
