//! The sealed body of a record: who, why, and what is personal (FORMAT §5.4).

use bytes::Bytes;

use super::leaf::{BodyForm, Leaf};
use crate::{
    crypto::{
        chunked::{self, OpenError},
        schedule,
    },
    env::{Entropy, EntropyError, random},
    ids::VaultId,
    padding,
    secret::{Secret, SecretBytes},
    wire::{Malformed, Reader, Writer},
};

/// What the audit key opens: opaque identifiers, and details that name nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outer {
    pub(crate) actor: String,
    pub(crate) purpose: String,
    pub(crate) request: Option<String>,
    /// By kind, FORMAT §5.4.
    pub(crate) details: Vec<u8>,
}

/// Personal data, under the key of its case.
#[derive(Debug)]
pub(crate) struct Personal<'a> {
    pub(crate) case_key: &'a Secret<32>,
    pub(crate) bytes: &'a [u8],
}

/// What a body is bound to; position, sequence and chain are not among it, so that a body can be
/// sealed before its place in the log is known.
#[derive(Debug, Clone, Copy)]
struct Binding<'a> {
    vault: VaultId,
    leaf: &'a Leaf,
    id: &'a [u8; 16],
}

impl Binding<'_> {
    fn context(&self, label: &str) -> [u8; 32] {
        let Leaf { kind, case, object, operation, .. } = self.leaf;
        schedule::context(
            label,
            &[
                self.vault.as_bytes(),
                &kind.code().to_be_bytes(),
                case.as_bytes(),
                object,
                operation.as_bytes(),
                self.id,
            ],
        )
    }
}

/// Seals the body of `leaf`, whose kind, case, object and operation must be set.
///
/// # Errors
///
/// [`EntropyError`]; nothing was sealed.
pub(crate) fn seal(
    vault: VaultId,
    leaf: &Leaf,
    audit: &Secret<32>,
    outer: &Outer,
    personal: Option<Personal<'_>>,
    entropy: &dyn Entropy,
) -> Result<Bytes, EntropyError> {
    let id = random::<16>(entropy)?;
    let binding = Binding { vault, leaf, id: &id };
    let inner = match personal {
        None => Vec::new(),
        Some(Personal { case_key, bytes }) => {
            let key = schedule::subkey(case_key, schedule::INNER_BODY_KEY, &[&id]);
            chunked::seal(&key, &binding.context(schedule::INNER_BODY), &padding::pad(bytes), entropy)?
        }
    };
    let w = encode(outer, &inner);
    let key = schedule::subkey(audit, schedule::OUTER_BODY_KEY, &[&id]);
    let sealed =
        chunked::seal(&key, &binding.context(schedule::OUTER_BODY), &padding::pad(w.as_slice()), entropy)?;
    let mut body = id.to_vec();
    body.extend_from_slice(&sealed);
    Ok(body.into())
}

/// Opens a body's outer layer; gives the inner one still sealed.
///
/// # Errors
///
/// [`OpenError`] for a body of another record, another key, or anything altered.
pub(crate) fn open(
    vault: VaultId,
    leaf: &Leaf,
    audit: &Secret<32>,
    body: &[u8],
) -> Result<(Outer, SealedInner), OpenError> {
    open_with(vault, leaf, &outer_key(audit, body)?, body)
}

/// The key of one body's outer layer, which opens no other.
///
/// # Errors
///
/// [`OpenError`] for what is no body.
pub(crate) fn outer_key(audit: &Secret<32>, body: &[u8]) -> Result<Secret<32>, OpenError> {
    let (id, _) = body.split_first_chunk::<16>().ok_or(OpenError)?;
    Ok(schedule::subkey(audit, schedule::OUTER_BODY_KEY, &[id]))
}

/// [`open`] by the key of this one body.
///
/// # Errors
///
/// As [`open`].
pub(crate) fn open_with(
    vault: VaultId,
    leaf: &Leaf,
    key: &Secret<32>,
    body: &[u8],
) -> Result<(Outer, SealedInner), OpenError> {
    let (id, sealed) = body.split_first_chunk::<16>().ok_or(OpenError)?;
    let context = Binding { vault, leaf, id }.context(schedule::OUTER_BODY);
    let padded = chunked::open(key, &context, sealed)?;
    let (outer, inner) = padding::unpad(&padded).and_then(parse).map_err(|Malformed| OpenError)?;
    if (leaf.form == BodyForm::Layered) == inner.is_empty() {
        return Err(OpenError);
    }
    Ok((outer, SealedInner { id: *id, bytes: inner }))
}

/// The layer for the case key.
#[derive(Debug, Clone)]
pub(crate) struct SealedInner {
    id: [u8; 16],
    bytes: Vec<u8>,
}

