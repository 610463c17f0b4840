//! Templates: what a case needs, read from TOML or JSON and checked.

mod check;
mod date;
mod error;
mod field;
mod locate;
mod requirement;
mod shipped;
mod words;

use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

pub(super) use check::CANONICAL;
pub use date::{Date, UtcOffset};
pub use error::TemplateError;
pub use field::{Choice, Field, FieldKind, Mask};
pub use requirement::{Condition, FileRule, Necessity, Requirement, Rule};
pub use words::{Attestation, Key, Language, MediaType, Text, WordError};

use super::hex::{hex, unhex};
use error::Fault;

/// What a case needs: a named, versioned set of requirements.
///
/// A case pins the hash of the template that it was opened with; another version is another template.
/// `docs/INTAKE.md` describes every member.
///
/// # Examples
///
/// ```
/// use docvault::intake::{Language, Template};
///
/// let template = Template::from_toml(
///     r#"
///     format = 1
///     name = "club_membership"
///     version = 1
///     language = "en"
///     title = { en = "Membership", es = "Membresía" }
///
///     [[requirements]]
///     key = "photo"
///     title = { en = "A photo of you", es = "Una foto suya" }
///     files = { media_types = ["image/jpeg"], max_bytes = 5_000_000 }
///     "#,
/// )?;
/// assert_eq!(template.requirements()[0].title().get(Language::ES, template.language()), "Una foto suya");
///
/// let error = Template::from_toml("format = 1\nnane = \"club\"\n").unwrap_err();
/// assert_eq!((error.line(), error.column()), (2, 1));
/// # Ok::<(), docvault::intake::TemplateError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    content: Content,
    hash: TemplateHash,
}

/// A template's members, as they are read and written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u8,
    name: Key,
    version: u32,
    language: Language,
    #[serde(default, skip_serializing_if = "UtcOffset::is_utc")]
    utc_offset: UtcOffset,
    title: Text,
    #[serde(default = "remind_days", skip_serializing_if = "is_remind_days")]
    remind_days: Vec<u16>,
    #[serde(default = "expiry_notice_days", skip_serializing_if = "is_expiry_notice_days")]
    expiry_notice_days: u16,
    requirements: Vec<Requirement>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rules: Vec<Rule>,
}

impl Template {
    /// Reads a template written in TOML.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] with line, column and member: the text has more than 1 MiB, or is not TOML; a member is unknown, missing or of
    /// another type; or what the members say together cannot be.
    pub fn from_toml(text: &str) -> Result<Self, TemplateError> {
        within(text)?;
        let deserializer =
            toml::Deserializer::parse(text).map_err(|error| TemplateError::syntax(text, &error))?;
        let content: Content = serde_path_to_error::deserialize(deserializer)
            .map_err(|error| TemplateError::toml(text, &error))?;
        Self::checked(content).map_err(|fault| fault.in_toml(text))
    }

    /// Reads a template written in JSON; the same members under the same names.
    ///
    /// # Errors
    ///
    /// As [`Template::from_toml`].
    pub fn from_json(text: &str) -> Result<Self, TemplateError> {
        within(text)?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let content: Content = serde_path_to_error::deserialize(&mut deserializer)
            .map_err(|error| TemplateError::json(text, &error))?;
        deserializer.end().map_err(|error| TemplateError::trailing(text, &error))?;
        Self::checked(content).map_err(|fault| fault.in_json(text))
    }

    fn checked(mut content: Content) -> Result<Self, Fault> {
        check::check(&content)?;
        content.normalize();
        let canonical = canonical(&content);
        check::fits(&canonical)?;
        Ok(Self { hash: TemplateHash(crate::sha256(&[canonical.as_bytes()])), content })
    }

    /// The one JSON text of this template, at most 32 KiB; what its hash is over (FORMAT §12.1).
    #[must_use]
    pub fn to_canonical_json(&self) -> String {
        canonical(&self.content)
    }

