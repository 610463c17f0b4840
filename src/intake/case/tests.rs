//! What is written, shown and refused; the rules themselves are held against a model in `tests/intake_model.rs`.

use proptest::prelude::*;

use super::*;
use crate::{
    CaseId, ContentDigest, DepositId, DocumentId, RequestId, Timestamp, VersionId,
    intake::{Attestation, Date, Key, Language, Template},
};

const TEMPLATE: &str = r#"
    format = 1
    name = "test"
    version = 1
    language = "es"
    utc_offset = "-06:00"
    title = { es = "Prueba <1>", en = "Test & more" }
    remind_days = [3, 1]

    [[requirements]]
    key = "form"
    title = { es = "Solicitud", en = "Form" }
    fields = [
        { key = "name", type = "text", min = 2, max = 5, title = { es = "Nombre" } },
        { key = "sum", type = "amount", min = 10, max = 20, required = false, title = { es = "Monto" } },
        { key = "since", type = "date", required = false, title = { es = "Desde" } },
        { key = "mail", type = "email", required = false, title = { es = "Correo" } },
        { key = "phone", type = "phone", required = false, title = { es = "Teléfono" } },
        { key = "shape", type = "text", mask = "A9", required = false, title = { es = "Clave" } },
        { key = "married", type = "boolean", required = false, title = { es = "¿Casado?" } },
        { key = "pet", type = "choice", required = false, title = { es = "Mascota" }, choices = [
            { key = "cat", title = { es = "Gato" } },
        ] },
    ]

    [[requirements]]
    key = "id"
    title = { es = "Identificación", en = "Identification" }
    files = { media_types = ["application/pdf"], max_bytes = 100 }
    expires = true
    due_days = 10
    grace_days = 2
    confidential = true

    [[requirements]]
    key = "spouse"
    title = { es = "Acta", en = "Certificate" }
    files = { media_types = ["application/pdf"], max_bytes = 100 }
    required_if = { requirement = "form", field = "married", is = true }
"#;

fn key(text: &str) -> Key {
    text.parse().expect("a key")
}

fn date(text: &str) -> Date {
    text.parse().expect("a date")
}

/// Midnight in the template's offset, and so many hours.
fn at(day: &str, hours: u64) -> Timestamp {
    let offset = "-06:00".parse().expect("an offset");
    Timestamp::from_millis(date(day).start(offset).as_millis() + hours * 3_600_000)
}

struct Case {
    template: Template,
    state: CaseState,
    versions: u8,
}

impl Case {
    /// Opened on 2026-03-01.
    fn new() -> Self {
        let template = Template::from_toml(TEMPLATE).expect("a template");
        let opening =
            Opening::new("client-7").contact(Contact::new(key("wife"), "Rosa Pérez", "rosa@example.com"));
        let event = CaseState::open(&template, opening, at("2026-03-01", 9), &actor()).expect("opened");
        let state = CaseState::begin(&event).expect("an opening");
        Self { template, state, versions: 0 }
    }

    fn decide(&self, now: Timestamp, command: Command) -> Result<Event, Refusal> {
        self.state.decide(&self.template, command, now, &actor())
    }

    fn run(&mut self, now: Timestamp, command: Command) -> Event {
        let event = self.decide(now, command).expect("decided");
        self.state.apply(&self.template, &event);
        event
    }

    fn submission(&mut self, requirement: &str) -> Submission {
        self.versions += 1;
        let own = requirement.bytes().map(u32::from).sum::<u32>() % 200;
        let document = DocumentId::new(CaseId::from_bytes([1; 16]), [u8::try_from(own).expect("small"); 16]);
        let digest = ContentDigest::of(&[self.versions]);
        let new =
            Submission::new(document, VersionId::from_bytes([self.versions; 16]), digest, Origin::Direct);
        if requirement == "form" {
            new.form(Form::new().with(key("name"), "Juan"))
        } else {
            new.file("application/pdf", 100, digest)
        }
    }

    fn submit(&mut self, now: Timestamp, requirement: &str) {
        let submission = self.submission(requirement);
        self.run(now, Command::Submit { requirement: key(requirement), submission });
    }

