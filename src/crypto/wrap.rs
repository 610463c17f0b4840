//! Committing key wrap: a sealed 32-byte key (FORMAT §3).

use super::chunked::{self, OpenError};
use crate::{
    env::{Entropy, EntropyError},
    secret::Secret,
};

/// Length of a wrapped key.
pub(crate) const WRAPPED_LEN: usize = 104;

// wrap(key, context, secret) = C2SP chunked-encryption of the secret: a fresh salt gives every wrap
// a key of its own, and its commitment makes a wrap open under one key only.
/// Wraps `secret` under `key`, bound to `context`.
///
/// # Errors
///
/// [`EntropyError`].
pub(crate) fn wrap(
    key: &Secret<32>,
    context: &[u8; 32],
    secret: &Secret<32>,
    entropy: &dyn Entropy,
) -> Result<[u8; WRAPPED_LEN], EntropyError> {
    let sealed = chunked::seal(key, context, secret.expose(), entropy)?;
    let mut wrapped = [0; WRAPPED_LEN];
    // A seal of 32 bytes has 56 of prefix, 32 of content and a tag of 16.
    wrapped.iter_mut().zip(sealed).for_each(|(to, from)| *to = from);
    Ok(wrapped)
}

/// Unwraps what [`wrap`] gave.
///
/// # Errors
///
/// [`OpenError`] for another key, another context, or anything altered.
pub(crate) fn unwrap(key: &Secret<32>, context: &[u8; 32], wrapped: &[u8]) -> Result<Secret<32>, OpenError> {
    if wrapped.len() != WRAPPED_LEN {
        return Err(OpenError);
    }
    Secret::copy_from(&chunked::open(key, context, wrapped)?).ok_or(OpenError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::SystemEntropy;

    #[test]
    fn a_wrap_opens_under_its_key_and_context_alone() {
        let (key, secret) = (Secret::take([1; 32]), Secret::take([2; 32]));
        let wrapped = wrap(&key, &[3; 32], &secret, &SystemEntropy).expect("entropy");
        assert_eq!(unwrap(&key, &[3; 32], &wrapped).expect("opens").expose(), secret.expose());
        assert!(unwrap(&secret, &[3; 32], &wrapped).is_err());
        assert!(unwrap(&key, &[4; 32], &wrapped).is_err());
        for bit in 0..WRAPPED_LEN * 8 {
            let mut altered = wrapped;
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(unwrap(&key, &[3; 32], &altered).is_err());
        }
    }

    #[test]
    fn a_seal_of_another_length_is_no_wrap() {
        let key = Secret::take([1; 32]);
        for len in [0, 31, 33] {
            let sealed = chunked::seal(&key, &[3; 32], &vec![0; len], &SystemEntropy).expect("entropy");
            assert!(unwrap(&key, &[3; 32], &sealed).is_err());
        }
    }
}
