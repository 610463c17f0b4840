//! Bodies of records and signatures of commits (§5.3, §5.4).

use super::{
    chest::{Chest, Record},
    file::KitFile,
    forge::{Out, patched, sign},
    log::{base, over_base, released, signed},
};

pub fn files() -> Vec<KitFile> {
    [bodies(), signatures()].concat()
}

/// A record over the base whose body is sealed with this in its outer layer.
fn bodied(name: &str, what: &str, outer: impl FnOnce(&mut Chest, &Record) -> Vec<u8>) -> KitFile {
    let name = format!("log/body-{name}");
    let (chest, _, _) = base();
    let mut chest = chest.overlay(&name);
    let record = chest.browsed();
    let body = outer(&mut chest, &record);
    chest.commit(vec![Record { body: Some(body), ..record }]);
    over_base(&name, "§5.4", what, &chest).expect("corrupt")
}

fn bodies() -> Vec<KitFile> {
    let id = [0x1d; 16];
    let plain = |bytes: Vec<u8>| super::forge::pad(&bytes);
    let outer = |version: u8, actor: &[u8], request: u8, rest: &[u8]| {
        let out = Out::default().u8(version).bytes(actor).text("p").u8(request);
        out.bytes(&Out::default().u8(1).u32(0).0).bytes(b"").fixed(rest).0
    };
    let with = |name: &str, what: &str, padded: Vec<u8>| {
        bodied(name, what, |chest, record| chest.sealed_body(record, &id, &padded))
    };
    vec![
        with("sound", "A body put together by hand", plain(outer(1, b"user:1", 0, b"")))
            .expect("accept")
            .releasing(&released(&base().2)),
        with("version", "An outer layer of version 2", plain(outer(2, b"user:1", 0, b""))),
        with("not-utf-8", "An actor that is not UTF-8", plain(outer(1, &[0xff], 0, b""))),
        with("actor-too-long", "An actor of 257 bytes", plain(outer(1, &[b'a'; 257], 0, b""))),
        with("optional", "A request that is neither absent nor there", plain(outer(1, b"user:1", 2, b""))),
        with("byte-behind", "A byte behind the outer layer's fields", plain(outer(1, b"user:1", 0, &[0]))),
        with("padding", "Padding that is not zero", {
            let mut padded = plain(outer(1, b"user:1", 0, b""));
            *padded.last_mut().unwrap() = 1;
            padded
        }),
        with("padding-class", "Padding of a class too many", {
            let mut padded = plain(outer(1, b"user:1", 0, b""));
            padded.resize(padded.len() + 256, 0);
            padded
        }),
        bodied("other-key", "Sealed under another record's key", |chest, record| {
            let sealed = chest.sealed_body(record, &id, &plain(outer(1, b"user:1", 0, b"")));
            [&[0x1e; 16], &sealed[16..]].concat()
        }),
        bodied("other-operation", "Sealed for another operation", |chest, record| {
            let other = Record { operation: [7; 16], ..record.clone() };
            chest.sealed_body(&other, &id, &plain(outer(1, b"user:1", 0, b"")))
        }),
        bodied("cut", "Less than an id", |_, _| vec![1; 15]),
    ]
}

fn signatures() -> Vec<KitFile> {
    let last = |bytes: Vec<u8>, with: &[u8]| patched(&bytes, bytes.len() - with.len(), with);
    vec![
        signed("signature-other-key", "Signed by somebody else", |_, draft| draft.encode(&[9; 32])),
        signed("signature-other-label", "Signed as something else", |chest, draft| {
            let (unsigned, message) = draft.unsigned();
            [&unsigned[..], &sign(&chest.signing.commit, "sign delivery", &message)].concat()
        }),
        signed("signature-altered", "A bit of the signature", |chest, draft| {
            let bytes = draft.encode(&chest.signing.commit);
            super::forge::flipped(&bytes, bytes.len() - 40)
        }),
        signed("signature-malleable", "S plus the group's order", |chest, draft| {
            let bytes = draft.encode(&chest.signing.commit);
            let s: [u8; 32] = bytes[bytes.len() - 32..].try_into().unwrap();
            last(bytes, &plus_order(s))
        }),
        signed("signature-zeros", "A signature of zeros", |chest, draft| {
            last(draft.encode(&chest.signing.commit), &[0; 64])
        }),
        signed("signature-small-order", "R is the neutral element, S is zero", |chest, draft| {
            let mut signature = [0; 64];
            signature[0] = 1;
            last(draft.encode(&chest.signing.commit), &signature)
        }),
        signed("signature-nonce", "Another nonce than is signed", |chest, draft| {
            patched(&draft.encode(&chest.signing.commit), 104, &[9; 16])
        }),
        signed("signature-bodies", "Another body than is signed", |chest, draft| {
            let bytes = draft.encode(&chest.signing.commit);
            super::forge::flipped(&bytes, bytes.len() - 70)
        }),
    ]
}

/// S + L, which a verifier that does not demand the canonical S takes (RFC 8032 §8.4).
fn plus_order(mut s: [u8; 32]) -> [u8; 32] {
    let order = super::file::unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut carry = 0;
    for (byte, add) in s.iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    s
}
