//! Turns at committing, between processes (DESIGN "Taking turns"). Advice: whatever is wrong here costs time alone.

use core::time::Duration;

use bytes::Bytes;
use futures_util::future::{OptionFuture, join_all, join4};

use super::{state::State, writer::Ledger};
use crate::{
    env::random,
    error::Result,
    storage::{ObjectKey, layout},
};

/// A process's wish to commit next, and the number of records it knew then: the order of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    records: u64,
    process: [u8; 12],
}

impl Turn {
    fn key(&self) -> ObjectKey {
        layout::turn(self.records, &self.process)
    }

    /// Whether its process has committed since.
    fn is_over(&self, state: &State) -> bool {
        state.written_by(&self.process).is_some_and(|end| end > self.records)
    }
}

/// What this process knows of the line, and its own place there.
#[derive(Debug, Default)]
pub(super) struct Turns {
    mine: Option<Turn>,
    /// Whether the storage shows it.
    listed: bool,
    /// Turns that are over and to be deleted: its own, and those of processes that are gone.
    over: Vec<Turn>,
    /// Others wanted to commit too, a short while ago: for so many commits more a turn is asked for.
    contended: u32,
    /// Commits begun since the line was looked at.
    unlooked: u32,
    /// Who is waited for no longer.
    given_up: Vec<Turn>,
}

impl Turns {
    /// Whether others wait for theirs, as far as is known.
    pub(super) fn are_taken(&self) -> bool {
        self.contended > 0
    }

    pub(super) fn won(&mut self) {
        self.over.extend(self.mine.take());
    }

    /// Takes note of the `losses`th race that was lost in a row. One may be chance.
    pub(super) fn lost(&mut self, losses: u32) {
        if losses >= LOSSES || self.are_taken() {
            self.contended = CALM;
        }
    }

    fn ask(&mut self, records: u64, process: [u8; 12]) {
        if self.mine.is_none() {
            self.mine = Some(Turn { records, process });
            self.listed = false;
        }
    }

    /// The others in line who count, of those that a listing shows.
    fn others(&mut self, line: &[ObjectKey], state: &State, process: [u8; 12]) -> Vec<Turn> {
        let named = line.iter().filter_map(layout::turn_of);
        let line: Vec<Turn> = named.map(|(records, process)| Turn { records, process }).collect();
        self.listed |= self.mine.is_some_and(|mine| line.contains(&mine));
        self.given_up.retain(|given_up| line.contains(given_up));
        if line.len() >= CROWDED {
            self.over.extend(line.iter().filter(|turn| turn.is_over(state)));
        }
        let counts =
            |turn: &Turn| turn.process != process && !turn.is_over(state) && !self.given_up.contains(turn);
        let others: Vec<Turn> = line.into_iter().filter(counts).collect();
        self.unlooked = 0;
        if !others.is_empty() {
            self.contended = CALM;
        }
        others
    }
}

impl Ledger {
    /// Waits, if others want to commit too, until none of them is before this process. Reads what they commit.
    ///
    /// # Errors
    ///
    /// Corrupt, or the storage's, from reading the log. The line itself is advice, and its errors are none.
    pub(super) async fn take_turn(&self, turns: &mut Turns) -> Result<()> {
        if !turns.are_taken() {
            return Ok(());
        }
        turns.contended -= 1;
        turns.ask(self.state().head.size, self.process());
        let mut first: Option<(Turn, u32)> = None;
        for _ in 0..LOOKS {
            let Some(others) = self.look(turns).await? else { return self.pause().await };
            let Some(ahead) = others.into_iter().next() else { return Ok(()) };
            if turns.mine.is_some_and(|mine| mine < ahead) {
                return Ok(());
            }
            let looks = first.filter(|(turn, _)| *turn == ahead).map_or(0, |(_, looks)| looks + 1);
            first = Some((ahead, looks));
            if looks < PATIENCE {
                self.sleeper().sleep(POLL).await;
            } else {
                turns.given_up.push(ahead);
                drop(self.storage().delete(&ahead.key()).await);
            }
        }
        Ok(())
    }

    /// Leaves the line without having committed.
    pub(super) async fn leave(&self, turns: &mut Turns) {
        if let Some(mine) = turns.mine {
            drop(self.storage().delete(&mine.key()).await);
            turns.mine = None;
        }
    }

    /// Looks at the line from time to time while nobody is known to wait, beside a commit.
    pub(super) async fn glance(&self, turns: &mut Turns) {
        turns.unlooked += 1;
        if turns.unlooked >= GLANCE_EVERY
            && let Ok(line) = self.storage().list(layout::TURNS, None, LINE).await
        {
            turns.others(&line, &self.state(), self.process());
        }
    }

    /// Catches up and lists the line, stands in it if that is wanted, and clears away a turn that is over. None if the
    /// line cannot be read.
    async fn look(&self, turns: &mut Turns) -> Result<Option<Vec<Turn>>> {
        let storage = self.storage();
        let asked = turns.mine.filter(|_| !turns.listed).map(|turn| turn.key());
        let over: Vec<ObjectKey> = turns.over.drain(..).map(|turn| turn.key()).collect();
        let ask = OptionFuture::from(asked.as_ref().map(|key| storage.create(key, Bytes::new())));
        let clear = join_all(over.iter().map(|key| storage.delete(key)));
        let line = storage.list(layout::TURNS, None, LINE);
        let (caught_up, line, asked, _) = join4(self.follow(1), line, ask, clear).await;
        caught_up?;
        turns.listed = matches!(asked, Some(Ok(_)));
        Ok(line.ok().map(|line| turns.others(&line, &self.state(), self.process())))
    }

    /// Lets chance decide who goes on, where no line can be read.
    async fn pause(&self) -> Result<()> {
        let [byte] = random::<1>(self.entropy())?;
        self.sleeper().sleep(POLL.mul_f64(f64::from(byte) / 64.0)).await;
        self.follow(1).await
    }
}

/// Lost races before a turn is asked for.
const LOSSES: u32 = 2;
/// Commits for which a turn is asked for though nobody else was seen.
const CALM: u32 = 4;
/// Commits begun before the line is looked at though nobody is known to wait.
const GLANCE_EVERY: u32 = 8;
/// Between two looks at the line.
const POLL: Duration = Duration::from_millis(20);
/// Looks for which somebody who does not commit is waited for.
const PATIENCE: u32 = 64;
/// Looks before a commit is tried whatever the line says.
const LOOKS: u32 = 1024;
/// Turns listed.
const LINE: usize = 64;
/// Turns in line from which on everybody deletes those that are over: their owners may be gone.
const CROWDED: usize = 32;
