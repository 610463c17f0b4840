//! What kinds of objects there are.

use std::collections::BTreeMap;

use bytes::Bytes;
use docvault::storage::ObjectKey;

use super::overlay::Objects;

/// The kind of each object, by its name and its first bytes.
#[derive(Debug)]
pub(crate) struct Kinds(BTreeMap<ObjectKey, &'static str>);

impl Kinds {
    pub(crate) fn of(objects: &Objects, older: &Objects) -> Self {
        let mut kinds: BTreeMap<ObjectKey, &'static str> =
            objects.iter().chain(older).map(|(key, bytes)| (key.clone(), kind(key, bytes))).collect();
        // Names of commits list the newest first.
        let commits: Vec<&ObjectKey> = objects.keys().filter(|key| kinds[*key] == "commit").collect();
        kinds.insert(commits[0].clone(), "newest commit");
        kinds.insert(commits[commits.len() - 1].clone(), "first commit");
        Self(kinds)
    }

    pub(crate) fn kind(&self, key: &ObjectKey) -> &'static str {
        self.0[key]
    }
}

fn kind(key: &ObjectKey, bytes: &Bytes) -> &'static str {
    let name = key.as_str();
    let deposit = name.strip_prefix("deposit/").map(|rest| rest.split('/').nth(1).unwrap());
    match (bytes.get(..4), bytes.get(6)) {
        (Some(b"dvhd"), Some(1)) => "head of a case",
        (Some(b"dvhd"), Some(2)) => "head of a version",
        (Some(b"dvhd"), _) => "head of a grant",
        (Some(b"dvcm"), _) => "commit",
        (Some(b"dvck"), _) => "case key",
        (Some(b"dvkr"), _) => "keyring",
        (Some(b"dvix"), _) => "index manifest",
        (Some(b"dvip"), _) => "index page",
        (Some(b"dvcp"), _) => "kept checkpoint",
        (Some(b"dvrq"), _) => "request",
        (Some(b"dvpr"), _) => "promise",
        (Some(b"dvdp"), _) => "part of a deposit",
        (Some(b"dvdm"), _) => "manifest of a deposit",
        (Some(b"dvda"), _) => "answer",
        _ if deposit == Some("begun") => "begun",
        _ if deposit == Some("closed") => "closed",
        _ if name.starts_with("part/") && bytes.len() > SMALL => "large part",
        _ if name.starts_with("part/") => "part",
        _ if name.starts_with("tile/entries/") => "bundle",
        _ if name.starts_with("tile/00/") => "tile",
        _ if name.starts_with("tile/") => "tile above",
        _ if name.starts_with("turn/") => "turn",
        _ if name.starts_with("probe/") => "probe",
        _ => panic!("{name} is of a kind that is not known"),
    }
}

/// Parts beyond are not tried bit by bit: their chunks are all alike.
const SMALL: usize = 65_536;
