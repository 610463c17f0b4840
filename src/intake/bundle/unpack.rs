//! A case that was handed over, in its recipient's hands.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use super::{
    error::{BundleFault, Result},
    hand_over::HANDED_OVER,
    manifest::{BundleManifest, BundledFile},
    names, private,
};
use crate::{
    ContentDigest, ContentHasher, DocumentId, Error, HashedContent, Opened, OpenedDocument, Scope, VersionId,
};

/// Writes a case that was handed over by [`Desk::hand_over`](crate::intake::Desk::hand_over) to a new folder of its owner's alone, in the order of its
/// manifest; gives the manifest, which is written, too.
///
/// Everything is checked on the way: that what was delivered is what the manifest lists, no more and no less, each
/// version by its digest and each file by its length and its BLAKE3 hash.
///
/// # Errors
///
/// [`BundleError`](super::BundleError), and then nothing is left of the folder.
///
/// # Examples
///
/// ```no_run
/// # fn example(me: &docvault::Identity, sender: &docvault::Sender) -> Result<(), Box<dyn std::error::Error>> {
/// let sealed = std::io::BufReader::new(std::fs::File::open("case.delivery")?);
/// let manifest = docvault::intake::unpack_handed_over(me.open(sealed, sender)?, "case".as_ref())?;
/// for requirement in &manifest.requirements {
///     println!("{}: {:?}", requirement.requirement, requirement.standing);
/// }
/// # Ok(())
/// # }
/// ```
pub fn unpack_handed_over<R: Read>(opened: Opened<R>, folder: &Path) -> Result<BundleManifest> {
    if folder.symlink_metadata().is_ok() {
        return Err(BundleFault::Exists.at_path(folder));
    }
    private::folder(folder).map_err(|error| BundleFault::Unwritable(error).at_path(folder))?;
    let unpacked = unpack(opened, folder);
    if unpacked.is_err() {
        // That it failed is what there is to say.
        let _ = fs::remove_dir_all(folder);
    }
    unpacked
}

/// A document as it came, in a file of its own.
struct Arrived {
    version: VersionId,
    digest: ContentDigest,
    len: u64,
    path: PathBuf,
}

fn unpack<R: Read>(mut opened: Opened<R>, folder: &Path) -> Result<BundleManifest> {
    let (vault, scope) = (opened.vault(), opened.grant().scope());
    let (mut arrived, mut found) = (BTreeMap::new(), None);
    while let Some(document) = opened.next_document().map_err(refused)? {
        if document.name() == HANDED_OVER {
            if found.is_some() {
                return Err(BundleFault::Extra.at(names::MANIFEST));
            }
            found = Some(manifest_in(document)?);
        } else {
            let (id, one) = receive(document, folder)?;
            arrived.insert(id, one);
        }
    }
    let manifest = found.ok_or_else(|| BundleFault::Missing.at(names::MANIFEST))?;
    if manifest.vault != vault || scope != Scope::Case(manifest.case) {
        return Err(BundleFault::Altered("the delivery").at(names::MANIFEST));
    }
    place(&manifest, &mut arrived, folder)?;
    if let Some(document) = arrived.keys().next() {
        return Err(BundleFault::Extra.at(document.to_string()));
    }
    fs::write(folder.join(names::MANIFEST), manifest.to_json())
        .map_err(|error| BundleFault::Unwritable(error).at(names::MANIFEST))?;
    Ok(manifest)
}

/// Its length is known, and authentic, before any of it is in memory.
fn manifest_in<R: Read>(document: OpenedDocument<'_, R>) -> Result<BundleManifest> {
    if usize::try_from(document.content_len()).is_ok_and(|len| len <= names::cap(names::MANIFEST)) {
        BundleManifest::parse(&document.content().map_err(refused)?)
    } else {
        Err(BundleFault::TOO_LONG.at(names::MANIFEST))
    }
}

fn receive<R: Read>(document: OpenedDocument<'_, R>, folder: &Path) -> Result<(DocumentId, Arrived)> {
    let (id, version, digest, len) =
        (document.id(), document.version(), document.digest(), document.content_len());
    let path = folder.join(format!("{id}.arrived"));
    let unwritable = |error| BundleFault::Unwritable(error).at_path(&path);
    let mut file = BufWriter::new(File::create_new(&path).map_err(unwritable)?);
    document.copy_to(&mut file).map_err(refused)?;
    file.flush().map_err(unwritable)?;
    Ok((id, Arrived { version, digest, len, path }))
}

/// Takes every document that the manifest lists to its place.
fn place(
    manifest: &BundleManifest,
    arrived: &mut BTreeMap<DocumentId, Arrived>,
    folder: &Path,
) -> Result<()> {
    for (_, _, document) in manifest.documents() {
        let arrived = take(arrived, (document.document, document.version, document.digest))?;
        cut(&arrived.path, &document.files, folder)?;
        let removed = fs::remove_file(&arrived.path);
        removed.map_err(|error| BundleFault::Unwritable(error).at_path(&arrived.path))?;
    }
    for other in &manifest.others {
        let arrived = take(arrived, (other.document, other.version, other.digest))?;
        if arrived.len != other.bytes {
            return Err(BundleFault::Altered("the manifest").at(&other.path));
        }
        let to = folder.join(&other.path);
        let placed = private::make_parent(&to).and_then(|()| fs::rename(&arrived.path, to));
        placed.map_err(|error| BundleFault::Unwritable(error).at(&other.path))?;
    }
    Ok(())
}

fn take(
    arrived: &mut BTreeMap<DocumentId, Arrived>,
    (document, version, digest): (DocumentId, VersionId, ContentDigest),
) -> Result<Arrived> {
    let found = arrived.remove(&document).ok_or_else(|| BundleFault::Missing.at(document.to_string()))?;
    if (found.version, found.digest) == (version, digest) {
        Ok(found)
    } else {
        Err(BundleFault::Altered("the manifest").at(document.to_string()))
    }
}

/// Cuts a version into its files.
fn cut(whole: &Path, files: &[BundledFile], folder: &Path) -> Result<()> {
    let mut whole =
        BufReader::new(File::open(whole).map_err(|error| BundleFault::Unreadable(error).at_path(whole))?);
    for file in files {
        let written = write_file(&mut whole, file, folder);
        let written = written.map_err(|error| BundleFault::Unwritable(error).at(&file.path))?;
        if (written.len, &written.blake3) != (file.bytes, file.blake3.as_bytes()) {
            return Err(BundleFault::Altered("the manifest").at(&file.path));
        }
    }
    match whole.read(&mut [0]) {
        Ok(0) => Ok(()),
        Err(error) => Err(BundleFault::Unreadable(error).at("a document that arrived")),
        Ok(_) => Err(BundleFault::Altered("the manifest").at(files.last().map_or("", |file| &file.path))),
    }
}

fn write_file(whole: &mut impl Read, file: &BundledFile, folder: &Path) -> io::Result<HashedContent> {
    let to = folder.join(&file.path);
    private::make_parent(&to)?;
    let mut target = BufWriter::new(File::create_new(to)?);
    let (mut hasher, mut buffer) = (ContentHasher::new(), vec![0; 64 * 1024]);
    let mut source = whole.take(file.bytes);
    loop {
        let read = source.read(&mut buffer)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
        hasher.update(part);
        target.write_all(part)?;
    }
    target.flush()?;
    Ok(hasher.finish())
}

fn refused(error: Error) -> super::BundleError {
    BundleFault::Vault(error).at("the delivery")
}
