//! Index folds: pages first, `Index` record second, collection of superseded pages; folders and collectors race.

use std::collections::BTreeSet;

use super::{
    checker::Model,
    shared_log::{SharedLog, Verdict},
};

pub(crate) const PAGES_STAY: &str = "every page of the newest committed index exists";
pub(crate) const INDEX_GROWS: &str = "an index covers more than the one before it";

#[derive(Default)]
pub(crate) struct Folding {
    /// The collector deletes every page that the newest index does not reach, also those of folds still to come.
    pub(crate) deletes_future_pages: bool,
    /// An index is planned whatever the newest one covers.
    pub(crate) index_may_go_back: bool,
    /// A fold writes only pages of its own number, trusting that earlier folds wrote theirs.
    pub(crate) trusts_earlier_folds: bool,
}

/// A page holds the records from .0 to .1 and belongs to fold number .1. Its content hash is a function of that range,
/// the log being one chain, so the range stands for the name.
type Page = (usize, usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Record {
    Data,
    Index { covered: usize },
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Folder {
    Idle,
    Writing { covered: usize, pages: Vec<Page>, known: usize },
    Committing { covered: usize },
    Dead,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    log: SharedLog<Record>,
    pages: BTreeSet<Page>,
    late_pages: BTreeSet<Page>,
    folders: [Folder; FOLDERS],
    /// What the newest index known to the collector covers.
    collector: usize,
}

#[derive(Debug)]
#[expect(dead_code, reason = "traces print the fields")]
pub(crate) enum Step {
    DataCommitted,
    Lands(Option<Record>),
    FoldBegins { folder: usize, covered: usize },
    PageWritten { folder: usize, page: Page },
    PageWrittenAfterUnknown { folder: usize, page: Page },
    LatePageLands { page: Page },
    IndexPlanned { folder: usize, covered: usize },
    FoldAbandoned { folder: usize },
    FolderLearns { folder: usize },
    FolderCrashes { folder: usize },
    CollectorReads,
    PageDeleted { page: Page },
}

impl Model for Folding {
    type State = State;
    type Step = Step;

    fn initial(&self) -> State {
        State {
            log: SharedLog::new(vec![Record::Data; 2 * FOLD], FOLDERS),
            pages: BTreeSet::new(),
            late_pages: BTreeSet::new(),
            folders: [const { Folder::Idle }; FOLDERS],
            collector: 0,
        }
    }

    fn steps(&self, state: &State) -> Vec<(Step, State)> {
        let mut out = Vec::new();
        if state.log.records.len() < MAX_RECORDS {
            let mut next = state.clone();
            next.log.records.push(Record::Data);
            out.push((Step::DataCommitted, next));
        }
        for log in state.log.landings() {
            out.push((Step::Lands(log.records.last().copied()), State { log, ..state.clone() }));
        }
        for page in &state.late_pages {
            let mut next = state.clone();
            next.late_pages.remove(page);
            next.pages.insert(*page);
            out.push((Step::LatePageLands { page: *page }, next));
        }
        (0..FOLDERS).for_each(|folder| self.folder(state, folder, &mut out));
        self.collector(state, &mut out);
        out
    }

    fn violation(&self, state: &State) -> Option<&'static str> {
        let covered = indexes(&state.log.records);
        if covered.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Some(INDEX_GROWS);
        }
        let newest = covered.last().copied().unwrap_or(0);
        let missing = manifest(newest).iter().any(|page| !state.pages.contains(page));
        missing.then_some(PAGES_STAY)
    }
}

