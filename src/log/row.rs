//! Index rows: the newest record about something (FORMAT §6.1).

use super::{
    Hash,
    commit::Hashed,
    leaf::{Kind, Leaf, padded},
};
use crate::{
    env::Timestamp,
    ids::{CaseId, DocumentId, GrantId, OperationId, Scope, VersionId},
    storage::{ObjectKey, layout},
    wire::{Malformed, Reader, Writer},
};

/// What a row relates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Relation {
    Case,
    Document,
    Version,
    Grant,
    Recipient,
    Delivery,
    Operation,
    Keyring,
    SigningKeys,
    Checkpoint,
    NewestStatement,
    Statement,
}

impl Relation {
    const ALL: [Self; 12] = [
        Self::Case,
        Self::Document,
        Self::Version,
        Self::Grant,
        Self::Recipient,
        Self::Delivery,
        Self::Operation,
        Self::Keyring,
        Self::SigningKeys,
        Self::Checkpoint,
        Self::NewestStatement,
        Self::Statement,
    ];

    const fn code(self) -> u8 {
        match self {
            Self::Case => 1,
            Self::Document => 2,
            Self::Version => 3,
            Self::Grant => 4,
            Self::Recipient => 5,
            Self::Delivery => 6,
            Self::Operation => 7,
            Self::Keyring => 8,
            Self::SigningKeys => 9,
            Self::Checkpoint => 10,
            Self::NewestStatement => 11,
            Self::Statement => 12,
        }
    }
}

/// What a row is about. Ordered as encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RowKey {
    pub(crate) relation: Relation,
    pub(crate) parent: [u8; 32],
    pub(crate) child: [u8; 32],
}

impl RowKey {
    pub(crate) fn case(case: CaseId) -> Self {
        Self { child: padded(case.as_bytes()), ..Self::first(Relation::Case, [0; 32]) }
    }

    pub(crate) fn document(document: DocumentId) -> Self {
        Self { child: padded(document.own()), ..Self::documents(document.case()) }
    }

    pub(crate) fn version(document: DocumentId, version: VersionId) -> Self {
        Self { child: padded(version.as_bytes()), ..Self::versions(document) }
    }

    pub(crate) fn grant(grant: GrantId) -> Self {
        Self { child: padded(grant.operation().as_bytes()), ..Self::grants(grant.scope()) }
    }

    pub(crate) fn operation(operation: OperationId) -> Self {
        Self { child: padded(operation.as_bytes()), ..Self::first(Relation::Operation, [0; 32]) }
    }

    pub(crate) const fn keyring() -> Self {
        Self::first(Relation::Keyring, [0; 32])
    }

    /// The record that states the keys of a signing epoch after the first.
    pub(crate) fn signing_keys(epoch: u32) -> Self {
        Self { child: padded(&epoch.to_be_bytes()), ..Self::first(Relation::SigningKeys, [0; 32]) }
    }

    /// The least key among all kept checkpoints: those of the largest trees come first.
    pub(crate) const fn checkpoints() -> Self {
        Self::first(Relation::Checkpoint, [0; 32])
    }

    /// The row of one kept checkpoint; `size` is the tree's, as encoded.
    pub(crate) fn checkpoint(size: &[u8; 8], operation: OperationId) -> Self {
        let child = padded(&[&size.map(|byte| !byte), operation.as_bytes().as_slice()].concat());
        Self { child, ..Self::checkpoints() }
    }

    /// The newest statement about a case.
    pub(crate) fn newest_statement(case: CaseId) -> Self {
        Self { child: padded(case.as_bytes()), ..Self::newest_statements() }
    }

    /// The least key among the newest statements about all cases.
    pub(crate) const fn newest_statements() -> Self {
        Self::first(Relation::NewestStatement, [0; 32])
    }

    /// The least key among all statements about a case: the newest come first.
    pub(crate) fn statements(case: CaseId) -> Self {
        Self::first(Relation::Statement, padded(case.as_bytes()))
    }

    /// The statement about a case that record `seq` is.
    pub(crate) fn statement(case: CaseId, seq: u64) -> Self {
        Self { child: padded(&(!seq).to_be_bytes()), ..Self::statements(case) }
    }

    /// The least key of all.
    pub(crate) const fn least() -> Self {
        Self::cases()
    }

    /// The least key among all cases.
    pub(crate) const fn cases() -> Self {
        Self::first(Relation::Case, [0; 32])
    }

    /// The least key among a case's documents.
    pub(crate) fn documents(case: CaseId) -> Self {
        Self::first(Relation::Document, padded(case.as_bytes()))
    }

