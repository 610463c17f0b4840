//! A bundle on its way to the disk: a folder, or the same in one ZIP file, under another name until it is whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use super::{
    error::{BundleFault, Result},
    names, private,
};
use crate::{ContentDigest, ContentHasher};

/// A bundle that is being written. Dropped before [`Package::finish`], nothing of it stays.
pub(super) struct Package {
    out: PathBuf,
    unfinished: PathBuf,
    target: Target,
    sums: BTreeMap<String, String>,
}

enum Target {
    Folder(Option<BufWriter<File>>),
    // Boxed, for it is ten times as large.
    Zip(Option<Box<ZipWriter<BufWriter<File>>>>),
}

/// What was written of a file.
pub(super) struct Written {
    pub(super) bytes: u64,
    pub(super) blake3: ContentDigest,
    pub(super) sha256: String,
}

/// A file of a bundle that is being written.
pub(super) struct Entry<'a> {
    package: &'a mut Package,
    path: String,
    hasher: ContentHasher,
}

impl Package {
    /// Begins a bundle: one file if the name ends in `.zip`, a folder otherwise.
    pub(super) fn create(out: &Path) -> Result<Self> {
        let mut name: OsString = out.as_os_str().to_owned();
        name.push(".unfinished");
        let unfinished = PathBuf::from(name);
        let target = match is_zip(out) {
            true => private::file(&unfinished)
                .map(|file| Target::Zip(Some(Box::new(ZipWriter::new(BufWriter::new(file)))))),
            false => private::folder(&unfinished).map(|()| Target::Folder(None)),
        };
        let target = target.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => BundleFault::Exists.at_path(&unfinished),
            _ => BundleFault::Unwritable(error).at_path(&unfinished),
        })?;
        let package = Self { out: out.to_owned(), unfinished, target, sums: BTreeMap::new() };
        // From here on nobody else finishes a bundle of this name.
        if out.symlink_metadata().is_ok() {
            return Err(BundleFault::Exists.at_path(out));
        }
        Ok(package)
    }

    /// Begins the next file.
    pub(super) fn file(&mut self, path: &str) -> Result<Entry<'_>> {
        self.begin(path).map_err(|error| BundleFault::Unwritable(error).at(path))?;
        Ok(Entry { package: self, path: path.to_owned(), hasher: ContentHasher::with_sha256() })
    }

    /// Writes a whole file that is no document.
    pub(super) fn write(&mut self, path: &str, content: &[u8]) -> Result<()> {
        if content.len() > names::cap(path) {
            return Err(BundleFault::TOO_LONG.at(path));
        }
        let mut entry = self.file(path)?;
        entry.write(content)?;
        entry.end().map(drop)
    }

    /// What `sha256sum` writes of the files there are.
    pub(super) fn sums(&self) -> String {
        self.sums.iter().map(|(path, sum)| format!("{sum}  {path}\n")).collect()
    }

    /// Gives the bundle its name, once everything is on the disk.
    pub(super) fn finish(mut self) -> Result<()> {
        let done = self.close().and_then(|()| fs::rename(&self.unfinished, &self.out));
        let done = done.and_then(|()| private::sync_folder_of(&self.out));
        done.map_err(|error| BundleFault::Unwritable(error).at_path(&self.out))
    }

    fn begin(&mut self, path: &str) -> io::Result<()> {
        match &mut self.target {
            Target::Folder(open) => {
                let path = self.unfinished.join(path);
                private::make_parent(&path)?;
                *open = Some(BufWriter::new(File::create_new(path)?));
                Ok(())
            }
            Target::Zip(zip) => {
                let options = SimpleFileOptions::default()
                    .compression_method(CompressionMethod::Stored)
                    .last_modified_time(DateTime::default())
                    .unix_permissions(0o644)
                    .large_file(true);
                zip.as_mut().ok_or(io::ErrorKind::NotConnected)?.start_file(path, options)?;
                Ok(())
            }
        }
    }

    /// The folders that hold the files, and those on the way to them.
    fn folders(&self) -> BTreeSet<PathBuf> {
        let of = |path: &String| Path::new(path).ancestors().skip(1).map(Path::to_owned).collect::<Vec<_>>();
        self.sums.keys().flat_map(of).map(|folder| self.unfinished.join(folder)).collect()
    }

    fn target(&mut self) -> io::Result<&mut dyn Write> {
        Ok(match &mut self.target {
            Target::Folder(open) => open.as_mut().ok_or(io::ErrorKind::NotConnected)?,
            Target::Zip(zip) => zip.as_mut().ok_or(io::ErrorKind::NotConnected)?,
        })
    }

    fn end_file(&mut self) -> io::Result<()> {
        match &mut self.target {
            Target::Folder(open) => open.take().map_or(Ok(()), synced),
            Target::Zip(_) => Ok(()),
        }
    }

    fn close(&mut self) -> io::Result<()> {
        match &mut self.target {
            Target::Folder(_) => self.folders().iter().try_for_each(|folder| private::sync_folder(folder)),
            Target::Zip(zip) => zip.take().map_or(Ok(()), |zip| synced(zip.finish()?)),
        }
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        // Renamed or removed: either way there is nothing to tell.
        let _ = match &mut self.target {
            Target::Folder(open) => {
                *open = None;
                fs::remove_dir_all(&self.unfinished)
            }
            Target::Zip(zip) => {
                *zip = None;
                fs::remove_file(&self.unfinished)
            }
        };
    }
}

impl Entry<'_> {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        let written = self.package.target().and_then(|target| target.write_all(bytes));
        written.map_err(|error| BundleFault::Unwritable(error).at(&self.path))
    }

    pub(super) fn end(self) -> Result<Written> {
        let ended = self.package.end_file();
        ended.map_err(|error| BundleFault::Unwritable(error).at(&self.path))?;
        let hashed = self.hasher.finish();
        let sha256 = hashed.sha256.map(|sha256| super::hex(&sha256)).unwrap_or_default();
        self.package.sums.insert(self.path, sha256.clone());
        Ok(Written { bytes: hashed.len, blake3: ContentDigest::from_bytes(hashed.blake3), sha256 })
    }
}

pub(super) fn is_zip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"))
}

fn synced(file: BufWriter<File>) -> io::Result<()> {
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_that_is_too_long_to_be_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut package = Package::create(&folder.path().join("case")).expect("a new folder");
        let cap = names::cap(names::POLICY);
        let refused = package.write(names::POLICY, &vec![b'#'; cap + 1]).expect_err("it is too long");
        assert!(refused.to_string().contains("too long") && refused.at == names::POLICY, "{refused}");
        package.write(names::POLICY, &vec![b'#'; cap]).expect("it is not");
    }
}
