//! A vault with an object of every kind, and everything that can be done to an object: each outcome stands in
//! `tamper_vault/TABLE.md`. Never is anything else answered than on honest objects.
//!
//! A sample by default; all of it with `DOCVAULT_EXHAUSTIVE=1` (`scripts/tamper.sh`).
#![cfg(all(feature = "testing", feature = "intake"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;
#[path = "common/intake.rs"]
mod intake;
mod tamper_vault;

use std::{collections::BTreeSet, sync::Mutex};

use common::block_on;
use tamper_vault::{
    alterations::{self, Round},
    outcomes::{self, Case, Depth, Honest, Met, Outcomes},
    questions::QUESTIONS,
    template::{self, Template},
};

fn exhaustive() -> bool {
    std::env::var_os("DOCVAULT_EXHAUSTIVE").is_some()
}

/// Whether this is done to this kind of object: one of them is named, or nothing is.
fn is_wanted(kind: &str, alteration: &str) -> bool {
    let Ok(only) = std::env::var("DOCVAULT_ONLY") else { return true };
    only.split(',').any(|name| [kind, alteration].contains(&name))
}

/// Whether rows are printed for the table, of a sample too.
fn rows_wanted() -> bool {
    std::env::var_os("DOCVAULT_TABLE").is_some()
}

fn add(sum: &mut Outcomes, more: Outcomes) {
    for (case, outcomes) in more {
        for (outcome, Met { times, first }) in outcomes {
            let met = sum.entry(case.clone()).or_default().entry(outcome);
            met.or_insert(Met { times: 0, first }).times += times;
        }
    }
}

/// Runs rounds on all processors.
fn outcomes<'a>(template: &Template, rounds: impl Iterator<Item = Round<'a>> + Send) -> Outcomes {
    let depth = match (exhaustive(), rows_wanted()) {
        (true, _) => Depth::Turns,
        (false, true) => Depth::All,
        (false, false) => Depth::Few,
    };
    let honest = Honest::asked(template, depth);
    let rounds = rounds.filter(|round| is_wanted(template.kinds.kind(round.key), round.name(template)));
    let (rounds, met) = (Mutex::new((0..).zip(rounds)), Mutex::new((0u64, Outcomes::new())));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let (mut count, mut own) = (0, Outcomes::new());
                while let Some((at, round)) = { rounds.lock().unwrap().next() } {
                    honest.try_out(at, &round, &mut own);
                    if at % 100_000 == 99_999 {
                        println!("{} alterations", at + 1);
                    }
                    count += 1;
                }
                let mut met = met.lock().unwrap();
                met.0 += count;
                add(&mut met.1, own);
            });
        }
    });
    let (count, met) = met.into_inner().unwrap();
    let asked: u64 = met.values().flat_map(|outcomes| outcomes.values()).map(|met| met.times).sum();
    println!("{count} alterations, {asked} answers");
    met
}

/// Compares what was met with the rows of the table about these alterations, in both directions; of a sample, what was
/// done to a kind of object need only have been tried on one, but for swaps, of which it has few.
fn compare(met: &Outcomes, alterations: &[&str]) {
    if rows_wanted() {
        println!("{}", outcomes::rows(met));
    }
    let mut table = outcomes::table();
    table.retain(|(kind, alteration, _), _| {
        alterations.contains(&alteration.as_str()) && is_wanted(kind, alteration)
    });
    let mut wrong = Vec::new();
    for (case, outcomes) in met {
        let allowed = table.get(case).cloned().unwrap_or_default();
        let new = outcomes.iter().filter(|(outcome, _)| !allowed.contains(*outcome));
        wrong.extend(new.map(|(outcome, Met { times, first })| {
            format!("{case:?}: {outcome} is not in the table; {times} times, first of {first}")
        }));
    }
    let altered = |(kind, alteration, _): &Case| (kind.clone(), alteration.clone());
    let seen: BTreeSet<_> = met.keys().map(altered).collect();
    for (case, allowed) in &table {
        let outcomes = met.get(case).cloned().unwrap_or_default();
        let never = allowed.iter().filter(|outcome| !outcomes.contains_key(*outcome));
        // Of few alterations none may have been put to it.
        if exhaustive() && outcomes.is_empty() && outcomes::is_rare(&case.2) {
            continue;
        }
        if exhaustive() {
            wrong.extend(never.map(|outcome| format!("{case:?}: {outcome} never came of it")));
        } else if case.0 != "large part" && case.1 != "swapped" && !seen.contains(&altered(case)) {
            wrong.push(format!("{case:?}: was never tried"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_flipped_bit_and_every_length_has_its_outcome() {
    let template = block_on(Template::new(1, exhaustive()));
    let rounds = alterations::of_bytes(&template, exhaustive());
    compare(&outcomes(&template, rounds), &["flipped", "flipped root", "flipped signature", "cut"]);
}

#[test]
fn every_object_deleted_doubled_older_or_swapped_has_its_outcome() {
    let mut met = Outcomes::new();
    // A large document takes its time, and so is there only for what is done to itself.
    for large in [false, true].into_iter().take(if exhaustive() { 2 } else { 1 }) {
        let template = block_on(Template::new(2, large));
        let mut rounds = alterations::of_objects(&template, exhaustive());
        rounds.retain(|round| !large || template.kinds.kind(round.key) == "large part");
        add(&mut met, outcomes(&template, rounds.into_iter()));
    }
    let alterations = ["extended", "zeroed", "deleted", "swapped", "doubled", "older", "returned"];
    compare(&met, &alterations);
}

#[test]
fn every_object_is_read_but_those_that_say_nothing() {
    let template = block_on(Template::new(1, exhaustive()));
    let honest = Honest::asked(&template, Depth::Few);
    let read = honest.read();
    let unread = template.objects.keys().filter(|key| !read.contains(key));
    let kinds: BTreeSet<&str> = unread.map(|key| template.kinds.kind(key)).collect();
    assert_eq!(kinds, ["probe", "turn"].into());
}

#[test]
fn pages_of_a_deposit_are_told_apart_by_their_bytes() {
    let template = block_on(Template::new(1, false));
    let question = QUESTIONS.iter().find(|question| question.name == "take in").unwrap();
    let facts = block_on((question.ask)(&template, template.overlay(), None)).unwrap();
    for page in template::paper() {
        let hash = blake3::hash(&page).to_string();
        assert!(facts.iter().all(|fact| fact.contains(&hash)), "{facts:?}");
    }
}
