//! What can be made by whoever holds a delivery, or nothing but public keys, from the text of FORMAT.
#![allow(unreachable_pub, reason = "a module of one test binary")]

use hpke::{
    Deserializable, Kem, OpModeR, aead::ChaCha20Poly1305, kdf::HkdfSha256, kem::XWing, single_shot_open,
};

use super::toolkit::*;

pub const ENVELOPE: usize = 1320;
/// Of content in a delivery that is made here.
pub const ATTEMPT: [u8; 16] = [7; 16];

/// What a recipient learns by taking a delivery apart as FORMAT §8 says.
pub struct TakenApart {
    pub grant_key: [u8; 32],
    pub object: [u8; 16],
    pub version: [u8; 16],
    pub key_id: [u8; 16],
    pub head_key: [u8; 32],
    pub manifest: Vec<u8>,
    pub terms: Vec<u8>,
}

pub fn take_apart(seed: u8, delivery: &[u8]) -> TakenApart {
    let key = <XWing as Kem>::PrivateKey::from_bytes(&[seed; 32]).unwrap();
    let enc = <XWing as Kem>::EncappedKey::from_bytes(&delivery[152..1272]).unwrap();
    let (info, sealed) = (&delivery[120..152], &delivery[1272..ENVELOPE]);
    let opened = single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeR::Base,
        &key,
        &enc,
        info,
        sealed,
        &[],
    );
    let grant_key: [u8; 32] = opened.unwrap().try_into().unwrap();
    let (vault, operation) = (&delivery[8..24], &delivery[24..40]);
    let sealed = Fields(&delivery[ENVELOPE..]).bytes();
    let manifest_key = subkey(&grant_key, "key of delivery manifest", &[operation]);
    let padded = open(&manifest_key, &context("delivery manifest", &[&delivery[..ENVELOPE]]), sealed);
    let manifest = Fields(&padded).bytes().to_vec();
    let mut fields = Fields(&manifest);
    let case: [u8; 16] = fields.array();
    fields.take(16);
    let before = fields.0;
    fields.take(2);
    fields.bytes();
    fields.take(24);
    let terms = before[..before.len() - fields.0.len()].to_vec();
    fields.take(8);
    assert_eq!(fields.array::<4>(), [0, 0, 0, 1]);
    let (object, version, key_id): ([u8; 16], [u8; 16], [u8; 16]) =
        (fields.array(), fields.array(), fields.array());
    let ids: [&[u8]; 3] = [&case, &object, &version];
    let key = subkey(&grant_key, "key of delivered document", &ids);
    let bound = context("delivery wrap", &[vault, &case, &object, &version, &key_id]);
    let head_key = open(&key, &bound, fields.take(104)).try_into().unwrap();
    TakenApart { grant_key, object, version, key_id, head_key, manifest, terms }
}

/// Where the documents of a delivery begin.
pub fn documents_at(delivery: &[u8]) -> usize {
    let manifest = u32::from_be_bytes(delivery[ENVELOPE..ENVELOPE + 4].try_into().unwrap());
    ENVELOPE + 4 + manifest as usize + 64
}

/// Of each 16 KiB of a part of 8 MiB, with `blake3` alone.
pub fn chaining_values(part: u32, plaintext: &[u8]) -> Vec<u8> {
    use blake3::hazmat::HasherExt;
    let value = |(index, piece): (usize, &[u8])| {
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(u64::from(part) * (8 << 20) + index as u64 * 16_384);
        hasher.update(piece).finalize_non_root()
    };
    plaintext.chunks(16_384).enumerate().flat_map(value).collect()
}

