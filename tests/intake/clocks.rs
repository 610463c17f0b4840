//! A colleague's clock that was years ahead, once.

use docvault::{ContentDigest, RequestId, Timestamp, VersionId, intake::*};

use crate::{DAY, key};

const TEMPLATE: &str = r#"
    format = 1
    name = "bill"
    version = 1
    language = "en"
    title = { en = "Bill" }

    [[requirements]]
    key = "bill"
    title = { en = "Bill" }
    files = { media_types = ["text/plain"], max_bytes = 100 }
    issued_within_months = 3
    expires = true
"#;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A case in which somebody whose clock is ten years ahead has commented.
struct Poisoned {
    template: Template,
    state: CaseState,
}

impl Poisoned {
    fn new() -> Self {
        let template = Template::from_toml(TEMPLATE).unwrap();
        let opened =
            CaseState::open(&template, Opening::new("client:1"), NOW, &Actor::new("user:1")).unwrap();
        let mut case = Self { state: CaseState::begin(&opened).unwrap(), template };
        let (text, audience) = ("a word".to_owned(), Audience::Office);
        let ahead = NOW.saturating_add(DAY * 3650);
        case.act(ahead, Command::Comment { requirement: None, text, audience }).unwrap();
        assert_eq!(case.state.updated(), ahead);
        case
    }

    fn act(&mut self, now: Timestamp, command: Command) -> Result<Event, Refusal> {
        let event = self.state.decide(
            &self.template,
            command,
            now,
            &Actor::new("user:2").with_role(key("reviewer")),
        )?;
        self.state.apply(&self.template, &event);
        Ok(event)
    }
}

fn day(text: &str) -> Option<Date> {
    text.parse().ok()
}

#[test]
fn a_fast_clock_in_a_case_keeps_nobody_from_deciding() {
    let mut case = Poisoned::new();
    let (version, digest) = (VersionId::from_bytes([1; 16]), ContentDigest::of(b"bill"));
    let document = format!("{}{:032}", docvault::CaseId::from_bytes([3; 16]), 1).parse().unwrap();
    let mut bill = Submission::new(document, version, digest, Origin::Direct).file("text/plain", 4, digest);
    (bill.issued, bill.valid_until) = (day("2027-01-10"), day("2027-02-28"));
    let submit = Command::Submit { requirement: key("bill"), submission: bill };
    let submitted = case.act(NOW, submit).unwrap();
    assert!(submitted.at > NOW, "times ascend");
    let (requirement, issued, valid_until) = (key("bill"), None, None);
    case.act(NOW, Command::Approve { requirement, version, digest, issued, valid_until }).unwrap();
    let (request, requirements) = (RequestId::from_bytes([2; 16]), vec![key("bill")]);
    let expires = NOW.saturating_add(DAY);
    case.act(NOW, Command::IssueRequest { request, requirements, expires, uses: 1, to: None }).unwrap();
    case.act(NOW, Command::Complete).unwrap();
}

#[test]
fn a_fast_clock_in_a_case_makes_nothing_good_that_is_not() {
    let mut case = Poisoned::new();
    let requirements = vec![key("bill")];
    let request = RequestId::from_bytes([2; 16]);
    let past = Timestamp::from_millis(NOW.as_millis() - 1);
    let issue = Command::IssueRequest { request, requirements, expires: past, uses: 1, to: None };
    assert!(matches!(case.act(NOW, issue), Err(Refusal::RequestExpired)));
    assert!(matches!(case.act(NOW, Command::Complete), Err(Refusal::Incomplete { .. })));
}
