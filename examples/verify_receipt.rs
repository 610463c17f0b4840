//! Verifies a receipt with nothing but a policy: `verify_receipt POLICY RECEIPT [--json]`.
//!
//! Neither a vault nor a network nor a key is needed: this program and the two files are enough, on any
//! machine. The policy is a c2sp.org/tlog-policy that says which log's keys and which witnesses you trust;
//! get it from somebody you trust, and not along with the receipt.

use std::{env, fs, process::ExitCode};

use docvault::{Receipt, TrustPolicy, VerifiedReceipt};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (policy, receipt, json) = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [policy, receipt] => (*policy, *receipt, false),
        [policy, receipt, "--json"] => (*policy, *receipt, true),
        _ => {
            eprintln!("usage: verify_receipt POLICY RECEIPT [--json]");
            return ExitCode::from(2);
        }
    };
    match verify(policy, receipt) {
        Ok(proven) => {
            let text = if json { format!("{}\n", proven.to_json()) } else { proven.to_string() };
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{receipt} proves nothing: {error}");
            ExitCode::FAILURE
        }
    }
}

fn verify(policy: &str, receipt: &str) -> Result<VerifiedReceipt, Box<dyn std::error::Error>> {
    let policy = TrustPolicy::parse(&fs::read_to_string(policy)?)?;
    Ok(Receipt::parse(&fs::read_to_string(receipt)?)?.verify(&policy)?)
}
