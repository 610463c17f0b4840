//! One record's outer layer, for somebody who has no key (FORMAT §9.3).

use core::fmt;

use crate::{
    FORMAT, SUITE,
    crypto::chunked::OpenError,
    error::{Error, Result},
    ids::VaultId,
    log::{
        body,
        commit::{BODY_CAP, Hashed, body_commitment},
        leaf::{BodyForm, LEAF_LEN, Leaf, leaf_hash},
        record::AuditRecord,
    },
    secret::Secret,
    text::{base64, parse_base64},
    wire::{Malformed, Reader, Writer},
};

/// One record with the key to its outer layer: when, what, by whom and what for. It opens no name, no
/// document, no other record, and nothing that is personal.
///
/// Whoever gets its text can [`Disclosure::open`] it with no vault and no key.
///
/// # Security
///
/// The text is a secret of the vault: it shows the actor, the purpose and the request to whoever has it.
/// That a disclosure opens says that its parts belong together, not that the record stands in a log:
/// anyone can make up a record and a key. Hold [`Disclosed::leaf_hash`] against a receipt, a proof of
/// inclusion or a commit of the log.
pub struct Disclosure {
    vault: VaultId,
    leaf: Leaf,
    key: Secret<32>,
    body: Vec<u8>,
}

/// What a disclosure shows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disclosed {
    /// The vault.
    pub vault: VaultId,
    /// The record's leaf hash (RFC 6962 §2.1), which the log's tree is over.
    pub leaf_hash: [u8; 32],
    /// The record.
    pub record: AuditRecord,
    /// What else it says, by its kind (FORMAT §5.4, "details").
    pub details: Vec<u8>,
}

impl fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disclosure").field("seq", &self.leaf.seq).finish_non_exhaustive()
    }
}

impl Disclosure {
    /// Discloses one sealed record.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the audit key does not open it.
    pub(crate) fn new(
        vault: VaultId,
        audit: &Secret<32>,
        record: &Hashed,
        body: &[u8],
    ) -> Result<Self, OpenError> {
        let key = body::outer_key(audit, body)?;
        body::open_with(vault, &record.leaf, &key, body)?;
        Ok(Self { vault, leaf: record.leaf.clone(), key, body: body.to_vec() })
    }

    /// The record's number.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.leaf.seq
    }

    /// The disclosure as one line of text, without a newline.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{FAMILY} {}", base64(&self.encode()))
    }

    /// The disclosure of this text.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if it is none, or altered outside its seal.
    pub fn parse(text: &str) -> Result<Self> {
        let bytes = text.strip_prefix(FAMILY).and_then(|rest| rest.strip_prefix(' '));
        let bytes = bytes.filter(|text| text.len() <= TEXT_CAP).and_then(parse_base64);
        bytes.and_then(|bytes| Self::decode(&bytes).ok()).ok_or_else(|| {
            Error::invalid(format!(
                "this is no disclosure: it must be the one line that begins with {FAMILY}, whole and without a newline"
            ))
        })
    }

    /// Opens the record's outer layer.
    ///
    /// # Errors
    ///
    /// Corrupt if the body is not the one that the record commits to, or the key is not its key.
    pub fn open(&self) -> Result<Disclosed> {
        let corrupt = || Error::corrupt(format!("the disclosed body of record {}", self.leaf.seq));
        if body_commitment(&self.body) != self.leaf.body {
            return Err(corrupt());
        }
        let opened = body::open_with(self.vault, &self.leaf, &self.key, &self.body);
        let (mut outer, _) = opened.map_err(|OpenError| corrupt())?;
        let details = core::mem::take(&mut outer.details);
        let leaf_hash = leaf_hash(&self.leaf.encode());
        Ok(Disclosed { vault: self.vault, leaf_hash, record: AuditRecord::new(&self.leaf, outer), details })
    }

    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(PREFIX_LEN + self.body.len());
        w.fixed(b"dvds").u8(FORMAT).u8(SUITE).u16(0).fixed(self.vault.as_bytes());
        w.fixed(&self.leaf.encode()).fixed(self.key.expose()).bytes(&self.body);
        w.into_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        r.expect(b"dvds")?;
        r.expect(&[FORMAT, SUITE, 0, 0])?;
        let vault = VaultId::read(&mut r)?;
        let leaf = Leaf::parse(r.take(LEAF_LEN)?)?;
        let (key, body) = (Secret::take(r.array()?), r.bytes(BODY_CAP)?.to_vec());
        r.finish()?;
        // The first record is not sealed, so there is nothing to disclose.
        if leaf.form == BodyForm::Plain { Err(Malformed) } else { Ok(Self { vault, leaf, key, body }) }
    }
}

