//! The fields of a requirement's form.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    requirement::{is_true, yes},
    words::{Key, Text, WordError, as_text},
};

/// What a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FieldKind {
    /// A sum of money: digits without leading zeros, and no decimals or two, such as `1250.50`.
    Amount,
    /// Yes or no.
    Boolean,
    /// One of the field's choices.
    Choice,
    /// A day, `YYYY-MM-DD`.
    Date,
    /// An electronic mail address, roughly: one `@`, a dot behind it, no spaces, 254 bytes at most.
    Email,
    /// A whole number.
    Integer,
    /// A telephone number as ITU-T E.164 writes it: `+`, then 7 to 15 digits, the first no zero.
    Phone,
    /// Text.
    Text,
}

/// One field of a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub(super) key: Key,
    pub(super) title: Text,
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    pub(super) help: Text,
    #[serde(rename = "type")]
    pub(super) kind: FieldKind,
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub(super) required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) min: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mask: Option<Mask>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) choices: Vec<Choice>,
}

impl Field {
    /// The field's key, unique within its requirement.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What the field is called.
    #[must_use]
    pub fn title(&self) -> &Text {
        &self.title
    }

    /// How to fill it in; may be empty.
    #[must_use]
    pub fn help(&self) -> &Text {
        &self.help
    }

    /// What it takes.
    #[must_use]
    pub fn kind(&self) -> FieldKind {
        self.kind
    }

    /// Whether a submission must answer it.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// The least: of an integer its value, of an amount its whole units, of a text its characters.
    #[must_use]
    pub fn min(&self) -> Option<i64> {
        self.min
    }

    /// The most, counted as for [`Field::min`].
    #[must_use]
    pub fn max(&self) -> Option<i64> {
        self.max
    }

    /// What a text must look like.
    #[must_use]
    pub fn mask(&self) -> Option<&Mask> {
        self.mask.as_ref()
    }

    /// What there is to choose from.
    #[must_use]
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }
}

/// One of the answers that a [`FieldKind::Choice`] takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    pub(super) key: Key,
    pub(super) title: Text,
}

impl Choice {
    /// What the answer is.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What it is called.
    #[must_use]
    pub fn title(&self) -> &Text {
        &self.title
    }
}

/// What a text must look like, character by character.
///
/// `A` stands for an upper-case letter, `9` for a digit 0–9, `*` for either or `&`; any other character for
/// itself. `AAAA999999***` is the shape of a natural person's RFC, eighteen times `9` that of a CLABE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask(String);

impl Mask {
    /// The mask as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` looks like this.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        let fits = |(mask, c): (char, char)| match mask {
            'A' => c.is_uppercase(),
            '9' => c.is_ascii_digit(),
            '*' => c.is_uppercase() || c.is_ascii_digit() || c == '&',
            other => c == other,
        };
        self.0.chars().count() == text.chars().count() && self.0.chars().zip(text.chars()).all(fits)
    }
}

impl FromStr for Mask {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        if (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
            return Ok(Self(text.to_owned()));
        }
        Err(WordError::new(
            "not a mask: use 1 to 64 characters, `A` for a letter, `9` for a digit, `*` for either",
        ))
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(Mask);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_tell_shapes() {
        let rfc: Mask = "AAAA999999***".parse().expect("a mask");
        assert!(rfc.fits("GOAP780710RH7") && rfc.fits("ÑOAP780710RH7") && rfc.fits("GOAP780710&H7"));
        for bad in ["", "GOAP780710RH", "GOAP780710RH77", "goap780710rh7", "GOAP78071ORH7", "GOAP780710R-7"] {
            assert!(!rfc.fits(bad), "{bad}");
        }
        assert!("99-9".parse::<Mask>().expect("a mask").fits("12-3"));
        assert!("99 99".parse::<Mask>().expect("a mask").fits("12 34"));
        assert!("".parse::<Mask>().is_err() && "9\n".parse::<Mask>().is_err());
    }
}
