//! Pins: what an application keeps, outside the storage, so that nobody can give it an older or
//! another log (FORMAT §9).

use core::{fmt, str::FromStr};

use async_trait::async_trait;

use crate::{
    crypto::sign::VerifyingKey,
    error::{Error, ErrorKind, Result},
    ids::{Hex, VaultId, parse_hex},
    log::{Hash, signing::LogKey, trust::Cosignature},
    text::parse_decimal,
};

#[cfg(feature = "fs")]
mod file;

#[cfg(feature = "fs")]
pub use file::FilePinStore;

/// The head of a vault's log that was last trusted, and the key that signs the log.
///
/// Its text ([`Display`](fmt::Display), [`FromStr`]) is one line of at most 274 bytes, without a
/// newline, and holds no secret.
///
/// # Security
///
/// Whoever can replace the pin can have the application open another vault, or an older state of
/// this one: keep it where those who run the storage cannot write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    vault: VaultId,
    log_key: LogKey,
    size: u64,
    head: Hash,
    root: Hash,
}

impl Pin {
    /// The pin of a verified log; `size` is at least 1, for a vault's first record makes it.
    pub(crate) const fn new(vault: VaultId, log_key: LogKey, size: u64, head: Hash, root: Hash) -> Self {
        Self { vault, log_key, size, head, root }
    }

    /// The vault.
    #[must_use]
    pub const fn vault(&self) -> VaultId {
        self.vault
    }

    /// The number of records in the log.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The signing epoch of what follows the head, from 1.
    #[must_use]
    pub const fn signing_epoch(&self) -> u32 {
        self.log_key.epoch
    }

    /// The key that signs what follows the head.
    pub(crate) const fn log_key(&self) -> &LogKey {
        &self.log_key
    }

    /// The newest record's leaf hash.
    pub(crate) const fn head(&self) -> &Hash {
        &self.head
    }

    /// The root of the Merkle tree over all records.
    pub(crate) const fn root(&self) -> &Hash {
        &self.root
    }

    /// Whether a [`PinStore`] that has `saved` is to put this pin in its place: it is of a longer log. It must do so only if it
    /// has `saved` still: of two that are saved at once, the older must not come to stand last.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if `saved` is another vault's; [`Forked`](ErrorKind::Forked) if no log can have had both.
    /// The saved one stays, and the store answers with the error.
    ///
    /// # Security
    ///
    /// That a longer log goes on from the saved one, two pins cannot tell: a vault proves it when it is opened with the store.
    /// So of processes that share a store and are shown two logs, a saved pin shows it only where the sizes are equal, or the keys
    /// do not follow; a receipt or a witness shows it, and a process that is opened by a pin of the log that it is not shown.
    pub fn supersedes(&self, saved: &Self) -> Result<bool> {
        if self.vault != saved.vault {
            return Err(Error::invalid(
                "the saved pin is another vault's; give each vault a place for its pin of its own",
            ));
        }
        if self.may_share_a_log_with(saved) {
            return Ok(self.size > saved.size);
        }
        Err(Error::new(
            ErrorKind::Forked,
            format!(
                "the log, of {} records, is not the one of the saved pin, of {}, which stays: the storage shows \
                 two, or the pin's place was restored; open by the saved pin to see which",
                self.size, saved.size
            ),
        ))
    }

    /// Whether one log can have had both these heads, as far as two pins tell: signing keys only go
    /// forward, one epoch a record, and an epoch has one key. Both are of one vault.
    pub(crate) fn may_share_a_log_with(&self, other: &Self) -> bool {
        let (older, newer) = if self.size < other.size { (self, other) } else { (other, self) };
        let changes = newer.log_key.epoch.checked_sub(older.log_key.epoch);
        match (newer.size - older.size, changes) {
            (0, _) => older == newer,
            (_, Some(0)) => older.log_key == newer.log_key,
            (records, Some(changes)) => u64::from(changes) <= records,
            (_, None) => false,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split(' ');
        let mut next = || fields.next();
        if next()? != FAMILY {
            return None;
        }
        let pin = Self {
            vault: next()?.parse().ok()?,
            log_key: LogKey {
                epoch: parse_decimal(next()?).filter(|epoch| *epoch > 0)?.try_into().ok()?,
                key: VerifyingKey::from_bytes(&parse_hex(next()?).ok()?).ok()?,
            },
            size: parse_decimal(next()?).filter(|size| *size > 0)?,
            head: parse_hex(next()?).ok()?,
            root: parse_hex(next()?).ok()?,
        };
        fields.next().is_none().then_some(pin)
    }
}

#[cfg(feature = "serde")]
crate::ids::serialize_as_text!(Pin);

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { vault, log_key: LogKey { epoch, key }, size, head, root } = self;
        write!(f, "{FAMILY} {vault} {epoch} {} {size} {} {}", Hex(&key.to_bytes()), Hex(head), Hex(root))
    }
}

impl FromStr for Pin {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text).ok_or_else(|| {
            Error::invalid(format!(
                "this is no pin: it must be the one line that begins with {FAMILY}, whole and without a newline"
            ))
        })
    }
}

