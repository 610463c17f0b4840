//! Bundles of an issuer that has the log, and means to deceive.

use std::{fs, path::Path};

use docvault::{NewStatement, TrustPolicy, intake::*};

use crate::{common::block_on, foreign_log::ForeignLog, office::*};

fn edit(bundle: &Path, name: &str, from: &str, to: &str) {
    let path = bundle.join(name);
    let text = fs::read_to_string(&path).unwrap();
    let forged = text.replace(from, to);
    assert_ne!(forged, text, "{name} has no {from:?}");
    fs::write(path, forged).unwrap();
}

#[test]
fn records_have_no_kind_and_no_topic_that_a_terminal_would_obey() {
    block_on(async {
        let office = Office::small().await;
        let (bundle, _) = office.export("case").await;
        let original = ["log.jsonl", "log.txt"].map(|name| (name, fs::read(bundle.join(name)).unwrap()));
        for (word, json, text) in [
            ("CaseOpened", r"Case\nOpened", "Case\nOpened"),
            ("CaseOpened", "Approved", "Approved"),
            ("intake.opened", r"\u001b[2J", "\u{1b}[2J"),
            ("intake.opened", "\u{202e}", "\u{202e}"),
        ] {
            edit(&bundle, "log.jsonl", &format!("\"{word}\""), &format!("\"{json}\""));
            edit(&bundle, "log.txt", word, text);
            sum_again(&bundle);
            let refused = office.refused(&bundle);
            assert!(matches!(refused.what, BundleFault::Malformed(_)), "{refused}");
            assert_eq!(refused.at, "log.jsonl");
            original.iter().for_each(|(name, bytes)| fs::write(bundle.join(name), bytes).unwrap());
        }
        sum_again(&bundle);
        verify_bundle(&bundle, &office.intake.policy).unwrap();
    });
}

/// Of a record that has a receipt, the lines say what it proves, and of a statement what the manifest says.
#[test]
fn lines_do_not_contradict_receipts() {
    block_on(async {
        let office = Office::small().await;
        let (bundle, manifest) = office.export("case").await;
        let document = manifest.requirements[0].document.as_ref().unwrap();
        let other =
            |id: &str| format!("{}{}", &id[..id.len() - 1], if id.ends_with('0') { '1' } else { '0' });
        let id = document.document.to_string();
        let original = ["log.jsonl", "log.txt"].map(|name| (name, fs::read(bundle.join(name)).unwrap()));
        for (from, to) in
            [(id.as_str(), other(&id).as_str()), ("user:2", "user:9"), ("intake.approved", "intake.rejected")]
        {
            edit(&bundle, "log.jsonl", from, to);
            edit(&bundle, "log.txt", from, to);
            sum_again(&bundle);
            let refused = office.refused(&bundle);
            assert!(matches!(refused.what, BundleFault::Altered("log.jsonl")), "{from}: {refused}");
            assert!(refused.at.starts_with("receipts/01-note."), "{refused}");
            original.iter().for_each(|(name, bytes)| fs::write(bundle.join(name), bytes).unwrap());
        }
        sum_again(&bundle);
        verify_bundle(&bundle, &office.intake.policy).unwrap();
    });
}

#[test]
fn a_completion_rests_on_all_that_the_template_always_requires() {
    block_on(async {
        let office = Office::small().await;
        let (_, manifest) = office.export("honest").await;
        let honest = manifest.completion.unwrap();
        let mut on_nothing = serde_json::to_value(&honest.completion).unwrap();
        on_nothing["approved"] = serde_json::json!([]);
        let on_nothing: Completion = serde_json::from_value(on_nothing).unwrap();
        let session = office.executive.session();
        let statement = NewStatement::on("office.complete").claim(on_nothing.claim().into_bytes());
        let made = session.make_statement(office.case, statement).await.unwrap();
        let note = office.intake.vault.audit().checkpoint().await.unwrap();
        let bundle = office.path("forged");
        office.reviewers[0].export_bundle(office.case, &note, &bundle).await.unwrap();
        let receipt = session.receipt(made.seq, &note).await.unwrap().to_string();
        fs::write(bundle.join("receipts/complete.receipt"), receipt).unwrap();
        let mut forged: BundleManifest =
            serde_json::from_slice(&fs::read(bundle.join("manifest.json")).unwrap()).unwrap();
        let completion = forged.completion.as_mut().unwrap();
        (completion.record, completion.completion) = (made.seq, on_nothing);
        fs::write(bundle.join("manifest.json"), forged.to_json()).unwrap();
        sum_again(&bundle);
        let refused = office.refused(&bundle);
        assert!(matches!(refused.what, BundleFault::Malformed(_)), "{refused}");
        assert_eq!(refused.at, "manifest.json: completion");
    });
}

