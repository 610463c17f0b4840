//! A vault, written object by object from FORMAT §4 and §5, every key of it known.

use std::collections::BTreeMap;

use super::{
    commit::{Draft, leaf_hash, merkle},
    file::hex,
    forge::{Dice, Out, context, hpke_public, hpke_seal, pad, public, seal, sha256, subkey},
};

pub type Id = [u8; 16];
pub type Key = [u8; 32];
/// Bytes of a leaf.
pub const LEAF: usize = 280;
pub const NONE: Id = [0; 16];

/// A slot whose seed is known.
#[derive(Debug, Clone)]
pub struct Slot {
    pub id: Id,
    pub kind: u16,
    pub public: Vec<u8>,
    pub wrapped: Vec<u8>,
}

/// The keys of a signing epoch.
#[derive(Debug, Clone, Copy)]
pub struct Signing {
    pub epoch: u32,
    pub commit: Key,
    pub checkpoint: Key,
}

#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub id: Id,
    pub key: Key,
    pub opened: Id,
    pub effect: Key,
}

/// What a record says, before it has its place.
#[derive(Debug, Clone)]
pub struct Record {
    pub kind: u16,
    pub flags: u16,
    pub case: Id,
    pub object: Id,
    pub auxiliary: Vec<u8>,
    pub operation: Id,
    pub effect: Key,
    pub state_root: Key,
    pub details: Vec<u8>,
    /// Under the key of its case.
    pub personal: Option<(Key, Vec<u8>)>,
    /// Instead of what the fields above give.
    pub body: Option<Vec<u8>>,
}

/// A vault being written.
#[derive(Debug, Clone)]
pub struct Chest {
    pub dice: Dice,
    pub vault: Id,
    /// The key in the owner's file.
    pub root: Key,
    pub slots: Vec<Slot>,
    pub audit: Key,
    pub delivery: Key,
    pub deposit: Key,
    pub signing: Signing,
    pub epochs: Vec<(u32, Key)>,
    /// Written so far; `None` stands for what is taken away.
    pub objects: BTreeMap<String, Option<Vec<u8>>>,
    pub leaves: Vec<Vec<u8>>,
    pub bodies: Vec<Vec<u8>>,
    pub time: u64,
    pub process: [u8; 12],
}

impl Chest {
    /// An empty vault: its keyring and Genesis.
    pub fn new(of: &str) -> Self {
        let mut dice = Dice::new(of);
        let signing = Signing { epoch: 1, commit: dice.array(), checkpoint: dice.array() };
        let mut chest = Self {
            vault: dice.array(),
            root: dice.array(),
            slots: Vec::new(),
            audit: dice.array(),
            delivery: dice.array(),
            deposit: dice.array(),
            signing,
            epochs: vec![(1, dice.array())],
            objects: BTreeMap::new(),
            leaves: Vec::new(),
            bodies: Vec::new(),
            time: 1_790_000_000_000,
            process: dice.array(),
            dice,
        };
        let slot = chest.local_slot();
        chest.slots.push(slot);
        let keyring = chest.keyring();
        let digest = chest.put_keyring(keyring);
        let genesis = chest.genesis(digest);
        chest.commit(vec![genesis]);
        chest
    }

    /// The same vault, to which the file `of` adds.
    pub fn overlay(&self, of: &str) -> Self {
        Self { dice: Dice::new(of), objects: BTreeMap::new(), ..self.clone() }
    }

    pub fn put(&mut self, name: String, bytes: Vec<u8>) {
        self.objects.insert(name, Some(bytes));
    }

    pub fn origin(&self) -> String {
        format!("docvault/{}", hex(&self.vault))
    }

    /// A slot of the owner's key file (§4.3).
    fn local_slot(&mut self) -> Slot {
        let (id, seed): (Id, Key) = (self.dice.array(), self.dice.array());
        let slot = context("slot seed", &[&self.vault, &id, &1u16.to_be_bytes()]);
        let wrapped = seal(&self.root, &context("local slot", &[&slot]), &seed, &mut self.dice);
        Slot { id, kind: 1, public: hpke_public(&seed), wrapped }
    }

    /// What a keyring holds (§4.2).
    pub fn keyring_contents(&self) -> Vec<u8> {
        let epoch = self.signing.epoch.to_be_bytes();
        let mut out = Out::default().fixed(&self.audit).fixed(&epoch).fixed(&self.signing.commit);
        out = out.fixed(&self.delivery).fixed(&self.signing.checkpoint).fixed(&self.deposit);
        out = out.u32(self.epochs.len());
        for (epoch, key) in &self.epochs {
            out = out.fixed(&epoch.to_be_bytes()).fixed(key);
        }
        out = out.u32(self.slots.len());
        for slot in &self.slots {
            out = out.fixed(&slot.id).text("owner");
        }
        out.0
    }

