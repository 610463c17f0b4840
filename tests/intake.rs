//! Case files on a vault: two desks, a client with a link, documents changed behind intake's back.
#![cfg(all(feature = "intake", feature = "testing"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;
#[path = "common/forge.rs"]
mod forge;
#[path = "common/interrupted.rs"]
mod interrupted;
#[path = "common/intake.rs"]
mod office;
#[path = "intake/swapped.rs"]
mod swapped;
#[path = "intake/taking_in.rs"]
mod taking_in;

#[path = "intake/answers.rs"]
mod answers;
#[path = "intake/clocks.rs"]
mod clocks;
#[path = "intake/media_types.rs"]
mod media_types;
#[path = "intake/reminders.rs"]
mod reminders;
#[path = "intake/requests.rs"]
mod requests;
#[path = "intake/rules.rs"]
mod rules;
#[path = "intake/tasks.rs"]
mod tasks;
#[path = "intake/unreadable.rs"]
mod unreadable;

use async_trait::async_trait;
use common::block_on;
use docvault::{
    CaseId, NewDocument, NewStatement, SystemEntropy, TrustPolicy,
    deposit::{self, File, Standing},
    intake::*,
};
use office::*;

const HEAD: &str = r#"
    format = 1
    name = "loan"
    version = 1
    language = "en"
    title = { en = "Loan" }
"#;

const REQUIREMENTS: &str = r#"
    [[requirements]]
    key = "id"
    title = { en = "Official identification" }
    files = { media_types = ["image/jpeg", "image/png"], max_bytes = 4_000_000, sides = [{ en = "Front" }, { en = "Back" }] }

    [[requirements]]
    key = "statement"
    title = { en = "Bank statement" }
    files = { media_types = ["application/pdf"], max_bytes = 4_000_000 }
    confidential = true

    [[requirements]]
    key = "income"
    title = { en = "Income" }
    fields = [{ key = "monthly", type = "integer", title = { en = "Monthly income" }, required = true }]
"#;

struct Office {
    intake: Intake,
    desk: Desk,
    reviewer: Desk,
    case: CaseId,
}

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

/// A template of these requirements, and of what else its top level says.
fn template(requirements: &str) -> Template {
    Template::from_toml(&format!("{HEAD}{requirements}")).unwrap()
}

fn photograph(seed: u64) -> Vec<u8> {
    [&[0xff, 0xd8, 0xff, 0xe0][..], &content(seed, 700_000)].concat()
}

fn pdf(seed: u64) -> Vec<u8> {
    [&b"%PDF-1.7\n"[..], &content(seed, 10_000)].concat()
}

impl Office {
    async fn open() -> Self {
        let intake = Intake::new().await;
        let session = |actor: &str| intake.vault.session(actor).purpose("loans").begin().unwrap();
        let desk = Desk::new(session("user:1"));
        let reviewer = Desk::new(session("user:2")).role(key("reviewer"));
        let template = template(REQUIREMENTS);
        let opening = Opening::new("client:42");
        let case = desk.open_case("Juan Pérez", &template, opening).await.unwrap();
        Self { intake, desk, reviewer, case }
    }

    async fn hand_in(&self, requirement: &str, files: &[(&str, Vec<u8>)]) -> Result<Submitted, IntakeError> {
        let new = files.iter().fold(NewSubmission::direct(), |new, (media_type, bytes)| {
            new.file(NewFile::from_memory("a name", *media_type, bytes.clone()))
        });
        self.desk.submit(self.case, &key(requirement), new).await
    }

    async fn standing(&self, requirement: &str) -> Option<Stage> {
        let file = self.desk.case(self.case).await.unwrap();
        file.state().requirement(requirement).map(|state| state.stage)
    }
}

