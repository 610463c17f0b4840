//! What an office that lies has put on record, and what its receipts do not prove.

use core::time::Duration;

use docvault::{AuditRecord, Kind, NewDocument, RecordFilter, Timestamp, intake::*};

use crate::{common::block_on, liar::*, office::*};

const STORED: &str = "receipts/01-note.stored.receipt";

#[test]
fn who_does_not_lie_is_believed() {
    block_on(async {
        let office = Office::complete().await;
        let (bundle, manifest) = office.export("case").await;
        let told = Lie::begin(&office).await.tell().await;
        let verified = verify_bundle(&told, &office.intake.policy).unwrap();
        assert_eq!(verified.manifest.requirements, manifest.requirements);
        let [exported, told] = [files(&bundle), files(&told)];
        assert!(exported.keys().eq(told.keys()));
    });
}

#[test]
fn a_version_was_stored_in_the_document_that_is_told() {
    block_on(async {
        let office = Office::complete().await;
        let mut lie = Lie::begin(&office).await;
        let other = lie.manifest.requirements[1].document.as_ref().unwrap().document;
        lie.document().document = other;
        let what = "another document";
        is_unproven(&lie.refused(what).await, "receipts/01-id.stored.receipt", what);
    });
}

#[test]
fn the_same_content_stored_anew_is_not_the_version_that_was_approved() {
    block_on(async {
        let office = Office::small().await;
        let mut lie = Lie::begin(&office).await;
        let document = lie.document().clone();
        let new = NewDocument::named("note").media_type("text/plain");
        let session = office.executive.session();
        let again = session.store_version(document.document, new, "anew", b"A note.".to_vec()).await.unwrap();
        assert_eq!(again.digest, document.digest);
        lie.document().record = again.seq;
        is_unproven(&lie.refused("a version stored later").await, STORED, "a version stored later");
    });
}

/// The office states of what it never stored that it was handed in, approved, and what the case was complete on.
#[test]
fn what_was_stored_is_what_is_in_the_bundle() {
    block_on(async {
        let office = Office::small().await;
        let mut lie = Lie::begin(&office).await;
        lie.replace(0, b"Another note.");
        lie.state_all().await;
        let digest = lie.document().digest;
        let mut completion = lie.manifest.completion.clone().unwrap().completion;
        completion.approved[0].digest = digest;
        lie.complete(completion).await;
        is_unproven(&lie.refused("another content").await, STORED, "another content");
    });
}

/// An approval that stands in another case of the same vault, of which this one's log has a line that says otherwise.
#[test]
fn what_was_stated_in_another_case_is_not_stated_in_this_one() {
    block_on(async {
        let office = Office::small().await;
        let mut lie = Lie::begin(&office).await;
        let says = lie.first().statements[1].says.clone();
        let elsewhere = office.intake.case;
        let by = (says.by.as_str(), "intake.approved");
        let record = lie.claim(elsewhere, by, says.to_json().into_bytes()).await;
        lie.first().statements[1].record = record;
        let all = office.intake.vault.session("auditor:1").purpose("review").auditor().unwrap();
        let of_elsewhere = RecordFilter::all().case(elsewhere);
        let mut line =
            all.records(&of_elsewhere).await.unwrap().into_iter().find(|one| one.seq == record).unwrap();
        line.case = Some(office.case);
        lie.amend(move |records| {
            records.push(line.clone());
            records.sort_by_key(|record| record.seq);
        });
        let what = "an approval of elsewhere";
        is_unproven(&lie.refused(what).await, "receipts/01-note.02-approved.receipt", what);
    });
}

/// Who states that something came by a link has the depositor's promise for it, or nothing.
#[test]
fn an_office_alone_does_not_prove_that_something_came_by_a_link() {
    block_on(async {
        let office = Office::small().await;
        let mut lie = Lie::begin(&office).await;
        let by_link = serde_json::json!({
            "deposit": { "request": "01".repeat(16), "deposit": "02".repeat(16), "received_at": 1 },
        });
        let mut submitted = lie.first().statements[0].clone();
        submitted.says.origin = serde_json::from_value(by_link).unwrap();
        lie.first().statements[0] = submitted;
        lie.state_all().await;
        let what = "that it came by a link";
        is_unproven(&lie.refused(what).await, "receipts/01-note.01-submitted.receipt", what);
    });
}