    pub fn keyring(&mut self) -> Vec<u8> {
        let contents = pad(&self.keyring_contents());
        self.keyring_of(*b"dvkr\x01\x01\0\0", &contents)
    }

    /// A keyring that starts with these 8 bytes and holds this, padded by the caller.
    pub fn keyring_of(&mut self, start: [u8; 8], padded: &[u8]) -> Vec<u8> {
        let (id, key): (Id, Key) = (self.dice.array(), self.dice.array());
        let mut out = Out::default().fixed(&start).fixed(&self.vault).fixed(&id).u32(self.slots.len());
        for slot in &self.slots {
            let info = context("keyring to slot", &[&self.vault, &id, &slot.id]);
            let sealed = hpke_seal(&slot.public, &info, &key, &mut self.dice);
            out = out.fixed(&slot.id).u16(slot.kind).fixed(&slot.public).bytes(&slot.wrapped).fixed(&sealed);
        }
        let bound = context("keyring payload", &[&self.vault, &id, &sha256(&[&out.0])]);
        let payload = seal(&key, &bound, padded, &mut self.dice);
        out.fixed(&payload).0
    }

    pub fn put_keyring(&mut self, object: Vec<u8>) -> Key {
        let digest = sha256(&[&object]);
        self.put(format!("keyring/{}", hex(&digest)), object);
        digest
    }

    pub fn genesis_body(&self) -> Vec<u8> {
        let out = Out::default().fixed(b"dvgs\x01\x01\x01\x01").u32(16_384).u32(8 << 20);
        let keys = [self.signing.commit, self.delivery, self.signing.checkpoint].map(|seed| public(&seed));
        out.fixed(&keys.concat()).text(&self.origin()).0
    }

    pub fn genesis(&mut self, keyring: Key) -> Record {
        let body = Some(self.genesis_body());
        Record { flags: 1, object: self.vault, effect: keyring, body, ..self.record(1) }
    }

    /// What every log's first commit is called (§2).
    pub fn first_commit() -> String {
        format!("log/{:016x}-{}", u64::MAX, hex(&[0; 16]))
    }

    /// The first commit of a log of a vault of that id, under keys of one's own, and under another root than its record's if
    /// one is given.
    pub fn beginning(vault: Id, root: Option<Key>) -> Self {
        let mut forger = Self::new("forger");
        forger.vault = vault;
        forger.objects.clear();
        forger.leaves.clear();
        forger.bodies.clear();
        let keyring = forger.keyring();
        let digest = forger.put_keyring(keyring);
        let genesis = forger.genesis(digest);
        let commit = forger.draft(vec![genesis]);
        forger.push(Draft { root, ..commit });
        forger
    }

    /// A record of a kind with nothing in it but an operation.
    pub fn record(&mut self, kind: u16) -> Record {
        Record {
            kind,
            flags: 0,
            case: NONE,
            object: NONE,
            auxiliary: Vec::new(),
            operation: self.dice.array(),
            effect: [0; 32],
            state_root: [0; 32],
            details: Vec::new(),
            personal: None,
            body: None,
        }
    }

    /// Somebody looked at the list of cases: a record that changes nothing.
    pub fn browsed(&mut self) -> Record {
        Record { details: Out::default().u8(1).u32(0).0, ..self.record(8) }
    }

    /// A change of the keyring to the one with this hash (§5.2, §5.4).
    pub fn keyring_change(&mut self, change: u8, keyring: Key) -> Record {
        let newest = self.epochs.last().map_or(0, |(epoch, _)| *epoch);
        let slot = if change == 1 { self.slots.last().unwrap().id } else { NONE };
        let details = Out::default().u8(change).fixed(&slot).fixed(&newest.to_be_bytes()).0;
        Record { details, effect: keyring, ..self.record(2) }
    }

    /// Opens a case under the newest epoch.
    pub fn open_case(&mut self, title: &str) -> Case {
        let (id, key, opened): (Id, Key, Id) = (self.dice.array(), self.dice.array(), self.dice.array());
        let mut case = Case { id, key, opened, effect: [0; 32] };
        let (epoch, wrap) = self.case_key(&case);
        self.put(format!("key/{}/{epoch:08x}", hex(&id)), wrap);
        let meta = Out::default().fixed(&self.dice.array::<32>()).text(title).u32(0).0;
        let ids = super::head::Ids { vault: self.vault, case: id, object: NONE, operation: opened, of: 1 };
        let head = super::head::Head::seal(&ids, &case.key, &self.dice.array(), &meta, &mut self.dice);
        case.effect = head.effect(&meta[..32].try_into().unwrap(), &[0; 32]);
        self.put(head.name(&ids), head.bytes());
        let record = Record { case: id, operation: opened, effect: case.effect, ..self.record(3) };
        self.commit(vec![record]);
        case
    }

