//! Where in the folder an object's file is (FORMAT §2).
//!
//! The key's text is cut into the names of nested directories and, last, of a file:
//!
//! - behind every `/`, which is left out: `head` is the directory of all keys `head/…`;
//! - within a segment `<16 hex digits>-…`, behind digit 7, 10 and 13. Cut from the right, 4,096
//!   consecutive numbers share a directory;
//! - within a segment of 32 or more hex digits and nothing else (a random id), behind digit 3.
//!
//! A directory cut within a segment ends in `+`, a file in `.o`:
//!
//! ```text
//! log/fffffffffffffed3-a0…  is  log/fffffff+/fff+/fff+/ed3-a0….o
//! keyring/3fa9c1…           is  keyring/3fa+/9c1….o
//! probe/short               is  probe/short.o
//! ```
//!
//! So a directory has at most 4,096 entries: three hex digits each. (Short segments stay whole;
//! docvault's are the kinds of objects, and the epochs of one case's key.) Every name tells which
//! text it stands for, so no two keys share a path, and a walk that takes entries by that text
//! meets the keys in their byte order.

use std::path::{Path, PathBuf};

use crate::storage::ObjectKey;

/// The file of `key`, relative to the folder of all objects.
pub(super) fn of(key: &ObjectKey) -> PathBuf {
    let mut path = PathBuf::new();
    let mut segments = key.as_str().split('/').peekable();
    while let Some(segment) = segments.next() {
        let rest = push_cuts(&mut path, segment);
        match segments.peek() {
            Some(_) => path.push(rest),
            None => path.push(format!("{rest}{FILE}")),
        }
    }
    path
}

/// The key text that a directory's name adds to that of its parent.
pub(super) fn text_of_directory(name: &str) -> String {
    match name.strip_suffix(CUT) {
        Some(piece) => piece.to_owned(),
        None => format!("{name}/"),
    }
}

/// The key whose file is at `path`, if `path` is where [`of`] puts it; `directory` is its
/// directory's text.
pub(super) fn key_of_file(directory: &str, name: &str, path: &Path) -> Option<ObjectKey> {
    let key: ObjectKey = format!("{directory}{}", name.strip_suffix(FILE)?).parse().ok()?;
    (of(&key) == path).then_some(key)
}

/// Appends the directories that `segment` is cut into, and returns what is left of it.
fn push_cuts<'a>(path: &mut PathBuf, segment: &'a str) -> &'a str {
    let mut rest = segment;
    for length in cuts(segment) {
        let Some((piece, behind)) = rest.split_at_checked(*length) else { break };
        path.push(format!("{piece}{CUT}"));
        rest = behind;
    }
    rest
}

fn cuts(segment: &str) -> &'static [usize] {
    let digits = segment.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).count();
    if digits == 16 && segment.as_bytes().get(16) == Some(&b'-') {
        NUMBER
    } else if digits == segment.len() && digits >= 32 {
        RANDOM
    } else {
        &[]
    }
}

