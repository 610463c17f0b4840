//! Hash tiles: written by folds before their Index record under names that say their place alone; partial ones are
//! collected once a committed manifest has outgrown them. Folders, a collector and a reader race.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    checker::Model,
    shared_log::{SharedLog, Verdict},
};

pub(crate) const TILES_STAY: &str = "every tile of the newest committed manifest exists";
pub(crate) const MISSES_HEAL: &str = "who misses a tile of its manifest finds a newer manifest";

#[derive(Clone, Copy, Default)]
pub(crate) struct Tiles {
    /// Hashes of a full tile.
    pub(crate) base: usize,
    /// How much there is to fold.
    pub(crate) folds: usize,
    /// One write of a partial tile may be answered with Unknown and land at any time.
    pub(crate) late_writes: bool,
    /// A reader goes through the tiles of one manifest after another.
    pub(crate) reads: bool,
    /// A partial tile is collected if a fold before the newest committed one wrote it.
    pub(crate) collects_by_age: bool,
    /// A partial tile is collected if it is narrower than the newest manifest's of its level.
    pub(crate) collects_by_width: bool,
    /// A partial tile is collected unless the newest manifest has it.
    pub(crate) collects_all_others: bool,
    /// A partial tile is collected if it ends where the newest manifest's of its level ends, too.
    pub(crate) collects_equal_ends: bool,
    /// A fold writes what is full since the newest fold that began, not the newest that committed.
    pub(crate) trusts_begun_folds: bool,
    /// The Index record is planned before the partial tiles are written.
    pub(crate) partial_tiles_last: bool,
    /// A missing tile is reported as corrupt without looking for newer records.
    pub(crate) missing_is_corrupt: bool,
}

/// Its content is a function of the log, which is one chain, so the name stands for it. Level 0 stands for the bundle
/// of leaves too. The unit of everything here is what one fold covers: `base` leaves, a full tile of level 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tile {
    level: u32,
    number: usize,
    width: usize,
}

/// The only records that matter here; the others are there from the beginning, and a folder may know any number of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Index {
    covered: usize,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Folder {
    Idle { known: usize },
    Reading { known: usize, covered: usize, tiles: Vec<Tile> },
    Writing { known: usize, covered: usize, tiles: Vec<Tile> },
    Committing { covered: usize, tiles: Vec<Tile> },
    Alarmed,
    Dead,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Reader {
    Reading { covered: usize, tiles: Vec<Tile> },
    Done,
    Alarmed,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    log: SharedLog<Index>,
    /// Each with the fold that wrote it first.
    tiles: BTreeMap<Tile, usize>,
    late: Option<(Tile, usize)>,
    folders: [Folder; FOLDERS],
    reader: Reader,
    /// What the newest manifest known to the collector covers.
    collector: usize,
    /// What folds that began cover, if that is trusted.
    begun: BTreeSet<usize>,
}

#[derive(Debug)]
#[expect(dead_code, reason = "traces print the fields")]
pub(crate) enum Step {
    Lands(Option<Index>),
    FolderSyncs { folder: usize },
    FoldBegins { folder: usize, covered: usize },
    TileRead { folder: usize, tile: Tile },
    TileMissed { folder: usize, tile: Tile },
    TilesWritten { folder: usize, tiles: Vec<Tile> },
    TileWrittenAfterUnknown { folder: usize, tile: Tile },
    LateTileLands { tile: Tile },
    IndexPlanned { folder: usize, covered: usize },
    FoldAbandoned { folder: usize },
    FolderLearns { folder: usize },
    FolderCrashes { folder: usize },
    CollectorSyncs,
    TileDeleted { tile: Tile },
    ReaderBegins { covered: usize },
    ReaderReads { tile: Tile },
    ReaderMisses { tile: Tile },
}

type Steps = Vec<(Step, State)>;

impl Model for Tiles {
    type State = State;
    type Step = Step;

    fn initial(&self) -> State {
        State {
            log: SharedLog::new(Vec::new(), FOLDERS),
            tiles: BTreeMap::new(),
            late: None,
            folders: [const { Folder::Idle { known: 0 } }; FOLDERS],
            reader: Reader::Done,
            collector: 0,
            begun: BTreeSet::new(),
        }
    }

    fn steps(&self, state: &State) -> Steps {
        let mut out = Vec::new();
        for log in state.log.landings() {
            out.push((Step::Lands(log.records.last().copied()), State { log, ..state.clone() }));
        }
        if let Some((tile, fold)) = state.late {
            let mut next = State { late: None, ..state.clone() };
            next.tiles.entry(tile).or_insert(fold);
            out.push((Step::LateTileLands { tile }, next));
        }
        (0..FOLDERS).for_each(|folder| self.folder(state, folder, &mut out));
        self.collector(state, &mut out);
        self.reader(state, &mut out);
        out
    }

    fn violation(&self, state: &State) -> Option<&'static str> {
        let newest = newest(&state.log.records);
        if self.manifest(newest).iter().any(|tile| !state.tiles.contains_key(tile)) {
            return Some(TILES_STAY);
        }
        let alarmed = state.reader == Reader::Alarmed || state.folders.contains(&Folder::Alarmed);
        alarmed.then_some(MISSES_HEAL)
    }
}

