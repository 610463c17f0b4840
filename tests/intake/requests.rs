//! What a link brings is answered.

use docvault::{
    Clock, SystemEntropy,
    deposit::{File, Inbox, Link, OpenedRequest},
    intake::*,
};

use crate::{DAY, Hand, Intake, PAGE, carrier_key, common::block_on, key};

/// So many forms of one field, as a template in TOML.
fn forms(number: usize) -> String {
    let head = "format = 1\nname = \"forms\"\nversion = 1\nlanguage = \"en\"\ntitle = { en = \"Forms\" }\n";
    let form = |n| {
        format!(
            "[[requirements]]\nkey = \"f{n}\"\ntitle = {{ en = \"Form {n}\" }}\n\
             fields = [{{ key = \"n\", type = \"integer\", title = {{ en = \"Number\" }} }}]\n"
        )
    };
    (0..number).fold(head.to_owned(), |toml, n| toml + &form(n))
}

async fn desk_of(intake: &Intake, requirements: usize) -> (Desk, docvault::CaseId) {
    let desk = Desk::new(intake.vault.session("user:2").purpose("loans").begin().unwrap());
    let template = Template::from_toml(&forms(requirements)).unwrap();
    let case = desk.open_case("loan 1", &template, Opening::new("client:1")).await.unwrap();
    (desk, case)
}

fn asked(intake: &Intake, requirements: usize) -> NewRequest {
    NewRequest::new(carrier_key().public(), intake.vault.now().saturating_add(DAY))
        .requirements((0..requirements).map(|n| key(&format!("f{n}"))))
}

#[test]
fn whatever_a_carrier_can_promise_is_answered() {
    block_on(async {
        let intake = Intake::new().await;
        let (desk, case) = desk_of(&intake, 18).await;
        let signed = desk.request(case, asked(&intake, 18)).await.unwrap();
        let carrier = intake.carrier();
        carrier.publish(signed.descriptor.to_bytes()).await.unwrap();
        let client = intake.open(&signed);
        let mut promised = 0;
        for slot in 0..18 {
            for number in 0..6 {
                let deposit = client.begin(slot, Vec::<File>::new(), &SystemEntropy::default()).unwrap();
                let form = [("n".to_owned(), number.to_string())].into();
                promised += usize::from(carrier.finish(deposit.finish(form, "").unwrap()).await.is_ok());
            }
        }
        let request = signed.descriptor.request();
        let secrets = desk.session().request_secrets(case, request).await.unwrap();
        let inbox = Inbox::open(intake.kept.clone(), request, &intake.vault.sender(), secrets).await.unwrap();
        let promises = inbox.promises().await.unwrap();
        assert_eq!(promises.len(), promised);
        for promise in &promises {
            desk.take_in(case, &inbox, promise).await.unwrap();
        }
        let note = intake.vault.audit().checkpoint().await.unwrap();
        desk.answer(case, &inbox, promises.last().unwrap(), &note).await.unwrap();
    });
}

/// Deposits a form and a remark, by a link of its own: what becomes of it, and whether it is answered then.
async fn deposited(
    intake: &Intake,
    desk: &Desk,
    case: docvault::CaseId,
    form: &[(&str, &str)],
    remark: &str,
) -> Submitted {
    let signed = desk.request(case, asked(intake, 1)).await.unwrap();
    let carrier = intake.carrier();
    carrier.publish(signed.descriptor.to_bytes()).await.unwrap();
    let deposit = intake.open(&signed).begin(0, Vec::<File>::new(), &SystemEntropy::default()).unwrap();
    let form = form.iter().map(|(field, answer)| ((*field).to_owned(), (*answer).to_owned())).collect();
    carrier.finish(deposit.finish(form, remark).unwrap()).await.unwrap();
    let request = signed.descriptor.request();
    let secrets = desk.session().request_secrets(case, request).await.unwrap();
    let inbox = Inbox::open(intake.kept.clone(), request, &intake.vault.sender(), secrets).await.unwrap();
    let promise = inbox.promises().await.unwrap().remove(0);
    let submitted = desk.take_in(case, &inbox, &promise).await.unwrap();
    let note = intake.vault.audit().checkpoint().await.unwrap();
    desk.answer(case, &inbox, &promise, &note).await.unwrap();
    desk.act(case, Command::CloseRequest { request }).await.unwrap();
    submitted
}