impl Folding {
    fn folder(&self, state: &State, folder: usize, out: &mut Vec<(Step, State)>) {
        match &state.folders[folder] {
            Folder::Idle => self.begins(state, folder, out),
            Folder::Writing { covered, pages, known } => match pages.split_first() {
                Some((page, rest)) => {
                    let mut next = state.clone();
                    next.pages.insert(*page);
                    let pages = rest.to_vec();
                    next.folders[folder] = Folder::Writing { covered: *covered, pages, known: *known };
                    out.push((Step::PageWritten { folder, page: *page }, next.clone()));
                    if next.late_pages.insert(*page) && state.late_pages.is_empty() {
                        out.push((Step::PageWrittenAfterUnknown { folder, page: *page }, next));
                    }
                }
                None => self.plans(state, folder, *covered, *known, out),
            },
            Folder::Committing { covered } => self.learns(state, folder, *covered, out),
            Folder::Dead => {}
        }
        let crashed = state.folders.contains(&Folder::Dead);
        if !crashed && state.folders[folder] != Folder::Idle {
            let mut next = state.clone();
            next.folders[folder] = Folder::Dead;
            out.push((Step::FolderCrashes { folder }, next));
        }
    }

    fn begins(&self, state: &State, folder: usize, out: &mut Vec<(Step, State)>) {
        let known = state.log.records.len();
        for covered in (FOLD..=known.min(MAX_COVERED))
            .step_by(FOLD)
            .filter(|covered| *covered > newest(&state.log.records))
        {
            let mut pages = manifest(covered);
            pages.retain(|page| !self.trusts_earlier_folds || page.1 == covered);
            let mut next = state.clone();
            next.folders[folder] = Folder::Writing { covered, pages, known };
            out.push((Step::FoldBegins { folder, covered }, next));
        }
    }

    fn plans(
        &self,
        state: &State,
        folder: usize,
        covered: usize,
        known: usize,
        out: &mut Vec<(Step, State)>,
    ) {
        let mut next = state.clone();
        if covered > newest(&state.log.records[..known]) || self.index_may_go_back {
            next.log.submit(folder, known, Record::Index { covered });
            next.folders[folder] = Folder::Committing { covered };
            out.push((Step::IndexPlanned { folder, covered }, next));
        } else {
            next.folders[folder] = Folder::Idle;
            out.push((Step::FoldAbandoned { folder }, next));
        }
    }

    fn learns(&self, state: &State, folder: usize, covered: usize, out: &mut Vec<(Step, State)>) {
        let mut next = state.clone();
        if let Some(verdict) = next.log.learn(folder) {
            next.folders[folder] = match verdict {
                Verdict::Won(_) => Folder::Idle,
                Verdict::Lost(known) => Folder::Writing { covered, pages: Vec::new(), known },
            };
            out.push((Step::FolderLearns { folder }, next));
        }
    }

    fn collector(&self, state: &State, out: &mut Vec<(Step, State)>) {
        let covered = state.collector;
        out.push((Step::CollectorReads, State { collector: newest(&state.log.records), ..state.clone() }));
        let reached = manifest(covered);
        for page in state.pages.iter().filter(|page| !reached.contains(page)) {
            if page.1 <= covered || self.deletes_future_pages {
                let mut next = state.clone();
                next.pages.remove(page);
                out.push((Step::PageDeleted { page: *page }, next));
            }
        }
    }
}

/// One page for each bit of the number of folds, the oldest and largest first: tables of ratio 2, a function of
/// `covered` alone.
fn manifest(covered: usize) -> Vec<Page> {
    let mut begin = 0;
    let bits = (0..usize::BITS).rev().map(|bit| 1 << bit).filter(|size| (covered / FOLD) & size != 0);
    bits.map(|size: usize| {
        let page = (begin, begin + size * FOLD);
        begin = page.1;
        page
    })
    .collect()
}

fn indexes(records: &[Record]) -> Vec<usize> {
    let covered = |record: &Record| match record {
        Record::Index { covered } => Some(*covered),
        Record::Data => None,
    };
    records.iter().filter_map(covered).collect()
}

fn newest(records: &[Record]) -> usize {
    indexes(records).last().copied().unwrap_or(0)
}

const FOLD: usize = 2;
const MAX_RECORDS: usize = 6;
const MAX_COVERED: usize = 6;
const FOLDERS: usize = 2;
