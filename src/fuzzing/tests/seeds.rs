//! What no vector gives, and the parsers of it.

use super::*;
use crate::{
    env::Zeros,
    keyring::{Keyring, slot},
    keys::{Bounds, KeyWrap, Passphrase, PassphraseSlot, SlotKind},
    log::{
        body::{self, Outer},
        commit::{Draft, Hashed},
        kept::TimeToken,
        leaf::{BodyForm, Kind, LEAF_LEN},
        merkle::Frontier,
        page::PAGE_ITEMS,
        proof::consistency_ranges,
        request::WitnessRequest,
        tile::{BUNDLE_LEN, TILE_LEN, Tile},
        topic::topic,
    },
    padding,
    plan::Said,
    receipt::Receipt,
    secret::SecretBytes,
    transfer::{read_draft, write_draft},
};

fn parse_text<T, E>(parse: impl Fn(&str) -> Result<T, E> + 'static) -> Parser {
    Box::new(move |data| core::str::from_utf8(data).is_ok_and(|text| parse(text).is_ok()))
}

/// What there is besides, of which one may well parse as another: a receipt has a note, and a checkpoint is one.
/// With the target that parses it.
pub(super) fn others() -> Vec<(&'static str, &'static str, Parser)> {
    #[cfg_attr(not(feature = "intake"), allow(unused_mut, reason = "only that adds to them"))]
    let mut others: Vec<(&'static str, &'static str, Parser)> = vec![
        ("kept checkpoint", "token", Box::new(|data| Kept::parse(&Bytes::copy_from_slice(data)).is_ok())),
        ("recipient", "delivery", Box::new(|data| recipient(data).is_some())),
        ("sender", "delivery", Box::new(|data| sender(data).is_some())),
        ("tile", "index", Box::new(|data| Tile::parse(data, 8).is_ok())),
        ("full tile", "index", Box::new(|data| Tile::parse(data, 256).is_ok())),
        ("full page", "index", Box::new(|data| page_items(data) == PAGE_ITEMS)),
        ("commit of 64 records", "segment", Box::new(|data| commit_len(data) == 64)),
        ("keyring of two slots", "keyring", Box::new(|data| slots(data) == 2)),
        ("draft", "token", Box::new(|data| read_draft(&padding::pad(data)).is_ok())),
        ("entries of a bundle", "index", Box::new(|data| within::bundle(&within::whole_bundle(data)))),
        ("body", "record", Box::new(|data| body::parse(data).is_ok())),
        ("statement of somebody", "record", Box::new(|data| Said::parse(data).is_ok())),
        ("topic", "record", Box::new(|data| topic(data).is_ok())),
        ("padded body", "record", Box::new(|data| padding::unpad(data).is_ok_and(|body| !body.is_empty()))),
        (
            "keys",
            "keyring",
            Box::new(|data| within::contents(data).is_ok_and(|keys| !keys.labels.is_empty())),
        ),
        ("passphrase slot", "keyring", Box::new(|data| PassphraseSlot::parse(data).is_ok())),
        ("disclosure", "text", parse_text(|text| Disclosure::parse(text)?.open())),
        ("note", "note", parse_text(|text| Note::parse(text).map(drop))),
        ("verifier key", "note", parse_text(str::parse::<VerifierKey>)),
        ("trust policy", "trust", parse_text(TrustPolicy::parse)),
        ("policy of witnesses", "trust", Box::new(|data| quorum::policy(data).is_some())),
        ("receipt", "receipt", parse_text(Receipt::parse)),
        ("receipt that opens", "receipt", parse_text(|text| says(text, "opening: true"))),
        ("receipt with actor", "receipt", parse_text(|text| says(text, "disclosure: true"))),
        ("witness request", "request", parse_text(WitnessRequest::parse)),
        ("request of a log that grew", "request", parse_text(grew)),
    ];
    #[cfg(feature = "intake")]
    {
        let parser = |parses: crate::deposit::fuzzing::Parses| -> Parser { Box::new(parses) };
        others.extend([
            ("template", "template", parse_text(crate::intake::Template::from_toml)),
            ("template in JSON", "template", parse_text(crate::intake::Template::from_json)),
            ("export", "text", parser(export::is_export)),
            ("records of an export", "text", parser(|data| export::honest(data).is_some())),
        ]);
        let within = crate::deposit::fuzzing::WITHIN;
        others.extend(within.map(|(artefact, target, parses)| (artefact, target, parser(parses))));
    }
    others
}

fn page_items(data: &[u8]) -> usize {
    let page = Page::parse(data);
    page.map_or(0, |page| match page {
        Page::Rows(rows) => rows.len(),
        Page::Inner { children, .. } => children.len(),
    })
}

fn commit_len(data: &[u8]) -> usize {
    Commit::parse(VAULT, &Bytes::copy_from_slice(data)).map_or(0, |commit| commit.leaves.len())
}

fn slots(data: &[u8]) -> usize {
    SealedKeyring::parse(VAULT, data).map_or(0, |keyring| keyring.slots().count())
}

