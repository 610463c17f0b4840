//! Grants, judged: whoever can open something in the end does so by a grant that somebody made, and once.

use std::collections::BTreeMap;

use docvault::{GrantId, Scope};

use super::{
    history::{End, Register, Tag, Tick, What},
    judge::{Judge, Verdict},
};

impl Judge<'_> {
    pub(super) fn grants(&self) -> Verdict {
        let mut made: BTreeMap<Tag, GrantId> = BTreeMap::new();
        for (grant, opening) in &self.found.openers {
            if opening.revoked && !self.may_be_revoked(*grant) {
                return Err(format!("FROM NOWHERE: nobody revoked grant {grant}"));
            }
            if self.deliveries.granted.get(grant).is_some_and(|known| known.made_by().is_none()) {
                continue;
            }
            let maker =
                |tag: &Tag| self.all.iter().find(|entry| entry.what == What::Grant(grant.scope(), *tag));
            let Some((tag, entry)) = opening.tag.and_then(|tag| Some((tag, maker(&tag)?))) else {
                return Err(format!("FROM NOWHERE: grant {grant}"));
            };
            if let End::Refused(_) = entry.end {
                return Err(format!("HALF DONE: refused and there all the same: {grant}: {entry:?}"));
            }
            if let Some(other) = made.insert(tag, *grant) {
                return Err(format!("TWICE: {grant} and {other}: {entry:?}"));
            }
        }
        self.acknowledged()
    }

    /// Who was told of a grant can open by it whatever there is in its scope, unless it is revoked.
    fn acknowledged(&self) -> Verdict {
        for grant in self.found.delivered.keys() {
            let reaches = |register: &Register| match (register, grant.scope()) {
                (Register::Document(document), Scope::Document(only)) => *document == only,
                (Register::Document(document), scope) => document.case() == scope.case(),
                (Register::Statements(_), _) => false,
            };
            if !self.found.openers.contains_key(grant) && self.found.lists.keys().any(reaches) {
                return Err(format!("LOST: nobody can open by grant {grant}"));
            }
        }
        Ok(())
    }

    pub(super) fn may_be_revoked(&self, grant: GrantId) -> bool {
        self.may_have_happened(Tick::MAX, |what| what == What::Revoke(grant))
    }
}
