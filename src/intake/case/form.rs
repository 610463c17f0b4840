//! A form's answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use crate::intake::{Date, Field, FieldKind, Key, Requirement};

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Answer {
    /// To a boolean field.
    Boolean(bool),
    /// To an integer field.
    Integer(i64),
    /// To any other field; amounts and days are text, too.
    Text(String),
}

impl From<bool> for Answer {
    fn from(answer: bool) -> Self {
        Self::Boolean(answer)
    }
}

impl From<i64> for Answer {
    fn from(answer: i64) -> Self {
        Self::Integer(answer)
    }
}

impl From<&str> for Answer {
    fn from(answer: &str) -> Self {
        Self::Text(answer.to_owned())
    }
}

impl From<String> for Answer {
    fn from(answer: String) -> Self {
        Self::Text(answer)
    }
}

/// The answers of one submission, by the keys of the fields; at most 12 KiB as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Form(BTreeMap<Key, Answer>);

impl Form {
    /// A form without answers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an answer, or replaces it.
    #[must_use]
    pub fn with(mut self, field: Key, answer: impl Into<Answer>) -> Self {
        self.0.insert(field, answer.into());
        self
    }

    /// The answer to this field.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Answer> {
        self.0.iter().find(|(key, _)| **key == *field).map(|(_, answer)| answer)
    }

    /// The answers, by field.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Answer)> {
        self.0.iter()
    }

    /// The form that these answers, as text, make for a requirement.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownField`] for a key that no field can have. Whether the answers are allowed
    /// [`Form::check`] tells.
    pub fn from_text<'a>(
        requirement: &Requirement,
        answers: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Result<Self, Refusal> {
        let mut form = Self::new();
        for (key, text) in answers {
            let unknown = |_| Refusal::UnknownField { requirement: requirement.key().clone() };
            let key: Key = key.parse().map_err(unknown)?;
            let answer = match requirement.field(key.as_str()).map(Field::kind) {
                Some(FieldKind::Boolean) => text.parse().ok().map(Answer::Boolean),
                Some(FieldKind::Integer) => text.parse().ok().map(Answer::Integer),
                _ => None,
            };
            form.0.insert(key, answer.unwrap_or_else(|| Answer::Text(text.clone())));
        }
        Ok(form)
    }

    /// Whether nothing is answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The form as the last page of a version (FORMAT §12.3): JSON, members by key, no spaces.
    ///
    /// The version's digest is over its pages, so what is approved is approved with these answers.
    #[must_use]
    pub fn to_page(&self) -> String {
        serde_json::to_string(self).expect("maps have text keys, and writing to a string does not fail")
    }

    /// Checks the answers against the fields of a requirement.
    ///
    /// # Errors
    ///
    /// [`Refusal::Form`] with the first field that is not answered as it must be; [`Refusal::TooLarge`].
    pub fn check(&self, requirement: &Requirement) -> Result<(), Refusal> {
        let refusal = |field: &Key, problem: &str| Refusal::Form {
            requirement: requirement.key().clone(),
            field: field.clone(),
            problem: problem.to_owned(),
        };
        for field in requirement.fields() {
            let problem =
                self.0.get(field.key()).map_or_else(|| absent(field), |answer| problem(field, answer));
            problem.map_or(Ok(()), |problem| Err(refusal(field.key(), problem)))?;
        }
        if self.0.keys().any(|key| requirement.field(key.as_str()).is_none()) {
            return Err(Refusal::UnknownField { requirement: requirement.key().clone() });
        }
        if self.to_page().len() > FORM_CAP { Err(Refusal::TooLarge) } else { Ok(()) }
    }

    /// The answers that conditions look at, as text.
    pub(super) fn answer_text(&self, field: &Key) -> Option<String> {
        Some(match self.0.get(field)? {
            Answer::Boolean(answer) => answer.to_string(),
            Answer::Integer(answer) => answer.to_string(),
            Answer::Text(answer) => answer.clone(),
        })
    }
}

fn absent(field: &Field) -> Option<&'static str> {
    field.is_required().then_some("is not answered")
}

fn problem(field: &Field, answer: &Answer) -> Option<&'static str> {
    match (field.kind(), answer) {
        (FieldKind::Boolean, Answer::Boolean(_)) => None,
        (FieldKind::Integer, Answer::Integer(number)) => out_of_range(field, *number, 1),
        (FieldKind::Boolean, _) => Some("takes true or false"),
        (FieldKind::Integer, _) => Some("takes a whole number"),
        (_, Answer::Text(text)) => problem_of_text(field, text),
        _ => Some("takes text"),
    }
}

fn problem_of_text(field: &Field, text: &str) -> Option<&'static str> {
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Some("has control characters");
    }
    match field.kind() {
        FieldKind::Amount => {
            amount(text).map_or(Some("takes an amount such as 1250.50"), |sum| out_of_range(field, sum, 100))
        }
        FieldKind::Choice => {
            let known = field.choices().iter().any(|choice| *choice.key() == *text);
            (!known).then_some("takes one of its choices")
        }
        FieldKind::Date => text.parse::<Date>().is_err().then_some("takes a day as YYYY-MM-DD"),
        FieldKind::Email => (!is_email(text)).then_some("takes an electronic mail address"),
        FieldKind::Phone => (!is_phone(text)).then_some("takes a telephone number such as +525512345678"),
        _ => problem_of_length(field, text),
    }
}

fn problem_of_length(field: &Field, text: &str) -> Option<&'static str> {
    if field.mask().is_some_and(|mask| !mask.fits(text)) {
        return Some("does not have the shape asked for");
    }
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    if field.is_required() && text.trim().is_empty() {
        return Some("is not answered");
    }
    let (min, max) = (field.min().unwrap_or(0), field.max().unwrap_or(DEFAULT_LENGTH));
    (!(min..=max).contains(&length)).then_some("is too short or too long")
}

fn out_of_range(field: &Field, number: i64, unit: i64) -> Option<&'static str> {
    let min = field.min().map_or(i64::MIN, |min| min.saturating_mul(unit));
    let max = field.max().map_or(i64::MAX, |max| max.saturating_mul(unit));
    (!(min..=max).contains(&number)).then_some("is out of range")
}

/// An amount in hundredths.
fn amount(text: &str) -> Option<i64> {
    let (units, cents) = text.split_once('.').unwrap_or((text, "00"));
    let whole = units.parse::<u32>().ok().filter(|whole| whole.to_string() == units)?;
    let part = cents.parse::<u8>().ok().filter(|part| format!("{part:02}") == cents && *part < 100)?;
    Some(i64::from(whole) * 100 + i64::from(part))
}

fn is_email(text: &str) -> bool {
    let plain = text.len() <= 254 && !text.chars().any(char::is_whitespace) && text.matches('@').count() == 1;
    let (name, host) = text.split_once('@').unwrap_or_default();
    plain && !name.is_empty() && host.contains('.') && !host.starts_with('.') && !host.ends_with('.')
}

// ITU-T E.164 §6: a country code, which does not begin with 0, and at most 15 digits in all.
fn is_phone(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Bytes of a form as JSON, at most.
const FORM_CAP: usize = 12 * 1024;
/// Characters of a text whose field states no other maximum.
const DEFAULT_LENGTH: i64 = 200;
