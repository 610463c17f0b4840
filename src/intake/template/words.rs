//! The words of a template: keys, languages, texts, media types. Checked when read.

use core::{fmt, str::FromStr};
use std::collections::BTreeMap;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, MapAccess, Visitor},
};

/// A word of a template is not well formed; the text says what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WordError(String);

impl WordError {
    pub(super) fn new(expected: impl Into<String>) -> Self {
        Self(expected.into())
    }
}

/// Reads and writes a type as the text that `FromStr` takes and `Display` gives.
macro_rules! as_text {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(super) use as_text;

/// The name of a template, requirement, field, choice, rule or role.
///
/// 1 to 40 characters: lower-case letters, digits, `_` and `-`; a letter first. A key is public: it stands in
/// projections, messages and links, and must not be about a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Key {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if text.len() <= 40 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(inner) {
            return Ok(Self(text.to_owned()));
        }
        Err(WordError::new(
            "not a key: use 1 to 40 lower-case letters, digits, `_` or `-`, and a letter first",
        ))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq<str> for Key {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

as_text!(Key);

/// A language, by its two-letter code of ISO 639-1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language([u8; 2]);

impl Language {
    /// English.
    pub const EN: Self = Self(*b"en");
    /// Spanish.
    pub const ES: Self = Self(*b"es");

    /// The two-letter code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Language {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let known = || ISO_639_1.split(' ').any(|code| code == text);
        match text.as_bytes() {
            [a, b] if known() => Ok(Self([*a, *b])),
            _ => Err(WordError::new(
                "not a known language: use a two-letter code of ISO 639-1 such as `es` or `en`",
            )),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Language({self})")
    }
}

as_text!(Language);

/// One text in several languages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Text(BTreeMap<Language, String>);

impl Text {
    /// The text in `wanted`, or else in `fallback`, or else empty.
    ///
    /// A template has every text in its own language, so that is the `fallback` to give.
    #[must_use]
    pub fn get(&self, wanted: Language, fallback: Language) -> &str {
        self.0.get(&wanted).or_else(|| self.0.get(&fallback)).map_or("", String::as_str)
    }

    /// The languages that the text is in, and the text in each.
    pub fn iter(&self) -> impl Iterator<Item = (Language, &str)> {
        self.0.iter().map(|(language, text)| (*language, text.as_str()))
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A map would keep the last of two texts in one language, silently.
impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Languages;

        impl<'de> Visitor<'de> for Languages {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text for each language, such as { es = \"…\", en = \"…\" }")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
                let mut texts = BTreeMap::new();
                while let Some((language, text)) = map.next_entry::<Language, String>()? {
                    if texts.insert(language, text).is_some() {
                        return Err(A::Error::custom(format!("a second text in `{language}`: keep one")));
                    }
                }
                Ok(Text(texts))
            }
        }

        d.deserialize_map(Languages)
    }
}

/// A media type that a requirement accepts, such as `application/pdf` or `image/*`.
///
/// RFC 6838 §4.2, in lower case, without parameters; the subtype `*` stands for all of a type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaType(String);

impl MediaType {
    /// The media type as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One media type, in lower case and without its parameters; none if it is malformed or a range.
    pub(in crate::intake) fn essence(media_type: &str) -> Option<String> {
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let one: Self = essence.parse().ok()?;
        Some(one.0).filter(|one| !one.ends_with('*'))
    }

    /// Whether a file of this media type is accepted; parameters and case are ignored.
    #[must_use]
    pub fn accepts(&self, media_type: &str) -> bool {
        let Some(essence) = Self::essence(media_type) else { return false };
        match self.0.strip_suffix('*') {
            None => self.0 == essence,
            Some(start) => essence.starts_with(start),
        }
    }
}

// RFC 6838 §4.2: restricted-name = restricted-name-first *126restricted-name-chars
fn is_restricted_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "!#$&-^_.+".contains(c);
    (1..=127).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(inner)
}

