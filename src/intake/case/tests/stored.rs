//! What is stored of a case.

use proptest::prelude::*;

use super::*;
use crate::OperationId;

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
    assert_eq!(claim["approved"], hash.map(|byte| format!("{byte:02x}")).concat());

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

/// What is optional need not be approved for its answers to count.
#[test]
fn an_answer_to_what_is_optional_reopens_the_case_if_it_makes_something_required() {
    for (married, reopens) in [(false, &[][..]), (true, &[Reopens::Case])] {
        let mut case = Case::of(&TEMPLATE.replacen("key = \"form\"", "key = \"form\"\nrequired = false", 1));
        case.submit(at("2026-03-02", 0), "id");
        case.approve(at("2026-03-02", 1), "id", Some("2026-12-31"));
        case.run(at("2026-03-02", 2), Command::Complete);
        let answers = Form::new().with(key("name"), "Juan").with(key("married"), married);
        let submission = case.submission("form").form(answers);
        let event = case.run(at("2026-03-03", 0), Command::Submit { requirement: key("form"), submission });
        assert_eq!(event.reopens, reopens, "{married}");
        assert_eq!(case.state.completed().is_none(), married);
        assert_eq!(case.standing(at("2026-03-03", 1), "spouse").required, married);
    }
}

#[test]
fn a_case_begins_with_its_opening_and_with_nothing_else() {
    let case = Case::new();
    let opened =
        CaseState::open(&case.template, Opening::new("c"), at("2026-03-01", 0), &actor()).expect("opened");
    let due = Command::SetDue { requirement: key("id"), due: None };
    let other = case.decide(at("2026-03-02", 0), due).expect("decided");
    assert_eq!(CaseState::begin(&other), None);
    assert_eq!(CaseState::replay(&case.template, [&other, &opened]), None);
    assert_eq!(CaseState::replay(&case.template, []), None);
    assert!(CaseState::replay(&case.template, [&opened, &other]).is_some());
    assert_eq!(Statement::opening(&case.template, other), None);
}

/// Nothing decides so; a statement of somebody's own may say it.
#[test]
fn what_came_by_a_link_that_is_not_open_opens_no_request() {
    let mut case = Case::new();
    let origin = Origin::Deposit {
        request: RequestId::from_bytes([9; 16]),
        deposit: DepositId::from_bytes([9; 16]),
        received_at: at("2026-03-02", 0),
    };
    let mut submission = case.submission("id");
    submission.origin = origin;
    let command = Command::Submit { requirement: key("id"), submission: submission.clone() };
    assert_eq!(case.decide(at("2026-03-02", 1), command), Err(Refusal::RequestClosed));
    let change = Change::Submitted { requirement: key("id"), submission };
    let event = Event { at: at("2026-03-02", 1), by: "eva".into(), change, reopens: Vec::new() };
    case.state.apply(&case.template, &event);
    assert!(case.state.requests().is_empty());
    assert_eq!(case.standing(at("2026-03-02", 2), "id").standing, Standing::Submitted);
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
    // The template stands in the opening alone, which all others name.
    let (named, state) = (OperationId::from_bytes([7; 16]), CaseState::begin(&opening).expect("an opening"));
    let comment =
        Command::Comment { requirement: None, text: "a remark".to_owned(), audience: Audience::Office };
    let event = state.decide(&case.template, comment, at("2026-03-01", 1), &actor()).expect("decided");
    let next = Statement::following(&state, &case.template, named, event);
    assert_eq!(Statement::parse(&next.to_json()), Ok(next.clone()));
    let both = Statement { template: Some(case.template.clone()), ..next.clone() };
    let neither = Statement { opening: None, ..next };
    let begun = Statement::opening(&case.template, opening.clone()).expect("an opening");
    let bare = Statement { template: None, ..begun.clone() };
    let follows = Statement { opening: Some(named), ..begun };
    for other in [both, neither, bare, follows] {
        assert_eq!(Statement::parse(&other.to_json()), Err(StatementError));
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
        let statement = Statement::following(&state, &template, OperationId::from_bytes([7; 16]), event);
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
            let (requirement, issued) = (requirement.clone(), None);
            let valid_until = Some(date("2026-12-31"));
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
