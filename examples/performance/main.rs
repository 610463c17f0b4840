//! What the vault's operations cost, and what they are made of, measured in this very run.
//!
//! `performance FOLDER rows` prints `name seconds…`, the times of each round, for `scripts/performance.sh`, which
//! makes the table of docs/PERFORMANCE.md of them; FOLDER is one in memory. `log` and `ranges` are two subjects of it.
//! `performance FOLDER document`, `case DOCUMENTS`, `vault DOCUMENTS` and `history RECORDS` print tables of how cost
//! grows, up to that many. Sealing threads are bound to a core each.

use std::path::Path;

mod content;
mod growth;
mod log;
mod measure;
mod ranges;
mod sharing;
mod tasks;

use measure::Failure;

const USAGE: &str = "usage: performance FOLDER rows|log|ranges|document | FOLDER case|vault|history MOST";

fn main() -> Result<(), Failure> {
    pin_threads()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let folder = arguments.first().ok_or(USAGE)?;
    let place = tempfile::tempdir_in(folder)?;
    match arguments.get(1..).unwrap_or_default() {
        ["rows"] => rows(place.path()),
        ["log"] => log::log(place.path()),
        ["ranges"] => ranges::ranges(place.path()),
        ["document"] => growth::document(place.path()),
        ["case", most] => growth::case(place.path(), most.parse()?),
        ["vault", most] => growth::vault(place.path(), most.parse()?),
        ["history", most] => growth::history(place.path(), most.parse()?),
        _ => Err(USAGE.into()),
    }
}

fn rows(place: &Path) -> Result<(), Failure> {
    content::large(place)?;
    content::small(place)?;
    ranges::ranges(place)?;
    sharing::sharing(place)?;
    log::log(place)?;
    let disk = tempfile::tempdir()?;
    tasks::tasks(disk.path())
}

/// Binds each thread of rayon's global pool to a core: some kernels leave them all on one.
fn pin_threads() -> Result<(), Failure> {
    let cores = core_affinity::get_core_ids().ok_or("the cores cannot be told")?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(cores.len());
    pool.start_handler(move |index| {
        cores.get(index).map(|core| core_affinity::set_for_current(*core));
    })
    .build_global()?;
    Ok(())
}
