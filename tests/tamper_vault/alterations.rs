//! What is done to an object: everything that can be told from the names and bytes alone.

use core::ops::Range;
use std::{collections::BTreeSet, fmt};

use bytes::Bytes;
use docvault::storage::ObjectKey;

use super::{
    overlay::{Overlay, Shown},
    template::Template,
};

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Alteration {
    /// A bit, counted from the first byte's least.
    Flipped(u64),
    /// To a length.
    Cut(u64),
    Extended(Bytes),
    Zeroed,
    Deleted,
    /// With that object, each under the other's name.
    Swapped(ObjectKey),
    /// Shown a second time, under a name that nothing has.
    Doubled(ObjectKey),
    /// Replaced by what its kind once was.
    Older(Bytes),
    /// Put back under the name it had, after it was superseded and deleted.
    Returned,
}

/// An object and what is done to it.
#[derive(Debug, Clone)]
pub(crate) struct Round<'a> {
    pub(crate) key: &'a ObjectKey,
    pub(crate) alteration: Alteration,
}

/// An object's bytes would hide the rest of what a failure says.
impl fmt::Debug for Alteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flipped(number) | Self::Cut(number) => write!(f, "{} at {number}", self.name()),
            Self::Extended(bytes) | Self::Older(bytes) => {
                write!(f, "{} by {} bytes", self.name(), bytes.len())
            }
            Self::Swapped(key) | Self::Doubled(key) => write!(f, "{} as {key}", self.name()),
            Self::Zeroed | Self::Deleted | Self::Returned => f.write_str(self.name()),
        }
    }
}

impl Alteration {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Flipped(_) => "flipped",
            Self::Cut(_) => "cut",
            Self::Extended(_) => "extended",
            Self::Zeroed => "zeroed",
            Self::Deleted => "deleted",
            Self::Swapped(_) => "swapped",
            Self::Doubled(_) => "doubled",
            Self::Older(_) => "older",
            Self::Returned => "returned",
        }
    }

    /// The number of a flip or a cut, of which there are so many that not all are put to every question.
    pub(crate) const fn number(&self) -> Option<u64> {
        match self {
            Self::Flipped(number) | Self::Cut(number) => Some(*number),
            _ => None,
        }
    }

    /// Where it begins.
    pub(crate) const fn offset(&self) -> Option<usize> {
        match self {
            Self::Flipped(bit) => Some((*bit / 8) as usize),
            _ => None,
        }
    }
}

impl Round<'_> {
    /// An object of a name that is there no more, or not yet.
    pub(crate) const fn is_new(&self) -> bool {
        matches!(self.alteration, Alteration::Doubled(_) | Alteration::Returned)
    }

    /// The objects that are shown otherwise.
    pub(crate) fn altered(&self) -> impl Iterator<Item = &ObjectKey> {
        let other = match &self.alteration {
            Alteration::Swapped(other) | Alteration::Doubled(other) => Some(other),
            _ => None,
        };
        core::iter::once(self.key).chain(other)
    }

    /// What is done, as the table says it: flips in a commit by what looks at them.
    pub(crate) fn name(&self, template: &Template) -> &'static str {
        let name = self.alteration.name();
        let Some(at) = self.alteration.offset().filter(|_| template.kinds.kind(self.key) == "commit") else {
            return name;
        };
        match at {
            _ if ROOT.contains(&at) => "flipped root",
            _ if NONCE.contains(&at) || at + SIGNATURE >= template.objects[self.key].len() => {
                "flipped signature"
            }
            _ => name,
        }
    }

    pub(crate) fn make(&self, template: &Template, storage: &Overlay) {
        let bytes = || template.objects[self.key].clone();
        let shown = match &self.alteration {
            Alteration::Flipped(bit) => Shown::Flipped(*bit),
            Alteration::Cut(len) => Shown::Cut(*len),
            Alteration::Extended(more) => Shown::Bytes([bytes(), more.clone()].concat().into()),
            Alteration::Zeroed => Shown::Bytes(vec![0; bytes().len()].into()),
            Alteration::Deleted => Shown::Nothing,
            Alteration::Older(older) => Shown::Bytes(older.clone()),
            Alteration::Returned => Shown::Bytes(template.older[self.key].clone()),
            Alteration::Doubled(name) => return storage.show(name, Shown::Bytes(bytes())),
            Alteration::Swapped(other) => {
                storage.show(other, Shown::Bytes(bytes()));
                Shown::Bytes(template.objects[other].clone())
            }
        };
        storage.show(self.key, shown);
    }
}

/// Every bit of every object, one of each byte before the next, and every length that is less than its own. Where much is
/// alike, one bit of each byte will do, and one length in eight; of large parts some bytes.
pub(crate) fn of_bytes(template: &Template, all: bool) -> impl Iterator<Item = Round<'_>> + Send {
    let flips = (0..8).flat_map(move |pass| {
        of_each(template, all, pass, move |at, alike| {
            let flipped = Alteration::Flipped(8 * at + (at + pass) % 8);
            (pass == 0 || !alike).then_some(flipped)
        })
    });
    let cuts = of_each(template, all, 3, |at, alike| (!alike || at % 8 == 0).then_some(Alteration::Cut(at)));
    flips.chain(cuts)
}

