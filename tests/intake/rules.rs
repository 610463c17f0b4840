//! What a desk does not let its actor do, whatever commands are sent to it and whatever is stored past it.
use docvault::{
    CaseId, ContentDigest, DepositId, DocumentId, ErrorKind, NewDocument, NewStatement, Session, VersionId,
    intake::*,
};

use crate::{common::block_on, key, office::*, template};

const REQUIREMENTS: &str = r#"
    [[requirements]]
    key = "application"
    title = { en = "Application" }
    fields = [{ key = "exposed", type = "boolean", title = { en = "Politically exposed?" } }]

    [[requirements]]
    key = "funds"
    title = { en = "Source of funds" }
    files = { media_types = ["text/plain"], max_bytes = 1_000 }
    required_if = { requirement = "application", field = "exposed", is = true }

    [[requirements]]
    key = "plain"
    title = { en = "A note" }
    files = { media_types = ["text/plain"], max_bytes = 1_000 }
    required = false

    [[requirements]]
    key = "dated"
    title = { en = "Looked at by two" }
    files = { media_types = ["text/plain"], max_bytes = 1_000 }
    required = false
    two_person = true

    [[requirements]]
    key = "secret"
    title = { en = "Report" }
    files = { media_types = ["text/plain"], max_bytes = 1_000 }
    required = false
    confidential = true

    [[requirements]]
    key = "account"
    title = { en = "Where to pay" }
    fields = [{ key = "clabe", type = "text", title = { en = "CLABE" } }]
    required = false
    confidential = true
"#;

const CLABE: &str = "032180000118359719";

/// Two cases; an executive without a role, two reviewers, and somebody who was given a desk and no role.
struct Office {
    intake: Intake,
    executive: Desk,
    reviewers: [Desk; 2],
    stranger: Desk,
    case: CaseId,
}

fn file(text: &str) -> NewFile {
    NewFile::from_memory("a.txt", "text/plain", text.as_bytes().to_vec())
}

impl Office {
    async fn open() -> Self {
        let intake = Intake::new().await;
        let session = |actor: &str| intake.vault.session(actor).purpose("loans").begin().unwrap();
        let executive = Desk::new(session("user:1"));
        let reviewers = ["user:2", "user:3"].map(|actor| Desk::new(session(actor)).role(key("reviewer")));
        let stranger = Desk::new(session("user:6"));
        let case = Self::another(&executive).await;
        Self { intake, executive, reviewers, stranger, case }
    }

    async fn another(executive: &Desk) -> CaseId {
        let template = template(REQUIREMENTS);
        executive.open_case("Juan Pérez", &template, Opening::new("client:42")).await.unwrap()
    }

    async fn hand_in(&self, requirement: &str, new: NewSubmission) -> AcceptedSubmission {
        let submitted = self.executive.submit(self.case, &key(requirement), new).await.unwrap();
        submitted.accepted().expect("it is taken")
    }

    async fn text(&self, requirement: &str, text: &str) -> AcceptedSubmission {
        self.hand_in(requirement, NewSubmission::direct().file(file(text))).await
    }

    async fn application(&self, exposed: bool) -> AcceptedSubmission {
        let form = Form::new().with(key("exposed"), exposed);
        self.hand_in("application", NewSubmission::direct().form(form)).await
    }

    async fn state(&self) -> CaseState {
        self.executive.case(self.case).await.unwrap().state().clone()
    }

    /// Stores another version of what was handed in, as whoever has a session can.
    async fn store_past_intake(&self, of: &AcceptedSubmission, content: &str) {
        let named = NewDocument::named("corrected");
        let content = content.as_bytes().to_vec();
        self.session().store_version(of.document, named, "corrected", content).await.unwrap();
    }

    fn session(&self) -> &Session {
        &self.intake.desk
    }

    /// What is there now for a requirement, approved by `reviewer`.
    async fn approve(&self, reviewer: usize, requirement: &str) -> Result<CaseFile, IntakeError> {
        self.approve_until(reviewer, requirement, None).await
    }

    async fn approve_until(
        &self,
        reviewer: usize,
        requirement: &str,
        valid_until: Option<Date>,
    ) -> Result<CaseFile, IntakeError> {
        let state = self.state().await;
        let current = state.requirement(requirement).unwrap().current.as_ref().unwrap();
        let (version, digest) = (current.version, current.digest);
        let requirement = key(requirement);
        let approve = Command::Approve { requirement, version, digest, issued: None, valid_until };
        self.reviewers.get(reviewer).unwrap().act(self.case, approve).await
    }

