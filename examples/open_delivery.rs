//! The recipient's side of a grant, with no vault:
//!
//! ```text
//! open_delivery new IDENTITY RECIPIENT                              makes an identity, and RECIPIENT for the office
//! open_delivery open IDENTITY SENDER FINGERPRINT DELIVERY FOLDER    opens what the office sent
//! ```
//!
//! RECIPIENT may travel any way, and its fingerprint is read aloud to the office; so is the office's to you: one that came along
//! with SENDER proves nothing. Documents are written into FOLDER, which is made, under numbers: what they are called is their
//! sender's word, and shown.

use std::{
    env,
    fs::{self, File},
    io::{BufReader, BufWriter, Write},
    path::Path,
    process::ExitCode,
};

use docvault::{Identity, Sender};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["new", identity, recipient] => make(identity, recipient),
        ["open", identity, sender, fingerprint, delivery, folder] => {
            open(identity, (sender, fingerprint), delivery, Path::new(folder))
        }
        _ => Err("usage: open_delivery new IDENTITY RECIPIENT\n       \
                  open_delivery open IDENTITY SENDER FINGERPRINT DELIVERY FOLDER"
            .into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn make(identity: &str, recipient: &str) -> Result<(), Failure> {
    let identity = Identity::create(identity)?;
    fs::write(recipient, identity.recipient_bytes())?;
    println!("{}", identity.fingerprint());
    Ok(())
}

fn open(
    identity: &str,
    (sender, fingerprint): (&str, &str),
    delivery: &str,
    folder: &Path,
) -> Result<(), Failure> {
    let sender = Sender::verify(&fs::read(sender)?, fingerprint)?;
    let mut opened = Identity::load(identity)?.open(BufReader::new(File::open(delivery)?), &sender)?;
    println!("delivered {} for {:?}: {} documents", opened.time(), opened.purpose(), opened.documents());
    fs::create_dir(folder)?;
    let mut number = 0;
    while let Some(document) = opened.next_document()? {
        number += 1;
        let (name, digest) = (document.name().to_owned(), document.digest());
        // Nothing is written that is not authentic; a file is whole once its line is printed.
        let mut file = BufWriter::new(File::create_new(folder.join(number.to_string()))?);
        let len = document.copy_to(&mut file)?;
        file.flush()?;
        println!("{number}: {name:?}, {len} bytes, BLAKE3 {digest}");
    }
    Ok(())
}