    fn approve(&mut self, now: Timestamp, requirement: &str, valid_until: Option<&str>) {
        let current =
            self.state.requirement(requirement).and_then(|state| state.current.clone()).expect("there");
        let (version, digest, valid_until) = (current.version, current.digest, valid_until.map(date));
        let requirement = key(requirement);
        self.run(now, Command::Approve { requirement, version, digest, issued: None, valid_until });
    }

    fn reject(&mut self, now: Timestamp, requirement: &str, reason: &str) {
        let current =
            self.state.requirement(requirement).and_then(|state| state.current.clone()).expect("there");
        let (version, digest, reason) = (current.version, current.digest, reason.to_owned());
        self.run(now, Command::Reject { requirement: key(requirement), version, digest, reason, due: None });
    }

    fn standing(&self, now: Timestamp, requirement: &str) -> RequirementStatus {
        let status = self.state.status(&self.template, now).expect("its template");
        status.requirements.into_iter().find(|one| one.requirement == *requirement).expect("there")
    }
}

fn actor() -> Actor {
    Actor::new("ana@desk").with_role(key("reviewer"))
}

#[test]
fn late_is_late_after_the_day_and_overdue_after_the_grace() {
    let case = Case::new();
    let timeliness = |now| case.standing(now, "id").timeliness;
    assert_eq!(case.standing(at("2026-03-01", 9), "id").due, Some(date("2026-03-11")));
    assert_eq!(timeliness(at("2026-03-11", 23)), Timeliness::NotDue);
    assert_eq!(timeliness(at("2026-03-12", 0)), Timeliness::Late);
    assert_eq!(timeliness(at("2026-03-13", 23)), Timeliness::Late);
    assert_eq!(timeliness(at("2026-03-14", 0)), Timeliness::Overdue);
    assert_eq!(case.standing(at("2026-05-01", 0), "spouse").timeliness, Timeliness::NotDue);
}

#[test]
fn handed_in_late_stays_so_and_a_day_that_was_set_counts() {
    let mut case = Case::new();
    case.submit(at("2026-03-12", 0), "id");
    assert_eq!(case.standing(at("2026-03-12", 1), "id").timeliness, Timeliness::HandedInLate);
    case.run(at("2026-03-12", 1), Command::SetDue { requirement: key("id"), due: Some(date("2026-03-12")) });
    assert_eq!(case.standing(at("2026-03-30", 1), "id").timeliness, Timeliness::InTime);
}

#[test]
fn a_document_expires_by_itself_and_is_due_again() {
    let mut case = Case::new();
    case.submit(at("2026-03-02", 0), "id");
    case.approve(at("2026-03-02", 1), "id", Some("2026-06-30"));
    assert_eq!(case.standing(at("2026-06-30", 23), "id").standing, Standing::Approved);
    let after = case.standing(at("2026-07-01", 0), "id");
    assert_eq!((after.standing, after.met, after.timeliness), (Standing::Expired, false, Timeliness::Late));
    assert_eq!(case.standing(at("2026-07-03", 0), "id").timeliness, Timeliness::Overdue);
    let expiring = |now| case.state.expiring(&case.template, now).expect("its template");
    assert_eq!(expiring(at("2026-05-30", 0)), []);
    assert_eq!(expiring(at("2026-05-31", 0)).first().map(|one| one.days_left), Some(30));
    assert_eq!(expiring(at("2026-07-02", 0)).first().map(|one| one.days_left), Some(-2));
}

#[test]
fn reminders_keep_their_instant_until_something_newer_is_to_be_said() {
    let mut case = Case::new();
    let remind = |case: &Case, now| {
        let all = case.state.due_reminders(&case.template, now).expect("its template");
        all.into_iter().find(|one| one.requirement == *"id").map(|one| (one.since, one.kind))
    };
    let due = date("2026-03-11");
    assert_eq!(remind(&case, at("2026-03-07", 23)), None);
    for (now, since, kind) in [
        ("2026-03-08", "2026-03-08", ReminderKind::Due(due)),
        ("2026-03-09", "2026-03-08", ReminderKind::Due(due)),
        ("2026-03-10", "2026-03-10", ReminderKind::Due(due)),
        ("2026-03-12", "2026-03-12", ReminderKind::Late(due)),
        ("2026-04-20", "2026-03-14", ReminderKind::Overdue(due)),
    ] {
        assert_eq!(remind(&case, at(now, 5)), Some((at(since, 0), kind)), "{now}");
    }
    case.submit(at("2026-04-21", 0), "id");
    assert_eq!(remind(&case, at("2026-04-21", 1)), None);
    case.approve(at("2026-04-21", 2), "id", Some("2026-06-30"));
    let last = date("2026-06-30");
    assert_eq!(remind(&case, at("2026-06-10", 0)), Some((at("2026-05-31", 0), ReminderKind::Expiring(last))));
    assert_eq!(remind(&case, at("2026-07-10", 0)), Some((at("2026-07-01", 0), ReminderKind::Expired(last))));
}

