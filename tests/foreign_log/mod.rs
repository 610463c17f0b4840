//! A transparency log by other people's crates, `tlog_tiles` and `signed_note`: proofs, checkpoints
//! and verifier keys that docvault has had no part in.
#![allow(dead_code, unreachable_pub, clippy::indexing_slicing, reason = "each test binary uses a part of it")]

use sha2::{Digest, Sha256};
use signed_note::{Note, Signature, Signer, StandardSigner};
use tlog_tiles::{Checkpoint, Hash, HashReader, prove_record, prove_tree, stored_hashes, tree_hash};

pub struct ForeignLog {
    origin: String,
    signer: StandardSigner,
    verifier_key: String,
    size: u64,
    stored: Stored,
}

#[derive(Clone, Default)]
struct Stored(Vec<Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).expect("small")]).collect())
    }
}

impl ForeignLog {
    pub fn new(origin: &str, seed: u8) -> Self {
        let public = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes();
        let typed = |bytes: [u8; 32]| [&[1][..], &bytes].concat();
        let id = signed_note::key_id(origin, &typed(public));
        let secret = base64(&typed([seed; 32]));
        let signer = StandardSigner::new(&format!("PRIVATE+KEY+{origin}+{id:08x}+{secret}")).expect("a key");
        let verifier_key = format!("{origin}+{id:08x}+{}", base64(&typed(public)));
        Self { origin: origin.to_owned(), signer, verifier_key, size: 0, stored: Stored::default() }
    }

    /// Another log under the same key that begins with the same records.
    pub fn fork(&self) -> Self {
        Self {
            origin: self.origin.clone(),
            signer: self.signer.clone(),
            verifier_key: self.verifier_key.clone(),
            size: self.size,
            stored: self.stored.clone(),
        }
    }

    pub fn push(&mut self, record: &[u8]) {
        let more = stored_hashes(self.size, record, &self.stored).expect("in memory");
        self.stored.0.extend(more);
        self.size += 1;
    }

    pub fn grow_to(&mut self, size: u64) {
        while self.size < size {
            self.push(format!("record {}", self.size).as_bytes());
        }
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn verifier_key(&self) -> &str {
        &self.verifier_key
    }

    pub fn root(&self, size: u64) -> [u8; 32] {
        if size == 0 { Sha256::digest(b"").into() } else { tree_hash(size, &self.stored).expect("a root").0 }
    }

    pub fn checkpoint(&self) -> String {
        let head =
            Checkpoint::new(&self.origin, self.size, Hash(self.root(self.size)), "").expect("an origin");
        self.sign(&head.to_bytes())
    }

    /// A note of this text, signed by the log.
    pub fn sign(&self, text: &[u8]) -> String {
        let mut note = Note::new(text, &[]).expect("a text");
        let signer: &dyn Signer = &self.signer;
        note.add_sigs(&[signer]).expect("a signer");
        String::from_utf8(note.to_bytes()).expect("text")
    }

    pub fn inclusion(&self, index: u64) -> Vec<[u8; 32]> {
        prove_record(self.size, index, &self.stored).expect("a proof").iter().map(|hash| hash.0).collect()
    }

    pub fn consistency(&self, old: u64) -> Vec<[u8; 32]> {
        if old == 0 {
            return Vec::new();
        }
        prove_tree(self.size, old, &self.stored).expect("a proof").iter().map(|hash| hash.0).collect()
    }

    /// The body of an add-checkpoint request, written by hand.
    pub fn request(&self, old: u64) -> String {
        let proof: String = self.consistency(old).iter().map(|hash| base64(hash) + "\n").collect();
        format!("old {old}\n{proof}\n{}", self.checkpoint())
    }
}

/// Base 64 of at least four bytes, as `signed_note` prints a key id and a signature.
pub fn base64(bytes: &[u8]) -> String {
    let (id, rest) = bytes.split_at(4.min(bytes.len()));
    let id = u32::from_be_bytes(id.try_into().expect("at least four bytes"));
    let line = Signature::new("n".to_owned(), id, rest.to_vec()).expect("a name").to_bytes();
    let line = String::from_utf8(line).expect("text");
    line.trim_end().rsplit(' ').next().expect("a field").to_owned()
}
