//! Requests by link, and what comes through them.

use super::Decision;
use crate::{
    RequestId, Timestamp,
    intake::{
        Key,
        case::{event::Change, refusal::Refusal, submission::Origin},
    },
};

impl Decision<'_> {
    pub(super) fn issue_request(
        &self,
        request: RequestId,
        requirements: Vec<Key>,
        expires: Timestamp,
        uses: u32,
        to: Option<Key>,
    ) -> Result<Change, Refusal> {
        for requirement in &requirements {
            self.rule(requirement)?;
        }
        if requirements.is_empty() {
            return Err(Refusal::UnknownRequirement);
        }
        if to.as_ref().is_some_and(|to| !self.state.contacts.iter().any(|contact| contact.id == *to)) {
            return Err(Refusal::UnknownContact);
        }
        if self.state.requests.contains_key(&request) {
            return Err(Refusal::AlreadyIssued);
        }
        if expires <= self.now {
            return Err(Refusal::RequestExpired);
        }
        within("uses of a request", usize::try_from(uses).unwrap_or(usize::MAX), USES_OF_A_REQUEST)?;
        let open = self.state.requests.values().filter(|other| other.expires >= self.now).count();
        within("open requests", open + 1, OPEN)?;
        within("requests, expired ones too,", self.state.requests.len() + 1, REQUESTS)?;
        Ok(Change::RequestIssued { request, requirements, expires, uses, to })
    }

    pub(super) fn close_request(&self, request: RequestId) -> Result<Change, Refusal> {
        let open = self.state.requests.contains_key(&request);
        if open { Ok(Change::RequestClosed { request }) } else { Err(Refusal::RequestClosed) }
    }

    /// What comes through a link adds to what the link was for, as often and as long as it was for it.
    pub(super) fn check_deposit(&self, requirement: &Key, origin: &Origin) -> Result<(), Refusal> {
        let Some((request, deposit)) = origin.deposit() else { return Ok(()) };
        let open = self.state.requests.get(&request).ok_or(Refusal::RequestClosed)?;
        if open.deposits.contains(&deposit) {
            return Err(Refusal::AlreadyTaken);
        }
        if !open.requirements.contains(requirement) {
            return Err(Refusal::NotRequested { requirement: requirement.clone() });
        }
        if self.received(origin) > open.expires {
            return Err(Refusal::RequestExpired);
        }
        let used = u32::try_from(open.deposits.len()).unwrap_or(u32::MAX);
        if used >= open.uses { Err(Refusal::RequestUsedUp) } else { Ok(()) }
    }
}

fn within(what: &str, number: usize, most: usize) -> Result<(), Refusal> {
    if (1..=most).contains(&number) { Ok(()) } else { Err(Refusal::TooMany { what: what.to_owned(), most }) }
}

/// Deposits that a request takes over all its requirements, at most.
pub(in crate::intake) const USES_OF_A_REQUEST: usize = 64;
const OPEN: usize = 8;
/// One that has expired stays until it is closed, so that what came in time can be taken in.
const REQUESTS: usize = 16;
