//! One requirement of a template: what is to be handed in, when, and who looks at it.

use core::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{SeqAccess, Visitor, value::SeqAccessDeserializer},
};

use super::{
    field::Field,
    words::{Attestation, Key, MediaType, Text},
};

/// One requirement: a document, a form, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    pub(super) key: Key,
    pub(super) title: Text,
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    pub(super) instructions: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) files: Option<FileRule>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) fields: Vec<Field>,
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub(super) required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) required_if: Option<Condition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) issued_within_months: Option<u32>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) expires: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) due_days: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) grace_days: Option<u32>,
    #[serde(default = "reviewer", skip_serializing_if = "is_reviewer")]
    pub(super) reviewer: Key,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) two_person: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) confidential: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) attestations: Vec<Attestation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) attested_by: Option<Key>,
}

/// Whether a requirement has to be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Necessity<'a> {
    /// Always.
    Always,
    /// If another requirement's form says so.
    If(&'a Condition),
    /// Never; it may be.
    Optional,
}

impl Requirement {
    /// The requirement's key, unique in its template.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What is asked for.
    #[must_use]
    pub fn title(&self) -> &Text {
        &self.title
    }

    /// How to go about it; may be empty.
    #[must_use]
    pub fn instructions(&self) -> &Text {
        &self.instructions
    }

    /// What files a submission has; none for a form alone.
    #[must_use]
    pub fn files(&self) -> Option<&FileRule> {
        self.files.as_ref()
    }

    /// The fields of its form, in order; none for files alone.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The field with this key.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.key == *key)
    }

    /// Whether it has to be met.
    #[must_use]
    pub fn necessity(&self) -> Necessity<'_> {
        match (&self.required_if, self.required) {
            (Some(condition), _) => Necessity::If(condition),
            (None, true) => Necessity::Always,
            (None, false) => Necessity::Optional,
        }
    }

    /// How old the document may be on the day it is handed in, in months.
    #[must_use]
    pub fn issued_within_months(&self) -> Option<u32> {
        self.issued_within_months
    }

    /// Whether the document has a last day of validity, which must be known for it to be approved.
    #[must_use]
    pub fn expires(&self) -> bool {
        self.expires
    }

    /// In how many days after the case was opened it is due, at the end of the day.
    #[must_use]
    pub fn due_days(&self) -> Option<u32> {
        self.due_days
    }

    /// For how many days after it was due it is late and not yet overdue.
    #[must_use]
    pub fn grace_days(&self) -> u32 {
        self.grace_days.unwrap_or(0)
    }

    /// The role that reviews it; `reviewer` unless the template names another.
    #[must_use]
    pub fn reviewer(&self) -> &Key {
        &self.reviewer
    }

    /// The role that attests; the reviewer's unless the template names another.
    #[must_use]
    pub fn attested_by(&self) -> &Key {
        self.attested_by.as_ref().unwrap_or(&self.reviewer)
    }

    /// How many different people must approve: one or two.
    #[must_use]
    pub fn approvals_needed(&self) -> usize {
        if self.two_person { 2 } else { 1 }
    }

    /// Whether only its reviewers may open it once it is handed in.
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        self.confidential
    }

    /// What has to be attested before it counts as met.
    #[must_use]
    pub fn attestations(&self) -> &[Attestation] {
        &self.attestations
    }
}

/// What files a submission has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRule {
    pub(super) media_types: Vec<MediaType>,
    #[serde(default)]
    pub(super) min: Option<u16>,
    #[serde(default)]
    pub(super) max: Option<u16>,
    pub(super) max_bytes: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) sides: Vec<Text>,
}

impl FileRule {
    /// The media types accepted.
    #[must_use]
    pub fn media_types(&self) -> &[MediaType] {
        &self.media_types
    }

    /// Whether a file of this media type is accepted.
    #[must_use]
    pub fn accepts(&self, media_type: &str) -> bool {
        self.media_types.iter().any(|accepted| accepted.accepts(media_type))
    }

    /// The fewest files; as many as there are sides, or one, unless the template says otherwise.
    #[must_use]
    pub fn min(&self) -> u16 {
        self.min.unwrap_or_else(|| u16::try_from(self.sides.len()).unwrap_or(u16::MAX).max(1))
    }

    /// The most files; the fewest, unless the template says otherwise.
    #[must_use]
    pub fn max(&self) -> u16 {
        self.max.unwrap_or_else(|| self.min())
    }

    /// The most bytes of each file.
    #[must_use]
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// What the first files are, in this order, such as front and back; may be empty.
    #[must_use]
    pub fn sides(&self) -> &[Text] {
        &self.sides
    }

    /// One form for one meaning: what is left out is written out.
    pub(super) fn normalize(&mut self) {
        (self.min, self.max) = (Some(self.min()), Some(self.max()));
    }
}

/// That a field of another requirement has one of some answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    pub(super) requirement: Key,
    pub(super) field: Key,
    #[serde(deserialize_with = "one_or_more")]
    pub(super) is: Vec<String>,
}

impl Condition {
    /// The requirement whose form is looked at.
    #[must_use]
    pub fn requirement(&self) -> &Key {
        &self.requirement
    }

    /// The field of that form.
    #[must_use]
    pub fn field(&self) -> &Key {
        &self.field
    }

    /// The answers for which it holds, as text; `true` or `false` for a boolean field.
    #[must_use]
    pub fn answers(&self) -> &[String] {
        &self.is
    }
}

/// That so many of some requirements are met, such as one of several proofs of income.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub(super) key: Key,
    pub(super) title: Text,
    pub(super) at_least: u16,
    pub(super) of: Vec<Key>,
}

impl Rule {
    /// The rule's key, unique among the template's rules.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What is asked for.
    #[must_use]
    pub fn title(&self) -> &Text {
        &self.title
    }

    /// How many must be met.
    #[must_use]
    pub fn at_least(&self) -> u16 {
        self.at_least
    }

    /// The requirements it is about.
    #[must_use]
    pub fn of(&self) -> &[Key] {
        &self.of
    }
}

/// One answer or a list of them, each a text or a boolean, as texts.
fn one_or_more<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    struct Answers;

    impl<'de> Visitor<'de> for Answers {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("true, false, a choice's key, or a list of these")
        }

        fn visit_bool<E>(self, answer: bool) -> Result<Vec<String>, E> {
            Ok(vec![answer.to_string()])
        }

        fn visit_str<E>(self, answer: &str) -> Result<Vec<String>, E> {
            Ok(vec![answer.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Vec<String>, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(seq))
        }
    }

    d.deserialize_any(Answers)
}

pub(super) const fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
pub(super) const fn is_true(flag: &bool) -> bool {
    *flag
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

fn reviewer() -> Key {
    REVIEWER.parse().expect("a lower-case word is a key")
}

fn is_reviewer(role: &Key) -> bool {
    *role == *REVIEWER
}

const REVIEWER: &str = "reviewer";
