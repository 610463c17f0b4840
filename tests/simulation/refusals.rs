//! Refusals, judged: each has a reason in the history.

use docvault::ErrorKind;

use super::{
    history::{End, Entry, Register, Storages, Tag, Tick, What, is_on_record},
    judge::{Judge, Verdict},
    world::AHEAD,
};

impl Judge<'_> {
    /// A refusal has a reason; of who is lied to, if it says something of the log.
    pub(super) fn refusals(&self) -> Verdict {
        for entry in &self.entries {
            let (End::Refused(kind) | End::Doubted(kind)) = entry.end else { continue };
            let lied_to = self.storages == Storages::Evil;
            if (!lied_to || is_on_record(kind)) && !self.is_right(entry, kind) {
                return Err(format!("WRONG REFUSAL: {entry:?}"));
            }
        }
        Ok(())
    }

    fn is_right(&self, entry: &Entry, kind: ErrorKind) -> bool {
        let until = entry.ended.unwrap_or(Tick::MAX);
        let happened = |which: &dyn Fn(What) -> bool| self.may_have_happened(until, which);
        let closed = || entry.what.case().is_some_and(|case| happened(&|what| what == What::Close(case)));
        match kind {
            ErrorKind::Storage => entry.faults > 0,
            ErrorKind::Contended => entry.faults > 0 || self.all.iter().any(|other| other.overlaps(entry)),
            // The keyring that the change was made from is not the newest any more.
            ErrorKind::Denied | ErrorKind::NotFound if entry.what == What::ChangeKeyring => self
                .all
                .iter()
                .any(|other| other.what == entry.what && other.begun < until && other.begun != entry.begun),
            // A storage may end the log anywhere behind what the process has seen of it, and not before.
            ErrorKind::NotFound => self.storages == Storages::Evil && !self.has_seen(entry),
            ErrorKind::Erased => {
                entry.what.case().is_some_and(|case| happened(&|what| what == What::Erase(case)))
            }
            ErrorKind::Superseded => match entry.what {
                What::Write(register, _, Some(said)) => self.overtaken(register, said, until),
                _ => false,
            },
            ErrorKind::Denied => match entry.what {
                What::Deliver(grant) | What::Revoke(grant) => happened(&|what| what == What::Revoke(grant)),
                // Not closed yet: no closing is known to have stood before, to this process if it is lied to.
                What::Erase(case) => !self.entries.iter().any(|close| {
                    let told = self.storages != Storages::Evil || close.process == entry.process;
                    told && close.what == What::Close(case) && close.done() && close.precedes(entry)
                }),
                What::Read(..) => false,
                What::Close(_) => closed(),
                What::Store(_, tag)
                | What::Write(_, tag, _)
                | What::Announce(_, tag)
                | What::GiveUp(_, tag) => closed() || self.given_up(entry, tag),
                // Its head was garbage for as long as the operation took.
                _ => closed() || self.collected(entry, entry.from),
            },
            _ => false,
        }
    }

    /// Whether something was stated after `said` by `until`.
    fn overtaken(&self, register: Register, said: Option<Tag>, until: Tick) -> bool {
        let Some(list) = self.list_of(register) else { return true };
        let later = match said {
            None => Some(0),
            Some(said) => list.iter().position(|tag| *tag == said).map(|at| at + 1),
        };
        let mut later = later.and_then(|later| list.get(later..)).unwrap_or_default().iter();
        later.any(|tag| self.written(*tag).is_none_or(|written| written.begun < until))
    }

    /// Whether the operation that writes this value can have been collected, given up, or finished by another run.
    fn given_up(&self, entry: &Entry, tag: Tag) -> bool {
        let until = entry.ended.unwrap_or(Tick::MAX);
        let mut before =
            self.entries.iter().filter(|other| other.begun < until && other.begun != entry.begun);
        let own = |what| matches!(what, What::Announce(_, of) if of == tag) || what.tag() == Some(tag);
        let of_tag = self.entries.iter().filter(|other| own(other.what)).map(|other| other.from);
        let began = if tag < self.first_tag { Some(0) } else { of_tag.min() };
        self.collected(entry, began.unwrap_or(entry.from))
            || before.any(|other| {
                other.what.tag() == Some(tag) || matches!(other.what, What::GiveUp(_, of) if of == tag)
            })
    }

    /// Whether somebody can have collected what an operation that began at `began` wrote, before `entry` ended: no
    /// operation is given up earlier than a day after a collection met it.
    fn collected(&self, entry: &Entry, began: u64) -> bool {
        let ended = entry.until.unwrap_or(u64::MAX);
        let collections = self.entries.iter().filter(|other| other.what == What::Collect);
        let ran_until = |other: &Entry| other.until.unwrap_or(u64::MAX).min(ended);
        collections
            .filter(|other| other.precedes(entry) || other.overlaps(entry))
            .any(|other| ran_until(other).saturating_sub(began) >= DAY - AHEAD)
    }
}

/// In ms.
const DAY: u64 = 24 * 60 * 60 * 1000;