/// What is done to each object at each of its bytes, told whether much around it is alike; or at one or two of them, others
/// in each pass.
fn of_each<'a>(
    template: &'a Template,
    all: bool,
    pass: u64,
    alter: impl Fn(u64, bool) -> Option<Alteration> + Copy + Send + 'a,
) -> impl Iterator<Item = Round<'a>> + Send {
    template.objects.iter().flat_map(move |(key, bytes)| {
        let (len, kind) = (bytes.len() as u64, template.kinds.kind(key));
        let copied = if kind.ends_with("commit") { 124..124 + 280 * copies(bytes) } else { 0..0 };
        let (start, step) = if all { (0, 1) } else { (len * pass / 8, (len / 2 + 1) as usize) };
        let telling = if all || kind != "commit" { Vec::new() } else { of_regions(len, pass) };
        (start..len)
            .step_by(step)
            .chain(telling)
            .filter(move |at| kind != "large part" || is_telling(*at, len))
            .filter_map(move |at| {
                let middle = len > LONG && at >= 4096 && len - at >= 512;
                alter(at, middle || copied.contains(&at))
            })
            .map(move |alteration| Round { key, alteration })
    })
}

/// A byte of a commit's root, one of its nonce and one of its signature, others in each pass.
fn of_regions(len: u64, pass: u64) -> Vec<u64> {
    [ROOT.start as u64 + 4 * pass, NONCE.start as u64 + 2 * pass, len - 64 + 8 * pass].into()
}

/// Where these stand in a commit (FORMAT §5.3); the signature ends it.
const ROOT: Range<usize> = 72..104;
const NONCE: Range<usize> = 104..120;
const SIGNATURE: usize = 64;

/// The leaves of others that a commit begins with.
fn copies(commit: &[u8]) -> u64 {
    u32::from_be_bytes(commit[36..40].try_into().unwrap()).into()
}

/// Whether an offset in a large part is one of those tried.
fn is_telling(at: u64, len: u64) -> bool {
    let in_chunk = at.saturating_sub(56) % 16_400;
    at < 64 || len - at < 64 || at.is_multiple_of(1021) || in_chunk == 0 || in_chunk == 16_384
}

const LONG: u64 = 65_536;

/// Everything else that is done to one object, or to two.
pub(crate) fn of_objects(template: &Template, all: bool) -> Vec<Round<'_>> {
    let mut rounds = Vec::new();
    for (key, bytes) in template.objects.iter() {
        let mut alterations = vec![
            Alteration::Extended(Bytes::from_static(&[0])),
            Alteration::Extended(bytes.clone()),
            Alteration::Zeroed,
            Alteration::Deleted,
        ];
        alterations.retain(|alteration| !bytes.is_empty() || *alteration == Alteration::Deleted);
        alterations.extend(unused_names(template, key).into_iter().map(Alteration::Doubled));
        let kind = |key| template.kinds.kind(key);
        let older = template.older.iter().filter(|(older, _)| kind(older) == kind(key));
        alterations.extend(older.map(|(_, bytes)| Alteration::Older(bytes.clone())));
        rounds.extend(alterations.into_iter().map(|alteration| Round { key, alteration }));
    }
    rounds.extend(template.older.keys().map(|key| Round { key, alteration: Alteration::Returned }));
    let pairs = template.objects.keys().enumerate().flat_map(|(i, key)| {
        let others = template
            .objects
            .keys()
            .skip(i + 1)
            .filter(|other| template.objects[*other] != template.objects[key]);
        others.map(move |other| Round { key, alteration: Alteration::Swapped(other.clone()) })
    });
    rounds.extend(pairs);
    let mut met = BTreeSet::new();
    let first = |round: &Round<'_>| met.insert((template.kinds.kind(round.key), round.alteration.name()));
    let firsts: Vec<bool> = rounds.iter().map(first).collect();
    let wanted = |at: usize| all || firsts[at] || at.is_multiple_of(41);
    rounds.into_iter().enumerate().filter(|(at, _)| wanted(*at)).map(|(_, round)| round).collect()
}

/// Names that nothing has: a digit of each number in this one changed; for commits the name that is next, and of its size the
/// first and the last; and for what a carrier keeps that of its next promise.
pub(crate) fn unused_names(template: &Template, key: &ObjectKey) -> Vec<ObjectKey> {
    let name = key.as_str();
    let is_digit = |at: usize| name.as_bytes().get(at).is_some_and(u8::is_ascii_hexdigit);
    let ends = (0..name.len()).filter(|at| is_digit(*at) && is_digit(at + 1) != is_digit(at.wrapping_sub(1)));
    let changed = ends.map(|at| {
        let digit = u8::from_str_radix(&name[at..=at], 16).unwrap() ^ 1;
        format!("{}{digit:x}{}", &name[..at], &name[at + 1..])
    });
    let pin = template.pins[1].to_string();
    let hash = pin.split(' ').nth(5).unwrap();
    let next = format!("log/{:016x}-{}", !template.pins[1].size(), &hash[..32]);
    let next = name.starts_with("log/").then_some(next);
    // Beside a commit, one before it and one behind it: which of them its last digit makes is chance.
    let commit = name.strip_prefix("log/").and_then(|name| name.split_once('-')).into_iter();
    let beside = commit.flat_map(|(size, _)| ["0", "f"].map(|end| format!("log/{size}-{}", end.repeat(32))));
    let carried = name.strip_prefix("deposit/").and_then(|name| name.split('/').next());
    let promise = carried.map(|request| format!("deposit/{request}/promise/0000-0002"));
    let names = changed.chain(next).chain(beside).chain(promise).map(|name| name.parse().unwrap());
    names.filter(|name| !template.objects.contains_key(name)).collect()
}