    /// A wrapped case key and its epoch (§4.4).
    pub fn case_key(&mut self, case: &Case) -> (u32, Vec<u8>) {
        let (epoch, key) = *self.epochs.last().unwrap();
        let bound = context("case key", &[&self.vault, &case.id, &epoch.to_be_bytes()]);
        let wrapped = seal(&key, &bound, &case.key, &mut self.dice);
        let start = Out::default().fixed(b"dvck\x01\x01\0\0").fixed(&epoch.to_be_bytes());
        (epoch, start.fixed(&wrapped).0)
    }

    /// The outer layer's contents (§5.4).
    pub fn outer(&mut self, record: &Record, id: &Id) -> Vec<u8> {
        let inner = match &record.personal {
            None => Vec::new(),
            Some((key, personal)) => {
                let key = subkey(key, "key of inner body", &[id]);
                let bound = self.binding("inner body", record, id);
                seal(&key, &bound, &pad(personal), &mut self.dice)
            }
        };
        let out = Out::default().u8(1).text("user:7f3a").text("revisión").u8(0);
        out.bytes(&record.details).bytes(&inner).0
    }

    pub fn binding(&self, label: &str, record: &Record, id: &Id) -> Key {
        let kind = record.kind.to_be_bytes();
        context(label, &[&self.vault, &kind, &record.case, &record.object, &record.operation, id])
    }

    pub fn body(&mut self, record: &Record) -> Vec<u8> {
        if let Some(body) = &record.body {
            return body.clone();
        }
        let id = self.dice.array();
        let outer = pad(&self.outer(record, &id));
        self.sealed_body(record, &id, &outer)
    }

    /// A body whose outer layer holds this.
    pub fn sealed_body(&mut self, record: &Record, id: &Id, padded: &[u8]) -> Vec<u8> {
        let key = subkey(&self.audit, "key of outer body", &[id]);
        let bound = self.binding("outer body", record, id);
        [&id[..], &seal(&key, &bound, padded, &mut self.dice)].concat()
    }

    /// The commit that would come next.
    pub fn draft(&mut self, records: Vec<Record>) -> Draft {
        self.time += 1000;
        let mut leaves: Vec<Vec<u8>> = Vec::new();
        let mut bodies = Vec::new();
        let head = self.leaves.last().map_or([0; 32], |leaf| leaf_hash(leaf));
        let first = self.leaves.len();
        for (position, record) in records.iter().enumerate() {
            let body = self.body(record);
            let previous = leaves.last().map_or(head, |leaf| leaf_hash(leaf));
            let at = (u16::try_from(position).unwrap(), (first + position) as u64);
            leaves.push(self.leaf(record, at, previous, &body));
            bodies.push(body);
        }
        let hashes = self.leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let start = *b"dvcm\x01\x01\0\0";
        let (vault, nonce) = (self.vault, self.dice.array());
        Draft {
            start,
            vault,
            first: first as u64,
            previous: head,
            nonce,
            recent: Vec::new(),
            leaves,
            bodies,
            hashes,
            root: None,
        }
    }

    /// §5.1.
    fn leaf(&self, record: &Record, (position, seq): (u16, u64), previous: Key, body: &[u8]) -> Vec<u8> {
        let mut auxiliary = record.auxiliary.clone();
        auxiliary.resize(32, 0);
        let out = Out::default().fixed(b"dvlr\x01\x01").u16(record.kind).u16(record.flags).u16(0);
        let out = out.u16(position).u16(0).u64(seq).u64(self.time).fixed(&previous);
        let out = out.fixed(&record.case).fixed(&record.object).fixed(&auxiliary).fixed(&record.operation);
        let out = out.fixed(&self.signing.epoch.to_be_bytes()).fixed(&self.process);
        let out = out.fixed(&context("body", &[body])).fixed(&record.effect).fixed(&record.state_root);
        out.fixed(&[0; 24]).0
    }

    /// Takes a commit in as it is: signed, stored, its leaves part of the log.
    pub fn push(&mut self, draft: Draft) {
        let bytes = draft.encode(&self.signing.commit);
        self.put(draft.name(), bytes);
        self.leaves.extend(draft.leaves);
        self.bodies.extend(draft.bodies);
    }

    pub fn commit(&mut self, records: Vec<Record>) {
        let draft = self.draft(records);
        self.push(draft);
    }

    pub fn hashes(&self) -> Vec<Key> {
        self.leaves.iter().map(|leaf| leaf_hash(leaf)).collect()
    }

    /// §9.1.
    pub fn pin(&self) -> String {
        let hashes = self.hashes();
        let (key, newest) = (public(&self.signing.commit), hashes.last().unwrap());
        let (vault, size, root) = (hex(&self.vault), hashes.len(), merkle(&hashes));
        format!(
            "docvault-pin-1 {vault} {} {} {size} {} {}",
            self.signing.epoch,
            hex(&key),
            hex(newest),
            hex(&root)
        )
    }
}
