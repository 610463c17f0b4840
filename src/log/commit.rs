//! A commit: the object whose creation makes records happen (FORMAT §5.3).

use bytes::Bytes;

use super::{
    Hash,
    leaf::{Kind, LEAF_LEN, Leaf, leaf_hash},
    merkle::Frontier,
    signing::{self, LogKey},
};
use crate::{
    FORMAT, SUITE,
    crypto::{digest::sha256, schedule, sign::SigningKey},
    ids::VaultId,
    storage::{ObjectKey, layout},
    wire::{Malformed, Reader, Writer},
};

/// A record about to be committed, and its sealed body.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) record: Hashed,
    pub(crate) body: Bytes,
}

/// What a commit is made of.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) vault: VaultId,
    /// The tree before this commit, to which the entries are added.
    pub(crate) before: &'a Frontier,
    /// Encoded leaves of the records just before, oldest first.
    pub(crate) recent: &'a [Bytes],
    /// In order; leaf `i` follows leaf `i - 1`, the first follows the head.
    pub(crate) entries: Vec<Entry>,
    pub(crate) nonce: [u8; 16],
}

/// An encoded commit, and what is known from having made it.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) key: ObjectKey,
    pub(crate) bytes: Bytes,
    pub(crate) records: Vec<Hashed>,
    /// The tree with these records.
    pub(crate) after: Frontier,
}

impl Sealed {
    /// The number of its first record.
    pub(crate) fn first(&self) -> Option<u64> {
        self.records.first().map(|record| record.leaf.seq)
    }
}

impl Draft<'_> {
    /// Encodes and signs.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if there is no entry, a count does not fit its field, or the commit is longer than can be read.
    pub(crate) fn seal(self, signer: &SigningKey) -> Result<Sealed, Malformed> {
        let mut bodies = Writer::with_capacity(self.entries.iter().map(|e| e.body.len() + 4).sum());
        self.entries.iter().for_each(|entry| {
            bodies.bytes(&entry.body);
        });
        let bodies = bodies.into_vec();
        let records: Vec<Hashed> = self.entries.into_iter().map(|entry| entry.record).collect();
        let after = self.before.followed_by(records.iter().map(|record| record.hash));
        let Leaf { seq: first, previous, .. } = records.first().ok_or(Malformed)?.leaf;
        let statement = Statement {
            vault: self.vault,
            first,
            count: u32::try_from(records.len()).map_err(|_| Malformed)?,
            previous,
            root: after.root(),
            last: records.last().ok_or(Malformed)?.hash,
            bodies: sha256(&[&bodies]),
            nonce: self.nonce,
        };
        let capacity =
            HEADER_LEN + (records.len() + self.recent.len()) * LEAF_LEN + bodies.len() + SIGNATURE_LEN;
        // What no reader takes would stand at the end of the log for ever.
        if capacity > COMMIT_CAP || self.recent.len() > RECENT_CAP || records.len() > COUNT_CAP {
            return Err(Malformed);
        }
        let mut w = Writer::with_capacity(capacity);
        w.fixed(b"dvcm").u8(FORMAT).u8(SUITE).u16(0).fixed(self.vault.as_bytes()).u64(first);
        w.u32(statement.count).u32(u32::try_from(self.recent.len()).map_err(|_| Malformed)?);
        w.fixed(&previous).fixed(&statement.root).fixed(&self.nonce);
        w.u32(u32::try_from(bodies.len()).map_err(|_| Malformed)?);
        self.recent.iter().for_each(|leaf| {
            w.fixed(leaf);
        });
        records.iter().for_each(|record| {
            w.fixed(&record.encoded);
        });
        w.fixed(&bodies).fixed(&signer.sign(schedule::SIGN_COMMIT, &statement.encode()));
        let key = layout::commit(first, &previous);
        Ok(Sealed { key, bytes: w.into_vec().into(), records, after })
    }
}

/// What a commit's signature is over.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Statement {
    vault: VaultId,
    first: u64,
    count: u32,
    previous: Hash,
    root: Hash,
    /// The last leaf's hash: the chain then binds every leaf, also for who cannot check the root.
    last: Hash,
    bodies: Hash,
    nonce: [u8; 16],
}

impl Statement {
    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.fixed(self.vault.as_bytes()).u64(self.first).u32(self.count).fixed(&self.previous);
        w.u64(self.first.saturating_add(u64::from(self.count))).fixed(&self.root);
        w.fixed(&self.last).fixed(&self.bodies).fixed(&self.nonce);
        w.into_vec()
    }
}

