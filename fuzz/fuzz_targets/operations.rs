//! Whole vaults, several processes on a storage that fails or lies, and the judge of `tests/simulation`: eight bytes are
//! the seed, each of the others a choice (which operation, who goes on, which lie), as long as there are any. A violation
//! is told with all that led to it.
#![no_main]
#![allow(dead_code, reason = "what a test asks besides")]

#[path = "../../tests/simulation/mod.rs"]
mod simulation;

use std::rc::Rc;

use simulation::{
    chance,
    prefab::{self, Prefab},
    world::{self, Run},
};

thread_local! {
    static PREFABS: Vec<Rc<Prefab>> = prefab::all().into_iter().map(Rc::new).collect();
}

fn run(seed: u64, choices: &[u8], told: bool) -> Run {
    PREFABS.with(|prefabs| {
        chance::decide(choices.to_vec());
        let run = world::run(seed, prefabs, told);
        chance::decide(Vec::new());
        run
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((seed, choices)) = data.split_first_chunk::<8>() else { return };
    let seed = u64::from_be_bytes(*seed);
    if let Err(violation) = run(seed, choices, false).verdict {
        panic!("{}\n{violation}", run(seed, choices, true).trace.join("\n"));
    }
});
