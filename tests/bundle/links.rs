//! What came by a link: proven to have come so, and nothing beside it.

use std::{collections::BTreeMap, fs, path::Path};

use docvault::{
    ContentDigest, Statement, SystemEntropy,
    deposit::{Claim, Inbox, Promise, Verdict},
    intake::*,
};

use crate::{
    common::block_on,
    intake::{DAY, carrier_key, files as named, seal},
    liar::{Lie, Lying, hex, is_unproven, unhex},
    office::*,
};

/// One requirement of up to two files and no field, which one person approves.
const PAIR: &str = r#"
    format = 1
    name = "pair"
    version = 1
    language = "en"
    title = { en = "Pair" }

    [[requirements]]
    key = "pair"
    title = { en = "Pair" }
    files = { media_types = ["image/jpeg"], max = 2, max_bytes = 4_000_000 }
"#;

/// Deposits these for a requirement, by a link of its own, and takes them in.
async fn by_link(
    office: &Office,
    requirement: &str,
    contents: &[Vec<u8>],
    form: &[(&str, &str)],
) -> (Promise, AcceptedSubmission) {
    let (intake, desk) = (&office.intake, &office.executive);
    let expires = intake.vault.now().saturating_add(DAY);
    let new = NewRequest::new(carrier_key().public(), expires).requirement(key(requirement));
    let signed = desk.request(office.case, new.policy(intake.policy.to_string())).await.unwrap();
    let carrier = intake.carrier();
    carrier.publish(signed.descriptor.to_bytes()).await.unwrap();
    let client = intake.open(&signed);
    let mut handed_in = client.begin(0, named(contents), &SystemEntropy::default()).unwrap();
    for place in handed_in.places() {
        carrier.receive(seal(&mut handed_in, contents, place)).await.unwrap();
    }
    let form: BTreeMap<String, String> =
        form.iter().map(|(field, answer)| ((*field).to_owned(), (*answer).to_owned())).collect();
    carrier.finish(handed_in.finish(form, "").unwrap()).await.unwrap();
    let request = signed.descriptor.request();
    let secrets = desk.session().request_secrets(office.case, request).await.unwrap();
    let inbox = Inbox::open(intake.kept.clone(), request, &intake.vault.sender(), secrets).await.unwrap();
    let promise = inbox.promises().await.unwrap().remove(0);
    let accepted = desk.take_in(office.case, &inbox, &promise).await.unwrap().accepted().unwrap();
    (promise, accepted)
}

/// What was stated when a deposit was taken in.
async fn taken_in(office: &Office, promise: &Promise) -> Statement {
    let (request, deposit, received_at) = (promise.request(), promise.deposit(), promise.time());
    let by_it = Origin::Deposit { request, deposit, received_at };
    let past = office.executive.history(office.case, None).await.unwrap().events;
    let of_it = |past: &PastEvent| matches!(&past.event.change, Change::Submitted { submission, .. } if submission.origin == by_it);
    let seq = past.iter().find(|past| of_it(past)).unwrap().seq;
    let page = office.executive.session().statements(office.case, None).await.unwrap();
    page.statements.into_iter().find(|stated| stated.made.seq == seq).unwrap()
}

/// A bundle of the case, of which the manifest is forged, with the receipts that it then needs.
async fn forged(
    office: &Office,
    name: &str,
    forge: impl FnOnce(&mut BundledRequirement),
    receipts: &[(&str, u64)],
) -> std::path::PathBuf {
    let note = office.intake.vault.audit().checkpoint().await.unwrap();
    let bundle = office.path(name);
    let mut manifest = office.reviewers[0].export_bundle(office.case, &note, &bundle).await.unwrap();
    forge(&mut manifest.requirements[0]);
    fs::write(bundle.join("manifest.json"), manifest.to_json()).unwrap();
    for (name, record) in receipts {
        let receipt = office.executive.session().receipt(*record, &note).await.unwrap();
        fs::write(bundle.join("receipts").join(name), receipt.to_string()).unwrap();
    }
    sum_again(&bundle);
    bundle
}

fn replace(bundle: &Path, name: &str, from: &str, to: &str) {
    let text = fs::read_to_string(bundle.join(name)).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(bundle.join(name), text.replace(from, to)).unwrap();
}

