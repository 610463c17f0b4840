//! One backend held to one clause: calls whose answers must be as promised.

use core::{
    fmt::{Debug, Display},
    ops::Range,
};

use bytes::Bytes;

use super::Violation;
use crate::storage::{Creation, ObjectKey, Storage, StorageError, testing::executor::yield_once};

/// A backend, and the clause it is held to.
pub(super) struct Trial<'a> {
    pub(super) clause: &'static str,
    pub(super) storage: &'a dyn Storage,
}

impl Trial<'_> {
    pub(super) fn broken<T>(&self, observed: impl Into<String>) -> Result<T, Violation> {
        Err(Violation { clause: self.clause, observed: observed.into() })
    }

    pub(super) fn holds(&self, condition: bool, observed: impl FnOnce() -> String) -> Result<(), Violation> {
        if condition { Ok(()) } else { self.broken(observed()) }
    }

    pub(super) fn same<T: PartialEq + Debug>(
        &self,
        of: impl Display,
        expected: &T,
        seen: &T,
    ) -> Result<(), Violation> {
        self.holds(expected == seen, || format!("{of}: {}, expected {}", brief(seen), brief(expected)))
    }

    pub(super) fn answer<T>(&self, verb: &str, answer: Result<T, StorageError>) -> Result<T, Violation> {
        answer.or_else(|error| self.broken(format!("{verb} failed: {error}")))
    }

    pub(super) async fn read(
        &self,
        key: &ObjectKey,
        range: Option<Range<u64>>,
    ) -> Result<Option<Bytes>, Violation> {
        self.answer("read", self.storage.read(key, range).await)
    }

    /// The pieces of an object, joined.
    pub(super) async fn read_in_pieces(&self, key: &ObjectKey) -> Result<Option<Bytes>, Violation> {
        let pieces = self.answer("read in pieces", self.storage.read_in_pieces(key).await)?;
        Ok(pieces.map(|pieces| pieces.concat().into()))
    }

    pub(super) async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, Violation> {
        self.answer("list", self.storage.list(prefix, after, limit).await)
    }

    /// Creates, and again while the answer is [`Creation::Unknown`].
    pub(super) async fn settled(&self, key: &ObjectKey, bytes: &Bytes) -> Result<Creation, Violation> {
        for _ in 0..ROUNDS {
            let creation = self.answer("create", self.storage.create(key, bytes.clone()).await)?;
            if creation != Creation::Unknown {
                return Ok(creation);
            }
        }
        self.broken("create keeps answering Unknown")
    }

    /// Takes a free name; `Exists` after an `Unknown` is the own first write.
    pub(super) async fn create(&self, key: &ObjectKey, bytes: &Bytes) -> Result<(), Violation> {
        match self.answer("create", self.storage.create(key, bytes.clone()).await)? {
            Creation::Created => Ok(()),
            Creation::Unknown => self.settled(key, bytes).await.map(drop),
            Creation::Exists => self.broken("create of a free name answered Exists"),
        }
    }

    /// The outcome of a race: entry `n` is what create `n` answered.
    pub(super) async fn judge(
        &self,
        key: &ObjectKey,
        answers: Vec<Result<Creation, StorageError>>,
    ) -> Result<(), Violation> {
        let mut outcomes = Vec::new();
        for answer in answers {
            outcomes.push(self.answer("create", answer)?);
        }
        let with = |outcome| (0..RACERS).zip(&outcomes).filter(move |(_, seen)| **seen == outcome);
        let (winners, unsure) = (with(Creation::Created).count(), with(Creation::Unknown).count());
        let one = winners == 1 || winners == 0 && unsure > 0;
        self.holds(one, || format!("{winners} of {RACERS} concurrent creates answered Created"))?;
        let mut candidates = with(if winners == 1 { Creation::Created } else { Creation::Unknown });
        let read = self.read(key, None).await?;
        let stays = candidates.any(|(racer, _)| read == Some(entry(racer)));
        self.holds(stays || winners == 0 && read.is_none(), || "the winner's bytes are not there".to_owned())
    }

    /// Reads until there is something, which must be `bytes`.
    pub(super) async fn watch(&self, key: &ObjectKey, bytes: &Bytes) -> Result<(), Violation> {
        for _ in 0..MAX_WATCH {
            if let Some(read) = self.read(key, None).await? {
                let (seen, whole) = (read.len(), bytes.len());
                return self
                    .holds(read == *bytes, || format!("a reader saw {seen} of {whole} bytes, or others"));
            }
            yield_once().await;
        }
        // The creator was slower than the reader was patient: nothing was seen, so nothing torn.
        Ok(())
    }

    pub(super) async fn pages(
        &self,
        prefix: &str,
        expected: &[ObjectKey],
        size: usize,
    ) -> Result<(), Violation> {
        let mut seen: Vec<ObjectKey> = Vec::new();
        loop {
            let page = self.list(prefix, seen.last(), size).await?;
            self.holds(page.len() <= size, || format!("{} keys on a page of {size}", page.len()))?;
            let last = page.len() < size;
            seen.extend(page);
            if last || seen.len() > expected.len() {
                break;
            }
        }
        let differing = seen.iter().zip(expected).position(|(seen, expected)| seen != expected);
        self.holds(seen == expected, || {
            let (seen, expected) = (seen.len(), expected.len());
            format!("pages of {size} gave {seen} keys of {expected}; the first wrong one is {differing:?}")
        })
    }

    /// Prefixes that end within a segment, and places to start after that are no key themselves, or come before all.
    pub(super) async fn starts(&self, all: &str, expected: &[ObjectKey]) -> Result<(), Violation> {
        let before = all.trim_end_matches('/').parse().ok();
        for key in expected.iter().step_by(expected.len() / 5 + 1) {
            self.first_three(expected, key.as_str(), before.as_ref()).await?;
            for length in (all.len()..=key.as_str().len()).step_by(3) {
                let start = key.as_str().get(..length).unwrap_or(all);
                self.first_three(expected, start, None).await?;
                self.first_three(expected, start, Some(key)).await?;
                if let Ok(place) = start.parse() {
                    self.first_three(expected, all, Some(&place)).await?;
                }
            }
        }
        self.same("a page of none", &Vec::new(), &self.list(all, None, 0).await?)
    }

    async fn first_three(
        &self,
        all: &[ObjectKey],
        prefix: &str,
        after: Option<&ObjectKey>,
    ) -> Result<(), Violation> {
        let listed = self.list(prefix, after, 3).await?;
        let wanted =
            |key: &&ObjectKey| key.as_str().starts_with(prefix) && after.is_none_or(|after| *key > after);
        let expected: Vec<ObjectKey> = all.iter().filter(wanted).take(3).cloned().collect();
        self.same(format_args!("prefix {prefix} after {after:?}"), &expected, &listed)
    }
}

/// What this racer writes: no two write the same.
pub(super) fn entry(racer: u8) -> Bytes {
    Bytes::from(vec![racer; 1000])
}

/// At most 200 characters of a value.
fn brief(value: &impl Debug) -> String {
    format!("{value:?}").chars().take(200).collect()
}

pub(super) const RACERS: u8 = 32;
pub(super) const ROUNDS: usize = 8;
const MAX_WATCH: usize = 100_000;