#[test]
fn what_is_there_already_is_answered_too() {
    block_on(async {
        let intake = Intake::new().await;
        let (desk, case) = desk_of(&intake, 1).await;
        let first = deposited(&intake, &desk, case, &[("n", "7")], "").await;
        assert!(matches!(first, Submitted::Accepted(_)), "{first:?}");
        let again = deposited(&intake, &desk, case, &[("n", "7")], "").await;
        assert!(matches!(again, Submitted::SetAside { verdict: Verdict::Refused, .. }), "{again:?}");
        let other = deposited(&intake, &desk, case, &[("n", "8")], "").await;
        assert!(matches!(other, Submitted::Accepted(_)), "{other:?}");
    });
}

#[test]
fn nothing_is_not_handed_in() {
    block_on(async {
        let intake = Intake::new().await;
        let desk = Desk::new(intake.vault.session("user:2").purpose("loans").begin().unwrap());
        let optional = forms(1).replace("type =", "required = false, type =");
        let template = Template::from_toml(&optional).unwrap();
        let case = desk.open_case("loan 1", &template, Opening::new("client:1")).await.unwrap();
        let refused = desk.submit(case, &key("f0"), NewSubmission::direct()).await.unwrap_err();
        let nothing = Refusal::NothingHandedIn { requirement: key("f0") };
        assert!(matches!(&refused, IntakeError::Refused(found) if *found == nothing), "{refused}");
        let aside = deposited(&intake, &desk, case, &[], "").await;
        assert!(matches!(aside, Submitted::SetAside { verdict: Verdict::Refused, .. }), "{aside:?}");
    });
}

#[test]
fn whatever_a_client_remarks_becomes_a_comment() {
    block_on(async {
        let intake = Intake::new().await;
        let (desk, case) = desk_of(&intake, 1).await;
        let long = format!("{}é", "x".repeat(4094));
        for (n, (remark, comment)) in [
            ("a\tb \u{7}", "a b".to_owned()),
            ("one\r\ntwo", "one\ntwo".to_owned()),
            (&"x".repeat(4000), "x".repeat(4000)),
            (&long, format!("{} …", "x".repeat(3996))),
            (&"é".repeat(2048), format!("{} …", "é".repeat(1998))),
        ]
        .into_iter()
        .enumerate()
        {
            deposited(&intake, &desk, case, &[("n", &n.to_string())], remark).await;
            let past = desk.history(case, None).await.unwrap();
            let newest = past.events.iter().find_map(|past| match &past.event.change {
                Change::Commented { text, origin, .. } => Some((text, origin)),
                _ => None,
            });
            // Who took it in has not said it.
            let (text, origin) = newest.unwrap();
            assert!(*text == comment && matches!(origin, Some(Origin::Deposit { .. })), "{newest:?}");
        }
    });
}

#[test]
fn more_uses_than_a_request_takes_are_refused_before_it_is_signed() {
    block_on(async {
        let intake = Intake::new().await;
        let (desk, case) = desk_of(&intake, 18).await;
        let refused = desk.request(case, asked(&intake, 18).uses(4)).await.unwrap_err();
        let expected = Refusal::TooManyUses { uses: 4, requirements: 18, most: 64 };
        assert!(matches!(&refused, IntakeError::Refused(found) if *found == expected), "{refused}");
        let signed = desk.request(case, asked(&intake, 18).uses(3)).await.unwrap();
        assert_eq!(desk.case(case).await.unwrap().state().requests()[&signed.descriptor.request()].uses, 54);
    });
}

