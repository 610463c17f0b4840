//! What was asked and answered, and when.
//!
//! A *register* is a document, or the statements about a case: a list of values that grows.

use std::collections::BTreeMap;

use docvault::{CaseId, DocumentId, ErrorKind, GrantId, OperationId, Scope, VersionId};

use super::delivered::{Deliveries, Granted};

/// Counts what happens: no two events are at once.
pub type Tick = u64;

/// What every value that is written carries, and nothing else does.
pub type Tag = u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Register {
    Document(DocumentId),
    Statements(CaseId),
}

impl Register {
    pub fn case(self) -> CaseId {
        match self {
            Self::Document(document) => document.case(),
            Self::Statements(case) => case,
        }
    }
}

/// What a statement has to follow, if its caller said so: a value, or none before it.
pub type Follows = Option<Option<Tag>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    CreateCase(Tag),
    /// A new document, whose name is known once it is stored.
    Store(CaseId, Tag),
    Write(Register, Tag, Follows),
    /// The newest value, once it is read: none if nothing was ever written.
    Read(Register, Option<Tag>),
    /// That an upload begins, or goes on: of a document to the case, or of a version to the document.
    Announce(Scope, Tag),
    GiveUp(CaseId, Tag),
    Close(CaseId),
    Erase(CaseId),
    /// What is granted, and the tag that is its purpose.
    Grant(Scope, Tag),
    Deliver(GrantId),
    Revoke(GrantId),
    Collect,
    ChangeKeyring,
    Look,
}

impl What {
    pub fn tag(self) -> Option<Tag> {
        match self {
            Self::CreateCase(tag) | Self::Store(_, tag) | Self::Write(_, tag, _) => Some(tag),
            _ => None,
        }
    }

    pub(super) fn case(self) -> Option<CaseId> {
        match self {
            Self::Store(case, _) | Self::GiveUp(case, _) | Self::Close(case) | Self::Erase(case) => {
                Some(case)
            }
            Self::Announce(scope, _) | Self::Grant(scope, _) => Some(scope.case()),
            Self::Write(register, ..) | Self::Read(register, _) => Some(register.case()),
            Self::Deliver(grant) | Self::Revoke(grant) => Some(grant.scope().case()),
            Self::CreateCase(_) | Self::Collect | Self::ChangeKeyring | Self::Look => None,
        }
    }
}

/// A record, as an operation's caller was told of it: its number, and whose it is if that was told, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    pub seq: u64,
    pub operation: Option<OperationId>,
}

impl Told {
    pub fn of(seq: u64, operation: impl Into<Option<OperationId>>) -> Self {
        Self { seq, operation: operation.into() }
    }

    /// What whoever stored a version was told.
    pub fn version(seq: u64, version: VersionId) -> Self {
        Self::of(seq, OperationId::from_bytes(*version.as_bytes()))
    }
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It happened, as that record if its caller was told.
    Done(Option<Told>),
    /// It was refused or failed, and did not happen.
    Refused(ErrorKind),
    /// Its caller was told this, and it may have happened all the same.
    Doubted(ErrorKind),
    /// It may have happened: its caller died, gave up, or was told so.
    Unknown,
}

/// Whether an error of this kind says something of the log, which no storage can make a process believe.
pub fn is_on_record(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Erased | ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::Superseded)
}

#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub process: usize,
    pub what: What,
    pub begun: Tick,
    pub ended: Option<Tick>,
    pub end: End,
    /// When that was, in ms.
    pub from: u64,
    pub until: Option<u64>,
    /// How many faults its process had met by then.
    pub faults: usize,
}

impl Entry {
    pub(super) fn done(&self) -> bool {
        matches!(self.end, End::Done(_))
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.begun != other.begun && !self.precedes(other) && !other.precedes(self)
    }

    /// Told before `other` began.
    pub(super) fn precedes(&self, other: &Self) -> bool {
        self.ended.is_some_and(|ended| ended < other.begun)
    }
}

/// How much the storage is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storages {
    /// It keeps the contract: refusals must be right, too.
    Honest,
    /// It lies: errors are allowed, wrong answers never, nor refusals that the log does not bear out.
    Evil,
    /// It was put back to a backup under running processes: who comes after is owed everything, who was there
    /// before nothing.
    Restored,
}

#[derive(Debug, Default)]
pub struct History {
    tick: Tick,
    pub entries: Vec<Entry>,
    /// What was written before the run, oldest first.
    pub(super) before: BTreeMap<Register, Vec<Tag>>,
    /// Uploads of tags below it were begun before the run.
    pub(super) first_tag: Tag,
    pub deliveries: Deliveries,
    /// Whole histories of documents, by the number of the operation that asked for them.
    pub histories: Vec<(usize, Vec<Tag>)>,
}

impl History {
    pub fn after(
        before: BTreeMap<Register, Vec<Tag>>,
        granted: BTreeMap<GrantId, Granted>,
        first_tag: Tag,
    ) -> Self {
        Self { before, first_tag, deliveries: Deliveries { granted, made: Vec::new() }, ..Self::default() }
    }

    fn tick(&mut self) -> Tick {
        self.tick += 1;
        self.tick
    }

    pub fn begin(&mut self, process: usize, what: What, from: u64) -> usize {
        let (begun, end) = (self.tick(), End::Unknown);
        self.entries.push(Entry { process, what, begun, ended: None, end, from, until: None, faults: 0 });
        self.entries.len() - 1
    }

    pub fn end(&mut self, at: usize, end: End, until: u64, faults: usize) {
        let ended = self.tick();
        let entry = &mut self.entries[at];
        (entry.ended, entry.end, entry.until, entry.faults) = (Some(ended), end, Some(until), faults);
    }
}
