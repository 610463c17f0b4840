//! Every byte of every stored object altered, every object deleted, cut, extended, replaced by every
//! other: an error, or exactly the same answers. `tamper_vault/TABLE.md` says which of both for each kind.
//!
//! A sample by default; all of it with `DOCVAULT_EXHAUSTIVE=1` (`scripts/tamper.sh`).
#![cfg(all(feature = "testing", feature = "intake"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;
#[path = "common/intake.rs"]
mod intake;
#[path = "tamper_vault/overlay.rs"]
mod overlay;
#[path = "tamper_vault/questions.rs"]
mod questions;
#[path = "tamper_vault/template.rs"]
mod template;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use common::block_on;
use docvault::storage::ObjectKey;
use questions::{QUESTIONS, Question};
use template::Template;

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tamper {
    Bit,
    Deleted,
    Cut,
    Extended,
    Zeros,
    Sibling,
    Stranger,
}

use Tamper::{Bit, Cut, Deleted, Extended, Sibling, Stranger, Zeros};

/// What comes of it, over all objects of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    refused: usize,
    harmless: usize,
}

type Outcomes = BTreeMap<(&'static str, Tamper), Seen>;
/// An object, what is done to it, and what is there then.
type Round = (ObjectKey, Tamper, Option<Bytes>);

fn exhaustive() -> bool {
    std::env::var_os("DOCVAULT_EXHAUSTIVE").is_some()
}

/// Each one, if everything is to be tried; otherwise one in `every`.
fn sample(every: usize) -> usize {
    if exhaustive() { 1 } else { every }
}

/// The answers to all questions on honest objects, and what each question looks at.
struct Honest {
    answers: BTreeMap<&'static str, String>,
    looks_at: BTreeMap<&'static str, BTreeSet<ObjectKey>>,
}

impl Honest {
    fn asked(template: &Template) -> Self {
        let mut honest = Self { answers: BTreeMap::new(), looks_at: BTreeMap::new() };
        for question in QUESTIONS {
            let storage = template.overlay();
            let answer = block_on((question.ask)(template, storage.clone())).unwrap();
            honest.answers.insert(question.name, answer);
            honest.looks_at.insert(question.name, storage.looked_at());
        }
        honest
    }

    /// Whether an altered object is refused. A question that does not look at it cannot answer otherwise.
    fn refuses(&self, template: &Template, key: &ObjectKey, bytes: Option<&Bytes>) -> bool {
        let looks = |question: &&Question| self.looks_at[question.name].contains(key);
        let mut refused = false;
        for question in QUESTIONS.iter().filter(looks) {
            let storage = template.overlay();
            storage.replace(key, bytes.cloned());
            match block_on((question.ask)(template, storage)) {
                // What cannot be opened cannot be asked either.
                Err(_) if question.name == "open" => return true,
                Err(_) => refused = true,
                Ok(answer) => {
                    let honest = &self.answers[question.name];
                    assert_eq!(answer, *honest, "{key} altered changes what {} says", question.name);
                }
            }
        }
        refused
    }
}

/// Runs `rounds` on two threads.
fn outcomes(template: &Template, rounds: &[Round]) -> Outcomes {
    let honest = Honest::asked(template);
    let (next, seen) = (AtomicUsize::new(0), Mutex::new(Outcomes::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((key, tamper, bytes)) = rounds.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let refused = honest.refuses(template, key, bytes.as_ref());
                    let mut seen = seen.lock().unwrap();
                    let entry = seen.entry((template.kind(key), *tamper)).or_default();
                    entry.refused += usize::from(refused);
                    entry.harmless += usize::from(!refused);
                }
            });
        }
    });
    seen.into_inner().unwrap()
}

