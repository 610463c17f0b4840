//! What is refused, and what a refusal says.

use super::*;

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

/// Each but for one thing as it must be.
#[test]
fn sums_addresses_and_numbers_have_one_shape() {
    let case = Case::new();
    let rule = case.template.requirement("form").expect("there");
    let refused = |field: &str, answer: &str| {
        let form = Form::new().with(key("name"), "Juan").with(key(field), answer);
        form.check(rule)
            .is_err_and(|refusal| matches!(refusal, Refusal::Form { field: at, .. } if at == *field))
    };
    let address = |len: usize| format!("{}@b.mx", "a".repeat(len - 5));
    for (field, good, bad) in [
        ("name", &["Ju\nan"][..], &["Ju\r\nn", "Ju\tan"][..]),
        ("sum", &["11.00"], &["10.100", "10.", "10.0.0"]),
        ("mail", &["a@b.mx", &address(254)], &["a@b@c.mx", "ab.mx", "@b.mx", "a@.mx", "a@b.", "a@b.mx\n"]),
        ("mail", &[], &[&address(255)]),
        ("phone", &["+5255123", "+525512345678901"], &["+525512", "+5255123456789012"]),
        ("phone", &[], &["+52551234567x", "+52551234567٨", "+525512345678\n"]),
    ] {
        assert!(good.iter().all(|answer| !refused(field, answer)), "{field}: {good:?}");
        assert!(bad.iter().all(|answer| refused(field, answer)), "{field}: {bad:?}");
    }
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

/// Whoever attests has to see what is attested.
#[test]
fn what_is_confidential_opens_to_who_attests_it() {
    let attested = "confidential = true\nattested_by = \"notary\"";
    let mut case = Case::of(&TEMPLATE.replace("confidential = true", attested));
    case.submit(at("2026-03-02", 0), "id");
    let notary = Actor::new("noe").with_role(key("notary"));
    let clerk = Actor::new("eva").with_role(key("clerk"));
    let open = |actor: &Actor| case.state.may_open(&case.template, &key("id"), actor);
    assert_eq!((open(&notary), open(&actor())), (Ok(()), Ok(())));
    assert!(matches!(open(&clerk), Err(Refusal::Confidential { .. })));
}

#[test]
fn another_template_decides_and_opens_nothing() {
    let mut case = Case::new();
    case.submit(at("2026-03-02", 0), "id");
    // The next version, in which nothing is confidential.
    let other = TEMPLATE.replace("version = 1", "version = 2").replace("confidential = true", "");
    let other = Template::from_toml(&other).expect("a template");
    let guest = Actor::new("guest");
    assert_eq!(case.state.may_open(&other, &key("id"), &guest), Err(Refusal::OtherTemplate));
    let command = Command::SetDue { requirement: key("id"), due: None };
    let decided = case.state.decide(&other, command, at("2026-03-02", 1), &actor());
    assert_eq!(decided, Err(Refusal::OtherTemplate));
}

#[test]
fn texts_have_line_ends_and_no_other_control_characters() {
    let mut case = Case::new();
    case.submit(at("2026-03-02", 0), "id");
    let now = at("2026-03-02", 1);
    let commands = |text: &str| {
        let (requirement, reason) = (key("id"), text.to_owned());
        let (contact, address) = (key("son"), "son@example.com");
        [
            Command::Comment { requirement: None, text: text.to_owned(), audience: Audience::Office },
            Command::AskAgain { requirement, reason, due: None },
            Command::SetContact(Contact::new(contact.clone(), text, address)),
            Command::SetContact(Contact::new(contact, "Luis", text)),
        ]
    };
    for command in commands("two\nlines") {
        assert!(case.decide(now, command.clone()).is_ok(), "{command:?}");
    }
    for bad in ["\u{1b}[2J", "a\u{7}", "a\r\nb", "\u{85}", "\0"] {
        for command in commands(bad) {
            let refused = case.decide(now, command.clone());
            assert!(matches!(refused, Err(Refusal::Text { .. })), "{command:?}: {refused:?}");
        }
        let open = |client: &str, actor: &str| {
            CaseState::open(&case.template, Opening::new(client), now, &Actor::new(actor))
        };
        assert!(matches!(open(bad, "eva"), Err(Refusal::Text { .. })), "{bad:?}");
        assert!(matches!(open("client", bad), Err(Refusal::Text { .. })), "{bad:?}");
    }
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
