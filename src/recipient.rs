//! Keys checked by their fingerprints: recipients, senders, and a recipient's own identity
//! (FORMAT §8, §9).

use core::fmt;
use std::path::Path;

use subtle::ConstantTimeEq;

use crate::{
    crypto::{
        hpke::{PUBLIC_LEN, PublicKey, SecretKey},
        schedule::{RECIPIENT, SENDER, context},
        sign::VerifyingKey,
    },
    error::{Error, Result},
    ids::VaultId,
    secret::Secret,
    secret_file, text,
    wire::{Malformed, Reader},
};

/// Someone to whom documents can be granted: a public key whose fingerprint the caller has checked.
///
/// # Security
///
/// [`Recipient::verify`] is the only way to one. The fingerprint must come from the recipient over
/// a channel that whoever supplied the key bytes does not control, such as a telephone call: a
/// fingerprint that came along with the key proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    key: PublicKey,
    id: [u8; 32],
}

impl Recipient {
    /// Takes the public key in `key_bytes` (1,216 bytes, from [`Identity::recipient_bytes`]) if
    /// `fingerprint` is its [`Fingerprint`]. Case, hyphens and spaces in `fingerprint` do not
    /// matter.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if `key_bytes` is no such key, `fingerprint` is none,
    /// or the two do not belong together.
    pub fn verify(key_bytes: &[u8], fingerprint: &str) -> Result<Self> {
        let bytes: &[u8; PUBLIC_LEN] = key_bytes.try_into().map_err(|_| {
            Error::invalid(format!("a recipient's key has {PUBLIC_LEN} bytes, not {}", key_bytes.len()))
        })?;
        Fingerprint::of_recipient(bytes).check(fingerprint)?;
        let key = PublicKey::from_bytes(bytes);
        key.map(Self::new)
            .map_err(|_| Error::invalid("these bytes are no public key; ask the recipient for theirs"))
    }

    /// What the recipient reads out, and the caller compares.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        Fingerprint(self.id)
    }

    /// The whole fingerprint, which records and grants name.
    pub(crate) const fn id(&self) -> &[u8; 32] {
        &self.id
    }

    pub(crate) const fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn new(key: PublicKey) -> Self {
        let id = context(RECIPIENT, &[&key.to_bytes()]);
        Self { key, id }
    }
}

/// A vault that sends deliveries: its id and the key that signs them, whose fingerprint the caller
/// has checked.
///
/// # Security
///
/// As for a [`Recipient`]: the fingerprint must come from the vault's owner over a channel that
/// whoever supplied the bytes does not control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    vault: VaultId,
    key: VerifyingKey,
}

impl Sender {
    /// Takes the sender in `bytes` (48 bytes, from [`Sender::to_bytes`]) if `fingerprint` is its
    /// [`Fingerprint`]. Case, hyphens and spaces in `fingerprint` do not matter.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if `bytes` is no sender, `fingerprint` is none, or
    /// the two do not belong together.
    pub fn verify(bytes: &[u8], fingerprint: &str) -> Result<Self> {
        let (vault, key) = split(bytes).map_err(|Malformed| {
            Error::invalid(format!("a sender has {SENDER_LEN} bytes, not {}", bytes.len()))
        })?;
        sender_fingerprint(vault, &key).check(fingerprint)?;
        let key = VerifyingKey::from_bytes(&key)
            .map_err(|_| Error::invalid("these bytes hold no signing key; ask the sender for theirs"))?;
        Ok(Self { vault, key })
    }

    /// The sender that a vault is itself.
    pub(crate) const fn new(vault: VaultId, key: VerifyingKey) -> Self {
        Self { vault, key }
    }

    /// What the vault's owner reads out, and the caller compares.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        sender_fingerprint(self.vault, &self.key.to_bytes())
    }

    /// The vault's id, then its key: 48 bytes, no secret.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.vault.as_bytes()[..], &self.key.to_bytes()].concat()
    }

    /// The vault that sends.
    #[must_use]
    pub const fn vault(&self) -> VaultId {
        self.vault
    }

    pub(crate) const fn delivery_key(&self) -> &VerifyingKey {
        &self.key
    }
}

fn split(bytes: &[u8]) -> Result<(VaultId, [u8; 32]), Malformed> {
    let mut r = Reader::new(bytes);
    let parts = (VaultId::read(&mut r)?, r.array()?);
    r.finish()?;
    Ok(parts)
}

fn sender_fingerprint(vault: VaultId, key: &[u8; 32]) -> Fingerprint {
    Fingerprint(context(SENDER, &[vault.as_bytes(), key]))
}

/// The secret half of a [`Recipient`]: it opens what was delivered to them.
///
/// # Security
///
/// Who can read its file can open every delivery to its recipient, past and future.
pub struct Identity {
    key: SecretKey,
    recipient: Recipient,
}

