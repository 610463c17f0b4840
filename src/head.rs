//! Heads: the sealed metadata of a case, a version or a grant, and the key it is under (FORMAT §7.1).

use bytes::Bytes;

use crate::{
    FORMAT, SUITE,
    crypto::{
        chunked::{self, OpenError},
        digest::sha256,
        schedule,
        wrap::{self, WRAPPED_LEN},
    },
    env::{Entropy, EntropyError, random},
    error::{Error, Result},
    ids::{CaseId, OperationId, VaultId},
    log::Hash,
    padding,
    secret::{Secret, SecretBytes},
    wire::{Malformed, Reader, Writer},
};

/// What a head describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadType {
    Case,
    Version,
    Grant,
}

impl HeadType {
    const fn code(self) -> u8 {
        match self {
            Self::Case => 1,
            Self::Version => 2,
            Self::Grant => 3,
        }
    }
}

/// Which head it is: everything its seals are bound to but the key id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeadId {
    pub(crate) vault: VaultId,
    pub(crate) case: CaseId,
    pub(crate) object: [u8; 16],
    pub(crate) operation: OperationId,
    pub(crate) of: HeadType,
}

impl HeadId {
    fn context(&self, label: &str, key_id: &[u8; 16]) -> [u8; 32] {
        self.bind(label, key_id, &[])
    }

    /// A context of this head and `more`.
    pub(crate) fn bind(&self, label: &str, key_id: &[u8; 16], more: &[&[u8]]) -> [u8; 32] {
        let of = [self.of.code()];
        let mut fields: Vec<&[u8]> = vec![
            self.vault.as_bytes(),
            self.case.as_bytes(),
            &self.object,
            self.operation.as_bytes(),
            &of,
            key_id,
        ];
        fields.extend_from_slice(more);
        schedule::context(label, &fields)
    }
}

/// A head's own key: content and metadata are under it, and it is wrapped by the case key.
#[derive(Debug)]
pub(crate) struct HeadKey {
    pub(crate) id: [u8; 16],
    pub(crate) key: Secret<32>,
}

impl HeadKey {
    /// A fresh key.
    ///
    /// # Errors
    ///
    /// [`EntropyError`].
    pub(crate) fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut key = Secret::zeroed();
        entropy.fill(key.expose_mut())?;
        Ok(Self { id: random(entropy)?, key })
    }

    pub(crate) fn wrap(
        &self,
        head: &HeadId,
        case_key: &Secret<32>,
        entropy: &dyn Entropy,
    ) -> Result<[u8; WRAPPED_LEN], EntropyError> {
        wrap::wrap(case_key, &head.context(schedule::HEAD_KEY, &self.id), &self.key, entropy)
    }

    pub(crate) fn unwrap(
        head: &HeadId,
        id: [u8; 16],
        case_key: &Secret<32>,
        wrapped: &[u8],
    ) -> Result<Self, OpenError> {
        let key = wrap::unwrap(case_key, &head.context(schedule::HEAD_KEY, &id), wrapped)?;
        Ok(Self { id, key })
    }

    /// Opens metadata sealed under this key.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub(crate) fn open_meta(&self, head: &HeadId, sealed: &[u8]) -> Result<SecretBytes, OpenError> {
        let padded = chunked::open(&self.key, &head.context(schedule::HEAD_META, &self.id), sealed)?;
        let meta = padding::unpad(&padded).map_err(|Malformed| OpenError)?;
        Ok(SecretBytes::new(meta.to_vec()))
    }

    /// What every part of this version's content is bound to (FORMAT §7.4).
    pub(crate) fn content_context(&self, head: &HeadId) -> [u8; 32] {
        schedule::context(
            schedule::CONTENT,
            &[
                &[FORMAT],
                &[SUITE],
                head.vault.as_bytes(),
                head.case.as_bytes(),
                &head.object,
                head.operation.as_bytes(),
                &self.id,
                &[PADME],
            ],
        )
    }
}

/// A head about to be stored.
#[derive(Debug)]
pub(crate) struct SealedHead {
    pub(crate) bytes: Bytes,
    /// SHA-256 up to the end of the metadata, which the effect commitment is over.
    pub(crate) digest: Hash,
}