#[test]
fn what_came_by_a_link_is_proven_to_have_come_so() {
    block_on(async {
        let office = Office::open(TEMPLATE).await;
        let sides = [photograph(1), photograph(2)];
        let (promise, _) = by_link(&office, "id", &sides, &[("number", "IDMEX1")]).await;
        let (folder, manifest) = office.export("case").await;
        verify_bundle(&folder, &office.intake.policy).unwrap();
        assert!(manifest.requirements[0].statements[0].deposit.is_some());
        // That it came by another deposit is refused.
        let deposit = promise.deposit().to_string();
        let other = format!("{}{}", &deposit[..31], if deposit.ends_with('0') { '1' } else { '0' });
        let (honest, forged) = (format!("\"deposit\": \"{deposit}\""), format!("\"deposit\": \"{other}\""));
        replace(&folder, "manifest.json", &honest, &forged);
        sum_again(&folder);
        let refused = office.refused(&folder);
        assert!(matches!(refused.what, BundleFault::Claim), "{refused}");
    });
}

/// That a deposit was taken in is stated of each deposit, also of one with the same content.
#[test]
fn what_was_taken_in_is_not_approved_by_that() {
    block_on(async {
        for statement in [ClaimedKind::Approved, ClaimedKind::Attested] {
            let office = Office::open(PAIR).await;
            let content = [photograph(1)];
            let (first, accepted) = by_link(&office, "pair", &content, &[]).await;
            office.reviewers[0].act(office.case, accepted.reject("once more")).await.unwrap();
            let (second, _) = by_link(&office, "pair", &content, &[]).await;
            let (first_made, second_made) =
                (taken_in(&office, &first).await, taken_in(&office, &second).await);
            let forge = |requirement: &mut BundledRequirement| {
                let mut approved = requirement.statements[0].clone();
                (approved.says.statement, approved.says.by) = (statement, "user:9".to_owned());
                let submitted = &mut requirement.statements[0];
                submitted.record = first_made.made.seq;
                submitted.deposit = Some(hex(&first_made.claim));
                let (request, deposit, received_at) = (first.request(), first.deposit(), first.time());
                submitted.says.origin = Some(Origin::Deposit { request, deposit, received_at });
                requirement.statements.push(approved);
                if statement == ClaimedKind::Approved {
                    requirement.standing = Standing::Approved;
                }
            };
            let word = if statement == ClaimedKind::Approved { "approved" } else { "attested" };
            let second_receipt = format!("01-pair.02-{word}.receipt");
            let receipts = [
                ("01-pair.01-submitted.receipt", first_made.made.seq),
                (second_receipt.as_str(), second_made.made.seq),
            ];
            let bundle = forged(&office, word, forge, &receipts).await;
            if statement == ClaimedKind::Approved {
                replace(&bundle, "README.txt", "under review", "approved");
                replace(&bundle, "README.txt", "en revisión", "aprobado");
                sum_again(&bundle);
            }
            let refused = office.refused(&bundle);
            assert!(matches!(refused.what, BundleFault::Claim), "{refused}");
            assert_eq!(refused.at, format!("receipts/{second_receipt}"));
        }
    });
}

#[test]
fn no_file_is_slipped_behind_those_that_came_by_a_link() {
    block_on(async {
        let office = Office::open(PAIR).await;
        let (promise, _) = by_link(&office, "pair", &[photograph(1)], &[]).await;
        let file = |seed| NewFile::from_memory("side.jpg", "image/jpeg", photograph(seed));
        let both = NewSubmission::direct().file(file(1)).file(file(2));
        office.executive.submit(office.case, &key("pair"), both).await.unwrap().accepted().unwrap();
        let made = taken_in(&office, &promise).await;
        let forge = |requirement: &mut BundledRequirement| {
            let submitted = &mut requirement.statements[0];
            (submitted.record, submitted.deposit) = (made.made.seq, Some(hex(&made.claim)));
            let (request, deposit, received_at) = (promise.request(), promise.deposit(), promise.time());
            submitted.says.origin = Some(Origin::Deposit { request, deposit, received_at });
        };
        let receipts = [("01-pair.01-submitted.receipt", made.made.seq)];
        let bundle = forged(&office, "slipped", forge, &receipts).await;
        let refused = office.refused(&bundle);
        assert!(matches!(refused.what, BundleFault::Claim), "{refused}");
        assert_eq!(refused.at, "receipts/01-pair.01-submitted.receipt");
    });
}

