//! Bundles and deliveries that are long, or many, where those that are written here are not.

use std::{
    fs::{self, File},
    io::Write,
    time::{Duration, Instant},
};

use docvault::{NewDocument, Terms, intake::*};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::{common::block_on, office::*};

/// Longer than any memory; a reader that goes on reading takes hours.
const ENDLESS: u64 = 1 << 42;

#[test]
fn a_file_that_is_too_long_is_not_read_to_its_end() {
    block_on(async {
        let office = Office::small().await;
        let (bundle, manifest) = office.export("case").await;
        let content = &manifest.requirements[0].document.as_ref().unwrap().files[0].path;
        let receipt = "receipts/complete.receipt";
        let all = [
            "manifest.json",
            "template.json",
            "log.jsonl",
            "log.txt",
            "README.txt",
            "policy.txt",
            "SHA256SUMS",
        ];
        for name in all.into_iter().chain([receipt, content.as_str()]) {
            let path = bundle.join(name);
            let original = fs::read(&path).unwrap();
            File::options().write(true).open(&path).unwrap().set_len(ENDLESS).unwrap();
            let begun = Instant::now();
            let refused = office.refused(&bundle);
            assert_eq!(refused.at, name, "{refused}");
            assert!(begun.elapsed() < Duration::from_secs(20), "{name}: {:?}", begun.elapsed());
            fs::write(&path, original).unwrap();
        }
        verify_bundle(&bundle, &office.intake.policy).unwrap();
    });
}

#[test]
fn texts_are_no_longer_than_those_that_are_written() {
    block_on(async {
        let office = Office::small().await;
        let (bundle, _) = office.export("case").await;
        let caps = [
            ("template.json", 32 << 10),
            ("receipts/complete.receipt", 512 << 10),
            ("policy.txt", 256 << 10),
            ("manifest.json", 16 << 20),
        ];
        for (name, cap) in caps {
            let path = bundle.join(name);
            let original = fs::read(&path).unwrap();
            let mut long = original.clone();
            long.resize(cap + 1, b' ');
            fs::write(&path, long).unwrap();
            sum_again(&bundle);
            let refused = office.refused(&bundle);
            assert!(refused.at == name && refused.to_string().contains("too long"), "{refused}");
            fs::write(&path, original).unwrap();
        }
        sum_again(&bundle);
        verify_bundle(&bundle, &office.intake.policy).unwrap();
    });
}

#[test]
fn an_archive_of_too_many_files_is_not_opened() {
    block_on(async {
        let office = Office::small().await;
        let forged = office.path("forged.zip");
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        let mut archive = ZipWriter::new(File::create(&forged).unwrap());
        for number in 0..=100_000 {
            archive.start_file(format!("{number}"), options).unwrap();
            archive.write_all(b"").unwrap();
        }
        archive.finish().unwrap();
        let refused = office.refused(&forged);
        assert!(refused.to_string().contains("100,000"), "{refused}");
        // One that says so, and has them not.
        let (bundle, _) = office.export("case.zip").await;
        let mut bytes = fs::read(&bundle).unwrap();
        let end = bytes.len() - 22;
        bytes[end + 8..end + 12].copy_from_slice(&[0xff; 4]);
        fs::write(&forged, bytes).unwrap();
        assert!(matches!(office.refused(&forged).what, BundleFault::Malformed(_)));
    });
}

#[test]
fn a_folder_of_too_many_files_is_not_walked_to_its_end() {
    block_on(async {
        let office = Office::small().await;
        let many = office.path("many");
        fs::create_dir(&many).unwrap();
        for number in 0..=100_000 {
            File::create(many.join(number.to_string())).unwrap();
        }
        let refused = office.refused(&many);
        assert!(refused.to_string().contains("100,000"), "{refused}");
        fs::remove_file(many.join("0")).unwrap();
        assert!(matches!(office.refused(&many).what, BundleFault::Missing));
    });
}