/// How fresh a log is that was opened or verified.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Freshness {
    /// It holds everything up to the pin, and is not older than it. Whether others see the same
    /// continuation only a witness can tell.
    FreshByPin,
    /// Witnesses have cosigned a checkpoint of this very log: whoever trusts them sees the same one. It may
    /// have gone on since, and elsewhere an older head of it may be shown.
    FreshByWitnesses {
        /// Records the checkpoint is about.
        size: u64,
        /// Who, and when.
        witnesses: Vec<Cosignature>,
    },
    /// It is whole up to its head; nothing says that the head is the newest.
    Unverified,
    /// It ends before the pin: an older copy.
    RolledBack {
        /// Records the pin vouches for.
        seen: u64,
        /// Records the storage shows.
        got: u64,
    },
    /// It is another history than the pin's: neither continues the other, and both were signed by the
    /// vault's keys.
    Forked {
        /// Records the pin vouches for, which are not those that the storage shows.
        seen: u64,
    },
}

/// Keeps a vault's newest pin.
///
/// # Security
///
/// As for a [`Pin`]. An answer that is older than what was saved weakens the pin to that age.
#[async_trait]
pub trait PinStore: fmt::Debug + Send + Sync + 'static {
    /// The pin saved last, or `None` if none ever was.
    ///
    /// # Errors
    ///
    /// An implementation outside this crate makes a [`StorageError`](crate::storage::StorageError),
    /// which `?` turns into the crate's [`Error`].
    async fn load(&self) -> Result<Option<Pin>>;

    /// Saves `pin`, atomically and durably: after a crash at any point [`PinStore::load`] gives the
    /// old pin or this one, and this one once `save` has returned.
    ///
    /// Calls may overtake each other: a pin of smaller size than the one saved must leave that one
    /// in place, and succeed. A vault's signing keys change, and with them the pin's: only the vault
    /// stays the same.
    ///
    /// # Errors
    ///
    /// As [`PinStore::load`]; then the old pin is still in place, or this one is.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the old pin or this one.
    async fn save(&self, pin: &Pin) -> Result<()>;
}

const FAMILY: &str = "docvault-pin-1";

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ErrorKind, crypto::sign::SigningKey, secret::Secret};

    pub(crate) fn pin(key: u8, size: u64, head: u8) -> Pin {
        let log_key =
            LogKey { epoch: 3, key: SigningKey::from_seed(Secret::take([key; 32])).verifying_key() };
        Pin::new(VaultId::from_bytes([key; 16]), log_key, size, [head; 32], [head ^ 1; 32])
    }

    /// `pin` under another signing key.
    #[cfg(feature = "fs")]
    pub(crate) fn keyed(pin: Pin, epoch: u32, key: u8) -> Pin {
        let key = SigningKey::from_seed(Secret::take([key; 32])).verifying_key();
        Pin { log_key: LogKey { epoch, key }, ..pin }
    }

    #[test]
    fn a_pin_supersedes_those_of_a_shorter_log() -> Result<()> {
        for (size, supersedes) in [(1, true), (4, true), (5, false), (6, false)] {
            assert_eq!(pin(1, 5, 9).supersedes(&pin(1, size, 9))?, supersedes, "{size}");
        }
        Ok(())
    }

    #[test]
    fn a_pin_is_one_line_that_comes_back() {
        for size in [1, 10, u64::MAX] {
            let pin = pin(1, size, 2);
            let text = pin.to_string();
            assert_eq!(text.parse::<Pin>().expect("parses"), pin);
            assert!(text.len() <= 274 && !text.contains('\n'), "{}", text.len());
        }
        let text = pin(1, 7, 2).to_string();
        let key = Hex(&pin(1, 7, 2).log_key().key.to_bytes()).to_string();
        let (vault, head, root) = ("01".repeat(16), "02".repeat(32), "03".repeat(32));
        assert_eq!(text, format!("docvault-pin-1 {vault} 3 {key} 7 {head} {root}"));
    }

    #[test]
    fn only_canonical_text_is_a_pin() {
        let text = pin(0xAB, 7, 2).to_string();
        let changed = [
            String::new(),
            format!("{text}\n"),
            format!("{text} "),
            format!(" {text}"),
            format!("{text} 00"),
            text.replace(" 7 ", " 07 "),
            text.replace(" 7 ", " +7 "),
            text.replace(" 7 ", " 0 "),
            text.replace(" 7 ", "  7 "),
            text.replace(" 7 ", "\t7 "),
            text.replace(" 7 ", " 18446744073709551616 "),
            text.replace(" 3 ", " 0 "),
            text.replace(" 3 ", " 03 "),
            text.replace(" 3 ", " 4294967296 "),
            text.replace("pin-1", "pin-2"),
            text.to_uppercase(),
        ];
        for changed in changed {
            assert_eq!(
                changed.parse::<Pin>().expect_err("changed").kind(),
                ErrorKind::Invalid,
                "{changed:?}"
            );
        }
        for len in 0..text.len() {
            assert!(text[..len].parse::<Pin>().is_err(), "{len}");
        }
        let key = Hex(&pin(0xAB, 7, 2).log_key().key.to_bytes()).to_string();
        assert!(text.replace(&key, &"00".repeat(32)).parse::<Pin>().is_err(), "a weak key");
    }

    proptest! {
        #[test]
        fn p05_a_pin_has_one_text(size in 1u64.., head: [u8; 32], root: [u8; 32], offset in 0..240usize, byte in 0..128u8) {
            let pin = Pin { size, head, root, ..pin(1, 1, 0) };
            let text = pin.to_string();
            prop_assert_eq!(text.parse::<Pin>().expect("parses"), pin);
            let mut altered = text.into_bytes();
            altered[offset] = byte;
            let altered = String::from_utf8(altered).expect("ASCII");
            if let Ok(parsed) = altered.parse::<Pin>() {
                prop_assert_eq!(parsed.to_string(), altered);
            }
        }
    }
}
