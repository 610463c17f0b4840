//! What is written is what verifies.

use std::{fs, process::Command as Program, sync::Arc};

use docvault::{
    ContentDigest, DocumentId, Kind, MemoryWitnessStore, NewStatement, Receipt, RecordFilter, Timestamp,
    TrustPolicy, Vault, VaultOptions, Witness, WitnessKey, intake::*, keys::LocalKey, storage::MemoryStorage,
};

use crate::{
    common::block_on,
    intake::{DAY, Hand, Intake},
    office::*,
};

#[test]
fn a_folder_and_a_zip_file_hold_the_same() {
    block_on(async {
        let office = Office::complete().await;
        let (folder, manifest) = office.export("case").await;
        let (zip, in_zip) = office.export("case.zip").await;
        let (verified, of_zip) = (
            verify_bundle(&folder, &office.intake.policy).unwrap(),
            verify_bundle(&zip, &office.intake.policy).unwrap(),
        );
        assert_eq!((&verified.manifest, &of_zip.manifest), (&manifest, &in_zip));
        assert_eq!(manifest.requirements, in_zip.requirements);
        assert_eq!(manifest.completion, in_zip.completion);
        assert!(manifest.completion.is_some());
        // Stored, two approvals, one attestation, submitted; stored, submitted, approved; complete.
        assert_eq!((verified.files, verified.receipts), (4, 10));
        assert_eq!(verified.witnesses.len(), 0);

        let written = files(&folder);
        let sides = &manifest.requirements[0].document.as_ref().unwrap().files;
        assert_eq!(sides[0].path, "documents/01-id/01-_INE_lado.jpg");
        assert_eq!(sides[0].name, "../INE lado.jpg");
        assert_eq!(written[&sides[1].path], photograph(2));
        assert_eq!(written[&sides[2].path], br#"{"number":"IDMEX1234"}"#);
        let id = &manifest.requirements[0].statements;
        let said: Vec<_> = id.iter().map(|one| (one.says.statement, one.says.by.as_str())).collect();
        use ClaimedKind::{Approved, Attested, Submitted};
        assert_eq!(
            said,
            [(Submitted, "user:1"), (Approved, "user:2"), (Approved, "user:3"), (Attested, "user:3")]
        );
        let imported = &manifest.requirements[1];
        assert!(matches!(imported.statements[0].says.origin, Some(Origin::External { .. })));
        assert_eq!((imported.imports, imported.confidential), (1, true));
        assert_eq!(manifest.requirements[2].standing, Standing::Missing);

        let readme = String::from_utf8(written["README.txt"].clone()).unwrap();
        assert!(readme.contains("Crédito") && readme.contains("1. Identificación: aprobado, 3 archivo(s)"));
        assert!(readme.contains("1. Identification: approved, 3 file(s)"));
        let text = String::from_utf8(written["log.txt"].clone()).unwrap();
        assert!(text.contains("Stated (intake.approved)") && text.contains(r#"by "user:3", for "loans""#));
        // The policy of the bundle is one, and a receipt stands alone.
        let policy = TrustPolicy::parse(str::from_utf8(&written["policy.txt"]).unwrap()).unwrap();
        let receipt = str::from_utf8(&written["receipts/01-id.stored.receipt"]).unwrap();
        let proven = Receipt::parse(receipt).unwrap().verify(&policy).unwrap();
        assert_eq!(proven.content, Some(manifest.requirements[0].document.as_ref().unwrap().digest));
        assert!(verified.to_string().contains("on 2 approved documents"), "{verified}");
    });
}

#[test]
fn stock_tools_check_the_sums() {
    block_on(async {
        let office = Office::small().await;
        let (folder, _) = office.export("case").await;
        let Ok(checked) = Program::new("sha256sum").args(["-c", "SHA256SUMS"]).current_dir(&folder).output()
        else {
            return; // no such program here
        };
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    });
}

#[test]
fn exporting_is_on_record_and_asks_for_the_role() {
    block_on(async {
        let office = Office::complete().await;
        let note = office.intake.vault.audit().checkpoint().await.unwrap();
        let out = office.path("case");
        let refused = office.executive.export_bundle(office.case, &note, &out).await.unwrap_err();
        assert!(matches!(refused, IntakeError::Refused(Refusal::Confidential { .. })), "{refused}");
        assert!(!out.exists());
        let auditor = office.intake.vault.session("auditor:1").purpose("review").auditor().unwrap();
        let reads = async || {
            let records = auditor.records(&RecordFilter::all().case(office.case)).await.unwrap();
            records.iter().filter(|record| record.kind == Kind::Read && record.actor == "user:2").count()
        };
        let before = reads().await;
        office.export("case").await;
        assert_eq!(reads().await, before + 2, "one for each document");

        let again = office.reviewers[0].export_bundle(office.case, &note, &out).await.unwrap_err();
        assert!(
            matches!(again, IntakeError::Bundle(BundleError { what: BundleFault::Exists, .. })),
            "{again}"
        );
        assert!(verify_bundle(&out, &office.intake.policy).is_ok(), "what was there is untouched");
    });
}

#[cfg(unix)]
#[test]
fn a_bundle_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    block_on(async {
        let office = Office::complete().await;
        for (name, mode) in [("case", 0o700), ("case.zip", 0o600)] {
            office.export(name).await;
            let found = fs::metadata(office.path(name)).unwrap().permissions().mode();
            assert_eq!(found & 0o7777, mode, "{name}");
        }
    });
}

#[test]
fn a_note_that_is_too_old_leaves_nothing() {
    block_on(async {
        let office = Office::open(SMALL).await;
        let note = office.intake.vault.audit().checkpoint().await.unwrap();
        let new = NewSubmission::direct().file(NewFile::from_memory("note.txt", "text/plain", "A note."));
        office.executive.submit(office.case, &key("note"), new).await.unwrap();
        for out in [office.path("case"), office.path("case.zip")] {
            let refused = office.executive.export_bundle(office.case, &note, &out).await.unwrap_err();
            let IntakeError::Vault(refused) = refused else { panic!("{refused}") };
            assert_eq!(refused.kind(), docvault::ErrorKind::Invalid);
        }
        assert_eq!(fs::read_dir(office.folder.path()).unwrap().count(), 0);
    });
}

#[test]
fn a_case_that_is_not_complete_verifies_as_that() {
    block_on(async {
        let office = Office::open(TEMPLATE).await;
        let (empty, _) = office.export("empty").await;
        let verified = verify_bundle(&empty, &office.intake.policy).unwrap();
        // What was asked for is proven also where nothing has come.
        assert_eq!((verified.files, verified.receipts), (0, 1));

        let new = NewSubmission::direct().file(NewFile::from_memory("a.pdf", "application/pdf", pdf(1)));
        let statement = office.executive.submit(office.case, &key("statement"), new).await.unwrap();
        let statement = statement.accepted().unwrap();
        office.reviewers[0].act(office.case, statement.approve()).await.unwrap();
        office.reviewers[0].act(office.case, statement.reject("of another bank")).await.unwrap();
        let (rejected, manifest) = office.export("rejected.zip").await;
        let entry = &manifest.requirements[1];
        assert_eq!((entry.standing, entry.statements.len()), (Standing::Rejected, 1));
        assert_eq!(entry.reason.as_deref(), Some("of another bank"));
        let verified = verify_bundle(&rejected, &office.intake.policy).unwrap();
        assert_eq!((verified.receipts, verified.manifest.completion), (3, None));

        // Stored past intake, of two pages, of which no statement tells.
        let session = office.intake.vault.session("user:9").purpose("repair").begin().unwrap();
        let named = docvault::NewDocument::named("statement").media_type("application/pdf");
        let mut upload = session.upload_version(statement.document, named, "a slip").await.unwrap();
        upload.write(&pdf(7)).await.unwrap();
        upload.next_page().await.unwrap();
        upload.write(&pdf(8)).await.unwrap();
        upload.finish().await.unwrap();
        office.executive.case(office.case).await.unwrap();
        let (slipped, manifest) = office.export("slipped").await;
        let document = manifest.requirements[1].document.as_ref().unwrap();
        assert_eq!(fs::read(slipped.join(&document.files[1].path)).unwrap(), pdf(8));
        assert_eq!(manifest.requirements[1].statements[0].says.statement, ClaimedKind::NewerVersionSeen);
        verify_bundle(&slipped, &office.intake.policy).unwrap();
    });
}

#[test]
fn a_complete_case_that_changed_is_exported_as_not_complete() {
    block_on(async {
        let office = Office::complete().await;
        let [first, _] = &office.reviewers;
        let hand_in = async |seed: u64| {
            let new =
                NewSubmission::direct().file(NewFile::from_memory("x.pdf", "application/pdf", pdf(seed)));
            office.executive.submit(office.case, &key("other"), new).await.unwrap().accepted().unwrap()
        };
        first.act(office.case, Command::Reopen { reason: "one more".into() }).await.unwrap();
        let other = hand_in(7).await;
        first.act(office.case, other.approve()).await.unwrap();
        first.act(office.case, Command::Complete).await.unwrap();
        hand_in(8).await;
        let (bundle, manifest) = office.export("case").await;
        assert!(manifest.completion.is_none());
        verify_bundle(&bundle, &office.intake.policy).unwrap();
    });
}

#[test]
fn what_an_approval_said_before_a_rejection_is_void() {
    block_on(async {
        let said_by_client: Option<Date> = "2090-12-31".parse().ok();
        for (at, handed_in_with) in [None, said_by_client].into_iter().enumerate() {
            let office = Office::open(TEMPLATE).await;
            let [first, second] = &office.reviewers;
            let side = |seed| NewFile::from_memory("side.jpg", "image/jpeg", photograph(seed));
            let mut id = NewSubmission::direct().file(side(1)).file(side(2));
            id = id.form(Form::new().with(key("number"), "IDMEX1234"));
            id = handed_in_with.map_or(id.clone(), |day| id.valid_until(day));
            let id = office.executive.submit(office.case, &key("id"), id).await.unwrap().accepted().unwrap();
            let approved = Command::Approve {
                requirement: key("id"),
                version: id.version,
                digest: id.digest,
                issued: None,
                valid_until: "2091-01-31".parse().ok(),
            };
            first.act(office.case, approved).await.unwrap();
            second.act(office.case, id.reject("the back is blurred")).await.unwrap();
            let (rejected, manifest) = office.export(&format!("{at}.zip")).await;
            let document = manifest.requirements[0].document.as_ref().unwrap();
            assert_eq!(document.valid_until, handed_in_with);
            verify_bundle(&rejected, &office.intake.policy).unwrap();
        }
    });
}

#[test]
fn what_a_file_opens_with_follows_from_what_it_is() {
    block_on(async {
        let office = Office::open(TEMPLATE).await;
        for (at, name, path) in [
            (1u8, "estado.hta", "documents/02-statement/01-estado.hta.pdf"),
            (2, "estado.PDF", "documents/02-statement/01-estado.PDF"),
            (3, "estado\u{202e}fdp.exe", "documents/02-statement/01-estado_fdp.exe.pdf"),
        ] {
            let polyglot = [&b"%PDF-1.7\n<script>"[..], &[at]].concat();
            let file = NewFile::from_memory(name, "application/pdf", polyglot);
            let new = NewSubmission::direct().file(file);
            office.executive.submit(office.case, &key("statement"), new).await.unwrap().accepted().unwrap();
            let (folder, manifest) = office.export(&at.to_string()).await;
            assert_eq!(manifest.requirements[1].document.as_ref().unwrap().files[0].path, path);
            verify_bundle(&folder, &office.intake.policy).unwrap();
        }
    });
}

/// What was attested in another's stead, or anew, is told as it stands.
#[test]
fn of_attestations_of_one_kind_the_last_is_told() {
    block_on(async {
        let office = Office::complete().await;
        let (_, manifest) = office.export("before").await;
        let id = manifest.requirements[0].document.as_ref().unwrap();
        let attest = |attestation: &str| Command::Attest {
            requirement: key("id"),
            version: id.version,
            digest: id.digest,
            attestation: attestation.parse().unwrap(),
        };
        let [first, second] = &office.reviewers;
        second.act(office.case, attest("identity_interview")).await.unwrap();
        first.act(office.case, attest("compared_with_original")).await.unwrap();
        let (bundle, manifest) = office.export("case").await;
        let told = manifest.requirements[0]
            .statements
            .iter()
            .filter_map(|one| Some((one.says.attestation.as_ref()?.to_string(), one.says.by.clone())));
        let expected = [("identity_interview", "user:3"), ("compared_with_original", "user:2")];
        assert_eq!(told.collect::<Vec<_>>(), expected.map(|(what, by)| (what.to_owned(), by.to_owned())));
        assert_eq!(
            manifest.requirements[0].statements.len(),
            5,
            "and who handed it in, and two who approved it"
        );
        verify_bundle(&bundle, &office.intake.policy).unwrap();
    });
}

/// A page of statements has a thousand.
#[test]
fn a_bundle_tells_of_events_from_before_many_others() {
    block_on(async {
        let office = Office::small().await;
        let session = office.reviewers[0].session();
        for _ in 0..1000 {
            session.make_statement(office.case, NewStatement::on("office.note")).await.unwrap();
        }
        let (bundle, manifest) = office.export("case").await;
        assert_eq!(manifest.requirements[0].statements.len(), 2);
        verify_bundle(&bundle, &office.intake.policy).unwrap();
    });
}

#[test]
fn what_has_expired_is_exported_as_that() {
    block_on(async {
        let (folder, clock) =
            (tempfile::tempdir().unwrap(), Hand::at(Timestamp::from_millis(1_790_000_000_000)));
        let root = LocalKey::create(folder.path().join("key")).unwrap();
        let options = VaultOptions::default().clock(clock.clone());
        let vault =
            Vault::create_with(Arc::new(MemoryStorage::default()), Arc::new(root), options).await.unwrap();
        let office = Office::of(Intake::of(vault).await, TEMPLATE).await;
        let side = |seed| NewFile::from_memory("side.jpg", "image/jpeg", photograph(seed));
        let id = NewSubmission::direct().file(side(1)).file(side(2));
        let id = id.form(Form::new().with(key("number"), "1")).valid_until("2026-12-31".parse().unwrap());
        let id = office.executive.submit(office.case, &key("id"), id).await.unwrap().accepted().unwrap();
        for reviewer in &office.reviewers {
            reviewer.act(office.case, id.approve()).await.unwrap();
        }
        for (name, standing) in [("valid", Standing::Approved), ("expired", Standing::Expired)] {
            let (bundle, manifest) = office.export(name).await;
            assert_eq!(manifest.requirements[0].standing, standing);
            verify_bundle(&bundle, &office.intake.policy).unwrap();
            clock.forward(DAY * 120);
        }
    });
}

#[test]
fn a_verified_bundle_names_the_witnesses_of_its_head() {
    block_on(async {
        let office = Office::small().await;
        let known = office.intake.policy.to_string();
        let witness = WitnessKey::create(office.path("witness"), "ana.example").unwrap();
        let log = known.strip_suffix("quorum none\n").unwrap();
        let policy = format!("{log}witness ana {}\nquorum ana\n", witness.verifier_key());
        let policy = TrustPolicy::parse(&policy).unwrap();
        let witness = Witness::new(witness, office.intake.policy.clone(), MemoryWitnessStore::default());
        let audit = office.intake.vault.audit();
        let note = audit.checkpoint().await.unwrap();
        let request = audit.log().await.unwrap().witness_request(0, &note).await.unwrap();
        let answer = witness.add_checkpoint(&request.to_string()).unwrap();
        let bundle = office.path("case");
        let note = policy.add_cosignatures(&note, &answer).unwrap();
        office.reviewers[0].export_bundle(office.case, &note, &bundle).await.unwrap();
        let seen = verify_bundle(&bundle, &policy).unwrap();
        assert_eq!(seen.witnesses.len(), 1);
        assert!(seen.to_string().contains(&seen.witnesses[0].to_string()), "{seen}");
        assert!(!seen.to_string().contains("No witness"), "{seen}");
        let unseen = verify_bundle(&bundle, &office.intake.policy).unwrap();
        assert!(unseen.to_string().ends_with("others may have been shown another log.\n"), "{unseen}");
    });
}

/// An event tells of other files than the version has: by a program of somebody's own who has the keys.
/// Where the export is refused of a case whose newest event tells of other files than were stored.
async fn told_of(office: &Office, files: &[&str], tell: impl Fn(&str) -> String) -> String {
    let file = |name: &&str| NewFile::from_memory(*name, "text/plain", "A note.");
    let note = files.iter().map(file).fold(NewSubmission::direct(), NewSubmission::file);
    office.executive.submit(office.case, &key("note"), note).await.unwrap().accepted().unwrap();
    let session = office.executive.session();
    let honest = session.newest_statement(office.case).await.unwrap().unwrap();
    let payload = String::from_utf8(honest.payload.to_vec()).unwrap();
    let told = tell(&payload);
    assert_ne!(told, payload);
    session.make_statement(office.case, NewStatement::forged(honest.topic).payload(told)).await.unwrap();
    let (out, head) = (office.path("case"), office.intake.vault.audit().checkpoint().await.unwrap());
    let refused = office.reviewers[0].export_bundle(office.case, &head, &out).await.unwrap_err();
    let IntakeError::Bundle(refused) = refused else { panic!("{refused}") };
    assert!(matches!(refused.what, BundleFault::Altered("the case")) && !out.exists(), "{refused}");
    refused.at
}

#[test]
fn files_that_are_not_those_of_their_event_are_not_exported() {
    block_on(async {
        let digest = ContentDigest::of(b"A note.").to_string();
        let file = |bytes: u32, digest: &str| format!(r#""bytes":{bytes},"digest":"{digest}""#);
        for told in [file(6, &digest), file(8, &digest), file(7, &"0".repeat(64))] {
            let office = Office::open(SMALL).await;
            let tell = |payload: &str| payload.replacen(&file(7, &digest), &told, 1);
            assert_eq!(told_of(&office, &["note.txt"], tell).await, "documents/01-note/01-note.txt");
        }
        // One file fewer than there are.
        let office = Office::open(&SMALL.replace("max_bytes", "max = 2, max_bytes")).await;
        let second = format!(r#",{{"media_type":"text/plain",{}}}"#, file(7, &digest));
        let tell = |payload: &str| payload.replacen(&second, "", 1);
        let refused = told_of(&office, &["a.txt", "b.txt"], tell).await;
        assert!(refused.parse::<DocumentId>().is_ok(), "{refused}");
    });
}
