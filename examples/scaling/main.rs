//! What a vault on an object store does in a second, and what many processes do to each other that write into it:
//! the real code on virtual time, in which only the storage's answers take any.
//!
//! ```text
//! cargo run --release --features testing --example scaling            the tables of docs/SCALING.md
//! cargo run --release --features testing --example scaling -- one     one process, by its tasks
//! cargo run --release --features testing --example scaling -- many    processes, each of 16 tasks
//! cargo run --release --features testing --example scaling -- unlined likewise, without a line in which to wait
//! cargo run --release --features testing --example scaling -- folds   how long a fold holds writers up
//! cargo run --release --features testing --example scaling -- 4 16    4 processes of 16 tasks, alone
//! ```
//!
//! A run repeats itself: everything random is drawn from a seed.

use docvault::Result;

mod folds;
mod link;
mod writers;

use writers::Scenario;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<u64> = arguments.iter().filter_map(|number| number.parse().ok()).collect();
    if let [writers, tasks, rest @ ..] = numbers.as_slice() {
        writers::header();
        return Scenario { writers: *writers, tasks: *tasks, slow: rest.first().copied(), line: true }
            .report();
    }
    let wanted = |part: &str| arguments.first().is_none_or(|argument| argument == part);
    if wanted("one") {
        one()?;
    }
    if wanted("many") {
        many(true)?;
    }
    if wanted("unlined") {
        many(false)?;
    }
    if wanted("folds") {
        folds::report()?;
    }
    Ok(())
}

fn one() -> Result<()> {
    writers::header();
    for tasks in [1, 4, 16, 64, 256] {
        Scenario { writers: 1, tasks, slow: None, line: true }.report()?;
    }
    println!();
    Ok(())
}

fn many(line: bool) -> Result<()> {
    writers::header();
    for slow in [None, Some(10)] {
        for writers in [1, 2, 4, 8, 16, 32] {
            Scenario { writers, tasks: 16, slow, line }.report()?;
        }
    }
    for slow in [None, Some(10)] {
        Scenario { writers: 4, tasks: 1, slow, line }.report()?;
    }
    println!();
    Ok(())
}
