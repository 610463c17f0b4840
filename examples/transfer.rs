//! One file into a folder vault and out of it again, in constant memory, as fast as the machine allows.
//!
//! `transfer create VAULT`, `transfer store VAULT FILE` (prints the document's id),
//! `transfer retrieve VAULT DOCUMENT FILE`; `--pin` first binds the sealing threads to one core each.
//!
//! The vault reads and writes its storage while it seals and opens. The file at the other end is this program's
//! own affair: the sealing threads read it where it is sealed, and a second thread writes it, so that it is not
//! waited for.
//!
//! For measuring: key and pin lie beside the vault, and the pin is not kept up to date (`VaultOptions::pin_store`).

use std::{
    fs::File,
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::mpsc::sync_channel,
    thread,
};

use bytes::Bytes;
use docvault::{DocumentId, NewDocument, Pin, Session, Vault, keys::LocalKey, storage::FsStorage};
use futures_lite::future::block_on;

type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "usage: transfer [--pin] create VAULT | store VAULT FILE | retrieve VAULT DOCUMENT FILE";

fn main() -> Result<(), Failure> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--pin") {
        arguments.remove(0);
        pin_threads()?;
    }
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["create", vault] => create(vault.as_ref()),
        ["store", vault, file] => store(vault.as_ref(), file.as_ref()),
        ["retrieve", vault, document, file] => retrieve(vault.as_ref(), document.parse()?, file.as_ref()),
        _ => Err(USAGE.into()),
    }
}

/// Binds each thread of rayon's global pool to a core: some kernels leave them all on one.
fn pin_threads() -> Result<(), Failure> {
    let cores = core_affinity::get_core_ids().ok_or("the cores cannot be told")?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(cores.len());
    pool.start_handler(move |index| {
        cores.get(index).map(|core| core_affinity::set_for_current(*core));
    })
    .build_global()?;
    Ok(())
}

fn beside(vault: &Path, suffix: &str) -> PathBuf {
    vault.with_extension(suffix)
}

fn create(vault: &Path) -> Result<(), Failure> {
    let key = LocalKey::create(beside(vault, "key"))?;
    let made = block_on(Vault::create(FsStorage::create(vault)?, key))?;
    let desk = made.session("transfer").purpose("transfer").begin()?;
    let case = block_on(desk.create_case("transfer"))?;
    std::fs::write(beside(vault, "case"), case.to_string())?;
    std::fs::write(beside(vault, "pin"), made.pin().to_string())?;
    Ok(())
}

fn open(vault: &Path) -> Result<Session, Failure> {
    let pin: Pin = std::fs::read_to_string(beside(vault, "pin"))?.trim().parse()?;
    let key = LocalKey::load(beside(vault, "key"))?;
    let opened = block_on(Vault::open(FsStorage::open(vault)?, key, &pin))?;
    Ok(opened.session("transfer").purpose("transfer").begin()?)
}

fn store(vault: &Path, path: &Path) -> Result<(), Failure> {
    let desk = open(vault)?;
    let case = std::fs::read_to_string(beside(vault, "case"))?.trim().parse()?;
    let file = File::open(path)?;
    let stored = block_on(async {
        let mut upload = desk.upload(case, NewDocument::named("file")).await?;
        upload.write_from(file.metadata()?.len(), |at, piece| file.read_exact_at(piece, at)).await?;
        Ok::<_, Failure>(upload.finish().await?)
    })?;
    println!("{}", stored.document);
    Ok(())
}

fn retrieve(vault: &Path, document: DocumentId, path: &Path) -> Result<(), Failure> {
    let desk = open(vault)?;
    let mut file = File::create(path)?;
    let (given, taken) = sync_channel::<Bytes>(1);
    thread::scope(|scope| {
        let writing = scope.spawn(move || taken.iter().try_for_each(|piece| file.write_all(&piece)));
        let read = block_on(async {
            let mut reader = desk.reader(document).await?;
            while let Some(piece) = reader.next().await? {
                if given.send(piece).is_err() {
                    break;
                }
            }
            Ok::<_, docvault::Error>(())
        });
        drop(given);
        writing.join().map_err(|_| "the writing thread panicked")??;
        Ok(read?)
    })
}
