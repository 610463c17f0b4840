//! One of several processes that store into one folder vault: `writer DIR COUNT`.
//!
//! Used by `scripts/two_processes.sh`. `writer DIR` alone counts and verifies.

use std::path::{Path, PathBuf};

use docvault::{Freshness, NewDocument, Pin, Vault, keys::LocalKey, storage::FsStorage};
use futures_lite::future::block_on;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let folder: PathBuf = arguments.next().ok_or("usage: writer DIR [COUNT | create]")?.into();
    let beside = |suffix: &str| folder.with_extension(suffix);
    match arguments.next().and_then(|argument| argument.into_string().ok()).as_deref() {
        Some("create") => block_on(create(&folder, &beside("key"), &beside("pin"))),
        Some(count) => block_on(write(&folder, &beside("key"), &beside("pin"), count.parse()?)),
        None => block_on(count(&folder, &beside("key"), &beside("pin"))),
    }
}

async fn create(folder: &Path, key: &Path, pin: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let vault = Vault::create(FsStorage::create(folder)?, LocalKey::create(key)?).await?;
    std::fs::write(pin, vault.pin().to_string())?;
    Ok(())
}

async fn open(folder: &Path, key: &Path, pin: &Path) -> Result<Vault, Box<dyn std::error::Error>> {
    let pin: Pin = std::fs::read_to_string(pin)?.trim().parse()?;
    Ok(Vault::open(FsStorage::open(folder)?, LocalKey::load(key)?, &pin).await?)
}

async fn write(folder: &Path, key: &Path, pin: &Path, count: u32) -> Result<(), Box<dyn std::error::Error>> {
    let vault = open(folder, key, pin).await?;
    let desk = vault.session("writer").purpose("two processes").begin()?;
    let case = desk.create_case(format!("process {}", std::process::id())).await?;
    for i in 0..count {
        desk.store(case, NewDocument::named(i.to_string()), i.to_be_bytes().to_vec()).await?;
    }
    Ok(())
}

async fn count(folder: &Path, key: &Path, pin: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let vault = open(folder, key, pin).await?;
    let verified = vault.audit().verify_from_genesis().await?;
    let desk = vault.session("counter").purpose("two processes").begin()?;
    let mut documents = 0;
    for case in desk.cases(None).await?.cases {
        let mut start = None;
        loop {
            let page = desk.documents(case.id, start).await?;
            for document in &page.documents {
                desk.retrieve(document.document).await?;
            }
            documents += page.documents.len();
            start = page.next;
            if start.is_none() {
                break;
            }
        }
    }
    assert_eq!(vault.freshness(), Freshness::FreshByPin);
    println!("{documents} documents, {} records in one verified chain", verified.checked);
    Ok(())
}
