//! Who works here, each under a token of their own.
//!
//! The token stands in the path of every page and not in a cookie: another site, or another server on this
//! machine, can neither send it along nor be sent it.

use axum::{extract::FromRequestParts, http::request::Parts};
use docvault::{
    Entropy, SystemEntropy, Vault,
    intake::{Desk, Template},
};

use super::{Shared, failure::Failure};
use crate::{Outcome, language::Lang};

/// Everybody.
pub(super) struct People(Vec<Person>);

struct Person {
    name: &'static str,
    desk: Desk,
    token: String,
    digest: blake3::Hash,
}

impl People {
    /// Two people with every role of the templates, so that what takes two can be done.
    pub(super) fn new(vault: &Vault, templates: &[Template]) -> Outcome<Self> {
        let named = [("Ana", "executive:1"), ("Bruno", "executive:2")];
        let people = named.into_iter().map(|(name, actor)| {
            let session = vault.session(actor).purpose("case files").begin()?;
            let token = token()?;
            let digest = blake3::hash(token.as_bytes());
            Ok(Person { name, desk: with_roles(Desk::new(session), templates), token, digest })
        });
        Ok(Self(people.collect::<Outcome<_>>()?))
    }

    /// Names and tokens, for whoever started the office.
    pub(super) fn tokens(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|person| (person.name, person.token.as_str()))
    }

    /// Compares hashes, so that time tells nothing of a token.
    fn find(&self, token: &str) -> Option<&Person> {
        let digest = blake3::hash(token.as_bytes());
        self.0.iter().find(|person| person.digest == digest)
    }
}

fn with_roles(desk: Desk, templates: &[Template]) -> Desk {
    let requirements = templates.iter().flat_map(|template| template.requirements());
    let roles = requirements.flat_map(|requirement| [requirement.reviewer(), requirement.attested_by()]);
    roles.fold(desk, |desk, role| desk.role(role.clone()))
}

fn token() -> Outcome<String> {
    let mut bytes = [0; 32];
    SystemEntropy::default().fill(&mut bytes)?;
    Ok(blake3::Hash::from_bytes(bytes).to_hex().to_string())
}

/// Who is at a page, and where their pages are.
pub(super) struct Visitor {
    pub(super) name: &'static str,
    pub(super) desk: Desk,
    pub(super) lang: Lang,
    base: String,
}

impl Visitor {
    /// The path of one of their pages.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The same, in the language that they asked for.
    pub(super) fn link(&self, path: &str) -> String {
        self.lang.link(&self.path(path))
    }
}

impl FromRequestParts<Shared> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, office: &Shared) -> Result<Self, Failure> {
        let token = parts.uri.path().split('/').nth(1).unwrap_or_default().to_owned();
        let Ok(lang) = Lang::from_request_parts(parts, office).await;
        let person = office.people.find(&token).ok_or(Failure::NotFound)?;
        Ok(Self { name: person.name, desk: person.desk.clone(), lang, base: format!("/{token}") })
    }
}
