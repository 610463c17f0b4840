//! Checkpoints, policies and receipts (§9.2, §10): what outsiders verify.

use super::{
    chest::{Chest, Key},
    commit::{inclusion, merkle},
    file::{KitFile, base64},
    forge::{Out, patched, public, sha256, sign_plain, subkey},
    head::{Head, Version},
};

pub const WITNESS: Key = [0x77; 32];

/// A signed note's signature line by an Ed25519 key of this type (c2sp.org/signed-note).
fn line(name: &str, key: u8, seed: &Key, signature: &[u8]) -> String {
    format!("— {name} {}\n", base64(&[&key_id(name, key, seed)[..], signature].concat()))
}

fn key_id(name: &str, key: u8, seed: &Key) -> [u8; 4] {
    let hash = sha256(&[name.as_bytes(), b"\n", &[key], &public(seed)]);
    *hash.first_chunk().unwrap()
}

pub fn verifier_key(name: &str, key: u8, seed: &Key) -> String {
    let id: String = super::file::hex(&key_id(name, key, seed));
    format!("{name}+{id}+{}", base64(&[&[key], &public(seed)[..]].concat()))
}

/// c2sp.org/tlog-checkpoint.
fn text(origin: &str, size: usize, root: &Key) -> String {
    format!("{origin}\n{size}\n{}\n", base64(root))
}

pub fn checkpoint(origin: &str, size: usize, root: &Key, seed: &Key) -> String {
    let text = text(origin, size, root);
    format!("{text}\n{}", line(origin, 1, seed, &sign_plain(seed, text.as_bytes())))
}

/// c2sp.org/tlog-cosignature.
fn cosigned(note: &str, seed: &Key, time: u64) -> String {
    let text = note.split("\n\n").next().unwrap();
    let message = format!("cosignature/v1\ntime {time}\n{text}\n");
    let signature = [&time.to_be_bytes()[..], &sign_plain(seed, message.as_bytes())].concat();
    format!("{note}{}", line("witness.example", 4, seed, &signature))
}

pub fn files() -> Vec<KitFile> {
    [checkpoints(), receipts(), super::trust::files()].concat()
}

fn checkpoints() -> Vec<KitFile> {
    let (chest, _, _) = super::log::base();
    let (origin, seed, hashes) = (chest.origin(), chest.signing.checkpoint, chest.hashes());
    let root = merkle(&hashes);
    let file = |name: &str, what: &str, note: String| {
        KitFile::new(&format!("notes/{name}"), "checkpoint", "§9.2", what)
            .with("origin", &origin)
            .hex("key", &public(&seed))
            .body(note)
    };
    let refused = |name: &str, what: &str, note: String| file(name, what, note).expect("invalid");
    let signed =
        |text: &str| format!("{text}\n{}", line(&origin, 1, &seed, &sign_plain(&seed, text.as_bytes())));
    let sound = checkpoint(&origin, hashes.len(), &root, &seed);
    let root64 = base64(&root);
    vec![
        file("checkpoint", "A checkpoint of the log of log/base", sound.clone()),
        file(
            "checkpoint-cosigned",
            "With a cosignature, by somebody who is not known",
            cosigned(&sound, &WITNESS, 9),
        ),
        refused("checkpoint-other-key", "Signed by another key", checkpoint(&origin, 5, &root, &[9; 32])),
        refused("checkpoint-other-origin", "Of another log", checkpoint("docvault/other", 5, &root, &seed)),
        refused("checkpoint-other-name", "Of this log, signed under another name", {
            let text = text(&origin, 5, &root);
            format!("{text}\n{}", line("docvault/other", 1, &seed, &sign_plain(&seed, text.as_bytes())))
        }),
        refused("checkpoint-altered", "Another size than is signed", sound.replacen("\n5\n", "\n6\n", 1)),
        refused("checkpoint-unsigned", "Without a signature", text(&origin, 5, &root)),
        refused(
            "checkpoint-leading-zero",
            "A size with a leading zero",
            signed(&format!("{origin}\n05\n{root64}\n")),
        ),
        refused("checkpoint-no-root", "Without a root", signed(&format!("{origin}\n5\n"))),
        refused("checkpoint-short-root", "A root of 31 bytes", {
            signed(&format!("{origin}\n5\n{}\n", base64(&root[..31])))
        }),
        refused("checkpoint-base64", "A root in base64 that is not canonical", {
            signed(&format!("{origin}\n5\n{}\n", root64.replace('=', "")))
        }),
        refused("checkpoint-no-newline", "The last newline missing", sound[..sound.len() - 1].to_owned()),
    ]
}

