//! Policies whose keys are held here, so that heads are signed and cosigned as they ask or not.
#![allow(clippy::indexing_slicing, reason = "a policy that parses has all words of a line")]

use std::sync::LazyLock;

use crate::{
    Checkpoint,
    crypto::sign::SigningKey,
    log::{
        cosignature::cosign,
        note::Note,
        trust::{CheckpointError, TrustPolicy},
        verifier_key::VerifierKey,
    },
    secret::Secret,
    text::base64,
};

/// Three bytes say who signs and cosigns; what follows is a policy. What it believes, it believes by its text.
pub(super) fn trust(data: &[u8]) {
    let Some((bytes, text, policy)) = policy(data) else { return };
    assert_eq!(TrustPolicy::parse(&policy.to_string()).as_ref(), Ok(&policy));
    let said = statements(&text);
    checked(&policy, &said, bytes);
    merged(&policy, &said, bytes);
}

/// What a remote witness answers, if it is none of these witnesses: nothing of it stays.
pub(super) fn answered(answer: &str) {
    static POLICY: LazyLock<TrustPolicy> = LazyLock::new(|| {
        let witnesses: String = (0..8).map(|i| format!("witness w{i} W{i}\n")).collect();
        TrustPolicy::parse(&with_keys(&format!("log L0\n{witnesses}quorum none\n"))).expect("a policy")
    });
    let merged = POLICY.add_cosignatures(&HEADS[0], answer);
    assert!(merged.is_err() || merged.as_ref() == Ok(&HEADS[0]));
}

pub(super) fn policy(data: &[u8]) -> Option<([u8; 3], String, TrustPolicy)> {
    let (bytes, text) = data.split_first_chunk()?;
    let text = with_keys(core::str::from_utf8(text).ok()?);
    let policy = TrustPolicy::parse(&text).ok()?;
    Some((*bytes, text, policy))
}

/// `L0` to `L3` are keys of the log, `W0` to `W7` of witnesses; `M0` and `M1` are of a type that is not verified.
fn with_keys(text: &str) -> String {
    const SPACES: [char; 3] = [' ', '\t', '\n'];
    let key = |word: &str| {
        let (bare, spaces) = word.split_at(word.trim_end_matches(SPACES).len());
        let key = KEYS.iter().find(|(name, _)| *name == bare).map_or(bare, |(_, key)| key);
        format!("{key}{spaces}")
    };
    text.split_inclusive(SPACES).map(key).collect()
}

/// A policy's lines, as words.
fn statements(text: &str) -> Vec<Vec<&str>> {
    let lines = text.split('\n').map(|line| line.split([' ', '\t']).filter(|word| !word.is_empty()));
    let lines = lines.map(Iterator::collect::<Vec<&str>>);
    lines.filter(|words| words.first().is_some_and(|word| !word.starts_with('#'))).collect()
}

/// A head with right cosignatures, and with false ones if a bit of the first byte says so.
fn checked(policy: &TrustPolicy, said: &[Vec<&str>], [by, right, other]: [u8; 3]) {
    let wrong = if by & 4 == 0 { 0 } else { other };
    let lines = |mask, lines: &[String; 8]| chosen(mask).map(|i| lines[i].clone()).collect::<String>();
    let signer = usize::from(by % 4);
    let note = [HEADS[signer].clone(), lines(right, &LINES[0]), lines(wrong, &LINES[2])].concat();
    let checked = policy.check(&note).map(|checked| {
        assert_eq!(checked.checkpoint, head());
        checked.witnesses.into_iter().map(|by| by.witness).collect::<Vec<_>>()
    });
    assert_eq!(checked, expected(said, signer, right, wrong));
}

/// As signed-note and tlog-policy say, from the text alone.
fn expected(said: &[Vec<&str>], signer: usize, right: u8, wrong: u8) -> Result<Vec<String>, CheckpointError> {
    let logs: Vec<&str> = named(said, "log").map(|words| words[1]).collect();
    if !logs.iter().any(|key| key.starts_with(&format!("{ORIGIN}+"))) {
        return Err(CheckpointError::UnknownLog);
    }
    if !logs.contains(&key_of("L", signer)) || chosen(wrong).any(|i| knows(said, i)) {
        return Err(CheckpointError::Signature);
    }
    let cosigned = |key: &str| chosen(right).any(|i| key_of("W", i) == key);
    let quorum = named(said, "quorum").any(|words| witnessed(words[1], said, &cosigned));
    let by = named(said, "witness").filter(|words| cosigned(words[2])).map(|words| words[1].to_owned());
    if quorum { Ok(by.collect()) } else { Err(CheckpointError::Quorum) }
}

fn named<'a, 'b>(said: &'a [Vec<&'b str>], keyword: &str) -> impl Iterator<Item = &'a Vec<&'b str>> {
    said.iter().filter(move |words| words[0] == keyword)
}