#[test]
fn receipts_are_under_the_vaults_own_log_and_not_under_one_whose_name_ends_like_its() {
    block_on(async {
        let office = Office::small().await;
        let (bundle, manifest) = office.export("case").await;
        let vault = manifest.vault;
        let receipts = files(&bundle).into_iter().filter(|(name, _)| name.starts_with("receipts/"));
        let receipts: Vec<_> =
            receipts.map(|(name, text)| (name, String::from_utf8(text).unwrap())).collect();
        for (origin, is_the_vaults) in [
            (format!("docvault/{vault}"), true),
            (format!("example.com/{vault}"), false),
            (format!("docvault/x/{vault}"), false),
        ] {
            // The same heads, signed by somebody whom the policy believes under this name.
            let log = ForeignLog::new(&origin, 7);
            for (name, receipt) in &receipts {
                let (proof, note) = receipt.split_once("\n\n").unwrap();
                let (head, _) = note.split_once("\n\n").unwrap();
                let (_, head) = head.split_once('\n').unwrap();
                let note = log.sign(format!("{origin}\n{head}\n").as_bytes());
                fs::write(bundle.join(name), format!("{proof}\n\n{note}")).unwrap();
            }
            sum_again(&bundle);
            let policy = format!("log {}\nquorum none\n", log.verifier_key());
            match verify_bundle(&bundle, &TrustPolicy::parse(&policy).unwrap()) {
                Ok(_) => assert!(is_the_vaults, "{origin}"),
                Err(refused) => {
                    let claim =
                        matches!(refused.what, BundleFault::Claim) && refused.at.starts_with("receipts/");
                    assert!(!is_the_vaults && claim, "{origin}: {refused}");
                }
            }
        }
    });
}

#[test]
fn whoever_wrote_to_the_log_writes_nothing_on_a_terminal() {
    block_on(async {
        let office = Office::open(SMALL).await;
        let session = office.intake.vault.session("user:\u{1b}[2J\u{202e}").purpose("a \"b\" \\ é\n").begin();
        let note = NewFile::from_memory("note.txt", "text/plain", "A note.");
        let desk = Desk::new(session.unwrap());
        desk.session().describe_case(office.case).await.unwrap();
        office.executive.submit(office.case, &key("note"), NewSubmission::direct().file(note)).await.unwrap();
        let (bundle, _) = office.export("case").await;
        let text = fs::read_to_string(bundle.join("log.txt")).unwrap();
        let line = r#", by "user:\u001b[2J\u202e", for "a \"b\" \\ é\n""#;
        assert!(
            text.lines().any(|found| found.ends_with(line) && found.contains(": Browsed, by ")),
            "{text}"
        );
        verify_bundle(&bundle, &office.intake.policy).unwrap();
    });
}

#[test]
fn a_manifest_is_of_this_format_and_written_in_one_way() {
    block_on(async {
        let office = Office::small().await;
        let (bundle, _) = office.export("case").await;
        let original = fs::read(bundle.join("manifest.json")).unwrap();
        for (from, to) in [
            ("\"format\": 1", "\"format\": 2"),
            ("{\n  \"format\"", "{\n \"format\""),
            ("note.txt\"", "note.txt\" "),
        ] {
            edit(&bundle, "manifest.json", from, to);
            sum_again(&bundle);
            let refused = office.refused(&bundle);
            let written = "it is written otherwise than manifests are";
            assert!(matches!(refused.what, BundleFault::Malformed(why) if why == written), "{to}: {refused}");
            assert_eq!(refused.at, "manifest.json");
            fs::write(bundle.join("manifest.json"), &original).unwrap();
        }
    });
}

/// Spaces between the members of a line say nothing, and so could hide something.
#[test]
fn lines_are_written_in_one_way() {
    block_on(async {
        let office = Office::small().await;
        let (bundle, _) = office.export("case").await;
        edit(&bundle, "log.jsonl", "{\"seq\"", "{ \"seq\"");
        sum_again(&bundle);
        let refused = office.refused(&bundle);
        assert!(matches!(refused.what, BundleFault::Malformed(_)) && refused.at == "log.jsonl", "{refused}");
    });
}
