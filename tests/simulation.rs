//! Deterministic simulation: whole vaults, several processes on one storage, on one thread in virtual time, over
//! the testing kit's wrappers, and a judge of all that was asked and answered (DESIGN, "Simulation").
//!
//! `DOCVAULT_SEED=n` tells one run in full; `DOCVAULT_SEEDS=from..to` runs those; `scripts/simulate.sh` runs many.
#![cfg(feature = "testing")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::future_not_send,
    clippy::unwrap_in_result,
    unreachable_pub,
    reason = "tests"
)]

#[path = "simulation/mod.rs"]
mod simulation;

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::Instant,
};

use simulation::{
    prefab::{self, Prefab},
    world::{Counts, Run, run},
};

fn prefabs() -> Vec<Rc<Prefab>> {
    prefab::all().into_iter().map(Rc::new).collect()
}

/// A run, in which a panic is a violation like any other.
fn judged(seed: u64, prefabs: &[Rc<Prefab>], told: bool) -> Run {
    catch_unwind(AssertUnwindSafe(|| run(seed, prefabs, told))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
        let verdict = Err(format!("PANIC: {text}"));
        Run { counts: Counts::new(), digest: 0, trace: Vec::new(), verdict }
    })
}

fn asked_for() -> Range<u64> {
    let number = |text: &str| text.trim().parse::<u64>().expect("a number");
    match (std::env::var("DOCVAULT_SEED"), std::env::var("DOCVAULT_SEEDS")) {
        (Ok(one), _) => number(&one)..number(&one) + 1,
        (_, Ok(range)) => {
            let (from, to) = range.split_once("..").expect("DOCVAULT_SEEDS=from..to");
            number(from)..number(to)
        }
        _ => 0..CI,
    }
}

#[test]
fn no_seed_finds_a_violation() {
    let (prefabs, seeds, begun) = (prefabs(), asked_for(), Instant::now());
    let told = std::env::var("DOCVAULT_SEED").is_ok();
    let mut all = Counts::new();
    for seed in seeds.clone() {
        let run = judged(seed, &prefabs, told);
        if told {
            println!("{}", run.trace.join("\n"));
        }
        if let Err(violation) = run.verdict {
            if !told {
                println!("{}", judged(seed, &prefabs, true).trace.join("\n"));
            }
            panic!("DOCVAULT_SEED={seed} finds a violation: {violation}");
        }
        for (what, count) in run.counts {
            *all.entry(what).or_default() += count;
        }
    }
    println!("{} seeds from {}, {} s", seeds.end - seeds.start, seeds.start, begun.elapsed().as_secs());
    all.iter().for_each(|(what, count)| println!("{count:>12} {what}"));
    if seeds.end - seeds.start >= CI {
        everything_came_up(&all);
    }
}

/// A simulation in which nothing happens proves nothing.
fn everything_came_up(counts: &Counts) {
    let missing: Vec<&&str> = EXPECTED.iter().filter(|what| !counts.contains_key(**what)).collect();
    assert!(missing.is_empty(), "these never came up: {missing:?}");
}

#[test]
fn a_seed_replays_exactly() {
    let first = prefabs();
    let digests: Vec<u64> = (0..40).map(|seed| run(seed, &first, false).digest).collect();
    let again = prefabs();
    for seed in 0..40 {
        assert_eq!(run(seed, &again, true).digest, digests[seed as usize], "seed {seed}");
    }
    assert_eq!(digests.iter().collect::<std::collections::BTreeSet<_>>().len(), digests.len());
}

/// No byte, call or random number is another for being watched.
#[cfg(all(feature = "metrics", feature = "tracing"))]
#[test]
fn a_seed_runs_the_same_when_it_is_watched() {
    let prefabs = prefabs();
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    for seed in 0..40 {
        let alone = run(seed, &prefabs, false).digest;
        let watched = || metrics::with_local_recorder(&recorder, || run(seed, &prefabs, false).digest);
        let watched = tracing::subscriber::with_default(tracing_subscriber::registry(), watched);
        assert_eq!(watched, alone, "seed {seed}");
    }
    assert!(recorder.handle().render().contains("docvault_commits_total"));
}

/// Seeds of a run that is nobody's special wish.
const CI: u64 = 2_000;
const EXPECTED: [&str; 75] = [
    "a week passes",
    "abort: done",
    "close_case: done",
    "collect_garbage: done",
    "condemned",
    "crash",
    "crash: requests arrive at once",
    "create_case: done",
    "deliver: done",
    "deliver: refused",
    "delivered what is there",
    "delivered what was there",
    "doubted, and on record: Denied",
    "doubted, and on record: Erased",
    "doubted, and on record: Superseded",
    "erase_case: done",
    "fault: applied, then error",
    "fault: conflict, nothing written",
    "fault: error before",
    "fault: late",
    "fault: slow",
    "fault: stale list",
    "fault: stale read",
    "finish: done",
    "finish: refused",
    "fold",
    "future dropped",
    "garbage deleted",
    "grant: done",
    "history: done",
    "index deleted",
    "lie shown: altered object",
    "lie shown: forged tail",
    "lie shown: hidden object",
    "lie shown: listings that leave out and repeat",
    "lie shown: older index",
    "lie shown: older object",
    "lie shown: other object",
    "lie: altered object",
    "lie: forged tail",
    "lie: hidden object",
    "lie: listings that leave out and repeat",
    "lie: older index",
    "lie: older object",
    "lie: older storage and its fork",
    "lie: other object",
    "lied to, and a read answered",
    "lied to, and refused as corrupt",
    "lied to, and refused by the log",
    "make_statement: done",
    "make_statement: refused",
    "make_statement: unknown",
    "newest_statement: done",
    "opened",
    "outcome: committed",
    "outcome: not committed",
    "resume_upload: done",
    "retrieve: done",
    "retrieve_range: done",
    "revoke: done",
    "rotate_epoch: done",
    "rotate_root: done",
    "rotate_signing_keys: done",
    "runs, Evil",
    "runs, Honest",
    "runs, Restored",
    "storage restored",
    "store: done",
    "store: refused",
    "store: unknown",
    "store_version: done",
    "store_version: unknown",
    "sync: done",
    "upload: done",
    "verify: done",
];
