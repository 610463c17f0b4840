//! Checkpoints: signed tree heads for anyone to check (c2sp.org/tlog-checkpoint; FORMAT §9).

use super::{Hash, note, note::Note, verifier_key::VerifierKey};
use crate::{
    crypto::sign::{SigningKey, VerifyingKey},
    error::{Error, ErrorKind, Result},
    text::{base64, parse_base64, parse_decimal},
    wire::Malformed,
};

/// The size and root of a log, signed by it: the form in which transparency-log tools exchange
/// them.
///
/// Whoever keeps one can later show that the log has changed what it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
}

impl Checkpoint {
    /// Reads and verifies a checkpoint of the log that is named `origin` and signs with the Ed25519
    /// key `key`.
    ///
    /// Other signatures, such as those of witnesses, and extension lines are allowed and not looked
    /// at. `note` has at most 256 KiB.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if `key` is no key; [`ErrorKind::Corrupt`] if `note` is not a
    /// checkpoint of this log signed by this key.
    ///
    /// # Security
    ///
    /// `origin` and `key` must come from the vault's owner, not from the note or its source. A
    /// checkpoint shows what the log said, not that it is the newest.
    pub fn parse(note: &str, origin: &str, key: &[u8; 32]) -> Result<Self> {
        let key =
            VerifyingKey::from_bytes(key).map_err(|_| Error::invalid("the log's key is no Ed25519 key"))?;
        Self::signed(note, origin, key).map_err(|cause| {
            let message = "the note is no checkpoint of this log, is not signed by its key, or was altered";
            Error::new(ErrorKind::Corrupt, message).caused(cause)
        })
    }

    fn signed(note: &str, origin: &str, key: VerifyingKey) -> Result<Self, Malformed> {
        let (note, key) = (Note::parse(note)?, VerifierKey::ed25519(origin, key).ok_or(Malformed)?);
        note.signed_by(&key)?.ok_or(Malformed)?;
        Self::parse_text(note.text())
            .and_then(|head| if head.origin == origin { Ok(head) } else { Err(Malformed) })
    }

    /// A tree head to be signed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if `origin` is more than 128 bytes, or cannot name a key.
    pub(crate) fn new(origin: &str, size: u64, root: Hash) -> Result<Self> {
        if origin.len() > MAX_ORIGIN || !note::is_key_name(origin) {
            return Err(Error::invalid(format!(
                "an origin has 1 to {MAX_ORIGIN} bytes and neither spaces, plus signs nor control characters; \
                 take a name such as example.com/vault"
            )));
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    // tlog-checkpoint, Note text: origin, tree size in decimal, root hash in base64, a line each;
    // Signatures: the log's key name is the origin.
    /// The signed note.
    ///
    /// # Security
    ///
    /// A log must never sign two heads of which neither extends the other.
    pub(crate) fn sign(&self, key: &SigningKey) -> String {
        let text = format!("{}\n{}\n{}\n", self.origin, self.size, base64(&self.root));
        note::sign(&text, &self.origin, key)
    }

    /// The name of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The number of records.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root of the RFC 6962 Merkle tree over them.
    #[must_use]
    pub const fn root(&self) -> &[u8; 32] {
        &self.root
    }

    // tlog-checkpoint, Note text: at least three lines, none empty, those after the third opaque.
    /// The head in a note's text, whatever the log.
    pub(crate) fn parse_text(text: &str) -> Result<Self, Malformed> {
        let lines = text.strip_suffix('\n').ok_or(Malformed)?;
        if lines.split('\n').any(str::is_empty) {
            return Err(Malformed);
        }
        let mut lines = lines.split('\n');
        let mut next = || lines.next().ok_or(Malformed);
        let origin = next()?.to_owned();
        let size = parse_decimal(next()?).ok_or(Malformed)?;
        let root = parse_base64(next()?).and_then(|root| root.try_into().ok()).ok_or(Malformed)?;
        Ok(Self { origin, size, root })
    }
}

/// FORMAT §5.4, Genesis.
const MAX_ORIGIN: usize = 128;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::secret::Secret;

    const ORIGIN: &str = "example.com/vault";

    fn key() -> SigningKey {
        SigningKey::from_seed(Secret::take([1; 32]))
    }

    fn parse(note: &str) -> Result<Checkpoint> {
        Checkpoint::parse(note, ORIGIN, &key().verifying_key().to_bytes())
    }

    #[test]
    fn a_signed_checkpoint_comes_back_for_its_origin_and_key_alone() {
        let checkpoint = Checkpoint::new(ORIGIN, 20_852_163, [7; 32]).expect("an origin");
        let note = checkpoint.sign(&key());
        assert_eq!(parse(&note).expect("verifies"), checkpoint);
        assert_eq!(
            (checkpoint.origin(), checkpoint.size(), checkpoint.root()),
            (ORIGIN, 20_852_163, &[7; 32])
        );
        let own = key().verifying_key().to_bytes();
        let other = SigningKey::from_seed(Secret::take([2; 32])).verifying_key().to_bytes();
        let error = |origin, key| Checkpoint::parse(&note, origin, key).expect_err("another").kind();
        assert_eq!(error(ORIGIN, &other), ErrorKind::Corrupt);
        assert_eq!(error("example.com/other", &own), ErrorKind::Corrupt);
        assert_eq!(error(ORIGIN, &[0; 32]), ErrorKind::Invalid);
    }

    /// The text of the example of c2sp.org/tlog-checkpoint.
    #[test]
    fn the_published_example_parses() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let checkpoint = Checkpoint::parse_text(text).expect("parses");
        assert_eq!(checkpoint.size, 20_852_163);
        let note = checkpoint.sign(&key());
        assert_eq!(note.rsplit_once("\n\n").map(|(head, _)| format!("{head}\n")).as_deref(), Some(text));
    }