const FAMILY: &str = "docvault-disclosure-1";
const PREFIX_LEN: usize = 8 + 16 + LEAF_LEN + 32 + 4;
/// Base 64 of the longest disclosure.
const TEXT_CAP: usize = (PREFIX_LEN + BODY_CAP).div_ceil(3) * 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        env::SystemEntropy,
        error::ErrorKind,
        log::{
            body::{Outer, Personal},
            leaf::tests::sample,
        },
    };

    const VAULT: VaultId = VaultId::from_bytes([1; 16]);

    fn disclosed(form: BodyForm) -> (Disclosure, Hashed) {
        let mut leaf = sample(7, [3; 32]);
        if form == BodyForm::Outer {
            let auxiliary = crate::log::leaf::padded(&[3; 16]);
            leaf = Leaf { form, kind: crate::Kind::Read, auxiliary, effect: [0; 32], ..leaf };
        }
        let outer =
            Outer { actor: "user:1".into(), purpose: "review".into(), request: None, details: vec![4, 5] };
        let (audit, case) = (Secret::take([2; 32]), Secret::take([9; 32]));
        let personal =
            (form == BodyForm::Layered).then_some(Personal { case_key: &case, bytes: b"personal" });
        let body = body::seal(VAULT, &leaf, &audit, &outer, personal, &SystemEntropy).expect("entropy");
        leaf.body = body_commitment(&body);
        let record = Hashed::new(leaf);
        (Disclosure::new(VAULT, &audit, &record, &body).expect("the audit key opens it"), record)
    }

    #[test]
    fn a_disclosure_opens_by_its_text_alone() {
        for form in [BodyForm::Outer, BodyForm::Layered] {
            let (disclosure, record) = disclosed(form);
            let text = disclosure.to_text();
            assert!(text.starts_with("docvault-disclosure-1 ") && !text.contains('\n'));
            let opened = Disclosure::parse(&text).expect("its text parses").open().expect("opens");
            assert_eq!((opened.vault, opened.leaf_hash), (VAULT, record.hash));
            assert_eq!((opened.record.seq, opened.record.actor.as_str()), (7, "user:1"));
            assert_eq!((opened.record.purpose.as_str(), opened.details), ("review", vec![4, 5]));
            assert_eq!(Disclosure::parse(&text).expect("parses").to_text(), text);
        }
    }

    #[test]
    fn its_key_opens_no_other_record() {
        let ((one, _), (other, _)) = (disclosed(BodyForm::Outer), disclosed(BodyForm::Outer));
        let crossed = Disclosure { key: other.key, ..one };
        assert_eq!(crossed.open().expect_err("another record's key").kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn every_altered_byte_of_a_disclosure_is_refused() {
        let (disclosure, record) = disclosed(BodyForm::Layered);
        let bytes = disclosure.encode();
        for offset in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[offset] ^= 1;
            let opened = Disclosure::decode(&altered).ok().and_then(|altered| altered.open().ok());
            // What the seal does not bind, the leaf hash does: it is no longer the record's.
            assert!(opened.is_none_or(|opened| opened.leaf_hash != record.hash), "offset {offset}");
        }
        for len in 0..bytes.len() {
            assert!(Disclosure::decode(bytes.get(..len).expect("shorter")).is_err());
        }
    }

    #[test]
    fn its_text_is_canonical() {
        let text = disclosed(BodyForm::Outer).0.to_text();
        let longer = format!("{text}\n");
        let doubled = text.replacen(' ', "  ", 1);
        let other = text.replacen("-1 ", "-2 ", 1);
        for text in [longer.as_str(), &doubled, &other, "", "docvault-disclosure-1 ", &text[1..]] {
            assert_eq!(Disclosure::parse(text).expect_err("not canonical").kind(), ErrorKind::Invalid);
        }
    }

    #[test]
    fn p21_debug_shows_no_key() {
        let (disclosure, _) = disclosed(BodyForm::Outer);
        assert_eq!(format!("{disclosure:?}"), "Disclosure { seq: 7, .. }");
    }
}
