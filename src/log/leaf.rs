//! One record's leaf (FORMAT §5.1).

use super::{Hash, shape::Shape};
use crate::{
    FORMAT, SUITE,
    crypto::digest::sha256,
    env::Timestamp,
    ids::{CaseId, OperationId},
    wire::{Malformed, Reader, Writer},
};

/// What a record says has happened (FORMAT §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Kind {
    /// The vault was created.
    Genesis,
    /// The keyring changed.
    Keyring,
    /// A case was opened.
    CaseOpened,
    /// A case was closed: nothing is added to it until it is reopened.
    CaseClosed,
    /// A closed case was reopened.
    CaseReopened,
    /// A version of a document was stored.
    Stored,
    /// Content of a version was released.
    Read,
    /// Names and metadata were released.
    Browsed,
    /// An upload is under way and keeps its parts until it expires.
    UploadAnnounced,
    /// An operation that never committed may no longer do so; its objects can be deleted.
    Condemned,
    /// A grant was made.
    Granted,
    /// A delivery was released to a grant's recipient.
    Delivered,
    /// A grant was revoked.
    Revoked,
    /// The index was folded.
    Index,
    /// The keys that sign commits and checkpoints were replaced.
    SigningKeys,
    /// Records were released or exported.
    LogRead,
    /// A checkpoint was kept, with its cosignatures and time tokens.
    Checkpointed,
    /// A case was erased: its key, names and contents are gone.
    CaseErased,
    /// A statement about a case was put on record.
    Stated,
}

impl Kind {
    const ALL: [Self; 19] = [
        Self::Genesis,
        Self::Keyring,
        Self::CaseOpened,
        Self::CaseClosed,
        Self::CaseReopened,
        Self::Stored,
        Self::Read,
        Self::Browsed,
        Self::UploadAnnounced,
        Self::Condemned,
        Self::Granted,
        Self::Delivered,
        Self::Revoked,
        Self::Index,
        Self::SigningKeys,
        Self::LogRead,
        Self::Checkpointed,
        Self::CaseErased,
        Self::Stated,
    ];

    /// The number that stands for this kind in a leaf.
    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::Genesis => 1,
            Self::Keyring => 2,
            Self::CaseOpened => 3,
            Self::CaseClosed => 4,
            Self::CaseReopened => 5,
            Self::Stored => 6,
            Self::Read => 7,
            Self::Browsed => 8,
            Self::UploadAnnounced => 9,
            Self::Condemned => 10,
            Self::Granted => 11,
            Self::Delivered => 12,
            Self::Revoked => 13,
            Self::Index => 14,
            Self::SigningKeys => 15,
            Self::LogRead => 16,
            Self::Checkpointed => 17,
            Self::CaseErased => 18,
            Self::Stated => 19,
        }
    }

    /// The kind's name, as FORMAT §5.2 has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Genesis => "Genesis",
            Self::Keyring => "Keyring",
            Self::CaseOpened => "CaseOpened",
            Self::CaseClosed => "CaseClosed",
            Self::CaseReopened => "CaseReopened",
            Self::Stored => "Stored",
            Self::Read => "Read",
            Self::Browsed => "Browsed",
            Self::UploadAnnounced => "UploadAnnounced",
            Self::Condemned => "Condemned",
            Self::Granted => "Granted",
            Self::Delivered => "Delivered",
            Self::Revoked => "Revoked",
            Self::Index => "Index",
            Self::SigningKeys => "SigningKeys",
            Self::LogRead => "LogRead",
            Self::Checkpointed => "Checkpointed",
            Self::CaseErased => "CaseErased",
            Self::Stated => "Stated",
        }
    }

    #[cfg(feature = "intake")]
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub(crate) fn from_code(code: u16) -> Result<Self, Malformed> {
        Self::ALL.into_iter().find(|kind| kind.code() == code).ok_or(Malformed)
    }
}

/// Which layers a record's body has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyForm {
    /// Not sealed: the genesis statement.
    Plain,
    /// Sealed for the audit key.
    Outer,
    /// Sealed for the audit key, with a layer inside for the case key.
    Layered,
}

impl BodyForm {
    const fn flags(self) -> u16 {
        match self {
            Self::Plain => 1,
            Self::Outer => 0,
            Self::Layered => 2,
        }
    }

