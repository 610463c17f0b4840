//! Up to eight alterations at a time of a vault and a carrier with an object of every kind, then a question of
//! `tests/tamper_vault`: what is answered is what honest objects answer, or an error, or less where hiding one object may
//! do that, too; and nothing stays altered.
#![no_main]
#![allow(dead_code, unused_imports, reason = "what the tests ask besides")]

#[path = "../../tests/tamper_vault/alterations.rs"]
mod alterations;
#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/tamper_vault/fault.rs"]
mod fault;
#[path = "../../tests/common/intake.rs"]
mod intake;
#[path = "../../tests/tamper_vault/kinds.rs"]
mod kinds;
#[path = "../../tests/tamper_vault/outcomes.rs"]
mod outcomes;
#[path = "../../tests/tamper_vault/overlay.rs"]
mod overlay;
#[path = "../../tests/tamper_vault/questions.rs"]
mod questions;
#[path = "../../tests/tamper_vault/template.rs"]
mod template;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use alterations::{Alteration, Round};
use bytes::Bytes;
use docvault::storage::ObjectKey;
use outcomes::{Depth, Honest};
use questions::QUESTIONS;
use template::Template;

static TEMPLATE: LazyLock<Template> = LazyLock::new(|| common::block_on(Template::new(1, false)));
static HONEST: LazyLock<Honest<'static>> = LazyLock::new(|| Honest::asked(&TEMPLATE, Depth::All));
/// Questions that may be answered with less, where one object is altered.
static MAY_BE_LESS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let less = outcomes::table().into_iter().filter(|(_, outcomes)| outcomes.contains("less"));
    less.map(|((_, _, question), _)| question).collect()
});

/// An object of many by number.
fn nth(objects: &BTreeMap<ObjectKey, Bytes>, number: u16) -> (&ObjectKey, &Bytes) {
    objects.iter().nth(usize::from(number) % objects.len()).expect("below their number")
}

/// What is done to which object: an object's number, what, and a number or two of it.
fn round([object, what, more]: [u16; 3], which: u16) -> Option<Round<'static>> {
    let (key, bytes) = nth(&TEMPLATE.objects, object);
    let len = u64::try_from(bytes.len()).ok()?;
    let at = (u64::from(which) << 16 | u64::from(more)).checked_rem(len)?;
    let (other, others) = nth(&TEMPLATE.objects, more);
    let spliced = |at: u64| {
        let at = usize::try_from(at).unwrap_or(0);
        Bytes::from([&bytes[..at], &others[at.min(others.len())..]].concat())
    };
    let alteration = match what % 11 {
        0 | 1 => Alteration::Flipped(at * 8 + u64::from(which % 8)),
        2 => Alteration::Cut(at),
        3 => Alteration::Extended(others.clone()),
        4 => Alteration::Zeroed,
        5 => Alteration::Deleted,
        6 => Alteration::Swapped(other.clone()),
        7 => {
            let names = alterations::unused_names(&TEMPLATE, key);
            Alteration::Doubled(names.get(usize::from(more).checked_rem(names.len())?)?.clone())
        }
        8 => Alteration::Older(nth(&TEMPLATE.older, more).1.clone()),
        9 => return Some(Round { key: nth(&TEMPLATE.older, more).0, alteration: Alteration::Returned }),
        _ => Alteration::Older(spliced(u64::from(which) % len)),
    };
    Some(Round { key, alteration })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(((asked, place), steps)) = data
        .split_first()
        .and_then(|(asked, rest)| Some((*asked, rest.split_first()?)))
        .map(|(asked, (place, steps))| ((asked, *place), steps))
    else {
        return;
    };
    let question = &QUESTIONS[usize::from(asked) % QUESTIONS.len()];
    let number = |bytes: &[u8], at: usize| u16::from_be_bytes([bytes[2 * at], bytes[2 * at + 1]]);
    let steps = steps.chunks_exact(8).take(8);
    let rounds: Vec<Round<'_>> =
        steps.filter_map(|step| round([0, 1, 2].map(|at| number(step, at)), number(step, 3))).collect();
    let place = ["prove", "a range"].contains(&question.name).then_some(usize::from(place));
    let outcome = HONEST.outcome(question, place, &rounds);
    let less = outcome == "less" && !MAY_BE_LESS.contains(question.name);
    assert!(outcome != "other" && !less, "{}: {outcome} after {rounds:?}", question.name);
});
