//! Index folds: pages first, `Index` record second, collection of superseded pages; folders and collectors race.

use std::collections::BTreeSet;

use super::{
    checker::Model,
    shared_log::{SharedLog, Verdict},
};

pub(crate) const PAGES_STAY: &str = "every page of the newest committed index exists";
pub(crate) const INDEX_GROWS: &str = "an index covers more than the one before it";
pub(crate) const TABLES_STAY: &str = "a table is rewritten only when its range changes";

pub(crate) struct Folding {
    /// The collector deletes every page that the newest index does not reach, also those of folds still to come.
    pub(crate) deletes_future_pages: bool,
    /// What an index is planned on.
    pub(crate) planned: Planned,
    /// A fold writes only pages of its own number, trusting that earlier folds wrote theirs.
    pub(crate) trusts_earlier_folds: bool,
    /// That a table is rewritten whose range is the same counts for nothing.
    pub(crate) rewrites: bool,
    /// Tables of a level before their records go into the next one.
    pub(crate) ratio: usize,
    /// Records in the beginning, and those that others add, at most.
    pub(crate) records: usize,
    pub(crate) others: usize,
    pub(crate) folders: usize,
}

impl Default for Folding {
    fn default() -> Self {
        Self {
            deletes_future_pages: false,
            planned: Planned::OwnBase,
            trusts_earlier_folds: false,
            rewrites: false,
            ratio: 3,
            records: 3,
            others: 1,
            folders: 2,
        }
    }
}

/// When a fold's index may be planned, by the newest index that its folder knows from the log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planned {
    /// That is the one it began from.
    OwnBase,
    /// It has, just so, each table that the fold took over.
    OwnTables,
    /// It covers less.
    AnyBefore,
    /// The one that the fold began from covers less, whatever the log has come to.
    Anything,
}

/// A table of the records from .0 to .1, written by the fold that covers .2: its pages' content is a function of the range,
/// the log being one chain, and its name tells that and the fold.
type Table = (usize, usize, usize);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Record {
    Data,
    Index { covered: usize, tables: Vec<Table> },
}

/// A fold begun from the index at .base of the log, if from any, by a folder that knows so many records by now.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Fold {
    base: Option<usize>,
    covered: usize,
    tables: Vec<Table>,
    known: usize,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Folder {
    Idle,
    Writing { fold: Fold, pages: Vec<Table> },
    Committing { fold: Fold },
    Dead,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    log: SharedLog<Record>,
    others: usize,
    pages: BTreeSet<Table>,
    late_pages: BTreeSet<Table>,
    folders: Vec<Folder>,
}

#[derive(Debug)]
#[expect(dead_code, reason = "traces print the fields")]
pub(crate) enum Step {
    DataCommitted,
    Lands(Option<Record>),
    FoldBegins { folder: usize, base: usize, covered: usize, tables: Vec<Table> },
    PageWritten { folder: usize, page: Table },
    PageWrittenAfterUnknown { folder: usize, page: Table },
    LatePageLands { page: Table },
    IndexPlanned { folder: usize, covered: usize },
    FoldAbandoned { folder: usize },
    FolderLearns { folder: usize },
    FolderCrashes { folder: usize },
    PageDeleted { page: Table, by_index_of: usize },
}

impl Model for Folding {
    type State = State;
    type Step = Step;

    fn initial(&self) -> State {
        State {
            log: SharedLog::new(vec![Record::Data; self.records], self.folders),
            others: 0,
            pages: BTreeSet::new(),
            late_pages: BTreeSet::new(),
            folders: vec![Folder::Idle; self.folders],
        }
    }

    fn steps(&self, state: &State) -> Vec<(Step, State)> {
        let mut out = Vec::new();
        if state.others < self.others {
            let mut next = state.clone();
            next.others += 1;
            next.log.records.push(Record::Data);
            out.push((Step::DataCommitted, next));
        }
        for log in state.log.landings() {
            out.push((Step::Lands(log.records.last().cloned()), State { log, ..state.clone() }));
        }
        for page in &state.late_pages {
            let mut next = state.clone();
            next.late_pages.remove(page);
            next.pages.insert(*page);
            out.push((Step::LatePageLands { page: *page }, next));
        }
        (0..self.folders).for_each(|folder| self.folder(state, folder, &mut out));
        self.collector(state, &mut out);
        out
    }

    fn violation(&self, state: &State) -> Option<&'static str> {
        let indexes: Vec<_> = indexes(&state.log.records).collect();
        for pair in indexes.windows(2) {
            let ((_, before, old), (_, covered, tables)) = (pair[0], pair[1]);
            if before >= covered {
                return Some(INDEX_GROWS);
            }
            if !self.rewrites
                && old.iter().any(|old| tables.iter().any(|new| same_range(old, new) && old != new))
            {
                return Some(TABLES_STAY);
            }
        }
        let (.., newest) = indexes.last()?;
        newest.iter().any(|page| !state.pages.contains(page)).then_some(PAGES_STAY)
    }
}

impl Folding {
    fn folder(&self, state: &State, folder: usize, out: &mut Vec<(Step, State)>) {
        match &state.folders[folder] {
            Folder::Idle => self.begins(state, folder, out),
            Folder::Writing { fold, pages } => match pages.split_first() {
                Some((page, rest)) => {
                    let mut next = state.clone();
                    next.pages.insert(*page);
                    next.folders[folder] = Folder::Writing { fold: fold.clone(), pages: rest.to_vec() };
                    out.push((Step::PageWritten { folder, page: *page }, next.clone()));
                    if next.late_pages.insert(*page) && state.late_pages.is_empty() {
                        out.push((Step::PageWrittenAfterUnknown { folder, page: *page }, next));
                    }
                }
                None => self.plans(state, folder, fold, out),
            },
            Folder::Committing { fold } => learns(state, folder, fold, out),
            Folder::Dead => {}
        }
        let crashed = state.folders.contains(&Folder::Dead);
        if !crashed && state.folders[folder] != Folder::Idle {
            let mut next = state.clone();
            next.folders[folder] = Folder::Dead;
            out.push((Step::FolderCrashes { folder }, next));
        }
    }

