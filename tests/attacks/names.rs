//! What names and sizes tell, and where names could lead.

use std::{
    collections::{BTreeSet, HashSet},
    path::Path,
};

use bytes::Bytes;
use docvault::{
    NewCase, NewDocument, Vault,
    keys::LocalKey,
    storage::{FsStorage, ObjectKey, Storage},
};

use super::toolkit::*;
use crate::common::block_on;

#[test]
fn storage_key_traversal() {
    block_on(async {
        for text in [
            "..",
            "../x",
            "head/../x",
            "/etc/passwd",
            "head//x",
            "head/",
            "a\\b",
            "c:x",
            "a\0b",
            "a/b/c/d/e",
            ".hidden",
            "a%2fb",
            "Head/x",
            "héad",
            "a b",
            "-a",
            "a/-b",
            "con.",
            "~",
            "",
        ] {
            assert!(text.parse::<ObjectKey>().is_err(), "{text:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("vault");
        let key = LocalKey::create(folder.path().join("key")).unwrap();
        let vault = Vault::create(FsStorage::create(&place).unwrap(), key).await.unwrap();
        let hostile = ["../../../escaped", "/escaped", "..\\escaped", "con", "a\u{202e}b", "escaped\0x"];
        for name in hostile {
            let builder = vault.session(name).purpose(name).request(name);
            let desk = builder.begin().unwrap();
            let case = desk.create_case(NewCase::titled(name).attribute(name, name)).await.unwrap();
            let new = NewDocument::named(name).media_type(name).attribute(name, name);
            let stored = desk.store(case, new, name.as_bytes().to_vec()).await.unwrap();
            assert_eq!(desk.describe(stored.document).await.unwrap().name, name);
            desk.close_case(case, name).await.unwrap();
        }
        let mut names = BTreeSet::new();
        walk(folder.path(), &mut names);
        assert!(names.len() > 20);
        for name in &names {
            assert!(name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '+' | '.')), "{name}");
            assert!(!name.contains("escaped") && !name.starts_with('.'), "{name}");
        }
        assert!(!folder.path().parent().unwrap().join("escaped").exists());
    });
}

fn walk(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        names.insert(entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), names);
        }
    }
}

#[test]
fn length_classes() {
    block_on(async {
        let world = World::new().await;
        // Padmé gives 993 to 1,024 bytes one length, and 9,000,000 to 9,043,968 one.
        let sizes = async |len: usize, name: &str| {
            let stored = world.store(name, vec![7; len]).await;
            let head = world.storage.read(&head_name(&stored), None).await.unwrap().unwrap().len();
            let prefix = format!("part/{}/{}/", world.case, stored.version);
            let parts = objects(&*world.storage, &prefix).await;
            (head, parts.values().map(Bytes::len).collect::<Vec<_>>())
        };
        let short = sizes(993, "a").await;
        assert_eq!(sizes(1024, "a much longer name than the other").await, short);
        assert_eq!(sizes(1000, "").await, short);
        assert_ne!(sizes(1025, "a").await, short);
        let long = sizes(9_000_001, "a").await;
        assert_eq!(sizes(9_030_000, "b").await, long);
        assert_eq!(long.1.len(), 2);
    });
}

/// There is no fingerprint to look for, of a whole or of any part of it. What no seal covers of heads and parts has no
/// 32 bytes that follow each other.
#[test]
fn equal_contents_have_no_bytes_in_common() {
    block_on(async {
        let world = World::new().await;
        let other = world.desk.create_case("case").await.unwrap();
        // Kept in the head, and in a part of 17 chunks that are equal, too.
        for len in [100, 262_145] {
            for case in [world.case, world.case, other] {
                world.desk.store(case, NewDocument::named("the same"), vec![7; len]).await.unwrap();
            }
        }
        let [heads, parts] =
            [objects(&*world.storage, "head/").await, objects(&*world.storage, "part/").await];
        assert_eq!((heads.len(), parts.len()), (8, 3), "two of them are the cases'");
        let stored: Vec<&Bytes> = heads.values().chain(parts.values()).collect();
        let mut seen = HashSet::new();
        for window in stored.iter().flat_map(|object| object.windows(32)) {
            assert!(seen.insert(window), "{window:?} stands in two places");
        }
        assert!(seen.len() > 3 * 262_145);
    });
}
