//! Checking exported records without a vault.

use std::io::{BufRead, Read};

use super::{
    json,
    jsonl::{self, END_LEN, LEAF_AT},
};
use crate::{
    env::Timestamp,
    error::{Error, Result},
    log::{
        body::Outer,
        checkpoint::Checkpoint,
        commit::Hashed,
        leaf::{Kind, LEAF_LEN, Leaf},
        merkle::Frontier,
        record::AuditRecord,
    },
    storage::{StorageError, StorageErrorKind},
    text::parse_base64,
    wire::Malformed,
};

/// Checks what [`Session::export_records`](crate::Session::export_records) wrote, with no key: every
/// leaf follows the one before it, what a line says is what its leaf says, and together they are the tree
/// of the checkpoint in the last line, signed by `key` under `origin`. Holds one line at a time.
///
/// # Errors
///
/// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) at the first fault, naming the line, from 1;
/// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if `key` is no key; the reader's.
///
/// # Security
///
/// `origin` and `key` must come from the vault's owner. A leaf commits to actor, purpose, request and topic
/// within its sealed body, so those four are as good as whoever handed over the export: the vault itself
/// can show more, record by record.
pub fn verify_exported_records(mut reader: impl BufRead, origin: &str, key: &[u8; 32]) -> Result<Checkpoint> {
    let mut chain = Chain::default();
    for number in 1u64.. {
        let fault = |Malformed| Error::corrupt(format!("line {number} of the export"));
        let line = next_line(&mut reader)?.map_err(fault)?;
        if let Some(note) = line.strip_prefix("{\"checkpoint\":") {
            let note = note.strip_suffix("}\n").ok_or(Malformed).and_then(json::parse_string);
            let checkpoint = Checkpoint::parse(&note.map_err(fault)?, origin, key)?;
            let whole = (checkpoint.size(), *checkpoint.root()) == (chain.tree.size(), chain.tree.root());
            let ends = next_line(&mut reader)?.map_err(fault)?.is_empty();
            return if whole && ends { Ok(checkpoint) } else { Err(fault(Malformed)) };
        }
        chain.add(&line).map_err(fault)?;
    }
    Err(Error::corrupt("the export's checkpoint"))
}

#[derive(Default)]
struct Chain {
    tree: Frontier,
    last: [u8; 32],
    time: Timestamp,
}

impl Chain {
    fn add(&mut self, line: &str) -> Result<(), Malformed> {
        let at = line.len().checked_sub(END_LEN).ok_or(Malformed)?;
        let (before, end) = line.split_at_checked(at).ok_or(Malformed)?;
        let encoded = end.get(LEAF_AT).and_then(parse_base64).ok_or(Malformed)?;
        let record = Hashed::new(Leaf::parse(&encoded)?);
        let start = jsonl::start(&record, &AuditRecord::new(&record.leaf, Outer::default()));
        let Leaf { seq, previous, kind, time, .. } = record.leaf;
        let told = before.strip_prefix(&start).is_some_and(|rest| jsonl::is_middle(rest, kind));
        let follows = seq == self.tree.size() && previous == self.last && time >= self.time;
        let begins = (kind == Kind::Genesis) == (seq == 0);
        if !told || !follows || !begins || jsonl::end(&record) != end {
            return Err(Malformed);
        }
        self.tree.push(record.hash);
        (self.last, self.time) = (record.hash, time);
        Ok(())
    }
}

/// A line, malformed if it is no text.
fn next_line(reader: &mut impl BufRead) -> Result<Result<String, Malformed>> {
    let mut line = Vec::new();
    let read = reader.by_ref().take(LINE_CAP).read_until(b'\n', &mut line);
    read.map_err(|error| {
        let reason = "the export cannot be read";
        StorageError::new(StorageErrorKind::Unavailable, reason).caused(error)
    })?;
    Ok(String::from_utf8(line).map_err(|_| Malformed))
}

/// Length of a line, at most: a note of 256 KiB, each byte escaped.
const LINE_CAP: u64 = 2 << 20;
const _: () = assert!(END_LEN > LEAF_LEN, "the end of a line holds the leaf");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::sign::SigningKey,
        error::ErrorKind,
        ids::CaseId,
        log::leaf::{BodyForm, tests::sample},
        secret::Secret,
    };

    fn stored(time: u64) -> Leaf {
        Leaf { time: Timestamp::from_millis(time), ..sample(0, [0; 32]) }
    }

    fn genesis() -> Leaf {
        let (kind, form, case) = (Kind::Genesis, BodyForm::Plain, CaseId::from_bytes([0; 16]));
        Leaf { kind, form, case, auxiliary: [0; 32], ..stored(1) }
    }

    /// A log of these leaves, by whoever holds its keys: numbered, chained and signed, whatever they say.
    fn log(leaves: impl IntoIterator<Item = Leaf>) -> Vec<Hashed> {
        let mut previous = [0; 32];
        let follow = |(seq, leaf)| {
            let record = Hashed::new(Leaf { seq, previous, ..leaf });
            previous = record.hash;
            record
        };
        (0..).zip(leaves).map(follow).collect()
    }

    fn verified(records: &[Hashed]) -> Result<Checkpoint> {
        let key = SigningKey::from_seed(Secret::take([7; 32]));
        let tree = Frontier::default().followed_by(records.iter().map(|record| record.hash));
        let note = Checkpoint::new("origin", tree.size(), tree.root())?.sign(&key);
        let opened = |leaf: &Leaf| AuditRecord::new(leaf, Outer::default());
        let lines = records.iter().map(|record| jsonl::record(record, &opened(&record.leaf)));
        let export: String = lines.chain([jsonl::checkpoint(&note)]).collect();
        verify_exported_records(export.as_bytes(), "origin", &key.verifying_key().to_bytes())
    }

    #[test]
    fn who_holds_the_keys_exports_no_log_that_is_none() {
        let refused =
            |records: &[Hashed]| verified(records).expect_err("no log").kind() == ErrorKind::Corrupt;
        let honest = log([genesis(), stored(2), stored(2)]);
        assert_eq!(verified(&honest).expect("a log").size(), 3);
        assert!(refused(&log([stored(1), stored(2)])), "nothing it begins with");
        assert!(refused(&log([genesis(), genesis()])), "it begins twice");
        assert!(refused(&log([genesis(), stored(0)])), "time goes back");
        let [begun, .., last] = &honest[..] else { panic!("three records") };
        let told = |leaf: &Leaf| Hashed::new(leaf.clone());
        let behind = told(&Leaf { previous: begun.hash, ..last.leaf.clone() });
        assert!(refused(&[told(&begun.leaf), behind]), "a number is left out");
        let beside = told(&Leaf { seq: 1, ..last.leaf.clone() });
        assert!(refused(&[told(&begun.leaf), beside]), "what it follows is left out");
    }
}