pub fn log_key(chest: &Chest) -> String {
    verifier_key(&chest.origin(), 1, &chest.signing.checkpoint)
}

/// The record of the base's first version, and all that a receipt says about it.
pub struct Proven {
    pub chest: Chest,
    opening: Vec<u8>,
    content: Key,
}

pub const SEQ: usize = 2;

impl Proven {
    pub fn new() -> Self {
        let mut chest = Chest::new("log/base");
        let case = chest.open_case("Crédito 1");
        let version = Version::inline(&mut chest, &case, b"solicitud");
        let head = version.store(&mut chest);
        let (whole, _, _) = super::log::base();
        assert_eq!(whole.leaves[..=SEQ], chest.leaves[..]);
        Self { chest: whole, opening: opening(&version, &head), content: version.meta.digest }
    }

    fn note(&self) -> String {
        let hashes = self.chest.hashes();
        checkpoint(&self.chest.origin(), hashes.len(), &merkle(&hashes), &self.chest.signing.checkpoint)
    }

    pub fn disclosure(&self) -> Vec<u8> {
        let body = &self.chest.bodies[SEQ];
        let key = subkey(&self.chest.audit, "key of outer body", &[&body[..16]]);
        Out::default().fixed(&self.chest.vault).fixed(&key).bytes(body).0
    }

    fn extra(&self, opening: Option<&[u8]>, disclosure: Option<&[u8]>) -> Vec<u8> {
        let out = Out::default().fixed(b"dvrc\x01\x01\0\0").fixed(&self.chest.leaves[SEQ]);
        let optional = |out: Out, part: Option<&[u8]>| match part {
            Some(part) => out.u8(1).fixed(part),
            None => out.u8(0),
        };
        optional(optional(out, opening), disclosure).0
    }

    fn receipt(&self, extra: &[u8], index: usize, proof: &[Key], note: &str) -> String {
        tlog_proof(extra, index, proof, note)
    }

    fn proof(&self) -> Vec<Key> {
        inclusion(SEQ, &self.chest.hashes())
    }

    fn file(&self, name: &str, what: &str, receipt: String) -> KitFile {
        KitFile::new(&format!("notes/receipt-{name}"), "receipt", "§10.1", what)
            .with("policy", format!("log {}", log_key(&self.chest)))
            .with("policy", "quorum none")
            .body(receipt)
    }
}

/// c2sp.org/tlog-proof.
fn tlog_proof(extra: &[u8], index: usize, proof: &[Key], note: &str) -> String {
    let hashes: String = proof.iter().map(|hash| base64(hash) + "\n").collect();
    format!("c2sp.org/tlog-proof@v1\nextra {}\nindex {index}\n{hashes}\n{note}", base64(extra))
}

/// The receipt of a record among these.
pub fn proof(extra: &[u8], index: usize, hashes: &[Key], note: &str) -> String {
    tlog_proof(extra, index, &inclusion(index, hashes), note)
}

/// §10.1: blind, digest of the head, content digest.
fn opening(version: &Version, head: &Head) -> Vec<u8> {
    let bytes = head.bytes();
    let front = &bytes[..132 + head.meta.len()];
    [&version.meta.blind[..], &sha256(&[front]), &version.meta.digest].concat()
}

