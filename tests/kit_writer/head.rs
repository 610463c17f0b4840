//! Heads, metadata and parts, written from FORMAT §7.

use super::{
    chest::{Case, Chest, Id, Key, NONE, Record},
    file::hex,
    forge::{CHUNK, Dice, Out, chaining, context, hpke_seal, pad, padme, seal, sha256},
};

/// What every context of a head binds.
#[derive(Debug, Clone, Copy)]
pub struct Ids {
    pub vault: Id,
    pub case: Id,
    pub object: Id,
    pub operation: Id,
    pub of: u8,
}

impl Ids {
    pub fn context(&self, label: &str, key_id: &Id) -> Key {
        context(label, &[&self.vault, &self.case, &self.object, &self.operation, &[self.of], key_id])
    }

    pub fn content(&self, key_id: &Id) -> Key {
        context(
            "content",
            &[&[1], &[1], &self.vault, &self.case, &self.object, &self.operation, key_id, &[1]],
        )
    }
}

/// A head, field by field.
#[derive(Debug, Clone)]
pub struct Head {
    pub start: [u8; 8],
    pub key_id: Id,
    pub wrapped: Vec<u8>,
    pub meta: Vec<u8>,
    pub inline: Vec<u8>,
}

impl Head {
    pub fn seal(ids: &Ids, case_key: &Key, key: &Key, meta: &[u8], dice: &mut Dice) -> Self {
        Self::seal_padded(ids, case_key, key, &pad(meta), dice)
    }

    pub fn seal_padded(ids: &Ids, case_key: &Key, key: &Key, meta: &[u8], dice: &mut Dice) -> Self {
        let key_id = dice.array();
        let wrapped = seal(case_key, &ids.context("head key", &key_id), key, dice);
        let meta = seal(key, &ids.context("head meta", &key_id), meta, dice);
        let start = [b'd', b'v', b'h', b'd', 1, 1, ids.of, 0];
        Self { start, key_id, wrapped, meta, inline: Vec::new() }
    }

    fn front(&self) -> Vec<u8> {
        Out::default().fixed(&self.start).fixed(&self.key_id).fixed(&self.wrapped).bytes(&self.meta).0
    }

    pub fn bytes(&self) -> Vec<u8> {
        [self.front(), self.inline.clone()].concat()
    }

    pub fn effect(&self, blind: &Key, content: &Key) -> Key {
        context("effect", &[blind, &sha256(&[&self.front()]), content])
    }

    pub fn name(&self, ids: &Ids) -> String {
        format!("head/{}/{}", hex(&ids.case), hex(&ids.operation))
    }
}

#[derive(Debug, Clone)]
pub struct Page {
    pub len: u64,
    pub digest: Key,
    pub sha256: Option<Key>,
    pub storage: u8,
    pub runs: Vec<(Id, u32, u32)>,
    pub chaining: Vec<Key>,
}

#[derive(Debug, Clone)]
pub struct Meta {
    pub blind: Key,
    pub name: Vec<u8>,
    pub media_type: Vec<u8>,
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
    pub digest: Key,
    pub pages: Vec<Page>,
}

impl Meta {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Out::default().fixed(&self.blind).bytes(&self.name).bytes(&self.media_type);
        out = out.u32(self.attributes.len());
        for (name, value) in &self.attributes {
            out = out.bytes(name).bytes(value);
        }
        out.fixed(&self.digest).fixed(&encode_pages(&self.pages)).0
    }
}

pub fn encode_pages(pages: &[Page]) -> Vec<u8> {
    let mut out = Out::default().u32(pages.len());
    for page in pages {
        out = out.u64(page.len).fixed(&page.digest);
        out = page.sha256.map_or(out.clone().u8(0), |sha256| out.u8(1).fixed(&sha256));
        out = out.u8(page.storage).u32(page.runs.len());
        for (attempt, first, parts) in &page.runs {
            out = out.fixed(attempt).fixed(&first.to_be_bytes()).fixed(&parts.to_be_bytes());
        }
        out = out.fixed(&page.chaining.concat());
    }
    out.0
}

/// The digest of a version's content.
pub fn content_digest(pages: &[Page]) -> Key {
    match pages {
        [page] => page.digest,
        pages => {
            let digests: Vec<&[u8]> = pages.iter().map(|page| page.digest.as_slice()).collect();
            context("pages", &digests)
        }
    }
}