    /// The command is refused, tells which method does it, and changes nothing.
    async fn not_by_hand(&self, command: Command, method: &str) {
        let before = self.state().await;
        for desk in [&self.stranger, &self.reviewers[0]] {
            let refused = desk.act(self.case, command.clone()).await.expect_err("it was done");
            assert!(matches!(refused, IntakeError::Refused(_)), "{refused}");
            assert!(refused.to_string().contains(method), "{refused}");
        }
        assert_eq!(self.state().await, before);
    }
}

fn submit(requirement: &str, document: DocumentId, version: VersionId, origin: Origin) -> Command {
    let digest = ContentDigest::of(b"of nothing");
    let new = Submission::new(document, version, digest, origin).file("text/plain", 1, digest);
    Command::Submit { requirement: key(requirement), submission: new }
}

fn newer(requirement: &str) -> Command {
    let (version, digest) = (VersionId::from_bytes([7; 16]), ContentDigest::of(b"of nothing"));
    Command::SeeNewerVersion { requirement: key(requirement), version, digest }
}

#[test]
fn nobody_hands_in_by_hand_what_is_stored_elsewhere_or_nowhere() {
    block_on(async {
        let mut office = Office::open().await;
        let secret = office.text("secret", "the report").await;
        let closed = office.stranger.read(office.case, &key("secret")).await.unwrap_err();
        assert!(matches!(closed, IntakeError::Refused(Refusal::Confidential { .. })));
        office.case = Office::another(&office.executive).await;
        // The confidential document of the other case, for a requirement that anybody may open.
        let elsewhere = submit("plain", secret.document, secret.version, Origin::Direct);
        office.not_by_hand(elsewhere, "Desk::submit").await;
        let opened = office.stranger.read(office.case, &key("plain")).await.unwrap_err();
        assert!(matches!(opened, IntakeError::Refused(Refusal::NothingThere { .. })));
        // A document that was never stored.
        let (nowhere, version) = (DocumentId::new(office.case, [7; 16]), VersionId::from_bytes([8; 16]));
        office.not_by_hand(submit("plain", nowhere, version, Origin::Direct), "Desk::submit").await;
    });
}

#[test]
fn nobody_notes_a_version_by_hand_that_nobody_stored() {
    block_on(async {
        let office = Office::open().await;
        let note = office.text("plain", "a note").await;
        office.reviewers[0].act(office.case, note.approve()).await.unwrap();
        office.not_by_hand(newer("plain"), "Desk::case").await;
        assert_eq!(office.state().await.requirement("plain").unwrap().stage, Stage::Approved);
    });
}

#[test]
fn nobody_says_by_hand_that_a_link_brought_it() {
    block_on(async {
        let office = Office::open().await;
        let expires = office.intake.vault.now().saturating_add(DAY);
        let new = NewRequest::new(carrier_key().public(), expires).requirements([key("plain"), key("dated")]);
        let request = office.executive.request(office.case, new).await.unwrap().descriptor.request();
        let (deposit, received_at) = (DepositId::from_bytes([9; 16]), office.intake.vault.now());
        let origin = Origin::Deposit { request, deposit, received_at };
        let (document, version) = (DocumentId::new(office.case, [7; 16]), VersionId::from_bytes([8; 16]));
        office.not_by_hand(submit("dated", document, version, origin.clone()), "Desk::submit").await;
        let (requirement, verdict, reason) = (key("plain"), Verdict::Refused, "unreadable".to_owned());
        let digest = None;
        let aside =
            Command::SetAside { requirement, verdict, reason, digest, bytes: 0, origin: origin.clone() };
        office.not_by_hand(aside, "Desk::take_in").await;
        let (requirement, text) = (key("plain"), "compared with the original".to_owned());
        office
            .not_by_hand(Command::Remark { requirement, text, origin: origin.clone() }, "Desk::take_in")
            .await;
        // A request that was closed is not issued again, with none of its uses used.
        office.executive.act(office.case, Command::CloseRequest { request }).await.unwrap();
        let again =
            Command::IssueRequest { request, requirements: vec![key("plain")], expires, uses: 5, to: None };
        office.not_by_hand(again, "Desk::request").await;
    });
}

