//! As much as is kept, and no more.

use super::*;

/// A template of these requirements.
fn asking_for(requirements: &str) -> Template {
    let head = "format = 1\nname = \"t\"\nversion = 1\nlanguage = \"en\"\ntitle = { en = \"t\" }\n";
    Template::from_toml(&format!("{head}{requirements}")).expect("a template")
}

/// A requirement of three texts of 2,000 characters.
fn texts(key: &str) -> String {
    let field = |key| format!("{{ key = \"{key}\", type = \"text\", max = 2000, title = {{ en = \"t\" }} }}");
    let fields = ["a", "b", "c"].map(field).join(", ");
    format!("[[requirements]]\nkey = \"{key}\"\ntitle = {{ en = \"t\" }}\nfields = [{fields}]\n")
}

/// Contacts whose names and addresses are these, repeated to the longest that they may be.
fn contacts(number: usize, text: &str) -> Opening {
    let long = format!("contact-{}", "x".repeat(31));
    let contact = |n| Contact::new(key(&format!("{long}{n}")), text.repeat(200), text.repeat(254));
    (0..number).fold(Opening::new(text.repeat(128)), |opening, n| opening.contact(contact(n)))
}

fn is_too_many<T>(decided: Result<T, Refusal>, most: usize) -> bool {
    matches!(decided, Err(Refusal::TooMany { most: found, .. }) if found == most)
}

#[test]
fn a_form_has_at_most_twelve_kibibytes() {
    let template = asking_for(&texts("form"));
    let rule = template.requirement("form").expect("there");
    let form = |last: usize| {
        // Four bytes a character, and two.
        let form = Form::new().with(key("a"), "😀".repeat(2000)).with(key("b"), "ñ".repeat(2000));
        form.with(key("c"), "x".repeat(last))
    };
    let rest = 12 * 1024 - form(0).to_page().len();
    assert_eq!(form(rest).to_page().len(), 12 * 1024);
    assert_eq!(form(rest).check(rule), Ok(()));
    assert_eq!(form(rest + 1).check(rule), Err(Refusal::TooLarge));
}

#[test]
fn a_case_has_eight_contacts() {
    let mut case = Case::new();
    let open = |number| CaseState::open(&case.template, contacts(number, "a"), at("2026-03-01", 0), &actor());
    assert!(open(8).is_ok() && is_too_many(open(9), 8));
    let set = |n: usize| Command::SetContact(Contact::new(key(&format!("c{n}")), "Eva", "eva@example.com"));
    let now = at("2026-03-02", 0);
    // The opening has one.
    (1..8).for_each(|n| drop(case.run(now, set(n))));
    assert!(is_too_many(case.decide(now, set(8)), 8));
    case.run(now, set(7));
    case.run(now, Command::RemoveContact { contact: key("wife") });
    case.run(now, set(8));
    assert_eq!(case.state.contacts().len(), 8);
}

#[test]
fn a_submission_has_eight_different_attestations() {
    let mut case = Case::new();
    case.submit(at("2026-03-02", 0), "id");
    let current = case.state.requirement("id").and_then(|id| id.current.clone()).expect("there");
    let attest = |n: usize| {
        let attestation = Attestation::Custom(key(&format!("seen-{n}")));
        let (version, digest) = (current.version, current.digest);
        Command::Attest { requirement: key("id"), version, digest, attestation }
    };
    let now = at("2026-03-02", 1);
    (0..8).for_each(|n| drop(case.run(now, attest(n))));
    assert!(is_too_many(case.decide(now, attest(8)), 8));
    case.run(now, attest(7));
    assert_eq!(case.state.requirement("id").map(|id| id.attestations.len()), Some(8));
}

fn issue(serial: u8, requirements: Vec<Key>, expires: Timestamp, uses: u32) -> Command {
    let request = RequestId::from_bytes([serial; 16]);
    Command::IssueRequest { request, requirements, expires, uses, to: None }
}

#[test]
fn a_request_asks_for_something_and_is_used_once_at_least() {
    let case = Case::new();
    let (now, expires) = (at("2026-03-02", 0), at("2026-03-03", 0));
    let decide = |requirements, uses| case.decide(now, issue(1, requirements, expires, uses));
    assert_eq!(decide(Vec::new(), 1), Err(Refusal::UnknownRequirement));
    assert!(is_too_many(decide(vec![key("id")], 0), 64) && is_too_many(decide(vec![key("id")], 65), 64));
    assert!(decide(vec![key("id")], 1).is_ok() && decide(vec![key("id")], 64).is_ok());
}

