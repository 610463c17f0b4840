//! One of several processes that store into one vault, wherever it is kept.
//!
//! ```text
//! writer PLACE STEM create               make a vault; its key and pin become STEM.key and STEM.pin
//! writer PLACE STEM NAME COUNT           bring the case NAME to COUNT documents; prints each when acknowledged
//! writer PLACE STEM check FILES…         verify the chain, read all, look for what FILES say was acknowledged
//! ```
//!
//! Used by `scripts/two_processes.sh`, `four_processes.sh` and `ceph.sh`. A writer survives a storage
//! that fails for a while, and goes on where one that was killed stopped. Places: see `place`.

use std::{
    collections::BTreeSet,
    error::Error,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use docvault::{
    CaseId, Described, ErrorKind, Freshness, NewDocument, Outcome, Pin, Session, Vault,
    keys::LocalKey,
    storage::{StorageError, StorageErrorKind},
};

mod place;

use place::State;

type Result<T, E = Box<dyn Error>> = core::result::Result<T, E>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [place, stem, rest @ ..] = arguments.as_slice() else { return Err(USAGE.into()) };
    let files =
        Files { key: PathBuf::from(format!("{stem}.key")), pin: PathBuf::from(format!("{stem}.pin")) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match rest {
        ["create"] => runtime.block_on(create(place, &files)),
        ["check", acknowledged @ ..] => runtime.block_on(check(place, &files, acknowledged)),
        [name, count] => runtime.block_on(write(place, &files, name, count.parse()?)),
        _ => Err(USAGE.into()),
    }
}

struct Files {
    key: PathBuf,
    pin: PathBuf,
}

async fn create(place: &str, files: &Files) -> Result<()> {
    let (storage, key) = (place::storage(place, State::New).await?, LocalKey::create(&files.key)?);
    let vault = Vault::create(storage, key).await?;
    Ok(std::fs::write(&files.pin, vault.pin().to_string())?)
}

async fn open(place: &str, files: &Files) -> Result<Vault> {
    let pin: Pin = std::fs::read_to_string(&files.pin)?.trim().parse()?;
    let (storage, key) = (place::storage(place, State::Existing).await?, LocalKey::load(&files.key)?);
    Ok(Vault::open(storage, key, &pin).await?)
}

async fn write(place: &str, files: &Files, name: &str, count: usize) -> Result<()> {
    let vault = patiently(async || open(place, files).await).await?;
    let desk = vault.session("writer").purpose("several processes").begin()?;
    let case = patiently(async || case(&desk, name).await).await?;
    let there = patiently(async || names(&desk, case).await).await?;
    for number in 0..count {
        let document = format!("{name}/{number}");
        if !there.contains(&document) {
            store(&desk, case, &document).await?;
            println!("{document}");
        }
    }
    Ok(())
}

/// Does again what a storage that fails for a while interrupted, and what does no harm when done twice.
async fn patiently<T>(attempt: impl AsyncFn() -> Result<T>) -> Result<T> {
    let began = Instant::now();
    loop {
        match attempt().await {
            Err(error) if began.elapsed() < patience() && may_pass(&*error) => pause(),
            done => return done,
        }
    }
}

fn may_pass(error: &(dyn Error + 'static)) -> bool {
    let storage = error.downcast_ref().map(StorageError::kind);
    storage == Some(StorageErrorKind::Unavailable)
        || error.downcast_ref().is_some_and(|error: &docvault::Error| {
            matches!(error.kind(), ErrorKind::Storage | ErrorKind::Contended | ErrorKind::OutcomeUnknown(_))
        })
}

/// The case of this name, opened if it is not there. Listing settles what an earlier try left open.
async fn case(desk: &Session, name: &str) -> Result<CaseId> {
    let cases = desk.cases(None).await?.cases;
    match cases.iter().find(|case| case.title == name) {
        Some(case) => Ok(case.id),
        None => Ok(desk.create_case(name).await?),
    }
}

async fn names(desk: &Session, case: CaseId) -> Result<Vec<String>> {
    Ok(documents(desk, case).await?.into_iter().map(|document| document.name).collect())
}

/// All of a case, page after page.
async fn documents(desk: &Session, case: CaseId) -> docvault::Result<Vec<Described>> {
    let (mut found, mut start) = (Vec::new(), None);
    loop {
        let page = desk.documents(case, start).await?;
        found.extend(page.documents);
        match page.next {
            None => return Ok(found),
            next => start = next,
        }
    }
}

/// Stores one document, once, however the storage fails in between.
async fn store(desk: &Session, case: CaseId, name: &str) -> Result<()> {
    let began = Instant::now();
    loop {
        let Err(error) = desk.store(case, NewDocument::named(name), name.as_bytes().to_vec()).await else {
            return Ok(());
        };
        if let ErrorKind::OutcomeUnknown(operation) = error.kind() {
            if matches!(outcome(desk, operation, began).await?, Outcome::Committed { .. }) {
                return Ok(());
            }
        } else if began.elapsed() > patience()
            || !matches!(error.kind(), ErrorKind::Storage | ErrorKind::Contended)
        {
            return Err(error.into());
        }
        pause();
    }
}

async fn outcome(desk: &Session, operation: docvault::OperationId, began: Instant) -> Result<Outcome> {
    loop {
        match desk.outcome(operation).await {
            Err(error) if began.elapsed() > patience() => return Err(error.into()),
            Err(_) => pause(),
            Ok(outcome) => return Ok(outcome),
        }
    }
}

/// Two minutes, or `WRITER_PATIENCE` seconds.
fn patience() -> Duration {
    let seconds = std::env::var("WRITER_PATIENCE").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(120))
}

fn pause() {
    std::thread::sleep(Duration::from_millis(200));
}

async fn check(place: &str, files: &Files, acknowledged: &[&str]) -> Result<()> {
    let vault = open(place, files).await?;
    let verified = vault.audit().verify_from_genesis().await?;
    if vault.freshness() != Freshness::FreshByPin {
        return Err("the log is not as new as the pin".into());
    }
    let desk = vault.session("checker").purpose("several processes").begin()?;
    let (mut names, mut total) = (BTreeSet::new(), 0);
    for case in desk.cases(None).await?.cases {
        for document in documents(&desk, case.id).await? {
            if desk.retrieve(document.document).await? != document.name.as_bytes() {
                return Err(format!("{} has other content", document.name).into());
            }
            total += 1;
            names.insert(document.name);
        }
    }
    if names.len() != total {
        return Err(format!("{total} documents, of which only {} are different", names.len()).into());
    }
    for file in acknowledged {
        let lines = std::fs::read_to_string(Path::new(file))?;
        if let Some(lost) = lines.lines().find(|line| !names.contains(*line)) {
            return Err(format!("{lost} was acknowledged and is not there").into());
        }
    }
    println!("{total} documents, {} records in one verified chain", verified.checked);
    Ok(())
}

const USAGE: &str = "usage: writer PLACE STEM [create | NAME COUNT | check FILES…]";