// tlog-policy, Defining a witness group: a group witnesses if as many of its members do as it says.
fn witnessed(name: &str, said: &[Vec<&str>], cosigned: &dyn Fn(&str) -> bool) -> bool {
    let witnesses = |words: &Vec<&str>| match words.as_slice() {
        ["witness", own, key, ..] => *own == name && cosigned(key),
        ["group", own, least, members @ ..] if *own == name => {
            let have = members.iter().filter(|member| witnessed(member, said, cosigned)).count();
            match *least {
                "all" => have == members.len(),
                "any" => have > 0,
                least => least.parse().is_ok_and(|least: usize| have >= least),
            }
        }
        _ => false,
    };
    name == "none" || said.iter().any(witnesses)
}

/// Whether the policy has this witness.
fn knows(said: &[Vec<&str>], witness: usize) -> bool {
    named(said, "witness").any(|words| words[2] == key_of("W", witness))
}

/// Of each known witness the oldest and the newest cosignature stay, and of all others what was there.
fn merged(policy: &TrustPolicy, said: &[Vec<&str>], [by, older, newer]: [u8; 3]) {
    let there = by & 8 != 0;
    let mut lines = Vec::new();
    for i in chosen(older) {
        let again = newer >> i & 1 == 1 && knows(said, i);
        if there || knows(said, i) {
            lines.push(LINES[0][i].as_str());
        }
        if again {
            lines.push(LINES[1][i].as_str());
        }
    }
    lines.extend(chosen(newer & !older).filter(|i| knows(said, *i)).map(|i| LINES[1][i].as_str()));
    let of = |mask, at: usize| chosen(mask).map(|i| LINES[at][i].as_str()).collect::<String>();
    let (had, first) = if there { (of(older, 0), String::new()) } else { (String::new(), of(older, 0)) };
    let answer = [first, of(newer, 1), of(by, 2)].concat();
    let merged = policy.add_cosignatures(&[HEADS[0].as_str(), &had].concat(), &answer);
    let expected = [HEADS[0].as_str(), &lines.concat()].concat();
    let expected = if answer.is_empty() { Err(CheckpointError::Malformed) } else { Ok(expected) };
    assert_eq!(merged, expected);
}

fn chosen(mask: u8) -> impl Iterator<Item = usize> {
    (0..8).filter(move |i| mask >> i & 1 == 1)
}

fn key_of(kind: &str, number: usize) -> &'static str {
    let name = format!("{kind}{number}");
    KEYS.iter().find(|(key, _)| *key == name).map_or("", |(_, key)| key)
}

fn signing(seed: usize) -> SigningKey {
    SigningKey::from_seed(Secret::take([u8::try_from(seed).expect("small"); 32]))
}

fn witness_name(number: usize) -> String {
    format!("w{number}.example")
}

fn head() -> Checkpoint {
    Checkpoint::new(ORIGIN, 5, [7; 32]).expect("an origin")
}

/// Lines of all witnesses: older, newer, and false.
fn lines(time: u64, of: &Checkpoint) -> [String; 8] {
    let note = of.sign(&signing(100));
    let text = Note::parse(&note).expect("a note").text().to_owned();
    core::array::from_fn(|i| cosign(&text, &witness_name(i), &signing(1 + i), time))
}

/// A key of a type that is parsed alone.
fn ml_dsa(name: &str) -> String {
    let key = [&[6][..], &[5; 1312]].concat();
    let id = crate::log::verifier_key::key_id(name, 6, &key[1..]);
    format!("{name}+{}+{}", crate::ids::Hex(&id), base64(&key))
}

static KEYS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let log = |i: usize| VerifierKey::ed25519(ORIGIN, signing(100 + i).verifying_key()).expect("a name");
    let witness = |i: usize| VerifierKey::cosignature(&witness_name(i), signing(1 + i).verifying_key());
    let logs = (0..4).map(|i| (format!("L{i}"), log(i).to_string()));
    let witnesses = (0..8).map(|i| (format!("W{i}"), witness(i).expect("a name").to_string()));
    let others = [("M0".to_owned(), ml_dsa(ORIGIN)), ("M1".to_owned(), ml_dsa("w0.example"))];
    logs.chain(witnesses).chain(others).collect()
});
static HEADS: LazyLock<[String; 4]> =
    LazyLock::new(|| core::array::from_fn(|i| head().sign(&signing(100 + i))));
static LINES: LazyLock<[[String; 8]; 3]> = LazyLock::new(|| {
    let other = Checkpoint::new(ORIGIN, 6, [7; 32]).expect("an origin");
    [lines(1000, &head()), lines(2000, &head()), lines(3000, &other)]
});

const ORIGIN: &str = "example.com/vault";
