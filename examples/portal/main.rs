//! A portal for case files, as two programs in one: what a client's link opens, and what the office works with.
//!
//! `scripts/portal.sh serve` builds the web module and starts both; by hand:
//!
//! ```text
//! portal carrier new PLACE                          makes a carrier's folder and key; prints its public key
//! portal office new PLACE                           makes a vault; leaves `office.sender`; prints its fingerprint
//! portal carrier serve PLACE ADDRESS SENDER FINGERPRINT
//! portal office serve PLACE ADDRESS CARRIER_PLACE CARRIER_KEY CARRIER_URL
//! portal verify receipt RECEIPT REQUEST POLICY SENDER FINGERPRINT
//! portal verify bundle BUNDLE POLICY
//! ```
//!
//! It shows how the pieces fit. Before any of it serves strangers: requests are made under a policy without witnesses, so that a
//! client's proof is the office's word alone; key and pin lie beside the vault; pages are read from the folder that this was
//! built in; error pages tell causes; bundles are written on the executor's threads; nothing limits rates, and whoever has a
//! name of the office has every role.
//!
//! The carrier holds no key of the vault: it serves the client's page, takes sealed parts in and promises. It speaks plain
//! HTTP: put it behind TLS, or whoever is on the way can hand out another page than the one that seals. The
//! office holds the vault, listens on loopback alone, and reads what the carrier keeps.

mod carrier;
mod http;
mod language;
mod office;
mod place;
mod verify;

use std::{error::Error, future::Future, path::Path, process::ExitCode};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("portal: {}", http::with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Outcome<()> {
    match arguments {
        ["carrier", "new", place] => place::new_carrier(Path::new(place)),
        ["carrier", "serve", place, address, sender, fingerprint] => {
            let sender = place::sender(Path::new(sender), fingerprint)?;
            wait(carrier::serve(Path::new(place), address, sender))
        }
        ["office", "new", place] => wait(place::new_office(Path::new(place))),
        ["office", "serve", place, address, carrier_place, carrier_key, carrier_url] => {
            let carrier = office::CarrierLink::new(Path::new(carrier_place), carrier_key, carrier_url)?;
            wait(office::serve(Path::new(place), address, carrier))
        }
        ["verify", "receipt", receipt, request, policy, sender, fingerprint] => {
            let sender = place::sender(Path::new(sender), fingerprint)?;
            verify::receipt(receipt, request, policy, &sender)
        }
        ["verify", "bundle", bundle, policy] => verify::bundle(bundle, policy),
        _ => Err("usage: portal carrier|office|verify …; see the head of examples/portal/main.rs".into()),
    }
}

fn wait<T>(done: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(done)
}