/// A sound receipt, and what it is made of.
struct Receipts {
    proven: Proven,
    note: String,
    proof: Vec<Key>,
    extra: Vec<u8>,
    whole: String,
}

impl Receipts {
    fn new() -> Self {
        let proven = Proven::new();
        let (note, proof, extra) = (proven.note(), proven.proof(), proven.extra(Some(&proven.opening), None));
        let whole = proven.receipt(&extra, SEQ, &proof, &note);
        Self { proven, note, proof, extra, whole }
    }

    /// The receipt with this extra data.
    fn of(&self, extra: &[u8]) -> String {
        self.proven.receipt(extra, SEQ, &self.proof, &self.note)
    }

    /// The receipt under this note.
    fn with(&self, note: &str) -> String {
        self.proven.receipt(&self.extra, SEQ, &self.proof, note)
    }

    fn accept(&self, name: &str, what: &str, receipt: String) -> KitFile {
        self.proven.file(name, what, receipt).releasing(&self.proven.content)
    }

    fn refused(&self, class: &str, name: &str, what: &str, receipt: String) -> KitFile {
        self.proven.file(name, what, receipt).expect(class)
    }
}

/// The same, under a policy that asks for a witness.
fn asked(mut file: KitFile) -> KitFile {
    let witnessed = verifier_key("witness.example", 4, &WITNESS);
    file.fields.retain(|(_, value)| value != "quorum none");
    file.with("policy", format!("witness w {witnessed}")).with("policy", "quorum w")
}

fn receipts() -> Vec<KitFile> {
    let receipts = Receipts::new();
    [
        accepted(&receipts),
        malformed(&receipts),
        of_proofs(&receipts),
        of_notes(&receipts),
        of_openings(&receipts),
    ]
    .concat()
}

fn accepted(receipts: &Receipts) -> Vec<KitFile> {
    let proven = &receipts.proven;
    let told = proven.extra(Some(&proven.opening), Some(&proven.disclosure()));
    vec![
        receipts.accept("sound", "The base's first version", receipts.whole.clone()),
        receipts.accept("actor", "With the record's body and the key to it", receipts.of(&told)),
        proven
            .file(
                "no-opening",
                "Without an opening: the record, and not what it is about",
                receipts.of(&proven.extra(None, None)),
            )
            .releasing(b""),
        asked(receipts.accept(
            "cosigned",
            "A quorum of one, which has cosigned",
            receipts.with(&cosigned(&receipts.note, &WITNESS, 1_790_000_000)),
        )),
    ]
}

fn malformed(receipts: &Receipts) -> Vec<KitFile> {
    vec![
        receipts.refused("malformed", "format", "Format 2", receipts.of(&patched(&receipts.extra, 4, &[2]))),
        receipts.refused("malformed", "suite", "Suite 2", receipts.of(&patched(&receipts.extra, 5, &[2]))),
        receipts.refused(
            "malformed",
            "reserved",
            "A reserved bit",
            receipts.of(&patched(&receipts.extra, 7, &[1])),
        ),
        receipts.refused(
            "malformed",
            "byte-behind",
            "A byte behind the extra data",
            receipts.of(&[&receipts.extra[..], &[0]].concat()),
        ),
        receipts.refused(
            "malformed",
            "optional",
            "An opening that is neither absent nor there",
            receipts.of(&patched(&receipts.extra, 288, &[2])),
        ),
        receipts.refused(
            "malformed",
            "leaf",
            "A leaf of a kind that is not known",
            receipts.of(&patched(&receipts.extra, 14, &[0, 99])),
        ),
        receipts.refused(
            "malformed",
            "index",
            "Another index than the leaf's",
            receipts.proven.receipt(&receipts.extra, 3, &receipts.proof, &receipts.note),
        ),
        receipts.refused(
            "malformed",
            "header",
            "Another first line",
            receipts.whole.replacen("@v1", "@v2", 1),
        ),
        receipts.refused(
            "malformed",
            "index-zero",
            "An index with a leading zero",
            receipts.whole.replacen("index 2", "index 02", 1),
        ),
    ]
}