/// A leaf with its encoding and its hash.
#[derive(Debug, Clone)]
pub(crate) struct Hashed {
    pub(crate) leaf: Leaf,
    pub(crate) encoded: Bytes,
    pub(crate) hash: Hash,
}

impl Hashed {
    pub(crate) fn new(leaf: Leaf) -> Self {
        let encoded = Bytes::from(leaf.encode());
        let hash = leaf_hash(&encoded);
        Self { leaf, encoded, hash }
    }
}

/// A commit as read: well-formed, its records contiguous and chained to each other and to the
/// recent leaves. Who wrote it is known only after [`Commit::verify`].
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    statement: Statement,
    /// Leaves just before the first record, oldest first, already chained to it.
    pub(crate) recent: Vec<Hashed>,
    pub(crate) leaves: Vec<Hashed>,
    bodies: Vec<Bytes>,
    signature: [u8; SIGNATURE_LEN],
    /// What it was parsed from.
    pub(crate) stored: Bytes,
}

impl Commit {
    /// Parses a commit and checks its chain.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for another vault's commit, a gap, a break in the chain, times that go back,
    /// or anything [`Draft::seal`] does not give.
    pub(crate) fn parse(vault: VaultId, bytes: &Bytes) -> Result<Self, Malformed> {
        if bytes.len() > COMMIT_CAP {
            return Err(Malformed);
        }
        let mut r = Reader::new(bytes);
        r.expect(b"dvcm")?;
        r.expect(&[FORMAT, SUITE, 0, 0])?;
        r.expect(vault.as_bytes())?;
        let first = r.u64()?;
        let count = r.count(COUNT_CAP)?;
        let recent = r.count(RECENT_CAP)?;
        let (previous, root, nonce) = (r.array()?, r.array()?, r.array()?);
        let bodies_len = r.count(COMMIT_CAP)?;
        let recent = read_leaves(&mut r, bytes, recent)?;
        let leaves = read_leaves(&mut r, bytes, count)?;
        let section = r.take(bodies_len)?;
        let bodies = read_bodies(section, bytes, count)?;
        let signature = r.array()?;
        r.finish()?;
        let count = u32::try_from(count).map_err(|_| Malformed)?;
        let last = leaves.last().ok_or(Malformed)?.hash;
        let bodies_hash = sha256(&[section]);
        let statement = Statement { vault, first, count, previous, root, last, bodies: bodies_hash, nonce };
        let commit = Self { statement, recent, leaves, bodies, signature, stored: bytes.clone() };
        commit.check_chain()?;
        Ok(commit)
    }