#[test]
fn a_case_comes_to_be_complete() {
    block_on(async {
        let office = Office::open().await;
        let sides = [("image/jpeg", photograph(1)), ("image/jpeg", photograph(2))];
        let id = office.hand_in("id", &sides).await.unwrap().accepted().unwrap();
        let stored = office.intake.desk.describe(id.document).await.unwrap();
        assert_eq!((stored.pages.len(), stored.digest, &*stored.name), (2, id.digest, "id"));
        let statement = office.hand_in("statement", &[("application/pdf", pdf(3))]).await.unwrap();
        let statement = statement.accepted().unwrap();
        let income = NewSubmission::on_behalf("client:42").form(Form::new().with(key("monthly"), 25_000));
        let income =
            office.desk.submit(office.case, &key("income"), income).await.unwrap().accepted().unwrap();

        // Roles are asked for, and a confidential document opens to its reviewer alone.
        let refused = office.desk.act(office.case, id.approve()).await.unwrap_err();
        assert!(matches!(refused, IntakeError::Refused(Refusal::NeedsRole { .. })));
        let closed = office.desk.read(office.case, &key("statement")).await.unwrap_err();
        assert!(matches!(closed, IntakeError::Refused(Refusal::Confidential { .. })));
        assert!(office.reviewer.read(office.case, &key("statement")).await.is_ok());

        office.reviewer.act(office.case, id.approve()).await.unwrap();
        let rejected = office.reviewer.act(office.case, statement.reject("of another bank")).await.unwrap();
        let state = rejected.state().requirement("statement").unwrap();
        assert_eq!((state.stage, state.reason.as_deref()), (Stage::Rejected, Some("of another bank")));
        let again =
            office.hand_in("statement", &[("application/pdf", pdf(4))]).await.unwrap().accepted().unwrap();
        assert_eq!(again.document, statement.document, "the next version of the same document");
        office.reviewer.act(office.case, again.approve()).await.unwrap();
        assert!(office.reviewer.act(office.case, Command::Complete).await.is_err());
        office.reviewer.act(office.case, income.approve()).await.unwrap();
        let done = office.reviewer.act(office.case, Command::Complete).await.unwrap();
        assert_eq!(done.status(office.intake.vault.now()).unwrap().percent, 100);

        // That it was complete is proven to outsiders.
        let note = office.intake.vault.audit().checkpoint().await.unwrap();
        let receipt = office.intake.desk.receipt(done.seq(), &note).await.unwrap();
        let proven = receipt.verify(&office.intake.policy).unwrap();
        let history = office.desk.history(office.case, None).await.unwrap();
        let Change::Completed(completion) = &history.events[0].event.change else { panic!("{history:?}") };
        let claimed: [u8; 32] =
            sha2::Digest::finalize(sha2::Digest::chain_update(sha2::Sha256::default(), completion.claim()))
                .into();
        assert_eq!(proven.claim, Some(claimed));
        // The past folds into the present.
        let events: Vec<_> = history.events.iter().rev().map(|past| past.event.clone()).collect();
        assert_eq!(CaseState::replay(done.template(), &events).as_ref(), Some(done.state()));
    });
}

#[test]
fn what_does_not_show_what_it_says_is_on_record_and_not_in_the_case() {
    block_on(async {
        let office = Office::open().await;
        let before = office.intake.desk.documents(office.case, None).await.unwrap().documents.len();
        for bytes in [pdf(1), b"words".to_vec(), Vec::new()] {
            let sides = [("image/jpeg", photograph(1)), ("image/jpeg", bytes)];
            let set_aside = office.hand_in("id", &sides).await.unwrap();
            assert!(
                matches!(set_aside, Submitted::SetAside { verdict: Verdict::Refused, .. }),
                "{set_aside:?}"
            );
        }
        let refused = office.hand_in("id", &[("image/jpeg", photograph(1))]).await.unwrap_err();
        assert!(matches!(refused, IntakeError::Refused(Refusal::FileCount { .. })));
        let state = office.desk.case(office.case).await.unwrap();
        assert_eq!(
            state.state().requirement("id").map(|id| (id.stage, id.set_aside)),
            Some((Stage::Missing, 3))
        );
        assert_eq!(office.intake.desk.documents(office.case, None).await.unwrap().documents.len(), before);
    });
}

/// Finds the worm in one file of two.
struct Scanner;

#[async_trait]
impl Inspector for Scanner {
    async fn inspect(&self, _: &Requirement, files: &[Examined]) -> docvault::Result<Inspection> {
        for file in files {
            let mut content = file.content().await?;
            while let Some(chunk) = content.next().await? {
                if chunk.windows(4).any(|four| four == b"worm") {
                    return Ok(Inspection::Quarantine("it holds a worm".into()));
                }
            }
        }
        Ok(Inspection::Accept)
    }
}

#[test]
fn inspectors_of_the_application_see_every_file() {
    block_on(async {
        let mut office = Office::open().await;
        office.desk = office.desk.inspector(Scanner);
        let infected = [pdf(1), b"worm".to_vec()].concat();
        let found = office.hand_in("statement", &[("application/pdf", infected)]).await.unwrap();
        let Submitted::SetAside { verdict, reason, .. } = found else { panic!("{found:?}") };
        assert_eq!((verdict, &*reason), (Verdict::Quarantined, "it holds a worm"));
        assert!(
            office.hand_in("statement", &[("application/pdf", pdf(1))]).await.unwrap().accepted().is_some()
        );
    });
}