const CUT: char = '+';
const FILE: &str = ".o";
/// Three directories hold 2^36 consecutive numbers, and a page's parts with those of 65,536 pages.
const NUMBER: &[usize] = &[7, 3, 3];
/// One directory for each of 4,096 starts holds some 14 million ids. Every level costs a synced
/// directory for the first object below it.
const RANDOM: &[usize] = &[3];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::{
        ids::{CaseId, OperationId},
        storage::layout,
    };

    fn key(text: &str) -> ObjectKey {
        text.parse().expect("a key")
    }

    /// 16 well-spread bytes for each number.
    fn spread(number: u64) -> [u8; 16] {
        blake3::hash(&number.to_be_bytes()).as_bytes()[..16].try_into().expect("16 of 32 bytes")
    }

    fn wide(number: u64) -> [u8; 32] {
        *blake3::hash(&number.to_be_bytes()).as_bytes()
    }

    /// 10,000 keys of each shape that docvault makes in number.
    fn shapes() -> Vec<(&'static str, Vec<ObjectKey>)> {
        let (case, operation) = (CaseId::from_bytes([7; 16]), OperationId::from_bytes([9; 16]));
        let case_of = |n| CaseId::from_bytes(spread(n));
        let operation_of = |n| OperationId::from_bytes(spread(n));
        let all = |make: &dyn Fn(u64) -> ObjectKey| (0..10_000).map(make).collect();
        vec![
            ("commits", all(&|n| layout::commit(n, &wide(n)))),
            ("heads of a case", all(&|n| layout::head(case, operation_of(n)))),
            ("heads of many cases", all(&|n| layout::head(case_of(n), operation))),
            ("parts", all(&|n| layout::part(case, operation, &spread(n), n))),
            ("pages", all(&|n| layout::part(case, operation, &spread(n), n << 32))),
            ("parts of many operations", all(&|n| layout::part(case, operation_of(n), &spread(n), 0))),
            ("case keys", all(&|n| layout::case_key(case_of(n), 1))),
            ("keyrings", all(&|n| layout::keyring(&wide(n)))),
            ("indices", all(&|n| layout::index(n, &wide(n)))),
            ("probes", all(&|n| layout::probe(&spread(n)))),
        ]
    }

    #[test]
    fn no_directory_exceeds_4096_entries() {
        for (shape, keys) in shapes() {
            let mut entries: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
            for path in keys.iter().map(of) {
                for entry in path.ancestors().filter(|entry| entry.parent().is_some()) {
                    let directory = entry.parent().expect("just filtered").to_owned();
                    entries.entry(directory).or_default().insert(entry.to_owned());
                }
            }
            let widest = entries.values().map(BTreeSet::len).max();
            assert!(widest <= Some(4096), "{shape}: {widest:?}");
        }
    }

    #[test]
    fn consecutive_numbers_share_a_directory() {
        let directory = |n| of(&layout::commit(n, &[0; 32])).parent().map(Path::to_owned);
        assert_eq!(directory(0), directory(4095));
        assert_ne!(directory(4095), directory(4096));
    }

    #[test]
    fn paths_are_as_documented() {
        let random = "3fa9c1".to_owned() + &"0".repeat(26);
        for (text, path) in [
            ("log/fffffffffffffed3-a0".to_owned(), "log/fffffff+/fff+/fff+/ed3-a0.o".to_owned()),
            (format!("keyring/{random}"), format!("keyring/3fa+/9c1{}.o", "0".repeat(26))),
            (format!("head/{random}/x"), format!("head/3fa+/9c1{}/x.o", "0".repeat(26))),
            ("probe/short".to_owned(), "probe/short.o".to_owned()),
            ("a/00112233445566778-x".to_owned(), "a/00112233445566778-x.o".to_owned()),
            ("a/0011223344556677".to_owned(), "a/0011223344556677.o".to_owned()),
            ("a/0011223344556677x".to_owned(), "a/0011223344556677x.o".to_owned()),
        ] {
            assert_eq!(of(&key(&text)), PathBuf::from(path));
        }
    }

    #[test]
    fn a_path_tells_its_key() {
        let odd = ["a", "a/b", "a-b", "a-/b", "fff", "fff/fff/fff", "f/fff/fff/fff"].map(key);
        for key in shapes().into_iter().flat_map(|(_, keys)| keys).chain(odd) {
            let path = of(&key);
            let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
            let mut directories: Vec<String> =
                path.ancestors().skip(1).filter_map(name).map(|name| text_of_directory(&name)).collect();
            directories.reverse();
            let file = name(&path).expect("a file name");
            assert_eq!(key_of_file(&directories.concat(), &file, &path), Some(key));
        }
    }

    #[test]
    fn strays_are_no_keys() {
        for (directory, name, path) in
            [("ab", "c.o", "ab+/c.o"), ("a/", "b", "a/b"), ("a/", "B.o", "a/B.o"), ("a/", ".o", "a/.o")]
        {
            assert_eq!(key_of_file(directory, name, Path::new(path)), None, "{path}");
        }
    }
}