    /// From any index, for a folder may not have seen those after it: reads are withheld, or it has not looked. It then
    /// knows no more than the records before the next.
    fn begins(&self, state: &State, folder: usize, out: &mut Vec<(Step, State)>) {
        let records = &state.log.records;
        let found: Vec<_> = indexes(records).map(|(at, ..)| at).collect();
        let bases = core::iter::once(None).chain(found.iter().copied().map(Some));
        let ends = found.iter().copied().chain([records.len()]);
        for (base, known) in bases.zip(ends) {
            let (before, old) = index_at(records, base);
            for covered in self.records.max(before + 1)..=known.min(self.records + self.others + 1) {
                let (tables, pages) = self.tables(covered, old);
                let mut next = state.clone();
                let fold = Fold { base, covered, tables: tables.clone(), known };
                next.folders[folder] = Folder::Writing { fold, pages };
                out.push((Step::FoldBegins { folder, base: before, covered, tables }, next));
            }
        }
    }

    /// The tables of a fold up to `covered` from an index with the `old` ones, and those of them that it writes.
    fn tables(&self, covered: usize, old: &[Table]) -> (Vec<Table>, Vec<Table>) {
        let (mut tables, mut written) = (Vec::new(), Vec::new());
        for (from, to) in ranges(covered, self.ratio) {
            let new = (from, to, covered);
            match old.iter().find(|old| same_range(old, &new)) {
                Some(old) => tables.push(*old),
                None if self.trusts_earlier_folds && to < covered => tables.push((from, to, to)),
                None => {
                    tables.push(new);
                    written.push(new);
                }
            }
        }
        (tables, written)
    }

    fn plans(&self, state: &State, folder: usize, fold: &Fold, out: &mut Vec<(Step, State)>) {
        let Fold { base, covered, known, .. } = *fold;
        let newest = indexes(&state.log.records[..known]).map(|(at, ..)| at).last();
        let (before, tables) = index_at(&state.log.records, newest);
        let stands = |table: &Table| table.2 == covered || tables.contains(table);
        let may = match self.planned {
            Planned::OwnBase => newest == base,
            Planned::OwnTables => before < covered && fold.tables.iter().all(stands),
            Planned::AnyBefore => before < covered,
            Planned::Anything => true,
        };
        let mut next = state.clone();
        if may {
            next.log.submit(folder, known, Record::Index { covered, tables: fold.tables.clone() });
            next.folders[folder] = Folder::Committing { fold: fold.clone() };
            out.push((Step::IndexPlanned { folder, covered }, next));
        } else {
            next.folders[folder] = Folder::Idle;
            out.push((Step::FoldAbandoned { folder }, next));
        }
    }

    /// A collector may know any index as the newest: it has not looked since, or its deletions come late.
    fn collector(&self, state: &State, out: &mut Vec<(Step, State)>) {
        for page in &state.pages {
            let mut indexes = indexes(&state.log.records).filter(|(_, _, reached)| !reached.contains(page));
            let deletes = |covered: usize| page.2 <= covered || self.deletes_future_pages;
            if let Some((_, covered, _)) = indexes.find(|(_, covered, _)| deletes(*covered)) {
                let mut next = state.clone();
                next.pages.remove(page);
                out.push((Step::PageDeleted { page: *page, by_index_of: covered }, next));
            }
        }
    }
}

fn learns(state: &State, folder: usize, fold: &Fold, out: &mut Vec<(Step, State)>) {
    let mut next = state.clone();
    if let Some(verdict) = next.log.learn(folder) {
        next.folders[folder] = match verdict {
            Verdict::Won(_) => Folder::Idle,
            Verdict::Lost(known) => {
                Folder::Writing { fold: Fold { known, ..fold.clone() }, pages: Vec::new() }
            }
        };
        out.push((Step::FolderLearns { folder }, next));
    }
}

/// The ranges of the tables that stand for `covered` records, a fold being one of them (FORMAT §6.3).
fn ranges(covered: usize, ratio: usize) -> Vec<(usize, usize)> {
    let units =
        core::iter::successors(Some(1), |unit| Some(unit * ratio)).take_while(|unit| *unit <= covered);
    let ranges = units.map(|unit| (covered - covered % (unit * ratio), covered - covered % unit));
    ranges.filter(|(from, to)| from < to).collect()
}

fn same_range(one: &Table, other: &Table) -> bool {
    (one.0, one.1) == (other.0, other.1)
}

/// Each index of the log: where it stands, what it covers, its tables.
fn indexes(records: &[Record]) -> impl Iterator<Item = (usize, usize, &[Table])> {
    records.iter().enumerate().filter_map(|(at, record)| match record {
        Record::Index { covered, tables } => Some((at, *covered, tables.as_slice())),
        Record::Data => None,
    })
}

/// What an index covers, and its tables; nothing if there is none.
fn index_at(records: &[Record], at: Option<usize>) -> (usize, &[Table]) {
    match at.map(|at| &records[at]) {
        Some(Record::Index { covered, tables }) => (*covered, tables),
        _ => (0, &[]),
    }
}