impl SealedInner {
    /// As it stands in the outer one.
    #[cfg(test)]
    pub(crate) fn sealed(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the record has nothing personal.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Opens it; empty for a record that has none.
    ///
    /// # Errors
    ///
    /// [`OpenError`] for another case's key or anything altered.
    pub(crate) fn open(
        &self,
        vault: VaultId,
        leaf: &Leaf,
        case_key: &Secret<32>,
    ) -> Result<SecretBytes, OpenError> {
        if self.bytes.is_empty() {
            return Ok(SecretBytes::default());
        }
        let key = schedule::subkey(case_key, schedule::INNER_BODY_KEY, &[&self.id]);
        let context = Binding { vault, leaf, id: &self.id }.context(schedule::INNER_BODY);
        let padded = chunked::open(&key, &context, &self.bytes)?;
        padding::unpad(&padded).map(|bytes| SecretBytes::new(bytes.to_vec())).map_err(|Malformed| OpenError)
    }
}

/// What the outer layer seals: who, why, details, and the inner layer.
pub(crate) fn encode(outer: &Outer, inner: &[u8]) -> Writer {
    let mut w = Writer::with_capacity(1024 + outer.details.len() + inner.len());
    w.u8(1).text(&outer.actor).text(&outer.purpose);
    w.optional(outer.request.as_deref(), |w, request| {
        w.text(request);
    });
    w.bytes(&outer.details).bytes(inner);
    w
}

/// Reads what [`encode`] gives.
///
/// # Errors
///
/// [`Malformed`].
pub(crate) fn parse(bytes: &[u8]) -> Result<(Outer, Vec<u8>), Malformed> {
    let mut r = Reader::new(bytes);
    r.expect(&[1])?;
    let outer = Outer {
        actor: r.text(ACTOR_CAP)?.to_owned(),
        purpose: r.text(PURPOSE_CAP)?.to_owned(),
        request: r.optional(|r| r.text(REQUEST_CAP).map(str::to_owned))?,
        details: r.bytes(DETAILS_CAP)?.to_vec(),
    };
    let inner = r.bytes(INNER_CAP)?.to_vec();
    r.finish()?;
    Ok((outer, inner))
}

/// Bytes of an actor's identifier, at most.
pub(crate) const ACTOR_CAP: usize = 256;
/// Bytes of a purpose, at most.
pub(crate) const PURPOSE_CAP: usize = 1024;
/// Bytes of a request identifier, at most.
pub(crate) const REQUEST_CAP: usize = 256;
const DETAILS_CAP: usize = 16 * 1024;
const INNER_CAP: usize = 57 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{env::SystemEntropy, log::leaf::tests::sample};

    fn outer() -> Outer {
        Outer {
            actor: "user:1".into(),
            purpose: "review".into(),
            request: Some("r".into()),
            details: vec![1],
        }
    }

    #[test]
    fn both_layers_come_back_to_their_own_keys() {
        let (vault, leaf) = (VaultId::from_bytes([1; 16]), sample(3, [0; 32]));
        let (audit, case) = (Secret::take([2; 32]), Secret::take([3; 32]));
        let personal = Personal { case_key: &case, bytes: b"why" };
        let body = seal(vault, &leaf, &audit, &outer(), Some(personal), &SystemEntropy).expect("entropy");
        let (opened, inner) = open(vault, &leaf, &audit, &body).expect("the audit key opens it");
        assert_eq!(opened, outer());
        assert!(!inner.is_empty());
        assert_eq!(inner.open(vault, &leaf, &case).expect("the case key opens it").as_slice(), b"why");
        assert!(inner.open(vault, &leaf, &audit).is_err());
        assert!(open(vault, &leaf, &case, &body).is_err());
    }

    #[test]
    fn a_body_is_bound_to_its_record() {
        let (vault, leaf) = (VaultId::from_bytes([1; 16]), sample(3, [0; 32]));
        let audit = Secret::take([2; 32]);
        let outer_only = Leaf { form: BodyForm::Outer, ..leaf };
        let body = seal(vault, &outer_only, &audit, &outer(), None, &SystemEntropy).expect("entropy");
        let (_, inner) = open(vault, &outer_only, &audit, &body).expect("the audit key opens it");
        assert!(inner.is_empty());
        assert!(inner.open(vault, &outer_only, &audit).expect("nothing is there").is_empty());
        let mut other = outer_only.clone();
        other.object = [9; 16];
        assert!(open(vault, &other, &audit, &body).is_err());
        assert!(open(VaultId::from_bytes([2; 16]), &outer_only, &audit, &body).is_err());
        let layered = Leaf { form: BodyForm::Layered, ..outer_only };
        assert!(open(vault, &layered, &audit, &body).is_err());
    }
}
