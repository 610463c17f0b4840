//! Requests as signed by the office (FORMAT §11.1).

use core::time::Duration;

use bytes::Bytes;

use super::{
    carrier::CarrierPublicKey,
    ids::{DepositId, RequestId},
    part::{PART_LEN, PARTS_CAP},
};
use crate::{
    FORMAT, SUITE,
    crypto::{
        digest::sha256,
        hpke::{PUBLIC_LEN, PublicKey},
        schedule::SIGN_REQUEST,
        sign::{SigningKey, VerifyingKey},
    },
    env::Timestamp,
    error::{Error, Result},
    ids::VaultId,
    padding::padme,
    recipient::Sender,
    wire::{Malformed, Reader, Writer},
};

/// What a slot of a request takes, as everyone may know: how often, how many files, how large. It may be more than what is
/// asked for: intake gives all slots of a request the same, and says in its presentation what each requirement takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caps {
    /// Deposits that can be completed; 1 to 1,024.
    pub uses: u16,
    /// Files of a deposit, at most; up to 64.
    pub files: u16,
    /// Bytes of a file, at most; up to 1 TiB, and 16,384 parts over all files.
    pub file_bytes: u64,
}

impl Caps {
    /// Parts that a file can have.
    pub(crate) fn parts(&self) -> u64 {
        padme(self.file_bytes).div_ceil(PART_LEN).max(1)
    }

    pub(super) fn are_allowed(&self) -> bool {
        (1..=USES_CAP).contains(&self.uses)
            && self.files <= FILES_CAP
            && self.file_bytes <= FILE_CAP
            && self.parts().saturating_mul(self.files.into()) <= PARTS_CAP
    }

    fn write(&self, w: &mut Writer) {
        w.u16(self.uses).u16(self.files).u64(self.file_bytes);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let caps = Self { uses: r.u16()?, files: r.u16()?, file_bytes: r.u64()? };
        if caps.are_allowed() { Ok(caps) } else { Err(Malformed) }
    }
}

/// A request for documents, signed by the vault that asks: what its carrier has to know of it.
///
/// It holds no secret, names no requirement and not the case; those are sealed within.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    pub(super) header: Header,
    pub(super) details: Vec<u8>,
    bytes: Bytes,
    digest: [u8; 32],
}

/// All of a descriptor but the sealed details and the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) vault: VaultId,
    pub(super) request: RequestId,
    pub(super) delivery_key: VerifyingKey,
    pub(super) intake_key: PublicKey,
    pub(super) link_key: VerifyingKey,
    pub(super) carrier_key: CarrierPublicKey,
    pub(super) issued: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) answer_within: Duration,
    pub(super) slots: Vec<Caps>,
    pub(super) salt: Option<[u8; 16]>,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(2048);
        w.fixed(b"dvrq").u8(FORMAT).u8(SUITE).u16(0);
        w.fixed(self.vault.as_bytes()).fixed(self.request.as_bytes()).fixed(&self.delivery_key.to_bytes());
        w.fixed(&self.intake_key.to_bytes()).fixed(&self.link_key.to_bytes());
        w.fixed(&self.carrier_key.key().to_bytes());
        w.u64(self.issued.as_millis()).u64(self.expires.as_millis()).u64(millis(self.answer_within));
        w.u32(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        self.slots.iter().for_each(|slot| slot.write(&mut w));
        w.optional(self.salt, |w, salt| {
            w.fixed(&salt);
        });
        w.into_vec()
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.expect(b"dvrq")?;
        r.expect(&[FORMAT, SUITE, 0, 0])?;
        let key = |r: &mut Reader<'_>| VerifyingKey::from_bytes(&r.array()?).map_err(|_| Malformed);
        let header = Self {
            vault: VaultId::read(r)?,
            request: RequestId::read(r)?,
            delivery_key: key(r)?,
            intake_key: PublicKey::from_bytes(&r.array::<PUBLIC_LEN>()?).map_err(|_| Malformed)?,
            link_key: key(r)?,
            carrier_key: CarrierPublicKey::from_key(key(r)?),
            issued: Timestamp::from_millis(r.u64()?),
            expires: Timestamp::from_millis(r.u64()?),
            answer_within: Duration::from_millis(r.u64()?),
            slots: (0..r.count(SLOTS_CAP)?).map(|_| Caps::read(r)).collect::<Result<_, Malformed>>()?,
            salt: r.optional(Reader::array)?,
        };
        if header.slots.is_empty() || header.expires <= header.issued { Err(Malformed) } else { Ok(header) }
    }
}

impl Descriptor {
    /// Signs a request whose details are sealed.
    pub(super) fn sign(header: &Header, details: &[u8], key: &SigningKey) -> Result<Self, Malformed> {
        let mut w = Writer::with_capacity(4096 + details.len());
        w.fixed(&header.encode()).bytes(details);
        let signature = key.sign(SIGN_REQUEST, w.as_slice());
        w.fixed(&signature);
        Self::parse_bytes(w.into_vec().into())
    }

