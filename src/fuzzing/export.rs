//! Exports of honest records, and what was done to them.

use std::sync::LazyLock;

use crate::{
    Checkpoint,
    crypto::sign::SigningKey,
    env::Timestamp,
    error::Result,
    export::Form,
    ids::{CaseId, OperationId},
    log::{
        body::{self, Outer},
        commit::{Entry, Hashed},
        leaf::{BodyForm, Kind, Leaf},
        merkle::Frontier,
        record::AuditRecord,
    },
    receipt::fuzzing::alter,
    secret::Secret,
    text::json_string,
};

use super::chained;

/// A byte below 17 says how many steps there are, of six bytes each; records follow, as in a commit. What is written of
/// them is accepted exactly if nothing was done to it, but where no leaf says what has to stand there.
pub(super) fn records(data: &[u8]) {
    drop(verify(data));
    let Some((steps, records)) = parts(data) else { return };
    let note = note(&records);
    let honest = written(&records, &note);
    let altered = altered(records, &note, steps);
    let accepted = verify(&altered);
    let altered = core::str::from_utf8(&altered).unwrap_or_default();
    let stands = stands(&honest, altered);
    if last(altered) == last(&honest) {
        assert_eq!(accepted.is_ok(), stands);
    }
    assert!(accepted.is_err() || stands && accepted.ok() == verify(honest.as_bytes()).ok());
}

/// A record, and what its body says if it is of that form.
type Record = (Hashed, Outer);

fn parts(data: &[u8]) -> Option<(&[[u8; 6]], Vec<Record>)> {
    let Some((count @ 0..17, rest)) = data.split_first() else { return None };
    let (steps, rest) = rest.split_at_checked(6 * usize::from(*count))?;
    let (_, entries) = chained::records(rest).ok()?;
    let opened = |entry: Entry| (entry.record.leaf, body::parse(&entry.body).unwrap_or_default().0);
    let later = entries.into_iter().map(opened).filter(|(leaf, _)| leaf.kind != Kind::Genesis);
    Some((steps.as_chunks().0, chain(core::iter::once((genesis(), Outer::default())).chain(later))))
}

fn genesis() -> Leaf {
    Leaf {
        kind: Kind::Genesis,
        form: BodyForm::Plain,
        position: 0,
        seq: 0,
        time: Timestamp::from_millis(1),
        previous: [0; 32],
        case: CaseId::from_bytes([0; 16]),
        object: [1; 16],
        auxiliary: [0; 32],
        operation: OperationId::from_bytes([2; 16]),
        key_epoch: 1,
        process: [3; 12],
        body: [4; 32],
        effect: [5; 32],
        state_root: [0; 32],
    }
}

/// A log of these leaves.
fn chain(leaves: impl IntoIterator<Item = (Leaf, Outer)>) -> Vec<Record> {
    let (mut previous, mut time) = ([0; 32], Timestamp::default());
    let follow = |(seq, (leaf, outer)): (u64, (Leaf, Outer))| {
        time = time.max(leaf.time);
        let record = Hashed::new(Leaf { seq, previous, time, ..leaf });
        previous = record.hash;
        (record, outer)
    };
    (0..).zip(leaves).map(follow).collect()
}

fn note(records: &[Record]) -> String {
    let tree = Frontier::default().followed_by(records.iter().map(|(record, _)| record.hash));
    Checkpoint::new(ORIGIN, tree.size(), tree.root()).expect("an origin").sign(&KEY)
}

fn written(records: &[Record], note: &str) -> String {
    let opened = |(record, outer): &Record| AuditRecord::new(&record.leaf, outer.clone());
    let lines = records.iter().map(|record| Form::JsonLines.record(&record.0, &opened(record)));
    lines.chain([Form::JsonLines.checkpoint(note)]).collect()
}

/// Other leaves first, then other lines and bytes.
fn altered(mut records: Vec<Record>, note: &str, steps: &[[u8; 6]]) -> Vec<u8> {
    let forges = |step: &&[u8; 6]| step.starts_with(&[FORGES]);
    steps.iter().filter(forges).for_each(|step| forge(&mut records, *step));
    let mut lines = written(&records, note).into_bytes();
    for [what, how, at @ .., from, far] in steps.iter().filter(|step| !forges(step)) {
        let at = usize::from(u16::from_be_bytes(*at));
        let from = usize::from(u16::from_be_bytes([*from, *far]));
        match *what {
            LINES.. => lines = other_lines(&lines, *how, at, from),
            what => alter(&mut lines, [what, *how], at, from, usize::from(*how)),
        }
    }
    lines
}

