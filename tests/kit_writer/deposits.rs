//! Deposits, promises, receipts and answers (§11.2 to §11.4).

use super::{
    chest::{Id, Key},
    content,
    file::{KitFile, contained, container},
    forge::{Dice, Out, context, hpke_public, hpke_seal, pad, padme, seal, sha256, sign, subkey},
    head::zeros,
    requests::{CARRIER, PLAIN, Request, plain},
};
use std::collections::BTreeMap;

/// Bytes of a part's padded content.
pub const PART: usize = 524_288;
/// The journal of a deposit that is answered.
pub const JOURNAL: &str = "deposits/journal-sound";
const TIME: u64 = 1_790_000_200_000;

/// A seal whose salt follows from what is sealed.
fn seal_same(key: &Key, bound: &Key, content: &[u8]) -> Vec<u8> {
    let salt = subkey(key, "salt of deposit", &[bound, &sha256(&[content])]);
    let sealer = super::forge::Sealer::new(key, bound, salt[..24].try_into().unwrap());
    [sealer.prefix.clone(), sealer.chunks(content).concat()].concat()
}

/// A part of a deposit, field by field.
#[derive(Debug, Clone)]
pub struct Part {
    start: [u8; 8],
    request: Id,
    page: u16,
    part: u32,
    last: u8,
    reserved: [u8; 5],
    sealed: Vec<u8>,
    digest: Key,
    pub signer: Key,
}

#[derive(Debug, Clone)]
pub struct Deposit {
    pub request: Request,
    pub id: Id,
    pub key: Key,
    pub pages: Vec<Vec<u8>>,
    pub sealed_key: Vec<u8>,
}

impl Deposit {
    pub fn new(name: &str, pages: &[Vec<u8>]) -> Self {
        let request = plain();
        let mut dice = Dice::new(&format!("deposits/{name}"));
        let mut id: Id = dice.array();
        // Of the first slot, for files; of the second, for a form alone.
        id[..2].copy_from_slice(&[0, u8::from(pages.is_empty())]);
        let key = dice.array();
        let info = context("deposit key to intake", &[&request.digest(), &id]);
        let sealed_key = hpke_seal(&hpke_public(&request.intake), &info, &key, &mut dice);
        Self { request, id, key, pages: pages.to_vec(), sealed_key }
    }

    pub fn part(&self, page: u16, part: u32) -> Part {
        let padded = zeros(&self.pages[usize::from(page)]);
        let at = part as usize * PART;
        let last = u8::from(at + PART >= padded.len());
        let piece = &padded[at..padded.len().min(at + PART)];
        let bound = self.place(page, part, last);
        let sealed = seal_same(&self.key, &bound, piece);
        Part {
            start: *b"dvdp\x01\x01\0\0",
            request: self.request.id,
            page,
            part,
            last,
            reserved: [0; 5],
            digest: sha256(&[&sealed]),
            sealed,
            signer: self.request.link_key(),
        }
    }

    fn place(&self, page: u16, part: u32, last: u8) -> Key {
        let digest = self.request.digest();
        context("deposit part", &[&digest, &self.id, &page.to_be_bytes(), &part.to_be_bytes(), &[last]])
    }

    pub fn encode(&self, part: &Part) -> Vec<u8> {
        let out = Out::default().fixed(&part.start).fixed(&part.request).fixed(&self.id).u16(part.page);
        let out = out.fixed(&part.part.to_be_bytes()).u8(part.last).fixed(&part.reserved);
        let signed = out.u32(part.sealed.len()).fixed(&part.digest).0;
        let message = [&self.request.digest()[..], &signed].concat();
        let signature = sign(&part.signer, "sign deposit part", &message);
        [&signed[..], &signature, &part.sealed].concat()
    }

    /// Every part, page by page.
    fn parts(&self) -> Vec<Vec<Part>> {
        let parts = |page: usize| padme(self.pages[page].len()).div_ceil(PART).max(1);
        (0..self.pages.len())
            .map(|page| (0..parts(page)).map(|part| self.part(page as u16, part as u32)).collect())
            .collect()
    }

    fn contents(&self) -> Vec<u8> {
        let mut out = Out::default().u32(self.pages.len());
        for page in &self.pages {
            let out_page = out.text("frente.jpg").text("image/jpeg").u64(page.len() as u64);
            out = out_page.fixed(blake3::hash(page).as_bytes());
        }
        out.u32(1).text("rfc").text("PEJU850101AB1").text("con gusto").0
    }

