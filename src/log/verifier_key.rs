//! Verifier keys: the public keys of logs and witnesses, with their names, as text
//! (c2sp.org/signed-note, Verifier keys).

use core::{fmt, str::FromStr};

use super::{cosignature, note, note::Signed};
use crate::{
    crypto::{digest::sha256, sign::VerifyingKey},
    error::{Error, Result},
    ids::{Hex, parse_hex},
    text::{base64, parse_base64},
    wire::Malformed,
};

/// The public key of a log or a witness, under the name by which its signatures are found.
///
/// As text, `<name>+<key id, 8 hexadecimal digits>+<base64 of type and key>`: a *vkey* of
/// c2sp.org/signed-note. Of its types, Ed25519 (0x01, logs) and Ed25519 cosignatures (0x04,
/// witnesses) are verified. Cosignatures with ML-DSA-44 (0x06) parse, but count as if they were
/// not there.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: PublicKey,
}

/// By signature type.
#[derive(Clone, PartialEq, Eq)]
enum PublicKey {
    Ed25519(VerifyingKey),
    Cosignature(VerifyingKey),
    MlDsa44(Vec<u8>),
}

/// The first four bytes of a hash of name, type and key: a hint, no proof.
pub(crate) type KeyId = [u8; 4];

impl VerifierKey {
    /// The key of a log, or `None` if keys cannot have this name.
    pub(crate) fn ed25519(name: &str, key: VerifyingKey) -> Option<Self> {
        Self::named(name, PublicKey::Ed25519(key))
    }

    /// The key of a witness, or `None` if keys cannot have this name.
    pub(crate) fn cosignature(name: &str, key: VerifyingKey) -> Option<Self> {
        Self::named(name, PublicKey::Cosignature(key))
    }

    fn named(name: &str, key: PublicKey) -> Option<Self> {
        note::is_key_name(name).then(|| Self { name: name.to_owned(), key })
    }

    /// The name of whoever holds the key: a log's origin, or a witness's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key id that stands in signatures.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        key_id(&self.name, self.key.signature_type(), &self.key.bytes())
    }

    /// Whether this key may sign checkpoints as their log.
    pub(crate) const fn is_for_logs(&self) -> bool {
        matches!(self.key, PublicKey::Ed25519(_) | PublicKey::MlDsa44(_))
    }

    /// Whether this key may cosign checkpoints.
    pub(crate) const fn is_for_witnesses(&self) -> bool {
        matches!(self.key, PublicKey::Cosignature(_) | PublicKey::MlDsa44(_))
    }

    /// Whether both wrap the same public key, whatever their names and types.
    pub(crate) fn same_key(&self, other: &Self) -> bool {
        self.key.bytes() == other.key.bytes()
    }

    /// What a signature under this key says; `None` for a type that is not verified here.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it does not verify.
    pub(crate) fn verify(&self, text: &str, signature: &[u8]) -> Result<Option<Signed>, Malformed> {
        match &self.key {
            PublicKey::Ed25519(key) => {
                let signature = signature.try_into().map_err(|_| Malformed)?;
                key.verify_bare(text.as_bytes(), signature).map_err(|_| Malformed)?;
                Ok(Some(Signed::Plain))
            }
            PublicKey::Cosignature(key) => {
                cosignature::verify(text, key, signature).map(Signed::At).map(Some)
            }
            PublicKey::MlDsa44(_) => Ok(None),
        }
    }
}

impl PublicKey {
    const fn signature_type(&self) -> u8 {
        match self {
            Self::Ed25519(_) => ED25519,
            Self::Cosignature(_) => COSIGNATURE,
            Self::MlDsa44(_) => ML_DSA_44,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) | Self::Cosignature(key) => key.to_bytes().to_vec(),
            Self::MlDsa44(bytes) => bytes.clone(),
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (signature_type, key) = bytes.split_first()?;
        let ed25519 = || VerifyingKey::from_bytes(key.try_into().ok()?).ok();
        match *signature_type {
            ED25519 => ed25519().map(Self::Ed25519),
            COSIGNATURE => ed25519().map(Self::Cosignature),
            ML_DSA_44 => (key.len() == ML_DSA_44_LEN).then(|| Self::MlDsa44(key.to_vec())),
            _ => None,
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = base64(&[&[self.key.signature_type()][..], &self.key.bytes()].concat());
        write!(f, "{}+{}+{key}", self.name, Hex(&self.id()))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl FromStr for VerifierKey {
    type Err = Error;

    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) unless it is the one text of a key of a type
    /// above.
    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| {
            Error::invalid(
                "not a verifier key: expected name+hexadecimal key id+base64 of an Ed25519 (0x01), Ed25519 \
                 cosignature (0x04) or ML-DSA-44 cosignature (0x06) key",
            )
        })
    }
}

