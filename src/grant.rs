//! Grants: who may open what, on what terms (FORMAT §7.2, §7.5). Pure.

use crate::{
    crypto::{hpke, schedule},
    env::Timestamp,
    error::{Error, Result},
    head::HeadId,
    log::body::PURPOSE_CAP,
    secret::{Secret, SecretBytes},
    wire::{Malformed, Reader, Writer},
};

/// On what terms a grant opens its scope.
///
/// # Security
///
/// Times and revocation are enforced by the vault when it delivers; the purpose is on record, and told to the
/// recipient. What a recipient was delivered it can open for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Terms {
    pub(crate) mode: Mode,
    pub(crate) purpose: String,
    pub(crate) not_before: Timestamp,
    pub(crate) until: Timestamp,
}

/// Which versions a grant reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Mode {
    /// What was stored when the grant was made.
    Snapshot,
    /// Later versions, and in a case later documents, too, until revoked.
    Following,
}

impl Mode {
    const fn code(self) -> u8 {
        match self {
            Self::Snapshot => 1,
            Self::Following => 2,
        }
    }

    const fn from_code(code: u8) -> Result<Self, Malformed> {
        match code {
            1 => Ok(Self::Snapshot),
            2 => Ok(Self::Following),
            _ => Err(Malformed),
        }
    }
}

impl Terms {
    /// Reading, of what is stored now, from now on, without end; [`Terms::purpose`] must be added.
    #[must_use]
    pub const fn read() -> Self {
        Self {
            mode: Mode::Snapshot,
            purpose: String::new(),
            not_before: Timestamp::from_millis(0),
            until: Timestamp::MAX,
        }
    }

    /// What for; 1 to 1,024 bytes.
    #[must_use]
    pub fn purpose(mut self, purpose: impl Into<String>) -> Self {
        self.purpose = purpose.into();
        self
    }

    /// Nothing is delivered before this instant.
    #[must_use]
    pub fn not_before(mut self, instant: impl Into<Timestamp>) -> Self {
        self.not_before = instant.into();
        self
    }

    /// Nothing is delivered from this instant on.
    #[must_use]
    pub fn until(mut self, instant: impl Into<Timestamp>) -> Self {
        self.until = instant.into();
        self
    }

    /// Later documents and versions too, until revoked.
    #[must_use]
    pub const fn following(mut self) -> Self {
        self.mode = Mode::Following;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        crate::document::within("the grant's purpose", &self.purpose, PURPOSE_CAP)?;
        if self.purpose.is_empty() {
            return Err(Error::invalid("a grant needs a purpose: add `.purpose(…)` to its terms"));
        }
        if self.not_before >= self.until {
            return Err(Error::invalid("the grant would end before it begins"));
        }
        Ok(())
    }
}

/// Terms as sealed: with the log's size when they were set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedTerms {
    pub(crate) terms: Terms,
    pub(crate) floor: u64,
}

impl SealedTerms {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.write(&mut w);
        w.into_vec()
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        let Terms { mode, purpose, not_before, until } = &self.terms;
        w.u8(RIGHT_READ).u8(mode.code()).text(purpose);
        w.u64(not_before.as_millis()).u64(until.as_millis()).u64(self.floor);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.expect(&[RIGHT_READ])?;
        let terms = Terms {
            mode: Mode::from_code(r.u8()?)?,
            purpose: r.text(PURPOSE_CAP)?.to_owned(),
            not_before: Timestamp::from_millis(r.u64()?),
            until: Timestamp::from_millis(r.u64()?),
        };
        Ok(Self { terms, floor: r.u64()? })
    }

    /// What the grant key's sealing is bound to (FORMAT §7.5).
    pub(crate) fn info(&self, head: &HeadId, recipient: &[u8; 32]) -> [u8; 32] {
        let fields: [&[u8]; 7] = [
            head.vault.as_bytes(),
            head.case.as_bytes(),
            &head.object,
            head.operation.as_bytes(),
            &[0; 16],
            recipient,
            &self.encode(),
        ];
        schedule::context(schedule::GRANT, &fields)
    }

    /// The details of a Granted record (FORMAT §5.4).
    pub(crate) fn details(&self) -> Vec<u8> {
        let Terms { mode, not_before, until, .. } = &self.terms;
        let mut w = Writer::new();
        w.u8(RIGHT_READ).u8(mode.code()).u64(not_before.as_millis()).u64(until.as_millis());
        w.into_vec()
    }
}

/// The sealed metadata of a grant.
#[derive(Debug)]
pub(crate) struct GrantMeta {
    pub(crate) blind: [u8; 32],
    pub(crate) recipient: Box<[u8; hpke::PUBLIC_LEN]>,
    pub(crate) terms: SealedTerms,
    pub(crate) key: Secret<32>,
    /// The grant key, sealed to the recipient.
    pub(crate) sealed_key: Vec<u8>,
}

impl GrantMeta {
    pub(crate) fn encode(&self) -> SecretBytes {
        let mut w = Writer::with_capacity(4096);
        w.fixed(&self.blind).fixed(&*self.recipient);
        self.terms.write(&mut w);
        w.fixed(self.key.expose()).fixed(&self.sealed_key);
        w.into_secret()
    }

    /// Parses the metadata of a grant.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let meta = Self {
            blind: r.array()?,
            recipient: Box::new(r.array()?),
            terms: SealedTerms::read(&mut r)?,
            key: r.secret()?,
            sealed_key: r.take(SEALED_KEY_LEN)?.to_vec(),
        };
        r.finish()?;
        Ok(meta)
    }
}

/// Length of a key sealed to a recipient.
pub(crate) const SEALED_KEY_LEN: usize = 1168;
const RIGHT_READ: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grant_metadata_comes_back() {
        let meta = GrantMeta {
            blind: [1; 32],
            recipient: Box::new([2; hpke::PUBLIC_LEN]),
            terms: SealedTerms { terms: Terms::read().purpose("x").following(), floor: 9 },
            key: Secret::take([3; 32]),
            sealed_key: vec![4; SEALED_KEY_LEN],
        };
        let back = GrantMeta::parse(&meta.encode()).expect("what was encoded parses");
        assert_eq!(
            (back.blind, &back.terms, back.key.expose()),
            (meta.blind, &meta.terms, meta.key.expose())
        );
        assert_eq!(*back.encode(), *meta.encode());
    }

    /// FORMAT §5.4: right u8, mode u8, not before u64, until u64.
    #[test]
    fn a_record_tells_a_grants_right_mode_and_span() {
        let (from, until) = (Timestamp::from_millis(0x0102), Timestamp::from_millis(0x0304));
        let terms = Terms::read().purpose("x").following().not_before(from).until(until);
        let details = SealedTerms { terms: terms.clone(), floor: 9 }.details();
        assert_eq!(details, [1, terms.mode.code(), 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 4]);
        let snapshot = SealedTerms { terms: Terms::read().purpose("x"), floor: 9 }.details();
        assert_ne!(snapshot[1], details[1]);
    }

    #[test]
    fn terms_without_purpose_or_span_are_refused() {
        assert!(Terms::read().check().is_err());
        let terms = Terms::read().purpose("x");
        assert!(terms.check().is_ok());
        assert!(terms.clone().not_before(Timestamp::MAX).check().is_err());
        assert!(terms.purpose("x".repeat(1025)).check().is_err());
    }
}