impl Tiles {
    /// Every full tile, and the partial one of each level, of the first `covered` units.
    fn manifest(&self, covered: usize) -> Vec<Tile> {
        let mut out = Vec::new();
        for level in 0..LEVELS {
            let (full, width) = self.shape(level, covered);
            out.extend((0..full).map(|number| Tile { level, number, width: self.base }));
            out.extend((width > 0).then_some(Tile { level, number: full, width }));
        }
        out
    }

    /// How many tiles of the level are full, and how wide the partial one is.
    fn shape(&self, level: u32, covered: usize) -> (usize, usize) {
        let hashes = covered * self.base / self.base.pow(level);
        (hashes / self.base, hashes % self.base)
    }

    /// Where a tile ends, in units times `base`: in leaves.
    fn end(&self, tile: Tile) -> usize {
        (tile.number * self.base + tile.width) * self.base.pow(tile.level)
    }

    fn own_end(&self, level: u32, covered: usize) -> usize {
        let leaves = covered * self.base;
        leaves - leaves % self.base.pow(level)
    }

    fn folder(&self, state: &State, folder: usize, out: &mut Steps) {
        match &state.folders[folder] {
            Folder::Idle { known } => self.begins(state, folder, *known, out),
            Folder::Reading { known, covered, tiles } => {
                self.reads(state, folder, (*known, *covered), tiles, out);
            }
            Folder::Writing { known, covered, tiles } => {
                self.writes(state, folder, (*known, *covered), tiles, out);
            }
            Folder::Committing { covered, tiles } => learns(state, folder, *covered, tiles, out),
            Folder::Alarmed | Folder::Dead => return,
        }
        let idle = matches!(state.folders[folder], Folder::Idle { .. });
        if !idle && !state.folders.contains(&Folder::Dead) {
            out.push((Step::FolderCrashes { folder }, with_folder(state, folder, Folder::Dead)));
        }
    }

    fn begins(&self, state: &State, folder: usize, known: usize, out: &mut Steps) {
        if known < state.log.records.len() {
            let idle = Folder::Idle { known: state.log.records.len() };
            out.push((Step::FolderSyncs { folder }, with_folder(state, folder, idle)));
        }
        let committed = newest(&state.log.records[..known]);
        for covered in committed + 1..=self.folds {
            let before = self.manifest(committed);
            let after = self.manifest(covered);
            let grows = |tile: &&Tile| tile.width < self.base && !after.contains(tile);
            let tiles = before.iter().filter(grows).copied().collect();
            let mut next = with_folder(state, folder, Folder::Reading { known, covered, tiles });
            next.begun.extend(self.trusts_begun_folds.then_some(covered));
            out.push((Step::FoldBegins { folder, covered }, next));
        }
    }

    /// Reads the partial tiles that it extends.
    fn reads(
        &self,
        state: &State,
        folder: usize,
        (known, covered): (usize, usize),
        tiles: &[Tile],
        out: &mut Steps,
    ) {
        let Some((tile, rest)) = tiles.split_first() else {
            let tiles = self.fresh(state, known, covered);
            return self.writes(state, folder, (known, covered), &tiles, out);
        };
        let before = newest(&state.log.records[..known]);
        let (step, role) = if state.tiles.contains_key(tile) {
            let reading = Folder::Reading { known, covered, tiles: rest.to_vec() };
            (Step::TileRead { folder, tile: *tile }, reading)
        } else if newest(&state.log.records) > before && !self.missing_is_corrupt {
            let idle = Folder::Idle { known: state.log.records.len() };
            (Step::TileMissed { folder, tile: *tile }, idle)
        } else {
            (Step::TileMissed { folder, tile: *tile }, Folder::Alarmed)
        };
        out.push((step, with_folder(state, folder, role)));
    }

    /// What the manifest before does not have. A tile that both have is not written again: it must not have gone.
    fn fresh(&self, state: &State, known: usize, covered: usize) -> Vec<Tile> {
        let committed = newest(&state.log.records[..known]);
        let begun = state.begun.range(..covered).next_back().copied().unwrap_or(0);
        let before = self.manifest(committed.max(begun));
        let mut tiles = self.manifest(covered);
        tiles.retain(|tile| !before.contains(tile));
        tiles.sort_by_key(|tile| tile.width < self.base);
        tiles
    }

