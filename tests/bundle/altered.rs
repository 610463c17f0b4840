//! Bundles that were altered, by accident and by somebody who makes the sums right again.

use std::{fs, path::Path};

use docvault::intake::*;

use crate::{common::block_on, office::*};

#[test]
fn every_byte_flip_is_refused_or_harmless() {
    block_on(async {
        let office = Office::small().await;
        for name in ["case.zip", "case"] {
            let (bundle, _) = office.export(name).await;
            let expected = verify_bundle(&bundle, &office.intake.policy).unwrap();
            let (folder, mut harmless) = (bundle.is_dir(), 0u32);
            let paths = match folder {
                true => files(&bundle).into_keys().map(|name| bundle.join(name)).collect(),
                false => vec![bundle.clone()],
            };
            let mut flipped = 0u32;
            for path in paths {
                let bytes = fs::read(&path).unwrap();
                // Every byte of the archive, which holds the same files; in the folder every eleventh.
                for at in (0..bytes.len()).step_by(if folder { 11 } else { 1 }) {
                    let mut altered = bytes.clone();
                    altered[at] ^= 1 << (at % 8);
                    fs::write(&path, &altered).unwrap();
                    flipped += 1;
                    if let Ok(verified) = verify_bundle(&bundle, &office.intake.policy) {
                        assert_eq!(verified, expected, "byte {at} of {}", path.display());
                        harmless += 1;
                    }
                }
                fs::write(&path, &bytes).unwrap();
            }
            // In an archive there are times and rights of files, which say nothing here; in a folder nothing.
            let most = if folder { 0 } else { flipped / 50 };
            assert!(harmless <= most, "{harmless} of {flipped} bytes of {name} are not told of");
            assert!(verify_bundle(&bundle, &office.intake.policy).is_ok(), "as it was");
        }
    });
}

#[test]
fn a_file_more_or_less_or_under_another_name_is_refused() {
    block_on(async {
        let office = Office::small().await;
        let (bundle, _) = office.export("case").await;
        for name in files(&bundle).into_keys() {
            let (path, aside) = (bundle.join(&name), office.path("aside"));
            fs::rename(&path, &aside).unwrap();
            let refused = office.refused(&bundle);
            let at_or_above = matches!(refused.what, BundleFault::Missing | BundleFault::Extra);
            assert!(at_or_above, "{name}: {refused}");
            // Under another name, with the sums made right again.
            let renamed = bundle.join(format!("{name}x"));
            fs::copy(&aside, &renamed).unwrap();
            if name != "SHA256SUMS" {
                sum_again(&bundle);
            }
            office.refused(&bundle);
            fs::remove_file(&renamed).unwrap();
            fs::rename(&aside, &path).unwrap();
            sum_again(&bundle);
        }
        for extra in ["extra.txt", "documents/01-note/02-more.txt", "receipts/more.receipt", "a/b/c"] {
            let path = bundle.join(extra);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "more").unwrap();
            for _ in 0..2 {
                let refused = office.refused(&bundle);
                assert!(matches!(refused.what, BundleFault::Extra) && refused.at == extra, "{refused}");
                sum_again(&bundle);
            }
            fs::remove_file(&path).unwrap();
            fs::remove_dir_all(bundle.join("a")).ok();
            sum_again(&bundle);
        }
        fs::create_dir(bundle.join("empty")).unwrap();
        assert!(matches!(office.refused(&bundle).what, BundleFault::Extra));
        fs::remove_dir(bundle.join("empty")).unwrap();
        verify_bundle(&bundle, &office.intake.policy).unwrap();
    });
}

/// Writes another manifest, with the README and the sums that go with it as far as they can be had.
fn forge(bundle: &Path, from: &str, to: &str) -> bool {
    let path = bundle.join("manifest.json");
    let json = fs::read_to_string(&path).unwrap();
    let forged = json.replacen(from, to, 1);
    fs::write(&path, &forged).unwrap();
    sum_again(bundle);
    forged != json
}

