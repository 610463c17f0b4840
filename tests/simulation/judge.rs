//! The reference model, and the judge: whether one vault that did one thing after the other could have answered
//! so.
//!
//! The order of what was written is the one that is read at the end; everything else has to agree with it.

use std::collections::{BTreeMap, BTreeSet};

use docvault::{AuditRecord, CaseId, GrantId, Kind};

use super::{
    delivered::{Deliveries, Holds},
    history::{End, Entry, History, Register, Storages, Tag, Tick, Told, What},
};

/// What is there in the end.
#[derive(Debug, Default)]
pub struct Found {
    pub lists: BTreeMap<Register, Vec<Tag>>,
    /// What stands in the lists, and its record.
    pub made: BTreeMap<Tag, Told>,
    pub cases: BTreeMap<Tag, CaseId>,
    pub erased: BTreeSet<CaseId>,
    /// Grants that somebody knows, and whether they are revoked.
    pub grants: BTreeMap<GrantId, bool>,
    /// By which record, if their case is still there to ask about.
    pub revocations: BTreeMap<GrantId, u64>,
    /// All grants by which something can be opened.
    pub openers: BTreeMap<GrantId, Opening>,
    /// What those that are not revoked deliver.
    pub delivered: BTreeMap<GrantId, Holds>,
    pub records: BTreeMap<u64, AuditRecord>,
}

impl Found {
    pub fn list(&mut self, register: Register, list: Vec<(Tag, Told)>) {
        self.lists.insert(register, list.iter().map(|(tag, _)| *tag).collect());
        self.made.extend(list);
    }
}

/// What is said of a grant to whoever asks who can open a document.
#[derive(Debug, Clone, Copy)]
pub struct Opening {
    /// Its purpose; none of one from before the run.
    pub tag: Option<Tag>,
    pub revoked: bool,
}

pub(super) type Verdict = Result<(), String>;

impl History {
    /// The verdict on a run, by who was owed something: everyone, or in a restored storage those from process
    /// `from` on.
    pub fn judge(&self, found: &Found, storages: Storages, from: usize) -> Verdict {
        let owed = self.entries.iter().filter(|entry| entry.process >= from).collect();
        let (before, all, deliveries) = (&self.before, &*self.entries, &self.deliveries);
        let (first_tag, histories) = (self.first_tag, &*self.histories);
        let judge = Judge { before, first_tag, all, entries: owed, deliveries, histories, found, storages };
        judge.writes()?;
        judge.lists()?;
        judge.reads()?;
        judge.histories()?;
        judge.grants()?;
        judge.one_order()?;
        judge.what_ended_stays_ended()?;
        judge.refusals()
    }
}

pub(super) struct Judge<'a> {
    pub(super) before: &'a BTreeMap<Register, Vec<Tag>>,
    pub(super) first_tag: Tag,
    /// By whomever: a value that is there may be anybody's.
    pub(super) all: &'a [Entry],
    /// By those who are owed something.
    pub(super) entries: Vec<&'a Entry>,
    pub(super) deliveries: &'a Deliveries,
    histories: &'a [(usize, Vec<Tag>)],
    pub(super) found: &'a Found,
    pub(super) storages: Storages,
}

/// When a value can have been written: begun first, and told first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    pub(super) begun: Tick,
    told: Tick,
    seq: Option<u64>,
}

