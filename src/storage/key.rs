//! The names of objects.

use core::{borrow::Borrow, fmt, str::FromStr};
use std::sync::Arc;

/// The text is not an object's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an object key: expected lower-case letters, digits, '-' and '/' between non-empty segments")]
#[non_exhaustive]
pub struct ParseObjectKeyError;

/// The name of a stored object: 1 to 4 segments of `a-z`, `0-9` and `-`, joined by `/`.
///
/// A segment is 1 to 96 characters and starts with a letter or digit, so a key is a safe relative
/// path, a safe URL path and a safe database value on every platform. Keys are made from random
/// identifiers and counters alone: no text of a user ever reaches one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(Arc<str>);

impl ObjectKey {
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A key that the layout has just put together from ids and counters.
    pub(super) fn from_layout(text: String) -> Self {
        debug_assert!(is_key(&text), "{text}");
        Self(text.into())
    }
}

impl Borrow<str> for ObjectKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(feature = "serde")]
crate::ids::serialize_as_text!(ObjectKey);

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectKey({self})")
    }
}

impl FromStr for ObjectKey {
    type Err = ParseObjectKeyError;

    fn from_str(text: &str) -> Result<Self, ParseObjectKeyError> {
        if is_key(text) { Ok(Self(text.into())) } else { Err(ParseObjectKeyError) }
    }
}

fn is_key(text: &str) -> bool {
    text.split('/').count() <= 4 && text.split('/').all(is_segment)
}

fn is_segment(segment: &str) -> bool {
    let starts_well = segment.bytes().next().is_some_and(|first| first != b'-');
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    starts_well && segment.len() <= 96 && segment.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_safe_names_parse() {
        for good in ["a", "log/00ff-aa", "part/0/1/2-3"] {
            assert_eq!(good.parse::<ObjectKey>().map(|key| key.to_string()), Ok(good.to_owned()));
        }
        let long = "a".repeat(97);
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "..",
            "a/../b",
            "-a",
            "A",
            "a b",
            "a.b",
            "ñ",
            "a\0",
            "a/b/c/d/e",
            &long,
        ] {
            assert_eq!(bad.parse::<ObjectKey>(), Err(ParseObjectKeyError), "{bad}");
        }
    }
}
