//! When the log was looked at last, for what runs on while others commit.

use core::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::env::Timestamp;

/// When something that runs looked whether it may run on.
#[derive(Debug)]
pub(crate) struct Looked {
    last: AtomicU64,
    /// The latest time that was seen since: a clock that is turned back again and again never gets past `last`.
    latest: AtomicU64,
}

impl Looked {
    pub(crate) fn at(now: Timestamp) -> Self {
        let now = now.as_millis();
        Self { last: AtomicU64::new(now), latest: AtomicU64::new(now) }
    }

    /// Whether it is time to look again: 30 seconds later, or if the clock was turned back.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let last = Timestamp::from_millis(self.last.load(Ordering::Relaxed));
        let latest = self.latest.fetch_max(now.as_millis(), Ordering::Relaxed);
        now.as_millis() < latest || now.saturating_since(last) >= EVERY
    }

    pub(crate) fn again(&self, now: Timestamp) {
        self.last.store(now.as_millis(), Ordering::Relaxed);
        self.latest.store(now.as_millis(), Ordering::Relaxed);
    }
}

const EVERY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_due_after_half_a_minute_and_when_the_clock_goes_back() {
        let looked = Looked::at(Timestamp::from_millis(100_000));
        for (now, due) in [(100_000, false), (129_999, false), (130_000, true), (99_999, true)] {
            assert_eq!(looked.is_due(Timestamp::from_millis(now)), due, "{now}");
        }
        looked.again(Timestamp::from_millis(99_999));
        assert!(!looked.is_due(Timestamp::from_millis(120_000)));
        // Though it is not before the last look.
        assert!(looked.is_due(Timestamp::from_millis(110_000)));
        looked.again(Timestamp::from_millis(99_999));
        assert!(!looked.is_due(Timestamp::from_millis(129_998)));
        assert!(looked.is_due(Timestamp::from_millis(129_999)));
    }
}