/// A version with everything that it is made of. Each page is one part, or stays in the head.
#[derive(Debug, Clone)]
pub struct Version {
    pub ids: Ids,
    pub case_key: Key,
    pub key: Key,
    pub attempt: Id,
    pub contents: Vec<Vec<u8>>,
    pub meta: Meta,
    pub previous: Id,
    pub ordinal: u32,
}

impl Version {
    /// One page in the head.
    pub fn inline(chest: &mut Chest, case: &Case, content: &[u8]) -> Self {
        Self::new(chest, case, &[content], 0)
    }

    /// Pages in parts.
    pub fn parts(chest: &mut Chest, case: &Case, contents: &[&[u8]]) -> Self {
        Self::new(chest, case, contents, 1)
    }

    fn new(chest: &mut Chest, case: &Case, contents: &[&[u8]], storage: u8) -> Self {
        let dice = &mut chest.dice;
        let (object, operation, attempt): (Id, Id, Id) = (dice.array(), dice.array(), dice.array());
        let ids = Ids { vault: chest.vault, case: case.id, object, operation, of: 2 };
        let page = |content: &&[u8]| Page {
            len: content.len() as u64,
            digest: *blake3::hash(content).as_bytes(),
            sha256: None,
            storage,
            runs: if storage == 1 { vec![(attempt, 0, 1)] } else { Vec::new() },
            chaining: Vec::new(),
        };
        let pages: Vec<Page> = contents.iter().map(page).collect();
        let meta = Meta {
            blind: dice.array(),
            name: b"acta.pdf".to_vec(),
            media_type: b"application/pdf".to_vec(),
            attributes: Vec::new(),
            digest: content_digest(&pages),
            pages,
        };
        let contents = contents.iter().map(|content| content.to_vec()).collect();
        let key = dice.array();
        Self { ids, case_key: case.key, key, attempt, contents, meta, previous: NONE, ordinal: 1 }
    }

    /// The version after `self` of the same document.
    pub fn after(mut self, before: &Self) -> Self {
        self.ids.object = before.ids.object;
        (self.previous, self.ordinal) = (before.ids.operation, before.ordinal + 1);
        self
    }

    /// Its head, inline content with it.
    pub fn head(&self, dice: &mut Dice) -> Head {
        let mut head = Head::seal(&self.ids, &self.case_key, &self.key, &self.meta.encode(), dice);
        if self.meta.pages.first().is_some_and(|page| page.storage == 0) {
            let padded = zeros(&self.contents[0]);
            let sealed = seal(&self.key, &self.place(&head, 0, 0), &padded, dice);
            head.inline = [&self.attempt[..], &sealed].concat();
        }
        head
    }

    pub fn place(&self, head: &Head, page: u32, part: u32) -> Vec<u8> {
        let content = self.ids.content(&head.key_id);
        [&content[..], &self.attempt, &page.to_be_bytes(), &part.to_be_bytes()].concat()
    }

    /// The only part of a page, as stored.
    pub fn part(&self, head: &Head, page: u32, dice: &mut Dice) -> Vec<u8> {
        let padded = zeros(&self.contents[page as usize]);
        let outline = self.outline(page);
        self.part_of(&self.place(head, page, 0), &padded, &outline, dice)
    }

    pub fn part_of(&self, place: &[u8], padded: &[u8], outline: &[u8], dice: &mut Dice) -> Vec<u8> {
        let mut part = seal(&self.key, place, padded, dice);
        if !outline.is_empty() {
            part.extend(seal(&self.key, &context("outline", &[place]), outline, dice));
        }
        part
    }

    /// The chaining values of a page's pieces; nothing if there is but one.
    pub fn outline(&self, page: u32) -> Vec<u8> {
        let content = &self.contents[page as usize];
        let pieces = padme(content.len()).div_ceil(CHUNK);
        if pieces < 2 {
            return Vec::new();
        }
        let piece = |i: usize| content.get(i * CHUNK..content.len().min((i + 1) * CHUNK)).unwrap_or_default();
        (0..pieces).flat_map(|i| chaining(i * CHUNK, piece(i))).collect()
    }

    pub fn part_name(&self, page: u32) -> String {
        let (case, operation) = (hex(&self.ids.case), hex(&self.ids.operation));
        format!("part/{case}/{operation}/{page:08x}{:08x}-{}", 0, hex(&self.attempt))
    }

