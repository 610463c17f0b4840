//! A bundle as it is found: a folder or a ZIP file, of which nothing is unpacked.

use core::ops::ControlFlow;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{
    archive::{Archive, Contents, ENTRIES, TOO_MANY},
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
    Zip(Box<Archive>),
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let unreadable = |error| BundleFault::Unreadable(error).at_path(path);
        if fs::metadata(path).map_err(unreadable)?.is_dir() {
            let mut names = BTreeSet::new();
            walk(path, "", &mut names)?;
            return Ok(Self { form: Form::Folder(path.to_owned()), names });
        }
        Self::archive(File::open(path).map_err(unreadable)?)
    }

    /// Of a ZIP file.
    pub(super) fn archive(contents: impl Contents + 'static) -> Result<Self> {
        let (archive, names) = Archive::open(contents)?;
        Ok(Self { form: Form::Zip(Box::new(archive)), names })
    }

    /// Reads a file piece by piece, as far as it is wanted.
    pub(super) fn read(&mut self, name: &str, visit: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<()> {
        if !self.names.contains(name) {
            return Err(BundleFault::Missing.at(name));
        }
        let read = match &mut self.form {
            Form::Folder(folder) => File::open(folder.join(name)).and_then(|file| pieces(file, visit)),
            Form::Zip(archive) => pieces(archive.file(name)?, visit),
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

/// Folders within folders.
const DEPTH: usize = 2;
