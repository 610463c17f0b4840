//! The log (§5): whole vaults, and what a storage could show as their next commit.

use super::{
    chest::{Case, Chest, LEAF, Record},
    commit::{Draft, leaf_hash},
    content,
    file::{KitFile, container},
    forge::{Out, patched, public},
    head::{Grant, Version},
};

/// A vault with a case and two documents, one of them in two versions.
pub fn base() -> (Chest, Case, Vec<Version>) {
    let mut chest = Chest::new("log/base");
    let case = chest.open_case("Crédito 1");
    let first = Version::inline(&mut chest, &case, b"solicitud");
    first.store(&mut chest);
    let second = Version::inline(&mut chest, &case, b"").after(&first);
    second.store(&mut chest);
    let other = Version::parts(&mut chest, &case, &[&content(300, 1), &content(40_000, 2)]);
    other.store(&mut chest);
    (chest, case, vec![second, other])
}

/// The newest versions' contents, in ascending order of their documents.
pub fn released(versions: &[Version]) -> Vec<u8> {
    let mut versions: Vec<&Version> = versions.iter().collect();
    versions.sort_by_key(|version| (version.ids.case, version.ids.object));
    versions.iter().flat_map(|version| version.content()).collect()
}

/// A whole vault.
pub fn whole(name: &str, what: &str, chest: &Chest, versions: &[Version]) -> KitFile {
    KitFile::new(name, "vault", "§4 to §7", what)
        .hex("root-key", &chest.root)
        .with("pin", chest.pin())
        .releasing(&released(versions))
        .body(container(&chest.objects))
}

/// Objects added to, put in place of, or taken away from those of `log/base`.
pub fn over_base(name: &str, format: &str, what: &str, chest: &Chest) -> KitFile {
    KitFile::new(name, "vault", format, what).with("base", "log/base").body(container(&chest.objects))
}

pub fn files() -> Vec<KitFile> {
    [whole_vaults(), pins(), next_commits(), leaves(), super::bodies::files(), shape()].concat()
}

fn whole_vaults() -> Vec<KitFile> {
    let (chest, _, versions) = base();
    let mut files =
        vec![whole("log/base", "A case, two documents, three versions, a page in parts", &chest, &versions)];
    files.push(whole("log/genesis-only", "Nothing but Genesis", &Chest::new("log/genesis-only"), &[]));
    let (chest, versions) = eventful();
    let what = "Grants and a revocation, a statement, a closed and a reopened case, new signing keys, two records in one commit";
    files.push(whole("log/eventful", what, &chest, &versions));
    files
}

/// A bit of everything that has no object of its own.
fn eventful() -> (Chest, Vec<Version>) {
    let mut chest = Chest::new("log/eventful");
    let case = chest.open_case("Expediente");
    let version = Version::inline(&mut chest, &case, &content(700, 3));
    version.store(&mut chest);
    let recipient = super::forge::hpke_public(&[1; 32]);
    let grant = Grant::new(&mut chest, &case, version.ids.object, &recipient, 1);
    let effect = grant.store(&mut chest, &case);
    let revoked = turn(&mut chest, &case, 13, grant.ids.operation, effect);
    chest.commit(vec![Record { object: version.ids.object, ..revoked }]);
    for kind in [4, 5] {
        let record = turn(&mut chest, &case, kind, case.opened, case.effect);
        chest.commit(vec![record]);
    }
    let stated = statement(&mut chest, &case);
    chest.commit(vec![stated]);
    let record = rotation(&mut chest);
    let old = chest.signing;
    let draft = chest.draft(vec![record]);
    chest.push(draft);
    chest.signing = next_signing(&chest, old.epoch);
    let two = vec![chest.browsed(), chest.browsed()];
    chest.commit(two);
    (chest, vec![version])
}

/// What closes, reopens or revokes.
fn turn(chest: &mut Chest, case: &Case, kind: u16, about: [u8; 16], effect: [u8; 32]) -> Record {
    let personal = Some((case.key, Out::default().text("motivo").0));
    Record { flags: 2, case: case.id, auxiliary: about.to_vec(), effect, personal, ..chest.record(kind) }
}