/// The claim is the right one, and was put on record as something that nobody takes for it.
#[test]
fn an_opening_and_a_completion_are_statements_of_their_own_topic() {
    block_on(async {
        let office = Office::small().await;
        let mut lie = Lie::begin(&office).await;
        let (at, template) = (lie.manifest.opened.as_millis(), lie.manifest.template.hash);
        let opening = format!(r#"{{"statement":"opened","at":{at},"template":"{template}"}}"#);
        let completion = lie.manifest.completion.clone().unwrap().completion.claim();
        for (topic, believed) in [("office.note", false), ("intake.opened", true)] {
            lie.manifest.template.record =
                lie.claim(office.case, ("user:1", topic), opening.clone().into_bytes()).await;
            is_on_its_topic(&office, &lie, "receipts/opened.receipt", believed).await;
        }
        for (topic, believed) in [("office.note", false), ("intake.completed", true)] {
            let record = lie.claim(office.case, ("user:2", topic), completion.clone().into_bytes()).await;
            lie.manifest.completion.as_mut().unwrap().record = record;
            is_on_its_topic(&office, &lie, "receipts/complete.receipt", believed).await;
        }
    });
}

async fn is_on_its_topic(office: &Office, lie: &Lie<'_>, at: &str, believed: bool) {
    match verify_bundle(lie.tell().await, &office.intake.policy) {
        Ok(_) => assert!(believed, "{at}"),
        Err(refused) => {
            is_denied(&refused, at, "its topic");
            assert!(!believed, "{at}");
        }
    }
}

/// The log's lines say something else than that receipt.
#[track_caller]
fn is_denied(refused: &BundleError, at: &str, what: &str) {
    let altered = matches!(refused.what, BundleFault::Altered("log.jsonl"));
    assert!(altered && refused.at == at, "{what}: {refused}");
}

/// Every line has the time, the operation and the kind that a receipt proves.
#[test]
fn lines_say_of_a_record_what_its_receipt_proves() {
    block_on(async {
        let office = Office::small().await;
        let mut lie = Lie::begin(&office).await;
        let completed = lie.manifest.completion.as_ref().unwrap().record;
        let amends: [LyingOf<AuditRecord, AuditRecord>; 3] = [
            ("another time", |line, _| line.time = line.time.saturating_add(Duration::from_millis(1))),
            ("another operation", |line, other| line.operation = other.operation),
            ("another kind", |line, _| line.kind = Kind::Browsed),
        ];
        for (what, amend) in amends {
            lie.amend(move |records| {
                let other = records[0].clone();
                // Behind the last record that has a receipt the lines are their issuer's word, and so stay in order.
                let last = records.iter_mut().filter(|record| record.seq >= completed);
                last.for_each(|line| amend(line, &other));
            });
            is_denied(&lie.refused(what).await, "receipts/complete.receipt", what);
        }
    });
}

#[test]
fn lines_are_in_the_order_of_the_log() {
    block_on(async {
        let office = Office::small().await;
        let mut lie = Lie::begin(&office).await;
        let amends: [Lying<Vec<AuditRecord>>; 5] = [
            ("two in one another's place", |records| records.swap(0, 1)),
            ("one twice", |records| records.insert(0, records[0].clone())),
            ("one before its time", |records| {
                let last = records.len() - 1;
                records[last].time = Timestamp::from_millis(0);
            }),
            ("a topic of no character", |records| records[0].topic = Some(String::new())),
            ("a topic of too many", |records| records[0].topic = Some("x".repeat(65))),
        ];
        for (what, amend) in amends {
            lie.amend(amend);
            let refused = lie.refused(what).await;
            let malformed = matches!(refused.what, BundleFault::Malformed(_));
            assert!(malformed && refused.at == "log.jsonl", "{what}: {refused}");
        }
        lie.amend(|records| records[0].topic = Some("0-9.".repeat(16)));
        verify_bundle(lie.tell().await, &office.intake.policy).expect("a topic that a statement can have");
    });
}
