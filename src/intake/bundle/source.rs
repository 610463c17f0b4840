//! A bundle as it is found: a folder or a ZIP file, of which nothing is unpacked.

use core::ops::ControlFlow;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use zip::{CompressionMethod, ZipArchive, result::ZipError};

use super::{
    error::{BundleFault, Result},
    names,
};

/// A bundle to be read.
pub(super) struct Source {
    form: Form,
    /// Every file in it.
    pub(super) names: BTreeSet<String>,
}

enum Form {
    Folder(PathBuf),
    Zip(Box<ZipArchive<BufReader<File>>>),
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let unreadable = |error| BundleFault::Unreadable(error).at_path(path);
        if fs::metadata(path).map_err(unreadable)?.is_dir() {
            let mut names = BTreeSet::new();
            walk(path, "", &mut names)?;
            return Ok(Self { form: Form::Folder(path.to_owned()), names });
        }
        let mut file = File::open(path).map_err(unreadable)?;
        let directory = directory(&mut file).map_err(unreadable)?.ok_or_else(|| HIDDEN.at_path(path))?;
        if directory.entries > ENTRIES {
            return Err(TOO_MANY.at_path(path));
        }
        let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|error| fault(error).at_path(path))?;
        let names = entries(&mut zip, directory.offset)?;
        Ok(Self { form: Form::Zip(Box::new(zip)), names })
    }

    /// Reads a file piece by piece, as far as it is wanted.
    pub(super) fn read(&mut self, name: &str, visit: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<()> {
        if !self.names.contains(name) {
            return Err(BundleFault::Missing.at(name));
        }
        let read = match &mut self.form {
            Form::Folder(folder) => File::open(folder.join(name)).and_then(|file| pieces(file, visit)),
            Form::Zip(zip) => {
                let file = zip.by_name(name).map_err(|error| fault(error).at(name))?;
                pieces(file, visit)
            }
        };
        read.map_err(|error| BundleFault::Unreadable(error).at(name))
    }

    /// A file that is no document, no longer than such a file can be.
    pub(super) fn whole(&mut self, name: &str) -> Result<Vec<u8>> {
        let (mut content, cap) = (Vec::new(), names::cap(name));
        self.read(name, &mut |piece| {
            content.extend_from_slice(piece);
            if content.len() <= cap { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if content.len() <= cap { Ok(content) } else { Err(BundleFault::TOO_LONG.at(name)) }
    }
}

/// Everything below a folder must be folders and plain files: a link could lead out of it.
fn walk(folder: &Path, prefix: &str, names: &mut BTreeSet<String>) -> Result<()> {
    let unreadable = |error| BundleFault::Unreadable(error).at_path(folder);
    let mut empty = true;
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (kind, name) = (entry.file_type().map_err(unreadable)?, entry.file_name());
        let name = name.to_str().ok_or_else(|| BundleFault::Extra.at_path(&entry.path()))?;
        let name = format!("{prefix}{name}");
        empty = false;
        if kind.is_dir() && prefix.matches('/').count() < DEPTH {
            walk(&entry.path(), &format!("{name}/"), names)?;
        } else if kind.is_file() {
            names.insert(name);
            if u64::try_from(names.len()).unwrap_or(u64::MAX) > ENTRIES {
                return Err(TOO_MANY.at_path(folder));
            }
        } else {
            return Err(BundleFault::Extra.at(name));
        }
    }
    if empty { Err(BundleFault::Extra.at_path(folder)) } else { Ok(()) }
}

/// What an archive's directory says of itself.
struct Directory {
    offset: u64,
    entries: u64,
}

/// The directory of an archive that ends with its file; none if something is behind it.
///
/// APPNOTE 4.3.16: signature u32 ‖ [6] ‖ entries u16 ‖ size u32 ‖ offset u32 ‖ comment length u16, or, if one of these is all ones,
/// the 64-bit ones of 4.3.14 and a locator of 20 bytes before it.
fn directory(file: &mut File) -> io::Result<Option<Directory>> {
    let len = file.seek(SeekFrom::End(0))?;
    let Some(end) = len.checked_sub(22) else { return Ok(None) };
    let [b'P', b'K', 5, 6, _, _, _, _, _, _, n0, n1, s0, s1, s2, s3, o0, o1, o2, o3, 0, 0] =
        bytes(file, end)?
    else {
        return Ok(None);
    };
    let located = match end.checked_sub(20) {
        Some(at) => bytes(file, at)? == *b"PK\x06\x07",
        None => false,
    };
    let long = [n0, n1] == [0xff; 2] || [s0, s1, s2, s3] == [0xff; 4] || [o0, o1, o2, o3] == [0xff; 4];
    let (end, [entries, size, offset]) = match end.checked_sub(20 + 56) {
        Some(end64) if long && located => (end64, long_numbers(file, end64)?),
        // Whoever finds a locator follows it, whatever the short numbers say.
        _ if long || located => return Ok(None),
        _ => (end, [[n0, n1, 0, 0], [s0, s1, s2, s3], [o0, o1, o2, o3]].map(little_endian)),
    };
    file.rewind()?;
    let reaches_the_end = offset.checked_add(size) == Some(end);
    Ok(reaches_the_end.then_some(Directory { offset, entries }))
}

/// Entries, size and offset of a directory, as APPNOTE 4.3.14 has them.
fn long_numbers(file: &mut File, at: u64) -> io::Result<[u64; 3]> {
    let mut numbers = [0; 3];
    for (number, offset) in numbers.iter_mut().zip([32, 40, 48]) {
        let [a, b, c, d, e, f, g, h] = bytes(file, at.saturating_add(offset))?;
        *number = little_endian([e, f, g, h]) << 32 | little_endian([a, b, c, d]);
    }
    Ok(numbers)
}

#[allow(clippy::little_endian_bytes, reason = "the numbers of ZIP files are (4.4.1.1)")]
fn little_endian(number: [u8; 4]) -> u64 {
    u32::from_le_bytes(number).into()
}

fn bytes<const N: usize>(file: &mut File, at: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The files of an archive that are stored one behind the other from its first byte to its directory: nothing is
/// hidden between them, twice there, compressed, or a link.
fn entries(zip: &mut ZipArchive<BufReader<File>>, directory: u64) -> Result<BTreeSet<String>> {
    let archive = |error| fault(error).at("the ZIP file");
    zip.validate_header_consistency().map_err(archive)?;
    let (mut names, mut extents) = (BTreeSet::new(), Vec::with_capacity(zip.len()));
    for index in 0..zip.len() {
        let entry = zip.by_index(index).map_err(archive)?;
        let name = entry.name().map_err(archive)?.into_owned();
        if !entry.is_file() || entry.compression() != CompressionMethod::Stored || entry.encrypted() {
            return Err(BundleFault::Malformed("it is no plain file").at(name));
        }
        extents.push((entry.header_start(), entry.data_start(), entry.compressed_size()));
        names.insert(name);
    }
    extents.sort_unstable();
    let end = extents.iter().try_fold(0, |at, (header, data, size)| {
        data.filter(|_| *header == at).map(|data| data.saturating_add(*size))
    });
    if end == Some(directory) && names.len() == extents.len() {
        Ok(names)
    } else {
        Err(HIDDEN.at("the ZIP file"))
    }
}

fn pieces(mut source: impl Read, visit: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = source.read(&mut buffer)?;
        match buffer.get(..read) {
            None | Some([]) => return Ok(()),
            Some(piece) if visit(piece).is_break() => return Ok(()),
            Some(_) => {}
        }
    }
}

fn fault(error: ZipError) -> BundleFault {
    match error {
        ZipError::Io(error) => BundleFault::Unreadable(error),
        _ => BundleFault::Malformed("it is no ZIP file like those that are written here"),
    }
}

const HIDDEN: BundleFault = BundleFault::Malformed("something is hidden in it");
const TOO_MANY: BundleFault = BundleFault::Malformed("it has more than 100,000 files");
/// Files of a bundle, at most: as many as a delivery has documents.
const ENTRIES: u64 = 100_000;
/// Folders within folders.
const DEPTH: usize = 2;