    /// The note that the crates `signed_note` 0.2.0 and `tlog_tiles` 0.2.0 make of the same head,
    /// name and seed.
    #[test]
    fn other_implementations_make_and_verify_the_same_note() {
        let note = "example.com/vault\n20852163\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n\n\
            \u{2014} example.com/vault \
            eg78rGflTOTZw57ccuZtZQBTE6cwfJFM231WkWJN6F7E+JXPuZr6QgGzFDTqm31xQ9xSn6fqAk5Hy0CJCDSwGdrpzwM=\n";
        let checkpoint = Checkpoint::new(ORIGIN, 20_852_163, [7; 32]).expect("an origin");
        assert_eq!(checkpoint.sign(&key()), note);
        assert_eq!(parse(note).expect("verifies"), checkpoint);
    }

    #[test]
    fn a_signature_over_another_text_is_no_checkpoint() {
        let root = base64(&[7; 32]);
        let signed = |text: &str| parse(&note::sign(text, ORIGIN, &key()));
        assert!(signed(&format!("{ORIGIN}\n5\n{root}\n")).is_ok());
        assert!(signed(&format!("{ORIGIN}\n0\n{root}\n")).is_ok());
        assert!(signed(&format!("{ORIGIN}\n5\n{root}\nextension\nanother one\n")).is_ok());
        let (short, long) = (base64(&[7; 31]), base64(&[7; 33]));
        for text in [
            format!("{ORIGIN}\n05\n{root}\n"),
            format!("{ORIGIN}\n+5\n{root}\n"),
            format!("{ORIGIN}\n18446744073709551616\n{root}\n"),
            format!("{ORIGIN}\n5\n{root} \n"),
            format!("{ORIGIN}\n5\n{short}\n"),
            format!("{ORIGIN}\n5\n{long}\n"),
            format!("{ORIGIN}\n5\n"),
            format!("{ORIGIN}\n5\n{root}\n\n"),
            format!("{ORIGIN}\n5\n{root}\n\nextension\n"),
            format!("\n{ORIGIN}\n5\n{root}\n"),
            format!("example.com/other\n5\n{root}\n"),
            "\n".to_owned(),
        ] {
            assert!(signed(&text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_origin_that_cannot_name_a_key_is_refused() {
        for origin in ["", "a b", "a+b", "a\n5", &"a".repeat(129)] {
            let error = Checkpoint::new(origin, 1, [0; 32]).expect_err("no origin");
            assert_eq!(error.kind(), ErrorKind::Invalid, "{origin:?}");
        }
        assert!(Checkpoint::new(&"a".repeat(128), 1, [0; 32]).is_ok());
    }

    proptest! {
        #[test]
        fn p05_every_head_comes_back_and_every_text_is_answered(size: u64, root: [u8; 32], text: String) {
            let checkpoint = Checkpoint::new(ORIGIN, size, root).expect("an origin");
            prop_assert_eq!(parse(&checkpoint.sign(&key())).expect("verifies"), checkpoint);
            prop_assert!(parse(&text).is_err());
        }
    }
}
