//! Verifies a bundle of a case: with the file, a policy, and nothing else.
//!
//! `verify_bundle BUNDLE POLICY`

use std::{fs, process::ExitCode};

use docvault::{TrustPolicy, intake::verify_bundle};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [bundle, policy] = arguments.as_slice() else {
        eprintln!("usage: verify_bundle BUNDLE POLICY");
        return ExitCode::from(2);
    };
    let policy = fs::read_to_string(policy).map_err(|error| error.to_string());
    let policy = policy.and_then(|text| TrustPolicy::parse(&text).map_err(|error| error.to_string()));
    match policy.and_then(|policy| verify_bundle(bundle, &policy).map_err(|error| error.to_string())) {
        Ok(verified) => {
            print!("{verified}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("verify_bundle: {error}");
            ExitCode::FAILURE
        }
    }
}