/// A31.
#[test]
fn approve_then_swap() {
    block_on(async {
        let office = Office::open().await;
        let first =
            office.hand_in("statement", &[("application/pdf", pdf(1))]).await.unwrap().accepted().unwrap();
        let second =
            office.hand_in("statement", &[("application/pdf", pdf(2))]).await.unwrap().accepted().unwrap();
        // What was looked at is no longer what is there.
        let late = office.reviewer.act(office.case, first.approve()).await.unwrap_err();
        assert!(matches!(late, IntakeError::Refused(Refusal::NotNewest { .. })));
        // Nor of the newest version, if it is of other bytes than were looked at.
        let Command::Approve { requirement, version, issued, valid_until, .. } = second.approve() else {
            panic!("an approval")
        };
        let Command::Approve { digest, .. } = first.approve() else { panic!("an approval") };
        let other = Command::Approve { requirement, version, digest, issued, valid_until };
        let other = office.reviewer.act(office.case, other).await.unwrap_err();
        assert!(matches!(other, IntakeError::Refused(Refusal::NotNewest { .. })), "{other}");
        office.reviewer.act(office.case, second.approve()).await.unwrap();
        assert_eq!(office.standing("statement").await, Some(Stage::Approved));
        // Somebody with the vault's keys stores other bytes, past intake.
        let named = NewDocument::named("statement");
        office.intake.desk.store_version(second.document, named, "a slip", pdf(9)).await.unwrap();
        let shown = office.desk.cases(None).await.unwrap();
        let shown = shown.files.iter().find(|file| file.case() == office.case).unwrap();
        assert_eq!(shown.state().requirement("statement").unwrap().stage, Stage::Submitted);
        let refused = office.reviewer.act(office.case, second.approve()).await.unwrap_err();
        assert!(matches!(refused, IntakeError::Refused(Refusal::NotNewest { .. })));
        assert_eq!(office.standing("statement").await, Some(Stage::Submitted));
        let newest = office.desk.history(office.case, None).await.unwrap().events.remove(0).event;
        assert!(matches!(newest.change, Change::NewerVersionSeen { .. }));
        assert_eq!(newest.reopens, [Reopens::Requirement]);
    });
}

#[test]
fn a_client_hands_in_by_a_link_and_gets_a_receipt() {
    block_on(async {
        let office = Office::open().await;
        let intake = &office.intake;
        let expires = intake.vault.now().saturating_add(DAY);
        let new = NewRequest::new(carrier_key().public(), expires)
            .requirements([key("statement"), key("id"), key("income")])
            .policy(intake.policy.to_string());
        let signed = office.desk.request(office.case, new).await.unwrap();
        let carrier = intake.carrier();
        carrier.publish(signed.descriptor.to_bytes()).await.unwrap();
        let client = intake.open(&signed);
        let asked: Vec<_> = client.slots().iter().map(|slot| slot.requirement.as_str()).collect();
        assert_eq!(asked, ["id", "income", "statement"]);
        let shown: serde_json::Value = serde_json::from_slice(client.presentation()).unwrap();
        assert_eq!(shown["requirements"][0]["title"]["en"], "Official identification");

        let contents = [photograph(1), photograph(2)];
        let mut handed_in = client.begin(0, files(&contents), &SystemEntropy::default()).unwrap();
        for place in handed_in.places() {
            carrier.receive(seal(&mut handed_in, &contents, place)).await.unwrap();
        }
        let manifest = handed_in.finish(Default::default(), "con gusto").unwrap();
        let promise = carrier.finish(manifest.clone()).await.unwrap();
        let promise = handed_in.check_promise(&promise, &manifest).unwrap();

        let request = signed.descriptor.request();
        let secrets = office.desk.session().request_secrets(office.case, request).await.unwrap();
        let inbox = deposit::Inbox::open(intake.kept.clone(), request, &intake.vault.sender(), secrets)
            .await
            .unwrap();
        for promise in inbox.promises().await.unwrap() {
            let taken = office.desk.take_in(office.case, &inbox, &promise).await.unwrap();
            assert!(taken.accepted().is_some());
            let twice = office.desk.take_in(office.case, &inbox, &promise).await.unwrap_err();
            assert!(matches!(twice, IntakeError::Refused(Refusal::AlreadyTaken)), "{twice}");
            let note = intake.vault.audit().checkpoint().await.unwrap();
            office.desk.answer(office.case, &inbox, &promise, &note).await.unwrap();
        }
        let held = carrier.held(request, handed_in.id()).await.unwrap();
        assert_eq!((held.parts.len(), held.answers.len()), (0, 1));
        let answer = handed_in.open_answer(0, &held.answers[0]).unwrap();
        let policy = TrustPolicy::parse(client.policy()).unwrap();
        let proven = answer.verify(&policy, client.descriptor()).unwrap();
        assert_eq!(
            (proven.claim.requirement.as_str(), &proven.claim.verdict),
            ("id", &deposit::Verdict::Accepted)
        );
        assert_eq!(promise.standing(intake.vault.now(), Some(&proven)), Standing::Answered);

        let file = office.desk.case(office.case).await.unwrap();
        assert_eq!(
            file.state().requirement("id").map(|id| (id.stage, id.comments)),
            Some((Stage::Submitted, 1))
        );
        a_wrong_form_is_set_aside(&office, &client, &inbox).await;
    });
}

