//! What deliveries held, judged as reads: of a grant for what was there when it was made, at that time; of one that
//! follows, at the delivery's own.

use std::collections::{BTreeMap, BTreeSet};

use docvault::{DocumentId, GrantId, Scope};

use super::{
    history::{End, Entry, Register, Tag, What},
    judge::Judge,
};

/// The documents of a delivery, and which version of each.
pub type Holds = BTreeMap<DocumentId, Tag>;

/// What a grant opens.
#[derive(Debug, Clone)]
pub enum Granted {
    /// What was there before the run.
    Before(Holds),
    /// What was there when the operation of this number made it.
    Made(usize),
    /// What is there at each delivery; made by the operation of this number, if that was not before the run.
    Following(Option<usize>),
}

impl Granted {
    /// The number of the operation that made it; none if that was before the run.
    pub const fn made_by(&self) -> Option<usize> {
        match self {
            Self::Before(_) => None,
            Self::Made(at) => Some(*at),
            Self::Following(at) => *at,
        }
    }
}

#[derive(Debug, Default)]
pub struct Deliveries {
    pub granted: BTreeMap<GrantId, Granted>,
    /// By the number of the operation.
    pub made: Vec<(usize, Holds)>,
}

fn reaches(scope: Scope, document: DocumentId) -> bool {
    match scope {
        Scope::Document(only) => document == only,
        scope => document.case() == scope.case(),
    }
}

impl Judge<'_> {
    /// All that the deliveries of those who are owed something, and those in the end, say of documents.
    pub(super) fn delivered(&self) -> Result<Vec<Entry>, String> {
        let owed: BTreeSet<_> = self.entries.iter().map(|entry| entry.begun).collect();
        let mut reads = Vec::new();
        for (at, holds) in &self.deliveries.made {
            let entry = &self.all[*at];
            let What::Deliver(grant) = entry.what else { continue };
            if owed.contains(&entry.begun) {
                reads.extend(self.reads_of(grant, holds, Some(entry))?);
            }
        }
        for (grant, holds) in &self.found.delivered {
            reads.extend(self.reads_of(*grant, holds, None)?);
        }
        Ok(reads)
    }

    /// A delivery as reads of every document that its grant reaches, also of those that it left out. One in the end
    /// has no entry, and holds what stands then.
    fn reads_of(&self, grant: GrantId, holds: &Holds, entry: Option<&Entry>) -> Result<Vec<Entry>, String> {
        let scope = grant.scope();
        if self.found.erased.contains(&scope.case()) {
            return Ok(Vec::new());
        }
        let there: BTreeMap<DocumentId, &[Tag]> = self.reached(scope).collect();
        if let Some(document) = holds.keys().find(|document| !there.contains_key(document)) {
            return Err(format!("FROM NOWHERE: {document} was delivered under {grant}: {entry:?}"));
        }
        let granted = self.deliveries.granted.get(&grant);
        let when = match granted.ok_or_else(|| format!("FROM NOWHERE: grant {grant}"))? {
            Granted::Before(held) if held == holds => return Ok(Vec::new()),
            Granted::Before(held) => {
                return Err(format!("DELIVERED: {holds:?} for {held:?} under {grant}: {entry:?}"));
            }
            Granted::Made(at) => self.all[*at],
            Granted::Following(_) => match entry {
                Some(entry) => *entry,
                None => return in_the_end(grant, holds, &there).map(|()| Vec::new()),
            },
        };
        let read =
            |document: DocumentId| What::Read(Register::Document(document), holds.get(&document).copied());
        Ok(there
            .keys()
            .map(|document| Entry { what: read(*document), end: End::Done(None), ..when })
            .collect())
    }

    fn reached(&self, scope: Scope) -> impl Iterator<Item = (DocumentId, &[Tag])> {
        self.found.lists.iter().filter_map(move |(register, list)| match register {
            Register::Document(document) if reaches(scope, *document) => Some((*document, list.as_slice())),
            _ => None,
        })
    }
}

fn in_the_end(grant: GrantId, holds: &Holds, there: &BTreeMap<DocumentId, &[Tag]>) -> Result<(), String> {
    let newest = there.iter().filter_map(|(document, list)| Some((*document, *list.last()?)));
    let newest: Holds = newest.collect();
    if newest == *holds {
        return Ok(());
    }
    Err(format!("DELIVERED: in the end {holds:?} for {newest:?} under {grant}"))
}