impl Identity {
    /// Makes a new identity, and a new file for it that only its owner can read (mode 0600).
    ///
    /// The identity is durable when this returns. Blocks for a few file operations.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if there is something at `path`: an identity is never
    /// overwritten. Otherwise as [`Identity::load`], and [`Entropy`](crate::ErrorKind::Entropy).
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        secret_file::create(path.as_ref(), HEADER).map(Self::from_seed)
    }

    /// Loads the identity that [`Identity::create`] made. `path` may be a symbolic link to the
    /// file.
    ///
    /// Blocks for a few file operations.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no file,
    /// [`Denied`](crate::ErrorKind::Denied) if this process may not read it or, on Unix, if group
    /// or others may use it, [`Invalid`](crate::ErrorKind::Invalid) if it is no identity file, and
    /// [`Storage`](crate::ErrorKind::Storage) if the file system fails.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        secret_file::load(path.as_ref(), HEADER).map(Self::from_seed)
    }

    /// The identity of a seed that the caller keeps elsewhere, such as in a hardware token.
    ///
    /// # Security
    ///
    /// The seed is the whole identity. It must be 32 bytes of a cryptographically secure generator:
    /// a seed that can be guessed, such as the hash of a password, opens everything. And it must be
    /// stored durably first: what is delivered to a seed that is lost stays closed for ever.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "the seed is used up, and wiped here")]
    pub fn from_seed(seed: Secret<32>) -> Self {
        let key = SecretKey::from_seed(&seed);
        Self { recipient: Recipient::new(key.public()), key }
    }

    /// The public key, for [`Recipient::verify`]: 1,216 bytes, no secret.
    #[must_use]
    pub fn recipient_bytes(&self) -> Vec<u8> {
        self.recipient.key.to_bytes().to_vec()
    }

    /// What to read out to those who grant documents to this identity.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.recipient.fingerprint()
    }

    /// The whole fingerprint, which deliveries name.
    pub(crate) const fn id(&self) -> &[u8; 32] {
        self.recipient.id()
    }

    pub(crate) const fn secret_key(&self) -> &SecretKey {
        &self.key
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({}, [REDACTED])", self.fingerprint())
    }
}

/// What tells a key from every other, short enough to read aloud: the first 130 bits of a SHA-256
/// hash as 26 lower-case characters of Base 32, shown in groups joined by hyphens.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// The whole fingerprint of a recipient's key (FORMAT §8).
pub(crate) fn recipient_id(key: &[u8; PUBLIC_LEN]) -> [u8; 32] {
    context(RECIPIENT, &[key])
}

impl Fingerprint {
    pub(crate) fn of_recipient(key: &[u8; PUBLIC_LEN]) -> Self {
        Self(recipient_id(key))
    }

    /// Of the bytes of a sender, valid or not.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn of_sender(bytes: &[u8]) -> Result<Self, Malformed> {
        split(bytes).map(|(vault, key)| sender_fingerprint(vault, &key))
    }

    fn characters(&self) -> String {
        text::base32(&self.0).chars().take(CHARACTERS).collect()
    }

    fn check(&self, given: &str) -> Result<()> {
        let mut given: String = given.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
        given.make_ascii_lowercase();
        if given.len() != CHARACTERS || !given.bytes().all(text::is_base32) {
            return Err(Error::invalid(format!(
                "a fingerprint is {CHARACTERS} letters and digits from 2 to 7; ask for all of it"
            )));
        }
        if bool::from(given.as_bytes().ct_eq(self.characters().as_bytes())) {
            return Ok(());
        }
        Err(Error::invalid(
            "the key is not the one with this fingerprint: do not use it, and ask who sent it",
        ))
    }
}

#[cfg(feature = "serde")]
crate::ids::serialize_as_text!(Fingerprint);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.characters().chars().enumerate().try_for_each(|(i, character)| {
            let separator = if BREAKS.contains(&i) { "-" } else { "" };
            write!(f, "{separator}{character}")
        })
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