/// A form alone, wrongly answered: on record, refused, and the client is told so.
async fn a_wrong_form_is_set_aside(office: &Office, client: &deposit::OpenedRequest, inbox: &deposit::Inbox) {
    let wrong = client.begin(1, Vec::<File>::new(), &SystemEntropy::default()).unwrap();
    let form = [("monthly".to_owned(), "plenty".to_owned())].into();
    let manifest = wrong.finish(form, "").unwrap();
    let promise = office.intake.carrier().finish(manifest.clone()).await.unwrap();
    let promise = wrong.check_promise(&promise, &manifest).unwrap();
    let refused = office.desk.take_in(office.case, inbox, &promise).await.unwrap();
    assert!(matches!(refused, Submitted::SetAside { verdict: Verdict::Refused, .. }));
}

#[test]
fn two_desks_at_once_decide_one_after_the_other() {
    block_on(async {
        let office = Office::open().await;
        let comment = |text: &str| Command::Comment {
            requirement: None,
            text: text.into(),
            audience: Audience::Office,
        };
        let acts = (0..12).map(|number| {
            let desk = if number % 2 == 0 { &office.desk } else { &office.reviewer };
            desk.act(office.case, comment(&format!("number {number}")))
        });
        futures_util::future::try_join_all(acts).await.unwrap();
        let file = office.desk.case(office.case).await.unwrap();
        assert_eq!((file.state().comments(), file.state().events()), (12, 13));
        // Two first submissions at once: one document, two versions.
        let (first, second) = ([("application/pdf", pdf(1))], [("application/pdf", pdf(2))]);
        let both = futures_util::future::join(
            office.hand_in("statement", &first),
            office.hand_in("statement", &second),
        );
        let (one, other) = both.await;
        let (one, other) = (one.unwrap().accepted().unwrap(), other.unwrap().accepted().unwrap());
        assert_eq!(one.document, other.document);
        assert_eq!(office.intake.desk.history(one.document).await.unwrap().len(), 2);
        // What an application states of its own does not hide the case.
        let own = NewStatement::on("app.note").payload("ours");
        office.intake.desk.make_statement(office.case, own).await.unwrap();
        office.desk.act(office.case, comment("still here")).await.unwrap();
        assert_eq!(office.desk.cases(None).await.unwrap().files.len(), 1);
    });
}

/// A content that is another every time it is opened.
struct Changing(std::sync::atomic::AtomicUsize);

struct Once(Option<bytes::Bytes>);

#[async_trait]
impl Content for Changing {
    async fn open(&self) -> docvault::Result<Box<dyn Chunks>> {
        let times = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(Box::new(Once(Some([&b"%PDF-1.7"[..], &vec![0; times]].concat().into()))))
    }
}

#[async_trait]
impl Chunks for Once {
    async fn next(&mut self) -> docvault::Result<Option<bytes::Bytes>> {
        Ok(self.0.take())
    }
}

#[test]
fn what_is_stored_is_what_was_inspected() {
    block_on(async {
        let office = Office::open().await;
        let file = NewFile::new("a.pdf", "application/pdf", Changing(Default::default()));
        let new = NewSubmission::direct().file(file);
        let refused = office.desk.submit(office.case, &key("statement"), new).await.unwrap_err();
        assert!(matches!(refused, IntakeError::Changed(1)), "{refused}");
        assert_eq!(office.standing("statement").await, None);
    });
}

/// A server spawns what it does: futures that list go to another thread, however deep they lie in others.
#[test]
fn what_lists_can_be_spawned() {
    fn spawned<F: Future + Send + 'static>(_: F) {}
    async fn handler(office: Office) {
        let session = &office.intake.desk;
        let _listed = (office.desk.cases(None).await, office.desk.history(office.case, None).await);
        let _listed = (session.cases(None).await, session.documents(office.case, None).await);
    }
    block_on(async { spawned(handler(Office::open().await)) });
}