fn statement(chest: &mut Chest, case: &Case) -> Record {
    let (blind, claim): ([u8; 32], _) = (chest.dice.array(), b"visto");
    let effect = super::forge::context("effect", &[&blind, &super::forge::sha256(&[claim]), &[0; 32]]);
    let personal = Out::default().fixed(&blind).fixed(&[0; 32]).bytes(claim).bytes(b"aprobada").0;
    let (details, personal) = (Out::default().text("revision").0, Some((case.key, personal)));
    Record { flags: 2, case: case.id, effect, details, personal, ..chest.record(19) }
}

fn next_signing(chest: &Chest, epoch: u32) -> super::chest::Signing {
    let mut dice = super::forge::Dice::new(&format!("signing keys after {epoch} of {}", chest.origin()));
    super::chest::Signing { epoch: epoch + 1, commit: dice.array(), checkpoint: dice.array() }
}

/// New signing keys (§5.2): the record, and the keyring that holds them.
fn rotation(chest: &mut Chest) -> Record {
    let old = chest.signing;
    chest.signing = next_signing(chest, old.epoch);
    let object = chest.keyring();
    let keyring = chest.put_keyring(object);
    let new = std::mem::replace(&mut chest.signing, old);
    let record = chest.keyring_change(6, keyring);
    Record {
        auxiliary: public(&new.commit).to_vec(),
        state_root: public(&new.checkpoint),
        ..Record { kind: 15, ..record }
    }
}

fn pins() -> Vec<KitFile> {
    let (chest, _, versions) = base();
    let over = |name: &str, what: &str, pin: String| {
        KitFile::new(&format!("log/{name}"), "vault", "§9.1", what).with("base", "log/base").with("pin", pin)
    };
    let mut early = chest.clone();
    early.leaves.truncate(2);
    let mut longer = chest.overlay("log/pin-longer");
    let record = longer.browsed();
    longer.commit(vec![record]);
    let fields: Vec<String> = chest.pin().split(' ').map(str::to_owned).collect();
    let with = |at: usize, value: &str| {
        let mut fields = fields.clone();
        value.clone_into(&mut fields[at]);
        fields.join(" ")
    };
    let other_key = super::file::hex(&public(&[9; 32]));
    vec![
        over("pin-early", "A pin of two records", early.pin()).releasing(&released(&versions)),
        over("pin-rolled-back", "A pin of one record more than there are", longer.pin())
            .expect("rolled-back"),
        over("pin-other-leaf", "A pin of another newest record", with(5, &"ab".repeat(32))).expect("forked"),
        over("pin-other-root", "A pin of another root", with(6, &"ab".repeat(32))).expect("forked"),
        over("pin-other-vault", "A pin of another vault", with(1, &"ab".repeat(16))).expect("corrupt"),
        over("pin-other-key", "A pin of another key", with(3, &other_key)).expect("corrupt"),
    ]
}

/// The base with one commit more, which `change` alters before it is signed.
fn next(name: &str, what: &str, change: impl FnOnce(Draft) -> Draft) -> KitFile {
    signed(name, what, |chest, draft| change(draft).encode(&chest.signing.commit))
}

/// The base with one commit more, whose bytes `sign` gives.
pub fn signed(name: &str, what: &str, sign: impl FnOnce(&Chest, Draft) -> Vec<u8>) -> KitFile {
    let name = format!("log/{name}");
    let (chest, _, _) = base();
    let mut chest = chest.overlay(&name);
    let record = chest.browsed();
    let draft = chest.draft(vec![record]);
    let (key, bytes) = (draft.name(), sign(&chest, draft));
    chest.put(key, bytes);
    over_base(&name, "§5.3", what, &chest).expect("corrupt")
}