#[test]
fn a_confidential_form_is_closed_in_the_past_too() {
    block_on(async {
        let office = Office::open().await;
        let form = Form::new().with(key("clabe"), CLABE);
        office.hand_in("account", NewSubmission::direct().form(form)).await;
        let remark = Command::Comment {
            requirement: Some(key("account")),
            text: format!("it is {CLABE}"),
            audience: Audience::Everyone,
        };
        office.executive.act(office.case, remark).await.unwrap();
        let open =
            Command::Comment { requirement: None, text: "call them".into(), audience: Audience::Office };
        office.executive.act(office.case, open).await.unwrap();
        office.application(false).await;

        assert!(office.stranger.read(office.case, &key("account")).await.is_err());
        let seen = async |desk: &Desk| {
            let past = desk.history(office.case, None).await.unwrap().events;
            let events: Vec<_> = past.into_iter().map(|past| past.event).collect();
            serde_json::to_string(&events).unwrap()
        };
        let (closed, opened) = (seen(&office.stranger).await, seen(&office.reviewers[0]).await);
        assert!(!closed.contains(CLABE), "{closed}");
        assert!(closed.contains("call them") && closed.contains("exposed"), "all else is there: {closed}");
        assert_eq!(opened.matches(CLABE).count(), 2);
        let file = office.stranger.case(office.case).await.unwrap();
        assert!(!serde_json::to_string(file.state()).unwrap().contains(CLABE));
    });
}

