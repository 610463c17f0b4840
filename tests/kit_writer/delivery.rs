//! A delivery, field by field (§8).

use super::{
    chest::{Case, Chest, Id, Key},
    content,
    file::KitFile,
    forge::{Dice, Out, context, fingerprint, hpke_public, pad, public, seal, sha256, sign, subkey},
    head::{Grant, Head, Version},
};

const IDENTITY: Key = [0x1d; 32];

/// A document of a delivery: its line in the manifest, and what follows.
#[derive(Debug, Clone)]
pub struct Document {
    pub version: Version,
    pub head: Head,
    pub wrapped: Vec<u8>,
    pub meta_digest: Key,
    pub meta: Vec<u8>,
    pub parts: Vec<Vec<u8>>,
}

/// A delivery before it is sealed and signed.
pub struct Delivery {
    pub name: String,
    pub chest: Chest,
    pub grant: Grant,
    pub start: [u8; 8],
    pub operation: Id,
    /// The grant's own, or whom else it says it is for.
    pub recipient: Key,
    pub sender: Key,
    pub info: Key,
    pub sealed_key: Vec<u8>,
    pub case: Id,
    pub object: Id,
    pub terms: Vec<u8>,
    pub documents: Vec<Document>,
    /// Behind the contents of the manifest, within its padding.
    pub behind: Vec<u8>,
    /// Instead of the list's length.
    pub count: Option<usize>,
}

impl Delivery {
    pub fn new(name: &str) -> Self {
        let name = format!("deliveries/{name}");
        let mut chest = Chest::new("deliveries/vault");
        let case = chest.open_case("Peritaje");
        let mut versions = vec![
            Version::inline(&mut chest, &case, b"dictamen"),
            Version::parts(&mut chest, &case, &[&content(100, 1), &content(17_000, 2)]),
        ];
        versions.sort_by_key(|version| version.ids.object);
        chest.dice = Dice::new(&name);
        let grant = Grant::new(&mut chest, &case, [0; 16], &hpke_public(&IDENTITY), 1);
        let documents = versions.into_iter().map(|version| document(&mut chest, &grant, version)).collect();
        Self::of(name, chest, &case, grant, documents)
    }

    pub fn of(name: String, mut chest: Chest, case: &Case, grant: Grant, documents: Vec<Document>) -> Self {
        Self {
            name,
            start: *b"dvdl\x01\x01\0\0",
            operation: chest.dice.array(),
            recipient: grant.fingerprint(),
            sender: public(&chest.delivery),
            info: grant.info(),
            sealed_key: grant.sealed_key(&mut chest.dice),
            case: case.id,
            object: grant.ids.object,
            terms: grant.terms(),
            documents,
            behind: Vec::new(),
            count: None,
            chest,
            grant,
        }
    }

    pub fn envelope(&self) -> Vec<u8> {
        let out = Out::default().fixed(&self.start).fixed(&self.chest.vault).fixed(&self.operation);
        let out = out.fixed(&self.grant.ids.operation).fixed(&self.recipient).fixed(&self.sender);
        out.fixed(&self.info).fixed(&self.sealed_key).0
    }

    pub fn contents(&self) -> Vec<u8> {
        let out = Out::default().fixed(&self.case).fixed(&self.object).fixed(&self.terms);
        let mut out = out.u64(1_790_000_100_000).u32(self.count.unwrap_or(self.documents.len()));
        for document in &self.documents {
            let version = &document.version;
            out = out.fixed(&version.ids.object).fixed(&version.ids.operation).fixed(&document.head.key_id);
            out = out.fixed(&document.wrapped).fixed(&document.meta_digest);
        }
        out.fixed(&self.behind).0
    }

    /// The envelope and the manifest, which the signature is over.
    pub fn signed(&mut self, padded: &[u8]) -> Vec<u8> {
        let envelope = self.envelope();
        let key = subkey(&self.grant.key, "key of delivery manifest", &[&self.operation]);
        let bound = context("delivery manifest", &[&envelope]);
        let manifest = seal(&key, &bound, padded, &mut self.chest.dice);
        Out(envelope).bytes(&manifest).0
    }

    pub fn documents(&self) -> Vec<u8> {
        let mut out = Out::default();
        for document in &self.documents {
            out = out.bytes(&document.meta);
            for part in &document.parts {
                out = out.bytes(part);
            }
        }
        out.0
    }

    pub fn bytes(&mut self) -> Vec<u8> {
        let padded = pad(&self.contents());
        let signed = self.signed(&padded);
        let signature = sign(&self.chest.delivery, "sign delivery", &signed);
        [&signed[..], &signature, &self.documents()].concat()
    }

    /// Of the documents that come before whatever is wrong with the one at `wrong`.
    pub fn released(&self, wrong: usize) -> Vec<u8> {
        self.documents[..wrong].iter().flat_map(|document| document.version.content()).collect()
    }

    pub fn file(&self, what: &str, body: Vec<u8>) -> KitFile {
        let sender = [&self.chest.vault[..], &public(&self.chest.delivery)].concat();
        let print = fingerprint(&context("sender", &[&sender[..16], &sender[16..]]));
        KitFile::new(&self.name, "delivery", "§8", what)
            .hex("identity", &IDENTITY)
            .hex("sender", &sender)
            .with("fingerprint", print)
            .body(body)
    }
}

/// A document as it is delivered under this grant.
pub fn document(chest: &mut Chest, grant: &Grant, version: Version) -> Document {
    let head = version.head(&mut chest.dice);
    let wrapped = wrapped(chest, grant, &version, &head, |_| {});
    let parts = match version.meta.pages[0].storage {
        0 => vec![head.inline.clone()],
        _ => (0..version.contents.len() as u32)
            .map(|page| version.part(&head, page, &mut chest.dice))
            .collect(),
    };
    Document { meta_digest: sha256(&[&head.meta]), meta: head.meta.clone(), version, head, wrapped, parts }
}

/// A head key under the grant key, bound to what `change` makes of it.
pub fn wrapped(
    chest: &mut Chest,
    grant: &Grant,
    version: &Version,
    head: &Head,
    change: fn(&mut [Id; 5]),
) -> Vec<u8> {
    let ids = version.ids;
    let mut fields = [ids.vault, ids.case, ids.object, ids.operation, head.key_id];
    change(&mut fields);
    let [_, case, object, operation, _] = &fields;
    let key = subkey(&grant.key, "key of delivered document", &[case, object, operation]);
    let fields: Vec<&[u8]> = fields.iter().map(|field| field.as_slice()).collect();
    seal(&key, &context("delivery wrap", &fields), &version.key, &mut chest.dice)
}
