//! The files of `tests/kit`, for other implementations too: each is answered as it says, and each is what its
//! writer makes of it, byte for byte.
#![cfg(feature = "testing")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::unwrap_in_result,
    reason = "tests"
)]

mod common;
#[path = "kit_runner/mod.rs"]
mod runner;
#[path = "kit_writer/mod.rs"]
mod writer;

use std::{collections::BTreeSet, fs, path::PathBuf};

use runner::Kit;
use writer::file::ENDING;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/kit")
}

fn path(name: &str) -> PathBuf {
    folder().join(format!("{name}.{ENDING}"))
}

#[test]
fn every_file_is_answered_as_it_says() {
    let kit = Kit::load(&folder());
    let wrong: Vec<String> = kit
        .0
        .values()
        .filter_map(|file| {
            let answer = kit.answer(file);
            let nothing = runner::Answer { class: String::new(), released: Vec::new() }.digest();
            let released = file.get("released").unwrap_or(&nothing);
            let same = answer.class == file.field("expect") && answer.digest() == released;
            (!same).then(|| format!("{}: {}, {} bytes", file.name, answer.class, answer.released.len()))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} files:\n{}", wrong.len(), kit.0.len(), wrong.join("\n"));
    let refused = kit.0.values().filter(|file| file.field("expect") != "accept").count();
    println!("{} files, of which {refused} are to be refused", kit.0.len());
    assert!(kit.0.len() - refused > 30 && refused > 200, "{refused} of {} are to be refused", kit.0.len());
}

#[test]
fn every_file_is_what_its_writer_makes() {
    let made = writer::all();
    let names: BTreeSet<&str> = made.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names.len(), made.len(), "no two files have one name");
    for file in &made {
        let kept =
            fs::read_to_string(path(&file.name)).unwrap_or_else(|_| panic!("{} is missing", file.name));
        assert_eq!(kept, file.to_text(), "{} is made otherwise than it was", file.name);
    }
    for name in Kit::load(&folder()).0.keys() {
        assert!(names.contains(name.as_str()), "nothing makes {name}");
    }
}

/// The kit is frozen: a file that is there is never written again.
#[test]
#[ignore = "adds to tests/kit"]
fn add_files_that_are_missing() {
    for file in writer::all() {
        let (path, text) = (path(&file.name), file.to_text());
        match fs::read_to_string(&path) {
            Ok(kept) => assert_eq!(kept, text, "{} is there and says something else", file.name),
            Err(_) => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
        }
    }
}