impl Judge<'_> {
    /// Acknowledged is there; refused is not; nothing comes from nowhere.
    fn writes(&self) -> Verdict {
        let there: BTreeSet<Tag> =
            self.found.lists.values().flatten().chain(self.found.cases.keys()).copied().collect();
        for entry in &self.entries {
            let Some(tag) = entry.what.tag() else { continue };
            let erased = entry.what.case().is_some_and(|case| self.found.erased.contains(&case));
            if entry.done() && !there.contains(&tag) && !erased {
                return Err(format!("LOST: acknowledged and not there: {entry:?}"));
            }
            if there.contains(&tag) && self.written(tag).is_none() {
                return Err(format!("HALF DONE: refused and there all the same: {entry:?}"));
            }
        }
        if let Some(tag) = self.found.cases.keys().find(|tag| self.written(**tag).is_none()) {
            return Err(format!("FROM NOWHERE: case {tag}"));
        }
        Ok(())
    }

    /// The times of a value's writes that may have taken effect; an upload that is gone on with has several.
    pub(super) fn written(&self, tag: Tag) -> Option<Written> {
        let of_tag = self.all.iter().filter(|entry| entry.what.tag() == Some(tag));
        let may = of_tag.filter(|entry| !matches!(entry.end, End::Refused(_)));
        let all: Vec<_> = may.collect();
        let begun = all.iter().map(|entry| entry.begun).min()?;
        let told = all.iter().filter(|entry| entry.done()).filter_map(|entry| entry.ended).min();
        let seq = all.iter().find_map(|entry| match entry.end {
            End::Done(told) => told.map(|told| told.seq),
            _ => None,
        });
        Some(Written { begun, told: told.unwrap_or(Tick::MAX), seq })
    }

    /// Each register holds what it held, then each value once, in an order that nobody's clock contradicts.
    fn lists(&self) -> Verdict {
        for (register, list) in &self.found.lists {
            let before = self.before.get(register).map_or(&[][..], Vec::as_slice);
            let Some(fresh) = list.strip_prefix(before) else {
                return Err(format!("LOST: {register:?} held {before:?} and holds {list:?}"));
            };
            if list.iter().collect::<BTreeSet<_>>().len() != list.len() {
                return Err(format!("TWICE: {register:?} holds {list:?}"));
            }
            self.list(*register, fresh)?;
            self.follows(list)?;
        }
        for (register, before) in self.before {
            let gone = self.found.erased.contains(&register.case()) || before.is_empty();
            if !gone && !self.found.lists.contains_key(register) {
                return Err(format!("LOST: {register:?}, which held {before:?}"));
            }
        }
        Ok(())
    }

    fn list(&self, register: Register, fresh: &[Tag]) -> Verdict {
        let (mut latest, mut seq) = (0, None);
        for tag in fresh {
            let belongs = |entry: &&Entry| match entry.what {
                What::Store(case, of) => {
                    of == *tag && matches!(register, Register::Document(_)) && case == register.case()
                }
                What::Write(into, of, _) => of == *tag && into == register,
                _ => false,
            };
            let written = self.written(*tag).filter(|_| self.all.iter().any(|entry| belongs(&entry)));
            let Some(written) = written else {
                return Err(format!("FROM NOWHERE: {tag} in {register:?}"));
            };
            if written.told < latest || written.seq.is_some_and(|own| seq.is_some_and(|seq| own <= seq)) {
                return Err(format!("ORDER: {tag} stands too late in {register:?}: {fresh:?}"));
            }
            latest = latest.max(written.begun);
            seq = written.seq.or(seq);
        }
        Ok(())
    }

    /// What had to follow another value does.
    fn follows(&self, list: &[Tag]) -> Verdict {
        for (at, tag) in list.iter().enumerate() {
            let before = at.checked_sub(1).map(|before| list[before]);
            let other = |entry: &&Entry| matches!(entry.what, What::Write(_, of, Some(said)) if of == *tag && said != before);
            if let Some(entry) = self.all.iter().find(other) {
                return Err(format!("FOLLOWS: {tag} stands after {before:?}: {entry:?}"));
            }
        }
        Ok(())
    }

    /// Every read is of the newest value at some instant between its question and its answer.
    fn reads(&self) -> Verdict {
        let mut seen: BTreeMap<Register, Vec<(&Entry, usize)>> = BTreeMap::new();
        let delivered = self.delivered()?;
        let asked = self.entries.iter().copied().filter(|entry| entry.done());
        for entry in asked.chain(&delivered) {
            let What::Read(register, tag) = entry.what else { continue };
            let Some(list) = self.list_of(register) else { continue };
            // Values are counted from 1; 0 is before the first.
            let at = match tag {
                None => Some(0),
                Some(tag) => list.iter().position(|of| *of == tag).map(|at| at + 1),
            };
            let Some(at) = at else {
                return Err(format!(
                    "GONE: a value was read that is not there any more: {entry:?}, {list:?}"
                ));
            };
            if let Some(newer) = list[at..].iter().find(|tag| self.told_before(register, **tag, entry)) {
                return Err(format!(
                    "STALE: {newer} was told before this read, and not seen by it: {entry:?}"
                ));
            }
            let early = tag.and_then(|tag| self.written(tag));
            if early.is_some_and(|written| entry.ended.is_some_and(|ended| written.begun > ended)) {
                return Err(format!("FROM NOWHERE: read before it was written: {entry:?}"));
            }
            seen.entry(register).or_default().push((entry, at));
        }
        for reads in seen.values() {
            let back = |(one, at): &(&Entry, usize)| {
                reads.iter().find(|(other, before)| other.precedes(one) && before > at)
            };
            if let Some((read, (newer, _))) = reads.iter().find_map(|read| Some((read.0, back(read)?))) {
                return Err(format!("BACK: {read:?} after {newer:?}"));
            }
        }
        Ok(())
    }

    /// A whole history is all that stood by then, each version once.
    fn histories(&self) -> Verdict {
        for (at, told) in self.histories {
            let entry = &self.all[*at];
            let What::Read(register, newest) = entry.what else { continue };
            let Some(list) = self.list_of(register).filter(|_| entry.done()) else { continue };
            let up_to = newest.and_then(|newest| list.iter().position(|tag| *tag == newest));
            if up_to.map(|last| &list[..=last]) != Some(told.as_slice()) {
                return Err(format!("HISTORY: {told:?} of {list:?}: {entry:?}"));
            }
        }
        Ok(())
    }

    pub(super) fn list_of(&self, register: Register) -> Option<&[Tag]> {
        match self.found.lists.get(&register) {
            Some(list) => Some(list),
            None if self.found.erased.contains(&register.case()) => None,
            None => Some(&[]),
        }
    }

    /// What was written before the run was told before all of it: every process opens with a pin of a log in which
    /// it stands, and within the log that is shown the newest shows (SECURITY, *Stored bytes*).
    fn told_before(&self, register: Register, tag: Tag, read: &Entry) -> bool {
        self.before.get(&register).is_some_and(|before| before.contains(&tag))
            || self.written(tag).is_some_and(|written| written.told < read.begun)
    }

    /// Whether the record that an operation's caller was told of is that operation's.
    fn is_own(&self, told: Told, what: What) -> bool {
        let Some(record) = self.found.records.get(&told.seq) else { return false };
        let made = what.tag().and_then(|tag| self.found.made.get(&tag));
        let of_kind = match (told.operation, what) {
            (Some(operation), _) => record.operation == operation,
            (None, What::Erase(_)) => record.kind == Kind::CaseErased,
            (None, What::Revoke(grant)) => {
                let revocation = self.found.revocations.get(&grant);
                record.kind == Kind::Revoked && revocation.is_none_or(|seq| *seq == told.seq)
            }
            _ => false,
        };
        of_kind
            && made.is_none_or(|made| *made == told)
            && (record.case == what.case() || what.case().is_none())
    }

    /// Records are numbered as their operations happened, each number once.
    fn one_order(&self) -> Verdict {
        let told = self.entries.iter().filter_map(|entry| match entry.end {
            End::Done(Some(told)) => Some((told, *entry)),
            _ => None,
        });
        let told: Vec<(Told, &Entry)> = told.collect();
        if let Some((told, entry)) = told.iter().find(|(told, entry)| !self.is_own(*told, entry.what)) {
            let record = self.found.records.get(&told.seq);
            return Err(format!("TWO CHAINS: {entry:?} was told of a record that is {record:?}"));
        }
        let numbered: Vec<(u64, &Entry)> = told.iter().map(|(told, entry)| (told.seq, *entry)).collect();
        let numbers: BTreeSet<u64> = numbered.iter().map(|(seq, _)| *seq).collect();
        // Several runs of one upload are one operation.
        let own: BTreeSet<(u64, Option<Tag>, Tick)> = numbered
            .iter()
            .map(|(seq, entry)| (*seq, entry.what.tag(), entry.what.tag().map_or(entry.begun, |_| 0)))
            .collect();
        if numbers.len() != own.len() {
            return Err(format!("TWO CHAINS: two operations were told the same number: {numbered:?}"));
        }
        for (seq, entry) in &numbered {
            if let Some((other, early)) =
                numbered.iter().find(|(other, early)| early.precedes(entry) && other > seq)
            {
                return Err(format!("ORDER: {entry:?} is record {seq}, {early:?} before it {other}"));
            }
        }
        Ok(())
    }

    /// What is closed takes nothing, what is erased shows nothing, what is revoked delivers nothing.
    fn what_ended_stays_ended(&self) -> Verdict {
        let done: Vec<&&Entry> = self.entries.iter().filter(|entry| entry.done()).collect();
        for end in &done {
            let over = |entry: &&&&Entry| match (end.what, entry.what) {
                (
                    What::Close(case),
                    What::Store(..) | What::Write(..) | What::Announce(..) | What::Grant(..),
                ) => entry.what.case() == Some(case),
                (What::Erase(case), _) => entry.what.case() == Some(case),
                (What::Revoke(grant), What::Deliver(of) | What::Revoke(of)) => of == grant,
                _ => false,
            };
            if let Some(entry) = done.iter().filter(over).find(|entry| end.precedes(entry)) {
                return Err(format!("OVER: {entry:?} after {end:?}"));
            }
            match end.what {
                What::Erase(case) if !self.found.erased.contains(&case) => {
                    return Err(format!("LOST: an erasure: {end:?}"));
                }
                What::Revoke(grant) if self.found.grants.get(&grant) == Some(&false) => {
                    return Err(format!("LOST: a revocation: {end:?}"));
                }
                _ => {}
            }
        }
        let asked = |case: &CaseId| self.may_have_happened(Tick::MAX, |what| what == What::Erase(*case));
        if let Some(case) = self.found.erased.iter().find(|case| !asked(case)) {
            return Err(format!("FROM NOWHERE: nobody erased case {case}"));
        }
        match self.found.grants.iter().find(|(grant, over)| **over && !self.may_be_revoked(**grant)) {
            Some((grant, _)) => Err(format!("FROM NOWHERE: nobody revoked grant {grant}")),
            None => Ok(()),
        }
    }

    pub(super) fn may_have_happened(&self, before: Tick, which: impl Fn(What) -> bool) -> bool {
        let may = |entry: &&Entry| entry.begun < before && !matches!(entry.end, End::Refused(_));
        self.all.iter().filter(may).any(|entry| which(entry.what))
    }
}
