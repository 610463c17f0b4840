//! What a process has seen of the log: no storage can show it a log in which that is missing.

use docvault::{CaseId, DocumentId, GrantId, Scope};

use super::{
    history::{Entry, Register, What},
    judge::Judge,
};

/// What an operation is about, and what can be missing.
enum Thing {
    Case(CaseId),
    Document(DocumentId),
    Grant(GrantId),
}

impl Judge<'_> {
    /// Whether what an operation is about stood before the run, which every process's pin vouches for, or was told to its
    /// own process since.
    pub(super) fn has_seen(&self, entry: &Entry) -> bool {
        let Some(thing) = about(entry.what) else { return false };
        let mut told = self
            .entries
            .iter()
            .filter(|other| other.process == entry.process && other.done() && other.precedes(entry));
        self.stood_before(&thing) || told.any(|other| self.tells_of(other, &thing))
    }

    fn stood_before(&self, thing: &Thing) -> bool {
        match thing {
            Thing::Case(case) => self.before.keys().any(|register| register.case() == *case),
            Thing::Document(document) => self.before.contains_key(&Register::Document(*document)),
            Thing::Grant(grant) => {
                self.deliveries.granted.get(grant).is_some_and(|granted| granted.made_by().is_none())
            }
        }
    }

    fn tells_of(&self, other: &Entry, thing: &Thing) -> bool {
        match (thing, other.what) {
            (Thing::Case(case), What::CreateCase(tag)) => self.found.cases.get(&tag) == Some(case),
            (Thing::Case(case), what) => what.case() == Some(*case),
            (Thing::Document(document), What::Store(_, tag)) => {
                self.list_of(Register::Document(*document)).is_some_and(|list| list.contains(&tag))
            }
            (Thing::Document(document), what) => {
                matches!(about(what), Some(Thing::Document(of)) if of == *document)
            }
            (Thing::Grant(grant), What::Grant(..)) => {
                let made_by = self.deliveries.granted.get(grant).and_then(|granted| granted.made_by());
                made_by.is_some_and(|at| self.all[at].begun == other.begun)
            }
            (Thing::Grant(grant), what) => matches!(about(what), Some(Thing::Grant(of)) if of == *grant),
        }
    }
}

fn about(what: What) -> Option<Thing> {
    match what {
        What::Read(Register::Document(document), _)
        | What::Write(Register::Document(document), ..)
        | What::Announce(Scope::Document(document), _)
        | What::Grant(Scope::Document(document), _) => Some(Thing::Document(document)),
        What::Deliver(grant) | What::Revoke(grant) => Some(Thing::Grant(grant)),
        other => other.case().map(Thing::Case),
    }
}
