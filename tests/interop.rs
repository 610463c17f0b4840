//! A reader written from FORMAT alone, in another language, against what this crate writes.
//!
//! Run by `tests/interop/run.sh`, which makes the reader's Python.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;
#[path = "interop/story.rs"]
mod story;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use common::block_on;
use docvault::ContentDigest;
use serde_json::{Value, json};
use story::{Story, content};

/// Puts what the reader found into the form of `expected`: lists of ids become maps, and what is not compared goes.
fn comparable(found: &Value) -> Value {
    let by_id = |list: &Value, take: fn(&Value) -> Value| -> Value {
        list.as_array().unwrap().iter().map(|item| (text(&item["id"]).to_owned(), take(item))).collect()
    };
    let cases: serde_json::Map<String, Value> = found["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| {
            let mut case = case.clone();
            case["documents"] = by_id(&case["documents"], |document| document["versions"].clone());
            for grant in case["grants"].as_array_mut().unwrap() {
                retain(grant, &["id", "object", "mode", "revoked", "purpose", "deliveries"]);
            }
            let id = case.as_object_mut().unwrap().remove("id").unwrap();
            (text(&id).to_owned(), case)
        })
        .collect();
    let audit = found["audit"].as_array().unwrap().iter().map(|record| {
        json!({"seq": record["seq"], "time": record["time"], "kind": record["kind"], "operation": record["operation"],
               "case": record["case"], "actor": record.get("actor").unwrap_or(&json!("")),
               "purpose": record.get("stated_purpose").unwrap_or(&json!("")), "request": record["request"]})
    });
    json!({"vault": found["vault"], "sender": found["sender"], "records": found["records"], "cases": cases,
           "audit": audit.collect::<Vec<_>>()})
}

fn retain(value: &mut Value, fields: &[&str]) {
    value.as_object_mut().unwrap().retain(|field, _| fields.contains(&field.as_str()));
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// What the records of a kind say in a field, in order.
fn said<'a>(found: &'a Value, kind: &str, field: &str) -> Vec<&'a Value> {
    let audit = found["audit"].as_array().unwrap();
    audit.iter().filter(|record| record["kind"] == kind).map(|record| &record[field]).collect()
}

fn reader(args: &[&str]) -> Output {
    module("reader", args)
}

fn module(name: &str, args: &[&str]) -> Output {
    let python = std::env::var_os("DOCVAULT_INTEROP_PYTHON").expect("set by tests/interop/run.sh");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    Command::new(python).arg("-m").arg(name).args(args).current_dir(folder).output().unwrap()
}