/// The table: for each kind and tampering the class, `refused`, `harmless` or `either`.
fn table() -> BTreeMap<(String, String), String> {
    let text = include_str!("tamper_vault/TABLE.md");
    let mut classes = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [kind, tampers, class, why] = cells.as_slice() else { panic!("four columns: {line}") };
        if *kind == "kind" {
            continue;
        }
        assert!(["refused", "harmless", "either"].contains(class), "{line}");
        assert!((*class == "refused") == why.is_empty(), "what is not refused says why: {line}");
        for tamper in tampers.split(", ") {
            let before = classes.insert(((*kind).to_owned(), tamper.to_owned()), (*class).to_owned());
            assert!(before.is_none(), "{kind}, {tamper} stands there twice");
        }
    }
    classes
}

/// Compares what was seen with the table; of `either`, both must come up if everything was tried.
fn compare(seen: &Outcomes) {
    let classes = table();
    let mut wrong = Vec::new();
    for ((kind, tamper), seen) in seen {
        let key = ((*kind).to_owned(), format!("{tamper:?}").to_lowercase());
        let class = classes.get(&key).map_or("nothing", String::as_str);
        println!("{kind}, {tamper:?}: {} refused, {} harmless", seen.refused, seen.harmless);
        let fits = match class {
            "refused" => seen.harmless == 0,
            "harmless" => seen.refused == 0,
            "either" => !exhaustive() || (seen.refused > 0 && seen.harmless > 0),
            _ => false,
        };
        if !fits {
            wrong.push(format!("{kind}, {tamper:?}: the table says {class}, and it was {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn flipped(bytes: &Bytes, offset: usize) -> Bytes {
    let mut altered = bytes.to_vec();
    altered[offset] ^= 1 << (offset % 8);
    altered.into()
}

#[test]
fn every_altered_byte_is_refused_or_harmless() {
    let template = block_on(Template::new());
    let mut rounds: Vec<Round> = Vec::new();
    for (key, bytes) in template.objects.iter() {
        // Of large objects a byte in each 4,093: their chunks are all alike.
        let step = if bytes.len() > 20_000 { 4093 } else { sample(97) };
        let offsets = (0..bytes.len()).step_by(step).chain(bytes.len().checked_sub(1));
        rounds.extend(offsets.map(|offset| (key.clone(), Bit, Some(flipped(bytes, offset)))));
    }
    println!("{} bytes altered one by one", rounds.len());
    compare(&outcomes(&template, &rounds));
}

#[test]
fn deleted_cut_extended_and_exchanged_objects_are_refused_or_harmless() {
    let template = block_on(Template::new());
    let mut rounds: Vec<Round> = Vec::new();
    for (key, bytes) in template.objects.iter() {
        rounds.push((key.clone(), Deleted, None));
        rounds.push((key.clone(), Cut, Some(bytes.slice(..bytes.len() - 1))));
        rounds.push((key.clone(), Cut, Some(bytes.slice(..bytes.len() / 2))));
        rounds.push((key.clone(), Extended, Some([bytes.as_ref(), &[0]].concat().into())));
        rounds.push((key.clone(), Zeros, Some(vec![0; bytes.len()].into())));
        rounds.extend(
            template.siblings(key).step_by(sample(5)).map(|other| (key.clone(), Sibling, Some(other))),
        );
        // P18, A2, A13: one of every other kind, for a parser does not ask which one it is.
        rounds.extend(
            template.strangers(key).step_by(sample(3)).map(|other| (key.clone(), Stranger, Some(other))),
        );
    }
    println!("{} objects deleted, cut, extended or exchanged", rounds.len());
    compare(&outcomes(&template, &rounds));
}

#[test]
fn every_object_is_looked_at_and_every_kind_is_in_the_table() {
    let template = block_on(Template::new());
    let honest = Honest::asked(&template);
    let looked: BTreeSet<&ObjectKey> = honest.looks_at.values().flatten().collect();
    let kinds: BTreeSet<&str> = template.objects.keys().map(|key| template.kind(key)).collect();
    for kind in &kinds {
        let all = template.objects.keys().filter(|key| template.kind(key) == *kind);
        assert!(all.clone().any(|key| looked.contains(key)), "nothing looks at any {kind}");
    }
    let named: BTreeSet<String> = table().into_keys().map(|(kind, _)| kind).collect();
    assert_eq!(kinds.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), named);
}