/// Taken or set aside, each deposit is one use.
#[test]
fn a_request_takes_as_many_deposits_as_it_says() {
    let mut case = Case::new();
    let now = at("2026-03-02", 0);
    case.run(now, issue(1, vec![key("id")], at("2026-03-03", 0), 2));
    let origin = |deposit: u8| Origin::Deposit {
        request: RequestId::from_bytes([1; 16]),
        deposit: DepositId::from_bytes([deposit; 16]),
        received_at: now,
    };
    let aside = |deposit: u8| Command::SetAside {
        requirement: key("id"),
        verdict: Verdict::Refused,
        reason: "because".to_owned(),
        digest: None,
        bytes: 1,
        origin: origin(deposit),
    };
    let mut submit = |deposit: u8| {
        let submission = Submission { origin: origin(deposit), ..case.submission("id") };
        Command::Submit { requirement: key("id"), submission }
    };
    let (first, third) = (submit(1), submit(3));
    case.run(now, first);
    case.run(now, aside(2));
    assert_eq!(case.decide(now, third), Err(Refusal::RequestUsedUp));
    assert_eq!(case.decide(now, aside(3)), Err(Refusal::RequestUsedUp));
    assert_eq!(case.decide(now, aside(2)), Err(Refusal::AlreadyTaken));
}

#[test]
fn a_case_that_no_statement_would_hold_is_not_opened() {
    let requirement = |n: usize, bytes: usize| {
        let instructions = "i".repeat(bytes);
        format!("{}instructions = {{ en = \"{instructions}\" }}\n", texts(&format!("k{n:02}")))
    };
    let all = |last| (0..14).map(|n| requirement(n, 1990)).collect::<String>() + &requirement(14, last);
    let rest = 32 * 1024 - asking_for(&all(1)).to_canonical_json().len();
    let template = asking_for(&all(1 + rest));
    assert_eq!(template.to_canonical_json().len(), 32 * 1024);
    let open = |text: &str| CaseState::open(&template, contacts(8, text), at("2026-03-01", 0), &actor());
    let opened = open("a").expect("fits");
    let statement = Statement::opening(&template, opened).expect("an opening");
    assert!(statement.to_json().len() <= 48 * 1024);
    // In JSON twice as long.
    assert_eq!(open("\""), Err(Refusal::TooLarge));
}

#[test]
fn what_no_statement_would_hold_is_taken_once_requests_are_closed() {
    let keys: Vec<Key> = (10..50).map(|n| key(&format!("{}{n}", "k".repeat(38)))).collect();
    let template = asking_for(&keys.iter().map(|key| texts(key.as_str())).collect::<String>());
    let opening = contacts(8, "\"");
    let opened = CaseState::open(&template, opening, at("2026-03-01", 0), &actor()).expect("opened");
    let mut case = Case { state: CaseState::begin(&opened).expect("an opening"), template, versions: 0 };
    for serial in 0..16 {
        let day = |day: u8| format!("2026-03-{:02}", day + 2 * serial);
        case.run(at(&day(1), 10), issue(serial, keys.clone(), at(&day(1), 11), 64));
    }
    let now = at("2026-04-10", 0);
    let form =
        ["a", "b", "c"].into_iter().fold(Form::new(), |form, field| form.with(key(field), "ñ".repeat(2000)));
    let requirement = keys.first().expect("forty").clone();
    let submission = case.submission("form").form(form);
    let submit = Command::Submit { requirement, submission };
    assert_eq!(case.decide(now, submit.clone()), Err(Refusal::TooLarge));
    for serial in 0..4 {
        case.run(now, Command::CloseRequest { request: RequestId::from_bytes([serial; 16]) });
    }
    let event = case.decide(now, submit).expect("fits");
    let opening = crate::OperationId::from_bytes([7; 16]);
    let statement = Statement::following(&case.state, &case.template, opening, event);
    assert!(statement.to_json().len() <= 48 * 1024);
}