fn read(args: &[&str]) -> Value {
    let output = reader(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

impl Story {
    /// Arguments that read the vault with everything its application keeps, under one of its root keys.
    fn whole<'a>(paths: &'a BTreeMap<&str, String>, root: [&'a str; 2]) -> Vec<&'a str> {
        let mut args = vec!["vault", &paths["vault"], root[0], &paths[root[1]]];
        args.extend([
            "--pin",
            &paths["pin"],
            "--checkpoint",
            &paths["checkpoint"],
            "--token",
            &paths["token"],
        ]);
        args
    }

    fn paths(&self) -> BTreeMap<&'static str, String> {
        let names = [
            "vault",
            "old.key",
            "new.key",
            "passphrase",
            "early.pin",
            "early.checkpoint",
            "pin",
            "checkpoint",
            "token",
            "identity",
            "policy",
        ];
        names.into_iter().map(|name| (name, self.at(name).to_str().unwrap().to_owned())).collect()
    }

    fn check_deliveries(&self, found: &Value, identity: &str) {
        for (path, expected) in &self.deliveries {
            let sender = self.vault.sender().fingerprint().to_string();
            let file = path.to_str().unwrap();
            let delivery = read(&["delivery", file, "--identity", identity, "--sender", &sender]);
            assert_eq!(delivery["grant"], expected["grant"]);
            assert_eq!(delivery["documents"], expected["documents"]);
            let named =
                found["audit"].as_array().unwrap().iter().find(|r| r["operation"] == delivery["operation"]);
            assert_eq!(named.unwrap()["effect"], delivery["effect"], "the log commits to the delivery");
        }
    }
}

#[test]
#[ignore = "needs Python: tests/interop/run.sh"]
fn a_reader_written_from_the_format_finds_everything() {
    let (story, expected) = block_on(Story::told());
    let paths = story.paths();
    let found = read(&Story::whole(&paths, ["--key", "new.key"]));
    let (compared, audit) = (comparable(&found), "audit");
    for field in ["vault", "sender", "records", "cases"] {
        assert_eq!(compared[field], expected[field], "{field}");
    }
    let (ours, theirs) = (expected[audit].as_array().unwrap(), compared[audit].as_array().unwrap());
    assert_eq!(theirs.len(), ours.len(), "records");
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert_eq!(theirs, ours);
    }
    assert_eq!(said(&found, "Revoked", "reason"), ["cambio de notaría"]);
    assert_eq!(said(&found, "CaseClosed", "reason"), ["un error", "concluido"]);
    assert_eq!(said(&found, "Read", "from").len(), 2);
    assert_eq!((said(&found, "Read", "from")[1], said(&found, "Read", "to")[1]), (&json!(3), &json!(9)));
    assert_eq!(said(&found, "Keyring", "change"), [1, 3, 4, 5]);
    assert_eq!(
        (said(&found, "SigningKeys", "epoch"), &found["signing_epoch"]),
        (vec![&json!(1), &json!(2)], &json!(3))
    );
    assert_eq!(found["keyring"]["epochs"], json!([2]));
    assert_eq!((&found["pin"], &found["checkpoint"]), (&found["records"], &found["records"]));
    // 18 bundles, as many tiles of level 0, and one of level 1.
    let index = ["covered", "tables", "tiles"].map(|field| &found["index"][field]);
    assert_eq!(index, [4608, 2, 37]);
    let pages = json!([{"length": 700, "digest": ContentDigest::of(&content(700, 5)).to_string(), "storage": 1, "runs": 1, "sha256": null}]);
    assert_eq!((text(&found["upload"]["name"]), &found["upload"]["pages"]), ("pendiente", &pages));
    assert_eq!(read(&Story::whole(&paths, ["--passphrase", "passphrase"])), found);
    refused(&["vault", &paths["vault"], "--key", &paths["old.key"]], "the root was rotated");
    story.check_deliveries(&found, &paths["identity"]);
    for (file, expected) in block_on(story.receipts()) {
        let args = ["receipt", file.to_str().unwrap(), "--policy", &paths["policy"]];
        assert_eq!(read(&args), expected);
    }
}

/// Checks that the reader says what is wrong, rather than fail or go on.
fn refused(args: &[&str], why: &str) {
    let output = reader(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.starts_with("refused: "), "{why}: {args:?} {said}");
    assert!(output.stdout.is_empty(), "{why}: nothing is printed");
}

/// Has the reader read with one bit flipped, at `count` bytes of each object or, with 0, at every one: nothing that is
/// altered may be read. Gives how many were tried, by the kind of object.
fn flipped(count: usize, args: &[&str]) -> BTreeMap<String, u64> {
    let output = module("reader.flips", &[&[count.to_string().as_str()], args].concat());
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["accepted"], json!([]), "{args:?}");
    println!("{} with one bit flipped: {}", args[0], found["tried"]);
    serde_json::from_value(found["tried"].clone()).unwrap()
}

/// One flipped bit of a file, until dropped.
struct Flip {
    path: PathBuf,
    whole: Vec<u8>,
}

impl Flip {
    fn at(path: &Path, offset: usize) -> Self {
        let whole = fs::read(path).unwrap();
        let mut flipped = whole.clone();
        flipped[offset] ^= 1;
        fs::write(path, flipped).unwrap();
        Self { path: path.to_owned(), whole }
    }
}