/// A request whose proof leads from a tree that has leaves to a larger one.
fn grew(text: &str) -> Result<(), ()> {
    let request = WitnessRequest::parse(text).map_err(drop)?;
    (request.old > 0 && !request.proof.is_empty() && consistency::leads(&request).is_some())
        .then_some(())
        .ok_or(())
}

/// A receipt that has this in it.
fn says(text: &str, what: &str) -> Result<(), ()> {
    let receipt = Receipt::parse(text).map_err(drop)?;
    format!("{receipt:?}").contains(what).then_some(()).ok_or(())
}

/// Those that no vector gives, and whose corpora are of the same format.
pub(super) async fn seeds(samples: &Samples) -> Vec<(&'static str, Vec<u8>)> {
    let note = samples.vault.audit().checkpoint().await.expect("signed");
    let token = TimeToken { authority: "clock".to_owned(), token: Bytes::from_static(b"token") };
    let receipt = samples.desk.receipt(1, &note).await.expect("a receipt").to_string();
    let stored = samples.desk.describe(samples.document).await.expect("described").seq;
    let opens = samples.desk.receipt(stored, &note).await.expect("a receipt").to_string();
    let actor = samples.desk.receipt_with_actor(1, &note).await.expect("a receipt").to_string();
    let disclosure = samples.desk.auditor().disclose(1).await.expect("disclosed").to_text();
    #[cfg_attr(not(feature = "intake"), allow(unused_mut, reason = "only that adds to them"))]
    let mut seeds = vec![
        ("kept checkpoint", Kept { note, tokens: vec![token] }.encode().to_vec()),
        ("recipient", Identity::from_seed(Secret::take([1; 32])).recipient_bytes()),
        ("sender", samples.vault.sender().to_bytes()),
        ("disclosure", disclosure.into()),
        ("receipt", receipt.into()),
        ("receipt that opens", opens.into()),
        ("receipt with actor", actor.into()),
    ];
    seeds.extend(of_the_tree(samples).await);
    seeds.extend(larger());
    seeds.extend(sealed(samples).await);
    #[cfg(feature = "intake")]
    {
        let records = records_of_an_export();
        seeds.push(("export", export::honest(&records).expect("honest").into()));
        seeds.push(("records of an export", records));
        seeds.extend(crate::deposit::fuzzing::within());
        let template = std::fs::read_to_string(corpus("template").join("club.toml")).expect("a seed");
        let template = crate::intake::Template::from_toml(&template).expect("a template");
        seeds.push(("template in JSON", template.to_canonical_json().into()));
    }
    seeds
}

/// A tile and a bundle of the log, as much of them as it takes.
async fn of_the_tree(samples: &Samples) -> Vec<(&'static str, Vec<u8>)> {
    let mut found = Vec::new();
    for key in samples.storage.list(layout::TILES, None, 1000).await.expect("listed") {
        let bytes = samples.storage.read(&key, None).await.expect("read").expect("there").to_vec();
        match bytes.len() {
            TILE_LEN => found.extend([("tile", bytes[..8 * 32].to_vec()), ("full tile", bytes)]),
            BUNDLE_LEN => found.push(("entries of a bundle", bytes[..3 * (2 + LEAF_LEN)].to_vec())),
            _ => {}
        }
    }
    found
}

/// What is sealed in a record and in the keyring, and a passphrase's slot.
async fn sealed(samples: &Samples) -> Vec<(&'static str, Vec<u8>)> {
    let body = personal_body(samples).await;
    let said = Said {
        blind: [1; 32],
        digest: None,
        claim: b"claim".to_vec(),
        payload: SecretBytes::new(b"{}".to_vec()),
    };
    let mut topic = Writer::new();
    topic.text("approved");
    let mut bounds = Bounds::default();
    (bounds.min_memory_kib, bounds.min_passes) = (8, 1);
    let passphrase = Passphrase::new("correct horse").bounds(bounds).cost(8, 1, 1);
    let slot = passphrase.wrap(&[1; 32], &Secret::take([2; 32])).await.expect("wraps");
    vec![
        ("padded body", padding::pad(&body).to_vec()),
        ("body", body),
        ("statement of somebody", said.encode().to_vec()),
        ("topic", topic.into_vec()),
        ("keys", samples.vault.keyring().keys.contents().to_vec()),
        ("passphrase slot", slot),
    ]
}

/// The outer layer of a record that has something personal.
async fn personal_body(samples: &Samples) -> Vec<u8> {
    for key in samples.storage.list(layout::LOG, None, 1000).await.expect("listed") {
        let bytes = samples.storage.read(&key, None).await.expect("read").expect("there");
        let commit = Commit::parse(samples.vault.id(), &bytes).expect("parses");
        let layered = |record: &Hashed| record.leaf.form == BodyForm::Layered;
        let Some(at) = commit.leaves.iter().position(layered) else { continue };
        let (leaf, sealed) = (&commit.leaves[at].leaf, commit.body(at).expect("a body"));
        let opened = body::open(samples.vault.id(), leaf, &samples.vault.keyring().keys.audit, sealed);
        let (outer, inner) = opened.expect("opens");
        return body::encode(&outer, inner.sealed()).as_slice().to_vec();
    }
    panic!("no record has anything personal");
}

