//! How many calls of the storage each operation takes, and how many of them wait for each other: counted, for logs of
//! several lengths, and held against the bounds that docs/SCALING.md states.
//!
//! `cargo test --release --all-features --test storage_calls -- --nocapture` prints the tables.
#![cfg(all(feature = "intake", feature = "testing"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use core::fmt::Write as _;
use std::{fs, path::Path, sync::LazyLock};

use docvault::{DocumentId, Vault, storage::Storage};
use futures_util::future::join_all;

#[path = "storage_calls/bench.rs"]
mod bench;
mod common;
#[path = "common/intake.rs"]
mod intake;
#[path = "storage_calls/operations.rs"]
mod operations;
use bench::{Bench, Cost, Rows, desk, fill, run, store};

/// Records at least: no fold, one, and so many that tables of the second level are there.
const HISTORIES: [u64; 3] = [0, 300, 5200];

static COUNTED: LazyLock<[Rows; 3]> =
    LazyLock::new(|| HISTORIES.map(|records| run(|bench| operations::everything(bench, records))));

/// What an operation costs in each history.
fn costs(name: &str) -> Vec<Cost> {
    let cost = |rows: &Rows| rows.iter().find(|(row, _)| *row == name).expect("it is counted").1;
    COUNTED.iter().map(cost).collect()
}

/// Whether an operation takes no more creates, calls and trips than these, whatever the history.
#[track_caller]
fn bounded(name: &str, (creates, calls, trips): (u64, u64, u128)) {
    for cost in costs(name) {
        let within = cost.counts.create <= creates && cost.calls() <= calls && cost.trips <= trips;
        assert!(within, "{name}: {cost}");
    }
}

#[test]
fn a_small_document_is_stored_by_a_head_and_a_commit() {
    bounded("store 1 KiB", (2, 2, 2));
    bounded("store 100 KiB", (2, 2, 2));
    bounded("store a version, 1 KiB", (2, 3, 2));
}

#[test]
fn a_small_document_is_retrieved_in_two_trips() {
    bounded("retrieve 1 KiB", (1, 2, 2));
}

#[test]
fn a_process_that_has_just_begun_retrieves_in_four_trips() {
    bounded("retrieve 1 KiB, as its first", (38, u64::MAX, 4));
}

#[test]
fn twenty_mebibytes_are_retrieved_in_three_trips_without_their_outlines() {
    bounded("retrieve 20 MiB", (1, 5, 3));
}

#[test]
fn the_first_range_of_a_part_is_one_trip_and_the_next_one_call() {
    bounded("the reader's first range", (0, 3, 1));
    bounded("the reader's next range of the same part", (0, 1, 1));
}

#[test]
fn a_range_is_read_while_it_goes_on_record_and_a_session_keeps_what_opens_the_next() {
    bounded("retrieve a range of 20 MiB", (1, 5, 2));
    bounded("its next range of the same part", (1, 2, 1));
}

#[test]
fn a_session_keeps_the_four_versions_of_which_it_read_ranges_last() {
    run(async |bench: Bench| {
        let office = desk(&bench.create().await);
        let case = office.create_case("c").await.unwrap();
        let mut documents = Vec::new();
        for _ in 0..5 {
            documents.push(store(&office, case, 1 << 20).await);
        }
        let calls = async |document: DocumentId, at: u64| {
            let (found, cost) = bench.cost(office.retrieve_range(document, at..at + 10)).await;
            assert_eq!(found.unwrap(), [7; 10].as_slice());
            cost.calls()
        };
        for document in &documents {
            assert_eq!(calls(*document, 0).await, 5, "head, prefix, outline, chunks, and the record");
        }
        for document in &documents[1..] {
            assert_eq!(calls(*document, 70_000).await, 2);
        }
        assert_eq!(calls(documents[0], 0).await, 5, "the fifth took its place");
        assert_eq!(calls(documents[2], 0).await, 2);
        assert_eq!(calls(documents[1], 0).await, 5);
    });
}

/// Opens by the first pin and by the head's, and says how many trips the longer one took.
async fn opening(bench: &Bench, pins: [&docvault::Pin; 2]) -> u128 {
    let mut longest = 0;
    for pin in pins {
        let (vault, cost) = bench.cost(bench.open(pin)).await;
        assert_eq!(vault.pin(), *pins[1]);
        longest = longest.max(cost.trips);
    }
    longest
}