impl Drop for Flip {
    fn drop(&mut self) {
        fs::write(&self.path, &self.whole).unwrap();
    }
}

/// Every file below a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Of each object of a vault; each time the reader reads the log again, up to what is wrong.
const FLIPS_OF_AN_OBJECT: usize = 16;

#[test]
#[ignore = "needs Python: tests/interop/run.sh"]
fn a_reader_refuses_one_flipped_bit_in_any_kind_of_object() {
    let story = block_on(Story::short());
    let paths = story.paths();
    let args = Story::whole(&paths, ["--key", "new.key"]);
    read(&args);
    let early = ["--pin", &paths["early.pin"], "--checkpoint", &paths["early.checkpoint"]];
    read(&[&["vault", &paths["vault"], "--key", &paths["new.key"]], &early[..]].concat());
    let tried = flipped(FLIPS_OF_AN_OBJECT, &args);
    let kinds = ["checkpoint", "head", "index", "key", "keyring", "log", "part", "tile"];
    assert_eq!(tried.keys().collect::<Vec<_>>(), kinds);
    let pin = [20, 48, 60, 200].map(|offset| ("pin", offset));
    for (kept, offset) in
        [("new.key", 30), ("checkpoint", 60), ("checkpoint", 200), ("token", 400)].into_iter().chain(pin)
    {
        let _flip = Flip::at(&story.at(kept), offset);
        refused(&args, kept);
    }
}

#[test]
#[ignore = "needs Python: tests/interop/run.sh"]
fn a_reader_refuses_a_flipped_bit_anywhere_in_a_delivery_and_every_missing_object() {
    let story = block_on(Story::short());
    let paths = story.paths();
    let (file, _) = &story.deliveries[0];
    let sender = story.vault.sender().fingerprint().to_string();
    let args = ["delivery", file.to_str().unwrap(), "--identity", &paths["identity"], "--sender", &sender];
    read(&args);
    assert!(flipped(0, &args)["delivery"] > 1000, "every byte of the one");
    let (file, _) = &story.deliveries[1];
    flipped(300, &[&["delivery", file.to_str().unwrap()], &args[2..]].concat());
    refused(
        &["delivery", args[1], "--identity", args[3], "--sender", "aaaaa-aaaaa-aaaaa-aaaaa-aaaaaa"],
        "sender",
    );
    let args = Story::whole(&paths, ["--key", "new.key"]);
    for kind in
        ["log", "head", "part", "key", "keyring", "index", "checkpoint", "tile/entries", "tile/00", "tile/01"]
    {
        let path = files(&story.at("vault").join("objects").join(kind)).pop().unwrap();
        let aside = story.at("aside");
        fs::rename(&path, &aside).unwrap();
        refused(&args, &format!("{kind} is missing"));
        fs::rename(&aside, &path).unwrap();
    }
}

#[test]
#[ignore = "needs Python: tests/interop/run.sh"]
fn a_reader_refuses_a_flipped_bit_anywhere_in_a_receipt() {
    let story = block_on(Story::short());
    let policy = story.at("policy");
    let mut tried = 0;
    for (file, expected) in block_on(story.receipts()) {
        let args = ["receipt", file.to_str().unwrap(), "--policy", policy.to_str().unwrap()];
        assert_eq!(read(&args), expected);
        tried += flipped(0, &args)["receipt"];
    }
    println!("{tried} receipts in all");
    assert!(tried > 10_000, "{tried}");
}

#[test]
#[ignore = "needs Python: tests/interop/run.sh"]
fn a_reader_answers_the_kit_as_its_files_say() {
    let output = module("reader.kit", &["../kit"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let kit = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kit"));
    let kit = kit.iter().filter(|path| path.extension().is_some_and(|extension| extension == "kit")).count();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim_end(), format!("{kit} files are answered as they say"));
    assert!(kit > 600, "{kit}");
}