#[test]
fn an_application_cannot_make_a_statement_of_intakes() {
    block_on(async {
        let office = Office::open().await;
        for topic in ["intake.note", "intake.approved", "intake."] {
            let new = NewStatement::on(topic).payload("ours");
            let refused = office.session().make_statement(office.case, new).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
        }
        let upload = office.session().upload(office.case, NewDocument::named("x")).await.unwrap();
        let sealed = upload.seal().await.unwrap();
        let refused = sealed.publish_stating(NewStatement::on("intake.note")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
        let near = NewStatement::on("intake-notes").payload("ours");
        office.session().make_statement(office.case, near).await.unwrap();
        office.executive.case(office.case).await.unwrap();
        assert_eq!(office.executive.cases(None).await.unwrap().files.len(), 1);
    });
}

/// The newest statement of a case, made anew as somebody with the keys and a program of their own makes it.
async fn forge(office: &Office, topic: &str, actor: &str, payload: &[u8]) -> CaseId {
    let case = Office::another(&office.executive).await;
    let session = office.intake.vault.session(actor).purpose("loans").begin().unwrap();
    session.make_statement(case, NewStatement::forged(topic).payload(payload)).await.unwrap();
    case
}

#[test]
fn a_statement_that_no_desk_made_hides_no_other_case() {
    block_on(async {
        let office = Office::open().await;
        let comment = Command::Comment { requirement: None, text: "x".into(), audience: Audience::Office };
        office.executive.act(office.case, comment).await.unwrap();
        let newest = office.session().newest_statement(office.case).await.unwrap().unwrap();
        let payload = newest.payload.as_slice();
        let forged = [
            forge(&office, "intake.note", "user:1", b"{}").await,
            forge(&office, "intake.approved", "user:1", payload).await,
            forge(&office, "intake.commented", "user:6", payload).await,
        ];
        for case in forged {
            let unreadable = office.executive.case(case).await.unwrap_err();
            assert!(matches!(unreadable, IntakeError::Statement(_)), "{unreadable}");
        }
        let page = office.executive.cases(None).await.unwrap();
        assert_eq!(page.files.iter().map(CaseFile::case).collect::<Vec<_>>(), [office.case]);
        let listed: std::collections::BTreeSet<_> = page.unreadable.into_iter().collect();
        assert_eq!(listed, forged.into());
    });
}

/// Somebody with the keys and a program of their own states that a requirement which anybody may open has the confidential
/// document of another case.
#[test]
fn a_statement_that_brings_another_cases_document_in_opens_it_to_nobody() {
    block_on(async {
        let office = Office::open().await;
        office.text("secret", "the report").await;
        let newest = office.session().newest_statement(office.case).await.unwrap().unwrap();
        let payload = String::from_utf8(newest.payload.as_slice().to_vec()).unwrap();
        let open = payload.replace("\"secret\"", "\"plain\"").replace(",\"confidential\":true", "");
        assert!(Statement::parse(open.as_bytes()).is_ok_and(|statement| {
            let of = statement.state.requirement("plain").unwrap();
            !of.confidential && of.document.unwrap().case() == office.case
        }));
        let case = forge(&office, "intake.submitted", "user:1", open.as_bytes()).await;
        let refused = office.stranger.read(case, &key("plain")).await.unwrap_err();
        assert!(matches!(refused, IntakeError::Statement(_)), "{refused}");
        assert_eq!(office.executive.cases(None).await.unwrap().unreadable, [case]);
    });
}

#[test]
fn a_case_of_which_no_desk_has_said_anything_is_no_case_file() {
    block_on(async {
        let office = Office::open().await;
        let others = office.session().create_case("no case file").await.unwrap();
        for _ in 0..2 {
            let note = NewStatement::on("app.note").payload("ours");
            office.session().make_statement(others, note).await.unwrap();
        }
        let missing = office.executive.case(others).await.unwrap_err();
        assert!(matches!(missing, IntakeError::NoCaseFile(case) if case == others), "{missing}");
        let page = office.executive.cases(None).await.unwrap();
        assert_eq!(page.files.iter().map(CaseFile::case).collect::<Vec<_>>(), [office.case]);
        assert_eq!(page.unreadable, []);
    });
}

#[test]
fn what_was_answered_is_not_forgotten_when_a_version_is_stored_past_intake() {
    block_on(async {
        let office = Office::open().await;
        let application = office.application(true).await;
        office.reviewers[0].act(office.case, application.approve()).await.unwrap();
        office.store_past_intake(&application, "rectified").await;
        let refused =
            office.approve(0, "application").await.expect_err("it was approved without its answers");
        assert!(refused.to_string().contains("hand it in"), "{refused}");
        let refused = office.executive.act(office.case, Command::Complete).await.unwrap_err();
        assert!(matches!(refused, IntakeError::Refused(Refusal::Incomplete { .. })), "{refused}");
        let now = office.intake.vault.now();
        let status = office.executive.case(office.case).await.unwrap().status(now).unwrap();
        let funds = status.requirements.iter().find(|one| one.requirement == key("funds")).unwrap();
        assert!(funds.required, "what nobody has answered is taken for what asks for most");
        // Handed in anew, with answers.
        office.application(false).await;
        office.approve(0, "application").await.unwrap();
        let done = office.executive.act(office.case, Command::Complete).await.unwrap();
        assert_eq!(done.status(now).unwrap().percent, 100);
    });
}

#[test]
fn two_people_approve_what_somebody_handed_in_and_with_the_same_dates() {
    block_on(async {
        let office = Office::open().await;
        let dated = office.text("dated", "a deed").await;
        let day = |text: &str| Some(text.parse().unwrap());
        office.approve_until(0, "dated", day("2090-01-01")).await.unwrap();
        // Nor does the second take over, unsaid and perhaps unseen, what the first alone has said.
        for other in [day("2099-12-31"), None] {
            let refused = office.approve_until(1, "dated", other).await.expect_err("other dates");
            let expected = Refusal::OtherDates { requirement: key("dated") };
            assert!(matches!(&refused, IntakeError::Refused(found) if *found == expected), "{refused}");
        }
        office.approve_until(1, "dated", day("2090-01-01")).await.unwrap();
        let state = office.state().await;
        assert_eq!(
            state.requirement("dated").unwrap().current.as_ref().unwrap().valid_until,
            day("2090-01-01")
        );
        // Of what was stored past intake it is not known who handed it in.
        office.store_past_intake(&dated, "another deed").await;
        let refused = office.approve(0, "dated").await.expect_err("somebody's own");
        assert!(refused.to_string().contains("hand it in"), "{refused}");
        // The very bytes, handed in.
        office.text("dated", "another deed").await;
        office.approve(0, "dated").await.unwrap();
        let done = office.approve(1, "dated").await.unwrap();
        assert_eq!(done.state().requirement("dated").unwrap().stage, Stage::Approved);
    });
}

#[test]
fn a_complete_case_opens_again_with_anything_it_rested_on() {
    block_on(async {
        let office = Office::open().await;
        let application = office.application(false).await;
        office.reviewers[0].act(office.case, application.approve()).await.unwrap();
        office.text("plain", "a note").await;
        office.approve(0, "plain").await.unwrap();
        office.executive.act(office.case, Command::Complete).await.unwrap();
        // What the completion does not rest on opens nothing.
        office.text("secret", "late").await;
        assert!(office.state().await.completed().is_some());
        office.text("plain", "another note").await;
        let newest = office.executive.history(office.case, None).await.unwrap().events.remove(0).event;
        assert_eq!(newest.reopens, [Reopens::Case, Reopens::Requirement]);
        let state = office.state().await;
        assert_eq!((state.completed(), state.reopened()), (None, 1));
    });
}
