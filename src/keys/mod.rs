//! Root keys: who can open the keyring (FORMAT §4).

use core::fmt;

use async_trait::async_trait;

use crate::{secret::Secret, wire::Malformed};

mod local;
mod passphrase;

pub use local::LocalKey;
#[cfg(any(test, fuzzing))]
pub(crate) use passphrase::Slot as PassphraseSlot;
pub use passphrase::{Bounds, Passphrase};

/// A root key that stays where it is: it wraps and unwraps the secret of one keyring slot.
///
/// Another task, thread or runtime may go on with a call than began it.
///
/// # Security
///
/// An implementation must bind `context` (as associated data, or in a key derivation), must be
/// key-committing, and must answer every kind of tampering with the same [`KeyError::Refused`].
#[async_trait]
pub trait KeyWrap: fmt::Debug + Send + Sync + 'static {
    /// Which kind of root key this is, as written in the slot (FORMAT §4.2): an unknown kind of
    /// slot is shown, never tried.
    fn kind(&self) -> SlotKind;

    /// Wraps `secret`; at most 4 KiB.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if the key service cannot.
    async fn wrap(&self, context: &[u8; 32], secret: &Secret<32>) -> Result<Vec<u8>, KeyError>;

    /// Unwraps what [`KeyWrap::wrap`] gave for the same context.
    ///
    /// # Errors
    ///
    /// [`KeyError::Refused`] if this key, context and `wrapped` do not belong together.
    async fn unwrap(&self, context: &[u8; 32], wrapped: &[u8]) -> Result<Secret<32>, KeyError>;
}

/// A kind of root key, as written in a keyring slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum SlotKind {
    /// A key file: [`LocalKey`].
    Local,
    /// A passphrase: [`Passphrase`].
    Passphrase,
    /// An implementation outside this crate, under a number of its choice below 0x8000.
    External(u16),
}

impl SlotKind {
    /// The number that stands for it in a slot (FORMAT §4.2); of an embedder's, 15 bits are kept.
    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::Local => 1,
            Self::Passphrase => 2,
            Self::External(code) => code | EMBEDDERS,
        }
    }

    /// The kind that a number in a slot stands for.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for a number that stands for none.
    pub(crate) const fn from_code(code: u16) -> Result<Self, Malformed> {
        match code {
            1 => Ok(Self::Local),
            2 => Ok(Self::Passphrase),
            EMBEDDERS.. => Ok(Self::External(code & !EMBEDDERS)),
            _ => Err(Malformed),
        }
    }

    /// Whether a slot can say it.
    pub(crate) const fn has_code(self) -> bool {
        !matches!(self, Self::External(EMBEDDERS..))
    }
}

/// From here on numbers of kinds are the embedders'.
const EMBEDDERS: u16 = 0x8000;

/// Why a root key did not do its part.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// This key does not open that slot.
    #[error("this key does not open that slot")]
    Refused,
    /// The slot asks for more or less work than the local policy allows.
    #[error("the slot's key derivation is outside the local policy: {0}")]
    Policy(&'static str),
    /// The key service is out of reach; it may work later.
    #[error("the key service is unavailable: {0}")]
    Unavailable(String),
    /// The source of randomness failed.
    #[error(transparent)]
    Entropy(#[from] crate::env::EntropyError),
}