/// What no vault of a test has, and what is made of fixed keys.
fn larger() -> Vec<(&'static str, Vec<u8>)> {
    let policy = "log L0\nlog L1 https://log.example\nwitness a W0\nwitness b W1\nwitness c W2\nwitness d M1\n\
                  group g 2 a b c\ngroup h any d g\nquorum h\n";
    let reason = Some("mended");
    let new = NewDocument::named("name").media_type("text/plain").attribute("a", "b");
    vec![
        ("full page", full_page().encode()),
        ("commit of 64 records", commit_of(64)),
        ("keyring of two slots", keyring_of(2)),
        ("draft", write_draft(&new, reason, &[]).into_vec()),
        ("policy of witnesses", [&[0, 3, 4], policy.as_bytes()].concat()),
        ("request of a log that grew", request_from(3, 7).to_string().into()),
    ]
}

fn full_page() -> Page {
    let (leaf, _) = crate::receipt::fuzzing::record(6, &Zeros);
    let hash = Hashed::new(leaf.clone()).hash;
    let row = |number: usize| {
        let document = u8::try_from(number).expect("a byte");
        Row {
            key: RowKey::document(DocumentId::new(leaf.case, [document; 16])),
            seq: leaf.seq,
            kind: leaf.kind,
            time: leaf.time,
            operation: leaf.operation,
            auxiliary: leaf.auxiliary,
            effect: leaf.effect,
            leaf: hash,
            position: 0,
            commit_previous: [8; 16],
        }
    };
    Page::Rows((0..PAGE_ITEMS).map(row).collect())
}

/// As [`chained::records`] takes them.
fn in_a_row(records: &[(Leaf, Vec<u8>)]) -> Vec<u8> {
    let mut bodies = Writer::new();
    records.iter().for_each(|(_, body)| {
        bodies.bytes(body);
    });
    let mut w = Writer::new();
    w.fixed(&[0; 24]).u64(1).u32(u32::try_from(records.len()).expect("few")).u32(0).fixed(&[0; 80]);
    w.u32(u32::try_from(bodies.as_slice().len()).expect("short"));
    records.iter().for_each(|(leaf, _)| {
        w.fixed(&leaf.encode());
    });
    w.fixed(bodies.as_slice());
    w.into_vec()
}

fn commit_of(records: usize) -> Vec<u8> {
    let record = |_| (crate::receipt::fuzzing::record(6, &Zeros).0, b"body".to_vec());
    let (_, entries) =
        chained::records(&in_a_row(&(0..records).map(record).collect::<Vec<_>>())).expect("few");
    let before = Frontier::default();
    let draft = Draft { vault: VAULT, before: &before, recent: &[], entries, nonce: [3; 16] };
    draft.seal(&SigningKey::from_seed(Secret::take([7; 32]))).expect("few").bytes.to_vec()
}

fn keyring_of(slots: u8) -> Vec<u8> {
    let mut keyring = Keyring::generate(&Zeros).expect("zeros");
    for id in 0..slots {
        let slot = slot([id; 16], SlotKind::Local, &Secret::take([7; 32]), vec![3; 104]);
        keyring.add_slot(slot, format!("desk {id}")).expect("no slot has its id");
    }
    keyring.seal(VAULT, &Zeros).expect("zeros").to_vec()
}

fn request_from(old: u64, new: u64) -> WitnessRequest {
    let proof = (0u8..).zip(consistency_ranges(old, new)).map(|(byte, _)| [byte; 32]).collect();
    let note = Checkpoint::new("example.com/vault", new, [1; 32]).expect("an origin");
    let note = note.sign(&SigningKey::from_seed(Secret::take([100; 32])));
    WitnessRequest::new(old, proof, note).expect("a short proof")
}

/// A document that was stored, a statement, and a look at the log, with no step behind.
#[cfg(feature = "intake")]
fn records_of_an_export() -> Vec<u8> {
    let (stored, _) = crate::receipt::fuzzing::record(6, &Zeros);
    let stated = Leaf { kind: Kind::Stated, object: [0; 16], auxiliary: [0; 32], ..stored.clone() };
    let read = Leaf {
        kind: Kind::LogRead,
        form: BodyForm::Outer,
        case: CaseId::from_bytes([0; 16]),
        effect: [0; 32],
        ..stated.clone()
    };
    let mut topic = Writer::new();
    topic.text("approved");
    let said = |request: Option<&str>, details: &[u8]| {
        let request = request.map(str::to_owned);
        let (actor, purpose) = ("user:7f3a".to_owned(), "credit \"review\"\n".to_owned());
        body::encode(&Outer { actor, purpose, request, details: details.to_vec() }, &[]).into_vec()
    };
    let records =
        [(stored, said(Some("r-1"), &[])), (stated, said(None, topic.as_slice())), (read, said(None, &[]))];
    [&[0], in_a_row(&records).as_slice()].concat()
}