/// The number of files is then all ones, as where a 64-bit number stands for it.
#[test]
fn an_archive_of_65535_files_has_no_64_bit_numbers() {
    block_on(async {
        let office = Office::small().await;
        let many = office.path("many.zip");
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        let mut archive = ZipWriter::new(File::create(&many).unwrap());
        for number in 0..65_535 {
            archive.start_file(format!("{number}"), options).unwrap();
        }
        archive.finish().unwrap();
        let refused = office.refused(&many);
        assert!(matches!(refused.what, BundleFault::Missing), "{refused}");
    });
}

#[test]
fn a_manifest_lists_no_more_files_than_a_version_has() {
    block_on(async {
        let office = Office::small().await;
        let (_, mut manifest) = office.export("case").await;
        let document = manifest.requirements[0].document.as_mut().unwrap();
        let one = document.files[0].clone();
        document.files.clear();
        for number in 1..=1025 {
            let mut file = one.clone();
            file.path = format!("documents/01-note/{number:02}-note.txt");
            let document = manifest.requirements[0].document.as_mut().unwrap();
            document.files.push(file);
            if number >= 1024 {
                let parsed = BundleManifest::parse(manifest.to_json().as_bytes());
                assert_eq!(parsed.is_ok(), number == 1024, "{number}: {:?}", parsed.err());
            }
        }
    });
}

/// A document of the manifest's name that is no manifest, of whatever length, and one more than there is.
#[test]
fn a_delivery_has_one_manifest_of_a_manifests_length() {
    block_on(async {
        let office = Office::small().await;
        let session = office.reviewers[0].session();
        let (notary, recipient, _folder) = notary();
        let named = || NewDocument::named("docvault.manifest.json").media_type("application/json");
        let unpacked = async |out: &str| {
            let grant = session.grant(office.case, &recipient, Terms::read().purpose("x")).await.unwrap();
            let sealed = session.deliver(grant).await.unwrap().collect().await.unwrap();
            unpack_handed_over(
                notary.open(&sealed[..], &office.intake.vault.sender()).unwrap(),
                &office.path(out),
            )
        };
        session.store(office.case, named(), vec![b' '; (16 << 20) + 1]).await.unwrap();
        let refused = unpacked("long").await.unwrap_err();
        assert!(refused.to_string().contains("too long"), "{refused}");
        assert!(!office.path("long").exists());

        // Two of the name, as two desks leave them that hand a case over for the first time at once.
        session.store(office.case, named(), b"{}".to_vec()).await.unwrap();
        let terms = Terms::read().purpose("deed 1234");
        let delivery = office.reviewers[0].hand_over(office.case, &recipient, terms).await.unwrap();
        let sealed = delivery.collect().await.unwrap();
        let opened = notary.open(&sealed[..], &office.intake.vault.sender()).unwrap();
        let manifest = unpack_handed_over(opened, &office.path("one")).unwrap();
        assert_eq!(manifest.others.len(), 1, "the one too many is a document like others");
        session.store(office.case, named(), manifest.to_json().into_bytes()).await.unwrap();
        let refused = unpacked("two").await.unwrap_err();
        assert!(matches!(refused.what, BundleFault::Extra) && refused.at == "manifest.json", "{refused}");
    });
}

/// Each document's name takes six bytes of JSON a character.
#[test]
fn a_case_whose_manifest_would_be_too_long_is_not_handed_over() {
    block_on(async {
        let office = Office::small().await;
        let session = office.reviewers[0].session();
        for _ in 0..(16 << 20) / (6 << 10) {
            let named = NewDocument::named("\u{1}".repeat(1024)).media_type("text/plain");
            session.store(office.case, named, b"x".to_vec()).await.unwrap();
        }
        let (_, recipient, _folder) = notary();
        let terms = Terms::read().purpose("deed 1234");
        let refused = office.reviewers[0].hand_over(office.case, &recipient, terms).await.unwrap_err();
        let IntakeError::Bundle(refused) = refused else { panic!("{refused}") };
        assert!(refused.at == "manifest.json" && refused.to_string().contains("too long"), "{refused}");
        let first = session.documents(office.case, None).await.unwrap().documents[0].document;
        assert!(session.who_can_open(first).await.unwrap().grants.is_empty());
    });
}