    pub fn manifest(&self) -> Vec<u8> {
        self.manifest_by(&self.request.link_key())
    }

    pub fn manifest_by(&self, signer: &Key) -> Vec<u8> {
        let listed =
            self.parts().iter().map(|parts| parts.iter().map(|part| part.digest).collect()).collect();
        self.manifest_of(*b"dvdm\x01\x01\0\0", listed, &pad(&self.contents()), signer)
    }

    fn manifest_of(&self, start: [u8; 8], listed: Vec<Vec<Key>>, padded: &[u8], signer: &Key) -> Vec<u8> {
        let out =
            Out::default().fixed(&start).fixed(&self.request.id).fixed(&self.id).fixed(&self.sealed_key);
        let mut out = out.u32(listed.len());
        for parts in &listed {
            out = out.u32(parts.len()).fixed(&parts.concat());
        }
        let bound = context("deposit manifest", &[&self.request.digest(), &out.0]);
        let signed = out.bytes(&seal_same(&self.key, &bound, padded)).0;
        let message = [&self.request.digest()[..], &signed].concat();
        [&signed[..], &sign(signer, "sign deposit manifest", &message)].concat()
    }

    pub fn promise(&self, manifest: &[u8]) -> Vec<u8> {
        self.promise_of(*b"dvpr\x01\x01\0\0", manifest, &CARRIER)
    }

    pub fn promise_of(&self, start: [u8; 8], manifest: &[u8], signer: &Key) -> Vec<u8> {
        self.promise_at(start, TIME, manifest, signer)
    }

    fn promise_at(&self, start: [u8; 8], time: u64, manifest: &[u8], signer: &Key) -> Vec<u8> {
        let sealed: u64 = self.parts().iter().flatten().map(|part| part.sealed.len() as u64).sum();
        let out = Out::default().fixed(&start).fixed(&self.request.chest.vault).fixed(&self.request.id);
        let out = out.fixed(&self.id).fixed(&self.request.digest()).fixed(&sha256(&[manifest]));
        let signed = out.u64(sealed).u64(time).u64(time + 24 * 3_600_000).0;
        [&signed[..], &sign(signer, "sign deposit promise", &signed)].concat()
    }

    /// What a carrier keeps of it.
    pub fn kept(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        use super::file::hex;
        let (request, id) = (hex(&self.request.id), hex(&self.id));
        let manifest = self.manifest();
        let slot = &id[..4];
        let mut kept = BTreeMap::new();
        let mut put = |name: String, bytes: Vec<u8>| drop(kept.insert(name, Some(bytes)));
        put(format!("deposit/{request}/request"), self.request.bytes());
        put(format!("deposit/{request}/begun/{slot}-0000"), self.id.to_vec());
        put(format!("deposit/{request}/promise/{slot}-0000"), self.promise(&manifest));
        for part in self.parts().iter().flatten() {
            let name = format!("deposit/{request}/{id}/part-{:04x}-{:08x}", part.page, part.part);
            put(name, self.encode(part));
        }
        put(format!("deposit/{request}/{id}/manifest"), manifest);
        kept
    }
}

pub fn file(name: &str, object: &str, format: &str, what: &str) -> KitFile {
    KitFile::new(&format!("deposits/{name}"), object, format, what)
        .with("request", PLAIN)
        .hex("carrier-key", &CARRIER)
        .with("now", TIME.to_string())
}

pub fn files() -> Vec<KitFile> {
    [
        super::requests::files(),
        parts(),
        manifests(),
        super::inboxes::files(),
        promises(),
        journals(),
        super::answers::files(),
    ]
    .concat()
}

pub fn small() -> Vec<Vec<u8>> {
    vec![content(1_000, 1), content(300, 2)]
}

