//! What a reader must find in the story's vault.

use std::collections::BTreeMap;

use docvault::AuditRecord;
use serde_json::{Value, json};

use super::{Story, hex};

impl Story {
    pub(super) async fn expected(&self) -> Value {
        let cases: BTreeMap<String, Value> = self
            .cases
            .iter()
            .map(|(id, case)| {
                let mut case = case.clone();
                case["documents"] = self
                    .documents
                    .iter()
                    .filter(|(document, _)| document.case() == *id)
                    .map(|(document, versions)| (hex(document.own()), json!(versions)))
                    .collect();
                case["grants"] = json!(self.grants.get(id).cloned().unwrap_or_default());
                (id.to_string(), case)
            })
            .collect();
        let records = self.records().await;
        json!({
            "vault": self.vault.id().to_string(), "sender": self.vault.sender().fingerprint().to_string(),
            "records": records.len(), "cases": cases,
            "audit": records.iter().map(audited).collect::<Vec<_>>(),
        })
    }

    /// Every record, those of this reading included.
    pub(super) async fn records(&self) -> Vec<AuditRecord> {
        let mut records = Vec::new();
        loop {
            let changes =
                self.desk.auditor().changes_since(u64::try_from(records.len()).unwrap()).await.unwrap();
            if changes.records.is_empty() {
                return records;
            }
            records.extend(changes.records);
        }
    }
}

fn audited(record: &AuditRecord) -> Value {
    json!({
        "seq": record.seq, "time": record.time.as_millis(), "kind": format!("{:?}", record.kind),
        "operation": record.operation.to_string(),
        "case": record.case.map_or("0".repeat(32), |case| case.to_string()),
        "actor": record.actor, "purpose": record.purpose, "request": record.request,
    })
}
