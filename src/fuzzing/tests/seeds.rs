//! What no vector gives, and the parsers of it.

use super::*;
use crate::{
    keys::{Bounds, KeyWrap, Passphrase, PassphraseSlot},
    log::{
        body,
        commit::Hashed,
        kept::TimeToken,
        leaf::{BodyForm, LEAF_LEN},
        tile::{BUNDLE_LEN, TILE_LEN, Tile},
        topic::topic,
    },
    padding,
    plan::Said,
    receipt::Receipt,
    secret::SecretBytes,
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
        ("receipt", "receipt", parse_text(Receipt::parse)),
        ("receipt that opens", "receipt", parse_text(|text| says(text, "opening: true"))),
        ("receipt with actor", "receipt", parse_text(|text| says(text, "disclosure: true"))),
        ("witness request", "request", parse_text(WitnessRequest::parse)),
    ];
    #[cfg(feature = "intake")]
    others.extend([
        ("template", "template", parse_text(crate::intake::Template::from_toml)),
        ("template in JSON", "template", parse_text(crate::intake::Template::from_json)),
    ]);
    others
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
    seeds.extend(sealed(samples).await);
    #[cfg(feature = "intake")]
    {
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
            TILE_LEN => found.push(("tile", bytes[..8 * 32].to_vec())),
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
