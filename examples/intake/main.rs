//! Intake of real files into a folder vault: store, read back, share, revoke, verify, and a forgery
//! that is noticed.
//!
//! `cargo run --release --example intake -- [--vault DIR] [FILES or FOLDERS…]`
//!
//! For this demonstration key, pin and a recipient's identity lie beside the vault. In production the key is in a secret store,
//! the pin where those who run the storage cannot write, and an identity with its owner alone.

mod evidence;
mod files;
mod office;
mod report;
mod story;

use std::{path::PathBuf, process::ExitCode};

use futures_lite::future::block_on;

const USAGE: &str = "\
usage: intake [--vault DIR] [--crash-log FILE] [FILES or FOLDERS…]

  --vault DIR        the vault's folder, made if it is not there (intake-vault);
                     DIR.key, DIR.pin, DIR.notary, and what is for others, are kept beside it
  --crash-log FILE   append a line for every operation once it is acknowledged
  --without-pin      open the vault though its pin is lost, and keep that of what is there
  --check            verify the vault and everything in the crash log, and do nothing else

With no file: the sample documents of examples/samples.";

/// What was asked for.
pub(crate) struct Asked {
    vault: PathBuf,
    crash_log: Option<PathBuf>,
    check: bool,
    unpinned: bool,
    paths: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let Some(asked) = parse(std::env::args_os().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let done = if asked.check { block_on(story::check(&asked)) } else { block_on(story::tell(&asked)) };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("intake: {}", report::with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> Option<Asked> {
    let mut asked = Asked {
        vault: "intake-vault".into(),
        crash_log: None,
        check: false,
        unpinned: false,
        paths: Vec::new(),
    };
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--vault") => asked.vault = arguments.next()?.into(),
            Some("--crash-log") => asked.crash_log = Some(arguments.next()?.into()),
            Some("--check") => asked.check = true,
            Some("--without-pin") => asked.unpinned = true,
            Some(option) if option.starts_with('-') && option.len() > 1 => return None,
            _ => asked.paths.push(argument.into()),
        }
    }
    if asked.paths.is_empty() {
        asked.paths.push(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/samples").into());
    }
    Some(asked)
}
