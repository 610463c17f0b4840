//! Days of the calendar, and the offset at which a case's days begin and end.

use core::time::Duration;
use core::{fmt, str::FromStr};

use jiff::{SignedDuration, Span, civil};

use super::words::{WordError, as_text};
use crate::Timestamp;

/// A day of the Gregorian calendar, from 1900-01-01 to 9999-12-31; as text `YYYY-MM-DD` (RFC 3339 `full-date`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(civil::Date);

impl Date {
    /// The day that it is at `instant`, at this offset; the last one that there is at most.
    #[must_use]
    pub fn at(instant: Timestamp, offset: UtcOffset) -> Self {
        let minutes = instant.as_millis() / 60_000;
        let local = i128::from(minutes) + i128::from(offset.minutes);
        let days = i64::try_from(local.div_euclid(24 * 60)).unwrap_or(i64::MAX);
        Span::new()
            .try_days(days)
            .ok()
            .and_then(|span| EPOCH.checked_add(span).ok())
            .map_or(Self(civil::Date::MAX), Self)
    }

    /// The first instant of the day, at this offset; at the epoch if that is before it.
    #[must_use]
    pub fn start(self, offset: UtcOffset) -> Timestamp {
        let days = self.0.duration_since(EPOCH).as_hours() / 24;
        let minutes = days * 24 * 60 - i64::from(offset.minutes);
        Timestamp::from_millis(u64::try_from(minutes).unwrap_or(0).saturating_mul(60_000))
    }

    /// The first instant after the day, at this offset.
    #[must_use]
    pub fn end(self, offset: UtcOffset) -> Timestamp {
        self.start(offset).saturating_add(Duration::from_secs(24 * 3600))
    }

    /// The day so many days later; the last one that there is at most.
    #[must_use]
    pub fn plus_days(self, days: u32) -> Self {
        self.0.checked_add(DAY * i32::try_from(days).unwrap_or(i32::MAX)).map_or(Self(civil::Date::MAX), Self)
    }

    /// The day so many days earlier; the first one that there is at least.
    #[must_use]
    pub fn minus_days(self, days: u32) -> Self {
        self.0.checked_sub(DAY * i32::try_from(days).unwrap_or(i32::MAX)).map_or(FIRST, Self).max(FIRST)
    }

    /// The same day so many months later, or the last of that month if it has no such day.
    #[must_use]
    pub fn plus_months(self, months: u32) -> Self {
        let span = Span::new().try_months(i64::from(months));
        span.ok().and_then(|span| self.0.checked_add(span).ok()).map_or(Self(civil::Date::MAX), Self)
    }

    /// Days from `earlier` to this day; negative if it is not earlier.
    #[must_use]
    pub fn days_since(self, earlier: Self) -> i64 {
        self.0.duration_since(earlier.0).as_hours() / 24
    }
}

impl FromStr for Date {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text.parse().map(Self) {
            Ok(date) if date >= FIRST && date.to_string() == text => Ok(date),
            _ => Err(WordError::new("not a date: use `YYYY-MM-DD`, from 1900-01-01 on")),
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Date({self})")
    }
}

as_text!(Date);

/// How far local time is ahead of UTC; as text `+HH:MM` or `-HH:MM`, up to 14 hours.
///
/// A case has one offset, not a time zone: a deadline that a legislature can move is no deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct UtcOffset {
    minutes: i16,
}

impl UtcOffset {
    /// UTC itself.
    pub const UTC: Self = Self { minutes: 0 };

    pub(super) fn is_utc(&self) -> bool {
        *self == Self::UTC
    }
}

impl FromStr for UtcOffset {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let parse = || {
            let (hours, minutes) = text.get(1..)?.split_once(':')?;
            let total = i16::from(hours.parse::<u8>().ok()?) * 60 + i16::from(minutes.parse::<u8>().ok()?);
            Some(Self { minutes: if text.starts_with('-') { -total } else { total } })
        };
        match parse() {
            Some(offset) if offset.minutes.abs() <= 14 * 60 && offset.to_string() == text => Ok(offset),
            _ => Err(WordError::new("not an offset from UTC: use `+HH:MM` or `-HH:MM`, such as `-06:00`")),
        }
    }
}

impl fmt::Display for UtcOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, minutes) = (if self.minutes < 0 { '-' } else { '+' }, self.minutes.unsigned_abs());
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

as_text!(UtcOffset);

const EPOCH: civil::Date = civil::date(1970, 1, 1);
const FIRST: Date = Date(civil::date(1900, 1, 1));
const DAY: SignedDuration = SignedDuration::from_hours(24);

#[cfg(test)]
mod tests {
    use super::*;

    const MEXICO: UtcOffset = UtcOffset { minutes: -360 };

    fn date(text: &str) -> Date {
        text.parse().expect("a date")
    }

    #[test]
    fn a_day_begins_and_ends_at_the_offset() {
        let day = date("2026-03-15");
        assert_eq!(day.start(MEXICO).to_string(), "2026-03-15T06:00:00.000Z");
        assert_eq!(day.end(MEXICO).to_string(), "2026-03-16T06:00:00.000Z");
        let before_end = Timestamp::from_millis(day.end(MEXICO).as_millis() - 1);
        assert_eq!(Date::at(before_end, MEXICO), day);
        assert_eq!(Date::at(day.end(MEXICO), MEXICO), date("2026-03-16"));
        assert_eq!(Date::at(Timestamp::from_millis(0), MEXICO), date("1969-12-31"));
    }

    #[test]
    fn arithmetic_stays_in_the_calendar() {
        assert_eq!(date("2026-01-31").plus_months(1), date("2026-02-28"));
        assert_eq!(date("2024-02-28").plus_days(2), date("2024-03-01"));
        assert_eq!(date("2026-03-01").minus_days(1), date("2026-02-28"));
        assert_eq!(date("2026-03-01").days_since(date("2026-01-01")), 59);
        for far in [
            date("2026-01-01").plus_days(u32::MAX),
            date("2026-01-01").plus_months(u32::MAX),
            Date::at(Timestamp::MAX, MEXICO),
        ] {
            assert_eq!(far, date("9999-12-31"));
        }
        assert_eq!(date("1900-01-02").minus_days(u32::MAX), date("1900-01-01"));
        assert_eq!(date("1900-01-01").start(UtcOffset::UTC), Timestamp::from_millis(0));
    }

    #[test]
    fn only_one_spelling_parses() {
        for bad in [
            "2026-3-1",
            "20260301",
            "2026-02-30",
            "1899-12-31",
            "2026-03-01T00:00",
            "+002026-03-01",
            "hoy",
            "",
        ] {
            assert!(bad.parse::<Date>().is_err(), "{bad}");
        }
        for good in ["-06:00", "+05:45", "+00:00", "+14:00"] {
            assert_eq!(good.parse::<UtcOffset>().expect("an offset").to_string(), good);
        }
        let strange = ["--546:-8", "+-546:-8", "+546:08", "+00:+9", "-4:00", "+255:255", "-99999:00"];
        for bad in ["-6:00", "-00:00", "+14:01", "06:00", "+0600", "Z", "é06:00", "--6:00"]
            .into_iter()
            .chain(strange)
        {
            assert!(bad.parse::<UtcOffset>().is_err(), "{bad}");
        }
    }
}
