//! The case's records, for programs and for people (FORMAT §13.2).

use serde::{Deserialize, Serialize};

use super::{
    error::{BundleFault, Result},
    names,
};
use crate::{
    AuditRecord, CaseId, DocumentId, Kind, OperationId, Timestamp, VerifiedReceipt, VersionId,
    intake::Claimed, quoted,
};

/// A record, as far as auditors see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) seq: u64,
    time: Timestamp,
    kind: String,
    case: Option<CaseId>,
    document: Option<DocumentId>,
    version: Option<VersionId>,
    operation: OperationId,
    actor: String,
    purpose: String,
    request: Option<String>,
    topic: Option<String>,
}

impl Line {
    pub(super) fn of(record: AuditRecord) -> Self {
        Self {
            seq: record.seq,
            time: record.time,
            kind: record.kind.name().to_owned(),
            case: record.case,
            document: record.document,
            version: record.version,
            operation: record.operation,
            actor: record.actor,
            purpose: record.purpose,
            request: record.request,
            topic: record.topic,
        }
    }

    /// Whether it says of a record what its receipt proves.
    pub(super) fn is_of(&self, receipt: &VerifiedReceipt) -> bool {
        let record = (self.seq, self.time, self.operation, self.kind.as_str());
        record == (receipt.record, receipt.time, receipt.operation, receipt.kind.name())
            && self.document == receipt.document
    }

    /// Whether it is the line of a statement that says this.
    pub(super) fn states(&self, says: &Claimed) -> bool {
        self.actor == says.by && self.is_on(says.statement.topic())
    }

    pub(super) fn is_on(&self, topic: &str) -> bool {
        self.topic.as_deref() == Some(topic)
    }

    /// Whether kind and topic are what a log can have: they are printed as they are, before people's terminals.
    fn is_of_a_log(&self) -> bool {
        Kind::from_name(&self.kind).is_some() && self.topic.as_deref().is_none_or(is_topic)
    }

    /// A line of English; what the application wrote is quoted and escaped.
    fn text(&self) -> String {
        let Self { seq, time, kind, .. } = self;
        let (actor, purpose) = (quoted(&self.actor), quoted(&self.purpose));
        let topic = self.topic.as_ref().map(|topic| format!(" ({topic})")).unwrap_or_default();
        let document = self.document.map(|document| format!(" of document {document}")).unwrap_or_default();
        format!("{time}  record {seq}: {kind}{topic}{document}, by {actor}, for {purpose}\n")
    }
}

pub(super) fn jsonl(lines: &[Line]) -> String {
    let line = |line| serde_json::to_string(line).expect("structs of texts are JSON") + "\n";
    lines.iter().map(line).collect()
}

pub(super) fn text(lines: &[Line]) -> String {
    lines.iter().map(Line::text).collect()
}

/// Reads lines that are written exactly as [`jsonl`] does, of one case and in order.
pub(super) fn parse(text: &[u8], case: CaseId) -> Result<Vec<Line>> {
    let malformed = |why| BundleFault::Malformed(why).at(names::LOG);
    let lines: Result<Vec<Line>, _> =
        serde_json::Deserializer::from_slice(text).into_iter::<Line>().collect();
    let lines = lines.map_err(|_| malformed("a line is no record"))?;
    let ascending = lines.is_sorted_by(|one, next| one.seq < next.seq && one.time <= next.time);
    if !ascending || lines.iter().any(|line| line.case != Some(case)) || jsonl(&lines).as_bytes() != text {
        return Err(malformed("these are not the records of one case, in order"));
    }
    if !lines.iter().all(Line::is_of_a_log) {
        return Err(malformed("a record is of a kind or a topic that no log has"));
    }
    Ok(lines)
}

/// As the topic of a statement must be (FORMAT §5.4).
fn is_topic(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_people_is_that_of_the_format() {
        let line = Line {
            seq: 7,
            time: Timestamp::from_millis(1_790_500_000_123),
            kind: "Stated".to_owned(),
            case: None,
            document: None,
            version: None,
            operation: OperationId::from_bytes([1; 16]),
            actor: "user:\u{1b}7".to_owned(),
            purpose: "it's\n".to_owned(),
            request: None,
            topic: Some("intake.opened".to_owned()),
        };
        let expected = "2026-09-27T09:06:40.123Z  record 7: Stated (intake.opened), by \"user:\\u001b7\", for \"it's\\n\"\n";
        assert_eq!(text(core::slice::from_ref(&line)), expected);
        let document: DocumentId = "0a".repeat(32).parse().unwrap();
        let read = Line { kind: "Read".to_owned(), topic: None, document: Some(document), ..line };
        assert!(
            read.text().contains(&format!("record 7: Read of document {}, by ", "0a".repeat(32))),
            "{}",
            read.text()
        );
    }
}