fn next_commits() -> Vec<KitFile> {
    let (_, _, versions) = base();
    let bytes = |name: &str, what: &str, change: fn(Vec<u8>) -> Vec<u8>| {
        signed(name, what, |chest, draft| change(draft.encode(&chest.signing.commit)))
    };
    let start = |at: usize, value: u8| {
        move |mut draft: Draft| {
            draft.start[at] = value;
            draft
        }
    };
    let accepted = next("next-commit", "One commit more than the pin knows", |draft| draft);
    let copies =
        signed("recent-leaves", "A commit that copies the two records before it", |chest, mut draft| {
            draft.recent = chest.leaves[chest.leaves.len() - 2..].to_vec();
            draft.encode(&chest.signing.commit)
        });
    vec![
        accepted.expect("accept").releasing(&released(&versions)),
        copies.expect("accept").releasing(&released(&versions)),
        next("magic", "Another magic", start(0, b'e')),
        next("format", "Format 2", start(4, 2)),
        next("suite", "Suite 2", start(5, 2)),
        next("reserved", "A reserved bit", start(7, 1)),
        next("other-vault", "Of another vault", |draft| Draft { vault: [9; 16], ..draft }),
        next("gap", "It starts one record too late", |draft| Draft { first: draft.first + 1, ..draft }),
        next("previous", "It follows another record", |draft| Draft { previous: [9; 32], ..draft }),
        next("root", "Another root", |draft| Draft { root: Some([9; 32]), ..draft }),
        next("no-record", "No record", |draft| Draft { leaves: Vec::new(), bodies: Vec::new(), ..draft }),
        next("body-missing", "A record without its body", |draft| Draft { bodies: Vec::new(), ..draft }),
        next("body-behind", "A body more than records", |mut draft| {
            draft.bodies.push(b"more".to_vec());
            draft
        }),
        bytes("byte-behind", "A byte behind the signature", |bytes| [bytes, vec![0]].concat()),
        bytes("cut", "The last byte missing", |bytes| bytes[..bytes.len() - 1].to_vec()),
        bytes("count", "A count that is greater than there are leaves", |bytes| {
            patched(&bytes, 32, &[0, 0, 0, 2])
        }),
        bytes("huge-count", "A count of 2³² − 1", |bytes| patched(&bytes, 32, &[0xff; 4])),
        bytes("huge-bodies", "A length of bodies of 2³² − 1", |bytes| patched(&bytes, 120, &[0xff; 4])),
        signed("recent-altered", "Copies that are no copies", |chest, mut draft| {
            draft.recent = chest.leaves[chest.leaves.len() - 2..].to_vec();
            draft.recent[0][24] ^= 1;
            draft.encode(&chest.signing.commit)
        }),
        signed("recent-not-last", "Copies that are not of the records just before", |chest, mut draft| {
            draft.recent = chest.leaves[1..3].to_vec();
            draft.encode(&chest.signing.commit)
        }),
    ]
}

/// Leaves that say something they cannot, in a commit that is signed as it should be.
fn leaves() -> Vec<KitFile> {
    let leaf = |name: &str, what: &str, at: usize, with: &[u8]| {
        let file = next(&format!("leaf-{name}"), what, |draft| draft.patch_leaf(at, with));
        file.with("at", at.to_string())
    };
    let mut files = vec![
        leaf("magic", "Another magic", 0, b"x"),
        leaf("format", "Format 2", 4, &[2]),
        leaf("suite", "Suite 0", 5, &[0]),
        leaf("kind-0", "Kind 0", 6, &[0, 0]),
        leaf("kind-20", "A kind that is not known", 6, &[0, 20]),
        leaf("flag", "A flag that has no meaning", 8, &[0, 4]),
        leaf("unsealed", "Said not to be sealed, and of a kind that is", 8, &[0, 1]),
        leaf("inner", "Said to have an inner layer, and of a kind without", 8, &[0, 2]),
        leaf("lane", "A lane", 10, &[0, 1]),
        leaf("position", "The second place in a commit of one", 12, &[0, 1]),
        leaf("reserved", "A reserved bit", 14, &[0, 1]),
        leaf("seq", "Another number", 16, &[0, 0, 0, 0, 0, 0, 0, 9]),
        leaf("time", "Earlier than the record before it", 24, &[0, 0, 1, 0, 0, 0, 0, 0]),
        leaf("previous", "It follows another record", 32, &[9; 32]),
        leaf("auxiliary", "An auxiliary field, and of a kind without", 96, &[1]),
        leaf("operation", "No operation", 128, &[0; 16]),
        leaf("epoch-0", "Signing epoch 0", 144, &[0; 4]),
        leaf("epoch-2", "The next signing epoch", 144, &[0, 0, 0, 2]),
        leaf("effect", "An effect, and of a kind without", 192, &[1]),
        leaf("state-root", "A state root, and of a kind without", 224, &[1]),
        leaf("reserved-end", "A reserved bit at its end", LEAF - 1, &[1]),
    ];
    let body = leaf("body", "Another body than the one in its commit", 160, &[9; 32]);
    files.push(body);
    files.iter_mut().for_each(|file| file.fields.retain(|(name, _)| name != "at"));
    files
}