#[test]
fn a_vault_opens_in_five_trips_whatever_its_history() {
    run(|bench| async move {
        let vault = bench.create().await;
        let (first, office) = (vault.pin(), desk(&vault));
        let case = office.create_case("one").await.unwrap();
        // Groups of every size up to 40, over two folds and more: the tail begins and ends everywhere.
        for round in 0..2u64 {
            for group in 1..=40 {
                join_all((0..group).map(|_| office.describe_case(case))).await;
                let trips = opening(&bench, [&first, &vault.pin()]).await;
                assert!(trips <= 5, "{round}: {group}, {} records: {trips}", vault.pin().size());
            }
        }
        for records in [4096, 4400, 8200] {
            fill(&office, records).await;
            let trips = opening(&bench, [&first, &vault.pin()]).await;
            assert!(trips <= 5, "{} records: {trips}", vault.pin().size());
        }
    });
}

#[test]
fn changes_of_signing_keys_since_the_pin_add_a_table_s_levels_and_eight_are_looked_up_at_once() {
    run(|bench| async move {
        let vault = bench.create().await;
        let (first, office) = (vault.pin(), desk(&vault));
        for (changes, most) in [(1, 7), (7, 7), (9, 11)] {
            for _ in 0..changes {
                office.rotate_signing_keys().await.unwrap();
            }
            fill(&office, vault.pin().size() + 300).await;
            let trips = opening(&bench, [&first, &vault.pin()]).await;
            assert!(trips <= most, "{changes} more: {trips}");
            assert!(opening(&bench, [&vault.pin(), &vault.pin()]).await <= 5);
        }
    });
}

/// Calls of many operations, what folding costs included, and the bytes that they leave.
async fn amortized(bench: Bench, tasks: usize) -> String {
    let vault: Vault = bench.create().await;
    let office = desk(&vault);
    let case = office.create_case("one").await.unwrap();
    bench.counting.take();
    let work = |_| async {
        for _ in 0..OPERATIONS / tasks {
            store(&office, case, 1024).await;
        }
    };
    join_all((0..tasks).map(work)).await;
    let counts = bench.counting.take();
    office.collect_garbage().await.unwrap();
    let (records, mut row) = (vault.pin().size() as f64, String::new());
    let each = |count: u64| count as f64 / OPERATIONS as f64;
    write!(row, "| {tasks} | {:.2} | {:.2} |", each(counts.create), each(counts.read)).unwrap();
    for prefix in ["log/", "index/", "tile/"] {
        let mut bytes = 0;
        for key in bench.memory.list(prefix, None, usize::MAX).await.unwrap() {
            bytes += bench.memory.read(&key, None).await.unwrap().unwrap().len();
        }
        write!(row, " {:.0} |", bytes as f64 / records).unwrap();
    }
    row
}

const OPERATIONS: usize = 10_240;

fn amortized_table() -> String {
    let mut table = String::from(
        "| tasks at once | creates | reads | log, bytes a record | index | tiles |\n|---|---|---|---|---|---|\n",
    );
    for tasks in [1, 16, 64] {
        writeln!(table, "{}", run(|bench| amortized(bench, tasks))).unwrap();
    }
    table
}

fn table() -> String {
    let mut table =
        String::from("| operation | new vault | 300 records | 5,200 records |\n|---|---|---|---|\n");
    for (at, (name, few)) in COUNTED[0].iter().enumerate() {
        writeln!(table, "| {name} | {few} | {} | {} |", COUNTED[1][at].1, COUNTED[2][at].1).unwrap();
    }
    table
}

fn deposits_table() -> String {
    let mut table = String::from("| operation | calls |\n|---|---|\n");
    for (name, cost) in run(operations::deposits) {
        writeln!(table, "| {name} | {cost} |").unwrap();
    }
    table
}

#[test]
fn the_documentation_states_what_is_counted() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/SCALING.md");
    let stated = fs::read_to_string(page).unwrap();
    let counted = [table(), deposits_table(), amortized_table()].join("\n");
    println!("{counted}");
    let missing = counted.lines().filter(|line| !stated.contains(line)).collect::<Vec<_>>();
    assert!(missing.is_empty(), "docs/SCALING.md does not say:\n{}", missing.join("\n"));
}
