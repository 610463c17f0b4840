//! Ed25519 signatures (RFC 8032), verified strictly, each in its own domain.

use core::fmt;

use ed25519_dalek::{Signature, Signer};

use super::stack::{SIGNATURE, wiped};
use crate::secret::Secret;

/// The signature, key or message is not right; nothing says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub(crate) struct VerifyError;

/// A secret signing key. It stays where it was made: what is moved leaves a copy, which nobody wipes.
pub(crate) struct SigningKey(Box<ed25519_dalek::SigningKey>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey([REDACTED])")
    }
}

impl SigningKey {
    /// The key of a seed (RFC 8032 §5.1.5).
    #[expect(clippy::needless_pass_by_value, reason = "the seed is used up, and wiped here")]
    pub(crate) fn from_seed(seed: Secret<32>) -> Self {
        Self(wiped::<SIGNATURE, _>(|| Box::new(ed25519_dalek::SigningKey::from_bytes(seed.expose()))))
    }

    pub(crate) fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    // sign(key, label, message) = Ed25519(key, label || 0x00 || message)
    /// Signs `message` for the use that `label` names.
    pub(crate) fn sign(&self, label: &str, message: &[u8]) -> [u8; 64] {
        self.sign_bare(&domain(label, message))
    }

    /// Signs exactly these bytes, for formats that separate domains themselves (signed notes).
    pub(crate) fn sign_bare(&self, message: &[u8]) -> [u8; 64] {
        wiped::<SIGNATURE, _>(|| self.0.sign(message)).to_bytes()
    }
}

/// A public key, never one of small order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// Decodes a key.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] for bytes that are no point or not its only encoding, and for weak keys, under
    /// which one signature verifies for many messages.
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Result<Self, VerifyError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| VerifyError)?;
        let canonical = key.to_edwards().compress().to_bytes() == *bytes;
        if canonical && !key.is_weak() { Ok(Self(key)) } else { Err(VerifyError) }
    }

    pub(crate) fn to_bytes(self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Checks what [`SigningKey::sign`] gave.
    ///
    /// # Errors
    ///
    /// [`VerifyError`].
    pub(crate) fn verify(
        &self,
        label: &str,
        message: &[u8],
        signature: &[u8; 64],
    ) -> Result<(), VerifyError> {
        self.verify_bare(&domain(label, message), signature)
    }

    /// Checks what [`SigningKey::sign_bare`] gave.
    ///
    /// # Errors
    ///
    /// [`VerifyError`].
    pub(crate) fn verify_bare(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), VerifyError> {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).map_err(|_| VerifyError)
    }
}

fn domain(label: &str, message: &[u8]) -> Vec<u8> {
    [label.as_bytes(), &[0], message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::vectors::file::hex;

    #[test]
    fn a_signature_holds_for_its_label_message_and_key_alone() {
        let key = SigningKey::from_seed(Secret::take([1; 32]));
        let public = key.verifying_key();
        let signature = key.sign("a", b"message");
        assert_eq!(public.verify("a", b"message", &signature), Ok(()));
        assert!(public.verify("b", b"message", &signature).is_err());
        assert!(public.verify("a", b"massage", &signature).is_err());
        assert_eq!(format!("{key:?}"), "SigningKey([REDACTED])");
        let other = SigningKey::from_seed(Secret::take([2; 32])).verifying_key();
        assert!(other.verify("a", b"message", &signature).is_err());
    }

    // Every encoding of a point of small order, but for the sign bit (eprint 2020/1244, table 5).
    #[test]
    fn weak_keys_are_refused() {
        let small_order = [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ];
        for encoding in small_order {
            let mut bytes: [u8; 32] = hex(encoding).try_into().expect("32 bytes");
            for _ in 0..2 {
                assert_eq!(VerifyingKey::from_bytes(&bytes), Err(VerifyError));
                bytes[31] ^= 0x80;
            }
        }
    }

    #[test]
    fn p05_a_key_has_one_encoding() {
        let mut points = 0;
        for k in 0..19 {
            let mut shifted = [0xFF; 32];
            (shifted[0], shifted[31]) = (0xED + k, 0x7F);
            points +=
                u8::from(ed25519_dalek::VerifyingKey::from_bytes(&shifted).is_ok_and(|key| !key.is_weak()));
            assert_eq!(VerifyingKey::from_bytes(&shifted), Err(VerifyError), "y = p + {k}");
        }
        assert!(points > 0, "some of these encode a point that is not weak");
    }
}
