//! Policies, disclosures and what witnesses are asked (§9.3, §10.2, §10.3).

use super::{
    commit::merkle,
    file::{KitFile, base64},
    forge::{Out, patched},
    notes::{Proven, SEQ, WITNESS, checkpoint, log_key, verifier_key},
};

pub fn files() -> Vec<KitFile> {
    [policies(), disclosures(), witnesses()].concat()
}

fn policies() -> Vec<KitFile> {
    let (chest, _, _) = super::log::base();
    let (log, witness) = (log_key(&chest), verifier_key("witness.example", 4, &WITNESS));
    let file = |name: &str, what: &str, text: String| {
        KitFile::new(&format!("notes/policy-{name}"), "policy", "§10.2", what).body(text)
    };
    let refused = |name: &str, what: &str, text: String| file(name, what, text).expect("invalid");
    vec![
        file("log", "A log, and no witness asked for", format!("log {log}\nquorum none\n")),
        file("witness", "A log and a witness, with a comment", {
            format!("# the office's\nlog {log}\n\nwitness w {witness}\nquorum w\n")
        }),
        file("group", "A group", format!("log {log}\nwitness w {witness}\ngroup g any w\nquorum g\n")),
        refused("no-quorum", "No quorum", format!("log {log}\n")),
        refused("two-quorums", "Two quorums", format!("log {log}\nquorum none\nquorum none\n")),
        refused(
            "unknown-witness",
            "A quorum of a witness that is not named",
            format!("log {log}\nquorum w\n"),
        ),
        refused("named-twice", "Two witnesses of one name", {
            format!("log {log}\nwitness w {witness}\nwitness w {witness}\nquorum w\n")
        }),
        refused("unknown-line", "A line that is not known", format!("log {log}\nlogs x\nquorum none\n")),
        refused(
            "witness-key",
            "A witness with a log's key",
            format!("log {log}\nwitness w {log}\nquorum w\n"),
        ),
        refused("log-key", "A log with a witness's key", format!("log {witness}\nquorum none\n")),
        refused("key-id", "A key whose id is another's", {
            format!("log {}\nquorum none\n", log.replacen('+', "+0", 1))
        }),
        refused("group-too-many", "A group that asks for more than it has", {
            format!("log {log}\nwitness w {witness}\ngroup g 2 w\nquorum g\n")
        }),
    ]
}

fn disclosures() -> Vec<KitFile> {
    let proven = Proven::new();
    let disclosure = proven.disclosure();
    let (key, body) = (&disclosure[16..48], &disclosure[48..]);
    let bytes = |start: &[u8; 8], leaf: &[u8], key: &[u8], body: &[u8]| {
        Out::default().fixed(start).fixed(&proven.chest.vault).fixed(leaf).fixed(key).fixed(body).0
    };
    let leaf = proven.chest.leaves[SEQ].as_slice();
    let sound = *b"dvds\x01\x01\0\0";
    let file = |name: &str, what: &str, bytes: &[u8]| {
        let text = format!("docvault-disclosure-1 {}", base64(bytes));
        KitFile::new(&format!("notes/disclosure-{name}"), "disclosure", "§9.3", what).body(text)
    };
    let whole = bytes(&sound, leaf, key, body);
    let genesis = Out::default().bytes(&proven.chest.bodies[0]).0;
    let mut altered = body.to_vec();
    *altered.last_mut().unwrap() ^= 1;
    vec![
        file("sound", "Who stored the base's first version", &whole).releasing(b"user:7f3a"),
        file("other-key", "A key that does not open it", &bytes(&sound, leaf, &[9; 32], body))
            .expect("corrupt"),
        file("other-body", "A body that was altered", &bytes(&sound, leaf, key, &altered)).expect("corrupt"),
        file(
            "other-record",
            "The leaf of another record",
            &bytes(&sound, &proven.chest.leaves[3], key, body),
        )
        .expect("corrupt"),
        file(
            "other-operation",
            "Another operation in the leaf",
            &bytes(&sound, &patched(leaf, 128, &[9; 16]), key, body),
        )
        .expect("corrupt"),
        file("format", "Format 2", &bytes(b"dvds\x02\x01\0\0", leaf, key, body)).expect("invalid"),
        file("reserved", "A reserved bit", &bytes(b"dvds\x01\x01\0\x01", leaf, key, body)).expect("invalid"),
        file("byte-behind", "A byte behind the body", &[&whole[..], &[0]].concat()).expect("invalid"),
        file(
            "genesis",
            "A disclosure of Genesis, which is not sealed",
            &bytes(&sound, &proven.chest.leaves[0], key, &genesis),
        )
        .expect("invalid"),
    ]
}

/// Requests to a witness that has seen nothing of any log.
fn witnesses() -> Vec<KitFile> {
    let (chest, _, _) = super::log::base();
    let (origin, hashes) = (chest.origin(), chest.hashes());
    let note = checkpoint(&origin, hashes.len(), &merkle(&hashes), &chest.signing.checkpoint);
    let file = |name: &str, what: &str, class: &str, request: String| {
        KitFile::new(&format!("notes/witness-{name}"), "witness", "§10.3", what)
            .expect(class)
            .with("policy", format!("log {}", log_key(&chest)))
            .with("policy", "quorum none")
            .body(request)
    };
    let of = |old: &str, proof: &str, note: &str| format!("old {old}\n{proof}\n{note}");
    let hash = base64(&[9; 32]);
    vec![
        file("first", "The first checkpoint of a log", "accept", of("0", "", &note)),
        file("seen", "From a size that was never seen", "conflict", of("3", &format!("{hash}\n"), &note)),
        file(
            "needless-proof",
            "A proof, and from nothing there is none",
            "bad-proof",
            of("0", &format!("{hash}\n"), &note),
        ),
        file("backwards", "From more records than the checkpoint has", "malformed", of("9", "", &note)),
        file("leading-zero", "An old size with a leading zero", "malformed", of("00", "", &note)),
        file("no-old", "Without an old size", "malformed", format!("\n{note}")),
        file("other-key", "Signed by another key", "bad-signature", {
            of("0", "", &checkpoint(&origin, hashes.len(), &merkle(&hashes), &[9; 32]))
        }),
        file("unknown-log", "Of a log that is not known", "unknown-log", {
            of("0", "", &checkpoint("docvault/other", 5, &[1; 32], &[9; 32]))
        }),
    ]
}
