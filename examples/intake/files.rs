//! Which files were named, and what was wrong with the rest.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::report::shown;

/// A file to take in.
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    pub(crate) len: u64,
}

/// Every regular file among `paths` and below, by name; says what it has to leave out.
///
/// Links below a named folder are not followed, so a loop of links ends where it begins.
pub(crate) fn gather(paths: &[PathBuf]) -> Vec<Found> {
    let mut found = Vec::new();
    for path in paths {
        // A path that was named is followed if it is a link; what lies below is not.
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => descend(path, &mut found),
            Ok(metadata) if metadata.is_file() => found.push(file(path, metadata.len())),
            Ok(_) => skip(path, "is neither a file nor a folder"),
            Err(error) => skip(path, &reason(&error)),
        }
    }
    found
}

fn descend(folder: &Path, found: &mut Vec<Found>) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return skip(folder, &reason(&error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => paths.push(entry.path()),
            Err(error) => skip(folder, &format!("was not listed to its end: {}", reason(&error))),
        }
    }
    paths.sort();
    for path in paths {
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => descend(&path, found),
            Ok(metadata) if metadata.is_file() => found.push(file(&path, metadata.len())),
            Ok(_) => skip(&path, "is a link or no regular file"),
            Err(error) => skip(&path, &reason(&error)),
        }
    }
}

fn file(path: &Path, len: u64) -> Found {
    if len == 0 {
        println!("note: {} is empty; it is taken in as it is", shown(&path.to_string_lossy()));
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    // A vault keeps names of up to 1,024 bytes; file systems allow 255, so lossy ones fit too.
    Found { path: path.to_owned(), name: name.into_owned(), len }
}

fn skip(path: &Path, why: &str) {
    println!("left out: {} {why}", shown(&path.to_string_lossy()));
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist".into(),
        io::ErrorKind::PermissionDenied => "may not be read by this user".into(),
        _ => format!("cannot be read: {error}"),
    }
}