fn of_proofs(receipts: &Receipts) -> Vec<KitFile> {
    vec![
        receipts.refused("inclusion", "proof-altered", "A hash of the proof altered", {
            let mut altered = receipts.proof.clone();
            altered[0][0] ^= 1;
            receipts.proven.receipt(&receipts.extra, SEQ, &altered, &receipts.note)
        }),
        receipts.refused(
            "inclusion",
            "proof-short",
            "A hash of the proof missing",
            receipts.proven.receipt(&receipts.extra, SEQ, &receipts.proof[1..], &receipts.note),
        ),
        receipts.refused("inclusion", "proof-long", "A hash too many", {
            receipts.proven.receipt(
                &receipts.extra,
                SEQ,
                &[&receipts.proof[..], &[[0; 32]]].concat(),
                &receipts.note,
            )
        }),
        receipts.refused(
            "inclusion",
            "leaf-altered",
            "Another time in the leaf",
            receipts.of(&patched(&receipts.extra, 8 + 31, &[1])),
        ),
        receipts.refused("inclusion", "small-tree", "A checkpoint from before the record", {
            let hashes = receipts.proven.chest.hashes();
            let note = checkpoint(
                &receipts.proven.chest.origin(),
                2,
                &merkle(&hashes[..2]),
                &receipts.proven.chest.signing.checkpoint,
            );
            receipts.proven.receipt(&receipts.extra, SEQ, &[], &note)
        }),
    ]
}

fn of_notes(receipts: &Receipts) -> Vec<KitFile> {
    vec![
        receipts.refused("checkpoint", "no-note", "Without a checkpoint", receipts.with("")),
        receipts.refused("checkpoint", "other-log", "The checkpoint of a log that is not in the policy", {
            receipts.with(&checkpoint("docvault/other", 5, &[1; 32], &[9; 32]))
        }),
        receipts.refused("checkpoint", "other-key", "The checkpoint signed by another key", {
            receipts.with(&checkpoint(
                &receipts.proven.chest.origin(),
                5,
                &merkle(&receipts.proven.chest.hashes()),
                &[9; 32],
            ))
        }),
        asked(receipts.refused(
            "checkpoint",
            "no-quorum",
            "A quorum of one, which has not cosigned",
            receipts.whole.clone(),
        )),
        asked(receipts.refused(
            "checkpoint",
            "false-cosignature",
            "A cosignature of the quorum that is false",
            receipts.with(&receipts.note.clone().add_false_cosignature()),
        )),
    ]
}

fn of_openings(receipts: &Receipts) -> Vec<KitFile> {
    let (opening, disclosure) = (receipts.proven.opening.as_slice(), receipts.proven.disclosure());
    let other = [&[0; 32][..], &opening[32..]].concat();
    let mut wrong_body = disclosure.clone();
    *wrong_body.last_mut().unwrap() ^= 1;
    vec![
        receipts.refused(
            "opening",
            "opening",
            "A blind that is another",
            receipts.of(&receipts.proven.extra(Some(&other), None)),
        ),
        receipts.refused(
            "body",
            "body",
            "A body that was altered",
            receipts.of(&receipts.proven.extra(Some(opening), Some(&wrong_body))),
        ),
        receipts.refused("body", "body-key", "A key that does not open the body", {
            receipts.of(&receipts.proven.extra(Some(opening), Some(&patched(&disclosure, 16, &[9; 32]))))
        }),
    ]
}

trait Cosigned {
    fn add_false_cosignature(self) -> String;
}

impl Cosigned for String {
    /// Over another time than it states.
    fn add_false_cosignature(self) -> String {
        let text = self.split("\n\n").next().unwrap();
        let message = format!("cosignature/v1\ntime 2\n{text}\n");
        let signature = [&1u64.to_be_bytes()[..], &sign_plain(&WITNESS, message.as_bytes())].concat();
        let line = line("witness.example", 4, &WITNESS, &signature);
        self + &line
    }
}
