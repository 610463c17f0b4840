//! What the log amounts to: its head, its tail, and the tables that stand for the rest.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use crate::{
    env::Timestamp,
    ids::VaultId,
    log::{
        Hash,
        commit::Hashed,
        leaf::{Kind, Leaf},
        manifest::{FOLD, Manifest},
        merkle::Frontier,
        row::{Row, RowKey, rows_of},
        signing::LogKey,
    },
    pin::Pin,
    wire::Malformed,
};

/// The end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Records in the log.
    pub(crate) size: u64,
    /// Leaf hash of the newest record.
    pub(crate) hash: Hash,
    pub(crate) time: Timestamp,
}

impl Head {
    /// The head of a log that ends with `record`.
    pub(crate) fn after(record: &Hashed) -> Self {
        Self { size: record.leaf.seq.saturating_add(1), hash: record.hash, time: record.leaf.time }
    }
}

/// A record of the tail.
#[derive(Debug, Clone)]
pub(crate) struct TailRecord {
    pub(crate) record: Hashed,
    /// The `previous` of the first record of its commit: with the position, the commit's name.
    pub(crate) commit_previous: Hash,
}

/// The log up to some record.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) vault: VaultId,
    /// The key that signs what follows the head.
    pub(crate) log_key: LogKey,
    pub(crate) head: Head,
    pub(crate) frontier: Frontier,
    pub(crate) manifest: Arc<Manifest>,
    /// Contiguous, up to the head, from the first record of the commit that holds record
    /// `manifest.covered()` on.
    tail: Vec<TailRecord>,
    /// The newest row about everything the tail is about.
    rows: BTreeMap<RowKey, Row>,
    /// First record of the newest anchor (FORMAT §5.3).
    anchor: u64,
    /// A manifest the tail names that has not been loaded.
    unloaded: Option<(u64, Hash)>,
    /// The processes that wrote last, with the number of records up to their newest; the newest last.
    writers: Vec<([u8; 12], u64)>,
}

impl State {
    /// A log with no record.
    pub(crate) fn empty(vault: VaultId, log_key: LogKey) -> Self {
        Self {
            vault,
            log_key,
            head: Head { size: 0, hash: [0; 32], time: Timestamp::default() },
            frontier: Frontier::default(),
            manifest: Arc::default(),
            tail: Vec::new(),
            rows: BTreeMap::new(),
            anchor: 0,
            unloaded: None,
            writers: Vec::new(),
        }
    }

    /// The state of which `manifest` stands for the start and `tail` is the rest.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the tail has not the records that the manifest does not cover.
    pub(crate) fn from_parts(
        vault: VaultId,
        log_key: LogKey,
        manifest: Arc<Manifest>,
        tail: Vec<Hashed>,
        anchor: u64,
    ) -> Result<Self, Malformed> {
        let mut state = Self { manifest, anchor, ..Self::empty(vault, log_key) };
        state.frontier = state.manifest.frontier.clone();
        let last = tail.last().ok_or(Malformed)?;
        state.head = Head::after(last);
        let covered = state.manifest.covered();
        let mut commit_previous = None;
        for record in tail {
            if record.leaf.position == 0 {
                commit_previous = Some(record.leaf.previous);
            }
            if record.leaf.seq >= covered {
                state.frontier.push(record.hash);
            }
            let commit_previous = commit_previous.ok_or(Malformed)?;
            state.keep(TailRecord { record, commit_previous });
        }
        if state.frontier.size() != state.head.size {
            return Err(Malformed);
        }
        state.trim();
        Ok(state)
    }

    /// Adds the records of one commit that is known to follow the head; `after` is the frontier with them.
    pub(crate) fn append(&mut self, records: Vec<Hashed>, after: Frontier) {
        let Some(first) = records.first() else { return };
        let (start, commit_previous) = (first.leaf.seq, first.leaf.previous);
        self.frontier = after;
        for record in records {
            self.head = Head::after(&record);
            if record.leaf.kind == Kind::Index {
                self.unloaded = Some(index_of(&record.leaf));
            }
            self.log_key = self.log_key.after(&record.leaf);
            self.keep(TailRecord { record, commit_previous });
        }
        if is_anchor(start, self.head.size) {
            self.anchor = start;
        }
    }

    /// The pin of this state.
    pub(crate) fn pin(&self) -> Pin {
        Pin::new(self.vault, self.log_key, self.head.size, self.head.hash, self.frontier.root())
    }

    /// What to load before the tail can be shortened: a manifest's fold and digest.
    pub(crate) fn unloaded(&self) -> Option<(u64, Hash)> {
        self.unloaded
    }

    /// Lets `manifest` stand for what it covers.
    pub(crate) fn rebase(&mut self, manifest: Arc<Manifest>) {
        self.unloaded = None;
        if manifest.covered() > self.manifest.covered() {
            self.manifest = manifest;
            self.trim();
        }
    }

