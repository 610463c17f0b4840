//! Receipts from the story's vault, under a checkpoint that two witnesses have cosigned.

use std::{fs, path::PathBuf};

use docvault::{AuditRecord, Kind, MemoryWitnessStore, Receipt, TrustPolicy, Witness, WitnessKey};
use serde_json::{Value, json};

use super::Story;

/// Names by which the policy knows its witnesses.
const WITNESSES: [&str; 2] = ["ana", "beto"];

impl Story {
    /// Writes `policy` and a receipt of a record of each kind; gives the receipts' files, and what a reader must
    /// find in each. Of every other one, the record's body comes with it.
    pub(crate) async fn receipts(&self) -> Vec<(PathBuf, Value)> {
        let records = self.records().await;
        let (policy, note) = self.cosigned().await;
        fs::write(self.at("policy"), policy.to_string()).unwrap();
        let mut receipts = Vec::new();
        for record in one_of_each(&records) {
            let with_actor = record.kind != Kind::Genesis && receipts.len() % 2 == 0;
            let receipt = if with_actor {
                self.desk.receipt_with_actor(record.seq, &note).await
            } else {
                self.desk.receipt(record.seq, &note).await
            };
            let text = receipt.unwrap().to_string();
            let proven = Receipt::parse(&text).unwrap().verify(&policy).unwrap();
            let mut found: Value = serde_json::from_str(&proven.to_json()).unwrap();
            // The times of cosignatures come from witnesses' clocks, and the reader gives names alone.
            found["witnesses"] = json!(WITNESSES);
            let path = self.at(&format!("receipt-{}", record.seq));
            fs::write(&path, text).unwrap();
            receipts.push((path, found));
        }
        receipts
    }

    /// A policy that asks for all witnesses, so that no signature may be missing, and a checkpoint they cosigned.
    async fn cosigned(&self) -> (TrustPolicy, String) {
        let mut note = self.vault.audit().checkpoint().await.unwrap();
        let log = self.vault.audit().log().await.unwrap();
        let keys = log.verifier_keys().await.unwrap();
        let logs: String = keys.iter().map(|key| format!("log {key}\n")).collect();
        let known = TrustPolicy::parse(&format!("{logs}quorum none\n")).unwrap();
        let keys =
            WITNESSES.map(|name| WitnessKey::create(self.at(name), &format!("{name}.example")).unwrap());
        let witnesses = WITNESSES.iter().zip(&keys);
        let lines: String =
            witnesses.map(|(name, key)| format!("witness {name} {}\n", key.verifier_key())).collect();
        let text = format!("{logs}{lines}group all all {}\nquorum all\n", WITNESSES.join(" "));
        let policy = TrustPolicy::parse(&text).unwrap();
        let request = log.witness_request(0, &note).await.unwrap().to_string();
        for key in keys {
            let answer = Witness::new(key, known.clone(), MemoryWitnessStore::default());
            note = policy.add_cosignatures(&note, &answer.add_checkpoint(&request).unwrap()).unwrap();
        }
        (policy, note)
    }
}

/// The last record of each kind.
fn one_of_each(records: &[AuditRecord]) -> Vec<&AuditRecord> {
    let last = |(at, record): &(usize, &AuditRecord)| {
        records.iter().skip(at + 1).all(|later| later.kind != record.kind)
    };
    records.iter().enumerate().filter(last).map(|(_, record)| record).collect()
}
