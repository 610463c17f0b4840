//! Days as numbers from 1970-01-01 on, in the template's offset of six hours behind UTC.

use docvault::intake::Date;

const DAY: i64 = 86_400_000;

pub(crate) fn day(millis: u64) -> i64 {
    (i64::try_from(millis).unwrap() - 6 * 3_600_000).div_euclid(DAY)
}

pub(crate) fn number(date: Date) -> i64 {
    date.days_since("1970-01-01".parse().unwrap())
}

/// The day three months later, by the lengths of the months.
pub(crate) fn three_months_after(date: Date) -> i64 {
    let text = date.to_string();
    let part = |range: core::ops::Range<usize>| text[range].parse::<i64>().unwrap();
    let (mut year, mut month, day) = (part(0..4), part(5..7) + 3, part(8..10));
    if month > 12 {
        (year, month) = (year + 1, month - 12);
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let last = length[usize::try_from(month - 1).unwrap()];
    number(format!("{year:04}-{month:02}-{:02}", day.min(last)).parse().unwrap())
}
