//! JSON Lines: one object a record, the checkpoint last (FORMAT §9.4).

use super::json::{optional, string};
use crate::{
    ids::Hex,
    log::{commit::Hashed, leaf::LEAF_LEN, record::AuditRecord},
    text::base64,
};

/// A record's line.
pub(super) fn record(record: &Hashed, opened: &AuditRecord) -> String {
    let AuditRecord { actor, purpose, request, topic, .. } = opened;
    format!(
        "{},\"actor\":{},\"purpose\":{},\"request\":{},\"topic\":{}{}",
        start(record, opened),
        string(actor),
        string(purpose),
        optional(request.as_deref()),
        optional(topic.as_deref()),
        end(record)
    )
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
}
