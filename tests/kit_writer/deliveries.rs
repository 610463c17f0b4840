//! Deliveries (§8): put together by hand, signed as the vault signs, one thing in each another.

use super::{
    chest::{Chest, Id},
    delivery::{Delivery, Document, wrapped},
    file::{KitFile, hex},
    forge::{context, fingerprint, flipped, hpke_public, hpke_seal, pad, patched, public, sha256, sign},
};

/// A delivery that `change` alters before it is sealed and signed.
fn changed(name: &str, what: &str, change: impl FnOnce(&mut Delivery)) -> KitFile {
    let mut delivery = Delivery::new(name);
    change(&mut delivery);
    let body = delivery.bytes();
    delivery.file(what, body).expect("corrupt").releasing(b"")
}

/// A delivery that fails in its second document, once the first is released.
fn in_second(name: &str, what: &str, change: impl FnOnce(&mut Delivery)) -> KitFile {
    let mut delivery = Delivery::new(name);
    let released = delivery.released(1);
    change(&mut delivery);
    let body = delivery.bytes();
    delivery.file(what, body).expect("corrupt").releasing(&released)
}

/// A sound delivery whose bytes are altered on their way.
fn altered(name: &str, what: &str, change: fn(Vec<u8>) -> Vec<u8>) -> KitFile {
    let mut delivery = Delivery::new(name);
    let body = change(delivery.bytes());
    delivery.file(what, body).expect("corrupt").releasing(b"")
}

pub fn files() -> Vec<KitFile> {
    [sound(), envelopes(), manifests(), wraps(), documents(), streams()].concat()
}

fn sound() -> Vec<KitFile> {
    let sound = |name: &str, what: &str, change: fn(&mut Delivery)| {
        let mut delivery = Delivery::new(name);
        change(&mut delivery);
        let body = delivery.bytes();
        delivery.file(what, body).releasing(&delivery.released(delivery.documents.len()))
    };
    let empty = |delivery: &mut Delivery| delivery.documents.clear();
    let one = |delivery: &mut Delivery| delivery.documents.truncate(1);
    vec![
        sound("two-documents", "Two documents, one of two pages in parts", |_| {}),
        sound("one-document", "One document", one),
        sound("no-document", "No document", empty),
    ]
}

fn envelopes() -> Vec<KitFile> {
    let stranger = |delivery: &mut Delivery| {
        delivery.grant.recipient = hpke_public(&[9; 32]);
        delivery.recipient = delivery.grant.fingerprint();
        delivery.info = delivery.grant.info();
        delivery.sealed_key = delivery.grant.sealed_key(&mut delivery.chest.dice);
    };
    vec![
        changed("magic", "Another magic", |delivery| delivery.start[0] = b'x'),
        changed("format", "Format 2", |delivery| delivery.start[4] = 2),
        changed("suite", "Suite 2", |delivery| delivery.start[5] = 2),
        changed("reserved", "A reserved bit", |delivery| delivery.start[6] = 1),
        changed("other-recipient", "For another recipient", stranger).expect("denied"),
        changed("readdressed", "For another recipient, and says it is for this one", |delivery| {
            let recipient = delivery.recipient;
            stranger(delivery);
            delivery.recipient = recipient;
        }),
        changed("other-vault", "From another vault", |delivery| delivery.chest.vault[0] ^= 1)
            .sender_of("deliveries/vault")
            .expect("denied"),
        changed("other-sender", "From another sender, who signed it", |delivery| {
            delivery.chest.delivery = [9; 32];
            delivery.sender = public(&[9; 32]);
        })
        .sender_of("deliveries/vault")
        .expect("denied"),
        changed("forged", "Signed by somebody else in the sender's name", |delivery| {
            delivery.chest.delivery = [9; 32];
        })
        .sender_of("deliveries/vault"),
        changed("other-operation-sealed", "A grant key sealed for other terms", |delivery| {
            let info = context("grant to recipient", &[b"other"]);
            let public = &delivery.grant.recipient;
            delivery.sealed_key = hpke_seal(public, &info, &delivery.grant.key, &mut delivery.chest.dice);
        }),
        changed("other-info", "A grant key sealed for what is no grant", |delivery| {
            delivery.info = context("grant to recipient", &[b"other"]);
            let public = &delivery.grant.recipient;
            delivery.sealed_key =
                hpke_seal(public, &delivery.info, &delivery.grant.key, &mut delivery.chest.dice);
        }),
    ]
}

fn manifests() -> Vec<KitFile> {
    let padded = |name: &str, what: &str, change: fn(&mut Vec<u8>)| {
        let mut delivery = Delivery::new(name);
        let mut contents = pad(&delivery.contents());
        change(&mut contents);
        let signed = delivery.signed(&contents);
        let signature = sign(&delivery.chest.delivery, "sign delivery", &signed);
        let body = [&signed[..], &signature, &delivery.documents()].concat();
        delivery.file(what, body).expect("corrupt").releasing(b"")
    };
    vec![
        changed("terms", "Other terms than those of the grant", |delivery| delivery.terms[1] = 2),
        changed("rights", "Rights that are not known", |delivery| {
            delivery.terms[0] = 2;
            delivery.grant.rights = 2;
            delivery.info = delivery.grant.info();
            delivery.sealed_key = delivery.grant.sealed_key(&mut delivery.chest.dice);
        }),
        changed("mode", "A mode that is not known", |delivery| {
            delivery.terms[1] = 3;
            delivery.grant.mode = 3;
            delivery.info = delivery.grant.info();
            delivery.sealed_key = delivery.grant.sealed_key(&mut delivery.chest.dice);
        }),
        changed("other-case", "Of another case than that of the grant", |delivery| delivery.case[0] ^= 1),
        changed("other-scope", "Of another document than that of the grant", |delivery| {
            delivery.object[0] ^= 1;
        }),
        changed("unsorted", "Documents out of order", |delivery| delivery.documents.reverse()),
        changed("doubled", "A document twice", |delivery| {
            let document = delivery.documents[0].clone();
            delivery.documents.insert(0, document);
        }),
        changed("manifest-byte-behind", "A byte behind the last document's line", |delivery| {
            delivery.behind = vec![0];
        }),
        changed("manifest-count", "A document more than there are lines", |delivery| {
            delivery.count = Some(3);
        }),
        changed("manifest-huge-count", "2³² − 1 documents", |delivery| {
            delivery.count = Some(u32::MAX as usize);
        }),
        padded("manifest-padding", "Padding that is not zero", |padded| *padded.last_mut().unwrap() = 1),
        padded("manifest-padding-class", "Padding of a class too many", |padded| {
            padded.resize(padded.len() + 256, 0);
        }),
        padded("manifest-empty", "An empty manifest", Vec::clear),
    ]
}

