//! Parts of a deposit (FORMAT §11.2).

use bytes::Bytes;

use super::{
    descriptor::{Caps, Descriptor},
    ids::{DepositId, RequestId},
};
use crate::{
    FORMAT, SUITE,
    crypto::{
        chunked,
        digest::sha256,
        schedule::{DEPOSIT_PART, DEPOSIT_SALT, SIGN_DEPOSIT_PART, context, subkey},
        sign::SigningKey,
    },
    env::{Entropy, EntropyError},
    error::{Error, Result},
    padding::padme,
    secret::{Secret, SecretBytes},
    wire::{Malformed, Reader, Writer},
};

/// Where a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) page: u16,
    pub(crate) part: u32,
    pub(crate) last: bool,
}

/// A part as it travels: sealed, and signed with the link's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) start: PartStart,
    pub(crate) bytes: Bytes,
}

/// The first [`PREFIX_LEN`] bytes of a part: all but what is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartStart {
    pub(crate) request: RequestId,
    pub(crate) deposit: DepositId,
    pub(crate) place: Place,
    /// Bytes that are sealed.
    pub(crate) len: u32,
    /// Their SHA-256.
    pub(crate) digest: [u8; 32],
    signature: [u8; 64],
}

impl Place {
    // FORMAT §11.2: c = context("deposit part", D, deposit, page, part, last)
    fn context(&self, request: &[u8; 32], deposit: DepositId) -> [u8; 32] {
        let Self { page, part, last } = self;
        let fields: [&[u8]; 5] =
            [request, deposit.as_bytes(), &page.to_be_bytes(), &part.to_be_bytes(), &[u8::from(*last)]];
        context(DEPOSIT_PART, &fields)
    }

    /// Opens what [`seal_part`] sealed for this place.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub(super) fn open(
        &self,
        request: &[u8; 32],
        deposit: DepositId,
        key: &Secret<32>,
        sealed: &[u8],
    ) -> Result<SecretBytes, Malformed> {
        chunked::open(key, &self.context(request, deposit), sealed).map_err(|_| Malformed)
    }
}

/// Seals and signs the part at `place`, whose padded content is `content`: the same bytes every time.
pub(super) fn seal_part(
    descriptor: &Descriptor,
    deposit: DepositId,
    place: Place,
    (key, link_key): (&Secret<32>, &SigningKey),
    content: &[u8],
) -> Result<Part> {
    let bound = place.context(descriptor.digest(), deposit);
    let sealed = seal_same(key, &bound, content)?;
    let request = descriptor.request();
    let (len, digest) = (u32::try_from(sealed.len()).unwrap_or(u32::MAX), sha256(&[&sealed]));
    let mut start = PartStart { request, deposit, place, len, digest, signature: [0; 64] };
    start.signature = link_key.sign(SIGN_DEPOSIT_PART, &start.signed(descriptor.digest()));
    let bytes: Bytes = [start.encode().as_slice(), &sealed].concat().into();
    Ok(Part { start, bytes })
}

// FORMAT §11.2: salt = first 24 bytes of subkey(deposit key, "salt of deposit", c, SHA-256(bytes)). The
// salt as a PRF of place and plaintext is the synthetic IV of Rogaway and Shrimpton, "Deterministic
// Authenticated-Encryption" (EUROCRYPT 2006), section 4.
/// Seals `content` so that the same content in the same place gives the same bytes, and other content
/// meets another salt.
pub(super) fn seal_same(key: &Secret<32>, bound: &[u8; 32], content: &[u8]) -> Result<Vec<u8>> {
    let salt = subkey(key, DEPOSIT_SALT, &[bound, &sha256(&[content])]);
    Ok(chunked::seal(key, bound, content, &Synthetic(salt))?)
}

/// Gives the salt, once for each sealing.
#[derive(Debug)]
struct Synthetic(Secret<32>);

impl Entropy for Synthetic {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        let salt = self.0.expose().get(..bytes.len()).ok_or(EntropyError)?;
        bytes.copy_from_slice(salt);
        Ok(())
    }
}