#[test]
fn a_digest_reads_well_in_both_languages_and_is_escaped() {
    let mut case = Case::new();
    case.submit(at("2026-03-02", 0), "form");
    case.submit(at("2026-03-02", 0), "id");
    case.reject(at("2026-03-02", 1), "id", "borrosa <b>\n\"otra\" & 'más'");
    let digest =
        |language| case.state.digest(&case.template, at("2026-03-03", 0), language).expect("its template");
    assert_eq!(
        digest(Language::ES).to_text(),
        "Prueba <1>: 0 % completo\n\n\
         Por corregir\n- Identificación (se entrega a más tardar el 2026-03-11): borrosa <b> \"otra\" & 'más'\n\n\
         En revisión\n- Solicitud\n"
    );
    assert_eq!(
        digest(Language::EN).to_html(),
        "<section lang=\"en\">\n<h1>Test &amp; more</h1>\n<p>0 % complete</p>\n\
         <h2>To be corrected</h2>\n<ul>\n<li>Identification (due on 2026-03-11): borrosa &lt;b&gt; &quot;otra&quot; &amp; &#39;más&#39;</li>\n</ul>\n\
         <h2>Under review</h2>\n<ul>\n<li>Form</li>\n</ul>\n</section>\n"
    );
}

#[test]
fn a_projection_has_nothing_of_a_person() {
    let mut case = Case::new();
    case.submit(at("2026-03-02", 0), "form");
    case.submit(at("2026-03-02", 0), "id");
    case.reject(at("2026-03-02", 1), "id", "Rosa firmó por Juan");
    let text = "Juan llamó".to_owned();
    case.run(at("2026-03-02", 2), Command::Comment { requirement: None, text, audience: Audience::Office });
    let projection = case.state.projection(&case.template, at("2026-03-03", 0)).expect("its template");
    let json = serde_json::to_string(&projection).expect("JSON");
    for personal in ["Juan", "Rosa", "rosa", "firm", "client-7", "ana@desk", "reason", "comment", "contact"] {
        assert!(!json.contains(personal), "{personal} in {json}");
    }
    assert!(json.contains(r#""requirement":"id","required":true,"standing":"rejected""#), "{json}");
}

#[test]
fn a_form_is_checked_field_by_field() {
    let case = Case::new();
    let rule = case.template.requirement("form").expect("there");
    let with = |field: &str, answer: Answer| {
        let form = Form::new().with(key("name"), "Juan").with(key(field), answer);
        form.check(rule).err().map(|refusal| refusal.to_string())
    };
    let text = |text: &str| Answer::from(text);
    for (field, good) in [
        ("name", text("Ñuño")),
        ("sum", text("10")),
        ("sum", text("19.99")),
        ("sum", text("20.00")),
        ("since", text("2026-02-28")),
        ("mail", text("a@b.mx")),
        ("phone", text("+525512345678")),
        ("shape", text("B7")),
        ("married", Answer::from(false)),
        ("pet", text("cat")),
    ] {
        assert_eq!(with(field, good.clone()), None, "{field}: {good:?}");
    }
    for (field, bad, says) in [
        ("name", text("J"), "too short or too long"),
        ("name", text("Juanito"), "too short or too long"),
        ("name", text("   "), "not answered"),
        ("name", text("a\u{7}b"), "control"),
        ("name", Answer::from(5), "takes text"),
        ("sum", text("9.99"), "out of range"),
        ("sum", text("20.01"), "out of range"),
        ("sum", text("010"), "amount"),
        ("sum", text("+10"), "amount"),
        ("sum", text("10.5"), "amount"),
        ("sum", text("10.+5"), "amount"),
        ("sum", text("10.500"), "amount"),
        ("sum", text("99999999999999999999"), "amount"),
        ("since", text("2026-02-29"), "YYYY-MM-DD"),
        ("mail", text("a@b"), "mail"),
        ("mail", text("a b@c.mx"), "mail"),
        ("phone", text("5512345678"), "telephone"),
        ("phone", text("+0512345678"), "telephone"),
        ("shape", text("b7"), "shape"),
        ("married", text("true"), "true or false"),
        ("pet", text("dog"), "choices"),
    ] {
        let refusal = with(field, bad.clone()).unwrap_or_default();
        assert!(refusal.contains(says), "{field}: {bad:?}: {refusal}");
    }
    assert!(matches!(Form::new().check(rule), Err(Refusal::Form { .. })));
    let unknown = Form::new().with(key("name"), "Juan").with(key("colour"), "red");
    assert!(matches!(unknown.check(rule), Err(Refusal::UnknownField { .. })));
}

#[test]
fn a_form_page_is_one_line_of_json_by_key() {
    let form = Form::new().with(key("name"), "J\"n").with(key("age"), 7).with(key("married"), true);
    assert_eq!(form.to_page(), r#"{"age":7,"married":true,"name":"J\"n"}"#);
}

#[test]
fn what_is_confidential_opens_to_its_reviewers_alone() {
    let mut case = Case::new();
    let open = |case: &Case, actor: &Actor| case.state.may_open(&case.template, &key("id"), actor);
    let guest = Actor::new("guest");
    assert_eq!(open(&case, &guest), Ok(()));
    case.submit(at("2026-03-02", 0), "id");
    assert!(matches!(open(&case, &guest), Err(Refusal::Confidential { .. })));
    assert_eq!(open(&case, &actor()), Ok(()));
    case.run(
        at("2026-03-02", 1),
        Command::AskAgain { requirement: key("id"), reason: "otra".into(), due: None },
    );
    assert!(matches!(open(&case, &guest), Err(Refusal::Confidential { .. })));
}

#[test]
fn complete_names_the_bytes_it_rests_on_and_an_answer_can_reopen_it() {
    let mut case = Case::new();
    case.submit(at("2026-03-02", 0), "form");
    case.approve(at("2026-03-02", 1), "form", None);
    case.submit(at("2026-03-02", 2), "id");
    assert_eq!(case.decide(at("2026-03-02", 3), Command::Complete), Err(Refusal::Incomplete { percent: 50 }));
    case.approve(at("2026-03-02", 3), "id", Some("2026-12-31"));
    let event = case.run(at("2026-03-02", 4), Command::Complete);
    let Change::Completed(completion) = &event.change else { panic!("{event:?}") };
    assert_eq!(completion.approved.len(), 2);
    let claim: serde_json::Value = serde_json::from_str(&completion.claim()).expect("JSON");
    assert_eq!((&claim["statement"], &claim["requirements"]), (&"complete".into(), &2.into()));
    assert_eq!(claim["template"], case.template.hash().to_string());
    let list = serde_json::to_vec(&completion.approved).expect("JSON");
    let hash = crate::sha256(&[&list]);
    assert_eq!(claim["approved"], crate::ids::Hex(&hash).to_string());

    // Expiry takes nothing back that was said, though the case is no longer complete.
    let status = case.state.status(&case.template, at("2027-01-01", 0)).expect("its template");
    assert_eq!((status.complete, status.completed), (false, Some(at("2026-03-02", 4))));
    assert_eq!(case.decide(at("2026-03-02", 5), Command::Complete), Err(Refusal::AlreadyComplete));

    let married = Form::new().with(key("name"), "Juan").with(key("married"), true);
    let submission = case.submission("form").form(married);
    let event = case.run(at("2026-03-03", 0), Command::Submit { requirement: key("form"), submission });
    assert_eq!(event.reopens, [Reopens::Case, Reopens::Requirement]);
    assert_eq!((case.state.completed(), case.state.reopened()), (None, 1));
    assert!(case.standing(at("2026-03-03", 1), "spouse").required);
}

#[test]
fn what_came_from_outside_is_never_forgotten() {
    let mut case = Case::new();
    let received_at = at("2026-03-02", 0);
    let external = Origin::External { channel: key("whatsapp"), received_at, by: "eva".into() };
    let mut submission = case.submission("id");
    submission.origin = external.clone();
    let command = Command::Submit { requirement: key("id"), submission };
    assert_eq!(case.decide(at("2026-03-01", 23), command.clone()), Err(Refusal::InTheFuture));
    case.run(at("2026-03-20", 0), command);
    let standing = case.standing(at("2026-03-20", 0), "id");
    assert_eq!((standing.origin, standing.timeliness), (Some(external), Timeliness::InTime));
    case.submit(at("2026-03-21", 0), "id");
    assert_eq!((case.standing(at("2026-03-21", 0), "id").imports, case.state.events()), (1, 3));
}

#[test]
fn a_clock_that_went_back_does_not_take_events_with_it() {
    let mut case = Case::new();
    case.submit(at("2026-03-05", 0), "id");
    let event = case.run(at("2026-03-01", 0), Command::SetDue { requirement: key("id"), due: None });
    assert_eq!(event.at, at("2026-03-05", 0));
}

#[test]
fn refusals_say_nothing_of_people() {
    let case = Case::new();
    let secret = "Juan Pérez";
    let submit = |origin: Origin, media_type: &str, form: Form| {
        let digest = ContentDigest::of(b"");
        let document = DocumentId::new(CaseId::from_bytes([1; 16]), [9; 16]);
        let submission = Submission::new(document, VersionId::from_bytes([1; 16]), digest, origin);
        let submission = submission.file(media_type, 1, digest).form(form);
        Command::Submit { requirement: key("id"), submission }
    };
    let request = RequestId::from_bytes([1; 16]);
    let deposit = Origin::Deposit {
        request,
        deposit: DepositId::from_bytes([1; 16]),
        received_at: at("2026-03-01", 0),
    };
    for command in [
        submit(Origin::OnBehalf { of: secret.into() }, "application/pdf", Form::new()),
        submit(Origin::Direct, secret, Form::new()),
        submit(Origin::Direct, "application/pdf", Form::new().with(key("juan"), secret)),
        submit(deposit, "application/pdf", Form::new()),
        Command::Comment { requirement: None, text: secret.repeat(500), audience: Audience::Office },
        Command::SetContact(Contact::new(key("juan"), secret.repeat(30), "")),
        Command::RemoveContact { contact: key("juan") },
        Command::Reopen { reason: secret.into() },
        Command::SetDue { requirement: key("juan"), due: None },
    ] {
        let refusal = case.decide(at("2026-03-02", 0), command.clone()).expect_err("refused");
        let (text, json) = (refusal.to_string(), serde_json::to_string(&refusal).expect("JSON"));
        assert!(
            !text.to_lowercase().contains("juan") && !json.to_lowercase().contains("juan"),
            "{command:?}: {text}"
        );
        assert_eq!(serde_json::from_str::<Refusal>(&json).expect("reads"), refusal);
    }
}

#[test]
fn statements_are_read_in_one_form_only() {
    let case = Case::new();
    let opening =
        CaseState::open(&case.template, Opening::new("c"), at("2026-03-01", 0), &actor()).expect("opened");
    let statement = Statement::opening(&case.template, opening.clone()).expect("an opening");
    let payload = String::from_utf8(statement.to_json()).expect("text");
    assert_eq!(Statement::parse(payload.as_bytes()), Ok(statement));
    for (from, to) in [
        ("\"at\":", "\"at\": "),
        ("\"by\":", "\"extra\":1,\"by\":"),
        ("\"opened\":1", "\"opened\":1.0,\"opened\":1"),
        ("Prueba", "Pruebas"),
        ("\"version\":1", "\"version\":2"),
    ] {
        let other = payload.replacen(from, to, 1);
        assert_ne!(other, payload, "{from}");
        assert_eq!(Statement::parse(other.as_bytes()), Err(StatementError), "{from} → {to}");
    }
    let other = Template::personal_loan();
    assert_eq!(Statement::opening(&other, opening), None);
    assert_eq!(case.state.status(&other, at("2026-03-01", 0)), Err(Refusal::OtherTemplate));
}

/// A case that is as full as it can be on the way to its completion, under the largest template.
#[test]
fn the_fullest_case_fits_into_its_statements() {
    let requirement = |i: usize| {
        format!(
            "[[requirements]]\nkey = \"{:0>40}\"\ntitle = {{ en = \"t\" }}\ntwo_person = true\nexpires = true\n\
             files = {{ media_types = [\"application/pdf\"], max = 32, max_bytes = 1 }}\n\
             attestations = [\"compared_with_original\", \"identity_interview\"]\n",
            format!("r{i}").replace('r', "requirement_with_a_long_key_number_r")
        )
    };
    let head = "format = 1\nname = \"t\"\nversion = 1\nlanguage = \"en\"\ntitle = { en = \"t\" }\n";
    let text = head.to_owned()
        + &(0..40)
            .map(|i| requirement(i).replace("\"000", "\"k00").replace("\"00", "\"k0").replace("\"0", "\"k"))
            .collect::<String>();
    let template = Template::from_toml(&text).expect("a template");
    let people = ["a", "b", "c"].map(|id| Actor::new(id.repeat(24)).with_role(key("reviewer")));
    let mut opening = Opening::new("c".repeat(128));
    for i in 0..8 {
        opening = opening.contact(Contact::new(key(&format!("contact{i}")), "n".repeat(80), "a".repeat(60)));
    }
    let event = CaseState::open(&template, opening, at("2026-03-01", 0), &people[0]).expect("opened");
    let first = Statement::opening(&template, event).expect("an opening");
    assert!(first.to_json().len() <= 48 * 1024);
    let mut state = first.state;
    let mut most = 0;
    let mut run = |person: &Actor, command: Command| {
        let event = state.decide(&template, command, at("2026-03-02", 0), person).expect("fits");
        let statement = Statement::following(&state, &template, event);
        most = most.max(statement.to_json().len());
        state = statement.state;
    };
    for (i, rule) in template.requirements().iter().enumerate() {
        let byte = u8::try_from(i).expect("small");
        let (version, digest) = (VersionId::from_bytes([byte; 16]), ContentDigest::of(&[byte]));
        let document = DocumentId::new(CaseId::from_bytes([1; 16]), [byte; 16]);
        let origin = Origin::External {
            channel: key("whatsapp"),
            received_at: at("2026-03-01", 0),
            by: "e".repeat(24),
        };
        let mut submission =
            Submission::new(document, version, digest, origin).valid_until(date("2026-12-31"));
        for _ in 0..32 {
            submission = submission.file("application/pdf", 1, digest);
        }
        let requirement = rule.key().clone();
        run(&people[0], Command::Submit { requirement: requirement.clone(), submission });
        for person in &people[1..] {
            let (requirement, issued, valid_until) = (requirement.clone(), None, None);
            run(person, Command::Approve { requirement, version, digest, issued, valid_until });
        }
        for attestation in [Attestation::ComparedWithOriginal, Attestation::IdentityInterview] {
            let requirement = requirement.clone();
            run(&people[1], Command::Attest { requirement, version, digest, attestation });
        }
    }
    run(&people[0], Command::Complete);
    assert!(most <= 48 * 1024, "{most}");
    assert!(state.completed().is_some());
}

proptest! {
    /// Nothing that can be read as an event, decided or not, makes a state panic.
    #[test]
    fn applying_is_total(at: u64, by: String, key_index in 0..4usize, kind in 0..6u8, number: u64) {
        let mut case = Case::new();
        let requirement = key(["form", "id", "spouse", "unknown"][key_index]);
        let (version, digest) = (VersionId::from_bytes([3; 16]), ContentDigest::of(b"x"));
        let change = match kind {
            0 => Change::Approved { requirement, version, digest, issued: None, valid_until: None },
            1 => Change::Rejected { requirement, version, digest, reason: by.clone(), due: None },
            2 => Change::NewerVersionSeen { requirement, version, digest },
            3 => Change::Attested { requirement, version, digest, attestation: Attestation::IdentityInterview },
            4 => Change::RequestClosed { request: RequestId::from_bytes([1; 16]) },
            _ => Change::ContactRemoved { contact: requirement },
        };
        let event = Event { at: Timestamp::from_millis(at), by, change, reopens: vec![Reopens::Case, Reopens::Requirement] };
        case.state.apply(&case.template, &event);
        let status = case.state.status(&case.template, Timestamp::from_millis(number)).expect("its template");
        prop_assert!(status.percent <= 100);
        let reminders = case.state.due_reminders(&case.template, Timestamp::from_millis(number));
        prop_assert!(reminders.expect("its template").iter().all(|one| one.since.as_millis() <= number));
    }
}