/// Seals a head.
///
/// # Errors
///
/// Invalid if its metadata is longer than [`ParsedHead::parse`] takes; or no randomness.
pub(crate) fn seal(
    head: &HeadId,
    key: &HeadKey,
    case_key: &Secret<32>,
    meta: &[u8],
    inline: &[&[u8]],
    entropy: &dyn Entropy,
) -> Result<SealedHead> {
    let sealed_meta =
        chunked::seal(&key.key, &head.context(schedule::HEAD_META, &key.id), &padding::pad(meta), entropy)?;
    if sealed_meta.len() > META_CAP {
        let len = sealed_meta.len();
        return Err(Error::invalid(format!(
            "the metadata has {len} bytes, sealed; at most {META_CAP} are kept: begin the upload anew if it \
             was resumed very often"
        )));
    }
    let inline_len: usize = inline.iter().map(|piece| piece.len()).sum();
    let mut w = Writer::with_capacity(PREFIX_LEN + sealed_meta.len() + inline_len);
    w.fixed(b"dvhd").u8(FORMAT).u8(SUITE).u8(head.of.code()).u8(0).fixed(&key.id);
    w.fixed(&key.wrap(head, case_key, entropy)?).bytes(&sealed_meta);
    let digest = sha256(&[w.as_slice()]);
    for piece in inline {
        w.fixed(piece);
    }
    Ok(SealedHead { bytes: w.into_vec().into(), digest })
}

/// A head as read, still sealed.
#[derive(Debug, Clone)]
pub(crate) struct ParsedHead {
    pub(crate) id: HeadId,
    pub(crate) key_id: [u8; 16],
    wrapped: [u8; WRAPPED_LEN],
    pub(crate) meta: Bytes,
    pub(crate) inline: Bytes,
    pub(crate) digest: Hash,
    /// What it was parsed from.
    pub(crate) stored: Bytes,
}

/// A start of a head is too short to hold its metadata: this many bytes are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short(pub(crate) u64);

impl ParsedHead {
    /// Parses a head, or the start of one: all of its metadata must be there, inline content need not.
    ///
    /// # Errors
    ///
    /// [`Malformed`], or how much more of the head is needed.
    pub(crate) fn parse(id: HeadId, bytes: &Bytes) -> Result<Result<Self, Short>, Malformed> {
        let mut r = Reader::new(bytes);
        r.expect(b"dvhd")?;
        r.expect(&[FORMAT, SUITE, id.of.code(), 0])?;
        let (key_id, wrapped) = (r.array()?, r.array()?);
        let meta_len = r.count(META_CAP)?;
        let Ok(meta) = r.take(meta_len) else {
            return Ok(Err(Short(u64::try_from(PREFIX_LEN + meta_len).map_err(|_| Malformed)?)));
        };
        let digest = sha256(&[bytes.get(..PREFIX_LEN).ok_or(Malformed)?, meta]);
        let (meta, inline) = (bytes.slice_ref(meta), bytes.slice_ref(r.rest()));
        let cap = if id.of == HeadType::Version { INLINE_SEALED_CAP } else { 0 };
        if inline.len() > cap {
            return Err(Malformed);
        }
        Ok(Ok(Self { id, key_id, wrapped, meta, inline, digest, stored: bytes.clone() }))
    }

    /// The bytes that [`ParsedHead::parse`] takes.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.fixed(b"dvhd").u8(FORMAT).u8(SUITE).u8(self.id.of.code()).u8(0).fixed(&self.key_id);
        w.fixed(&self.wrapped).bytes(&self.meta).fixed(&self.inline);
        w.into_vec()
    }

    /// Opens the head with its case's key.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub(crate) fn open(&self, case_key: &Secret<32>) -> Result<(HeadKey, SecretBytes), OpenError> {
        let key = HeadKey::unwrap(&self.id, self.key_id, case_key, &self.wrapped)?;
        let meta = key.open_meta(&self.id, &self.meta)?;
        Ok((key, meta))
    }
}

/// Length of a head up to its inline content.
pub(crate) const fn inline_start(sealed_meta: usize) -> usize {
    PREFIX_LEN + sealed_meta
}

/// What a record says of a head (FORMAT §7.3).
pub(crate) fn effect(blind: &[u8; 32], head_digest: &Hash, content_digest: &[u8; 32]) -> Hash {
    schedule::context(schedule::EFFECT, &[blind, head_digest, content_digest])
}

