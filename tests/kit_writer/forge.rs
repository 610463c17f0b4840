//! Sealing, contexts and keys, put together from FORMAT §1 and §3 alone: what the kit is written with must not
//! be what it tests.

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{Aead, Nonce},
};
use ed25519_dalek::{Signer, SigningKey};
use hpke::{
    Deserializable, Kem, OpModeS, Serializable,
    kem::XWing,
    rand_core::{TryCryptoRng, TryRng},
    single_shot_seal_with_rng,
};
use sha2::{Digest, Sha256};

pub const CHUNK: usize = 16_384;
const SUITE_LABEL: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_CHACHA20_POLY1305\0";

/// Everything that is random in a file follows from its name and the order of the throws.
#[derive(Debug, Clone)]
pub struct Dice(String, u64);

impl Dice {
    pub fn new(of: &str) -> Self {
        Self(of.to_owned(), 0)
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        let throw = format!("docvault kit {} {}", self.0, self.1);
        self.1 += 1;
        blake3::Hasher::new().update(throw.as_bytes()).finalize_xof().fill(bytes);
    }

    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

impl TryRng for Dice {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(u32::from_be_bytes(self.array()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(u64::from_be_bytes(self.array()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        self.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for Dice {}

pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

pub fn context(label: &str, fields: &[&[u8]]) -> [u8; 32] {
    let mut out = Out::default().text(&format!("docvault/v1/{label}"));
    for field in fields {
        out = out.bytes(field);
    }
    sha256(&[&out.0])
}

fn expand(key: &[u8], info: &[u8], out: &mut [u8]) {
    hkdf::Hkdf::<Sha256>::from_prk(key).unwrap().expand(info, out).unwrap();
}

pub fn subkey(key: &[u8; 32], label: &str, fields: &[&[u8]]) -> [u8; 32] {
    let mut derived = [0; 32];
    expand(key, &context(label, fields), &mut derived);
    derived
}

/// What a message has before its chunks, and what seals those.
pub struct Sealer {
    pub prefix: Vec<u8>,
    aead: ChaCha20Poly1305,
    nonce: [u8; 12],
}

impl Sealer {
    pub fn new(key: &[u8; 32], context: &[u8], salt: &[u8; 24]) -> Self {
        let mut derived = [0; 76];
        expand(key, &[SUITE_LABEL, salt, context].concat(), &mut derived);
        let aead = ChaCha20Poly1305::new_from_slice(&derived[..32]).unwrap();
        let prefix = [&salt[..], &derived[44..]].concat();
        Self { prefix, aead, nonce: derived[32..44].try_into().unwrap() }
    }

    pub fn chunk(&self, index: u64, plaintext: &[u8]) -> Vec<u8> {
        let mut nonce = self.nonce;
        nonce[4..].iter_mut().zip(index.to_be_bytes()).for_each(|(byte, counter)| *byte ^= counter);
        self.aead.encrypt(&Nonce::<ChaCha20Poly1305>::from(nonce), plaintext).unwrap()
    }

    /// All chunks of a plaintext: the last is shorter than the others, possibly empty.
    pub fn chunks(&self, plaintext: &[u8]) -> Vec<Vec<u8>> {
        let count = plaintext.len() / CHUNK + 1;
        let chunk = |index: usize| &plaintext[index * CHUNK..plaintext.len().min((index + 1) * CHUNK)];
        (0..count).map(|index| self.chunk(index as u64, chunk(index))).collect()
    }
}

pub fn seal(key: &[u8; 32], context: &[u8], plaintext: &[u8], dice: &mut Dice) -> Vec<u8> {
    let sealer = Sealer::new(key, context, &dice.array());
    let chunks = sealer.chunks(plaintext).concat();
    [sealer.prefix, chunks].concat()
}

/// `u32 length(x) ‖ x ‖ zeros` up to the next multiple of 256.
pub fn pad(bytes: &[u8]) -> Vec<u8> {
    let mut padded = Out::default().bytes(bytes).0;
    padded.resize(padded.len().next_multiple_of(256), 0);
    padded
}

/// The Padmé length.
pub fn padme(len: usize) -> usize {
    if len < 2 {
        return len;
    }
    let e = len.ilog2();
    let s = e.checked_ilog2().map_or(0, |log| log + 1);
    len.next_multiple_of(1 << e.saturating_sub(s))
}

pub fn sign(seed: &[u8; 32], label: &str, message: &[u8]) -> [u8; 64] {
    let message = [b"docvault/v1/", label.as_bytes(), b"\0", message].concat();
    SigningKey::from_bytes(seed).sign(&message).to_bytes()
}

pub fn sign_plain(seed: &[u8; 32], message: &[u8]) -> [u8; 64] {
    SigningKey::from_bytes(seed).sign(message).to_bytes()
}

pub fn public(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

/// The public key of an X-Wing seed.
pub fn hpke_public(seed: &[u8; 32]) -> Vec<u8> {
    let key = <XWing as Kem>::PrivateKey::from_bytes(seed).unwrap();
    <XWing as Kem>::sk_to_pk(&key).to_bytes().to_vec()
}

/// 32 bytes sealed to a public key, with empty aad: enc[1120] ‖ ciphertext[48].
pub fn hpke_seal(public: &[u8], info: &[u8], secret: &[u8], dice: &mut Dice) -> Vec<u8> {
    use hpke::{aead::ChaCha20Poly1305, kdf::HkdfSha256};
    let key = <XWing as Kem>::PublicKey::from_bytes(public).unwrap();
    let mode = OpModeS::Base;
    let (enc, ciphertext) = single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &mode,
        &key,
        info,
        secret,
        &[],
        dice,
    )
    .unwrap();
    [enc.to_bytes().as_slice(), &ciphertext].concat()
}

/// The non-root chaining value of a piece of content at this offset, or zeros of padding.
pub fn chaining(offset: usize, piece: &[u8]) -> [u8; 32] {
    use blake3::hazmat::HasherExt;
    if piece.is_empty() {
        return [0; 32];
    }
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(offset as u64);
    hasher.update(piece).finalize_non_root()
}

/// The first 130 bits in RFC 4648 base 32, as 5-5-5-5-6.
pub fn fingerprint(bytes: &[u8; 32]) -> String {
    let bit = |at: usize| usize::from(bytes[at / 8] >> (7 - at % 8) & 1);
    let symbol = |at: usize| (0..5).fold(0, |value, next| value << 1 | bit(at * 5 + next));
    let letters: String =
        (0..26).map(|at| char::from(b"abcdefghijklmnopqrstuvwxyz234567"[symbol(at)])).collect();
    [&letters[..5], &letters[5..10], &letters[10..15], &letters[15..20], &letters[20..]].join("-")
}

/// Fields of FORMAT §1, one behind the other.
#[derive(Debug, Clone, Default)]
pub struct Out(pub Vec<u8>);

impl Out {
    pub fn fixed(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn u8(self, value: u8) -> Self {
        self.fixed(&[value])
    }

    pub fn u16(self, value: u16) -> Self {
        self.fixed(&value.to_be_bytes())
    }

    pub fn u32(self, value: usize) -> Self {
        self.fixed(&u32::try_from(value).unwrap().to_be_bytes())
    }

    pub fn u64(self, value: u64) -> Self {
        self.fixed(&value.to_be_bytes())
    }

    pub fn bytes(self, bytes: &[u8]) -> Self {
        self.u32(bytes.len()).fixed(bytes)
    }

    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }
}

/// `bytes` with those from `at` on replaced.
pub fn patched(bytes: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    [&bytes[..at], with, &bytes[at + with.len()..]].concat()
}

pub fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    patched(bytes, at, &[bytes[at] ^ 1])
}