    /// Encoded leaves that a commit of `count` records copies (FORMAT §5.3).
    pub(crate) fn recent(&self, count: u64) -> Vec<Bytes> {
        let whole = is_anchor(self.head.size, self.head.size.saturating_add(count));
        let from = if whole { 0 } else { self.anchor };
        let copied = self.tail.iter().filter(|kept| kept.record.leaf.seq >= from);
        copied.map(|kept| kept.record.encoded.clone()).collect()
    }

    /// Records of the tail.
    pub(crate) fn kept(&self) -> usize {
        self.tail.len()
    }

    /// Records that no table stands for, whether it is loaded or not.
    pub(crate) fn unfolded(&self) -> u64 {
        let named = self.unloaded.map_or(0, |(covered, _)| covered);
        self.head.size.saturating_sub(self.manifest.covered().max(named))
    }

    /// The records that a fold now would cover beyond the manifest, oldest first.
    pub(crate) fn foldable(&self) -> impl Iterator<Item = &TailRecord> {
        let (from, to) = (self.manifest.covered(), self.head.size - self.head.size % FOLD);
        self.tail.iter().filter(move |kept| (from..to).contains(&kept.record.leaf.seq))
    }

    /// The newest row about `key` in the tail.
    pub(crate) fn row(&self, key: &RowKey) -> Option<&Row> {
        self.rows.get(key)
    }

    /// Rows of the tail from `key` on.
    pub(crate) fn rows_from(&self, key: &RowKey) -> impl Iterator<Item = &Row> {
        self.rows.range(key..).map(|(_, row)| row)
    }

    /// SHA-256 of the keyring that the log names.
    pub(crate) fn keyring(&self) -> Hash {
        self.rows.get(&RowKey::keyring()).map_or(self.manifest.keyring, |row| row.effect)
    }

    /// The leaf hash of record `seq`, if it is in the tail.
    pub(crate) fn leaf_hash(&self, seq: u64) -> Option<Hash> {
        self.tail_record(seq).map(|record| record.hash)
    }

    /// Record `seq`, if it is in the tail.
    pub(crate) fn tail_record(&self, seq: u64) -> Option<&Hashed> {
        let first = self.tail.first()?.record.leaf.seq;
        let at = usize::try_from(seq.checked_sub(first)?).ok()?;
        self.tail.get(at).map(|kept| &kept.record)
    }

    /// Up to which record `process` has written, as far as is known.
    pub(crate) fn written_by(&self, process: &[u8; 12]) -> Option<u64> {
        self.writers.iter().find(|(writer, _)| writer == process).map(|(_, end)| *end)
    }

    fn keep(&mut self, kept: TailRecord) {
        self.note_writer(&kept.record.leaf);
        for row in rows_of(&kept.record, &kept.commit_previous) {
            self.rows.insert(row.key, row);
        }
        self.tail.push(kept);
    }

    fn note_writer(&mut self, leaf: &Leaf) {
        let records = leaf.seq.saturating_add(1);
        // A commit is one process's.
        if let Some((_, end)) = self.writers.last_mut().filter(|(writer, _)| *writer == leaf.process) {
            *end = records;
            return;
        }
        self.writers.retain(|(writer, _)| *writer != leaf.process);
        if self.writers.len() == WRITERS {
            self.writers.remove(0);
        }
        self.writers.push((leaf.process, records));
    }

    /// Drops what the manifest covers, from the front, whole commits at a time.
    fn trim(&mut self) {
        let covered = self.manifest.covered();
        let holding = self.tail.iter().find(|kept| kept.record.leaf.seq == covered);
        let from = holding.map_or(covered, |kept| kept.record.leaf.first_of_commit());
        self.tail.retain(|kept| kept.record.leaf.seq >= from);
        self.rows = BTreeMap::new();
        for kept in &self.tail {
            for row in rows_of(&kept.record, &kept.commit_previous) {
                self.rows.insert(row.key, row);
            }
        }
    }
}

/// What an Index record covers, and the manifest it names.
pub(crate) fn index_of(leaf: &Leaf) -> (u64, Hash) {
    let covered = leaf.auxiliary.first_chunk().copied().unwrap_or_default();
    (u64::from_be_bytes(covered), leaf.state_root)
}

/// Whether a commit of the records `first..end` is an anchor.
pub(crate) fn is_anchor(first: u64, end: u64) -> bool {
    first.checked_next_multiple_of(ANCHOR).is_some_and(|next| next < end)
}

/// Processes whose newest record is remembered.
const WRITERS: usize = 64;
/// Records between anchors: opening reads one anchor, and copies cost half of this per commit.
const ANCHOR: u64 = 16;

#[cfg(test)]
mod tests {
    use super::is_anchor;

    #[test]
    fn an_anchor_has_a_multiple_of_16_among_its_numbers() {
        for (first, end, anchor) in
            [(0, 1, true), (1, 16, false), (1, 17, true), (16, 17, true), (17, 32, false)]
        {
            assert_eq!(is_anchor(first, end), anchor, "{first}..{end}");
        }
        // What a storage shows is looked at before it is authentic.
        assert!(!is_anchor(u64::MAX - 5, u64::MAX));
        assert!(is_anchor(u64::MAX - 15, u64::MAX));
    }
}
