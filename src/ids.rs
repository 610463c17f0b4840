//! Identifiers: random, fixed width, hexadecimal in text; they name things and grant nothing.

use core::{
    fmt::{self, Write},
    str::FromStr,
};

use crate::wire::{Malformed, Reader};

/// The text is not an identifier of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of this kind: expected {expected} lower-case hexadecimal digits")]
pub struct ParseIdError {
    expected: usize,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The identifier with these 16 bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The identifier's 16 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            #[allow(dead_code, reason = "one macro for identifiers of which not all are parsed")]
            pub(crate) fn read(
                r: &mut $crate::wire::Reader<'_>,
            ) -> core::result::Result<Self, $crate::wire::Malformed> {
                r.array().map(Self)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                $crate::ids::Hex(&self.0).fmt(f)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::ids::ParseIdError;

            fn from_str(text: &str) -> core::result::Result<Self, $crate::ids::ParseIdError> {
                $crate::ids::parse_hex(text).map(Self)
            }
        }

        #[cfg(feature = "serde")]
        $crate::ids::serialize_as_text!($name);

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                $crate::ids::from_text(d)
            }
        }
    };
}

#[cfg(feature = "intake")]
pub(crate) use id;

/// Serializes what its text says whole, as that.
#[cfg(feature = "serde")]
macro_rules! serialize_as_text {
    ($($name:ty),+) => {
        $(impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        })+
    };
}
#[cfg(feature = "serde")]
pub(crate) use serialize_as_text;

/// What was serialized as its text.
#[cfg(feature = "serde")]
pub(crate) fn from_text<'de, T, D>(d: D) -> Result<T, D::Error>
where
    T: FromStr<Err = ParseIdError>,
    D: serde::Deserializer<'de>,
{
    let text = <String as serde::Deserialize>::deserialize(d)?;
    text.parse().map_err(serde::de::Error::custom)
}

id! {
    /// One tenant's vault; bound into every object at genesis.
    VaultId
}
id! {
    /// A case: the unit of sharing, blocking and erasure.
    CaseId
}
id! {
    /// One immutable version of a document.
    VersionId
}
id! {
    /// One operation, from before its first object until after its record: what
    /// [`Session::outcome`](crate::Session::outcome) takes when an answer was lost.
    OperationId
}

impl VersionId {
    /// The version that this operation stores.
    pub(crate) const fn of(operation: OperationId) -> Self {
        Self(operation.0)
    }

    /// The operation that stored this version.
    pub(crate) const fn operation(self) -> OperationId {
        OperationId(self.0)
    }
}

/// A document: the case it belongs to, and 16 bytes of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId {
    case: CaseId,
    own: [u8; 16],
}

impl DocumentId {
    /// The document of `case` with these bytes of its own.
    #[must_use]
    pub const fn new(case: CaseId, own: [u8; 16]) -> Self {
        Self { case, own }
    }

    /// The case the document belongs to.
    #[must_use]
    pub const fn case(&self) -> CaseId {
        self.case
    }

    /// The 16 bytes that tell it from the case's other documents.
    #[must_use]
    pub const fn own(&self) -> &[u8; 16] {
        &self.own
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.case)?;
        Hex(&self.own).fmt(f)
    }
}

impl fmt::Debug for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DocumentId({self})")
    }
}

impl FromStr for DocumentId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let bytes: [u8; 32] = parse_hex(text)?;
        let (case, own) = split(bytes);
        Ok(Self { case: CaseId(case), own })
    }
}

/// What a grant opens: every document of a case, or one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// The whole case.
    Case(CaseId),
    /// One document.
    Document(DocumentId),
}

impl Scope {
    /// The case in which the scope lies.
    #[must_use]
    pub const fn case(&self) -> CaseId {
        match self {
            Self::Case(case) => *case,
            Self::Document(document) => document.case(),
        }
    }

    /// The document's own bytes, or zeros for a whole case (FORMAT §5.1).
    pub(crate) const fn object(&self) -> [u8; 16] {
        match self {
            Self::Case(_) => [0; 16],
            Self::Document(document) => document.own,
        }
    }

    pub(crate) fn from_parts(case: CaseId, object: [u8; 16]) -> Self {
        if object == [0; 16] { Self::Case(case) } else { Self::Document(DocumentId::new(case, object)) }
    }
}

impl From<CaseId> for Scope {
    fn from(case: CaseId) -> Self {
        Self::Case(case)
    }
}

impl From<DocumentId> for Scope {
    fn from(document: DocumentId) -> Self {
        Self::Document(document)
    }
}

/// A grant: its scope, and the operation that made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantId {
    scope: Scope,
    operation: OperationId,
}

impl GrantId {
    pub(crate) const fn new(scope: Scope, operation: OperationId) -> Self {
        Self { scope, operation }
    }

    /// What the grant opens.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// The operation that made the grant.
    #[must_use]
    pub const fn operation(&self) -> OperationId {
        self.operation
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.scope.case())?;
        Hex(&self.scope.object()).fmt(f)?;
        write!(f, "{}", self.operation)
    }
}

impl fmt::Debug for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantId({self})")
    }
}

impl FromStr for GrantId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let bytes: [u8; 48] = parse_hex(text)?;
        let mut r = Reader::new(&bytes);
        let mut next = || r.array().map_err(|Malformed| ParseIdError { expected: 96 });
        let (case, object, operation) = (CaseId(next()?), next()?, OperationId(next()?));
        Ok(Self { scope: Scope::from_parts(case, object), operation })
    }
}

#[cfg(feature = "serde")]
mod serialize {
    use super::{DocumentId, GrantId};

    impl<'de> serde::Deserialize<'de> for DocumentId {
        fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            super::from_text(d)
        }
    }

    impl<'de> serde::Deserialize<'de> for GrantId {
        fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            super::from_text(d)
        }
    }

    super::serialize_as_text!(DocumentId, GrantId);
}

/// The bytes in lower-case hexadecimal.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
        // One by one: what is shown may be a secret, of which no buffer is to stay.
        self.0
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
            .try_for_each(|digit| f.write_char(digit))
    }
}

/// The bytes of exactly `2 * N` lower-case hexadecimal digits.
pub(crate) fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseIdError> {
    let error = ParseIdError { expected: 2 * N };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return Err(error);
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low).ok_or(error)?;
    }
    Ok(bytes)
}

const fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

fn split(bytes: [u8; 32]) -> ([u8; 16], [u8; 16]) {
    let mut halves = ([0; 16], [0; 16]);
    halves.0.iter_mut().chain(&mut halves.1).zip(bytes).for_each(|(to, from)| *to = from);
    halves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back_as_the_same_identifier() {
        let case = CaseId([7; 16]);
        let document = DocumentId::new(case, [9; 16]);
        assert_eq!(case.to_string().parse(), Ok(case));
        assert_eq!(document.to_string().parse(), Ok(document));
        for scope in [Scope::Case(case), Scope::Document(document)] {
            let grant = GrantId::new(scope, OperationId([3; 16]));
            assert_eq!(grant.to_string().parse(), Ok(grant));
        }
    }

    #[test]
    fn only_canonical_text_parses() {
        let text = CaseId([0xAB; 16]).to_string();
        assert!(text.to_uppercase().parse::<CaseId>().is_err());
        assert!(text[1..].parse::<CaseId>().is_err());
        assert!(format!("{text}00").parse::<CaseId>().is_err());
        assert!(format!("../{}", &text[3..]).parse::<CaseId>().is_err());
    }
}
