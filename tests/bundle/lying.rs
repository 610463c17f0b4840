//! Bundles of an office that lies: each is sound, and proven, but for one thing.

use docvault::{Timestamp, intake::*};

use crate::{common::block_on, liar::*, office::*};

/// What is told, where it contradicts itself, and how.
type Contradiction = (&'static str, &'static str, fn(&mut BundleManifest));

/// After every day that a document of [`Office::complete`] is valid on.
const LATE: Timestamp = Timestamp::from_millis(4_102_444_800_000);

async fn contradict(office: &Office, lies: &[Contradiction]) {
    let mut lie = Lie::begin(office).await;
    let truth = lie.manifest.clone();
    for (what, at, tell) in lies {
        tell(&mut lie.manifest);
        is_contradiction(&lie.refused(what).await, at, what);
        lie.manifest = truth.clone();
    }
    verify_bundle(lie.tell().await, &office.intake.policy).expect("the truth is believed");
}

#[test]
fn a_bundle_has_the_templates_requirements_and_nothing_else() {
    block_on(async {
        let slip = |manifest: &mut BundleManifest| {
            let document = manifest.requirements[0].document.as_ref().unwrap();
            let slip = serde_json::json!({
                "document": document.document, "version": document.version, "digest": document.digest,
                "path": "documents/others/0001-slip.txt", "name": "slip.txt", "media_type": "text/plain", "bytes": 1,
            });
            manifest.others.push(serde_json::from_value(slip).unwrap());
        };
        let lies: &[Contradiction] = &[
            ("another requirement than was asked for", "other", |manifest| {
                manifest.requirements[2].requirement = key("more");
            }),
            ("another title", "other", |manifest| {
                manifest.requirements[2].title = manifest.requirements[1].title.clone();
            }),
            ("one left out of which nothing is there", "requirements", |manifest| {
                manifest.requirements.pop();
            }),
            ("a document for no requirement", "requirements", slip),
        ];
        contradict(&Office::complete().await, lies).await;
    });
}

#[test]
fn nothing_is_said_of_what_is_not_there() {
    block_on(async {
        let lies: &[Contradiction] = &[
            ("that it is to be reviewed", "other", |manifest| {
                manifest.requirements[2].standing = Standing::Submitted;
            }),
            ("that it was approved", "other", |manifest| {
                let mut statements = manifest.requirements[1].statements.clone();
                statements.iter_mut().for_each(|stated| stated.says.requirement = key("other"));
                manifest.requirements[2].statements = statements;
            }),
        ];
        contradict(&Office::complete().await, lies).await;
    });
}

#[test]
fn somebody_handed_in_what_is_there_before_it_was_approved() {
    block_on(async {
        let lies: &[Contradiction] = &[
            ("nobody handed it in", "statement", |manifest| {
                let one = &mut manifest.requirements[1];
                (one.standing, manifest.completion) = (Standing::Submitted, None);
                one.statements.clear();
            }),
            ("it was approved, and never handed in", "statement", |manifest| {
                drop(manifest.requirements[1].statements.remove(0));
            }),
            ("one approval came before another that it followed", "id", |manifest| {
                manifest.requirements[0].statements.swap(1, 2);
            }),
        ];
        contradict(&Office::complete().await, lies).await;
    });
}

#[test]
fn who_handed_in_what_is_there_is_told_once() {
    block_on(async {
        let office = Office::complete().await;
        let mut lie = Lie::begin(&office).await;
        for kind in [ClaimedKind::Submitted, ClaimedKind::NewerVersionSeen] {
            let mut again = lie.first().statements[0].clone();
            (again.says.statement, again.says.by) = (kind, "user:9".to_owned());
            lie.state(&mut again).await;
            lie.first().statements.push(again);
            is_contradiction(&lie.refused("handed in twice").await, "id", "handed in twice");
            lie.first().statements.pop();
        }
    });
}

#[test]
fn an_approval_is_of_what_is_there() {
    block_on(async {
        let office = Office::complete().await;
        let lies: [LyingOf<Claimed, BundledDocument>; 3] = [
            ("of another version", |says, other| says.version = other.version),
            ("of another content", |says, other| says.digest = other.digest),
            ("of another requirement", |says, _| says.requirement = key("statement")),
        ];
        let mut lie = Lie::begin(&office).await;
        let other = lie.manifest.requirements[1].document.clone().unwrap();
        let approved = lie.first().statements.remove(2);
        for (what, tell) in lies {
            let mut approved = approved.clone();
            tell(&mut approved.says, &other);
            lie.state(&mut approved).await;
            // The last one, so that they stay in order.
            lie.first().statements.push(approved);
            is_contradiction(&lie.refused(what).await, "id", what);
            lie.first().statements.pop();
        }
    });
}

