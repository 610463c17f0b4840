//! What whoever has a link can put together, from the text of FORMAT §11 alone: signed as a link signs, and
//! within no cap.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use bytes::Bytes;
use docvault::{
    Secret, SystemEntropy, chunked,
    deposit::{Descriptor, SignedRequest},
};
use ed25519_dalek::{Signer, SigningKey};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};

/// The holder of a link, with its passphrase key or none.
pub struct Holder {
    pub request: [u8; 16],
    pub digest: [u8; 32],
    pub root: [u8; 32],
    key: SigningKey,
}

/// What a carrier can promise: that under this id it keeps this manifest.
pub fn promise(of: &Descriptor, carrier: &[u8; 32], deposit: &[u8; 16], manifest: &[u8]) -> Bytes {
    let time = of.issued().as_millis() + 1;
    let answer_by = time + u64::try_from(of.answer_within().as_millis()).unwrap();
    let mut body = [b"dvpr\x01\x01\0\0".as_slice(), of.vault().as_bytes()].concat();
    body.extend([*of.request().as_bytes(), *deposit].concat());
    body.extend([*of.digest(), sha256(manifest)].concat());
    body.extend([1, time, answer_by].map(u64::to_be_bytes).concat());
    let signed = [b"docvault/v1/sign deposit promise\0".as_slice(), &body].concat();
    let signature = SigningKey::from_bytes(carrier).sign(&signed).to_bytes();
    [body.as_slice(), &signature].concat().into()
}

/// A deposit's id: its slot, then the same byte over and over.
pub fn deposit_id(slot: u16, byte: u8) -> [u8; 16] {
    let mut id = [byte; 16];
    id[..2].copy_from_slice(&slot.to_be_bytes());
    id
}

/// Where a part says it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    pub page: u16,
    pub part: u32,
    pub last: bool,
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub fn context(label: &str, fields: &[&[u8]]) -> [u8; 32] {
    let label = format!("docvault/v1/{label}");
    let mut all = Vec::new();
    for field in core::iter::once(label.as_bytes()).chain(fields.iter().copied()) {
        all.extend((field.len() as u32).to_be_bytes());
        all.extend(field);
    }
    sha256(&all)
}

pub fn subkey(key: &[u8; 32], label: &str, fields: &[&[u8]]) -> [u8; 32] {
    let mut derived = [0; 32];
    Hkdf::<Sha256>::from_prk(key).unwrap().expand(&context(label, fields), &mut derived).unwrap();
    derived
}

/// The 32 bytes of a link's secret.
pub fn secret_of(url: &str) -> [u8; 32] {
    let standard = url.split_once('#').unwrap().1.replace('-', "+").replace('_', "/") + "=";
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0u32, 0);
    for symbol in standard.trim_end_matches('=').bytes() {
        held = held << 6 | alphabet.iter().position(|known| *known == symbol).unwrap() as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    assert_eq!((bytes.len(), bytes[0]), (65, 1));
    bytes[33..].try_into().unwrap()
}

impl Holder {
    pub fn of(signed: &SignedRequest) -> Self {
        Self::with(signed, &secret_of(&signed.link.expose_url("").unwrap()), b"")
    }

    /// With this guess of secret and passphrase key.
    pub fn with(signed: &SignedRequest, secret: &[u8; 32], passphrase_key: &[u8]) -> Self {
        let request = *signed.descriptor.request().as_bytes();
        let root = subkey(secret, "root of link", &[&request, passphrase_key]);
        let key = SigningKey::from_bytes(&subkey(&root, "seed of link key", &[]));
        Self { request, digest: *signed.descriptor.digest(), root, key }
    }

    pub fn public(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    fn sign(&self, label: &str, message: &[u8]) -> [u8; 64] {
        let label = format!("docvault/v1/{label}\0");
        self.key.sign(&[label.as_bytes(), &self.digest, message].concat()).to_bytes()
    }

    /// A part of `len` bytes of content, sealed under some key, that says it stands at `at`.
    pub fn part(&self, deposit: &[u8; 16], at: At, len: usize) -> Bytes {
        let key = Secret::copy_from(&[3; 32]).unwrap();
        let sealed = chunked::seal(&key, b"", &vec![0; len], &SystemEntropy::default()).unwrap();
        self.part_of(deposit, at, &sealed)
    }

    /// A part with these sealed bytes.
    pub fn part_of(&self, deposit: &[u8; 16], at: At, sealed: &[u8]) -> Bytes {
        let At { page, part, last } = at;
        let mut bytes = [b"dvdp\x01\x01\0\0".as_slice(), &self.request, deposit].concat();
        bytes.extend(page.to_be_bytes());
        bytes.extend(part.to_be_bytes());
        bytes.extend([u8::from(last), 0, 0, 0, 0, 0]);
        bytes.extend((sealed.len() as u32).to_be_bytes());
        bytes.extend(sha256(sealed));
        let signature = self.sign("sign deposit part", &bytes);
        [bytes.as_slice(), &signature, sealed].concat().into()
    }

    /// A manifest that lists parts with these hashes.
    pub fn manifest(&self, deposit: &[u8; 16], pages: &[Vec<[u8; 32]>]) -> Bytes {
        let mut bytes = [b"dvdm\x01\x01\0\0".as_slice(), &self.request, deposit].concat();
        bytes.extend([0; 1168]);
        bytes.extend((pages.len() as u32).to_be_bytes());
        for parts in pages {
            bytes.extend((parts.len() as u32).to_be_bytes());
            bytes.extend(parts.concat());
        }
        bytes.extend([0, 0, 0, 72]);
        bytes.extend([7; 72]);
        let signature = self.sign("sign deposit manifest", &bytes);
        [bytes.as_slice(), &signature].concat().into()
    }
    /// This manifest, of one page of one part, with another part in its place: sealed by the deposit's key, and signed.
    pub fn with_part(&self, manifest: &[u8], deposit_key: &Secret<32>, part: &[u8; 32]) -> Bytes {
        const OUTLINE: usize = 40 + 1168 + 4 + 4 + 32;
        let (outline, sealed) = (&manifest[..OUTLINE], &manifest[OUTLINE + 4..manifest.len() - 64]);
        let bound = |outline: &[u8]| context("deposit manifest", &[&self.digest, outline]);
        let contents = chunked::open(deposit_key, &bound(outline), sealed).unwrap();
        let outline = [&outline[..OUTLINE - 32], part].concat();
        let sealed =
            chunked::seal(deposit_key, &bound(&outline), &contents, &SystemEntropy::default()).unwrap();
        let bytes = [&outline[..], &(sealed.len() as u32).to_be_bytes(), &sealed].concat();
        let signature = self.sign("sign deposit manifest", &bytes);
        [bytes.as_slice(), &signature].concat().into()
    }
}
