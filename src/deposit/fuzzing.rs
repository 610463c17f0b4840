//! What the fuzz targets `descriptor` and `deposit` call.

mod honest;

use bytes::Bytes;

use super::{
    Caps, Descriptor, Link, answer,
    claim::Claim,
    descriptor::Header,
    details::Details,
    journal::Journal,
    manifest::{Contents, Manifest},
    part::{Part, PartStart},
    promise::Promise,
    receipt::DepositReceipt,
};
use crate::{
    crypto::sign::SigningKey,
    secret::Secret,
    wire::{Reader, Writer},
};

#[cfg(test)]
pub(crate) use honest::within;

/// A descriptor, signed or yet to be signed, a link, and what was done to honest ones.
pub(crate) fn descriptor(data: &[u8]) {
    honest::descriptor(data);
    if let Ok(descriptor) = Descriptor::parse_bytes(Bytes::copy_from_slice(data)) {
        let mut w = Writer::new();
        w.fixed(&descriptor.header.encode()).bytes(&descriptor.details);
        assert_eq!(Some(w.as_slice()), data.get(..data.len() - 64));
    }
    let mut r = Reader::new(data);
    if let Ok(mut header) = Header::read(&mut r) {
        assert!(data.starts_with(&header.encode()));
        let key = SigningKey::from_seed(Secret::take([7; 32]));
        header.delivery_key = key.verifying_key();
        if let Ok(signed) = Descriptor::sign(&header, r.rest(), &key) {
            assert_eq!(signed.header, header);
        }
    }
    if let Ok(details) = Details::parse(data, &CAPS) {
        assert_eq!(details.encode().as_slice(), data);
    }
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(link) = Link::parse(text) {
        let own = link.expose_url("").expect("no fragment");
        assert!(own.strip_prefix('#').is_some_and(|fragment| text.ends_with(fragment)));
    }
}

/// Everything that a client, a carrier and an office send each other, and what was done to honest ones.
pub(crate) fn deposit(data: &[u8]) {
    honest::deposit(data);
    if let Ok(start) = PartStart::parse(data) {
        assert!(data.starts_with(&start.encode()));
    }
    if let Ok(part) = Part::parse(Bytes::copy_from_slice(data)) {
        assert_eq!([part.start.encode().as_slice(), part.sealed()].concat(), data);
    }
    if let Ok(manifest) = Manifest::parse(data) {
        assert_eq!(manifest.encode(), data);
    }
    if let Ok(contents) = Contents::parse(data) {
        assert_eq!(contents.encode().as_slice(), data);
    }
    if let Ok(promise) = Promise::parse(data) {
        assert_eq!(promise.to_bytes(), data);
    }
    if let Ok(claim) = Claim::parse(data) {
        assert_eq!(claim.to_bytes().expect("what parses is allowed"), data);
    }
    if let Ok(receipt) = DepositReceipt::parse(data) {
        assert_eq!(receipt.to_bytes(), data);
    }
    if let Ok((deposit, sealed)) = Journal::split(data) {
        assert!(data.ends_with(sealed) && data.starts_with(b"dvdj"));
        if let Ok(journal) = Journal::parse(deposit, sealed) {
            assert_eq!(journal.encode().as_slice(), sealed);
        }
    }
    if let Ok((named, number, sealed)) = answer::parse(data) {
        assert_eq!(answer::encode(named, number, sealed), data);
    }
}

/// Of the two slots whose details are parsed.
const CAPS: [Caps; 2] = [Caps { uses: 1, files: 2, file_bytes: 3 }; 2];

/// Whether bytes parse as something.
#[cfg(test)]
pub(crate) type Parses = fn(&[u8]) -> bool;

/// Whether bytes parse as one or the other.
#[cfg(test)]
pub(crate) const PARSERS: [(&str, Parses); 9] = [
    ("request", |data| Descriptor::parse_bytes(Bytes::copy_from_slice(data)).is_ok()),
    ("link", |data| core::str::from_utf8(data).is_ok_and(|text| Link::parse(text).is_ok())),
    ("deposit part", |data| Part::parse(Bytes::copy_from_slice(data)).is_ok()),
    ("deposit manifest", |data| Manifest::parse(data).is_ok()),
    ("promise", |data| Promise::parse(data).is_ok()),
    ("claim", |data| Claim::parse(data).is_ok()),
    ("deposit receipt", |data| DepositReceipt::parse(data).is_ok()),
    ("deposit journal", |data| Journal::split(data).is_ok()),
    ("answer", |data| answer::parse(data).is_ok()),
];

/// Likewise of what is sealed or signed in others, with the target that parses it. A journal's stands where it is sealed.
#[cfg(test)]
pub(crate) const WITHIN: [(&str, &str, Parses); 4] = [
    ("request header", "descriptor", |data| Header::read(&mut Reader::new(data)).is_ok()),
    ("request details", "descriptor", |data| Details::parse(data, &CAPS).is_ok()),
    ("deposit contents", "deposit", |data| {
        Contents::parse(data).is_ok_and(|contents| !contents.pages.is_empty())
    }),
    ("journal contents", "deposit", |data| {
        let split = Journal::split(data);
        split.is_ok_and(|(named, contents)| Journal::parse(named, contents).is_ok())
    }),
];
