//! Turns at committing, between processes (DESIGN "Taking turns"). Advice: whatever is wrong here costs time alone.

use core::time::Duration;
use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use futures_util::future::{OptionFuture, join, join_all, join4};

use super::{planner::look_ahead, queue::Ticket, state::State, writer::Ledger};
use crate::{
    env::{Timestamp, random},
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
    /// Those of others, when the line was last listed.
    line: Vec<Turn>,
    /// When nobody was before this process any more.
    first: Option<Timestamp>,
    /// Turns that are over and to be deleted: its own, and those of processes that are gone.
    over: BTreeSet<Turn>,
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

    /// Takes note of a commit. Who held the others up for long asks again only when it has lost races anew, which
    /// leaves them as much time as that takes on a link as slow as this one.
    pub(super) fn won(&mut self, now: Timestamp) {
        self.over.extend(self.mine.take());
        let held = self.first.take().map_or(0, |first| now.as_millis().saturating_sub(first.as_millis()));
        if held > LONG {
            self.contended = 0;
        }
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

    /// Takes note of what a listing shows.
    fn note(&mut self, line: &[ObjectKey], state: &State, process: [u8; 12]) {
        let named = line.iter().filter_map(layout::turn_of);
        self.line = named.map(|(records, process)| Turn { records, process }).collect();
        self.listed |= self.mine.is_some_and(|mine| self.line.contains(&mine));
        self.given_up.retain(|given_up| self.line.contains(given_up));
        if self.line.len() >= CROWDED {
            let over: Vec<Turn> = self.line.iter().filter(|turn| turn.is_over(state)).copied().collect();
            self.over_and_listed(over);
        }
        self.line.retain(|turn| turn.process != process);
        self.unlooked = 0;
        if self.others(state).next().is_some() {
            self.contended = CALM;
        }
    }

    /// Takes note of turns that are over, of no more than a listing has: they wait until the line is looked at.
    fn over_and_listed(&mut self, over: impl IntoIterator<Item = Turn>) {
        let room = LINE.saturating_sub(self.over.len());
        self.over.extend(over.into_iter().take(room));
    }

    /// Those of others that count, in their order.
    fn others(&self, state: &State) -> impl Iterator<Item = Turn> {
        let counts = |turn: &&Turn| !turn.is_over(state) && !self.given_up.contains(turn);
        self.line.iter().filter(counts).copied()
    }

    /// Who is first, and how many are before this process.
    fn ahead(&self, state: &State) -> Option<(Turn, u32)> {
        let mut ahead = self.others(state).take_while(|turn| self.mine.is_none_or(|mine| *turn < mine));
        ahead.next().map(|first| (first, ahead.fold(1, |sum, _| sum + 1)))
    }
}

impl Ledger {
    /// Waits, if others want to commit too, until none of them is before this process. Reads what they commit, and
    /// meanwhile what planning `batch` will look up.
    ///
    /// # Errors
    ///
    /// Corrupt, or the storage's, from reading the log. The line itself is advice, and its errors are none.
    pub(super) async fn take_turn(&self, turns: &mut Turns, batch: &[Arc<Ticket>]) -> Result<()> {
        if !turns.are_taken() {
            return Ok(());
        }
        turns.contended -= 1;
        turns.ask(self.state().head.size, self.process());
        let mut waited: Option<(Turn, u32)> = None;
        let mut looked_up = None;
        for look in 0..LOOKS {
            if look % LIST_EVERY == 0 {
                if !self.look(turns).await? {
                    return self.pause().await;
                }
            } else if !self.step(1).await? && turns.ahead(&self.state()).is_some() {
                self.follow(1).await?;
            }
            let Some((first, ahead)) = turns.ahead(&self.state()) else {
                turns.first = Some(self.now());
                return Ok(());
            };
            let looks = waited.filter(|(turn, _)| *turn == first).map_or(0, |(_, looks)| looks + 1);
            waited = Some((first, looks));
            if looks < PATIENCE {
                let (state, wait) = (self.state(), until_next_look(ahead, looks));
                let index = Some(state.manifest.covered());
                let due = core::mem::replace(&mut looked_up, index) != index;
                let lookups = OptionFuture::from(due.then(|| look_ahead(self, &state, batch)));
                join(self.sleeper().sleep(wait), lookups).await;
            } else {
                turns.given_up.push(first);
                drop(self.storage().delete(&first.key()).await);
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
            turns.note(&line, &self.state(), self.process());
        }
    }

    /// Catches up and lists the line, stands in it if that is wanted, and clears away a turn that is over. Tells whether
    /// the line can be read.
    async fn look(&self, turns: &mut Turns) -> Result<bool> {
        let storage = self.storage();
        let asked = turns.mine.filter(|_| !turns.listed).map(|turn| turn.key());
        let over: Vec<ObjectKey> = core::mem::take(&mut turns.over).iter().map(Turn::key).collect();
        let ask = OptionFuture::from(asked.as_ref().map(|key| storage.create(key, Bytes::new())));
        let clear = join_all(over.iter().map(|key| storage.delete(key)));
        let line = storage.list(layout::TURNS, None, LINE);
        let (caught_up, line, asked, _) = join4(self.follow(1), line, ask, clear).await;
        caught_up?;
        turns.listed = matches!(asked, Some(Ok(_)));
        let read = line.map(|line| turns.note(&line, &self.state(), self.process()));
        Ok(read.is_ok())
    }

    /// Lets chance decide who goes on, where no line can be read.
    async fn pause(&self) -> Result<()> {
        let [byte] = random::<1>(self.entropy())?;
        self.sleeper().sleep(POLL.mul_f64(f64::from(byte) / 64.0)).await;
        self.follow(1).await
    }
}

/// At first none, for who is next; longer the farther behind it stands, and the longer nothing moves.
fn until_next_look(ahead: u32, looks: u32) -> Duration {
    POLL * (ahead - 1) + POLL.min(POLL * looks / 4)
}

/// Lost races before a turn is asked for.
const LOSSES: u32 = 2;
/// Commits for which a turn is asked for though nobody else was seen.
const CALM: u32 = 4;
/// Commits begun before the line is looked at though nobody is known to wait.
const GLANCE_EVERY: u32 = 8;
/// Between two looks, at most, of who is next.
const POLL: Duration = Duration::from_millis(20);
/// Looks for each listing of the line; the others only follow the log.
const LIST_EVERY: u32 = 8;
/// Milliseconds from being first to having committed, from which on a turn is a long one.
const LONG: u64 = 200;
/// Looks for which somebody who does not commit is waited for.
const PATIENCE: u32 = 64;
/// Looks before a commit is tried whatever the line says.
const LOOKS: u32 = 1024;
/// Turns listed, and turns of others that are known to be over.
const LINE: usize = 64;
/// Turns in line from which on everybody deletes those that are over: their owners may be gone.
const CROWDED: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_storage_shows_again_and_again_is_remembered_once() {
        let mut turns = Turns::default();
        for round in 0..100 {
            let shown = (0..64).map(|n| Turn { records: round * 64 + n, process: [1; 12] });
            turns.over_and_listed(shown);
            assert!(turns.over.len() <= LINE);
        }
        assert_eq!(turns.over.len(), LINE);
    }
}