/// Bytes before the metadata.
const PREFIX_LEN: usize = 8 + 16 + WRAPPED_LEN + 4;
const META_CAP: usize = 1024 * 1024 - PREFIX_LEN;
/// Content kept in its head, padded, at most.
pub(crate) const INLINE_CAP: u64 = 256 * 1024;
const INLINE_SEALED_CAP: usize = 16 + 256 * 1024 + 17 * 16 + 56;
/// Content is padded to its Padmé length.
const PADME: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{env::SystemEntropy, error::ErrorKind};

    fn head() -> HeadId {
        HeadId {
            vault: VaultId::from_bytes([1; 16]),
            case: CaseId::from_bytes([2; 16]),
            object: [3; 16],
            operation: OperationId::from_bytes([4; 16]),
            of: HeadType::Version,
        }
    }

    #[test]
    fn p04_a_head_opens_for_its_ids_and_case_key_alone() {
        let (key, case_key) = (HeadKey::generate(&SystemEntropy).expect("entropy"), Secret::take([5; 32]));
        let sealed =
            seal(&head(), &key, &case_key, b"meta", &[b"inl", b"ine"], &SystemEntropy).expect("entropy");
        let parsed = ParsedHead::parse(head(), &sealed.bytes).expect("parses").expect("whole");
        assert_eq!(parsed.open(&case_key).expect("opens").1.as_slice(), b"meta");
        assert_eq!((parsed.inline.as_ref(), parsed.digest), (&b"inline"[..], sealed.digest));
        assert!(parsed.open(&Secret::take([6; 32])).is_err());
        let others = [
            HeadId { vault: VaultId::from_bytes([9; 16]), ..head() },
            HeadId { case: CaseId::from_bytes([9; 16]), ..head() },
            HeadId { object: [9; 16], ..head() },
            HeadId { operation: OperationId::from_bytes([9; 16]), ..head() },
        ];
        for other in others {
            let parsed = ParsedHead::parse(other, &sealed.bytes).expect("parses").expect("whole");
            assert!(parsed.open(&case_key).is_err());
        }
        assert!(ParsedHead::parse(HeadId { of: HeadType::Grant, ..head() }, &sealed.bytes).is_err());
        let other_role = HeadId { of: HeadType::Grant, ..head() };
        assert!(ParsedHead { id: other_role, ..parsed.clone() }.open(&case_key).is_err());
        assert!(ParsedHead { key_id: [9; 16], ..parsed }.open(&case_key).is_err());
        // Content has its role and the same ids.
        let content = key.content_context(&head());
        for other in others {
            assert_ne!(key.content_context(&other), content);
        }
        let other_key = HeadKey { id: [9; 16], key: key.key.duplicate() };
        assert_ne!(other_key.content_context(&head()), content);
        assert_ne!(head().context(schedule::HEAD_META, &key.id), head().context(schedule::HEAD_KEY, &key.id));
    }

    #[test]
    fn p10_nothing_follows_the_metadata_of_a_case_or_a_grant() {
        let (key, case_key) = (HeadKey::generate(&SystemEntropy).expect("entropy"), Secret::take([5; 32]));
        for of in [HeadType::Case, HeadType::Grant] {
            let id = HeadId { of, ..head() };
            let sealed = seal(&id, &key, &case_key, b"meta", &[], &SystemEntropy).expect("entropy").bytes;
            assert!(ParsedHead::parse(id, &sealed).is_ok_and(|parsed| parsed.is_ok()));
            let longer = [sealed.as_ref(), &[0]].concat().into();
            assert!(ParsedHead::parse(id, &longer).is_err());
        }
    }

    #[test]
    fn metadata_that_could_not_be_read_is_not_sealed() {
        let (key, case_key) = (HeadKey::generate(&SystemEntropy).expect("entropy"), Secret::take([5; 32]));
        let sealed = |len| seal(&head(), &key, &case_key, &vec![7; len], &[], &SystemEntropy);
        let lens = 1_040_000..1_060_000;
        let longest = lens.step_by(256).map(|len| len - len % 256 - 4).take_while(|len| sealed(*len).is_ok());
        let longest = longest.last().expect("so many are kept");
        let bytes = sealed(longest).expect("is kept").bytes;
        assert!(ParsedHead::parse(head(), &bytes).is_ok_and(|parsed| parsed.is_ok()));
        assert!(bytes.len() > 1024 * 1024 - 512, "{}", bytes.len());
        let refused = sealed(longest + 1).expect_err("too long");
        assert_eq!(refused.kind(), ErrorKind::Invalid);
    }

    #[test]
    fn the_start_of_a_head_says_how_much_is_missing() {
        let (key, case_key) = (HeadKey::generate(&SystemEntropy).expect("entropy"), Secret::take([5; 32]));
        let sealed =
            seal(&head(), &key, &case_key, &[7; 600], &[&[8; 100]], &SystemEntropy).expect("entropy");
        let needed =
            ParsedHead::parse(head(), &sealed.bytes.slice(..200)).expect("parses").expect_err("short");
        let start = sealed.bytes.slice(..usize::try_from(needed.0).expect("small"));
        let parsed = ParsedHead::parse(head(), &start).expect("parses").expect("whole");
        assert_eq!(parsed.digest, sealed.digest);
        assert!(parsed.inline.is_empty());
    }
}
