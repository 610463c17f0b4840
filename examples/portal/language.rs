//! Spanish and English: which one a page is in, and its own words, side by side.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{header::ACCEPT_LANGUAGE, request::Parts},
};
use docvault::intake::{Language, Text};

/// The language of a page: `?lang=` says so, or else the browser.
#[derive(Clone, Copy)]
pub(crate) struct Lang {
    language: Language,
    asked: bool,
}

impl Lang {
    /// The words of the page's language.
    pub(crate) fn say<'a>(self, spanish: &'a str, english: &'a str) -> &'a str {
        if self.language == Language::ES { spanish } else { english }
    }

    /// A template's text.
    pub(crate) fn text(self, text: &Text) -> &str {
        text.get(self.language, Language::ES)
    }

    pub(crate) fn language(self) -> Language {
        self.language
    }

    pub(crate) fn other(self) -> Language {
        if self.language == Language::ES { Language::EN } else { Language::ES }
    }

    /// `path`, in the language that was asked for.
    pub(crate) fn link(self, path: &str) -> String {
        if self.asked { format!("{path}?lang={}", self.language) } else { path.to_owned() }
    }
}

impl<S: Sync> FromRequestParts<S> for Lang {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        let asked = query.split('&').find_map(|pair| pair.strip_prefix("lang=")).and_then(known);
        let accepted = parts.headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let preferred = || accepted.unwrap_or_default().split(',').find_map(|tag| known(tag.trim()));
        let language = asked.or_else(preferred).unwrap_or(Language::ES);
        Ok(Self { language, asked: asked.is_some() })
    }
}

fn known(tag: &str) -> Option<Language> {
    match tag.get(..2) {
        Some("es") => Some(Language::ES),
        Some("en") => Some(Language::EN),
        _ => None,
    }
}
