//! Whole vaults, several processes on a storage that fails or lies, and the judge of `tests/simulation`: eight bytes are
//! the seed, each of the others a choice (which operation, who goes on, which fault, which lie), as long as there are any.
#![no_main]
#![allow(dead_code, reason = "what a test asks besides")]

#[path = "../../tests/simulation/chance.rs"]
mod chance;
#[path = "../../tests/simulation/client.rs"]
mod client;
#[path = "../../tests/simulation/end.rs"]
mod end;
#[path = "../../tests/simulation/executor.rs"]
mod executor;
#[path = "../../tests/simulation/judge.rs"]
mod judge;
#[path = "../../tests/simulation/malice.rs"]
mod malice;
#[path = "../../tests/simulation/prefab.rs"]
mod prefab;
#[path = "../../tests/simulation/storage.rs"]
mod storage;
#[path = "../../tests/simulation/world.rs"]
mod world;

use std::rc::Rc;

use prefab::Prefab;

thread_local! {
    static PREFABS: Vec<Rc<Prefab>> = prefab::all().into_iter().map(Rc::new).collect();
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((seed, choices)) = data.split_first_chunk::<8>() else { return };
    PREFABS.with(|prefabs| {
        chance::decide(choices.to_vec());
        let run = world::run(u64::from_be_bytes(*seed), prefabs, false);
        chance::decide(Vec::new());
        run.verdict.expect("no violation");
    });
});