fn wraps() -> Vec<KitFile> {
    let wrap = |name: &str, what: &str, change: fn(&mut [Id; 5])| {
        in_second(name, what, |delivery| {
            let Delivery { chest, grant, documents, .. } = delivery;
            let document = &mut documents[1];
            document.wrapped = wrapped(chest, grant, &document.version, &document.head, change);
        })
    };
    vec![
        wrap("wrap-other-vault", "A head key wrapped for another vault", |fields| fields[0][0] ^= 1),
        wrap("wrap-other-case", "A head key wrapped for another case", |fields| fields[1][0] ^= 1),
        wrap("wrap-other-document", "A head key wrapped for another document", |fields| fields[2][0] ^= 1),
        wrap("wrap-other-version", "A head key wrapped for another version", |fields| fields[3][0] ^= 1),
        wrap("wrap-other-key-id", "A head key wrapped for another key id", |fields| fields[4][0] ^= 1),
        in_second("wraps-swapped", "Two documents' wrapped keys exchanged", |delivery| {
            let first = delivery.documents[0].wrapped.clone();
            delivery.documents[1].wrapped = first;
        }),
    ]
}

fn documents() -> Vec<KitFile> {
    let second = |name: &str, what: &str, change: fn(&mut Document)| {
        in_second(name, what, |delivery| change(&mut delivery.documents[1]))
    };
    vec![
        second("meta-other", "Metadata that the manifest does not name", |document| document.meta[70] ^= 1),
        second("meta-altered", "Metadata altered, and named so", |document| {
            document.meta[70] ^= 1;
            document.meta_digest = sha256(&[&document.meta]);
        }),
        second("part-altered", "A bit of a document's first part", |document| document.parts[0][70] ^= 1),
        second("part-missing", "A document without its parts", |document| document.parts.clear()),
        second("part-cut", "A part whose last byte is missing", |document| {
            document.parts[0].pop();
        }),
    ]
}

fn streams() -> Vec<KitFile> {
    // The envelope has 1,320 bytes; its manifest, the signature and the documents follow.
    vec![
        altered("empty", "Nothing", |_| Vec::new()),
        altered("cut-in-envelope", "Cut within the envelope", |bytes| bytes[..700].to_vec()),
        altered("cut-in-manifest", "Cut within the manifest", |bytes| bytes[..1400].to_vec()),
        altered("manifest-huge-length", "A manifest of 2³² − 1 bytes", |bytes| {
            patched(&bytes, 1320, &[0xff; 4])
        }),
        altered("envelope-altered", "A bit of the delivery's operation", |bytes| flipped(&bytes, 30)),
        altered("sealed-key-altered", "A bit of the sealed grant key", |bytes| flipped(&bytes, 500)),
        altered("manifest-altered", "A bit of the manifest", |bytes| flipped(&bytes, 1500)),
        altered("signature-altered", "A bit of the signature", |bytes| {
            let manifest = u32::from_be_bytes(bytes[1320..1324].try_into().unwrap()) as usize;
            flipped(&bytes, 1324 + manifest + 10)
        }),
        changed("signature-other-label", "Signed as something else", |_| {}).resigned("sign commit"),
        whole_and("byte-behind", "A byte behind the last document", |bytes| bytes.push(0)),
    ]
}

/// Everything is released, and then something is wrong.
fn whole_and(name: &str, what: &str, change: fn(&mut Vec<u8>)) -> KitFile {
    let mut delivery = Delivery::new(name);
    let mut body = delivery.bytes();
    change(&mut body);
    let released = delivery.released(2);
    delivery.file(what, body).expect("corrupt").releasing(&released)
}

impl KitFile {
    /// The sender that was checked is that of another vault.
    fn sender_of(mut self, vault: &str) -> Self {
        let chest = Chest::new(vault);
        let sender = [&chest.vault[..], &public(&chest.delivery)].concat();
        let print = fingerprint(&context("sender", &[&sender[..16], &sender[16..]]));
        for (name, value) in &mut self.fields {
            match name.as_str() {
                "sender" => *value = hex(&sender),
                "fingerprint" => value.clone_from(&print),
                _ => {}
            }
        }
        self
    }

    /// Signed by the same key under another label.
    fn resigned(self, label: &str) -> Self {
        let manifest = u32::from_be_bytes(self.body[1320..1324].try_into().unwrap()) as usize;
        let end = 1324 + manifest;
        let signature = sign(&Chest::new("deliveries/vault").delivery, label, &self.body[..end]);
        let body = patched(&self.body, end, &signature);
        self.body(body)
    }
}