fn parse(text: &str) -> Option<VerifierKey> {
    let (name, rest) = text.split_once('+')?;
    let (id, key) = rest.split_once('+')?;
    let key = VerifierKey::named(name, PublicKey::parse(&parse_base64(key)?)?)?;
    (parse_hex(id) == Ok(key.id())).then_some(key)
}

// signed-note, Signatures: key ID = SHA-256(key name || 0x0A || signature type || public key)[:4]
pub(crate) fn key_id(name: &str, signature_type: u8, key: &[u8]) -> KeyId {
    let [a, b, c, d, ..] = sha256(&[name.as_bytes(), b"\n", &[signature_type], key]);
    [a, b, c, d]
}

/// Signature types (signed-note, Signature types).
pub(crate) const ED25519: u8 = 0x01;
pub(crate) const COSIGNATURE: u8 = 0x04;
const ML_DSA_44: u8 = 0x06;
/// FIPS 204, table 2.
const ML_DSA_44_LEN: usize = 1312;

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{crypto::sign::SigningKey, error::ErrorKind, secret::Secret};

    /// The example of c2sp.org/signed-note.
    const EXAMPLE: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    /// The text of a key, whose type is its first byte.
    pub(in crate::log) fn vkey(name: &str, bytes: &[u8]) -> String {
        let (signature_type, key) = bytes.split_first().expect("a type");
        format!("{name}+{}+{}", Hex(&key_id(name, *signature_type, key)), base64(bytes))
    }

    #[test]
    fn the_published_example_parses_and_prints() {
        let key: VerifierKey = EXAMPLE.parse().expect("a key");
        assert_eq!((key.name(), key.id()), ("example.com/foo", [0x53, 0x0d, 0x90, 0x3a]));
        assert_eq!(key.to_string(), EXAMPLE);
        assert!(key.is_for_logs() && !key.is_for_witnesses());
    }

    #[test]
    fn only_the_one_text_of_a_key_parses() {
        for offset in 0..EXAMPLE.len() {
            for bit in 0..7 {
                let mut altered = EXAMPLE.as_bytes().to_vec();
                altered[offset] ^= 1 << bit;
                let text = String::from_utf8(altered).expect("ASCII");
                assert_eq!(text.parse::<VerifierKey>().expect_err("altered").kind(), ErrorKind::Invalid);
            }
        }
        let weak = [&[ED25519, 1][..], &[0; 31]].concat();
        let key = SigningKey::from_seed(Secret::take([1; 32])).verifying_key().to_bytes();
        for bytes in
            [&[ED25519][..], &weak, &[&[2][..], &key].concat(), &[&[ED25519][..], &key, &[0]].concat()]
        {
            assert!(vkey("a", bytes).parse::<VerifierKey>().is_err());
        }
        for text in ["", "+", "++", "a++", &EXAMPLE[..20], &format!("{EXAMPLE}\n"), &format!("{EXAMPLE}+")] {
            assert!(text.parse::<VerifierKey>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn one_key_has_another_id_for_each_name_and_type() {
        let key = SigningKey::from_seed(Secret::take([1; 32])).verifying_key();
        let log = VerifierKey::ed25519("a", key).expect("a name");
        let witness = VerifierKey::cosignature("a", key).expect("a name");
        assert!(log.same_key(&witness) && log.id() != witness.id() && log != witness);
        assert_ne!(log.id(), VerifierKey::ed25519("b", key).expect("a name").id());
        assert_eq!(witness.to_string().parse::<VerifierKey>().expect("parses"), witness);
        assert!(VerifierKey::ed25519("a b", key).is_none());
    }

    #[test]
    fn ml_dsa_keys_are_known_and_their_signatures_are_never_accepted() {
        let text = vkey("a", &[&[ML_DSA_44][..], &[7; ML_DSA_44_LEN]].concat());
        let key: VerifierKey = text.parse().expect("a key");
        assert_eq!(key.to_string(), text);
        assert_eq!(key.verify("text\n", &[0; 8 + 2420]), Ok(None));
        assert!(vkey("a", &[&[ML_DSA_44][..], &[7; 32]].concat()).parse::<VerifierKey>().is_err());
    }
}
