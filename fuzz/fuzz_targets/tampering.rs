//! Up to eight alterations at a time of a vault and a carrier with an object of every kind, then a question of
//! `tests/tamper_vault`: what is answered is what honest objects answer, or that something is wrong, or what its table
//! knows of a kind of object that was altered; and nothing stays altered.
#![no_main]
#![allow(dead_code, unused_imports, reason = "what the tests ask besides")]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/common/intake.rs"]
mod intake;
#[path = "../../tests/tamper_vault/mod.rs"]
mod tamper_vault;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use bytes::Bytes;
use docvault::storage::ObjectKey;
use tamper_vault::{
    alterations::{self, Alteration, Round},
    outcomes::{self, Case, Depth, Honest},
    questions::{QUESTIONS, Question},
    template::Template,
};

static TEMPLATE: LazyLock<Template> = LazyLock::new(|| common::block_on(Template::new(1, false)));
static HONEST: LazyLock<Honest<'static>> = LazyLock::new(|| Honest::asked(&TEMPLATE, Depth::All));
/// Their names in an order that each process has: those of keyrings are hashes of what keys wrap, which differs, but not their
/// ids, which their first bytes end with.
static NAMES: LazyLock<[Vec<&'static ObjectKey>; 2]> = LazyLock::new(|| {
    [&*TEMPLATE.objects, &TEMPLATE.older].map(|objects| {
        let mut names: Vec<&ObjectKey> = objects.keys().collect();
        let stem = |key: &ObjectKey| key.as_str().rsplit_once(['-', '/']).map(|(stem, _)| stem.to_owned());
        let id = |key: &ObjectKey| match TEMPLATE.kinds.kind(key) {
            "keyring" => objects[key].slice(..40),
            _ => Bytes::new(),
        };
        names.sort_by_cached_key(|key| (TEMPLATE.kinds.kind(key), stem(key), objects[*key].len(), id(key)));
        names
    })
});
/// Of these what each question reads, by its number.
static READ: LazyLock<Vec<Vec<&'static ObjectKey>>> = LazyLock::new(|| {
    let names = |question: &Question| {
        let read: BTreeSet<&ObjectKey> = HONEST.read_by(question.name).collect();
        NAMES[0].iter().filter(|name| read.contains(*name)).copied().collect()
    };
    QUESTIONS.iter().map(names).collect()
});
/// What nobody is misled by: the honest answer, or that something is wrong. Whatever else is answered (that there is less or
/// nothing, that a grant is revoked, that a request is closed) says something of what is there.
const SAYS_NOTHING: [&str; 6] = ["same", "told", "found", "Corrupt", "RolledBack", "Forked"];
static TABLE: LazyLock<BTreeMap<Case, BTreeSet<String>>> = LazyLock::new(outcomes::table);

fn nth(names: &[&'static ObjectKey], number: u16) -> &'static ObjectKey {
    names[usize::from(number) % names.len()]
}

/// One of the same kind as `key`, if there is one and the number is even: such are taken for each other sooner.
fn akin(names: &[&'static ObjectKey], key: &ObjectKey, number: u16) -> &'static ObjectKey {
    let kind = |key: &ObjectKey| TEMPLATE.kinds.kind(key);
    let akin: Vec<&'static ObjectKey> =
        names.iter().filter(|other| kind(other) == kind(key)).copied().collect();
    if akin.is_empty() || number % 2 == 1 { nth(names, number / 2) } else { nth(&akin, number / 2) }
}

/// What is done to which object: an object's number, what, and a number or two of it. Of two on one object the last counts.
fn round(asked: usize, [object, what, more]: [u16; 3], which: u16) -> Option<Round<'static>> {
    let [objects, older] = &*NAMES;
    // Mostly one that is looked at.
    let key = if object % 8 == 7 { nth(objects, object / 8) } else { nth(&READ[asked], object / 8) };
    let other = akin(objects, key, more);
    let (bytes, others) = (&TEMPLATE.objects[key], &TEMPLATE.objects[other]);
    let place = usize::from(which) << 16 | usize::from(more);
    let at = || place.checked_rem(bytes.len());
    let alteration = match what % 11 {
        0 | 1 => Alteration::Flipped(u64::try_from(at()? * 8).ok()? + u64::from(which % 8)),
        2 => Alteration::Cut(u64::try_from(at()?).ok()?),
        3 => Alteration::Extended(others.clone()),
        4 => Alteration::Zeroed,
        5 => Alteration::Deleted,
        6 => Alteration::Swapped(other.clone()),
        7 => {
            let names = alterations::unused_names(&TEMPLATE, key);
            Alteration::Doubled(names.get(usize::from(more).checked_rem(names.len())?)?.clone())
        }
        8 => Alteration::Older(TEMPLATE.older[akin(older, key, more)].clone()),
        9 => return Some(Round { key: nth(older, more), alteration: Alteration::Returned }),
        _ => {
            let at = usize::from(which).checked_rem(bytes.len())?;
            Alteration::Older([&bytes[..at], &others[at.min(others.len())..]].concat().into())
        }
    };
    Some(Round { key, alteration })
}

/// Whether the table knows this of an object that was altered: in the same way, if that is all that was done.
fn is_known(question: &str, outcome: &str, rounds: &[Round<'_>]) -> bool {
    let others = rounds.iter().filter_map(|round| match &round.alteration {
        Alteration::Swapped(other) => Some(other),
        _ => None,
    });
    let kinds: BTreeSet<&str> =
        rounds.iter().map(|round| round.key).chain(others).map(|key| TEMPLATE.kinds.kind(key)).collect();
    let rows = TABLE.iter().filter(|((kind, _, asked), _)| kinds.contains(&**kind) && asked == question);
    let (own, any): (Vec<_>, Vec<_>) = match rounds {
        [round] if is_in_table(round) => rows.partition(|((_, altered, _), _)| altered == round.name(&TEMPLATE)),
        _ => (Vec::new(), rows.collect()),
    };
    let rows = if own.is_empty() { any } else { own };
    rows.iter().any(|(_, met)| met.contains(outcome))
}

/// What the table has is done to whole objects; nothing is spliced, or extended by another.
fn is_in_table(round: &Round<'_>) -> bool {
    match &round.alteration {
        Alteration::Older(bytes) => TEMPLATE.older.values().any(|older| older == bytes),
        Alteration::Extended(bytes) => *bytes == TEMPLATE.objects[round.key],
        _ => true,
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(([asked, place], steps)) = data.split_first_chunk() else { return };
    let asked = usize::from(*asked) % QUESTIONS.len();
    let question = &QUESTIONS[asked];
    let number = |bytes: &[u8; 8], at: usize| u16::from_be_bytes([bytes[2 * at], bytes[2 * at + 1]]);
    let steps = steps.as_chunks::<8>().0.iter().take(8);
    let rounds: Vec<Round<'_>> = steps
        .filter_map(|step| round(asked, [0, 1, 2].map(|at| number(step, at)), number(step, 3)))
        .collect();
    // A record of each commit, or some that are told apart by themselves.
    let place = (question.name == "prove" && *place < 255).then_some(2 * usize::from(*place));
    let outcome = HONEST.outcome(question, place, &rounds, true);
    let told = || format!("{}: {outcome} after {rounds:?}", question.name);
    assert!(outcome != "other", "{}", told());
    assert!(outcome == "same" || !rounds.is_empty(), "{}", told());
    let says_nothing = SAYS_NOTHING.contains(&outcome.as_str());
    assert!(says_nothing || is_known(question.name, &outcome, &rounds), "{}", told());
});
