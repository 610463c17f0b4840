//! Canonical bytes in and out (FORMAT §1).
//!
//! Integers are big-endian and of fixed width, variable fields carry their length, and a reader
//! must be emptied by [`Reader::finish`]: one value has one encoding, and nothing is skipped.

use crate::secret::{Secret, SecretBytes};

/// The bytes are not the one canonical encoding of any value.
///
/// It says nothing of where or why: parsers of stored bytes answer every malformed input alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a canonical encoding")]
pub struct Malformed;

/// Appends canonical fields to a buffer, which is wiped when dropped unless taken.
#[derive(Debug)]
pub(crate) struct Writer(SecretBytes);

impl Writer {
    pub(crate) fn new() -> Self {
        Self::with_capacity(256)
    }

    /// A buffer that holds `capacity` bytes without moving (a move would leave an unwiped copy).
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(SecretBytes::new(Vec::with_capacity(capacity)))
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.fixed(&[value])
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Bytes whose length the format fixes.
    pub(crate) fn fixed(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A 32-bit length, then the bytes.
    ///
    /// Callers bound `bytes` by the caps of FORMAT §1 before they encode; a longer field could not
    /// be read back, so its length saturates and every parser refuses it.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX)).fixed(bytes)
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// 0, or 1 and the value.
    pub(crate) fn optional<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T)) -> &mut Self {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            put(self, value);
        }
        self
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, still wiped when dropped.
    pub(crate) fn into_secret(self) -> SecretBytes {
        self.0
    }

    /// The bytes, for encodings that hold no secret.
    pub(crate) fn into_vec(mut self) -> Vec<u8> {
        core::mem::take(&mut *self.0)
    }
}

/// Takes canonical fields off a slice.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    /// A key.
    pub(crate) fn secret(&mut self) -> Result<Secret<32>, Malformed> {
        Secret::copy_from(self.take(32)?).ok_or(Malformed)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// A length-prefixed field of at most `cap` bytes; nothing is allocated.
    pub(crate) fn bytes(&mut self, cap: usize) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(self.u32()?).map_err(|_| Malformed)?;
        if len > cap {
            return Err(Malformed);
        }
        self.take(len)
    }

    pub(crate) fn text(&mut self, cap: usize) -> Result<&'a str, Malformed> {
        core::str::from_utf8(self.bytes(cap)?).map_err(|_| Malformed)
    }

    pub(crate) fn optional<T>(
        &mut self,
        get: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        match self.u8()? {
            0 => Ok(None),
            1 => get(self).map(Some),
            _ => Err(Malformed),
        }
    }

    /// A 32-bit count of at most `cap`, before as many items.
    pub(crate) fn count(&mut self, cap: usize) -> Result<usize, Malformed> {
        let count = usize::try_from(self.u32()?).map_err(|_| Malformed)?;
        if count > cap { Err(Malformed) } else { Ok(count) }
    }

    /// Succeeds if the next bytes are exactly `expected`.
    pub(crate) fn expect(&mut self, expected: &[u8]) -> Result<(), Malformed> {
        if self.take(expected.len())? == expected { Ok(()) } else { Err(Malformed) }
    }

    /// Succeeds if the next `len` bytes are zero: reserved fields carry nothing.
    pub(crate) fn zeros(&mut self, len: usize) -> Result<(), Malformed> {
        if self.take(len)?.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(Malformed) }
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }

    /// Succeeds if nothing is left.
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_in_order() {
        let mut w = Writer::new();
        w.u8(1).u16(2).u32(3).u64(4).fixed(b"ab").bytes(b"cde").text("é");
        w.optional(Some(7u32), |w, v| {
            w.u32(v);
        });
        w.optional(None::<u32>, |w, v| {
            w.u32(v);
        });
        let bytes = w.into_vec();
        let mut r = Reader::new(&bytes);
        assert_eq!(r.u8(), Ok(1));
        assert_eq!(r.u16(), Ok(2));
        assert_eq!(r.u32(), Ok(3));
        assert_eq!(r.u64(), Ok(4));
        assert_eq!(r.array(), Ok(*b"ab"));
        assert_eq!(r.bytes(3), Ok(&b"cde"[..]));
        assert_eq!(r.text(8), Ok("é"));
        assert_eq!(r.optional(Reader::u32), Ok(Some(7)));
        assert_eq!(r.optional(Reader::u32), Ok(None));
        assert_eq!(r.finish(), Ok(()));
    }

    #[test]
    fn caps_and_remainders_are_refused() {
        let mut w = Writer::new();
        w.bytes(b"abc");
        let bytes = w.into_vec();
        assert_eq!(Reader::new(&bytes).bytes(2), Err(Malformed));
        assert_eq!(Reader::new(&bytes[..6]).bytes(3), Err(Malformed));
        assert_eq!(Reader::new(&[u8::MAX; 4]).bytes(usize::MAX), Err(Malformed));
        assert_eq!(Reader::new(&[2]).optional(Reader::u8), Err(Malformed));
        assert_eq!(Reader::new(&[0, 1]).zeros(2), Err(Malformed));
        assert_eq!(Reader::new(&[0]).finish(), Err(Malformed));
    }
}
