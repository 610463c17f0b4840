//! A witness for transparency logs, docvault's own among them (c2sp.org/tlog-witness).
//!
//! ```text
//! witness create NAME KEY_FILE FOLDER                 makes a key, and where its heads are kept; prints its verifier key
//! witness serve ADDRESS NAME KEY_FILE FOLDER POLICY   cosigns for the logs of the policy's log lines
//! witness submit URL REQUEST_FILE                     sends an add-checkpoint request; prints the answer
//! ```

mod http;

use std::{error::Error, fs};

use docvault::{FileWitnessStore, TrustPolicy, Witness, WitnessKey};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["create", name, key_file, folder] => {
            // A key that is there already has cosigned, and must not begin anew.
            let key = WitnessKey::create(key_file, name)?;
            FileWitnessStore::create(folder)?;
            println!("{}", key.verifier_key());
            Ok(())
        }
        ["serve", address, name, key_file, folder, policy] => {
            let logs = TrustPolicy::parse(&fs::read_to_string(policy)?)?;
            let store = FileWitnessStore::open(folder)?;
            serve(address, Witness::new(WitnessKey::load(key_file, name)?, logs, store))
        }
        ["submit", url, request] => {
            let answer = http::submit(url, &fs::read_to_string(request)?)?;
            print!("{}", answer.body);
            if answer.status == 200 { Ok(()) } else { Err(format!("refused with {}", answer.status).into()) }
        }
        _ => Err("usage: witness create|serve|submit …; see the head of examples/witness/main.rs".into()),
    }
}

fn serve(address: &str, witness: Witness) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await?;
        eprintln!("{} listens on {}", witness.verifier_key(), listener.local_addr()?);
        axum::serve(listener, http::router(witness)).await?;
        Ok(())
    })
}