    /// Takes a descriptor apart and checks that the key named in it has signed it. Whose key that is, is not
    /// known yet: [`Descriptor::verify`] tells, or a link's hash.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub(crate) fn parse_bytes(bytes: Bytes) -> Result<Self, Malformed> {
        if bytes.len() > DESCRIPTOR_CAP {
            return Err(Malformed);
        }
        let mut r = Reader::new(&bytes);
        let header = Header::read(&mut r)?;
        let details = r.bytes(DETAILS_CAP)?.to_vec();
        let signature = r.array()?;
        r.finish()?;
        let signed = bytes.get(..bytes.len().saturating_sub(64)).ok_or(Malformed)?;
        header.delivery_key.verify(SIGN_REQUEST, signed, &signature).map_err(|_| Malformed)?;
        let digest = sha256(&[&bytes]);
        Ok(Self { header, details, bytes, digest })
    }

    /// Takes the descriptor in `bytes` if `sender`, whose fingerprint was checked, has signed it.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if it is none, was altered, or is another vault's.
    pub fn verify(bytes: &[u8], sender: &Sender) -> Result<Self> {
        let descriptor = Self::parse(bytes)?;
        let header = &descriptor.header;
        let known = (header.vault, &header.delivery_key) == (sender.vault(), sender.delivery_key());
        if known { Ok(descriptor) } else { Err(Error::corrupt("the request")) }
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        Self::parse_bytes(Bytes::copy_from_slice(bytes)).map_err(|Malformed| Error::corrupt("the request"))
    }

    /// The bytes, to be published to the carrier; no secret.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    /// SHA-256 of the bytes: what a link carries, and everything else of the request is bound to.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The vault that asks.
    #[must_use]
    pub const fn vault(&self) -> VaultId {
        self.header.vault
    }

    /// The request's name.
    #[must_use]
    pub const fn request(&self) -> RequestId {
        self.header.request
    }

    /// The carrier whose promises count.
    #[must_use]
    pub const fn carrier(&self) -> &CarrierPublicKey {
        &self.header.carrier_key
    }

    /// When it was signed, by the vault's clock.
    #[must_use]
    pub const fn issued(&self) -> Timestamp {
        self.header.issued
    }

    /// When the carrier stops taking deposits, by its own clock.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.header.expires
    }

    /// How soon after a promise the office will have answered.
    #[must_use]
    pub const fn answer_within(&self) -> Duration {
        self.header.answer_within
    }

    /// What each slot takes, by its number from 0.
    #[must_use]
    pub fn slots(&self) -> &[Caps] {
        &self.header.slots
    }

    /// Whether the link opens only with a passphrase, too.
    #[must_use]
    pub const fn asks_passphrase(&self) -> bool {
        self.header.salt.is_some()
    }

    /// What the slot of a deposit takes.
    pub(super) fn caps(&self, deposit: DepositId) -> Option<&Caps> {
        self.header.slots.get(usize::from(deposit.slot()))
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Slots of a request, at most.
pub(super) const SLOTS_CAP: usize = 64;
const USES_CAP: u16 = 1024;
/// Files of a deposit, at most, so that a claim with a line for each stays below 4 KiB.
pub(super) const FILES_CAP: u16 = 64;
const FILE_CAP: u64 = 1 << 40;
/// Bytes of the sealed details, at most.
pub(super) const DETAILS_CAP: usize = 128 << 10;
/// The most that clear fields and signature need, and the details.
const DESCRIPTOR_CAP: usize = 4096 + DETAILS_CAP;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_are_allowed_up_to_their_limits() {
        const TIB: u64 = 1 << 40;
        // 16,384 parts in all, 256 for each of 64 files.
        let (all, share) = (16_384 * PART_LEN, 256 * PART_LEN);
        for (uses, files, file_bytes, allowed) in [
            (1, 1, 0, true),
            (0, 1, 0, false),
            (1024, 64, share, true),
            (1025, 64, share, false),
            (1024, 65, 0, false),
            (1, 64, share + 1, false),
            (1, 1, all, true),
            (1, 1, all + 1, false),
            (1, 0, TIB, true),
            (1, 0, TIB + 1, false),
        ] {
            let caps = Caps { uses, files, file_bytes };
            assert_eq!(caps.are_allowed(), allowed, "{caps:?}");
            let mut w = Writer::new();
            caps.write(&mut w);
            assert_eq!(Caps::read(&mut Reader::new(w.as_slice())).is_ok(), allowed, "{caps:?}");
        }
        assert!(Descriptor::parse_bytes(vec![0; DESCRIPTOR_CAP + 1].into()).is_err());
        let parts = |file_bytes| Caps { uses: 1, files: 1, file_bytes }.parts();
        assert_eq!([parts(0), parts(PART_LEN), parts(PART_LEN + 1)], [1, 1, 2]);
    }
}