/// What a record may be in its place.
fn shape() -> Vec<KitFile> {
    [shape_of_records(), shape_of_commits()].concat()
}

/// A log that goes on with what `make` adds to it.
fn going_on(name: &str, what: &str, make: fn(&mut Chest, &Case)) -> KitFile {
    let name = format!("log/{name}");
    let (chest, case, _) = base();
    let mut chest = chest.overlay(&name);
    make(&mut chest, &case);
    over_base(&name, "§5.2", what, &chest).expect("corrupt")
}

fn shape_of_records() -> Vec<KitFile> {
    vec![
        going_on("second-genesis", "A second Genesis", |chest, _| {
            let record = chest.genesis([9; 32]);
            chest.commit(vec![record]);
        }),
        going_on("case-missing", "A case closed, and none is named", |chest, case| {
            let record = turn(chest, case, 4, case.opened, case.effect);
            chest.commit(vec![Record { case: [0; 16], ..record }]);
        }),
        going_on("case-not-allowed", "A keyring record about a case", |chest, case| {
            let object = chest.keyring();
            let keyring = chest.put_keyring(object);
            let record = chest.keyring_change(4, keyring);
            chest.commit(vec![Record { case: case.id, ..record }]);
        }),
        going_on("effect-missing", "A case closed, without an effect", |chest, case| {
            let record = turn(chest, case, 4, case.opened, [0; 32]);
            chest.commit(vec![record]);
        }),
        going_on("named-missing", "A case closed that names no opening", |chest, case| {
            let record = turn(chest, case, 4, [0; 16], case.effect);
            chest.commit(vec![record]);
        }),
        going_on("ordinal-0", "A version stored with the ordinal 0", |chest, case| {
            let version = Version::inline(chest, case, b"acta");
            let head = version.head(&mut chest.dice);
            chest.put(head.name(&version.ids), head.bytes());
            let record = version.record(chest, &head);
            chest.commit(vec![Record { auxiliary: Vec::new(), ..record }]);
        }),
    ]
}

fn shape_of_commits() -> Vec<KitFile> {
    vec![
        going_on(
            "signing-keys-inside",
            "New signing keys that are not the last of their commit",
            |chest, _| {
                let records = vec![rotation(chest), chest.browsed()];
                chest.commit(records);
            },
        ),
        going_on("signed-by-old-keys", "Signed by keys that were replaced", |chest, _| {
            let record = rotation(chest);
            chest.commit(vec![record]);
            let record = chest.browsed();
            chest.commit(vec![record]);
        }),
        going_on("positions", "Two records of one commit, both in the first place", |chest, _| {
            let records = vec![chest.browsed(), chest.browsed()];
            let mut draft = chest.draft(records);
            draft.leaves[1][13] = 0;
            chest.push(draft);
        }),
        going_on(
            "broken-inside",
            "The second record of a commit follows another than the first",
            |chest, _| {
                let records = vec![chest.browsed(), chest.browsed()];
                let mut draft = chest.draft(records);
                draft.leaves[1][32] ^= 1;
                chest.push(draft);
            },
        ),
        going_on("misnamed", "A commit under another name, and the next that is listed", |chest, _| {
            let record = chest.browsed();
            let draft = chest.draft(vec![record]);
            let bytes = draft.encode(&chest.signing.commit);
            let previous = leaf_hash(chest.leaves.last().unwrap());
            chest
                .put(format!("log/{:016x}-{}", !(draft.first + 1), super::file::hex(&previous[..16])), bytes);
        }),
        going_on("commit-hidden", "The newest commit that the pin knows is not there", |chest, _| {
            let first = chest.leaves.len() as u64 - 1;
            let previous = &chest.leaves[chest.leaves.len() - 1][32..48];
            let name = format!("log/{:016x}-{}", !first, super::file::hex(previous));
            chest.objects.insert(name, None);
        })
        .expect("rolled-back"),
        going_on("commit-replaced", "An earlier commit in place of the newest", |chest, _| {
            let first = chest.leaves.len() as u64 - 1;
            let previous = &chest.leaves[chest.leaves.len() - 1][32..48];
            let name = format!("log/{:016x}-{}", !first, super::file::hex(previous));
            let earlier =
                base().0.objects.into_iter().rev().find(|(key, _)| key.starts_with("log/")).unwrap().1;
            chest.objects.insert(name, earlier);
        }),
    ]
}
