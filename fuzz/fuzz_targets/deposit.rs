#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| docvault::fuzzing::deposit(data));