    /// Full tiles are never collected, so they are written in one step.
    fn writes(
        &self,
        state: &State,
        folder: usize,
        (known, covered): (usize, usize),
        tiles: &[Tile],
        out: &mut Steps,
    ) {
        let full = tiles.iter().take_while(|tile| tile.width == self.base).count();
        let (now, rest) = tiles.split_at(full.max(1).min(tiles.len()));
        if now.is_empty() || (self.partial_tiles_last && full == 0) {
            return plans(state, folder, (known, covered), tiles, out);
        }
        let mut next = with_folder(state, folder, Folder::Writing { known, covered, tiles: rest.to_vec() });
        let fold = if self.collects_by_age { covered } else { 0 };
        for tile in now {
            next.tiles.entry(*tile).or_insert(fold);
        }
        out.push((Step::TilesWritten { folder, tiles: now.to_vec() }, next.clone()));
        if self.late_writes && state.late.is_none() && full == 0 {
            next.late = now.first().map(|tile| (*tile, fold));
            out.push((Step::TileWrittenAfterUnknown { folder, tile: now[0] }, next));
        }
    }

    fn collector(&self, state: &State, out: &mut Steps) {
        let newest = newest(&state.log.records);
        if state.collector < newest {
            out.push((Step::CollectorSyncs, State { collector: newest, ..state.clone() }));
        }
        let superseded =
            state.tiles.iter().filter(|(tile, fold)| self.collects(state.collector, **tile, **fold));
        for (tile, _) in superseded {
            let mut next = state.clone();
            next.tiles.remove(tile);
            out.push((Step::TileDeleted { tile: *tile }, next));
        }
    }

    fn collects(&self, covered: usize, tile: Tile, fold: usize) -> bool {
        let (_, width) = self.shape(tile.level, covered);
        let (end, own) = (self.end(tile), self.own_end(tile.level, covered));
        let rule = if self.collects_by_age {
            fold < covered
        } else if self.collects_by_width {
            tile.width < width
        } else if self.collects_all_others {
            end != own
        } else {
            end < own || (end == own && self.collects_equal_ends)
        };
        rule && tile.width < self.base
    }

    /// Reads every tile that its manifest has, in any state of the log; begins once for each manifest.
    fn reader(&self, state: &State, out: &mut Steps) {
        let covered = newest(&state.log.records);
        let with = |reader| State { reader, ..state.clone() };
        match &state.reader {
            Reader::Done if self.reads && covered > 0 => {
                // Full tiles are never collected, so partial ones are all that it can miss.
                let mut tiles = self.manifest(covered);
                tiles.retain(|tile| tile.width < self.base);
                if !tiles.is_empty() {
                    out.push((Step::ReaderBegins { covered }, with(Reader::Reading { covered, tiles })));
                }
            }
            Reader::Reading { covered: of, tiles } => {
                let Some((tile, rest)) = tiles.split_first() else {
                    return out.push((Step::ReaderBegins { covered }, with(Reader::Done)));
                };
                let reading = Reader::Reading { covered: *of, tiles: rest.to_vec() };
                out.push(if state.tiles.contains_key(tile) {
                    (Step::ReaderReads { tile: *tile }, with(reading))
                } else if covered > *of && !self.missing_is_corrupt {
                    (Step::ReaderMisses { tile: *tile }, with(Reader::Done))
                } else {
                    (Step::ReaderMisses { tile: *tile }, with(Reader::Alarmed))
                });
            }
            Reader::Done | Reader::Alarmed => {}
        }
    }
}

/// Only if it covers more than the newest manifest known.
fn plans(state: &State, folder: usize, (known, covered): (usize, usize), left: &[Tile], out: &mut Steps) {
    if covered > newest(&state.log.records[..known]) {
        let mut next = with_folder(state, folder, Folder::Committing { covered, tiles: left.to_vec() });
        next.log.submit(folder, known, Index { covered });
        out.push((Step::IndexPlanned { folder, covered }, next));
    } else {
        let idle = with_folder(state, folder, Folder::Idle { known });
        out.push((Step::FoldAbandoned { folder }, idle));
    }
}

fn learns(state: &State, folder: usize, covered: usize, left: &[Tile], out: &mut Steps) {
    let mut next = state.clone();
    if let Some(verdict) = next.log.learn(folder) {
        next.folders[folder] = match verdict {
            Verdict::Won(known) => Folder::Idle { known },
            Verdict::Lost(known) => Folder::Writing { known, covered, tiles: left.to_vec() },
        };
        out.push((Step::FolderLearns { folder }, next));
    }
}

fn with_folder(state: &State, folder: usize, role: Folder) -> State {
    let mut next = state.clone();
    next.folders[folder] = role;
    next
}

fn newest(records: &[Index]) -> usize {
    records.last().map_or(0, |index| index.covered)
}

const FOLDERS: usize = 2;
const LEVELS: u32 = 4;
