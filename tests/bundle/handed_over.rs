//! The sealed form: granted, delivered, opened with no vault, put in order.

use std::fs;

use docvault::{NewDocument, Terms, intake::*};

use crate::{common::block_on, office::*};

#[test]
fn a_case_is_handed_over_whole_and_in_order() {
    block_on(async {
        let office = Office::complete().await;
        let session = office.reviewers[0].session();
        let slip = NewDocument::named("../../a slip.txt").media_type("text/plain");
        session.store(office.case, slip, b"for no requirement".to_vec()).await.unwrap();
        let (notary, recipient, _folder) = notary();
        let terms = Terms::read().purpose("deed 1234");
        let refused = office.executive.hand_over(office.case, &recipient, terms.clone()).await;
        assert!(matches!(refused.unwrap_err(), IntakeError::Refused(Refusal::Confidential { .. })));

        for round in ["first", "second"] {
            let delivery =
                office.reviewers[0].hand_over(office.case, &recipient, terms.clone()).await.unwrap();
            let grant = delivery.grant();
            let sealed = delivery.collect().await.unwrap();
            let opened = notary.open(&sealed[..], &office.intake.vault.sender()).unwrap();
            let out = office.path(round);
            let manifest = unpack_handed_over(opened, &out).unwrap();
            assert_eq!((manifest.case, manifest.others.len()), (office.case, 1));
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o7777, 0o700);
            }
            let written = files(&out);
            assert_eq!(written.len(), 6, "four of the requirements, one other, the manifest: {written:?}");
            let [id, statement, other] = &manifest.requirements[..] else { panic!("{manifest:?}") };
            let sides = &id.document.as_ref().unwrap().files;
            assert_eq!(
                (&written[&sides[0].path], &written[&sides[1].path]),
                (&photograph(1), &photograph(2))
            );
            assert_eq!(written[&statement.document.as_ref().unwrap().files[0].path], pdf(3));
            assert_eq!(other.document, None);
            assert_eq!(written["documents/others/0001-_.._a_slip.txt"], b"for no requirement");
            assert_eq!(written["manifest.json"], manifest.to_json().as_bytes());
            no_other_path_is_taken(&manifest);
            let report = session.revoke(grant).await.unwrap();
            assert_eq!(report.delivered.len(), 1);
        }
        let names = session.documents(office.case, None).await.unwrap().documents;
        assert_eq!(names.iter().filter(|one| one.name == "docvault.manifest.json").count(), 1);
    });
}

/// Where a file of no requirement is unpacked to follows from its name, not from what the sender says.
fn no_other_path_is_taken(manifest: &BundleManifest) {
    let json = manifest.to_json();
    for path in ["../../evil", "/etc/evil", "documents/../../evil", "documents/others/evil", "manifest.json"]
    {
        let forged = json.replace("documents/others/0001-_.._a_slip.txt", path);
        assert_ne!(forged, json);
        let refused = BundleManifest::parse(forged.as_bytes()).unwrap_err();
        assert!(matches!(refused.what, BundleFault::Malformed(_)), "{refused}");
    }
}

#[test]
fn what_is_cut_short_or_altered_leaves_nothing() {
    block_on(async {
        let office = Office::complete().await;
        let (notary, recipient, _folder) = notary();
        let terms = Terms::read().purpose("deed 1234");
        let delivery = office.reviewers[0].hand_over(office.case, &recipient, terms).await.unwrap();
        let sealed = delivery.collect().await.unwrap().to_vec();
        let sender = office.intake.vault.sender();
        let out = office.path("out");
        for at in [sealed.len() - 1, sealed.len() / 2, sealed.len() * 3 / 4] {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            for bad in [&altered[..], &sealed[..at]] {
                let opened = notary.open(bad, &sender).unwrap();
                assert!(matches!(unpack_handed_over(opened, &out).unwrap_err().what, BundleFault::Vault(_)));
                assert!(!out.exists());
            }
        }
        // A delivery of one document is no case.
        let session = office.reviewers[0].session();
        let document = session.documents(office.case, None).await.unwrap().documents[0].document;
        let grant = session.grant(document, &recipient, Terms::read().purpose("x")).await.unwrap();
        let sealed = session.deliver(grant).await.unwrap().collect().await.unwrap();
        let opened = notary.open(&sealed[..], &sender).unwrap();
        assert!(unpack_handed_over(opened, &out).is_err());
        fs::create_dir(&out).unwrap();
        let opened = notary.open(&sealed[..], &sender).unwrap();
        assert!(matches!(unpack_handed_over(opened, &out).unwrap_err().what, BundleFault::Exists));
    });
}