    const fn from_flags(flags: u16) -> Result<Self, Malformed> {
        match flags {
            0 => Ok(Self::Outer),
            1 => Ok(Self::Plain),
            2 => Ok(Self::Layered),
            _ => Err(Malformed),
        }
    }
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) kind: Kind,
    pub(crate) form: BodyForm,
    /// The record's index within its commit.
    pub(crate) position: u16,
    pub(crate) seq: u64,
    pub(crate) time: Timestamp,
    pub(crate) previous: Hash,
    pub(crate) case: CaseId,
    pub(crate) object: [u8; 16],
    pub(crate) auxiliary: [u8; 32],
    pub(crate) operation: OperationId,
    pub(crate) key_epoch: u32,
    pub(crate) process: [u8; 12],
    pub(crate) body: Hash,
    pub(crate) effect: Hash,
    pub(crate) state_root: Hash,
}

impl Leaf {
    /// The 280 bytes of FORMAT §5.1.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(LEAF_LEN);
        w.fixed(b"dvlr").u8(FORMAT).u8(SUITE).u16(self.kind.code()).u16(self.form.flags());
        w.u16(0).u16(self.position).u16(0).u64(self.seq).u64(self.time.as_millis()).fixed(&self.previous);
        w.fixed(self.case.as_bytes()).fixed(&self.object).fixed(&self.auxiliary);
        w.fixed(self.operation.as_bytes()).u32(self.key_epoch).fixed(&self.process);
        w.fixed(&self.body).fixed(&self.effect).fixed(&self.state_root).fixed(&[0; 24]);
        w.into_vec()
    }

    /// Parses exactly one leaf.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for anything [`Leaf::encode`] does not give.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        r.expect(b"dvlr")?;
        r.expect(&[FORMAT, SUITE])?;
        let (kind, form) = (Kind::from_code(r.u16()?)?, BodyForm::from_flags(r.u16()?)?);
        r.zeros(2)?;
        let position = r.u16()?;
        r.zeros(2)?;
        let leaf = Self {
            kind,
            form,
            position,
            seq: r.u64()?,
            time: Timestamp::from_millis(r.u64()?),
            previous: r.array()?,
            case: CaseId::read(&mut r)?,
            object: r.array()?,
            auxiliary: r.array()?,
            operation: OperationId::read(&mut r)?,
            key_epoch: r.u32()?,
            process: r.array()?,
            body: r.array()?,
            effect: r.array()?,
            state_root: r.array()?,
        };
        r.zeros(24)?;
        r.finish()?;
        if leaf.is_shaped() { Ok(leaf) } else { Err(Malformed) }
    }

    /// Whether the fields that its kind fills are filled, and the others zeros; ordinals and signing epochs count from 1.
    fn is_shaped(&self) -> bool {
        let Shape { form, case, object, named, auxiliary, effect, state_root } = self.kind.shape();
        let (unnamed, rest) = (named.is_empty(), self.auxiliary.get(auxiliary..));
        let zeros = |field: Option<&[u8]>| field.is_some_and(|field| field.iter().all(|byte| *byte == 0));
        self.form == form
            && case.allows(self.case.as_bytes())
            && object.allows(&self.object)
            && zeros(rest)
            && (unnamed || !zeros(self.auxiliary.get(named)))
            && effect.allows(&self.effect)
            && state_root.allows(&self.state_root)
            && self.operation.as_bytes() != &[0; 16]
            && self.key_epoch != 0
    }

    /// The operation named in the auxiliary field of kinds that name one.
    pub(crate) fn auxiliary_operation(&self) -> OperationId {
        auxiliary_operation(&self.auxiliary)
    }

    /// The sequence number of the first record in this record's commit.
    pub(crate) fn first_of_commit(&self) -> u64 {
        self.seq.saturating_sub(u64::from(self.position))
    }
}

// RFC 6962 §2.1: MTH({d(0)}) = SHA-256(0x00 || d(0)).
/// The Merkle leaf hash, which the next record's `previous` repeats.
pub(crate) fn leaf_hash(encoded: &[u8]) -> Hash {
    sha256(&[&[0], encoded])
}

/// The operation in the upper half of an auxiliary field.
pub(crate) fn auxiliary_operation(auxiliary: &[u8; 32]) -> OperationId {
    OperationId::from_bytes(auxiliary.first_chunk().copied().unwrap_or_default())
}