/// The attempt in a part's name.
pub fn attempt_of(name: &docvault::storage::ObjectKey) -> Vec<u8> {
    let hex = name.as_str().rsplit('-').next().unwrap();
    (0..16).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

pub fn content_context(world: &World, apart: &TakenApart) -> [u8; 32] {
    let (vault, case) = (world.vault.id(), world.case);
    let ids = [vault.as_bytes().as_slice(), case.as_bytes(), &apart.object, &apart.version, &apart.key_id];
    context("content", &[&[&[1][..], &[1]], &ids[..], &[&[1]]].concat())
}

/// A part with an outline of its own, as whoever holds the version's key can make it.
pub fn forged_part(
    world: &World,
    apart: &TakenApart,
    attempt: &[u8],
    part: u32,
    plaintext: &[u8],
) -> Vec<u8> {
    let outline = chaining_values(part, plaintext);
    outlined_part(world, apart, attempt, part, plaintext, &outline)
}

pub fn outlined_part(
    world: &World,
    apart: &TakenApart,
    attempt: &[u8],
    part: u32,
    plaintext: &[u8],
    outline: &[u8],
) -> Vec<u8> {
    let bound = content_context(world, apart);
    let bound = [bound.as_slice(), attempt, &0u32.to_be_bytes(), &part.to_be_bytes()].concat();
    let sealed_outline = seal(&apart.head_key, &context("outline", &[&bound]), outline);
    [seal(&apart.head_key, &bound, plaintext), sealed_outline].concat()
}

/// A head of the same version, with its key and of its place, that says something else (FORMAT §7.1).
pub fn forged_head(world: &World, apart: &TakenApart, head: &[u8], content: &[u8]) -> Vec<u8> {
    let (vault, case) = (world.vault.id(), world.case);
    let ids: [&[u8]; 6] =
        [vault.as_bytes(), case.as_bytes(), &apart.object, &apart.version, &[2], &apart.key_id];
    let sealed = seal(&apart.head_key, &context("head meta", &ids), &padded(&metadata(content)));
    let attempt = [5; 16];
    let place = [content_context(world, apart).as_slice(), &attempt, &[0; 8]].concat();
    let inline = seal(&apart.head_key, &place, content);
    let len = (sealed.len() as u32).to_be_bytes();
    [&head[..128], &len, &sealed, &attempt, &inline].concat()
}

/// Metadata of a version with this content in its head (FORMAT §7.2).
pub fn metadata(content: &[u8]) -> Vec<u8> {
    let digest = blake3::hash(content);
    let page = [&(content.len() as u64).to_be_bytes()[..], digest.as_bytes(), &[0, 0], &[0; 4]].concat();
    metadata_of(digest.as_bytes(), &[page])
}

/// Metadata of a version with these pages.
pub fn metadata_of(digest: &[u8], pages: &[Vec<u8>]) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat();
    let (name, media_type) = (text("another contract"), text("application/octet-stream"));
    let count = (pages.len() as u32).to_be_bytes();
    [&[0; 32], &name[..], &media_type, &[0; 4], digest, &count, &pages.concat()].concat()
}

/// The key that the next signs with, whoever's name it uses.
pub fn forger() -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&[9; 32])
}

/// A delivery to this recipient, right in everything but who signed it (FORMAT §8).
pub fn delivery_in_the_name_of(sender: &[u8], recipient: &[u8], content: &[u8]) -> Vec<u8> {
    delivery_that_says(sender, recipient, &metadata(content), (&ATTEMPT, content))
}

/// The same with metadata that may be of something else, and with what stands before the content.
pub fn delivery_that_says(
    sender: &[u8],
    recipient: &[u8],
    metadata: &[u8],
    (before, content): (&[u8], &[u8]),
) -> Vec<u8> {
    let (vault, key) = sender.split_at(16);
    let [case, object, version, operation, grant, key_id]: [[u8; 16]; 6] =
        core::array::from_fn(|i| [i as u8 + 1; 16]);
    let (grant_key, head_key) = ([7; 32], [8; 32]);
    let sized = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes(), bytes].concat();
    let terms = [&[1, 1][..], &sized(b"p"), &[0; 8], &[0xff; 8], &[0; 8]].concat();
    let print = context("recipient", &[recipient]);
    let info = context("grant to recipient", &[vault, &case, &object, &grant, &[0; 16], &print, &terms]);
    let sealed_key = seal_to(recipient, &info, &grant_key);
    let start = [b"dvdl\x01\x01\0\0", vault, &operation, &grant, &print, key, &info, &sealed_key].concat();
    let ids: [&[u8]; 6] = [vault, &case, &object, &version, &[2], &key_id];
    let meta = seal(&head_key, &context("head meta", &ids), &padded(metadata));
    let wrapping = subkey(&grant_key, "key of delivered document", &[&case, &object, &version]);
    let bound = context("delivery wrap", &[vault, &case, &object, &version, &key_id]);
    let line =
        [&object[..], &version, &key_id, &seal(&wrapping, &bound, &head_key), &sha256(&[&meta])].concat();
    let listed = [&case[..], &object, &terms, &[0; 8], &[0, 0, 0, 1], &line].concat();
    let manifest_key = subkey(&grant_key, "key of delivery manifest", &[&operation]);
    let manifest = seal(&manifest_key, &context("delivery manifest", &[&start]), &padded(&listed));
    let signed = [start, sized(&manifest)].concat();
    let message = [b"docvault/v1/sign delivery\0", signed.as_slice()].concat();
    let signature = ed25519_dalek::Signer::sign(&forger(), &message);
    let ids: [&[u8]; 8] = [&[1], &[1], vault, &case, &object, &version, &key_id, &[1]];
    let place = [&context("content", &ids)[..], &ATTEMPT, &[0; 8]].concat();
    let inline = [before, &seal(&head_key, &place, content)].concat();
    [&signed[..], &signature.to_bytes(), &sized(&meta), &sized(&inline)].concat()
}
