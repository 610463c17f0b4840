//! An auditor outside checks an export of the log's records with no vault and no key: `verify_export FILE ORIGIN KEY`.
//!
//! FILE is what `Session::export_records` wrote. ORIGIN and KEY (in hexadecimal) are what `LogReader::checkpoint_key` says: get
//! them from the vault's owner, and not along with the file. Compare the checkpoint with what a witness or somebody else was
//! shown: one that nobody else has seen is the owner's word alone.

use std::{env, fs::File, io::BufReader, process::ExitCode};

use docvault::{Checkpoint, verify_exported_records};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, origin, key] = arguments.as_slice() else {
        eprintln!("usage: verify_export FILE ORIGIN KEY");
        return ExitCode::from(2);
    };
    match verify(file, origin, key) {
        Ok(checkpoint) => {
            let root: String = checkpoint.root().iter().map(|byte| format!("{byte:02x}")).collect();
            println!("{} records of {}, the tree's root {root}", checkpoint.size(), checkpoint.origin());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{file} proves nothing: {error}");
            ExitCode::FAILURE
        }
    }
}

fn verify(file: &str, origin: &str, key: &str) -> Result<Checkpoint, Box<dyn std::error::Error>> {
    let digits = |at: usize| key.get(2 * at..2 * at + 2).ok_or("a key has 64 hexadecimal digits");
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits(at)?, 16)?;
    }
    Ok(verify_exported_records(BufReader::new(File::open(file)?), origin, &bytes)?)
}