impl PartStart {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(PREFIX_LEN);
        self.write_signed(&mut w);
        w.fixed(&self.signature);
        w.into_vec()
    }

    fn write_signed(&self, w: &mut Writer) {
        let Place { page, part, last } = self.place;
        w.fixed(b"dvdp").u8(FORMAT).u8(SUITE).u16(0);
        w.fixed(self.request.as_bytes()).fixed(self.deposit.as_bytes());
        w.u16(page).u32(part).u8(u8::from(last)).fixed(&[0; 5]).u32(self.len).fixed(&self.digest);
    }

    fn signed(&self, request: &[u8; 32]) -> Vec<u8> {
        let mut w = Writer::with_capacity(PREFIX_LEN);
        w.fixed(request);
        self.write_signed(&mut w);
        w.into_vec()
    }

    /// Parses the start of a part; more may follow.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        r.expect(b"dvdp")?;
        r.expect(&[FORMAT, SUITE, 0, 0])?;
        let (request, deposit) = (RequestId::read(&mut r)?, DepositId::read(&mut r)?);
        let (page, part) = (r.u16()?, r.u32()?);
        let last = match r.u8()? {
            0 => false,
            1 => true,
            _ => return Err(Malformed),
        };
        r.zeros(5)?;
        let place = Place { page, part, last };
        Ok(Self { request, deposit, place, len: r.u32()?, digest: r.array()?, signature: r.array()? })
    }

    /// Whether the link's key has signed this.
    pub(super) fn is_signed(&self, descriptor: &Descriptor) -> bool {
        let signed = self.signed(descriptor.digest());
        descriptor.header.link_key.verify(SIGN_DEPOSIT_PART, &signed, &self.signature).is_ok()
    }
}

impl Part {
    /// Parses a part; its signature is not verified, its hash is.
    ///
    /// # Errors
    ///
    /// [`Malformed`] also if what is sealed has not the length of a part's.
    pub(crate) fn parse(bytes: Bytes) -> Result<Self, Malformed> {
        let (start, sealed) = bytes.split_at_checked(PREFIX_LEN).ok_or(Malformed)?;
        let start = PartStart::parse(start)?;
        if u32::try_from(sealed.len()) != Ok(start.len) || sha256(&[sealed]) != start.digest {
            return Err(Malformed);
        }
        let len = chunked::plain_len(start.len.into()).map_err(|_| Malformed)?;
        let full = if start.place.last { len <= PART_LEN } else { len == PART_LEN };
        let only = len > 0 || start.place.part == 0;
        if full && only { Ok(Self { start, bytes }) } else { Err(Malformed) }
    }

    pub(crate) fn sealed(&self) -> &[u8] {
        self.bytes.get(PREFIX_LEN..).unwrap_or_default()
    }

    /// Where the part's padded content ends within its page.
    pub(super) fn end(&self) -> u64 {
        let own = chunked::plain_len(self.start.len.into()).unwrap_or(u64::MAX);
        u64::from(self.start.place.part).saturating_mul(PART_LEN).saturating_add(own)
    }

    /// Whether the part is within what a slot takes.
    pub(super) fn is_within(&self, caps: &Caps) -> bool {
        self.start.place.page < caps.files && self.end() <= padme(caps.file_bytes)
    }
}

/// Parts of a file of `len` bytes; at least one.
pub(super) fn parts_of(len: u64) -> u32 {
    u32::try_from(padme(len).div_ceil(PART_LEN).max(1)).unwrap_or(u32::MAX)
}

/// A part that is not what its deposit says.
pub(super) fn corrupt(deposit: DepositId, place: &Place) -> Error {
    Error::corrupt(format!("part {} of page {} of deposit {deposit}", place.part, place.page))
}

/// A part that is what its client signed, and does not open, or is not of the page that they described.
pub(super) fn unreadable(deposit: DepositId, place: &Place) -> Error {
    Error::unreadable(format!("part {} of page {} of deposit {deposit}", place.part, place.page))
}

/// Bytes of padded content in every part but a page's last.
pub const PART_LEN: u64 = 512 * 1024;
/// Parts of a deposit, at most: their hashes fit a manifest.
pub(crate) const PARTS_CAP: u64 = 16_384;
/// Bytes of a part before what is sealed.
pub(crate) const PREFIX_LEN: usize = 152;
/// Bytes of a part, at most.
pub const PART_MAX: usize = PREFIX_LEN + 56 + 512 * 1024 + 33 * 16;