#[test]
fn a_request_asks_for_a_passphrase_and_says_how_soon_it_answers() {
    block_on(async {
        let intake = Intake::new().await;
        let (desk, case) = desk_of(&intake, 1).await;
        let new = asked(&intake, 1).passphrase("luna azul").answer_within(DAY * 2);
        assert!(!format!("{new:?}").contains("luna"));
        let signed = desk.request(case, new).await.unwrap();
        let carrier = intake.carrier();
        carrier.publish(signed.descriptor.to_bytes()).await.unwrap();
        let link = Link::parse(&signed.link.expose_url(PAGE).unwrap()).unwrap();
        let open = |passphrase: Option<&str>| {
            OpenedRequest::open(&signed.descriptor.to_bytes(), &link, passphrase, intake.clock.now())
        };
        assert!(open(None).is_err() && open(Some("luna roja")).is_err());
        let client = open(Some("luna azul")).unwrap();
        let deposit = client.begin(0, Vec::<File>::new(), &SystemEntropy::default()).unwrap();
        let manifest = deposit.finish(Default::default(), "").unwrap();
        let promise = carrier.finish(manifest.clone()).await.unwrap();
        let promise = deposit.check_promise(&promise, &manifest).unwrap();
        assert_eq!(promise.answer_by(), promise.time().saturating_add(DAY * 2));
    });
}

#[test]
fn requests_that_have_expired_keep_no_other_from_being_issued() {
    let clock = Hand::at(docvault::Timestamp::from_millis(1_800_000_000_000));
    let template = Template::from_toml(&forms(1)).unwrap();
    let actor = Actor::new("user:1");
    let opened = CaseState::open(&template, Opening::new("client:1"), clock.now(), &actor).unwrap();
    let mut state = CaseState::begin(&opened).unwrap();
    let mut issue = |serial: u8, now: docvault::Timestamp| {
        let (requirements, expires) = (vec![key("f0")], now.saturating_add(DAY));
        let request = docvault::RequestId::from_bytes([serial; 16]);
        let command = Command::IssueRequest { request, requirements, expires, uses: 5, to: None };
        let event = state.decide(&template, command, now, &actor)?;
        state.apply(&template, &event);
        Ok::<(), Refusal>(())
    };
    (0..8).for_each(|serial| issue(serial, clock.now()).unwrap());
    assert!(matches!(issue(8, clock.now()), Err(Refusal::TooMany { most: 8, .. })));
    clock.forward(DAY * 2);
    (8..16).for_each(|serial| issue(serial, clock.now()).unwrap());
    clock.forward(DAY * 2);
    assert!(matches!(issue(16, clock.now()), Err(Refusal::TooMany { most: 16, .. })), "the state is small");
}

/// A carrier reads what each slot takes at most: were it the requirement's own, it would tell which one that is, and so what a
/// client has answered.
#[test]
fn no_slot_tells_its_requirement_by_what_it_takes() {
    block_on(async {
        for path in std::fs::read_dir("templates").unwrap() {
            let text = std::fs::read_to_string(path.unwrap().path()).unwrap();
            let template = Template::from_toml(&text).unwrap();
            let intake = Intake::new().await;
            let desk = Desk::new(intake.vault.session("user:2").purpose("loans").begin().unwrap());
            let case = desk.open_case("loan 1", &template, Opening::new("client:1")).await.unwrap();
            let expires = intake.vault.now().saturating_add(DAY);
            let keys = template.requirements().iter().map(|rule| rule.key().clone()).take(64);
            let new = NewRequest::new(carrier_key().public(), expires).requirements(keys);
            let signed = desk.request(case, new).await.unwrap();
            let opened = intake.open(&signed);
            let (first, rest) = signed.descriptor.slots().split_first().unwrap();
            assert!(rest.iter().all(|slot| slot == first), "{rest:?}");
            let widest = template.requirements().iter().filter_map(|rule| rule.files());
            assert_eq!(first.files, widest.clone().map(|files| files.max()).max().unwrap());
            assert_eq!(first.file_bytes, widest.map(|files| files.max_bytes()).max().unwrap());
            assert!(opened.slots().len() > 3);
        }
    });
}