#[test]
fn a_document_stands_as_its_approvals_and_the_day_have_it() {
    block_on(async {
        let office = Office::complete().await;
        let lies: &[Contradiction] = &[
            ("what is not valid any more is approved", "id", |manifest| manifest.at = LATE),
            ("what too few have approved has expired", "id", |manifest| {
                (manifest.at, manifest.completion) = (LATE, None);
                let id = &mut manifest.requirements[0];
                id.standing = Standing::Expired;
                id.statements.remove(2);
            }),
            ("what is valid has expired", "statement", |manifest| {
                manifest.requirements[1].standing = Standing::Expired;
            }),
            ("what is there is missing", "statement", |manifest| {
                manifest.requirements[1].standing = Standing::Missing;
            }),
        ];
        contradict(&office, lies).await;
        // When a bundle was made is its issuer's word, and what follows from that has to follow.
        let mut late = Lie::begin(&office).await;
        (late.manifest.at, late.first().standing) = (LATE, Standing::Expired);
        verify_bundle(late.tell().await, &office.intake.policy).expect("it has expired by then");
    });
}

/// A completion that says something else than the honest one.
fn other_completion(honest: &Completion, tell: impl FnOnce(&mut serde_json::Value)) -> Completion {
    let mut completion = serde_json::to_value(honest).unwrap();
    tell(&mut completion);
    serde_json::from_value(completion).unwrap()
}

#[test]
fn a_completion_is_by_the_template_and_rests_on_what_is_there() {
    block_on(async {
        let office = Office::complete().await;
        let mut lie = Lie::begin(&office).await;
        let honest = lie.manifest.completion.clone().unwrap().completion;
        let lies: [Lying<serde_json::Value>; 5] = [
            ("by another template", |one| one["template"] = "0".repeat(64).into()),
            ("on another version", |one| {
                one["approved"][0]["version"] = one["approved"][1]["version"].clone();
            }),
            ("on another content", |one| one["approved"][0]["digest"] = one["approved"][1]["digest"].clone()),
            ("in another order", |one| one["approved"].as_array_mut().unwrap().reverse()),
            ("on one twice", |one| {
                let first = one["approved"][0].clone();
                one["approved"].as_array_mut().unwrap().push(first);
            }),
        ];
        for (what, tell) in lies {
            lie.complete(other_completion(&honest, tell)).await;
            is_contradiction(&lie.refused(what).await, "completion", what);
        }
    });
}

#[test]
fn a_completion_does_not_rest_on_what_nobody_attested() {
    block_on(async {
        let office = Office::complete().await;
        let mut lie = Lie::begin(&office).await;
        let is_attested = |one: &BundledStatement| one.says.statement == ClaimedKind::Attested;
        let at = lie.first().statements.iter().position(is_attested).unwrap();
        let mut other = lie.first().statements.remove(at);
        is_contradiction(&lie.refused("nothing").await, "completion", "nothing");
        other.says.attestation = Some("translation_checked".parse().unwrap());
        lie.state(&mut other).await;
        lie.first().statements.push(other);
        is_contradiction(&lie.refused("something else").await, "completion", "something else");
        lie.manifest.completion = None;
        verify_bundle(lie.tell().await, &office.intake.policy).expect("without a completion it is the truth");
    });
}

#[test]
fn a_completion_does_not_rest_on_what_nobody_approved() {
    block_on(async {
        let office = Office::complete().await;
        let other = NewSubmission::direct().file(NewFile::from_memory("x.pdf", "application/pdf", pdf(7)));
        office.executive.submit(office.case, &key("other"), other).await.unwrap().accepted().unwrap();
        let mut lie = Lie::begin(&office).await;
        let document = lie.manifest.requirements[2].document.clone().unwrap();
        let honest = lie.manifest.completion.clone().unwrap().completion;
        let unseen = serde_json::json!({
            "requirement": "other", "version": document.version, "digest": document.digest,
        });
        let more = other_completion(&honest, |one| one["approved"].as_array_mut().unwrap().push(unseen));
        lie.complete(more).await;
        is_contradiction(&lie.refused("unseen").await, "completion", "unseen");
    });
}

/// Its hash is that of the canonical form, whatever the file's bytes are.
#[test]
fn a_template_is_in_the_form_that_its_hash_is_of() {
    block_on(async {
        let office = Office::small().await;
        let mut lie = Lie::begin(&office).await;
        lie.template = lie.template.replacen('{', "{ ", 1);
        let refused = lie.refused("a space").await;
        let form = matches!(refused.what, BundleFault::Malformed("it is not in its canonical form"));
        assert!(form && refused.at == "template.json", "{refused}");
    });
}