    /// The least key among a document's versions.
    pub(crate) fn versions(document: DocumentId) -> Self {
        Self::first(Relation::Version, joined(document.case().as_bytes(), document.own()))
    }

    /// The least key among a scope's grants.
    pub(crate) fn grants(scope: Scope) -> Self {
        Self::first(Relation::Grant, joined(scope.case().as_bytes(), &scope.object()))
    }

    /// The least key among a grant's deliveries.
    pub(crate) fn deliveries(grant: GrantId) -> Self {
        let parent = joined(grant.scope().case().as_bytes(), grant.operation().as_bytes());
        Self::first(Relation::Delivery, parent)
    }

    const fn first(relation: Relation, parent: [u8; 32]) -> Self {
        Self { relation, parent, child: [0; 32] }
    }

    /// The least key after this one.
    pub(crate) fn after(&self) -> Self {
        let mut next = *self;
        for byte in next.child.iter_mut().rev() {
            let (sum, carried) = byte.overflowing_add(1);
            *byte = sum;
            if !carried {
                return next;
            }
        }
        // No key has a child of all ones: the rest of each child field is zeros (FORMAT §6.1).
        *self
    }

    /// Whether both are about children of one parent.
    pub(crate) fn same_parent(&self, other: &Self) -> bool {
        self.relation == other.relation && self.parent == other.parent
    }

    /// The first 16 bytes of the child.
    pub(crate) fn child_id(&self) -> [u8; 16] {
        self.child.first_chunk().copied().unwrap_or_default()
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.u8(self.relation.code()).fixed(&self.parent).fixed(&self.child);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let code = r.u8()?;
        let relation = Relation::ALL.into_iter().find(|relation| relation.code() == code).ok_or(Malformed)?;
        Ok(Self { relation, parent: r.array()?, child: r.array()? })
    }
}

/// The newest record about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) key: RowKey,
    pub(crate) seq: u64,
    pub(crate) kind: Kind,
    pub(crate) time: Timestamp,
    pub(crate) operation: OperationId,
    pub(crate) auxiliary: [u8; 32],
    pub(crate) effect: Hash,
    pub(crate) leaf: Hash,
    pub(crate) position: u16,
    pub(crate) commit_previous: [u8; 16],
}

impl Row {
    pub(crate) fn write(&self, w: &mut Writer) {
        self.key.write(w);
        w.u64(self.seq).u16(self.kind.code()).u64(self.time.as_millis()).fixed(self.operation.as_bytes());
        w.fixed(&self.auxiliary).fixed(&self.effect).fixed(&self.leaf);
        w.u16(self.position).fixed(&self.commit_previous);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            key: RowKey::read(r)?,
            seq: r.u64()?,
            kind: Kind::from_code(r.u16()?)?,
            time: Timestamp::from_millis(r.u64()?),
            operation: OperationId::read(r)?,
            auxiliary: r.array()?,
            effect: r.array()?,
            leaf: r.array()?,
            position: r.u16()?,
            commit_previous: r.array()?,
        })
    }

    /// The commit that holds the record.
    pub(crate) fn commit(&self) -> ObjectKey {
        layout::commit(self.seq.saturating_sub(u64::from(self.position)), &padded(&self.commit_previous))
    }
}

/// The rows of one record; `commit_previous` is the `previous` of its commit's first record.
pub(crate) fn rows_of(record: &Hashed, commit_previous: &Hash) -> Vec<Row> {
    let Hashed { leaf, hash, .. } = record;
    let row = |key| Row {
        key,
        seq: leaf.seq,
        kind: leaf.kind,
        time: leaf.time,
        operation: leaf.operation,
        auxiliary: leaf.auxiliary,
        effect: leaf.effect,
        leaf: *hash,
        position: leaf.position,
        commit_previous: commit_previous.first_chunk().copied().unwrap_or_default(),
    };
    keys_of(leaf).into_iter().map(row).collect()
}