const HEADER: &str = "docvault identity 1";
/// 5 bits each: 130 bits.
const CHARACTERS: usize = 26;
/// Four groups of five characters, one of six.
const BREAKS: [usize; 4] = [5, 10, 15, 20];
const SENDER_LEN: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, crypto::sign::SigningKey, env::SystemEntropy};

    fn identity(byte: u8) -> Identity {
        Identity::from_seed(Secret::take([byte; 32]))
    }

    fn sender(byte: u8) -> Sender {
        let key = SigningKey::from_seed(Secret::take([byte; 32])).verifying_key();
        Sender::new(VaultId::from_bytes([byte; 16]), key)
    }

    /// `verify` takes `text`, in every spelling allowed, and no text that differs in one character.
    fn takes_this_fingerprint_alone(text: &str, verify: impl Fn(&str) -> Result<()>) {
        assert_eq!(verify(text).map_err(|error| error.to_string()), Ok(()));
        let bare = text.replace('-', "");
        for spelling in [bare.clone(), text.to_uppercase(), text.replace('-', " "), format!(" -{bare}- ")] {
            assert!(verify(&spelling).is_ok(), "{spelling}");
        }
        for (i, original) in bare.char_indices() {
            for other in ('\0'..='\u{ff}').filter(|c| !c.eq_ignore_ascii_case(&original)) {
                let changed: String = [&bare[..i], &other.to_string(), &bare[i + 1..]].concat();
                assert_eq!(verify(&changed).expect_err("changed").kind(), ErrorKind::Invalid, "{changed}");
            }
            let shorter = [&bare[..i], &bare[i + 1..]].concat();
            assert!(verify(&shorter).is_err());
        }
        let none = verify(&format!("1{}", &bare[1..])).expect_err("no symbol of it").to_string();
        assert!(none.contains("letters and digits from 2 to 7"), "{none}");
        for wrong in ["", "-", &format!("{bare}a"), &bare.replace(&bare[..1], "\u{212A}")] {
            assert!(verify(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_recipient_is_taken_by_its_own_fingerprint_alone() {
        let identity = identity(1);
        let bytes = identity.recipient_bytes();
        let fingerprint = identity.fingerprint().to_string();
        let recipient = Recipient::verify(&bytes, &fingerprint).expect("matches");
        assert_eq!((recipient.fingerprint(), recipient.id()), (identity.fingerprint(), identity.id()));
        takes_this_fingerprint_alone(&fingerprint, |text| Recipient::verify(&bytes, text).map(drop));
    }

    #[test]
    fn a_sender_is_taken_by_its_own_fingerprint_alone() {
        let sender = sender(1);
        let bytes = sender.to_bytes();
        let fingerprint = sender.fingerprint().to_string();
        assert_eq!(Sender::verify(&bytes, &fingerprint).expect("matches"), sender);
        takes_this_fingerprint_alone(&fingerprint, |text| Sender::verify(&bytes, text).map(drop));
    }

    #[test]
    fn another_key_under_this_fingerprint_is_refused() {
        let text = identity(1).fingerprint().to_string();
        assert!(Recipient::verify(&identity(2).recipient_bytes(), &text).is_err());
        let bytes = identity(1).recipient_bytes();
        for offset in (0..bytes.len()).step_by(7) {
            let mut altered = bytes.clone();
            altered[offset] ^= 1;
            assert!(Recipient::verify(&altered, &text).is_err(), "{offset}");
        }
        let bytes = sender(1).to_bytes();
        for offset in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[offset] ^= 1;
            assert!(Sender::verify(&altered, &sender(1).fingerprint().to_string()).is_err(), "{offset}");
        }
    }

    #[test]
    fn wrong_lengths_and_invalid_keys_are_refused_even_under_their_fingerprint() {
        let text = identity(1).fingerprint().to_string();
        for len in [0, 32, PUBLIC_LEN - 1, PUBLIC_LEN + 1] {
            assert!(Recipient::verify(&vec![0; len], &text).is_err());
        }
        let invalid = [0xFF; PUBLIC_LEN];
        let own = Fingerprint(context(RECIPIENT, &[&invalid])).to_string();
        assert!(Recipient::verify(&invalid, &own).is_err());
        for len in [0, SENDER_LEN - 1, SENDER_LEN + 1] {
            assert!(Sender::verify(&vec![0; len], &text).is_err());
        }
        let weak = sender_fingerprint(VaultId::from_bytes([0; 16]), &[0; 32]).to_string();
        assert!(Sender::verify(&[0; SENDER_LEN], &weak).is_err());
    }

    #[test]
    fn a_fingerprint_shows_the_first_130_bits_in_groups() {
        let mut hash = [0; 32];
        hash[..16].copy_from_slice(&[0xFF; 16]);
        hash[16] = 0b1011_1111;
        assert_eq!(Fingerprint(hash).to_string(), "77777-77777-77777-77777-777776");
        hash[16] = 0b0111_1111;
        assert_eq!(Fingerprint(hash).to_string(), "77777-77777-77777-77777-777775");
    }

    #[test]
    fn recipients_and_senders_have_separate_fingerprints() {
        let bytes = [1; PUBLIC_LEN];
        assert_ne!(context(RECIPIENT, &[&bytes]), context(SENDER, &[&bytes]));
    }

    #[test]
    fn an_identity_comes_back_from_its_file_and_opens_for_its_recipient() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("identity");
        let created = Identity::create(&path).expect("created");
        let loaded = Identity::load(&path).expect("loads");
        assert_eq!(loaded.fingerprint(), created.fingerprint());
        let file = std::fs::read_to_string(&path).expect("readable");
        assert!(file.starts_with("docvault identity 1\n"));
        assert_eq!(Identity::create(&path).expect_err("exists").kind(), ErrorKind::Invalid);
        let recipient = Recipient::verify(&created.recipient_bytes(), &created.fingerprint().to_string())
            .expect("matches");
        let sealed = recipient.public_key().seal(b"info", b"", b"secret", &SystemEntropy).expect("entropy");
        assert_eq!(loaded.secret_key().open(b"info", b"", &sealed).expect("opens").as_slice(), b"secret");
    }

    #[test]
    fn debug_shows_the_fingerprint_and_no_secret() {
        let text = format!("{:?}", identity(0xAB));
        assert!(text.ends_with(", [REDACTED])") && !text.contains("abab") && !text.contains("171"), "{text}");
    }
}