/// Two files that came by a link, with answers, of which a bundle is to say something else.
async fn of_link(office: &Office) -> Lie<'_> {
    by_link(office, "id", &[photograph(1), photograph(2)], &[("number", "IDMEX1")]).await;
    Lie::begin(office).await
}

const SUBMITTED: &str = "receipts/01-id.01-submitted.receipt";

/// The office puts another answer to the deposit on record, and shows that.
#[test]
fn a_deposit_is_proven_by_the_answer_that_takes_it_in_as_it_came() {
    block_on(async {
        let office = Office::open(TEMPLATE).await;
        let mut lie = of_link(&office).await;
        let honest = unhex(lie.first().statements[0].deposit.as_ref().unwrap());
        let lies: [Lying<Claim>; 9] = [
            ("it was quarantined", |claim| claim.verdict = Verdict::Quarantined("rules".to_owned())),
            ("it was refused", |claim| claim.verdict = Verdict::Refused("rules".to_owned())),
            ("it was for another requirement", |claim| claim.requirement = "statement".to_owned()),
            ("it is of another vault", |claim| claim.vault = "01".repeat(16).parse().unwrap()),
            ("it is of another case", |claim| claim.case = "01".repeat(16).parse().unwrap()),
            ("it was for another request", |claim| claim.request = "01".repeat(16).parse().unwrap()),
            ("a file is of another length", |claim| claim.pages[0].len += 1),
            ("a file is another", |claim| claim.pages[1].digest = claim.pages[0].digest),
            ("a file came that is not there, behind one that is answers here", |claim| {
                let (front, answers) = (claim.pages[0], br#"{"number":"IDMEX1"}"#);
                let mut third = front;
                (third.len, third.digest) = (answers.len() as u64, *ContentDigest::of(answers).as_bytes());
                claim.pages.extend([third, front]);
            }),
        ];
        for (what, tell) in lies {
            let mut claim = Claim::from_bytes(&honest).unwrap();
            tell(&mut claim);
            let mut submitted = lie.first().statements[0].clone();
            submitted.deposit = Some(hex(&claim.to_bytes().unwrap()));
            lie.state(&mut submitted).await;
            lie.first().statements[0] = submitted;
            is_unproven(&lie.refused(what).await, SUBMITTED, what);
        }
        let mut submitted = lie.first().statements[0].clone();
        submitted.deposit = Some(hex(&honest));
        lie.state(&mut submitted).await;
        lie.first().statements[0] = submitted;
        verify_bundle(lie.tell().await, &office.intake.policy).expect("the same answer once more");
    });
}

/// A claim as it should be, that is on no record.
#[test]
fn a_deposits_claim_is_the_one_on_record() {
    block_on(async {
        let office = Office::open(TEMPLATE).await;
        let mut lie = of_link(&office).await;
        let submitted = lie.first().statements[0].clone();
        let honest = submitted.deposit.unwrap();
        let mut claim = Claim::from_bytes(&unhex(&honest)).unwrap();
        claim.time = claim.time.saturating_add(DAY);
        let later = hex(&claim.to_bytes().unwrap());
        for (what, told) in
            [("another time", later), ("capitals", honest.to_uppercase()), ("nothing", String::new())]
        {
            lie.first().statements[0].deposit = Some(told);
            is_unproven(&lie.refused(what).await, SUBMITTED, what);
        }
    });
}

/// Behind the files that came by a link are answers, or nothing: not a file of whatever name.
#[test]
fn what_is_behind_a_deposits_files_is_called_answers() {
    block_on(async {
        let office = Office::open(TEMPLATE).await;
        let mut lie = of_link(&office).await;
        lie.rename(2, "more.json", "documents/01-id/03-more.json");
        is_unproven(&lie.refused("a file").await, SUBMITTED, "a file");
        lie.rename(2, "form.json", "documents/01-id/03-form.json");
        verify_bundle(lie.tell().await, &office.intake.policy).expect("answers");
    });
}