    /// The bytes that [`Commit::parse`] takes.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Statement { vault, first, count, previous, root, nonce, .. } = &self.statement;
        let mut bodies = Writer::new();
        self.bodies.iter().for_each(|body| {
            bodies.bytes(body);
        });
        let mut w = Writer::new();
        w.fixed(b"dvcm").u8(FORMAT).u8(SUITE).u16(0).fixed(vault.as_bytes()).u64(*first).u32(*count);
        w.u32(u32::try_from(self.recent.len()).unwrap_or(u32::MAX)).fixed(previous).fixed(root).fixed(nonce);
        w.u32(u32::try_from(bodies.as_slice().len()).unwrap_or(u32::MAX));
        self.recent.iter().chain(&self.leaves).for_each(|record| {
            w.fixed(&record.leaf.encode());
        });
        w.fixed(bodies.as_slice()).fixed(&self.signature);
        w.into_vec()
    }

    /// Checks who signed.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if `key` did not sign exactly this commit, or if a record says that it is of
    /// another signing epoch.
    pub(crate) fn verify(&self, key: &LogKey) -> Result<(), Malformed> {
        self.check_epoch(key.epoch)?;
        let statement = self.statement.encode();
        key.key.verify(schedule::SIGN_COMMIT, &statement, &self.signature).map_err(|_| Malformed)
    }

    /// Checks that every record says that it is of signing epoch `epoch`.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub(crate) fn check_epoch(&self, epoch: u32) -> Result<(), Malformed> {
        let same = self.leaves.iter().all(|record| record.leaf.key_epoch == epoch);
        if same { Ok(()) } else { Err(Malformed) }
    }

    /// The signing epoch that its last record says it is of.
    pub(crate) fn epoch(&self) -> u32 {
        self.leaves.last().map_or(0, |last| last.leaf.key_epoch)
    }

    pub(crate) fn first(&self) -> u64 {
        self.statement.first
    }

    /// One beyond the number of its last record.
    pub(crate) fn end(&self) -> u64 {
        self.leaves.last().map_or(0, |last| last.leaf.seq.saturating_add(1))
    }

    /// The leaf hash of the record before the first.
    pub(crate) fn previous(&self) -> &Hash {
        &self.statement.previous
    }

    /// The Merkle root after the last record, as signed.
    pub(crate) fn root(&self) -> &Hash {
        &self.statement.root
    }

    pub(crate) fn name(&self) -> ObjectKey {
        layout::commit(self.statement.first, &self.statement.previous)
    }

    /// The sealed body of the record at `position`; its leaf commits to it.
    pub(crate) fn body(&self, position: usize) -> Option<&Bytes> {
        self.bodies.get(position)
    }

    fn check_chain(&self) -> Result<(), Malformed> {
        let first = self.leaves.first().ok_or(Malformed)?;
        let genesis = first.leaf.seq == 0 && first.leaf.previous == [0; 32];
        if first.leaf.seq != self.statement.first
            || first.leaf.previous != self.statement.previous
            || !(genesis || first.leaf.seq > 0)
        {
            return Err(Malformed);
        }
        let mut all = self.recent.iter().chain(&self.leaves);
        let mut last = all.next().ok_or(Malformed)?;
        for next in all {
            let follows = last.leaf.seq.checked_add(1) == Some(next.leaf.seq)
                && next.leaf.previous == last.hash
                && next.leaf.time >= last.leaf.time;
            if !follows {
                return Err(Malformed);
            }
            last = next;
        }
        let positions = self.leaves.iter().zip(0u16..).all(|(leaf, position)| leaf.leaf.position == position);
        let committed = self.leaves.iter().zip(&self.bodies);
        let bodies = committed.into_iter().all(|(leaf, body)| leaf.leaf.body == body_commitment(body));
        if positions && bodies { self.check_signing_keys() } else { Err(Malformed) }
    }

    /// New signing keys are sound, and stated by the last record only.
    fn check_signing_keys(&self) -> Result<(), Malformed> {
        let (last, before) = self.leaves.split_last().ok_or(Malformed)?;
        signing::stated(&last.leaf)?;
        if before.iter().all(|record| record.leaf.kind != Kind::SigningKeys) {
            Ok(())
        } else {
            Err(Malformed)
        }
    }
}

/// What a leaf says of its sealed body (FORMAT §5.1).
pub(crate) fn body_commitment(body: &[u8]) -> Hash {
    schedule::context(schedule::BODY_COMMITMENT, &[body])
}

fn read_leaves(r: &mut Reader<'_>, whole: &Bytes, count: usize) -> Result<Vec<Hashed>, Malformed> {
    let len = count.checked_mul(LEAF_LEN).ok_or(Malformed)?;
    let section = r.take(len)?;
    let mut leaves = Vec::with_capacity(count);
    for encoded in section.as_chunks::<LEAF_LEN>().0 {
        let (hash, shared) = (leaf_hash(encoded), whole.slice_ref(encoded));
        leaves.push(Hashed { leaf: Leaf::parse(encoded)?, encoded: shared, hash });
    }
    Ok(leaves)
}

fn read_bodies(section: &[u8], whole: &Bytes, count: usize) -> Result<Vec<Bytes>, Malformed> {
    let mut r = Reader::new(section);
    let mut bodies = Vec::with_capacity(count);
    for _ in 0..count {
        bodies.push(whole.slice_ref(r.bytes(BODY_CAP)?));
    }
    r.finish()?;
    Ok(bodies)
}

/// Records in one commit, at most.
pub(crate) const COUNT_CAP: usize = 4096;
/// Length of a sealed body, at most.
pub(crate) const BODY_CAP: usize = 60 * 1024;
/// Length of a commit, at most.
pub(crate) const COMMIT_CAP: usize = 4 * 1024 * 1024;
/// Records before a commit that it repeats, at most.
const RECENT_CAP: usize = 8192;
const HEADER_LEN: usize = 124;
const SIGNATURE_LEN: usize = 64;

#[cfg(test)]
mod tests;