fn keys_of(leaf: &Leaf) -> Vec<RowKey> {
    let scope = || Scope::from_parts(leaf.case, leaf.object);
    let own = RowKey::operation(leaf.operation);
    let about = OperationId::from_bytes(leaf.auxiliary.first_chunk().copied().unwrap_or_default());
    match leaf.kind {
        Kind::Genesis | Kind::Keyring => vec![RowKey::keyring(), own],
        Kind::SigningKeys => {
            let stated = RowKey::signing_keys(leaf.key_epoch.saturating_add(1));
            vec![RowKey::keyring(), stated, own]
        }
        Kind::CaseOpened | Kind::CaseClosed | Kind::CaseReopened | Kind::CaseErased => {
            vec![RowKey::case(leaf.case), own]
        }
        Kind::Checkpointed => {
            let size = leaf.auxiliary.first_chunk().copied().unwrap_or_default();
            vec![RowKey::checkpoint(&size, leaf.operation), own]
        }
        Kind::Stored => {
            let document = DocumentId::new(leaf.case, leaf.object);
            let version = RowKey { child: padded(leaf.operation.as_bytes()), ..RowKey::versions(document) };
            vec![RowKey::document(document), version, own]
        }
        Kind::Stated => {
            vec![RowKey::newest_statement(leaf.case), RowKey::statement(leaf.case, leaf.seq), own]
        }
        Kind::UploadAnnounced => vec![own],
        Kind::Condemned => vec![RowKey::operation(about), own],
        Kind::Granted => {
            let child = joined(leaf.operation.as_bytes(), leaf.case.as_bytes());
            let recipient = RowKey { child, ..RowKey::first(Relation::Recipient, leaf.auxiliary) };
            vec![RowKey::grant(GrantId::new(scope(), leaf.operation)), recipient, own]
        }
        Kind::Revoked => vec![RowKey::grant(GrantId::new(scope(), about)), own],
        Kind::Delivered => {
            let deliveries = RowKey::deliveries(GrantId::new(scope(), about));
            vec![RowKey { child: padded(leaf.operation.as_bytes()), ..deliveries }, own]
        }
        Kind::Read | Kind::Browsed | Kind::LogRead | Kind::Index => vec![],
    }
}

fn joined(upper: &[u8; 16], lower: &[u8; 16]) -> [u8; 32] {
    let mut field = [0; 32];
    field.iter_mut().zip(upper.iter().chain(lower)).for_each(|(to, from)| *to = *from);
    field
}

/// Length of an encoded key.
pub(crate) const ROW_KEY_LEN: usize = 65;
/// Length of an encoded row.
pub(crate) const ROW_LEN: usize = 213;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::leaf::{leaf_hash, tests::sample};

    #[test]
    fn a_row_comes_back_and_names_its_commit() {
        let mut leaf = sample(9, [8; 32]);
        leaf.position = 4;
        let encoded = leaf.encode();
        let record = Hashed { hash: leaf_hash(&encoded), encoded: encoded.into(), leaf };
        let rows = rows_of(&record, &[6; 32]);
        assert_eq!(rows.len(), 3);
        for row in rows {
            let mut w = Writer::new();
            row.write(&mut w);
            assert_eq!(w.as_slice().len(), ROW_LEN);
            assert_eq!(Row::read(&mut Reader::new(w.as_slice())), Ok(row.clone()));
            assert_eq!(row.commit(), layout::commit(5, &[6; 32]));
        }
    }

    #[test]
    fn keys_order_as_their_encodings() {
        let mut keys = vec![RowKey::keyring(), RowKey::cases(), RowKey::case(CaseId::from_bytes([3; 16]))];
        keys.push(RowKey::documents(CaseId::from_bytes([2; 16])));
        keys.push(RowKey::operation(OperationId::from_bytes([9; 16])));
        let mut by_bytes = keys.clone();
        by_bytes.sort_by_key(|key| {
            let mut w = Writer::new();
            key.write(&mut w);
            w.into_vec()
        });
        keys.sort();
        assert_eq!(keys, by_bytes);
    }

    #[test]
    fn the_key_after_another_is_the_least_above_it() {
        let at = |child| RowKey { child, ..RowKey::case(CaseId::from_bytes([3; 16])) };
        let mut expected = [0; 32];
        expected[31] = 1;
        assert_eq!(at([0; 32]).after(), at(expected));
        for carried in 1..32 {
            let (mut child, mut expected) = ([0; 32], [0; 32]);
            child[32 - carried..].fill(0xFF);
            expected[31 - carried] = 1;
            assert_eq!(at(child).after(), at(expected), "{carried} bytes carry");
            assert!(at(child) < at(child).after());
        }
        assert_eq!(at([0xFF; 32]).after(), at([0xFF; 32]));
    }

    #[test]
    fn the_key_of_the_newest_checkpoint_comes_first() {
        let key = |size: u64, operation| {
            RowKey::checkpoint(&size.to_be_bytes(), OperationId::from_bytes([operation; 16]))
        };
        assert!(RowKey::checkpoints() < key(u64::MAX, 1) && key(256, 9) < key(255, 1));
        assert!(key(9, 1) < key(9, 2) && key(9, 1).same_parent(&RowKey::checkpoints()));
    }
}
