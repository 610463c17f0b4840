//! What is shown to others: a receipt, and a forgery that is noticed.

use std::{
    fs::{self, File},
    io::BufWriter,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use docvault::{
    ErrorKind, FilePinStore, PinStore, Session, Stored, Vault, keys::LocalKey, storage::FsStorage,
};

use crate::{
    office::{Outcome, beside},
    report::with_causes,
};

/// Leaves a receipt for the document and the policy to verify it by beside the vault.
pub(crate) async fn receipt(desk: &Session, stored: &Stored, vault: &Path) -> Outcome<()> {
    let audit = desk.vault().audit();
    let note = audit.checkpoint().await?;
    let receipt = desk.receipt(stored.seq, &note).await?;
    let keys = audit.log().await?.verifier_keys().await?;
    let policy: String = keys.iter().map(|key| format!("log {key}\n")).collect();
    let (receipt_file, policy_file) = (beside(vault, ".receipt"), beside(vault, ".policy"));
    fs::write(&receipt_file, receipt.to_string())?;
    fs::write(&policy_file, format!("{policy}quorum none\n"))?;
    println!(
        "a receipt is in {}; anyone verifies it with no vault and no key:\n  verify_receipt {} {}\n",
        receipt_file.display(),
        policy_file.display(),
        receipt_file.display()
    );
    Ok(())
}

/// Leaves the log's records beside the vault, for an auditor who has no key.
pub(crate) async fn export(desk: &Session, vault: &Path) -> Outcome<()> {
    let file = beside(vault, ".records");
    desk.export_records(&mut BufWriter::new(File::create(&file)?)).await?;
    let (origin, key) = desk.vault().audit().log().await?.checkpoint_key().await?;
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("every record is in {}:\n  verify_export {} {origin} {key}\n", file.display(), file.display());
    Ok(())
}

/// Alters one byte of the document in a copy of the vault's folder; tells whether that was noticed.
pub(crate) async fn forge(vault: &Path, stored: &Stored) -> Outcome<bool> {
    let parent = vault.parent().filter(|parent| !parent.as_os_str().is_empty());
    let place = tempfile::tempdir_in(parent.unwrap_or(Path::new(".")))?;
    let copy = place.path().join("copy");
    copy_folder(vault, &copy)?;
    let forged = object_of(stored, &copy.join("objects"))?.ok_or("the document has no object")?;
    let mut bytes = fs::read(&forged)?;
    let middle = bytes.len() / 2;
    let byte = bytes.get_mut(middle).ok_or("an object is never empty")?;
    *byte ^= 1;
    // The copy shares its files with the vault: this one gets its own.
    fs::remove_file(&forged)?;
    fs::write(&forged, bytes)?;
    fs::set_permissions(&forged, fs::Permissions::from_mode(0o600))?;
    match read(vault, &copy, stored).await {
        Err(error) if kind(&*error) == Some(ErrorKind::Corrupt) => {
            println!("one byte of a stored object altered in a copy of the folder: {}", with_causes(&*error));
            Ok(true)
        }
        Err(error) => Err(error),
        Ok(()) => Ok(false),
    }
}

fn kind(error: &(dyn std::error::Error + 'static)) -> Option<ErrorKind> {
    error.downcast_ref::<docvault::Error>().map(docvault::Error::kind)
}

/// Reads the document out of the copy, with the vault's own key and pin.
async fn read(vault: &Path, copy: &Path, stored: &Stored) -> Outcome<()> {
    let pin = FilePinStore::new(beside(vault, ".pin")).load().await?.ok_or("the pin was kept")?;
    let key = LocalKey::load(beside(vault, ".key"))?;
    let opened = Vault::open(FsStorage::open(copy)?, key, &pin).await?;
    let desk = opened.session("executive:1").purpose("a look at a forgery").begin()?;
    let mut reader = desk.reader_of(stored.document, stored.version).await?;
    while reader.next().await?.is_some() {}
    Ok(())
}

/// Copies a folder whose files are never changed: by links, or by bytes where there are none.
fn copy_folder(from: &Path, to: &Path) -> Outcome<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if fs::hard_link(entry.path(), &target).is_err() {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// A file that holds content of the version: of a part, or of the head if it holds all.
fn object_of(stored: &Stored, objects: &Path) -> Outcome<Option<PathBuf>> {
    let owner = format!("{}/{}", stored.document.case(), stored.version);
    let mut found = None;
    let mut open = vec![objects.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            // FORMAT §2: a directory cut within a name ends in "+", a file in ".o".
            let name = path.strip_prefix(objects)?.to_string_lossy().replace("+/", "");
            if name.starts_with("part/") && name.contains(&owner) {
                return Ok(Some(path));
            }
            if name.starts_with("head/") && name.contains(&owner) {
                found = Some(path);
            }
        }
    }
    Ok(found)
}
