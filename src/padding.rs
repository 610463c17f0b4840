//! Padding classes (FORMAT §1): what a length may tell.

use crate::{
    secret::SecretBytes,
    wire::{Malformed, Reader, Writer},
};

/// `bytes` with their length, up to the next multiple of 256.
pub(crate) fn pad(bytes: &[u8]) -> SecretBytes {
    let len = (bytes.len() + 4).next_multiple_of(CLASS);
    let mut w = Writer::with_capacity(len);
    w.bytes(bytes);
    let mut padded = w.into_secret();
    padded.resize(len, 0);
    padded
}

/// What [`pad`] was given.
///
/// # Errors
///
/// [`Malformed`] if the padding is not zero or longer than its class.
pub(crate) fn unpad(padded: &[u8]) -> Result<&[u8], Malformed> {
    let mut r = Reader::new(padded);
    let bytes = r.bytes(padded.len())?;
    let zeros = r.rest();
    let canonical = padded.len() == (bytes.len() + 4).next_multiple_of(CLASS);
    if canonical && zeros.iter().all(|byte| *byte == 0) { Ok(bytes) } else { Err(Malformed) }
}

// Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs"
// (2019), Algorithm 1: E = floor(log2 L); S = floor(log2 E) + 1; z = E - S; round up to 2^z.
/// The Padmé length of `len` bytes: at most 12 % more.
pub(crate) fn padme(len: u64) -> u64 {
    let Some(exponent) = len.checked_ilog2() else { return len };
    let Some(bits) = exponent.checked_ilog2() else { return len };
    let zeros = exponent.saturating_sub(bits + 1);
    let mask = (1u64 << zeros) - 1;
    len.checked_add(mask).map_or(len, |sum| sum & !mask)
}

const CLASS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_padded_comes_back() {
        for len in [0, 1, 251, 252, 253, 508, 1000] {
            let bytes = vec![7; len];
            let padded = pad(&bytes);
            assert_eq!(padded.len() % 256, 0);
            assert_eq!(unpad(&padded), Ok(bytes.as_slice()));
        }
    }

    #[test]
    fn p16_padding_that_is_not_zero_or_too_long_is_refused() {
        let padded = pad(b"abc");
        for offset in 7..padded.len() {
            let mut altered = padded.clone();
            altered[offset] = 1;
            assert_eq!(unpad(&altered), Err(Malformed));
        }
        let mut longer = padded.clone();
        longer.extend([0; 256]);
        assert_eq!(unpad(&longer), Err(Malformed));
        assert_eq!(unpad(&[]), Err(Malformed));
    }

    #[test]
    fn p16_padme_adds_at_most_12_percent() {
        for len in (0..100_000u64).chain((20..63).flat_map(|e| [(1 << e) - 1, 1 << e, (1 << e) + 1])) {
            let padded = padme(len);
            assert!(padded >= len);
            assert!(u128::from(padded - len) * 100 <= u128::from(len) * 12, "{len} {padded}");
            assert_eq!(padme(padded), padded);
        }
        assert_eq!([padme(9), padme(100), padme(1_000_001)], [10, 104, 1_015_808]);
    }
}
