//! Planning a batch: each command on top of the ones before it, all into one commit.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::{
    future::ready,
    stream::{self, StreamExt},
};

use super::{
    draft::{Command, Committed, Draft, DraftBody},
    lookup::View,
    queue::Ticket,
    state::State,
    writer::Ledger,
};
use crate::{
    crypto::sign::SigningKey,
    env::{Timestamp, random},
    error::{Error, Result},
    log::{
        Hash,
        body::{self, Personal},
        commit::{self, COUNT_CAP, Entry, Hashed, Sealed},
        leaf::{BodyForm, Kind, Leaf},
        row::{Row, RowKey, rows_of},
    },
    wire::Malformed,
};

/// Plans commands one after the other, each on top of the ones before it.
pub(super) struct Planner<'a> {
    ledger: &'a Ledger,
    state: &'a State,
    planned: BTreeMap<RowKey, Row>,
    entries: Vec<Entry>,
    /// The head's hash: the `previous` of the commit's first record.
    commit_previous: Hash,
    previous: Hash,
    time: Timestamp,
    bytes: usize,
}

impl<'a> Planner<'a> {
    pub(super) fn new(ledger: &'a Ledger, state: &'a State) -> Self {
        let head = state.head;
        Self {
            ledger,
            state,
            planned: BTreeMap::new(),
            entries: Vec::new(),
            commit_previous: head.hash,
            previous: head.hash,
            time: ledger.now().max(head.time),
            bytes: 0,
        }
    }

    /// Whether this many more records may follow in this commit.
    pub(super) fn has_room_for(&self, count: usize) -> bool {
        // What follows new signing keys is signed by them (FORMAT §5.2).
        let ends = self.entries.last().is_some_and(|entry| entry.record.leaf.kind == Kind::SigningKeys);
        !ends && self.entries.len() + count <= COUNT_CAP && self.bytes < BATCH_BYTES
    }

    /// Plans `commands`, all of them or none; tells of the first's record.
    ///
    /// # Errors
    ///
    /// The first refusal.
    pub(super) async fn add(&mut self, commands: &[Arc<dyn Command>]) -> Result<Committed> {
        let Some((first, others)) = commands.split_first() else {
            return Err(Error::invalid("there is nothing to commit"));
        };
        let before = self.entries.len();
        let committed = self.add_one(&**first).await?;
        for command in others {
            if let Err(refusal) = self.add_one(&**command).await {
                self.take_back(before);
                return Err(refusal);
            }
        }
        Ok(committed)
    }

    async fn add_one(&mut self, command: &dyn Command) -> Result<Committed> {
        let view = View {
            state: self.state,
            planned: &self.planned,
            next: self.next(),
            pages: self.ledger.pages(),
            now: self.ledger.now(),
        };
        let draft = command.plan(&view).await?;
        let entry = self.entry(draft)?;
        Ok(self.push(entry))
    }

    /// The number of the record that is planned next.
    fn next(&self) -> u64 {
        self.state.head.size.saturating_add(u64::try_from(self.entries.len()).unwrap_or(u64::MAX))
    }

    fn push(&mut self, entry: Entry) -> Committed {
        let Entry { record, body } = &entry;
        for row in rows_of(record, &self.commit_previous) {
            self.planned.insert(row.key, row);
        }
        self.previous = record.hash;
        self.bytes += body.len();
        let committed = Committed { seq: record.leaf.seq, time: record.leaf.time };
        self.entries.push(entry);
        committed
    }

    /// Forgets what was planned behind the first `count` records: everything else follows from these.
    fn take_back(&mut self, count: usize) {
        let kept = core::mem::take(&mut self.entries).into_iter().take(count);
        self.planned.clear();
        (self.previous, self.bytes) = (self.commit_previous, 0);
        for entry in kept {
            self.push(entry);
        }
    }

    /// The commit of everything added; none if nothing was.
    pub(super) fn seal(self, signer: &SigningKey) -> Result<Option<Sealed>> {
        let Self { ledger, state, entries, .. } = self;
        if entries.is_empty() {
            return Ok(None);
        }
        let recent = state.recent(u64::try_from(entries.len()).unwrap_or(u64::MAX));
        let draft = commit::Draft {
            vault: state.vault,
            before: &state.frontier,
            recent: &recent,
            entries,
            nonce: random(ledger.entropy())?,
        };
        let sealed = draft.seal(signer);
        sealed.map(Some).map_err(|Malformed| Error::invalid("the commit is too large"))
    }

    fn entry(&self, draft: Draft) -> Result<Entry> {
        let form = match &draft.body {
            DraftBody::Plain(_) => BodyForm::Plain,
            DraftBody::Sealed { personal: None, .. } => BodyForm::Outer,
            DraftBody::Sealed { personal: Some(_), .. } => BodyForm::Layered,
        };
        let mut leaf = Leaf {
            kind: draft.kind,
            form,
            position: u16::try_from(self.entries.len()).unwrap_or(u16::MAX),
            seq: self.next(),
            time: self.time,
            previous: self.previous,
            case: draft.case,
            object: draft.object,
            auxiliary: draft.auxiliary,
            operation: draft.operation,
            key_epoch: self.state.log_key.epoch,
            process: self.ledger.process(),
            body: [0; 32],
            effect: draft.effect,
            state_root: draft.state_root,
        };
        let body = match draft.body {
            DraftBody::Plain(statement) => statement,
            DraftBody::Sealed { outer, personal } => {
                let personal = personal.as_ref().map(|(case_key, bytes)| Personal { case_key, bytes });
                body::seal(
                    self.state.vault,
                    &leaf,
                    self.ledger.audit(),
                    &outer,
                    personal,
                    self.ledger.entropy(),
                )?
            }
        };
        leaf.body = commit::body_commitment(&body);
        Ok(Entry { record: Hashed::new(leaf), body })
    }
}

/// Reads at once what planning these commands will look up. What comes of it is found out when they are planned.
pub(super) async fn look_ahead(ledger: &Ledger, state: &State, tickets: &[Arc<Ticket>]) {
    let view = View::of(state, ledger.pages(), ledger.now());
    let commands = tickets.iter().flat_map(|ticket| &ticket.commands);
    let plans: Vec<_> = commands.map(|command| command.plan(&view)).collect();
    stream::iter(plans).buffer_unordered(AT_ONCE).for_each(|_| ready(())).await;
}

/// Commands whose lookups are read at once.
const AT_ONCE: usize = 32;
/// Bytes of bodies in one commit: with 4,096 leaves and a tail's copies it stays below the cap.
const BATCH_BYTES: usize = 1024 * 1024;