/// Another leaf in the place of a record's, which the others follow, or not.
fn forge(records: &mut Vec<Record>, [_, how, number, high, low, follow]: [u8; 6]) {
    let number = usize::from(number).checked_rem(records.len()).unwrap_or(0);
    let Some((record, _)) = records.get_mut(number) else { return };
    let mut leaf = record.encoded.to_vec();
    alter(&mut leaf, [0, how], usize::from(u16::from_be_bytes([high, low])), 0, 0);
    let Ok(leaf) = Leaf::parse(&leaf) else { return };
    *record = Hashed::new(leaf);
    if follow % 2 == 1 {
        *records = chain(records.iter().map(|(record, outer)| (record.leaf.clone(), outer.clone())));
    }
}

/// One line away, twice, or in another's place.
fn other_lines(text: &[u8], how: u8, at: usize, from: usize) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let place = |number: usize| number.checked_rem(lines.len());
    let (Some(at), Some(from)) = (place(at), place(from)) else { return Vec::new() };
    match how % 3 {
        0 => lines.swap(at, from),
        1 => drop(lines.remove(at)),
        _ => lines.get(from).copied().into_iter().for_each(|line| lines.insert(at, line)),
    }
    lines.concat()
}

fn last(text: &str) -> Option<&str> {
    text.split_inclusive('\n').next_back()
}

fn all_but_last(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.pop();
    lines
}

/// Whether every line but the last may stand for the honest one.
fn stands(honest: &str, altered: &str) -> bool {
    let (ours, theirs) = (all_but_last(honest), all_but_last(altered));
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| stands_for(ours, theirs))
}

/// FORMAT §9.4: what is before the actor and from the leaf on follows from the leaf.
fn stands_for(ours: &str, theirs: &str) -> bool {
    let start = ours.find(",\"actor\":").and_then(|at| ours.get(..at)).expect("a line");
    let end = ours.rfind(",\"leaf\":\"").and_then(|at| ours.get(at..)).expect("a line");
    let middle = theirs.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
    let is = |kind: &str| start.contains(&format!("\"kind\":\"{kind}\""));
    middle.is_some_and(|middle| is_written(middle, is("Stated"), is("Genesis")))
}

/// Whether another reader of JSON finds there what is written in just this way.
fn is_written(middle: &str, stated: bool, by_nobody: bool) -> bool {
    let members = middle.strip_prefix(',').unwrap_or_default();
    let Ok(said) = serde_json::from_str::<serde_json::Value>(&format!("{{{members}}}")) else { return false };
    let text = |name| said.get(name).and_then(serde_json::Value::as_str);
    let member = |name| format!(",\"{name}\":{}", text(name).map_or_else(|| "null".to_owned(), json_string));
    let again = ["actor", "purpose", "request", "topic"].map(member).concat();
    let named = match ["actor", "purpose", "request"].map(text) {
        [Some(actor), Some(purpose), request] => {
            !by_nobody || actor.is_empty() && purpose.is_empty() && request.is_none()
        }
        _ => false,
    };
    let of_a_topic = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '-');
    let about = text("topic")
        .map_or(!stated, |topic| stated && (1..=64).contains(&topic.len()) && topic.chars().all(of_a_topic));
    again == middle && named && about
}

fn verify(export: &[u8]) -> Result<Checkpoint> {
    crate::verify_exported_records(export, ORIGIN, &KEY.verifying_key().to_bytes())
}

/// What is written of these records, and whether it is an export of several.
#[cfg(test)]
pub(super) fn honest(data: &[u8]) -> Option<String> {
    let (steps, records) = parts(data)?;
    let honest = written(&records, &note(&records));
    (steps.is_empty() && is_export(honest.as_bytes())).then_some(honest)
}

#[cfg(test)]
pub(super) fn is_export(data: &[u8]) -> bool {
    verify(data).is_ok_and(|checkpoint| checkpoint.size() > 1)
}

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_seed(Secret::take([7; 32])));
const ORIGIN: &str = "origin";
/// Steps that begin with it alter a leaf.
const FORGES: u8 = 255;
/// Those that begin with no less alter lines as a whole.
const LINES: u8 = 192;
