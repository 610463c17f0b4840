//! What a check has found: counts, and objects by name. Names hold random identifiers and numbers alone.

use core::fmt;

use crate::storage::ObjectKey;

/// How far a check looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum CheckDepth {
    /// The log, the index, every key and head opened, every part there with its length: a byte of each.
    Structure,
    /// All that, and every part read, opened and compared with the content's digest.
    Content,
}

/// How an object stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Standing {
    /// It must be there and is not.
    Missing,
    /// It is not what the log says: altered, cut, of another place or another time.
    False,
    /// Of an operation that is announced and has not expired, or of a fold that no record names yet.
    Unfinished,
    /// [`Session::collect_garbage`](crate::Session::collect_garbage) deletes it.
    Collectable,
    /// Of an operation the log does not know: about to commit, or cut off.
    /// [`Session::collect_garbage`](crate::Session::collect_garbage) announces it, and deletes it a day later; a
    /// case's key only where its operation's head shows whose it is, or another one's in that case goes and its epoch was
    /// dropped.
    Unknown,
    /// Of an erased case; [`Session::collect_garbage`](crate::Session::collect_garbage) deletes it.
    Erased,
    /// Of something committed that does not use it: a part of another attempt, a superseded wrap or keyring, a checkpoint
    /// without a record, a probe; or a turn. The next collection of garbage deletes turns, and such parts where a version has
    /// parts of several attempts. A superseded keyring opens for a removed key, and goes with the next change of the keyring.
    /// The others are harmless, and stay.
    Unused,
    /// No name that a vault gives.
    Foreign,
}

/// An object that is not as it should be, or not needed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Finding {
    /// Its name.
    pub object: ObjectKey,
    /// How it stands.
    pub standing: Standing,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.standing, self.object)
    }
}

macro_rules! counts {
    ($($(#[$doc:meta])+ $name:ident),+ $(,)?) => {
        /// What a check has counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[non_exhaustive]
        pub struct CheckCounts {
            $($(#[$doc])+ pub $name: u64,)+
        }

        impl CheckCounts {
            fn add(&mut self, other: &Self) {
                $(self.$name = self.$name.saturating_add(other.$name);)+
            }

            pub(super) fn to_list(self) -> Vec<u64> {
                vec![$(self.$name),+]
            }

            pub(super) fn from_list(list: &[u64]) -> Option<Self> {
                let mut list = list.iter();
                let counts = Self { $($name: *list.next()?),+ };
                list.next().is_none().then_some(counts)
            }
        }
    };
}

counts! {
    /// Records of the log, each verified.
    records,
    /// Entry bundles and hash tiles that are the log's.
    tiles,
    /// Index pages and manifests that are what the log names.
    index,
    /// Keyrings and kept checkpoints that are what the log names.
    named,
    /// Cases that stand.
    cases,
    /// Cases that were erased.
    erased_cases,
    /// Wraps of cases' keys that open.
    keys,
    /// Documents.
    documents,
    /// Versions whose head opens and is the one on record.
    versions,
    /// Grants whose head opens and is the one on record.
    grants,
    /// Parts that are there, with their length; opened, if contents are checked.
    parts,
    /// Sealed bytes of content that were opened.
    bytes,
    /// Names listed.
    listed,
    /// Of these, those that a carrier of deposits keeps here; they are judged when they are taken in.
    deposits,
    /// Objects that must be there and are not.
    missing,
    /// Objects that are not what the log says.
    altered,
    /// Objects of operations under way.
    unfinished,
    /// Objects that a collection of garbage deletes.
    collectable,
    /// Objects of operations that the log does not know.
    unknown,
    /// Objects of erased cases.
    erased,
    /// Objects that are not used.
    unused,
    /// Objects whose name no vault gives.
    foreign,
}

impl CheckCounts {
    /// Objects that are missing or false.
    #[must_use]
    pub const fn faults(&self) -> u64 {
        self.missing.saturating_add(self.altered)
    }
}

/// What a check has found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CheckReport {
    /// How far it looked.
    pub depth: CheckDepth,
    /// Records in the log when it began: everything up to there is covered, and what came later may be.
    pub size: u64,
    /// Whether all steps were taken.
    pub done: bool,
    /// What it counted.
    pub counts: CheckCounts,
    /// The first 10,000 objects that this process found; the counts go on beyond.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    pub(super) fn new(depth: CheckDepth, size: u64) -> Self {
        Self { depth, size, done: false, counts: CheckCounts::default(), findings: Vec::new() }
    }

    /// Whether all steps were taken, and nothing is missing or false.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.done && self.counts.faults() == 0
    }

    pub(super) fn add(&mut self, tally: Tally) {
        self.counts.add(&tally.counts);
        let room = FINDINGS.saturating_sub(self.findings.len());
        self.findings.extend(tally.findings.into_iter().take(room));
    }
}

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckProgress {
    /// What is being checked: `log`, `index`, `named`, `cases`, `objects` or `done`.
    pub stage: &'static str,
    /// Records of the log verified.
    pub records: u64,
    /// Versions checked.
    pub versions: u64,
    /// Names listed.
    pub listed: u64,
    /// Objects found missing or false.
    pub faults: u64,
}

impl CheckProgress {
    pub(super) const fn of(report: &CheckReport, stage: &'static str) -> Self {
        let CheckCounts { records, versions, listed, .. } = report.counts;
        Self { stage, records, versions, listed, faults: report.counts.faults() }
    }
}

/// What one step has found.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) counts: CheckCounts,
    pub(super) findings: Vec<Finding>,
}

impl Tally {
    pub(super) fn find(&mut self, object: ObjectKey, standing: Standing) {
        let counts = &mut self.counts;
        let count = match standing {
            Standing::Missing => &mut counts.missing,
            Standing::False => &mut counts.altered,
            Standing::Unfinished => &mut counts.unfinished,
            Standing::Collectable => &mut counts.collectable,
            Standing::Unknown => &mut counts.unknown,
            Standing::Erased => &mut counts.erased,
            Standing::Unused => &mut counts.unused,
            Standing::Foreign => &mut counts.foreign,
        };
        *count = count.saturating_add(1);
        if self.findings.len() < FINDINGS {
            self.findings.push(Finding { object, standing });
        }
    }

    /// An object that was read and is missing or false.
    pub(super) fn fault(&mut self, object: ObjectKey, missing: bool) {
        self.find(object, if missing { Standing::Missing } else { Standing::False });
    }

    pub(super) fn add(&mut self, other: Self) {
        self.counts.add(&other.counts);
        self.findings.extend(other.findings);
    }
}

const FINDINGS: usize = 10_000;
