//! A vault against a model of it: random operations by two processes on one storage, each opened anew
//! from its pin now and then. Every answer is the model's, and at the end the log verifies.
#![cfg(feature = "testing")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    unreachable_pub,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

mod model {
    pub mod operations;
    mod processes;
    pub mod reference;
}

use model::operations::{Operation, Pair};
use proptest::prelude::*;

fn run(operations: &[Operation]) {
    common::block_on(async {
        let mut pair = Pair::new().await;
        for operation in operations {
            pair.step(operation).await;
        }
        pair.end().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_processes_answer_as_the_model_does(
        operations in proptest::collection::vec(any::<[u8; 5]>().prop_map(Operation), 10..60)
    ) {
        run(&operations);
    }
}

/// Long enough for folds, and all operations in turn.
#[test]
fn a_long_life_answers_as_the_model_does() {
    let mut state = 0x2545_f491_u32;
    let mut operations = Vec::new();
    for i in 0..500u32 {
        // xorshift32 (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let [a, b, c, d] = state.to_be_bytes();
        operations.push(Operation([(i % 23) as u8, a, b, c, d]));
    }
    run(&operations);
}
