//! Checks a folder vault's log without a key, for a security reviewer: `verify_log FOLDER [--pin FILE]`.
//!
//! `cargo run --release --example verify_log -- my-vault --pin my-vault.pin`
//!
//! Everything that anyone can check is checked: each commit's signature, the hash chain, the Merkle root
//! at every commit, the change of signing keys; then every hash tile, every entry bundle and every table of
//! the index is recomputed from the log. The first fault ends it with what and where, and exit code 1.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use docvault::{KeptCheckpoint, LogReader, Pin, storage::FsStorage};
use futures_lite::future::block_on;
use indicatif::{ProgressBar, ProgressStyle};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match arguments().and_then(|(folder, pin)| block_on(run(&folder, pin.as_deref()))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("FAULT: {failure}");
            let mut cause = failure.source();
            while let Some(because) = cause {
                eprintln!("  because: {because}");
                cause = because.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<(PathBuf, Option<PathBuf>), Failure> {
    let usage = "usage: verify_log FOLDER [--pin FILE]";
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments.next().ok_or(usage)?.into();
    let pin = match arguments.next() {
        None => None,
        Some(flag) if flag == "--pin" => Some(arguments.next().ok_or(usage)?.into()),
        Some(_) => return Err(usage.into()),
    };
    if arguments.next().is_some() { Err(usage.into()) } else { Ok((folder, pin)) }
}

async fn run(folder: &Path, pin: Option<&Path>) -> Result<(), Failure> {
    let storage = Arc::new(FsStorage::open(folder)?);
    let pin: Option<Pin> = match pin {
        Some(file) => Some(std::fs::read_to_string(file)?.trim().parse()?),
        None => None,
    };
    let log = match &pin {
        Some(pin) => LogReader::open(storage, pin).await?,
        None => LogReader::open_unpinned(storage).await?,
    };
    let head = log.head();
    println!("vault            {}", log.vault());

    let bar = Bar::new("log", head.size());
    let verified = log.verify_from_genesis(&mut |checked, _| bar.at(checked)).await?;
    bar.done();
    println!("records          {}, from the first to the head, in one hash chain", verified.checked);
    println!("commits          {}, each signed by the key its place asks for", verified.commits);
    println!("signing epochs   {}, each key stated under the one before it", head.signing_epoch());
    println!("Merkle root      recomputed at every commit");

    let bar = Bar::new("tiles", head.size());
    let tiles = log.check_tiles(&mut |checked, _| bar.at(checked)).await?;
    bar.done();
    println!(
        "tiles            {} tiles and {} bundles of {} records recomputed",
        tiles.tiles, tiles.bundles, tiles.records
    );

    let bar = Bar::new("index", head.size());
    let index = log.check_index(&mut |checked, _| bar.at(checked)).await?;
    bar.done();
    println!("index            {} rows in {} tables rebuilt", index.rows, index.tables);

    let (origin, key) = log.checkpoint_key().await?;
    println!("signs as         {origin}, with the Ed25519 key {}", hexadecimal(&key));
    checkpoints(&log).await?;
    match &pin {
        Some(pin) => println!(
            "freshness        {:?}: pinned at {} records",
            log.verify(pin).await?.freshness,
            pin.size()
        ),
        None => println!("freshness        Unverified: no pin was given, so a newer log may be withheld"),
    }
    println!("head             {head}");
    Ok(())
}

async fn checkpoints(log: &LogReader) -> Result<(), Failure> {
    let mut last: Option<KeptCheckpoint> = None;
    let mut count = 0;
    loop {
        let page = log.checkpoints(last.as_ref()).await?;
        for kept in &page {
            let authorities: Vec<&str> = kept.tokens.iter().map(|token| token.authority.as_str()).collect();
            let signatures = kept.note.lines().filter(|line| line.starts_with('\u{2014}')).count();
            println!(
                "kept checkpoint  of {} records, record {}, {}: {signatures} signatures, time tokens of {authorities:?}",
                kept.size, kept.seq, kept.time
            );
        }
        count += page.len();
        last = match page.last() {
            Some(kept) => Some(kept.clone()),
            None => break,
        };
    }
    println!("checkpoints      {count} kept, each as its record says");
    Ok(())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A progress bar; none for logs that are done at once.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn new(what: &'static str, records: u64) -> Self {
        let style =
            ProgressStyle::with_template("{prefix:5} {wide_bar} {human_pos}/{human_len} records, {eta}");
        let bar = |style| ProgressBar::new(records).with_style(style).with_prefix(what);
        Self(style.ok().filter(|_| records > 10_000).map(bar))
    }

    fn at(&self, record: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(record);
        }
    }

    fn done(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
