//! What is wrong with a template, and where.

use core::ops::Range;

use serde::de::DeserializeSeed;
use serde_path_to_error::Segment;

use super::locate::{Locate, Path, Step};

/// A template that cannot be used: the place, the member, what is wrong with it and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {}{problem}", self.prefix())]
pub struct TemplateError {
    line: usize,
    column: usize,
    member: String,
    problem: String,
}

impl TemplateError {
    /// The line, from 1 on.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The character in that line, from 1 on.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// The member, such as `requirements[2].files.max`, counted from 0; empty for the whole text. Whatever a terminal could
    /// act on is escaped.
    #[must_use]
    pub fn member(&self) -> &str {
        &self.member
    }

    /// What is wrong, and what to do. Whatever a terminal could act on is escaped.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }

    fn prefix(&self) -> String {
        if self.member.is_empty() { String::new() } else { format!("`{}`: ", self.member) }
    }

    fn at(text: &str, offset: usize, member: String, problem: String) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        // Both quote the text, which may be anybody's.
        let (member, problem) = (escaped(&member), escaped(&problem));
        Self { line, column, member, problem }
    }

    /// A text that is longer than anybody writes, of which nothing is read.
    pub(super) fn long(len: usize, most: usize) -> Self {
        let problem = format!(
            "the template has {len} bytes; at most {most} are read: shorten it, comments and blanks too"
        );
        Self { line: 1, column: 1, member: String::new(), problem }
    }

    /// A text that is not TOML.
    pub(super) fn syntax(text: &str, error: &toml::de::Error) -> Self {
        let span = error.span().unwrap_or_default();
        let twice = error.message().starts_with("duplicate");
        let member = text.get(span.clone()).filter(|_| twice).unwrap_or_default();
        Self::at(text, span.start, member.to_owned(), advise(error.message()))
    }

    /// Something behind what is JSON.
    pub(super) fn trailing(text: &str, error: &serde_json::Error) -> Self {
        let problem = "something follows the template: take it out".to_owned();
        Self::at(text, json_offset(text, error.line(), error.column()), String::new(), problem)
    }

    /// TOML that is not a template.
    pub(super) fn toml(text: &str, error: &serde_path_to_error::Error<toml::de::Error>) -> Self {
        let fault = Fault { path: path(error.path()), problem: advise(error.inner().message()) };
        match error.inner().span() {
            Some(key) if fault.is_about_a_key() => {
                Self::at(text, key.start, fault.path.to_string(), fault.problem)
            }
            _ => fault.in_toml(text),
        }
    }

    /// What is not JSON, or JSON that is not a template.
    pub(super) fn json(text: &str, error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        let (line, column) = (error.inner().line(), error.inner().column());
        let full = error.inner().to_string();
        let message = full.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&full);
        let fault = Fault { path: path(error.path()), problem: advise(message) };
        if fault.is_about_a_key() || !error.inner().is_data() {
            return Self::at(text, json_offset(text, line, column), fault.path.to_string(), fault.problem);
        }
        fault.in_json(text)
    }
}

/// What is wrong, and with which member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) path: Path,
    pub(super) problem: String,
}

impl Fault {
    /// Whether the key is at fault and not the value behind it.
    fn is_about_a_key(&self) -> bool {
        self.problem.starts_with("unknown field") || self.problem.starts_with("duplicate")
    }

    pub(super) fn in_toml(self, text: &str) -> TemplateError {
        let place = toml::Deserializer::parse(text).and_then(|d| Locate(&self.path.0).deserialize(d));
        let Range { start, .. } = place.err().and_then(|error| error.span()).unwrap_or_default();
        TemplateError::at(text, start, self.path.to_string(), self.problem)
    }

    pub(super) fn in_json(self, text: &str) -> TemplateError {
        let place = Locate(&self.path.0).deserialize(&mut serde_json::Deserializer::from_str(text));
        let offset = place.err().map_or(0, |error| json_offset(text, error.line(), error.column()));
        let blank = |c: char| c.is_ascii_whitespace();
        let skipped = text.get(offset..).unwrap_or_default().chars().take_while(|c| blank(*c)).count();
        TemplateError::at(text, offset + skipped, self.path.to_string(), self.problem)
    }
}

/// The offset of the byte after the `column` bytes of a line that `serde_json` had read.
fn json_offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut offset = before.saturating_add(column).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

fn path(path: &serde_path_to_error::Path) -> Path {
    let steps = path.iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Map { key } => Some(Step::Key(key.clone())),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    Path(steps.collect())
}

/// `text` with whatever a terminal could act on escaped.
fn escaped(text: &str) -> String {
    let is_quote = |c: char| matches!(c, '"' | '\'' | '\\');
    text.chars().map(|c| if is_quote(c) { c.to_string() } else { c.escape_debug().to_string() }).collect()
}

/// Adds what to do where the library's message does not say.
fn advise(message: &str) -> String {
    let message = message.trim_end().replace('\n', ", ");
    let advice = match () {
        () if message.starts_with("missing field") => ": add it",
        () if message.starts_with("unknown field") => "; correct it or take it out",
        () if message.starts_with("duplicate") => ": keep one",
        () => "",
    };
    message + advice
}