#[test]
fn what_receipts_prove_cannot_be_told_otherwise() {
    block_on(async {
        let office = Office::complete().await;
        let (bundle, manifest) = office.export("case").await;
        let original = fs::read(bundle.join("manifest.json")).unwrap();
        let other = Office::complete().await;
        let [id, statement, _] = &manifest.requirements[..] else { panic!("{manifest:?}") };
        let (id_is, statement_is) = (id.document.as_ref().unwrap(), statement.document.as_ref().unwrap());
        let approved_at = id.statements[1].says.at.as_millis();
        let opened = manifest.opened.as_millis();
        let last = manifest.completion.as_ref().unwrap().completion.at.as_millis();
        let edits = [
            ("\"by\": \"user:3\"".to_owned(), "\"by\": \"user:7\"".to_owned(), "an approver"),
            ("\"by\": \"user:1\"".into(), "\"by\": \"user:2\"".into(), "who handed in"),
            ("\"of\": \"client:42\"".into(), "\"of\": \"client:43\"".into(), "for whom"),
            ("\"channel\": \"whatsapp\"".into(), "\"channel\": \"counter\"".into(), "the channel"),
            ("compared_with_original".into(), "translation_checked".into(), "what was attested"),
            (
                format!("\"at\": {approved_at}"),
                format!("\"at\": {}", approved_at + 1),
                "when it was approved",
            ),
            (format!("\"at\": {last}"), format!("\"at\": {}", last + 1), "when it was complete"),
            (format!("\"opened\": {opened}"), format!("\"opened\": {}", opened - 1), "when it was opened"),
            (
                format!("\"record\": {}", id_is.record),
                format!("\"record\": {}", statement_is.record),
                "a record",
            ),
            ("2090-12-31".into(), "2099-12-31".into(), "until when it is valid"),
            (manifest.case.to_string(), other.case.to_string(), "the case"),
            (manifest.vault.to_string(), other.intake.vault.id().to_string(), "the vault"),
            (manifest.template.hash.to_string(), "0".repeat(64), "the template"),
            ("\"standing\": \"approved\"".into(), "\"standing\": \"submitted\"".into(), "how it stands"),
            ("\"standing\": \"approved\"".into(), "\"standing\": \"expired\"".into(), "that it expired"),
            ("\"es\": \"Identificación\"".into(), "\"es\": \"Pasaporte\"".into(), "a title"),
            (id_is.files[0].blake3.to_string(), id_is.files[1].blake3.to_string(), "a file's hash"),
            (id_is.digest.to_string(), statement_is.digest.to_string(), "a digest"),
        ];
        for (from, to, what) in edits {
            assert!(forge(&bundle, &from, &to), "{what}");
            let refused = office.refused(&bundle);
            let found = matches!(
                refused.what,
                BundleFault::Claim | BundleFault::Malformed(_) | BundleFault::Altered(_)
            );
            assert!(found, "{what}: {refused}");
            fs::write(bundle.join("manifest.json"), &original).unwrap();
        }
        no_file_stands_for_another(&office, &bundle, &id_is.files);
        no_words_are_added(&office, &bundle);
        sum_again(&bundle);
        verify_bundle(&bundle, &office.intake.policy).unwrap();
    });
}

/// The files themselves, in one another's place.
fn no_file_stands_for_another(office: &Office, bundle: &Path, files: &[BundledFile]) {
    let [front, back] = [&files[0].path, &files[1].path].map(|path| bundle.join(path));
    let (a, b) = (fs::read(&front).unwrap(), fs::read(&back).unwrap());
    fs::write(&front, &b).unwrap();
    fs::write(&back, &a).unwrap();
    sum_again(bundle);
    assert!(matches!(office.refused(bundle).what, BundleFault::Altered("manifest.json")));
    fs::write(&front, &a).unwrap();
    fs::write(&back, &b).unwrap();
}

/// Words for people that the manifest does not say.
fn no_words_are_added(office: &Office, bundle: &Path) {
    for name in ["README.txt", "log.txt"] {
        let text = fs::read_to_string(bundle.join(name)).unwrap();
        fs::write(bundle.join(name), format!("{text}See www.example.com.\n")).unwrap();
        sum_again(bundle);
        let refused = office.refused(bundle);
        assert!(matches!(refused.what, BundleFault::Altered(_)) && refused.at == name, "{refused}");
        fs::write(bundle.join(name), text).unwrap();
    }
}

