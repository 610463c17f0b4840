//! A bundle in one ZIP file, of the one form in which nothing can be hidden (FORMAT §13.2).
//!
//! Numbers in brackets are sections of PKWARE's APPNOTE.

use std::{
    collections::BTreeSet,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

use zip::{ZipArchive, result::ZipError};

use super::error::{BundleFault, Result};

/// A ZIP file to be read.
pub(super) struct Archive(ZipArchive<BufReader<Box<dyn Contents>>>);

/// What a ZIP file is read from.
pub(super) trait Contents: Read + Seek {}

impl<T: Read + Seek> Contents for T {}

impl Archive {
    /// Gives the names of its files, too.
    pub(super) fn open(contents: impl Contents + 'static) -> Result<(Self, BTreeSet<String>)> {
        let refused = |fault: BundleFault| fault.at("the ZIP file");
        let contents: Box<dyn Contents> = Box::new(contents);
        let mut contents = BufReader::new(contents);
        let directory = directory(&mut contents).map_err(|error| refused(unread(error)))?;
        if directory.entries > ENTRIES {
            return Err(refused(TOO_MANY));
        }
        let files = files(&mut contents, &directory).map_err(|error| refused(unread(error)))?;
        let mut zip = ZipArchive::new(contents).map_err(|error| refused(fault(error)))?;
        let names: BTreeSet<String> = files.iter().map(|file| file.name.clone()).collect();
        if names.len() != files.len() || zip.len() != files.len() {
            return Err(refused(FOREIGN));
        }
        for (index, file) in files.iter().enumerate() {
            let entry = zip.by_index(index).map_err(|error| fault(error).at(&file.name))?;
            let read = (entry.name_raw(), entry.header_start(), entry.compressed_size());
            if read != (file.name.as_bytes(), file.offset, file.len) || !entry.is_file() {
                return Err(BundleFault::Malformed("it is no plain file").at(&file.name));
            }
        }
        Ok((Self(zip), names))
    }

    /// A file of it, which reads to its end only if it has the sum that its headers say.
    pub(super) fn file(&mut self, name: &str) -> Result<impl Read> {
        self.0.by_name(name).map_err(|error| fault(error).at(name))
    }
}

/// The directory of an archive: how many files it lists, from where to where.
struct Directory {
    entries: u64,
    offset: u64,
    end: u64,
}

/// The directory of an archive that ends with its file (4.3.16).
fn directory(contents: &mut impl Contents) -> io::Result<Directory> {
    let len = contents.seek(SeekFrom::End(0))?;
    let end = len.checked_sub(22).ok_or(io::ErrorKind::InvalidData)?;
    let [signature, disk, from, here, entries, size, offset, comment] = record(contents, end, END)?;
    ensure(signature == 0x0605_4b50 && [disk, from, comment] == [0; 3] && here == entries)?;
    let short = [entries, size, offset];
    let (end, [entries, size, offset]) = match long_end(contents, end)? {
        None => (end, short),
        Some((end, long)) => {
            let marked = [entries == 0xffff, size == ALL_ONES, offset == ALL_ONES];
            let mut each = short.iter().zip(&long).zip(marked);
            ensure(marked.contains(&true) && each.all(|((short, long), marked)| marked || short == long))?;
            (end, long)
        }
    };
    ensure(offset.checked_add(size) == Some(end))?;
    Ok(Directory { entries, offset, end })
}

/// Where the 64-bit end record (4.3.14) is that a locator (4.3.15) before the end record leads to, and its entries, size and
/// offset. Whoever finds a locator follows it.
fn long_end(contents: &mut impl Contents, end: u64) -> io::Result<Option<(u64, [u64; 3])>> {
    let Some(at) = end.checked_sub(20) else { return Ok(None) };
    let [signature, disk, start, disks] = record(contents, at, LOCATOR)?;
    if signature != 0x0706_4b50 {
        return Ok(None);
    }
    ensure([disk, disks] == [0, 1] && start.checked_add(56) == Some(at))?;
    let [signature, len, _, _, disk, from, here, entries, size, offset] = record(contents, start, LONG_END)?;
    ensure(signature == 0x0606_4b50 && [len, disk, from] == [44, 0, 0] && here == entries)?;
    Ok(Some((start, [entries, size, offset])))
}

/// A file, by its header in the directory.
struct Listed {
    name: String,
    crc: u64,
    len: u64,
    offset: u64,
}

/// The files that a directory lists and has nothing beside, which are one behind the other from the first byte to it.
fn files(contents: &mut impl Contents, directory: &Directory) -> io::Result<Vec<Listed>> {
    contents.seek(SeekFrom::Start(directory.offset))?;
    let files = (0..directory.entries).map(|_| listed(contents)).collect::<io::Result<Vec<_>>>()?;
    ensure(contents.stream_position()? == directory.end)?;
    let mut at = 0u64;
    for file in &files {
        ensure(file.offset == at)?;
        contents.seek(SeekFrom::Start(at))?;
        check_local(contents, file)?;
        at = contents.stream_position()?.checked_add(file.len).ok_or(io::ErrorKind::InvalidData)?;
    }
    ensure(at == directory.offset)?;
    Ok(files)
}

/// Reads a central header (4.3.12).
fn listed(contents: &mut impl Contents) -> io::Result<Listed> {
    let [signature, _, _, flags, method, _, _, crc, packed, len, name, extra, comment, disk, _, _, offset] =
        numbers(contents, CENTRAL)?;
    ensure(
        signature == 0x0201_4b50 && is_stored(flags, method) && packed == len && [comment, disk] == [0; 2],
    )?;
    let name = self::name(contents, name)?;
    let [len, packed, offset] = widened(contents, extra, [len, packed, offset])?;
    ensure(packed == len)?;
    Ok(Listed { name, crc, len, offset })
}

/// Reads a local header (4.3.7), which says what the central one does.
fn check_local(contents: &mut impl Contents, file: &Listed) -> io::Result<()> {
    let [signature, _, flags, method, _, _, crc, packed, len, name, extra] = numbers(contents, LOCAL)?;
    ensure(signature == 0x0403_4b50 && is_stored(flags, method) && packed == len && crc == file.crc)?;
    ensure(self::name(contents, name)? == file.name)?;
    ensure(widened(contents, extra, [len, packed])? == [file.len; 2])
}

/// Neither encrypted nor compressed, its sizes before it (4.4.4, 4.4.5). That names are UTF-8, bit 11 says, is true of ASCII.
const fn is_stored(flags: u64, method: u64) -> bool {
    flags & !(1 << 11) == 0 && method == 0
}

fn name(contents: &mut impl Contents, len: u64) -> io::Result<String> {
    ensure(len <= LONGEST)?;
    let mut name = vec![0; usize::try_from(len).map_err(|_| io::ErrorKind::InvalidData)?];
    contents.read_exact(&mut name)?;
    ensure(name.is_ascii())?;
    Ok(name.into_iter().map(char::from).collect())
}

/// These numbers, those that are all ones from an extra field (4.5.3), which is there exactly if there are such, and alone.
fn widened<const N: usize>(
    contents: &mut impl Contents,
    extra: u64,
    mut short: [u64; N],
) -> io::Result<[u64; N]> {
    let marked = short.iter_mut().filter(|number| **number == ALL_ONES).collect::<Vec<_>>();
    if marked.is_empty() {
        ensure(extra == 0)?;
        return Ok(short);
    }
    let [kind, len] = numbers(contents, [2, 2])?;
    ensure(kind == 1 && u64::try_from(8 * marked.len()) == Ok(len) && extra == len + 4)?;
    for number in marked {
        [*number] = numbers(contents, [8])?;
    }
    Ok(short)
}

fn record<const N: usize>(contents: &mut impl Contents, at: u64, widths: [u32; N]) -> io::Result<[u64; N]> {
    contents.seek(SeekFrom::Start(at))?;
    numbers(contents, widths)
}

/// Numbers of so many bytes each, the lowest first (4.4.1.1).
fn numbers<const N: usize>(contents: &mut impl Contents, widths: [u32; N]) -> io::Result<[u64; N]> {
    let mut numbers = [0; N];
    for (number, width) in numbers.iter_mut().zip(widths) {
        for place in 0..width {
            let mut byte = [0];
            contents.read_exact(&mut byte)?;
            let [byte] = byte.map(u64::from);
            *number |= byte << (8 * place);
        }
    }
    Ok(numbers)
}

fn ensure(holds: bool) -> io::Result<()> {
    if holds { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn unread(error: io::Error) -> BundleFault {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => FOREIGN,
        _ => BundleFault::Unreadable(error),
    }
}

fn fault(error: ZipError) -> BundleFault {
    match error {
        ZipError::Io(error) => unread(error),
        _ => FOREIGN,
    }
}

/// Widths of the numbers of each header and record (4.3.7, 4.3.12, 4.3.14 to 4.3.16).
const LOCAL: [u32; 11] = [4, 2, 2, 2, 2, 2, 4, 4, 4, 2, 2];
const CENTRAL: [u32; 17] = [4, 2, 2, 2, 2, 2, 2, 4, 4, 4, 2, 2, 2, 2, 2, 4, 4];
const LONG_END: [u32; 10] = [4, 8, 2, 2, 4, 4, 8, 8, 8, 8];
const LOCATOR: [u32; 4] = [4, 4, 8, 4];
const END: [u32; 8] = [4, 2, 2, 2, 2, 4, 4, 2];
/// A number of four bytes that is another of eight.
const ALL_ONES: u64 = 0xffff_ffff;
/// Bytes of a name, at most; a bundle has none of more than 150.
const LONGEST: u64 = 255;
/// Files of a bundle, at most: as many as a delivery has documents.
pub(super) const ENTRIES: u64 = 100_000;
pub(super) const TOO_MANY: BundleFault = BundleFault::Malformed("it has more than 100,000 files");
const FOREIGN: BundleFault =
    BundleFault::Malformed("it is no ZIP file like those that are written here, in which nothing is hidden");
