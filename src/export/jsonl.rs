//! JSON Lines: one object a record, the checkpoint last (FORMAT §9.4).

use super::json::{self, optional};
use crate::{
    ids::Hex,
    log::{
        commit::Hashed,
        leaf::{Kind, LEAF_LEN},
        record::AuditRecord,
        topic::is_topic,
    },
    text::{base64, json_string as string},
};

/// A record's line.
pub(super) fn record(record: &Hashed, opened: &AuditRecord) -> String {
    let AuditRecord { actor, purpose, request, topic, .. } = opened;
    let sealed = [Some(actor.as_str()), Some(purpose), request.as_deref(), topic.as_deref()];
    [start(record, opened), middle(sealed), end(record)].concat()
}

/// What the leaf only commits to: actor, purpose, request and topic.
fn middle(sealed: [Option<&str>; 4]) -> String {
    let member = |(name, text): (&str, Option<&str>)| format!(",\"{name}\":{}", optional(text));
    MIDDLE.into_iter().zip(sealed).map(member).collect()
}

/// Whether this is what a line of a record of this kind can have in its middle, written in the one way: to who reads the
/// line as JSON, a member that is there twice would say what its last one does.
pub(super) fn is_middle(text: &str, kind: Kind) -> bool {
    let (mut rest, mut sealed) = (text, Vec::new());
    for name in MIDDLE {
        let Some(value) = rest.strip_prefix(&format!(",\"{name}\":")) else { return false };
        let Ok((text, after)) = json::take_optional(value) else { return false };
        sealed.push(text);
        rest = after;
    }
    let [Some(actor), Some(purpose), request, topic] = sealed.as_slice() else { return false };
    let nobody = actor.is_empty() && purpose.is_empty() && request.is_none();
    let about =
        topic.as_deref().map_or(kind != Kind::Stated, |topic| kind == Kind::Stated && is_topic(topic));
    rest.is_empty() && about && (nobody || kind != Kind::Genesis)
}

/// What a line begins with; the leaf alone tells it.
pub(super) fn start(record: &Hashed, opened: &AuditRecord) -> String {
    let id = |id: Option<String>| optional(id.as_deref());
    format!(
        "{{\"seq\":{},\"time\":\"{}\",\"kind\":\"{}\",\"case\":{},\"document\":{},\"version\":{},\
         \"operation\":\"{}\",\"signing_epoch\":{}",
        opened.seq,
        opened.time,
        opened.kind.name(),
        id(opened.case.map(|case| case.to_string())),
        id(opened.document.map(|document| document.to_string())),
        id(opened.version.map(|version| version.to_string())),
        opened.operation,
        record.leaf.key_epoch
    )
}

/// What a line ends with: the leaf and its hash.
pub(super) fn end(record: &Hashed) -> String {
    format!(",\"leaf\":\"{}\",\"leaf_hash\":\"{}\"}}\n", base64(&record.encoded), Hex(&record.hash))
}

/// The last line.
pub(super) fn checkpoint(note: &str) -> String {
    format!("{{\"checkpoint\":{}}}\n", string(note))
}

/// Members of [`middle`].
const MIDDLE: [&str; 4] = ["actor", "purpose", "request", "topic"];
/// Length of [`end`].
pub(super) const END_LEN: usize = 9 + BASE64_LEN + 15 + 64 + 3;
/// Where the leaf stands in it.
pub(super) const LEAF_AT: core::ops::Range<usize> = 9..9 + BASE64_LEN;
const BASE64_LEN: usize = LEAF_LEN.div_ceil(3) * 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::leaf::tests::sample;

    #[test]
    fn the_end_of_a_line_has_its_length_and_the_leaf_its_place() {
        let record = Hashed::new(sample(9, [8; 32]));
        let end = end(&record);
        assert_eq!(end.len(), END_LEN);
        assert_eq!(end[LEAF_AT], base64(&record.encoded));
    }

    #[test]
    fn a_line_has_what_its_kind_has_in_its_middle() {
        let is = |sealed, kind| is_middle(&middle(sealed), kind);
        let (by, why, re) = (Some("user:7\\"), Some("\\\"\\\\\""), Some("r-1"));
        assert!(is([by, why, re, None], Kind::Stored) && is([by, why, None, None], Kind::Stored));
        assert!(is([by, why, None, Some("a.topic-1")], Kind::Stated));
        assert!(is([Some(""), Some(""), None, None], Kind::Genesis));
        for (sealed, kind) in [
            ([None, why, re, None], Kind::Stored),
            ([by, None, re, None], Kind::Stored),
            ([by, why, None, None], Kind::Stated),
            ([by, why, None, Some("")], Kind::Stated),
            ([by, why, None, Some("A topic")], Kind::Stated),
            ([by, why, None, Some("a.topic-1")], Kind::Stored),
            ([by, Some(""), None, None], Kind::Genesis),
            ([Some(""), why, None, None], Kind::Genesis),
            ([Some(""), Some(""), re, None], Kind::Genesis),
        ] {
            assert!(!is(sealed, kind), "{sealed:?} of {kind:?}");
        }
        let whole = middle([by, why, re, None]);
        for other in [format!("{whole},\"topic\":null"), whole.replace("\\\\", "\\")] {
            assert!(!is_middle(&other, Kind::Stored), "{other}");
        }
    }
}
