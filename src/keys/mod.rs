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
///
/// # Examples
///
/// Over a key service that makes data keys and wraps them, bound to what it is told:
///
/// ```
/// use async_trait::async_trait;
/// use docvault::{Secret, SystemEntropy, chunked, keys::{KeyError, KeyWrap, SlotKind}};
///
/// # #[derive(Debug)]
/// # struct Service;
/// # enum Failure { Refused, OutOfReach(String) }
/// # impl Service {
/// #     async fn data_key(&self, _: &[u8; 32]) -> Result<(Secret<32>, Vec<u8>), Failure> {
/// #         let key = Secret::copy_from(&[7; 32]).ok_or(Failure::OutOfReach(String::new()))?;
/// #         Ok((key, vec![9; 3]))
/// #     }
/// #     async fn decrypt(&self, wrapped: &[u8], _: &[u8; 32]) -> Result<Secret<32>, Failure> {
/// #         if wrapped == [9; 3] { Secret::copy_from(&[7; 32]).ok_or(Failure::Refused) } else { Err(Failure::Refused) }
/// #     }
/// # }
/// #[derive(Debug)]
/// struct ServiceKey(Service);
///
/// #[async_trait]
/// impl KeyWrap for ServiceKey {
///     fn kind(&self) -> SlotKind {
///         SlotKind::External(1)
///     }
///
///     async fn wrap(&self, context: &[u8; 32], secret: &Secret<32>) -> Result<Vec<u8>, KeyError> {
///         // Services call it encryption context, or additional data.
///         let (key, wrapped_key) = self.0.data_key(context).await.map_err(told)?;
///         // This commits to its key; not every service's own encryption does.
///         let sealed = chunked::seal(&key, context, secret.expose(), &SystemEntropy::default())?;
///         Ok([sealed, wrapped_key].concat())
///     }
///
///     async fn unwrap(&self, context: &[u8; 32], wrapped: &[u8]) -> Result<Secret<32>, KeyError> {
///         let (sealed, wrapped_key) = wrapped.split_at_checked(SEALED).ok_or(KeyError::Refused)?;
///         let key = self.0.decrypt(wrapped_key, context).await.map_err(told)?;
///         let secret = chunked::open(&key, context, sealed).map_err(|_| KeyError::Refused)?;
///         Secret::copy_from(&secret).ok_or(KeyError::Refused)
///     }
/// }
///
/// const SEALED: usize = chunked::PREFIX_LEN + 32 + chunked::TAG_LEN;
///
/// fn told(failure: Failure) -> KeyError {
///     match failure {
///         Failure::Refused => KeyError::Refused,
///         Failure::OutOfReach(why) => KeyError::Unavailable(why),
///     }
/// }
/// # futures_lite::future::block_on(async {
/// # let (key, secret) = (ServiceKey(Service), Secret::copy_from(&[1; 32]).ok_or("32 bytes")?);
/// # let wrapped = key.wrap(&[2; 32], &secret).await?;
/// # assert_eq!(key.unwrap(&[2; 32], &wrapped).await?.expose(), secret.expose());
/// # assert!(key.unwrap(&[3; 32], &wrapped).await.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
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
