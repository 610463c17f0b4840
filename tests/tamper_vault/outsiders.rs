//! What a vault gives to those who have no key: keys to verify with, receipts, the exported log.

use std::sync::Arc;

use docvault::{LogReader, Receipt, verify_exported_records};

use super::{
    fault::Fault,
    overlay::Overlay,
    questions::{Answer, Facts, desk, digest, fact},
    template::Template,
};

pub(super) async fn signing_keys(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let log = LogReader::open(storage, &template.pins[1]).await?;
    Ok(log.verifier_keys().await?.iter().map(ToString::to_string).collect())
}

/// Of each version of a document and each statement, with who made it, verified as an outsider does.
pub(super) async fn receipts(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let desk = desk(template, storage).await?;
    let versions = desk.history(template.papers.small).await?;
    let statements = desk.statements(template.case, None).await?.statements;
    let stored = versions.iter().map(|version| version.described.seq);
    let note = desk.vault().audit().checkpoint().await?;
    let mut all = Facts::new();
    for seq in stored.chain(statements.iter().map(|statement| statement.made.seq)) {
        let text = desk.receipt_with_actor(seq, &note).await?.to_string();
        let verified = Receipt::parse(&text).and_then(|receipt| receipt.verify(&template.office.policy));
        let proven = verified.map_err(|error| Fault(format!("{error:?}")))?;
        let record = fact((proven.record, proven.time, proven.kind, proven.operation, proven.case));
        all.push(record + &fact((proven.version, proven.content, proven.claim, proven.disclosed)));
    }
    Ok(all)
}

/// All records up to the pin, after the whole export has been verified.
pub(super) async fn export(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let desk = desk(template, storage).await?;
    let mut exported = Vec::new();
    desk.export_records(&mut exported).await?;
    let log = LogReader::open(template.overlay(), &template.pins[1]).await?;
    let (origin, key) = log.checkpoint_key().await?;
    verify_exported_records(exported.as_slice(), &origin, &key)?;
    let size = template.pins[1].size() as usize;
    Ok(exported.split(|byte| *byte == b'\n').take(size).map(digest).collect())
}