    /// The record that stores it (§5.2, §5.4).
    pub fn record(&self, chest: &mut Chest, head: &Head) -> Record {
        let reason = if self.ordinal == 1 { "" } else { "borrosa" };
        let personal = Out::default().text(reason).fixed(&self.meta.digest).0;
        let len = self.meta.pages.iter().map(|page| page.len).sum();
        Record {
            flags: 2,
            case: self.ids.case,
            object: self.ids.object,
            auxiliary: Out::default().fixed(&self.previous).fixed(&self.ordinal.to_be_bytes()).0,
            operation: self.ids.operation,
            effect: head.effect(&self.meta.blind, &self.meta.digest),
            details: Out::default().u64(len).0,
            personal: Some((self.case_key, personal)),
            ..chest.record(6)
        }
    }

    /// Stores it: head, parts, record.
    pub fn store(&self, chest: &mut Chest) -> Head {
        let head = self.head(&mut chest.dice);
        self.store_as(chest, &head);
        head
    }

    /// Stores it with this head.
    pub fn store_as(&self, chest: &mut Chest, head: &Head) {
        chest.put(head.name(&self.ids), head.bytes());
        for (page, described) in self.meta.pages.iter().enumerate() {
            if described.storage == 1 && page < self.contents.len() {
                let page = page as u32;
                let part = self.part(head, page, &mut chest.dice);
                chest.put(self.part_name(page), part);
            }
        }
        let record = self.record(chest, head);
        chest.commit(vec![record]);
    }

    pub fn content(&self) -> Vec<u8> {
        self.contents.concat()
    }
}

/// Content with zeros up to its Padmé length.
pub fn zeros(content: &[u8]) -> Vec<u8> {
    let mut padded = content.to_vec();
    padded.resize(padme(content.len()), 0);
    padded
}

/// A grant to somebody (§7.2, §7.5).
#[derive(Debug, Clone)]
pub struct Grant {
    pub ids: Ids,
    pub recipient: Vec<u8>,
    pub rights: u8,
    pub mode: u8,
    pub purpose: String,
    pub key: Key,
}

impl Grant {
    pub fn new(chest: &mut Chest, case: &Case, object: Id, recipient: &[u8], mode: u8) -> Self {
        let operation = chest.dice.array();
        let ids = Ids { vault: chest.vault, case: case.id, object, operation, of: 3 };
        let (recipient, purpose) = (recipient.to_vec(), "peritaje".to_owned());
        Self { ids, recipient, rights: 1, mode, purpose, key: chest.dice.array() }
    }

    pub fn terms(&self) -> Vec<u8> {
        let out = Out::default().u8(self.rights).u8(self.mode).text(&self.purpose);
        out.u64(0).u64(u64::MAX).u64(0).0
    }

    pub fn fingerprint(&self) -> Key {
        context("recipient", &[&self.recipient])
    }

    pub fn info(&self) -> Key {
        let Ids { vault, case, object, operation, .. } = &self.ids;
        let fields: [&[u8]; 7] = [vault, case, object, operation, &NONE, &self.fingerprint(), &self.terms()];
        context("grant to recipient", &fields)
    }

    pub fn sealed_key(&self, dice: &mut Dice) -> Vec<u8> {
        hpke_seal(&self.recipient, &self.info(), &self.key, dice)
    }

    pub fn record(&self, chest: &mut Chest, effect: Key, case_key: Key) -> Record {
        let details = Out::default().u8(self.rights).u8(self.mode).u64(0).u64(u64::MAX).0;
        Record {
            flags: 2,
            case: self.ids.case,
            object: self.ids.object,
            auxiliary: self.fingerprint().to_vec(),
            operation: self.ids.operation,
            effect,
            details,
            personal: Some((case_key, Out::default().text(&self.purpose).0)),
            ..chest.record(11)
        }
    }

    /// Stores the grant: head and record; gives the effect.
    pub fn store(&self, chest: &mut Chest, case: &Case) -> Key {
        let blind: Key = chest.dice.array();
        let sealed = self.sealed_key(&mut chest.dice);
        let out = Out::default().fixed(&blind).fixed(&self.recipient).fixed(&self.terms());
        let meta = out.fixed(&self.key).fixed(&sealed).0;
        let key = chest.dice.array();
        let head = Head::seal(&self.ids, &case.key, &key, &meta, &mut chest.dice);
        let effect = head.effect(&blind, &[0; 32]);
        chest.put(head.name(&self.ids), head.bytes());
        let record = self.record(chest, effect, case.key);
        chest.commit(vec![record]);
        effect
    }
}
