//! Contacts and comments.

use super::{Decision, text};
use crate::intake::{
    Audience, Contact, Key, Origin,
    case::{event::Change, refusal::Refusal},
};

impl Decision<'_> {
    pub(super) fn set_contact(&self, contact: Contact) -> Result<Change, Refusal> {
        check(&contact)?;
        let others = self.state.contacts.iter().filter(|other| other.id != contact.id).count();
        within(others + 1)?;
        Ok(Change::ContactSet(contact))
    }

    pub(super) fn remove_contact(&self, contact: Key) -> Result<Change, Refusal> {
        let known = self.state.contacts.iter().any(|other| other.id == contact);
        if known { Ok(Change::ContactRemoved { contact }) } else { Err(Refusal::UnknownContact) }
    }

    pub(super) fn comment(
        &self,
        requirement: Option<Key>,
        comment: String,
        audience: Audience,
        origin: Option<Origin>,
    ) -> Result<Change, Refusal> {
        requirement.as_ref().map_or(Ok(()), |key| self.rule(key).map(|_| ()))?;
        text("comment", &comment, COMMENT_CAP)?;
        Ok(Change::Commented { requirement, text: comment, audience, origin })
    }
}

pub(super) fn check_all(contacts: &[Contact]) -> Result<(), Refusal> {
    contacts.iter().try_for_each(check)?;
    within(contacts.len())
}

fn check(contact: &Contact) -> Result<(), Refusal> {
    text("contact's name", &contact.name, NAME_CAP)?;
    text("contact's address", &contact.address, ADDRESS_CAP)
}

fn within(contacts: usize) -> Result<(), Refusal> {
    if contacts <= CONTACTS {
        Ok(())
    } else {
        Err(Refusal::TooMany { what: "contacts".into(), most: CONTACTS })
    }
}

const CONTACTS: usize = 8;
const NAME_CAP: usize = 200;
/// RFC 5321 §4.5.3.1.3: a path of 256 octets, its brackets included.
const ADDRESS_CAP: usize = 254;
/// Bytes of a comment, at most.
pub(in crate::intake) const COMMENT_CAP: usize = 4000;
