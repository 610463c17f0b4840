//! What the client is told of a case, such as once a day.

use core::fmt::{self, Write};

use serde::Serialize;

use super::{
    refusal::Refusal,
    state::CaseState,
    status::{RequirementStatus, Standing},
    words::words,
};
use crate::{
    Timestamp,
    intake::{Date, Key, Language, Template},
};

/// What a client is told of a case: the content of a daily message.
///
/// [`Digest::to_text`] and [`Digest::to_html`] write it in Spanish or English; an application with a template of
/// its own takes the lists.
///
/// # Security
///
/// It has titles of requirements and reasons of rejections, and nothing that was handed in. Reasons are written
/// by reviewers: where mail is not private, leave them out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Digest {
    /// The language it is in.
    pub language: Language,
    /// What the case is for.
    pub title: String,
    /// How much of what is required is met.
    pub percent: u8,
    /// What is approved and not about to expire.
    pub approved: Vec<DigestItem>,
    /// What is being reviewed.
    pub in_review: Vec<DigestItem>,
    /// What is missing and required.
    pub missing: Vec<DigestItem>,
    /// What was rejected.
    pub rejected: Vec<DigestItem>,
    /// What has expired or is about to.
    pub expiring: Vec<DigestItem>,
}

/// One requirement in a [`Digest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DigestItem {
    /// The requirement.
    pub requirement: Key,
    /// What it is called.
    pub title: String,
    /// Whether it has to be met.
    pub required: bool,
    /// Why it was rejected or asked for anew.
    pub reason: Option<String>,
    /// When it is due, while it is for the client to act.
    pub due: Option<Date>,
    /// The last day on which what is there is valid.
    pub valid_until: Option<Date>,
}

impl CaseState {
    /// What the client is told now, in a language or else the template's.
    ///
    /// # Errors
    ///
    /// [`Refusal::OtherTemplate`].
    pub fn digest(&self, template: &Template, now: Timestamp, language: Language) -> Result<Digest, Refusal> {
        let status = self.status(template, now)?;
        let expiring: Vec<Key> =
            self.expiring(template, now)?.into_iter().map(|one| one.requirement).collect();
        let pick = |wanted: &dyn Fn(&RequirementStatus) -> bool| -> Vec<DigestItem> {
            let picked = status.requirements.iter().filter(|one| wanted(one));
            picked.filter_map(|one| item(template, one, language)).collect()
        };
        let soon = |one: &RequirementStatus| expiring.contains(&one.requirement);
        Ok(Digest {
            language,
            title: template.title().get(language, template.language()).to_owned(),
            percent: status.percent,
            approved: pick(&|one| one.standing == Standing::Approved && !soon(one)),
            in_review: pick(&|one| one.standing == Standing::Submitted),
            missing: pick(&|one| one.standing == Standing::Missing && (one.required || one.reason.is_some())),
            rejected: pick(&|one| one.standing == Standing::Rejected),
            expiring: pick(&soon),
        })
    }
}

fn item(template: &Template, status: &RequirementStatus, language: Language) -> Option<DigestItem> {
    let rule = template.requirement(status.requirement.as_str())?;
    let theirs = matches!(status.standing, Standing::Missing | Standing::Rejected);
    Some(DigestItem {
        requirement: status.requirement.clone(),
        title: rule.title().get(language, template.language()).to_owned(),
        required: status.required,
        reason: status.reason.clone(),
        due: status.due.filter(|_| theirs),
        valid_until: status.valid_until,
    })
}

impl Digest {
    /// As plain text, in Spanish or else English.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{}: {} % {}\n", self.title, self.percent, words(self.language).complete);
        for (heading, items) in self.sections() {
            text.push_str(&format!("\n{heading}\n"));
            items.iter().for_each(|item| text.push_str(&format!("- {}\n", self.line(item))));
        }
        text
    }

    /// As an HTML fragment, in Spanish or else English; everything in it is escaped.
    #[must_use]
    pub fn to_html(&self) -> String {
        let complete = words(self.language).complete;
        let mut html = format!("<section lang=\"{}\">\n", words(self.language).code);
        html += &format!("<h1>{}</h1>\n<p>{} % {complete}</p>\n", Escaped(&self.title), self.percent);
        for (heading, items) in self.sections() {
            html += &format!("<h2>{heading}</h2>\n<ul>\n");
            items.iter().for_each(|item| html += &format!("<li>{}</li>\n", Escaped(&self.line(item))));
            html += "</ul>\n";
        }
        html + "</section>\n"
    }

    /// The lists that have something, what the client has to do first.
    fn sections(&self) -> impl Iterator<Item = (&'static str, &[DigestItem])> {
        let words = words(self.language);
        let all: [(&str, &[DigestItem]); 5] = [
            (words.rejected, &self.rejected),
            (words.missing, &self.missing),
            (words.expiring, &self.expiring),
            (words.in_review, &self.in_review),
            (words.approved, &self.approved),
        ];
        all.into_iter().filter(|(_, items)| !items.is_empty())
    }

    fn line(&self, item: &DigestItem) -> String {
        let words = words(self.language);
        let mut notes = Vec::new();
        if !item.required {
            notes.push(words.optional.to_owned());
        }
        notes.extend(item.due.map(|day| format!("{} {day}", words.due)));
        notes.extend(item.valid_until.map(|day| format!("{} {day}", words.valid_until)));
        let mut line = item.title.clone();
        if !notes.is_empty() {
            line += &format!(" ({})", notes.join(", "));
        }
        match &item.reason {
            Some(reason) => line + ": " + &reason.replace('\n', " "),
            None => line,
        }
    }
}

/// Text in HTML, where it may also stand in a quoted attribute.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            other => f.write_char(other),
        })
    }
}
