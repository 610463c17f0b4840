//! A case's state machine under commands, against the second implementation in `tests/intake_model`: thirteen bytes are a
//! step.
#![no_main]
#![allow(dead_code, reason = "what the tests ask besides")]

#[path = "../../tests/intake_model/calendar.rs"]
mod calendar;
#[path = "../../tests/intake_model/commands.rs"]
mod commands;
#[path = "../../tests/intake_model/reference.rs"]
mod reference;
#[path = "../../tests/intake_model/run.rs"]
mod run;

use commands::Step;

fn step(bytes: &[u8; 13]) -> Step {
    let [high, low, actor, action, requirement, dice @ ..] = *bytes;
    Step {
        hours: u64::from(u16::from_be_bytes([high, low])) % 2000,
        actor: usize::from(actor % 4),
        action: action % 70,
        requirement: usize::from(requirement % 5),
        dice,
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let steps: Vec<Step> = data.as_chunks().0.iter().take(60).map(step).collect();
    run::agree(&steps);
    run::hold(&steps);
});
