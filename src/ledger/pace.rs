//! When to try the next commit, among writers that know of each other by the log alone (DESIGN, "Taking turns").

use core::time::Duration;

use crate::env::Timestamp;

/// What this process has seen of the log's pace. Nothing here decides who wins; it only spares races.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How long a create takes, smoothed.
    took: Duration,
    /// From one commit in the log to the next, smoothed.
    interval: Duration,
    /// Others' commits since the own last one.
    others: u64,
    /// Others' commits to let pass before the next own one: as many as there were before the last.
    turn: u64,
    /// Looks in a row at which none of them had come.
    idle: u32,
    /// Own commits since the log was last left alone.
    row: u32,
    /// When another process's commit was last seen.
    met: Option<Timestamp>,
    /// Commits since the last quiet time.
    busy: u64,
    quiet_until: Timestamp,
}

/// What to do before the next try.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Try.
    No,
    /// Leave the log alone for so long.
    Quiet(Duration),
    /// Others' turn: look again after so long.
    Turn(Duration),
}

impl Pace {
    /// A create took so long.
    pub(super) fn created(&mut self, took: Duration) {
        self.took = if self.took.is_zero() { took } else { (self.took * 3 + took) / 4 };
    }

    /// The process's own commit stands; `before` and `after` are the log's times around it.
    pub(super) fn won(&mut self, before: Timestamp, after: Timestamp) {
        self.turn = (self.turn + self.others).div_ceil(2);
        (self.others, self.idle) = (0, 0);
        // Who finds the log idle leaves no one behind.
        let idle = after.saturating_since(before) > self.took * 3;
        self.row = if idle { 0 } else { self.row + 1 };
        self.stands(before, after);
    }

    /// Another process's commit was read.
    pub(super) fn met(&mut self, before: Timestamp, after: Timestamp) {
        self.others += 1;
        (self.idle, self.row) = (0, 0);
        self.met = Some(after);
        self.stands(before, after);
    }

    /// A first race was lost: who draws it lets one or two more pass, so that not all try again at once.
    pub(super) fn lost(&mut self, losses: u32, drawn: u8) {
        if losses == 1 {
            self.turn = self.turn.max(self.others + u64::from(drawn) % 3);
        }
    }

    /// A quiet time was awaited: it is for this process to use.
    pub(super) fn aim(&mut self) {
        (self.turn, self.quiet_until) = (0, Timestamp::default());
    }

    /// Whether this process's link is so slow that others commit several times while it tries once: then the time
    /// to wait for the next quiet one.
    pub(super) fn slow(&self, losses: u32, now: Timestamp) -> Option<Duration> {
        let slow = losses > 1 && self.took > self.interval * 3;
        let left = PERIOD - now.as_millis() % PERIOD;
        slow.then(|| Duration::from_millis(left + SETTLING))
    }

    pub(super) fn wait(&mut self, now: Timestamp, drawn: u8) -> Wait {
        if now < self.quiet_until {
            return Wait::Quiet(self.quiet_until.saturating_since(now));
        }
        if self.row >= ROW {
            self.row = 0;
            return Wait::Quiet(self.took * BREATH);
        }
        if self.others < self.turn && self.idle < IDLE + u32::from(drawn) % 3 {
            self.idle += 1;
            return Wait::Turn(self.took / 2);
        }
        Wait::No
    }

    /// The first commit after each period ends in a quiet time, if the log was busy. A process that has met no other
    /// keeps one in eight: somebody may be there who could never commit.
    fn stands(&mut self, before: Timestamp, after: Timestamp) {
        self.busy += 1;
        self.interval = (self.interval * 3 + after.saturating_since(before)) / 4;
        let met = self.met.is_some_and(|met| after.saturating_since(met) < Duration::from_millis(8 * PERIOD));
        self.turn = if met { self.turn.max(1) } else { 0 };
        let period = if met { PERIOD } else { 8 * PERIOD };
        if before.as_millis() / period == after.as_millis() / period {
            return;
        }
        if self.busy >= BUSY {
            self.quiet_until = after.saturating_add(self.took * QUIET);
        }
        self.busy = 0;
    }
}

/// Milliseconds between quiet times.
const PERIOD: u64 = 8_000;
/// Commits within a period from which on it is busy: five a second.
const BUSY: u64 = 40;
/// Creates that a quiet time lasts: a listing, a read and half a create over a link that is ten times slower take 12.
const QUIET: u32 = 24;
/// Milliseconds from a period's beginning until its first commit stands, mostly.
const SETTLING: u64 = 60;
/// Looks, half a create apart, after which a turn is not taken: others needed two creates and a read.
const IDLE: u32 = 3;
/// Own commits in a row after which others are let in, if there are any.
const ROW: u32 = 32;
/// Creates that this takes: one that is under way, a read, one more.
const BREATH: u32 = 3;