impl FromStr for MediaType {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text.split_once('/') {
            Some((kind, subtype))
                if is_restricted_name(kind) && (subtype == "*" || is_restricted_name(subtype)) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(WordError::new(
                "not a media type: use lower-case `type/subtype` without parameters, such as `application/pdf` or `image/*`",
            )),
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(MediaType);

/// What a person vouches for about the exact bytes that were submitted.
///
/// As text: `compared_with_original`, `translation_checked`, `identity_interview`, or `custom:` and a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Attestation {
    /// The submission was compared with the original.
    ComparedWithOriginal,
    /// The application's own.
    Custom(Key),
    /// Whoever the document names was interviewed.
    IdentityInterview,
    /// The translation says what the original says.
    TranslationChecked,
}

impl FromStr for Attestation {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match (text, text.strip_prefix("custom:")) {
            ("compared_with_original", _) => Ok(Self::ComparedWithOriginal),
            ("identity_interview", _) => Ok(Self::IdentityInterview),
            ("translation_checked", _) => Ok(Self::TranslationChecked),
            (_, Some(key)) => key.parse().map(Self::Custom),
            _ => Err(WordError::new(
                "not an attestation: use `compared_with_original`, `translation_checked`, `identity_interview` or `custom:` and a key",
            )),
        }
    }
}

impl fmt::Display for Attestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ComparedWithOriginal => f.write_str("compared_with_original"),
            Self::Custom(key) => write!(f, "custom:{key}"),
            Self::IdentityInterview => f.write_str("identity_interview"),
            Self::TranslationChecked => f.write_str("translation_checked"),
        }
    }
}

as_text!(Attestation);

/// ISO 639-1:2002, the two-letter codes.
const ISO_639_1: &str = "aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu \
    cv cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz \
    ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu \
    lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn \
    ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty \
    ug uk ur uz ve vi vo wa wo xh yi yo za zh zu";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_lower_case_names() {
        for good in ["a", "official_id", "id-2", &"k".repeat(40)] {
            assert_eq!(good.parse::<Key>().expect("a key").as_str(), good);
        }
        for bad in ["", "2a", "_a", "A", "a b", "año", "a/b", &"k".repeat(41)] {
            assert!(bad.parse::<Key>().is_err(), "{bad}");
        }
    }

    #[test]
    fn media_types_are_those_of_rfc_6838() {
        let range: MediaType = "image/*".parse().expect("a range");
        let pdf: MediaType = "application/pdf".parse().expect("a type");
        assert!(range.accepts("image/jpeg") && range.accepts("IMAGE/PNG; q=1") && !range.accepts("image/"));
        assert!(pdf.accepts("application/pdf") && !pdf.accepts("application/pdf2") && !pdf.accepts("pdf"));
        for bad in ["", "pdf", "*/*", "Image/png", "a/", "/a", "a/b/c", "a/b;c=d", "image/ png", "a/.b"] {
            assert!(bad.parse::<MediaType>().is_err(), "{bad}");
        }
    }

    #[test]
    fn languages_are_those_of_iso_639_1() {
        assert_eq!("es".parse::<Language>(), Ok(Language::ES));
        for bad in ["", "e", "xx", "spa", "ES", "a ", " a", "zu "] {
            assert!(bad.parse::<Language>().is_err(), "{bad}");
        }
        assert_eq!(ISO_639_1.split(' ').count(), 183);
    }

    #[test]
    fn attestations_are_their_text() {
        for text in
            ["compared_with_original", "translation_checked", "identity_interview", "custom:video_call"]
        {
            assert_eq!(text.parse::<Attestation>().expect("known").to_string(), text);
        }
        for bad in ["compared_with_orginal", "custom:", "custom:A", "custom"] {
            assert!(bad.parse::<Attestation>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_text_falls_back() {
        let text: Text = serde_json::from_str(r#"{"es":"hola","en":"hello"}"#).expect("texts");
        let german = "de".parse().expect("known");
        assert_eq!(text.get(Language::EN, Language::ES), "hello");
        assert_eq!(text.get(german, Language::ES), "hola");
        assert_eq!(text.get(german, german), "");
        assert!(serde_json::from_str::<Text>(r#"{"es":"a","es":"b"}"#).is_err());
    }
}
