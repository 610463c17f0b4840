//! Which fields of a leaf the record's kind fills (FORMAT §5.2).

use core::ops::Range;

use super::leaf::{BodyForm, Kind};

/// Whether a field is filled or zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    No,
    Yes,
    Maybe,
}

impl Filled {
    pub(super) fn allows(self, field: &[u8]) -> bool {
        let zeros = field.iter().all(|byte| *byte == 0);
        self == Self::Maybe || (self == Self::No) == zeros
    }
}

/// The fields of one kind.
pub(super) struct Shape {
    pub(super) form: BodyForm,
    pub(super) case: Filled,
    pub(super) object: Filled,
    /// Bytes of the auxiliary field that name or count something, and so are not all zeros.
    pub(super) named: Range<usize>,
    /// Bytes of the auxiliary field that can be set.
    pub(super) auxiliary: usize,
    pub(super) effect: Filled,
    pub(super) state_root: Filled,
}

impl Kind {
    pub(super) const fn shape(self) -> Shape {
        use Filled::{Maybe, No, Yes};
        let (case, object, auxiliary, effect) = match self {
            Self::Genesis => (No, Yes, 0, Yes),
            Self::Keyring => (No, No, 0, Yes),
            Self::CaseOpened => (Yes, No, 0, Yes),
            Self::CaseClosed | Self::CaseReopened | Self::Stated => (Yes, No, 16, Yes),
            Self::Stored => (Yes, Yes, 20, Yes),
            Self::Read => (Yes, Yes, 16, No),
            Self::Browsed => (Maybe, Maybe, 0, No),
            Self::UploadAnnounced => (Yes, Maybe, 8, No),
            Self::Condemned => (Yes, No, 16, No),
            Self::Granted => (Yes, Maybe, 32, Yes),
            Self::Delivered | Self::Revoked => (Yes, Maybe, 16, Yes),
            Self::Index => (No, No, 8, No),
            Self::SigningKeys => (No, No, 32, Yes),
            Self::LogRead => (No, No, 0, No),
            Self::Checkpointed => (No, No, 8, Yes),
            Self::CaseErased => (Yes, No, 20, Yes),
        };
        let named = match self {
            Self::CaseClosed
            | Self::CaseReopened
            | Self::CaseErased
            | Self::Read
            | Self::Condemned
            | Self::Delivered
            | Self::Revoked => 0..16,
            Self::Granted | Self::SigningKeys => 0..32,
            Self::Stored => 16..20,
            _ => 0..0,
        };
        let form = match self {
            Self::Genesis => BodyForm::Plain,
            Self::CaseClosed
            | Self::CaseReopened
            | Self::Stored
            | Self::Granted
            | Self::Revoked
            | Self::Stated => BodyForm::Layered,
            _ => BodyForm::Outer,
        };
        let state_root = if matches!(self, Self::Index | Self::SigningKeys) { Yes } else { No };
        Shape { form, case, object, named, auxiliary, effect, state_root }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        BodyForm::{Layered, Outer, Plain},
        Filled::{self, Maybe, No, Yes},
        *,
    };
    use crate::{
        ids::CaseId,
        log::leaf::{Leaf, tests::sample},
    };

    type Row = (Kind, BodyForm, Filled, Filled, Range<usize>, usize, Filled);

    /// FORMAT §5.2: form, case, object, bytes of the auxiliary field that name or count something and that can be set,
    /// effect commitment.
    const TABLE: [Row; 19] = [
        (Kind::Genesis, Plain, No, Yes, 0..0, 0, Yes),
        (Kind::Keyring, Outer, No, No, 0..0, 0, Yes),
        (Kind::CaseOpened, Outer, Yes, No, 0..0, 0, Yes),
        (Kind::CaseClosed, Layered, Yes, No, 0..16, 16, Yes),
        (Kind::CaseReopened, Layered, Yes, No, 0..16, 16, Yes),
        (Kind::Stored, Layered, Yes, Yes, 16..20, 20, Yes),
        (Kind::Read, Outer, Yes, Yes, 0..16, 16, No),
        (Kind::Browsed, Outer, Maybe, Maybe, 0..0, 0, No),
        (Kind::UploadAnnounced, Outer, Yes, Maybe, 0..0, 8, No),
        (Kind::Condemned, Outer, Yes, No, 0..16, 16, No),
        (Kind::Granted, Layered, Yes, Maybe, 0..32, 32, Yes),
        (Kind::Delivered, Outer, Yes, Maybe, 0..16, 16, Yes),
        (Kind::Revoked, Layered, Yes, Maybe, 0..16, 16, Yes),
        (Kind::Index, Outer, No, No, 0..0, 8, No),
        (Kind::SigningKeys, Outer, No, No, 0..32, 32, Yes),
        (Kind::LogRead, Outer, No, No, 0..0, 0, No),
        (Kind::Checkpointed, Outer, No, No, 0..0, 8, Yes),
        (Kind::CaseErased, Outer, Yes, No, 0..16, 20, Yes),
        (Kind::Stated, Layered, Yes, No, 0..0, 16, Yes),
    ];

    /// Auxiliary fields: none, and one with a single byte set.
    fn auxiliaries() -> impl Iterator<Item = (Option<usize>, [u8; 32])> {
        let set = |at: usize| (Some(at), core::array::from_fn(|byte| u8::from(byte == at)));
        core::iter::once((None, [0; 32])).chain((0..32).map(set))
    }

    #[test]
    fn a_leaf_fills_what_its_kind_fills_and_nothing_else() {
        for (kind, form, case, object, named, allowed, effect) in TABLE {
            let state_root = if matches!(kind, Kind::Index | Kind::SigningKeys) { Yes } else { No };
            let fits = |filled: Filled, set: bool| filled == Maybe || (filled == Yes) == set;
            for (bits, of) in (0..16u8).flat_map(|bits| [Plain, Outer, Layered].map(|form| (bits, form))) {
                let [has_case, has_object, has_effect, has_root] =
                    [0, 1, 2, 3].map(|bit| bits >> bit & 1 == 1);
                for (set, auxiliary) in auxiliaries() {
                    let leaf = Leaf {
                        kind,
                        form: of,
                        case: CaseId::from_bytes([u8::from(has_case); 16]),
                        object: [u8::from(has_object); 16],
                        auxiliary,
                        effect: [u8::from(has_effect); 32],
                        state_root: [u8::from(has_root); 32],
                        ..sample(9, [8; 32])
                    };
                    let expected = of == form
                        && fits(case, has_case)
                        && fits(object, has_object)
                        && fits(effect, has_effect)
                        && fits(state_root, has_root)
                        && set.map_or(named.is_empty(), |at| {
                            at < allowed && (named.is_empty() || named.contains(&at))
                        });
                    assert_eq!(Leaf::parse(&leaf.encode()).is_ok(), expected, "{leaf:?}");
                }
            }
        }
    }
}
