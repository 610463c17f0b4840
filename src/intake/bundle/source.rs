//! A bundle as it is found: a folder or a ZIP file, of which nothing is unpacked.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use zip::{CompressionMethod, ZipArchive, result::ZipError};

use super::error::{BundleFault, Result};

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
        let directory = directory(&mut file).map_err(unreadable)?;
        let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|error| fault(error).at_path(path))?;
        let names = entries(&mut zip, directory)?;
        Ok(Self { form: Form::Zip(Box::new(zip)), names })
    }

    /// Reads a file piece by piece.
    pub(super) fn read(&mut self, name: &str, visit: &mut dyn FnMut(&[u8])) -> Result<()> {
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

    /// A file of at most `cap` bytes.
    pub(super) fn whole(&mut self, name: &str, cap: usize) -> Result<Vec<u8>> {
        let (mut content, mut long) = (Vec::new(), false);
        self.read(name, &mut |piece| {
            long |= content.len() + piece.len() > cap;
            if !long {
                content.extend_from_slice(piece);
            }
        })?;
        if long { Err(BundleFault::Malformed("it is far too long").at(name)) } else { Ok(content) }
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
        } else {
            return Err(BundleFault::Extra.at(name));
        }
    }
    if empty { Err(BundleFault::Extra.at_path(folder)) } else { Ok(()) }
}

/// Where the directory of an archive begins that ends with its file; none if something is behind it.
///
/// APPNOTE 4.3.16: signature u32 ‖ [8] ‖ size u32 ‖ offset u32 ‖ comment length u16, or, if these are all ones,
/// the 64-bit ones of 4.3.14 and a locator of 20 bytes before it.
#[allow(clippy::little_endian_bytes, reason = "the numbers of ZIP files are (4.4.1.1)")]
fn directory(file: &mut File) -> io::Result<Option<u64>> {
    let len = file.seek(SeekFrom::End(0))?;
    let (Some(end), Some(end64)) = (len.checked_sub(22), len.checked_sub(22 + 20 + 56).or(Some(0))) else {
        return Ok(None);
    };
    let mut record = [0; 22];
    file.seek(SeekFrom::Start(end))?;
    file.read_exact(&mut record)?;
    let [b'P', b'K', 5, 6, _, _, _, _, _, _, _, _, s0, s1, s2, s3, o0, o1, o2, o3, 0, 0] = record else {
        return Ok(None);
    };
    let (size, offset) = (u32::from_le_bytes([s0, s1, s2, s3]), u32::from_le_bytes([o0, o1, o2, o3]));
    let (end, size, offset) = if size == u32::MAX || offset == u32::MAX {
        let (mut size, mut offset) = ([0; 8], [0; 8]);
        file.seek(SeekFrom::Start(end64.saturating_add(40)))?;
        file.read_exact(&mut size)?;
        file.read_exact(&mut offset)?;
        (end64, u64::from_le_bytes(size), u64::from_le_bytes(offset))
    } else {
        (end, size.into(), offset.into())
    };
    file.rewind()?;
    Ok((offset.checked_add(size) == Some(end)).then_some(offset))
}

/// The files of an archive that are stored one behind the other from its first byte to its directory: nothing is
/// hidden between them, twice there, compressed, or a link.
fn entries(zip: &mut ZipArchive<BufReader<File>>, directory: Option<u64>) -> Result<BTreeSet<String>> {
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
    if end.is_some() && end == directory && names.len() == extents.len() {
        Ok(names)
    } else {
        Err(BundleFault::Malformed("something is hidden in it").at("the ZIP file"))
    }
}

fn pieces(mut source: impl Read, visit: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = source.read(&mut buffer)?;
        match buffer.get(..read) {
            None | Some([]) => return Ok(()),
            Some(piece) => visit(piece),
        }
    }
}

fn fault(error: ZipError) -> BundleFault {
    match error {
        ZipError::Io(error) => BundleFault::Unreadable(error),
        _ => BundleFault::Malformed("it is no ZIP file like those that are written here"),
    }
}

/// Folders within folders.
const DEPTH: usize = 2;
