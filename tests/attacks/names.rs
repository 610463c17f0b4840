//! What names and sizes tell, and where names could lead.

use std::{collections::BTreeSet, path::Path};

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
        // Equal contents give unequal objects: there is no fingerprint to look for.
        let heads = objects(&*world.storage, "head/").await;
        assert_eq!(heads.values().collect::<BTreeSet<_>>().len(), heads.len());
    });
}
