//! Keys in byte order, from a folder of which only the directories needed are read.

use core::cmp::Reverse;
use std::{
    collections::BinaryHeap,
    fs, io,
    path::{Path, PathBuf},
};

use super::path;
use crate::storage::ObjectKey;

/// Up to `limit` keys under `root` that start with `prefix` and follow `after`.
///
/// The entry with the smallest text comes next, and every key in a directory starts with the
/// directory's text: so the keys come in order, and a directory is read only when its turn comes.
pub(super) fn page(
    root: &Path,
    prefix: &str,
    after: Option<&ObjectKey>,
    limit: usize,
) -> io::Result<Vec<ObjectKey>> {
    let wanted = Wanted { prefix, after: after.map_or("", ObjectKey::as_str) };
    let mut next = BinaryHeap::from([Reverse(Entry::directory(String::new(), PathBuf::new()))]);
    let mut keys = Vec::new();
    while keys.len() < limit {
        let Some(Reverse(entry)) = next.pop() else { break };
        match entry.key {
            Some(key) => keys.push(key),
            None => push_entries(&mut next, root, &entry, &wanted)?,
        }
    }
    Ok(keys)
}

/// A file, which has a key, or a directory; ordered by text.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    text: String,
    path: PathBuf,
    key: Option<ObjectKey>,
}

impl Entry {
    fn directory(text: String, path: PathBuf) -> Self {
        Self { text, path, key: None }
    }
}

struct Wanted<'a> {
    prefix: &'a str,
    after: &'a str,
}

impl Wanted<'_> {
    fn key(&self, key: &ObjectKey) -> bool {
        key.as_str().starts_with(self.prefix) && key.as_str() > self.after
    }

    /// Whether keys that start with `text` can be wanted.
    fn directory(&self, text: &str) -> bool {
        let in_prefix = text.starts_with(self.prefix) || self.prefix.starts_with(text);
        in_prefix && (text > self.after || self.after.starts_with(text))
    }
}

fn push_entries(
    next: &mut BinaryHeap<Reverse<Entry>>,
    root: &Path,
    directory: &Entry,
    wanted: &Wanted<'_>,
) -> io::Result<()> {
    for entry in fs::read_dir(root.join(&directory.path))? {
        next.extend(classify(directory, &entry?, wanted)?.map(Reverse));
    }
    Ok(())
}

/// `None` for what is not wanted and for what no vault wrote: symbolic links, and other names.
fn classify(directory: &Entry, entry: &fs::DirEntry, wanted: &Wanted<'_>) -> io::Result<Option<Entry>> {
    let name = entry.file_name();
    let Some(name) = name.to_str() else { return Ok(None) };
    // Does not follow links.
    let kind = entry.file_type()?;
    let path = directory.path.join(name);
    if kind.is_dir() {
        let text = format!("{}{}", directory.text, path::text_of_directory(name));
        return Ok(wanted.directory(&text).then(|| Entry::directory(text, path)));
    }
    let key = path::key_of_file(&directory.text, name, &path).filter(|key| kind.is_file() && wanted.key(key));
    Ok(key.map(|key| Entry { text: key.to_string(), path, key: Some(key) }))
}