#[test]
fn two_approvals_of_one_person_are_no_two() {
    block_on(async {
        let office = Office::complete().await;
        let (bundle, _) = office.export("case").await;
        let original = fs::read(bundle.join("manifest.json")).unwrap();
        // One approver twice, and one who had handed it in: told without looking at a receipt.
        for (from, to) in [("user:3", "user:2"), ("user:3", "user:1")] {
            assert!(forge(&bundle, &format!("\"by\": \"{from}\""), &format!("\"by\": \"{to}\"")));
            let refused = office.refused(&bundle);
            assert!(matches!(refused.what, BundleFault::Malformed(_)), "{to}: {refused}");
            fs::write(bundle.join("manifest.json"), &original).unwrap();
        }
    });
}

/// Of a case that is not complete no completion names the template.
#[test]
fn a_template_that_asks_for_less_is_not_the_one_it_was_opened_with() {
    block_on(async {
        let office = Office::open(TEMPLATE).await;
        let side = |seed| NewFile::from_memory("INE.jpg", "image/jpeg", photograph(seed));
        let id = NewSubmission::direct().file(side(1)).file(side(2));
        let id = id.form(Form::new().with(key("number"), "1")).valid_until("2090-12-31".parse().unwrap());
        let id = office.executive.submit(office.case, &key("id"), id).await.unwrap().accepted().unwrap();
        office.reviewers[0].act(office.case, id.approve()).await.unwrap();
        let (bundle, manifest) = office.export("case").await;
        assert_eq!(manifest.requirements[0].standing, Standing::Submitted);
        let change = |name: &str, from: &str, to: &str| {
            let text = fs::read_to_string(bundle.join(name)).unwrap();
            assert!(text.contains(from), "{text}");
            fs::write(bundle.join(name), text.replacen(from, to, 1)).unwrap();
            text
        };
        // One person is enough, and everything that follows from that.
        change("template.json", ",\"two_person\":true", "");
        let template =
            Template::from_json(&fs::read_to_string(bundle.join("template.json")).unwrap()).unwrap();
        change("manifest.json", &manifest.template.hash.to_string(), &template.hash().to_string());
        change("manifest.json", "\"standing\": \"submitted\"", "\"standing\": \"approved\"");
        change("README.txt", "under review", "approved");
        change("README.txt", "en revisión", "aprobado");
        sum_again(&bundle);
        let refused = office.refused(&bundle);
        assert!(matches!(refused.what, BundleFault::Claim), "{refused}");
        assert_eq!(refused.at, "receipts/opened.receipt");
    });
}

#[test]
fn receipts_of_elsewhere_are_refused() {
    block_on(async {
        let office = Office::complete().await;
        let (bundle, _) = office.export("case").await;
        let receipts: Vec<_> =
            files(&bundle).into_iter().filter(|(name, _)| name.starts_with("receipts/")).collect();
        // One for another record of the same case, under the same checkpoint.
        for ((name, own), (_, other)) in receipts.iter().zip(receipts.iter().cycle().skip(1)) {
            fs::write(bundle.join(name), other).unwrap();
            sum_again(&bundle);
            let refused = office.refused(&bundle);
            assert!(matches!(refused.what, BundleFault::Claim) && refused.at == *name, "{refused}");
            fs::write(bundle.join(name), own).unwrap();
        }
        // The same record under a later checkpoint, in one of them alone.
        let note = office.intake.vault.audit().checkpoint().await.unwrap();
        let (_, manifest) = office.export("later").await;
        let record = manifest.completion.as_ref().unwrap().record;
        let later = office.reviewers[0].session().receipt(record, &note).await.unwrap().to_string();
        fs::write(bundle.join("receipts/complete.receipt"), later).unwrap();
        sum_again(&bundle);
        assert!(matches!(office.refused(&bundle).what, BundleFault::Claim));
        // Another vault's, for a case that looks the same; and its whole bundle, by this vault's policy.
        let other = Office::complete().await;
        let (foreign, _) = other.export("case").await;
        for (name, _) in &receipts {
            fs::copy(foreign.join(name), bundle.join(name)).unwrap();
        }
        sum_again(&bundle);
        for forged in [&bundle, &foreign] {
            assert!(matches!(office.refused(forged).what, BundleFault::Receipt(_)));
        }
        verify_bundle(&foreign, &other.intake.policy).unwrap();
    });
}