    /// What a case pins: SHA-256 (FIPS 180-4) of the canonical JSON.
    #[must_use]
    pub fn hash(&self) -> TemplateHash {
        self.hash
    }

    /// The name, the same in all versions.
    #[must_use]
    pub fn name(&self) -> &Key {
        &self.content.name
    }

    /// The version, from 1 on.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.content.version
    }

    /// The language that every text is in.
    #[must_use]
    pub fn language(&self) -> Language {
        self.content.language
    }

    /// Where the days of its cases begin and end.
    #[must_use]
    pub fn utc_offset(&self) -> UtcOffset {
        self.content.utc_offset
    }

    /// What the template is called.
    #[must_use]
    pub fn title(&self) -> &Text {
        &self.content.title
    }

    /// How many days before something is due it is reminded of, descending; 7 and 1 unless it says otherwise.
    #[must_use]
    pub fn remind_days(&self) -> &[u16] {
        &self.content.remind_days
    }

    /// How many days before a document expires it counts as expiring; 30 unless it says otherwise.
    #[must_use]
    pub fn expiry_notice_days(&self) -> u16 {
        self.content.expiry_notice_days
    }

    /// The requirements, in order; at least one, at most 40.
    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        &self.content.requirements
    }

    /// The requirement with this key.
    #[must_use]
    pub fn requirement(&self, key: &str) -> Option<&Requirement> {
        self.content.requirements.iter().find(|requirement| requirement.key == *key)
    }

    /// What must be met beyond single requirements.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.content.rules
    }

    /// Whether a condition looks at this field, so that a case must remember its answer.
    pub(super) fn looks_at(&self, requirement: &Key, field: &Key) -> bool {
        let conditions = self.content.requirements.iter().filter_map(|r| r.required_if.as_ref());
        conditions.into_iter().any(|c| c.requirement == *requirement && c.field == *field)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requirements = self.requirements().len();
        f.debug_struct("Template")
            .field("name", &self.name().as_str())
            .field("version", &self.version())
            .field("hash", &self.hash)
            .field("requirements", &requirements)
            .finish()
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    /// As [`Template::from_toml`].
    fn from_str(text: &str) -> Result<Self, TemplateError> {
        Self::from_toml(text)
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.content.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let fault = |fault: Fault| D::Error::custom(format!("`{}`: {}", fault.path, fault.problem));
        Self::checked(Content::deserialize(d)?).map_err(fault)
    }
}

/// The hash of a template: which one a case was opened with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateHash([u8; 32]);

impl TemplateHash {
    /// The hash's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for TemplateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for TemplateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TemplateHash({self})")
    }
}

impl FromStr for TemplateHash {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let bytes = unhex(text).and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Self)
            .ok_or_else(|| WordError::new("not a template's hash: use 64 lower-case hexadecimal digits"))
    }
}

words::as_text!(TemplateHash);

impl Content {
    /// One form for one meaning: what is left out is written out, or the other way round.
    fn normalize(&mut self) {
        self.requirements
            .iter_mut()
            .filter_map(|requirement| requirement.files.as_mut())
            .for_each(|f| f.normalize());
    }
}

/// Parsers take many times a text's length.
fn within(text: &str) -> Result<(), TemplateError> {
    if text.len() > TEXT_CAP { Err(TemplateError::long(text.len(), TEXT_CAP)) } else { Ok(()) }
}

fn canonical(content: &Content) -> String {
    serde_json::to_string(content).expect("maps have text keys, and writing to a string does not fail")
}

fn remind_days() -> Vec<u16> {
    vec![7, 1]
}

fn is_remind_days(days: &[u16]) -> bool {
    days == remind_days()
}

const fn expiry_notice_days() -> u16 {
    30
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
const fn is_expiry_notice_days(days: &u16) -> bool {
    *days == expiry_notice_days()
}

/// Bytes of a template as somebody writes it, at most: 32 times those of its canonical JSON.
const TEXT_CAP: usize = 1 << 20;
