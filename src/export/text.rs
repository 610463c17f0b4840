//! Text: one line of English a record, for people.

use crate::{
    ids::Hex,
    log::{commit::Hashed, leaf::Kind, record::AuditRecord},
    text::json_string as string,
};

/// A record's line.
pub(super) fn record(record: &Hashed, opened: &AuditRecord) -> String {
    let AuditRecord { seq, time, operation, .. } = opened;
    let who = if opened.actor.is_empty() { "nobody yet".to_owned() } else { string(&opened.actor) };
    let purpose = match opened.purpose.as_str() {
        "" => String::new(),
        purpose => format!(" For: {}.", string(purpose)),
    };
    let request = opened.request.as_deref().map(|request| format!(" Request: {}.", string(request)));
    format!(
        "Record {seq}, {time}, by {who}: {}.{purpose}{} Operation {operation}, signing epoch {}, leaf hash {}.\n",
        what(opened),
        request.unwrap_or_default(),
        record.leaf.key_epoch,
        Hex(&record.hash)
    )
}

/// The last paragraph.
pub(super) fn checkpoint(note: &str) -> String {
    format!("\nThese are all records that the following checkpoint covers.\n\n{note}")
}

fn what(opened: &AuditRecord) -> String {
    let subject = match (opened.document, opened.case) {
        (Some(document), _) => format!(" document {document}"),
        (None, Some(case)) => format!(" case {case}"),
        (None, None) => String::new(),
    };
    let version = match (opened.kind, opened.version) {
        (Kind::Stored, Some(version)) => format!(", replacing version {version}"),
        (_, Some(version)) => format!(", version {version}"),
        (_, None) => String::new(),
    };
    let topic = opened.topic.as_deref().map(|topic| format!(", on {}", string(topic))).unwrap_or_default();
    format!("{}{subject}{version}{topic}", verb(opened.kind))
}

/// What was done, before what it was done to.
const fn verb(kind: Kind) -> &'static str {
    match kind {
        Kind::Genesis => "the vault was created",
        Kind::Keyring => "the keyring was changed",
        Kind::CaseOpened => "opened",
        Kind::CaseClosed => "closed",
        Kind::CaseReopened => "reopened",
        Kind::Stored => "stored a version of",
        Kind::Read => "was given content of",
        Kind::Browsed => "was shown names and metadata:",
        Kind::UploadAnnounced => "announced an upload to",
        Kind::Condemned => "gave up an abandoned operation in",
        Kind::Granted => "granted access to",
        Kind::Delivered => "released a delivery of",
        Kind::Revoked => "revoked a grant of",
        Kind::Index => "the index was brought up to date",
        Kind::SigningKeys => "the keys that sign the log were replaced",
        Kind::LogRead => "was given records of the log",
        Kind::Checkpointed => "kept a checkpoint",
        Kind::CaseErased => "erased",
        Kind::Stated => "put a statement on record about",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{body::Outer, leaf::tests::sample};

    #[test]
    fn a_line_says_what_was_done_by_whom_and_what_for() {
        let record_ = Hashed::new(sample(9, [8; 32]));
        let outer = |actor: &str, request: Option<&str>| Outer {
            actor: actor.into(),
            purpose: "credit\nRecord 10".into(),
            request: request.map(str::to_owned),
            details: Vec::new(),
        };
        let line = record(&record_, &AuditRecord::new(&record_.leaf, outer("user:1", Some("r"))));
        let ids = ["01", "02", "03", "04"].map(|byte| byte.repeat(16));
        let [case, own, replaced, operation] = &ids;
        assert_eq!(
            line,
            format!(
                "Record 9, 1970-01-01T00:00:01.009Z, by \"user:1\": stored a version of document {case}{own}, \
                 replacing version {replaced}. For: \"credit\\nRecord 10\". Request: \"r\". \
                 Operation {operation}, signing epoch 1, leaf hash {}.\n",
                Hex(&record_.hash)
            )
        );
    }
}