fn parts() -> Vec<KitFile> {
    let part = |name: &str, what: &str, class: &str, change: fn(&mut Deposit, &mut Part)| {
        let name = format!("part-{name}");
        let mut deposit = Deposit::new(&name, &small());
        let mut part = deposit.part(0, 0);
        change(&mut deposit, &mut part);
        let body = deposit.encode(&part);
        file(&name, "deposit-part", "§11.2, §11.3", what).expect(class).body(body)
    };
    vec![
        part("sound", "The first page's only part", "accept", |_, _| {}),
        part("magic", "Another magic", "malformed", |_, part| part.start[0] = b'x'),
        part("format", "Format 2", "malformed", |_, part| part.start[4] = 2),
        part("suite", "Suite 2", "malformed", |_, part| part.start[5] = 2),
        part("reserved", "A reserved bit", "malformed", |_, part| part.start[6] = 1),
        part("reserved-place", "A reserved bit behind its place", "malformed", |_, part| {
            part.reserved[4] = 1;
        }),
        part("last", "Neither last nor not", "malformed", |_, part| part.last = 2),
        part("digest", "Another hash than that of what is sealed", "malformed", |_, part| {
            part.digest[0] ^= 1;
        }),
        part("signature", "Signed by somebody else", "signature", |_, part| part.signer = [9; 32]),
        part("other-request", "Of a request that is not known here", "unknown", |_, part| {
            part.request[0] ^= 1;
        }),
        part("other-slot", "Of a slot that the request has not", "caps", |deposit, _| deposit.id[1] = 9),
        part("form-slot", "Of a slot that takes no file", "caps", |deposit, _| deposit.id[1] = 1),
        part("other-page", "Of a page that its slot does not take", "caps", |_, part| part.page = 2),
        part("too-long", "Of more bytes than the file may have", "caps", |_, part| part.part = 4),
        part("not-full", "Not the last, and not full", "malformed", |_, part| part.last = 0),
    ]
}

fn manifests() -> Vec<KitFile> {
    [manifests_by_themselves(), manifests_and_their_parts()].concat()
}

fn listed(deposit: &Deposit) -> Vec<Vec<Key>> {
    deposit.parts().iter().map(|parts| parts.iter().map(|part| part.digest).collect()).collect()
}

/// The manifest of a deposit that begins so and lists these parts.
fn listing(deposit: &Deposit, start: [u8; 8], listed: Vec<Vec<Key>>) -> Vec<u8> {
    deposit.manifest_of(start, listed, &pad(&deposit.contents()), &deposit.request.link_key())
}

/// A manifest, and the parts that were sent before it.
fn sent(deposit: &Deposit, manifest: Vec<u8>) -> Vec<u8> {
    let mut objects = BTreeMap::new();
    for part in deposit.parts().iter().flatten() {
        objects.insert(format!("part-{:04x}-{:08x}", part.page, part.part), Some(deposit.encode(part)));
    }
    objects.insert("manifest".to_owned(), Some(manifest));
    container(&objects)
}

fn manifest(name: &str, what: &str, class: &str, make: &dyn Fn(&Deposit) -> Vec<u8>) -> KitFile {
    let name = format!("manifest-{name}");
    let deposit = Deposit::new(&name, &small());
    let body = sent(&deposit, make(&deposit));
    file(&name, "deposit-manifest", "§11.2, §11.3", what).expect(class).body(body)
}

const START: [u8; 8] = *b"dvdm\x01\x01\0\0";

fn manifests_by_themselves() -> Vec<KitFile> {
    let form = Deposit::new("manifest-form", &[]);
    vec![
        manifest("sound", "Two pages, a part each", "accept", &Deposit::manifest),
        file("manifest-form", "deposit-manifest", "§11.2", "A form alone").body(sent(&form, form.manifest())),
        manifest("format", "Format 2", "malformed", &|deposit| {
            listing(deposit, *b"dvdm\x02\x01\0\0", listed(deposit))
        }),
        manifest("reserved", "A reserved bit", "malformed", &|deposit| {
            listing(deposit, *b"dvdm\x01\x01\0\x01", listed(deposit))
        }),
        manifest("signature", "Signed by somebody else", "signature", &|deposit| {
            deposit.manifest_of(START, listed(deposit), &pad(&deposit.contents()), &[9; 32])
        }),
        manifest("byte-behind", "A byte behind the signature", "malformed", &|deposit| {
            [deposit.manifest(), vec![0]].concat()
        }),
    ]
}

fn manifests_and_their_parts() -> Vec<KitFile> {
    vec![
        manifest("no-part", "A page without parts", "malformed", &|deposit| {
            let mut listed = listed(deposit);
            listed[1].clear();
            listing(deposit, START, listed)
        }),
        {
            let mut file =
                manifest("part-not-sent", "A part that was not sent", "missing", &Deposit::manifest);
            let kept = contained(&file.body).into_iter().filter(|(name, _)| name != "part-0001-00000000");
            file.body = container(&kept.collect::<BTreeMap<_, _>>());
            file
        },
        manifest(
            "part-behind-last",
            "A part behind the one that is said to be the last",
            "conflict",
            &|deposit| {
                let mut listed = listed(deposit);
                listed[1].push([9; 32]);
                listing(deposit, START, listed)
            },
        ),
        manifest("part-other", "Another hash than that of a part", "conflict", &|deposit| {
            let mut listed = listed(deposit);
            listed[1][0] = [9; 32];
            listing(deposit, START, listed)
        }),
        manifest("page-too-many", "A page more than the slot takes", "caps", &|deposit| {
            let mut listed = listed(deposit);
            listed.push(vec![[9; 32]]);
            listing(deposit, START, listed)
        }),
    ]
}

