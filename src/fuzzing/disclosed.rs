//! What was done to an honest disclosure.

use std::sync::LazyLock;

use crate::{
    disclosure::{Disclosed, Disclosure},
    env::Zeros,
    log::commit::Hashed,
    receipt::fuzzing::{AUDIT, VAULT, alter, record},
    secret::Secret,
    text::{base64, parse_base64},
};

static HONEST: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let (leaf, sealed) = record(6, &Zeros);
    let disclosure = Disclosure::new(VAULT, &Secret::take(AUDIT), &Hashed::new(leaf), &sealed.body);
    let text = disclosure.expect("an honest record").to_text();
    text.strip_prefix(FAMILY).and_then(parse_base64).expect("base 64")
});

static SAYS: LazyLock<String> = LazyLock::new(|| says(&opened(&HONEST).flatten().expect("opens")));

/// Behind a byte that begins no text, six bytes are a step: it opens exactly if it parses and what the body is sealed to is the same, and then says the same.
pub(super) fn altered(data: &[u8]) {
    let Some((255, steps)) = data.split_first() else { return };
    let mut bytes = HONEST.clone();
    for [what, how, at @ .., from, some] in steps.as_chunks::<6>().0.iter().take(16) {
        let at = usize::from(u16::from_be_bytes(*at));
        alter(&mut bytes, [*what, *how], at, usize::from(*from) * 3, usize::from(*some));
    }
    let Some(opened) = opened(&bytes) else { return };
    assert_eq!(opened.is_some(), bound(&bytes) == bound(&HONEST));
    assert!(opened.is_none_or(|opened| says(&opened) == *SAYS));
}

/// What is in it, if it parses.
fn opened(bytes: &[u8]) -> Option<Option<Disclosed>> {
    let text = format!("{FAMILY}{}", base64(bytes));
    let disclosure = Disclosure::parse(&text).ok()?;
    assert_eq!(disclosure.to_text(), text);
    Some(disclosure.open().ok())
}

// FORMAT §5.4, §9.3: the context of the outer layer has vault, kind, case, object and operation.
/// These, the body's commitment, the key and the body.
fn bound(bytes: &[u8]) -> [Option<&[u8]>; 6] {
    let leaf = bytes.get(24..304).unwrap_or_default();
    let of_leaf = [6..10, 64..96, 128..144, 160..192].map(|field| leaf.get(field));
    let [kind, object, operation, commitment] = of_leaf;
    [bytes.get(8..24), kind, object, operation, commitment, bytes.get(304..)]
}

/// All that the sealed body and what it is bound to say.
fn says(disclosed: &Disclosed) -> String {
    let Disclosed { vault, record, details, .. } = disclosed;
    let (by, on) = ((&record.actor, &record.purpose, &record.request), (record.case, record.document));
    format!("{vault:?} {by:?} {on:?} {:?} {:?} {details:?}", record.kind, record.operation)
}

const FAMILY: &str = "docvault-disclosure-1 ";
