//! A vault in one folder, its backup in another: brought up to date, an erasure carried, the first folder lost,
//! the backup opened by the pin and checked to the last byte.

use std::{fs, sync::Arc};

use docvault::{CheckDepth, CopyReport, NewDocument, Vault, keys::LocalKey, storage::FsStorage};
use futures_lite::future::block_on;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    block_on(run())
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let (first, second, key) =
        (folder.path().join("vault"), folder.path().join("backup"), folder.path().join("vault.key"));
    let vault = Vault::create(FsStorage::create(&first)?, LocalKey::create(&key)?).await?;
    let desk = vault.session("clerk:1").purpose("intake").begin()?;
    let case = desk.create_case("María López, crédito 0007").await?;
    let mut documents = Vec::new();
    for (name, content) in [("INE.pdf", vec![1; 40_000]), ("escritura.tiff", vec![2; 12 << 20])] {
        documents.push((desk.store(case, NewDocument::named(name), content.clone()).await?, content));
    }
    let withdrawn = desk.create_case("Juan Pérez, crédito 0008").await?;
    desk.store(withdrawn, NewDocument::named("INE.pdf"), vec![3; 40_000]).await?;

    // The backup is a folder of its own; its root key is the vault's, and is kept elsewhere.
    let backup = Arc::new(FsStorage::create(&second)?);
    let report = vault.copy_to(backup.clone()).await?;
    tell("first backup", &report);

    let content = b"a statement".to_vec();
    documents.push((desk.store(case, NewDocument::named("estado.pdf"), content.clone()).await?, content));
    desk.close_case(withdrawn, "withdrawn").await?;
    desk.erase_case(withdrawn).await?;
    let report = vault.copy_to(backup).await?;
    tell("second backup", &report);
    assert_eq!((report.heads, report.erased_cases), (1, 1));
    // The pin is kept outside both.
    let pin = report.pin.to_string();

    drop((desk, vault));
    fs::remove_dir_all(&first)?;
    println!("the vault's folder is lost");

    let vault = Vault::open(FsStorage::open(&second)?, LocalKey::load(&key)?, &pin.parse()?).await?;
    let desk = vault.session("clerk:1").purpose("restore").begin()?;
    for (stored, content) in &documents {
        assert_eq!(desk.retrieve(stored.document).await?, content.as_slice());
    }
    println!("restored: {} documents read back", documents.len());
    let checked = vault.check(CheckDepth::Content).await?.run(&mut |_| {}).await?;
    println!(
        "checked: {} records, {} cases, {} erased, {} versions, {} parts, {} bytes; {} missing or false, {} not needed",
        checked.counts.records,
        checked.counts.cases,
        checked.counts.erased_cases,
        checked.counts.versions,
        checked.counts.parts,
        checked.counts.bytes,
        checked.counts.faults(),
        checked.findings.len(),
    );
    assert!(checked.is_sound() && checked.findings.is_empty());
    Ok(())
}

fn tell(what: &str, report: &CopyReport) {
    println!(
        "{what}: from record {} to {}: {} heads, {} parts, {} bytes, {} keys; {} cases erased, {} objects deleted",
        report.from,
        report.pin.size(),
        report.heads,
        report.parts,
        report.bytes,
        report.keys,
        report.erased_cases,
        report.deleted,
    );
}