fn promises() -> Vec<KitFile> {
    let promise = |name: &str, what: &str, class: &str, make: fn(&mut Deposit) -> Vec<u8>| {
        let name = format!("promise-{name}");
        let mut deposit = Deposit::new(&name, &small());
        let body = make(&mut deposit);
        file(&name, "promise", "§11.3", what).expect(class).body(body)
    };
    let sound = |deposit: &mut Deposit| deposit.promise(&deposit.manifest());
    vec![
        promise("sound", "A promise", "accept", sound),
        promise("format", "Format 2", "corrupt", |deposit| {
            deposit.promise_of(*b"dvpr\x02\x01\0\0", b"", &CARRIER)
        }),
        promise("reserved", "A reserved bit", "corrupt", |deposit| {
            deposit.promise_of(*b"dvpr\x01\x01\0\x01", b"", &CARRIER)
        }),
        promise("early", "A time before the request was issued", "corrupt", |deposit| {
            deposit.promise_at(*b"dvpr\x01\x01\0\0", deposit.request.issued - 1, b"", &CARRIER)
        }),
        promise("late", "The time at which the request has expired", "corrupt", |deposit| {
            deposit.promise_at(*b"dvpr\x01\x01\0\0", deposit.request.expires, b"", &CARRIER)
        }),
        promise("signature", "Signed by somebody else", "corrupt", |deposit| {
            deposit.promise_of(*b"dvpr\x01\x01\0\0", b"", &[9; 32])
        }),
        promise("other-request", "A promise about another request", "corrupt", |deposit| {
            deposit.request.id[0] ^= 1;
            deposit.promise(b"")
        }),
        promise("other-vault", "A promise about a request of another vault", "corrupt", |deposit| {
            deposit.request.chest.vault[0] ^= 1;
            deposit.promise(b"")
        }),
        promise("byte-behind", "A byte behind the signature", "corrupt", |deposit| {
            [deposit.promise(b""), vec![0]].concat()
        }),
    ]
}

/// What a client keeps to go on, and the carrier's promise that it is shown.
fn journals() -> Vec<KitFile> {
    let journal =
        |name: &str, what: &str, class: &str, start: [u8; 8], change: fn(&mut Deposit, &mut Vec<u8>)| {
            let name = format!("journal-{name}");
            let mut deposit = Deposit::new(&name, &small());
            let mut out =
                Out::default().fixed(&deposit.key).fixed(&deposit.sealed_key).u32(deposit.pages.len());
            for page in &deposit.pages {
                out = out.text("frente de la identificación.jpg").text("image/jpeg").u64(page.len() as u64);
            }
            let mut padded = pad(&out.0);
            let (request, id) = (deposit.request.id, deposit.id);
            change(&mut deposit, &mut padded);
            let key = subkey(&deposit.request.root(), "key of deposit journal", &[]);
            let bound = context("deposit journal", &[&plain().digest(), &deposit.id]);
            let sealed = seal(&key, &bound, &padded, &mut Dice::new(&name));
            let body = Out::default().fixed(&start).fixed(&request).fixed(&id).fixed(&sealed).0;
            file(&name, "journal", "§11.2", what).expect(class).body(body)
        };
    let sound = *b"dvdj\x01\x01\0\0";
    vec![
        journal("sound", "A journal", "accept", sound, |_, _| {}),
        journal("format", "Format 2", "corrupt", *b"dvdj\x02\x01\0\0", |_, _| {}),
        journal("reserved", "A reserved bit", "corrupt", *b"dvdj\x01\x01\x01\0", |_, _| {}),
        journal("other-link", "Sealed with another link", "corrupt", sound, |deposit, _| {
            deposit.request.secret = [9; 32];
        }),
        journal("other-deposit", "Sealed for another deposit", "corrupt", sound, |deposit, _| {
            deposit.id[9] ^= 1;
        }),
        journal("padding", "Padding that is not zero", "corrupt", sound, |_, padded| {
            *padded.last_mut().unwrap() = 1;
        }),
    ]
}
