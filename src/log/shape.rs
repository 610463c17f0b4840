//! Which fields of a leaf the record's kind fills (FORMAT §5.2).

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
    /// Bytes the auxiliary field begins with that name something, and so are not all zeros.
    pub(super) named: usize,
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
            | Self::Revoked => 16,
            Self::Granted | Self::SigningKeys => 32,
            _ => 0,
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