/// An auxiliary field that holds 16 bytes.
pub(crate) fn auxiliary_from(bytes: &[u8; 16]) -> [u8; 32] {
    padded(bytes)
}

/// `bytes`, 32 at most, followed by zeros.
pub(crate) fn padded(bytes: &[u8]) -> [u8; 32] {
    let mut field = [0; 32];
    field.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    field
}

/// Length of an encoded leaf.
pub(crate) const LEAF_LEN: usize = 280;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample(seq: u64, previous: Hash) -> Leaf {
        Leaf {
            kind: Kind::Stored,
            form: BodyForm::Layered,
            position: 0,
            seq,
            time: Timestamp::from_millis(1000 + seq),
            previous,
            case: CaseId::from_bytes([1; 16]),
            object: [2; 16],
            auxiliary: padded(&[3; 20]),
            operation: OperationId::from_bytes([4; 16]),
            key_epoch: 1,
            process: [5; 12],
            body: [6; 32],
            effect: [7; 32],
            state_root: [0; 32],
        }
    }

    #[test]
    fn a_leaf_is_280_bytes_and_comes_back() {
        let leaf = sample(9, [8; 32]);
        let bytes = leaf.encode();
        assert_eq!(bytes.len(), LEAF_LEN);
        assert_eq!(Leaf::parse(&bytes), Ok(leaf));
    }

    #[test]
    fn every_kind_comes_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_code(kind.code()), Ok(kind));
            assert_eq!(kind.name(), format!("{kind:?}"));
        }
        assert_eq!(Kind::from_code(0), Err(Malformed));
        assert_eq!(Kind::from_code(20), Err(Malformed));
    }

    #[test]
    fn p15_every_reserved_bit_is_refused() {
        let bytes = sample(9, [8; 32]).encode();
        let reserved = (9..10).chain([8]).chain(10..12).chain(14..16).chain(256..280);
        for offset in reserved {
            for bit in 0..8 {
                let mut altered = bytes.clone();
                altered[offset] ^= 1 << bit;
                if offset == 9 && bit == 1 {
                    continue; // the flag of the inner layer, which is no reserved bit
                }
                let plain = offset == 9 && bit == 0;
                assert_eq!(Leaf::parse(&altered), Err(Malformed), "offset {offset} bit {bit} plain {plain}");
            }
        }
    }

    #[test]
    fn fields_that_a_kind_leaves_zero_must_be_and_others_must_not() {
        type Alter = fn(&mut Leaf);
        let wrong: [(&str, Alter); 10] = [
            ("case", |leaf| leaf.case = CaseId::from_bytes([0; 16])),
            ("object", |leaf| leaf.object = [0; 16]),
            ("auxiliary", |leaf| leaf.auxiliary[20] = 1),
            ("ordinal", |leaf| leaf.auxiliary = padded(&[3; 16])),
            ("signing epoch", |leaf| leaf.key_epoch = 0),
            ("operation", |leaf| leaf.operation = OperationId::from_bytes([0; 16])),
            ("effect", |leaf| leaf.effect = [0; 32]),
            ("state root", |leaf| leaf.state_root[31] = 1),
            ("form", |leaf| leaf.form = BodyForm::Outer),
            ("kind", |leaf| leaf.kind = Kind::Read),
        ];
        for (field, alter) in wrong {
            let mut leaf = sample(9, [8; 32]);
            alter(&mut leaf);
            assert_eq!(Leaf::parse(&leaf.encode()), Err(Malformed), "{field}");
        }
        let mut read =
            Leaf { kind: Kind::Read, form: BodyForm::Outer, effect: [0; 32], ..sample(9, [8; 32]) };
        read.auxiliary = padded(&[3; 16]);
        assert!(Leaf::parse(&read.encode()).is_ok());
        read.auxiliary = [0; 32];
        assert_eq!(Leaf::parse(&read.encode()), Err(Malformed), "a read of no version");
    }

    #[test]
    fn p01_every_other_format_and_suite_is_refused() {
        let bytes = sample(9, [8; 32]).encode();
        for offset in [4, 5] {
            for value in (0..=255).filter(|value| *value != bytes[offset]) {
                let mut altered = bytes.clone();
                altered[offset] = value;
                assert_eq!(Leaf::parse(&altered), Err(Malformed));
            }
        }
    }
}
